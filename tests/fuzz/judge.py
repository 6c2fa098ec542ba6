"""What must hold of a manifest, whatever it is: jobs that are sound, or problems with a place."""

from __future__ import annotations

import itertools
import json
import re
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.core.naming import UnsafeName, check_id, output_path, same_file, same_id
from runner.core.spec import AssetRef, JobSpec, refs_in
from runner.errors import ManifestError, Problem
from runner.manifest.catalog_file import load_catalog
from runner.manifest.expand import Expander
from runner.manifest.inputs import LocalInputs
from runner.manifest.load import load_manifest
from tests.fuzz.stage import CANARY

CATALOG = load_catalog()
#: jobs that are looked at; a manifest of more is not wrong, and not slow either
MOST_JOBS = 1500
#: characters of a message, of all messages of one manifest, and how many
MOST_MESSAGE, MOST_PROBLEMS = 2_500, 2_500


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of a manifest."""

    accepted: bool
    jobs: int = 0
    faults: tuple[str, ...] = ()  # promises that were broken


def judged(manifest: Path) -> Verdict:
    """Load and expand a manifest as `plan` does, and hold the outcome against the promises."""
    try:
        found, again = _outcome(manifest), _outcome(manifest)
        told = [*found.problems, *found.warnings]
        faults = list(_of_problems(told, manifest))
        if not found.problems:
            faults += _of_jobs(found.specs, manifest.parent, found.allow)
            faults += [] if found.specs or told else ["neither a job nor a word why not"]
    except Exception:  # noqa: BLE001 - any error that is not ours is what this looks for
        return Verdict(accepted=False, faults=(traceback.format_exc(limit=-6),))
    if again != found:
        faults.append("a second reading is not equal")
    return Verdict(accepted=not found.problems, jobs=len(found.specs), faults=tuple(faults))


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What `plan` has of a manifest."""

    specs: Sequence[JobSpec] = ()
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    allow: Sequence[str] = ()  # folders that inputs may lie in


def _outcome(path: Path) -> Outcome:
    try:
        manifest = load_manifest(path, CATALOG)
    except ManifestError as error:
        return Outcome(problems=error.problems)
    inputs = LocalInputs(path.parent, manifest.allow)
    expander = Expander(manifest, CATALOG, inputs, date="2026-10-23")
    specs = list(itertools.islice(expander.specs(), MOST_JOBS))
    problems, warnings = expander.problems, expander.warnings
    if len(specs) < MOST_JOBS and not problems:
        assert list(expander.specs(check=False)) == specs, "reading the rows again gives other jobs"
    return Outcome(specs=specs, problems=problems, warnings=warnings, allow=manifest.allow)


def _of_problems(problems: Sequence[Problem], manifest: Path) -> Iterator[str]:
    if len(problems) > MOST_PROBLEMS:
        yield f"{len(problems)} problems"
    for problem in problems:
        text = f"{problem.message}\n{problem.hint}"
        if not problem.message.strip():
            yield f"no message: {problem}"
        if len(text) > MOST_MESSAGE:
            yield f"a message of {len(text)} characters: {text[:100]}"
        if CANARY in repr(problem):
            yield f"tells what lies outside: {text}"
        text.encode()
    for name in {problem.file for problem in problems}:
        if not name or not Path(name).is_relative_to(manifest.parent):
            yield f"says that it is in `{name}`"
            continue
        last = max(problem.line for problem in problems if problem.file == name)
        data = Path(name).read_bytes() if last else b""
        if last > 1 + data.count(b"\n") + data.count(b"\r"):
            yield f"there is no line {last} in {name}"


def _of_jobs(specs: Sequence[JobSpec], base: Path, allow: Sequence[str]) -> Iterator[str]:
    roots = [(base / folder).resolve() for folder in ("", *allow)]
    ids: set[str] = set()
    names: set[str] = set()
    for spec in specs:
        yield from (f"{spec.id!r}: {fault}" for fault in _of_job(spec, roots))
        if not ids.issuperset(map(same_id, spec.needs)):
            yield f"{spec.id!r} comes before what it needs"
        if same_id(spec.id) in ids:
            yield f"{spec.id!r} is here twice"
        ids.add(same_id(spec.id))
        names.add(same_file(spec.output))
    if len(names) != len(ids):
        yield "two jobs write one file"


def _of_job(spec: JobSpec, roots: Sequence[Path]) -> Iterator[str]:
    try:
        if check_id(spec.id) != spec.id:
            yield "the id is not in its final form"
        path = output_path(spec.output, ext="mp4", part=2, version=2)
    except UnsafeName as unsafe:
        yield f"{unsafe}"
        return
    if path.is_absolute() or ".." in path.parts or str(path) != str(PurePosixPath(str(path))):
        yield f"writes to {path}"
    json.dumps(dict(spec.body), allow_nan=False, ensure_ascii=False).encode()
    if CANARY in repr(spec):
        yield "holds what lies outside"
    for ref in refs_in(spec.body):
        inside = not isinstance(ref, AssetRef) or any(
            Path(ref.path).is_relative_to(root) for root in roots
        )
        if not inside:
            yield f"reads {ref}"
    if not re.fullmatch("[0-9a-f]{64}", spec.key):
        yield f"its key is {spec.key!r}"
    band = spec.estimate
    if not 0 <= band.low <= band.expected or (band.worst or band.expected) < band.expected:
        yield f"its price is {band}"
    if band.worst is None and spec.max_credits is None:
        yield "nothing bounds its price"
