"""What a stale job was made of, against what its manifest says now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from runner.core.job import Job, JobStatus
from runner.core.spec import JobSpec, Json
from runner.errors import RunnerError
from runner.runway.redact import without_secrets
from runner.settings import Settings

from .manifests import is_yaml
from .project import load_project


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A field of the request whose value has changed."""

    field: str  # at the top of the body, or `endpoint`
    made: Json  # None: it was not there
    now: Json  # None: it is not there any more


async def differences(job: Job, manifest: str, settings: Settings) -> tuple[Difference, ...]:
    """By field; empty where the job is not stale, or its manifest cannot be read or lacks it.

    Args:
        job: as it was made.
        manifest: where the last run found it; what a table's `--set` said is not known.
        settings: of this call.
    """
    path = Path(manifest)
    if not (job.stale and job.status is JobStatus.DONE and is_yaml(path)):
        return ()
    try:
        now = await asyncio.to_thread(_spec_now, job.id, path, settings)
    except (RunnerError, OSError):
        return ()  # `validate` says what is wrong with it
    return () if now is None else compare(job.spec, now)


def compare(made: JobSpec, now: JobSpec) -> tuple[Difference, ...]:
    """Every field at the top that is not the same, the endpoint first."""
    before = {"endpoint": made.endpoint, **made.body}
    after = {"endpoint": now.endpoint, **now.body}
    return tuple(
        Difference(field=name, made=_public(before.get(name)), now=_public(after.get(name)))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    )


def _public(value: Json) -> Json:
    """Without what lets others in: a link of an input may be signed."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, list):
        return [_public(item) for item in value]
    if isinstance(value, dict):
        return {key: _public(item) for key, item in value.items()}
    return value


def _spec_now(job_id: str, path: Path, settings: Settings) -> JobSpec | None:
    specs = load_project(path, settings).expander().specs(check=False)
    return next((spec for spec in specs if spec.id == job_id), None)
