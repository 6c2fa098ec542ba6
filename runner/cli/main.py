"""The command `runway-batch`: finds the command, turns what goes wrong into words and exit codes.

Only click and the standard library are imported here: `--help` has to be quick. A command's module
is imported when that command is asked for.
"""

from __future__ import annotations

import difflib
import importlib
import io
import sys
import traceback
from collections.abc import Sequence

import click

from runner import __version__
from runner.errors import RunnerError, UsageError

from .options import GlobalGroup, command_name
from .output import Output

PROGRAM = "runway-batch"
INTERRUPTED = 130
BUG = 1

#: name: (module under `commands`, first line of its help)
COMMANDS = {
    "init": ("init", "Write a manifest to start from."),
    "validate": ("validate", "Check manifests: every problem, with its place."),
    "plan": ("plan", "Show what a run would do and cost."),
    "run": ("run", "Start a batch, or go on with it."),
    "status": ("status", "Show where a batch stands."),
    "explain": ("explain", "Say of one job why it waits or failed, and what to do."),
    "retry": ("retry", "Queue failed and held jobs again."),
    "resolve": ("resolve", "Settle jobs that may have been charged without an answer."),
    "fetch": ("fetch", "Download what is paid for and not on the disk."),
    "verify": ("verify", "Check the files of finished jobs."),
    "doctor": ("doctor", "Check the state file and all that a run rests on."),
    "pause": ("pause", "Send nothing more of a batch, until `resume`."),
    "resume": ("resume", "Let a paused batch go on, and release held jobs."),
    "cancel": ("cancel", "Drop jobs not sent, and tasks that have not begun."),
    "limits": ("limits", "Show limits and what is in use, or set those of a live run."),
    "ledger": ("ledger", "Show what was spent, and what is left of every cap."),
    "credits": ("credits", "Show the account: balance, limits, use of today."),
    "task": ("task", "Read or cancel a task at Runway."),
    "models": ("models", "List models and prices, or show all of one model."),
    "schema": ("schema", "Print a JSON Schema: for editors and for scripts."),
    "emulator": ("emulator", "Serve a pretend Runway on this machine."),
    "demo": ("demo", "Run an example on the emulator: nothing is spent."),
}


class LazyGroup(GlobalGroup):
    """Knows its commands by name; imports one when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"runner.cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise UsageError(f"no such command: {name}", hint=_suggestion(name))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"did you mean `{close[0]}`?" if close else f"`{PROGRAM} --help` lists the commands"


group = LazyGroup(
    PROGRAM,
    help="Batches of generations with Runway's API: resumable, within a budget, never paid twice.",
    epilog=f"`{PROGRAM} COMMAND --help` explains a command.",
)
click.version_option(__version__, prog_name=PROGRAM)(group)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    _never_fail_to_print()
    out = Output(json=_wants_json(args))
    try:
        with group.make_context(PROGRAM, args) as ctx:
            try:
                code = group.invoke(ctx)
            except RunnerError as error:
                return _failed(out, error, command_name(ctx))
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _usage(out, error)
    except RunnerError as error:
        return _failed(out, error, "")
    except (KeyboardInterrupt, click.Abort):
        if sys.stderr.isatty():
            out.say("")  # the terminal has echoed ^C
        out.error("interrupted")
        return INTERRUPTED
    except Exception:  # noqa: BLE001 - the one place where a bug of ours becomes an exit code
        out.trace(traceback.format_exc())
        out.error("this is a bug in runway-batch; please report it with the lines above")
        out.hint("the state file is safe: the same command goes on where this one stopped")
        return BUG


def _never_fail_to_print() -> None:
    """A terminal or pipe without Unicode gets escapes instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _wants_json(args: Sequence[str]) -> bool:
    """Also where the command line cannot be parsed, a script gets what it asked for."""
    end = list(args).index("--") if "--" in args else len(args)
    return "--json" in args[:end]


def _failed(out: Output, error: RunnerError, command: str) -> int:
    if out.json:
        from .show_problems import errors_json

        out.envelope(command, None, ok=False, errors=errors_json(error))
    else:
        out.failure(error)
    return error.exit_code


def _usage(out: Output, error: click.ClickException) -> int:
    """What click refuses: an unknown option, a missing argument, a value of the wrong kind."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    path = ctx.command_path if ctx else PROGRAM
    hint = f"see `{path} --help`"
    message = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption):
        message = f"no such option: {error.option_name}"
        if error.possibilities:
            hint = f"did you mean {' or '.join(sorted(error.possibilities))}?"
    return _failed(out, UsageError(message, hint=hint), path.removeprefix(PROGRAM).strip())
