"""`runway-batch resolve [JOB]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags
from runner.errors import UsageError

_HELP = """Settle jobs that may have been charged without an answer.

Without JOB lists them and exits 11 if there are any. Look at Runway's own list of tasks, then say
what became of the job.
"""

_WAYS = "--not-arrived, --lost, --resubmit or --task ID"


@click.command("resolve", cls=BatchCommand, help=_HELP)
@click.argument("job", required=False)
@click.option("--batch", metavar="FILE|NAME", help="Of which batch; default: the only one here.")
@click.option("--not-arrived", is_flag=True, help="Nothing was created: release the credits.")
@click.option("--lost", is_flag=True, help="It was charged and cannot be found: it failed.")
@click.option("--resubmit", is_flag=True, help="As --lost, and make it again, paying again.")
@click.option("--task", "task_id", metavar="ID", help="It became this task: collect it.")
@click.option("--emulator", is_flag=True, help="What ran on the emulator.")
@click.pass_obj
def command(
    flags: Flags,
    job: str | None,
    batch: str | None,
    not_arrived: bool,
    lost: bool,
    resubmit: bool,
    task_id: str | None,
    emulator: bool,
) -> int:
    from runner.cli.resolving import list_in_doubt, settle
    from runner.core.events import Verdict

    given = {
        Verdict.NOT_ARRIVED: not_arrived,
        Verdict.LOST: lost,
        Verdict.RESUBMIT: resubmit,
        Verdict.ADOPTED: task_id is not None,
    }
    verdicts = [verdict for verdict, is_given in given.items() if is_given]
    if job is None and not verdicts:
        return asyncio.run(list_in_doubt(flags, batch, emulator=emulator))
    if job is None:
        raise UsageError("which job?", hint="`runway-batch resolve` without flags lists them")
    if len(verdicts) != 1:
        raise UsageError("say what became of the job, once", hint=f"exactly one of {_WAYS}")
    return asyncio.run(settle(flags, batch, job, verdicts[0], task_id=task_id, emulator=emulator))
