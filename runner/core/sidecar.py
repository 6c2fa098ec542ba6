"""The JSON beside an output: what made it. No key, no link, nothing that expires."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runner.core.job import Job
from runner.core.spec import AssetRef, OutputRef, map_refs


def render_sidecar(job: Job, *, tool: str, finished_at: str) -> str:
    """The sidecar of a job's task, listing all its outputs, as JSON text.

    Inputs appear as what they are (a file with its hash, another job's output), not as the
    upload or link they were sent as.
    """
    spec = job.spec
    data: Mapping[str, Any] = {
        "version": 1,
        "batch": job.batch,
        "job": job.id,
        "key": spec.key,
        "template": spec.template,
        "take": spec.take,
        "tags": list(spec.tags),
        "endpoint": spec.endpoint,
        "model": spec.model,
        "request": map_refs(spec.body, _shown),
        "seed": spec.body.get("seed"),
        "task_id": job.task_id,
        "attempts": job.attempt,
        "credits": job.charged,
        "finished_at": finished_at,
        "outputs": [
            {
                "path": output.path,
                "bytes": output.bytes,
                "sha256": output.sha256,
                "media_type": output.media_type,
                **({"warning": output.warning} if output.warning else {}),
            }
            for output in job.outputs
        ],
        "tool": tool,
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _shown(ref: OutputRef | AssetRef) -> Mapping[str, Any]:
    if isinstance(ref, OutputRef):
        return {"job": ref.job, "key": ref.key, "output": ref.index}
    return {"file": ref.path, "sha256": ref.sha256, "bytes": ref.bytes}
