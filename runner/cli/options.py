"""Flags: what every command takes, where a flag's variable comes from, and who wins.

Settings have a variable, `RUNWAY_BATCH_<FLAG>`; flags for one call (`--yes`, `--dry-run`) have
none. Global flags are taken before and after the command's name; after wins.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from .output import Output

if TYPE_CHECKING:
    from runner.settings import Settings

PREFIX = "RUNWAY_BATCH_"
COMMAND = "runner.command"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def setting(flag: str, *names: str, **options: Any) -> Callable[[Decorated], Decorated]:
    """A flag that is a setting: with a variable of its own."""
    variable = PREFIX + flag.removeprefix("--").replace("-", "_").upper()
    return click.option(flag, *names, envvar=variable, show_envvar=True, **options)


def _pairs(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """`--set model=gen4_turbo --set duration=5` as a mapping."""
    found: dict[str, str] = {}
    for text in value:
        key, equals, item = text.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"`{text}` is not KEY=VALUE", ctx, param)
        if found.setdefault(key.strip(), item) != item:
            raise click.BadParameter(f"`{key.strip()}` is set twice", ctx, param)
    return found


#: what a table does not say of its jobs
set_option: Callable[[Decorated], Decorated] = click.option(
    "--set", "sets", multiple=True, callback=_pairs, metavar="KEY=VALUE",
    help="Of a table: a field of the request, endpoint, takes, tags, key …; may be repeated.",
)  # fmt: skip


@setting("--state", type=click.Path(path_type=Path), metavar="PATH", help="State file.")
@setting(
    "--state-on-network", is_flag=True,
    help="The state file may lie on a network share: no other machine uses it.",
)  # fmt: skip
@setting("--base-url", metavar="URL", help="Where the API is.")
@setting(
    "--poll-interval", type=float, metavar="SECONDS",
    help="Between two reads of a task; less than 5 only on loopback hosts.",
)  # fmt: skip
@setting("--output-dir", type=click.Path(path_type=Path), metavar="DIR", help="Folder for outputs.")
@click.option("-q", "--quiet", is_flag=True, help="Errors and results only.")
@click.option("-v", "--verbose", count=True, help="Say more.")
@click.option("--json", "json", is_flag=True, help="Results as JSON.")
def _globals() -> None:
    """Carries the global flags; never called."""


def global_options() -> list[click.Parameter]:
    """The global flags, in the order of the help."""
    params: list[click.Parameter] = getattr(_globals, "__click_params__")  # noqa: B009 - of click
    return list(reversed(params))


GLOBAL_NAMES = frozenset(param.name for param in global_options() if param.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flags:
    """The global flags of one call."""

    state: Path | None = None
    state_on_network: bool = False
    base_url: str | None = None
    poll_interval: float | None = None
    output_dir: Path | None = None
    quiet: bool = False
    verbose: int = 0
    json: bool = False
    #: names given on the command line, not by a variable
    given: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def settings(self, *, base_url: str | None = None, pretend: bool = False) -> Settings:
        """Checked settings; `base_url` overrides the flag, `pretend` is for the emulator."""
        from runner.settings import make_settings

        return make_settings(
            self.environment,
            state=self.state,
            state_on_network=self.state_on_network,
            base_url=base_url or self.base_url,
            output_dir=self.output_dir,
            poll_interval_s=self.poll_interval,
            pretend=pretend,
        )

    def output(self) -> Output:
        return Output(json=self.json, quiet=self.quiet, verbose=self.verbose)

    @property
    def is_ci(self) -> bool:
        return self.environment.get("CI", "").lower() not in {"", "0", "false"}


def _merged(ctx: click.Context) -> Flags:
    """Flags after the command's name win over those before it, and both over variables."""
    from runner.settings import check_variables

    check_variables(os.environ)
    values: dict[str, Any] = {}
    given = set()
    levels = [level for level in _upward(ctx) if level.params.keys() >= GLOBAL_NAMES]
    for name in GLOBAL_NAMES:
        values[name] = levels[0].params[name]
        for level in levels:
            if level.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                values[name] = level.params[name]
                given.add(name)
                break
    return Flags(**values, given=frozenset(given), environment=os.environ)


def _upward(ctx: click.Context) -> list[click.Context]:
    return [ctx] if ctx.parent is None else [ctx, *_upward(ctx.parent)]


class _WithGlobals(click.Command):
    """Takes the global flags, and lists them apart in its help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                (shared if param.name in GLOBAL_NAMES else own).append(record)
        for title, records in (("Options", own), ("Global options", shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class BatchCommand(_WithGlobals):
    """A command of ours: `ctx.obj` are the merged `Flags`, the callback gets its own flags only."""

    def invoke(self, ctx: click.Context) -> Any:
        from .log_lines import say_logs

        say_logs()
        ctx.obj = _merged(ctx)
        ctx.meta[COMMAND] = ctx.command_path.partition(" ")[2]
        for name in GLOBAL_NAMES:
            ctx.params.pop(name)
        return super().invoke(ctx)


class GlobalGroup(_WithGlobals, click.Group):
    """A group that takes the global flags before the command's name."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def command_name(ctx: click.Context) -> str:
    """The command that ran: `status`, `task get`."""
    return str(ctx.meta.get(COMMAND, ""))
