"""The JSON beside an output: what made it. No key, no link, nothing that expires."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from runner.core.job import Job, OutputFile
from runner.core.links import without_signatures
from runner.core.spec import AssetRef, OutputRef, map_refs


@dataclass(frozen=True, kw_only=True, slots=True)
class Unpacked:
    """What became of an archive whose job wants it unpacked."""

    folder: str = ""  # its name, beside the archive; empty: the archive stays as it is
    members: int = 0  # files of the archive
    warning: str = ""  # why it stays as it is


_NOTHING: Mapping[int, Unpacked] = MappingProxyType({})


def render_sidecar(
    job: Job, *, tool: str, finished_at: str, unpacked: Mapping[int, Unpacked] = _NOTHING
) -> str:
    """The sidecar of a job's task, listing all its outputs, as JSON text.

    Inputs appear as what they are (a file with its hash, another job's output), not as the
    upload or link they were sent as.

    Args:
        job: done, or about to be.
        tool: name and version of what writes it.
        finished_at: ISO 8601.
        unpacked: folders that outputs were unpacked into, by the output's index.
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
        "request": _unsigned(map_refs(spec.body, _shown)),
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
                **_folder(output, unpacked.get(output.index)),
            }
            for output in job.outputs
        ],
        "tool": tool,
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _folder(output: OutputFile, unpacked: Unpacked | None) -> Mapping[str, Any]:
    if unpacked is None or not unpacked.folder:
        return {}
    folder = PurePosixPath(output.path).with_name(unpacked.folder)
    return {"unpacked": f"{folder}/", "members": unpacked.members}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sidecar:
    """What a sidecar tells of the task that made its files."""

    batch: str
    job: str
    key: str
    task_id: str
    attempts: int
    credits: int | None  # of all attempts of the job; None where it does not say
    outputs: tuple[OutputFile, ...]


def parse_sidecar(text: str | bytes) -> Sidecar | None:
    """Read what `render_sidecar` writes; None for anything else, also where a path leads away."""
    try:
        data = json.loads(text)
        credits = data.get("credits")
        found = Sidecar(
            batch=_word(data["batch"]),
            job=_word(data["job"]),
            key=_word(data["key"]),
            task_id=_word(data["task_id"]),
            attempts=_count(data.get("attempts", 1)),
            credits=None if credits is None else _count(credits),
            outputs=tuple(_output(n, item) for n, item in enumerate(data["outputs"])),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return found if data.get("version") == 1 and found.outputs else None


def _output(index: int, item: Mapping[str, Any]) -> OutputFile:
    path = PurePosixPath(_word(item["path"]))
    if path.is_absolute() or ".." in path.parts or "\\" in str(path) or ":" in str(path):
        raise ValueError("a path out of the output folder")
    return OutputFile(
        index=index,
        path=str(path),
        bytes=_count(item["bytes"]),
        sha256=_word(item["sha256"]),
        media_type=_word(item["media_type"]),
        warning=str(item.get("warning", "")),
    )


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("not a number")
    return value


def _unsigned(value: Any) -> Any:
    """A copy without what makes a link of the manifest's own a secret."""
    if isinstance(value, str):
        return without_signatures(value) if value.startswith("https://") else value
    if isinstance(value, Mapping):
        return {key: _unsigned(item) for key, item in value.items()}
    return [_unsigned(item) for item in value] if isinstance(value, list) else value


def _shown(ref: OutputRef | AssetRef) -> Mapping[str, Any]:
    if isinstance(ref, OutputRef):
        shown = {"job": ref.job, "key": ref.key, "output": ref.index}
        return {**shown, "frame": ref.frame} if ref.frame else shown
    return {"file": ref.path, "sha256": ref.sha256, "bytes": ref.bytes}
