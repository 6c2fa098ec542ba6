"""A second run of a batch that is live on this machine: hands it the edited manifest, and watches.

Leaving the watching changes nothing: the live run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.clock import Clock
from runner.core.commands import CommandKind
from runner.core.outcome import Reason, exit_code_of
from runner.core.summary import BatchSummary, work_left
from runner.errors import StoreError, StoreLocked, TransientApiError
from runner.store.reader import StateReader
from runner.store.runs import StoredRun
from runner.store.store import JobStore

from .asking import ask
from .batch import summary_of
from .planning import NO_WISH, Wish
from .preflight import check_manifest
from .project import Project
from .run import RunResult

#: seconds between two looks at the state
WATCH_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedOver:
    """What the live run took over, by what becomes of the jobs."""

    run: StoredRun
    actions: Mapping[str, int]  # in words: new, kept, changed, stale …


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How a batch stands before a run of it."""

    live: StoredRun | None = None  # its run, where that lives on this machine
    is_paused: bool = False


async def standing(project: Project) -> Standing:
    """Look, and change nothing.

    Raises:
        UsageError: a run is live, of another manifest of the same name.
    """
    if not project.state.is_file():
        return Standing()
    try:
        async with await StateReader.read(project.state) as reader:
            stored = await reader.batch(project.batch)
            runs = await reader.runs(project.batch)
    except StoreError:
        return Standing()  # of an older version, or broken: opening it for the run says so
    live = next((run for run in runs if run.is_alive and run.is_here), None)
    if live is not None and stored is not None and stored.manifest:
        check_manifest(project.batch, Path(stored.manifest), project.path)
    return Standing(live=live, is_paused=stored is not None and stored.paused_at is not None)


async def hand_over(
    project: Project, run: StoredRun, run_cap: int | None, *, clock: Clock, wish: Wish = NO_WISH
) -> HandedOver:
    """The live run takes the manifest as it is on disk now.

    Args:
        run_cap: the run's cap from now on, in credits; None leaves it as it is.
        wish: what is asked of stale jobs.

    Raises:
        UsageError: it refused, as the manifest cannot be used.
        StoreLocked: it did not answer.
    """
    data: dict[str, Any] = {} if run_cap is None else {"max_credits": run_cap}
    data |= {"refresh": wish.refresh, "accept_stale": wish.accept_stale}
    data |= {"sets": dict(project.sets)}
    async with await JobStore.open(project.state, clock=clock, create=False) as store:
        answer = await ask(store, project.batch, CommandKind.RELOAD, data, clock=clock)
    if answer is None:
        since = f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC"
        raise StoreLocked(
            f"process {run.pid} on `{run.host}` works on batch `{project.batch}` since {since},"
            " and did not answer",
            hint="wait until it has finished, or stop it with Ctrl-C",
        )
    return HandedOver(run=run, actions={str(key): int(n) for key, n in answer.items()})


async def used_by_run(project: Project, run: StoredRun) -> int:
    """Credits that count against the live run's own cap."""
    async with await StateReader.read(project.state) as reader:
        caps = await reader.caps_in_force(project.batch)
    return next((cap.used for cap in caps if cap.name == f"run:{run.id}"), 0)


async def watch_run(
    project: Project, run: StoredRun, tell: Callable[[BatchSummary], None], *, clock: Clock
) -> RunResult:
    """Tell how the batch stands until that run has ended; its exit code is the result's."""
    async with await StateReader.read(project.state) as reader:
        while True:
            found = next(r for r in await reader.runs(project.batch) if r.id == run.id)
            summary = await summary_of(reader, project.batch)
            tell(summary)
            if not found.is_alive:
                return RunResult(summary=summary, reasons=_reasons(found, summary))
            await clock.sleep(WATCH_S)


def _reasons(run: StoredRun, summary: BatchSummary) -> tuple[Reason, ...]:
    """What the state shows, and the run's exit code where that does not explain it."""
    if run.exit_code is None:
        code = TransientApiError.exit_code
        died = Reason(exit_code=code, message="the run ended without saying how",
                      hint="run the same command again to go on")  # fmt: skip
        return (died, *work_left(summary))
    found = [reason for reason in work_left(summary) if run.exit_code]
    if exit_code_of(found) != run.exit_code:
        message = f"the run that was watched ended with exit code {run.exit_code}"
        found = [Reason(exit_code=run.exit_code, message=message)]
    return tuple(found)
