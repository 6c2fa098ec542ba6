"""A file to a `Manifest`: all problems of its shape at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.core.catalog import Catalog, closest
from runner.core.credits import parse_credits
from runner.core.price_override import PriceOverrides
from runner.core.spec import Json
from runner.errors import ManifestError, Problem
from runner.manifest.freetext import check_lost_text
from runner.manifest.including import Includes, Part
from runner.manifest.model import (
    AccountSpec,
    ConcurrencySpec,
    DefaultsLayer,
    JobTemplate,
    Manifest,
    OutputSpec,
    RetrySpec,
)
from runner.manifest.places import Document
from runner.manifest.price_overrides import prices_of
from runner.manifest.reading import read_file
from runner.manifest.rules import (
    amount_problems,
    budget_of,
    halt_of,
    schedule_of,
    schedule_problems,
)
from runner.manifest.scalars import shortened
from runner.manifest.shape import check_shape, endpoint_keys
from runner.manifest.templates import template_problems, templates_of
from runner.manifest.yaml12 import parse_yaml


def load_manifest(path: Path, catalog: Catalog) -> Manifest:
    """Read and check a manifest; bodies are checked when it is expanded.

    Raises:
        ManifestError: all that is wrong with the file.
    """
    return manifest_from(read_file(path), catalog, file=str(path))


def manifest_from(data: bytes, catalog: Catalog, *, file: str) -> Manifest:
    """The manifest that `data` writes; `file` names it in messages and may name the batch.

    Raises:
        ManifestError: all that is wrong with it.
    """
    return manifest_of(parse_yaml(data, file=file), catalog)


def manifest_of(document: Document, catalog: Catalog) -> Manifest:
    """The manifest of a document that was read, with the files that it includes.

    Raises:
        ManifestError: all that is wrong with it.
    """
    problems = check_shape(document)
    problems = problems or [*amount_problems(document), *schedule_problems(document)]
    if problems:
        raise ManifestError(problems)
    includes = Includes(Path(document.file).parent)
    parts = includes.read(Part(document=document))
    problems = includes.problems
    problems += [each for part in parts for each in template_problems(part.document)]
    prices, wrong = prices_of(document, catalog, Path(document.file).parent)
    problems += wrong
    if not problems:
        manifest = _manifest(document, parts, prices)
        problems += [each for part in parts for each in check_lost_text(part.document)]
        problems += _unknown_models(manifest, catalog)
    if problems:
        raise ManifestError(problems)
    return manifest


def _manifest(document: Document, parts: Sequence[Part], prices: PriceOverrides) -> Manifest:
    value = document.value
    settings: dict[str, Any] = {}
    if "confirm_over" in value:
        settings["confirm_over"] = parse_credits(value["confirm_over"])
    return Manifest(
        file=document.file,
        name=value.get("name") or batch_name(document.file),
        jobs=tuple(_templates(parts)),
        budget=budget_of(value.get("budget", {})),
        concurrency=ConcurrencySpec(**value.get("concurrency", {})),
        schedule=schedule_of(value.get("schedule", {})),
        retry=RetrySpec(**value.get("retry", {})),
        halt=halt_of(value.get("halt", {})),
        account=AccountSpec(**value.get("account", {})),
        output=_output(value.get("output", {})),
        allow=tuple(value.get("inputs", {}).get("allow", ())),
        defaults=tuple(_defaults(part.document) for part in parts),
        prices=prices,
        vars={name: item for part in parts for name, item in _vars(part).items()},
        document=document,
        **settings,
    )


def _templates(parts: Sequence[Part]) -> list[JobTemplate]:
    found: list[JobTemplate] = []
    for part in parts:
        found += templates_of(part.document, first=len(found), folder=part.folder)
    return found


def _vars(part: Part) -> Mapping[str, Json]:
    found: Mapping[str, Json] = part.document.value.get("vars") or {}
    return found


def _output(raw: Mapping[str, Json]) -> OutputSpec:
    named = {key: raw[key] for key in ("dir", "name") if key in raw}
    return OutputSpec(**named, sidecar=raw.get("sidecar", "file") == "file")


def _defaults(document: Document) -> DefaultsLayer:
    raw = document.value.get("defaults") or {}
    return DefaultsLayer(
        document=document,
        job=raw.get("job", {}),
        models=raw.get("models", {}),
        endpoints={key: raw[key] for key in endpoint_keys(raw)},
    )


def batch_name(file: str) -> str:
    """What the batch of a file is called where the file does not say it: its stem."""
    return re.sub(r"[^\w.-]+", "-", Path(file).stem).strip("-.") or "batch"


def _unknown_models(manifest: Manifest, catalog: Catalog) -> Iterator[Problem]:
    """Caps and defaults for a model that nobody knows would silently never apply."""
    known = {model for each in catalog.endpoints.values() for model in each.models}
    known |= set(catalog.endpoints)  # lanes without a model are named after the endpoint
    known |= {template.endpoint for template in manifest.jobs}
    own = {str(template.body.get("model")) for template in manifest.jobs}
    places = [(manifest.document, section) for section in ("budget", "concurrency")]
    places += [(layer.document, "defaults") for layer in manifest.defaults]
    for document, section in places:
        raw = document.value.get(section)
        for name in raw.get("models", {}) if isinstance(raw, Mapping) else ():
            if name in known or name in own:
                continue
            guess = closest(name, sorted(known))
            yield document.problem(
                (section, "models", name),
                f"unknown model `{shortened(name)}`",
                f"did you mean `{guess}`?" if guess else "`runway-batch models` lists them",
                key=True,
            )
