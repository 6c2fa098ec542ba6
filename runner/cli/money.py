"""Flags that hold money or numbers per lane."""

from __future__ import annotations

import click

from runner.core.credits import parse_credits


def lowest(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Of a cap's flag and its variable the lower one applies, in credits."""
    variable = param.value_from_envvar(ctx)
    amounts = [parse_credits(str(text)) for text in (value, variable) if text is not None]
    return min(amounts, default=None)


def lane_bounds(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[str | None, int]:
    """`-j 8 -j gen4_turbo=3` as {None: 8, "gen4_turbo": 3}."""
    found: dict[str | None, int] = {}
    for text in value:
        lane, equals, number = text.rpartition("=")
        if not number.isdecimal() or int(number) < 1 or (equals and not lane):
            raise click.BadParameter(f"`{text}` is neither N nor MODEL=N, N at least 1", ctx, param)
        found[lane or None] = int(number)
    return found
