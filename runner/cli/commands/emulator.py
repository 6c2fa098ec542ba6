"""`runway-batch emulator`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """Serve a pretend Runway on this machine.

Every endpoint, with balance, prices, slots, quotas and playable files. Its key is `key_emulator`.
Ends with Ctrl-C.
"""


@click.command("emulator", cls=BatchCommand, help=_HELP)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: any free one.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="60: a minute a second.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@click.option("--tier", type=int, default=1, show_default=True, help="1 to 5: slots and quotas.")
@click.option("--credits", type=int, default=10_000, show_default=True, help="Balance at first.")
@click.option("--scenario", type=click.Path(path_type=Path), help="Scripted faults, as YAML.")
@click.option("--world", type=click.Path(path_type=Path), help="Folder that survives its end.")
@click.option(
    "--media",
    type=click.Choice(["real", "plain"]),
    default="real",
    show_default=True,
    help="plain: a right signature and nothing to play.",
)
@click.option(
    "--progress",
    type=click.Choice(["linear", "erratic"]),
    default="linear",
    show_default=True,
    help="Of running tasks.",
)
@click.option(
    "--link-life",
    "link_life_s",
    type=float,
    default=86_400.0,
    show_default=True,
    help="Seconds until a signed link expires.",
)
@click.option("--strict-models", is_flag=True, help="Refuse what today's service refuses.")
@click.option("--idle-exit", "idle_exit_s", type=float, help="End after so many seconds of rest.")
@click.pass_obj
def command(flags: Flags, /, **options: Any) -> int:
    from runner.clock import SystemClock
    from runner.emulator.options import DEFAULT_KEY, EmulatorOptions
    from runner.emulator.serve import serve
    from runner.manifest.catalog_file import load_catalog

    out = flags.output()

    def ready(url: str) -> None:
        if out.json:
            out.envelope("emulator", {"url": url, "key": DEFAULT_KEY})
        else:
            out.data(url)
            out.say(f"try it: RUNWAYML_API_SECRET={DEFAULT_KEY} runway-batch --base-url {url} …")

    serving = serve(EmulatorOptions(**options), load_catalog(), SystemClock(), ready)
    with suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
        asyncio.run(serving)
    return 0
