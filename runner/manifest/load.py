"""A file to a `Manifest`: all problems of its shape at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.core.catalog import Catalog, closest
from runner.core.credits import parse_credits
from runner.core.spec import Json
from runner.errors import ManifestError, Problem
from runner.manifest.freetext import check_lost_text
from runner.manifest.model import (
    AccountSpec,
    ConcurrencySpec,
    Defaults,
    JobTemplate,
    Manifest,
    OutputSpec,
    RetrySpec,
)
from runner.manifest.places import Document
from runner.manifest.rules import budget_of, halt_of, schedule_of, schedule_problems
from runner.manifest.shape import check_shape, endpoint_keys
from runner.manifest.yaml12 import parse_yaml

MAX_BYTES = 32 * 1024 * 1024

_NOT_SETTINGS = frozenset({"id", "defaults"})


def load_manifest(path: Path, catalog: Catalog) -> Manifest:
    """Read and check a manifest; bodies are checked when it is expanded.

    Raises:
        ManifestError: all that is wrong with the file.
    """
    return manifest_from(_read(path), catalog, file=str(path))


def manifest_from(data: bytes, catalog: Catalog, *, file: str) -> Manifest:
    """The manifest that `data` writes; `file` names it in messages and may name the batch.

    Raises:
        ManifestError: all that is wrong with it.
    """
    document = parse_yaml(data, file=file)
    problems = check_shape(document) or list(schedule_problems(document))
    if not problems:
        manifest = _manifest(document)
        problems = [*check_lost_text(document), *_unknown_models(manifest, catalog)]
    if problems:
        raise ManifestError(problems)
    return manifest


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise _unreadable(path, "is a folder, not a manifest", "name the file")
        if path.exists() and not path.is_file():  # a pipe or device may never end
            raise _unreadable(path, "is not a regular file", "write the manifest to a file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(path, "does not exist", _neighbour(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(path, f"cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise _unreadable(path, f"is larger than {MAX_BYTES // 1024**2} MiB")
    return data


def _unreadable(path: Path, what: str, hint: str = "") -> ManifestError:
    return ManifestError([Problem(message=f"`{path}` {what}", hint=hint, file=str(path))])


def _neighbour(path: Path) -> str:
    try:
        names = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return f"there is no folder `{path.parent}`"
    near = closest(path.name, names)
    return f"did you mean `{near}`?" if near else ""


def _manifest(document: Document) -> Manifest:
    value = document.value
    settings: dict[str, Any] = {}
    if "confirm_over" in value:
        settings["confirm_over"] = parse_credits(value["confirm_over"])
    return Manifest(
        file=document.file,
        name=value.get("name") or _stem(document.file),
        jobs=tuple(_template(index, raw) for index, raw in enumerate(value["jobs"])),
        budget=budget_of(value.get("budget", {})),
        concurrency=ConcurrencySpec(**value.get("concurrency", {})),
        schedule=schedule_of(value.get("schedule", {})),
        retry=RetrySpec(**value.get("retry", {})),
        halt=halt_of(value.get("halt", {})),
        account=AccountSpec(**value.get("account", {})),
        output=_output(value.get("output", {})),
        allow=tuple(value.get("inputs", {}).get("allow", ())),
        defaults=_defaults(value.get("defaults", {})),
        vars=value.get("vars", {}),
        document=document,
        **settings,
    )


def _template(index: int, raw: Mapping[str, Json]) -> JobTemplate:
    (endpoint,) = endpoint_keys(raw)
    return JobTemplate(
        index=index,
        id=raw["id"],
        endpoint=endpoint,
        body=raw[endpoint],
        keys={key: raw[key] for key in raw if key != endpoint and key not in _NOT_SETTINGS},
        uses_defaults="defaults" not in raw,
    )


def _output(raw: Mapping[str, Json]) -> OutputSpec:
    named = {key: raw[key] for key in ("dir", "name") if key in raw}
    return OutputSpec(**named, sidecar=raw.get("sidecar", "file") == "file")


def _defaults(raw: Mapping[str, Json]) -> Defaults:
    endpoints = {key: raw[key] for key in endpoint_keys(raw)}
    return Defaults(job=raw.get("job", {}), models=raw.get("models", {}), endpoints=endpoints)


def _stem(file: str) -> str:
    return re.sub(r"[^\w.-]+", "-", Path(file).stem).strip("-.") or "batch"


def _unknown_models(manifest: Manifest, catalog: Catalog) -> Iterator[Problem]:
    """Caps and defaults for a model that nobody knows would silently never apply."""
    known = {model for each in catalog.endpoints.values() for model in each.models}
    known |= set(catalog.endpoints)  # lanes without a model are named after the endpoint
    known |= {template.endpoint for template in manifest.jobs}
    own = {str(template.body.get("model")) for template in manifest.jobs}
    for section in ("budget", "concurrency", "defaults"):
        raw = manifest.document.value.get(section)
        for name in raw.get("models", {}) if isinstance(raw, Mapping) else ():
            if name in known or name in own:
                continue
            guess = closest(name, sorted(known))
            yield manifest.document.problem(
                (section, "models", name),
                f"unknown model `{name}`",
                f"did you mean `{guess}`?" if guess else "`runway-batch models` lists them",
                key=True,
            )
