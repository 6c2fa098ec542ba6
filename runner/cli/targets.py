"""Arguments that many commands share: which batch, which of its jobs, real or pretended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

#: FILE or NAME
batch_argument: Callable[[Decorated], Decorated] = click.argument(
    "batch", required=False, metavar="[FILE|NAME]"
)
emulator_option: Callable[[Decorated], Decorated] = click.option(
    "--emulator", is_flag=True, help="What ran on the emulator."
)
select_option: Callable[[Decorated], Decorated] = click.option(
    "-s",
    "--select",
    multiple=True,
    metavar="WORDS",
    help="Only these: ID, GLOB, tag:T, model:M, template:T, state:S, error:CODE, reason:WORDS or"
    " take:N; a comma means and, repeated means or.",
)
