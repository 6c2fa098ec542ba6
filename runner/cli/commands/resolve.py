"""`runway-batch resolve [JOB]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags
from runner.cli.targets import emulator_option
from runner.errors import UsageError

_HELP = """Settle jobs that may have been charged without an answer.

Without JOB lists them with what the account says of them, and exits 11 if there are any. Look at
Runway's own list of tasks, then say what became of the job.
"""

_WAYS = "--not-arrived, --lost, --resubmit, --task ID or --by-evidence"


@click.command("resolve", cls=BatchCommand, help=_HELP)
@click.argument("job", required=False)
@click.option("--batch", metavar="FILE|NAME", help="Of which batch; default: the only one here.")
@click.option("--not-arrived", is_flag=True, help="Nothing was created: release the credits.")
@click.option("--lost", is_flag=True, help="It was charged and cannot be found: it failed.")
@click.option("--resubmit", is_flag=True, help="As --lost, and make it again, paying again.")
@click.option("--task", "task_id", metavar="ID", help="It became this task: collect it.")
@click.option(
    "--by-evidence", is_flag=True,
    help="Release what the account proves never arrived; of JOB, or of all.",
)  # fmt: skip
@emulator_option
@click.pass_obj
def command(
    flags: Flags,
    job: str | None,
    batch: str | None,
    not_arrived: bool,
    lost: bool,
    resubmit: bool,
    task_id: str | None,
    by_evidence: bool,
    emulator: bool,
) -> int:
    from runner.cli import resolving
    from runner.core.events import Verdict

    given = {
        Verdict.NOT_ARRIVED: not_arrived,
        Verdict.LOST: lost,
        Verdict.RESUBMIT: resubmit,
        Verdict.ADOPTED: task_id is not None,
    }
    verdicts = [verdict for verdict, is_given in given.items() if is_given]
    where = resolving.Where(batch=batch, emulator=emulator)
    if by_evidence:
        if verdicts:
            raise UsageError("say what became of the job, once", hint=f"exactly one of {_WAYS}")
        return asyncio.run(resolving.by_evidence(flags, where, job))
    if job is None and not verdicts:
        return asyncio.run(resolving.list_in_doubt(flags, where))
    if job is None:
        raise UsageError("which job?", hint="`runway-batch resolve` without flags lists them")
    if len(verdicts) != 1:
        raise UsageError("say what became of the job, once", hint=f"exactly one of {_WAYS}")
    return asyncio.run(resolving.settle(flags, where, job, verdicts[0], task_id=task_id))
