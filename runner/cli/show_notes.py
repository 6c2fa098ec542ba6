"""What is odd about a manifest, and what was left out of it on purpose."""

from __future__ import annotations

from collections.abc import Sequence

from runner.errors import Problem

from .output import Output


def show_notes(out: Output, warnings: Sequence[Problem]) -> None:
    """Warnings, then those that are only notes; nothing where less is wanted."""
    if not out.quiet:
        out.problems("warning", [each for each in warnings if not each.is_note])
        out.problems("note", [each for each in warnings if each.is_note])
