"""What must hold whenever nobody runs: the state file against what the server charged."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.core.events import Edited, Requeued, Resolved, SubmitUnknown, Verdict
from runner.core.job import ACTIVE, Job, JobStatus
from tests.crash.state import Stored

Task = Mapping[str, Any]  # as the emulator's back door shows it


def by_job(tasks: Sequence[Task]) -> dict[str, list[Task]]:
    """The server's tasks by the job that they were made for: its id is the prompt."""
    found = defaultdict(list)
    for task in tasks:
        found[task["body"]["promptText"]].append(task)
    return dict(found)


def broken(stored: Stored, account: Mapping[str, Any], *, cap: int) -> list[str]:
    """Promises about money that are broken, a sentence each; may be asked after every kill."""
    found = list(stored.problems)
    if account["most_charged"] > cap:
        found.append(f"the server charged {account['most_charged']} under a cap of {cap}")
    if stored.totals.used < account["charged"]:
        found.append(f"{account['charged']} charged, {stored.totals.used} on the books")
    if stored.totals.used > cap:
        found.append(f"{stored.totals.used} on the books under a cap of {cap}")
    return found


def broken_by_tasks(stored: Stored, tasks: Sequence[Task]) -> list[str]:
    """Double payments, and creates that nobody knows of."""
    theirs = by_job(tasks)
    strangers = theirs.keys() - stored.jobs.keys()
    found = [f"nobody has a job for `{prompt}`" for prompt in sorted(strangers)]
    for job in stored.jobs.values():
        found += _paid_twice(stored, job, theirs.get(job.id, []))
        found += _unknown(stored, job, theirs.get(job.id, []))
    return found


def _paid_twice(stored: Stored, job: Job, tasks: Sequence[Task]) -> Iterator[str]:
    """One charge for a job, and one more for each time that a person asked for another try."""
    paid = [task for task in tasks if task["charged"]]
    asked = sum(
        isinstance(event, Requeued | Edited)
        or (isinstance(event, Resolved) and event.verdict is Verdict.RESUBMIT)
        for event in stored.past[job.id]
    )
    if len(paid) > 1 + asked:
        ids = ", ".join(task["id"] for task in paid)
        yield f"`{job.id}` was paid {len(paid)} times, another try was asked {asked} times: {ids}"


def _unknown(stored: Stored, job: Job, tasks: Sequence[Task]) -> Iterator[str]:
    """Every task whose id the job does not have is one of its creates in doubt, open or judged."""
    unknown = [task["id"] for task in tasks if task["id"] not in job.task_ids]
    doubts = 0
    for event in stored.past[job.id]:
        doubts += isinstance(event, SubmitUnknown)
        if isinstance(event, Resolved) and event.verdict in {Verdict.ADOPTED, Verdict.NOT_ARRIVED}:
            doubts -= 1
    doubts += job.status is JobStatus.SUBMITTING  # the next run puts it in doubt
    if len(unknown) > doubts:
        yield f"`{job.id}` ({job.status}) has {doubts} doubts, and does not know {unknown}"


def broken_at_rest(stored: Stored, tasks: Sequence[Task], outputs: Path) -> list[str]:
    """Lost outputs and unexplained doubts, once a run came to its end."""
    known = {task["id"]: task for task in tasks}
    found = [f"`{job.id}` is left {job.status}" for job in stored.of(*ACTIVE)]
    doubts = stored.of(JobStatus.IN_DOUBT)
    silent = [job for job in doubts if job.error is None or not job.error.message]
    found += [f"`{job.id}` is in doubt, and nobody says why" for job in silent]
    for job in stored.jobs.values():
        found += _lost(job, known)
        found += _off_disk(job, outputs)
    return found + _left_behind(outputs)


def _lost(job: Job, known: Mapping[str, Task]) -> Iterator[str]:
    """What succeeded at the server is here."""
    for task_id in job.task_ids:
        task = known.get(task_id)
        if task is None:
            yield f"`{job.id}` has a task that the server never made: {task_id}"
        elif task["status"] == "SUCCEEDED" and (task_id != job.task_id or not _is_done(job)):
            yield f"`{job.id}` ({job.status}) lost what {task_id} made"


def _is_done(job: Job) -> bool:
    return job.status is JobStatus.DONE and job.expected == len(job.outputs) > 0


def _off_disk(job: Job, outputs: Path) -> Iterator[str]:
    for output in job.outputs if job.status is JobStatus.DONE else ():
        path = outputs / output.path
        if not path.is_file():
            yield f"`{job.id}` is done, and `{output.path}` is not there"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != output.sha256:
            yield f"`{job.id}` is done, and `{output.path}` is another file"


def _left_behind(outputs: Path) -> list[str]:
    """Nothing half-done; at rest nobody downloads."""
    parts = [path.name for path in outputs.rglob("*") if ".part" in path.name]
    return [f"left behind: {', '.join(sorted(parts))}"] if parts else []


def files_of(stored: Stored) -> dict[str, str]:
    """sha256 by task id and index, of everything done."""
    return {
        f"{job.task_id}/{output.index}": output.sha256
        for job in stored.of(JobStatus.DONE)
        for output in job.outputs
    }
