"""Questions at the terminal; where nobody is there, `--yes` has to have been said."""

from __future__ import annotations

import sys

import click

from runner.errors import UsageError

from .options import Flags
from .output import clean


def is_interactive(flags: Flags) -> bool:
    """Whether somebody is there to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not flags.is_ci


def must_agree(flags: Flags, question: str, *, yes: bool) -> None:
    """Ask, unless `--yes` was said.

    Raises:
        UsageError: nobody agreed; nothing was changed.
    """
    if yes:
        return
    if not is_interactive(flags):
        raise UsageError(f"nobody is at a terminal to ask: {question}", hint="add `--yes`")
    if not click.confirm(clean(question), default=False, err=True):
        raise UsageError("aborted, nothing was changed")
