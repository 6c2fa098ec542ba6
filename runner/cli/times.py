"""Flags that hold durations and times of day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import time


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """`8h`, `30m` or `1h30m` in seconds."""
    from runner.core.schedule import parse_duration

    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def time_of_day(ctx: click.Context, param: click.Parameter, value: str | None) -> time | None:
    """`07:00`, by the clock of this machine."""
    from runner.core.schedule import parse_time_of_day

    try:
        return None if value is None else parse_time_of_day(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None
