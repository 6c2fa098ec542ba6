"""`doctor`: looks at all that a run rests on, and says what to do. Changes nothing by itself.

`--repair` computes again what follows from jobs and ledger; `--adopt` makes a copy the state file
from now on: see adopting_files.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.clock import Clock, SystemClock
from runner.core.outcome import Reason, exit_code_of
from runner.errors import StoreError, UsageError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.direct import is_table
from runner.settings import Settings, state_path
from runner.store.connection import version_of
from runner.store.identity import home_of
from runner.store.reader import StateReader
from runner.store.store import JobStore
from runner.store.version import SCHEMA_VERSION

from .adopting_files import AdoptedFile, Adopter
from .batch import is_file
from .check_account import account_checks
from .check_state import batch_checks, file_checks, machine_checks, state_checks
from .checks import Check, Result
from .home import check_state_place
from .manifests import glance
from .project import Project, load_project


@dataclass(frozen=True, kw_only=True, slots=True)
class DoctorRequest:
    """What `doctor` was told."""

    settings: Settings
    #: a manifest, or the name of a batch; None = everything of the state file
    target: str | None = None
    here: Path = Path()
    adopt: bool = False
    repair: bool = False

    @property
    def manifest(self) -> Path | None:
        """The target, where it is a file."""
        path = Path(self.target) if self.target else None
        return path if path is not None and is_file(path) else None

    @property
    def state(self) -> Path:
        folder = self.manifest.resolve().parent if self.manifest else self.here
        return state_path(folder, self.settings)


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """What was found, and what was done about it."""

    state: Path
    checks: tuple[Check, ...]
    repaired: tuple[str, ...] = ()
    adopted: tuple[AdoptedFile, ...] = ()
    has_adopted: bool = False

    @property
    def reasons(self) -> list[Reason]:
        return [
            Reason(exit_code=check.exit_code, message=check.message, hint=check.hint)
            for check in self.checks
            if check.result is Result.FAIL
        ]

    @property
    def exit_code(self) -> int:
        return exit_code_of(self.reasons)


async def diagnose(request: DoctorRequest, *, clock: Clock | None = None) -> Diagnosis:
    """Repair and adopt where asked to, then check everything.

    Raises:
        StoreError: `--repair` or `--adopt` cannot open the state file.
        StoreLocked: `--adopt`, and a run works on the batch.
        ManifestError: `--adopt FILE`, and the manifest cannot be used.
    """
    clock = clock or SystemClock()
    repaired = await _repair(request, clock) if request.repair else ()
    adopted = await _adopt(request, clock) if request.adopt else ()
    checks = [*machine_checks(request.settings), *file_checks(request.state, request.settings)]
    if not any(check.result is Result.FAIL for check in checks) and _is_current(request.state):
        async with await StateReader.read(request.state) as reader:
            checks += await state_checks(reader, request.state)
            for name in await _names(reader, request):
                checks += await batch_checks(reader, name, await _folder_of(reader, name, request))
    checks += await account_checks(request.settings, clock)
    return Diagnosis(
        state=request.state,
        checks=tuple(checks),
        repaired=tuple(repaired),
        adopted=tuple(adopted),
        has_adopted=request.adopt,
    )


def _is_current(state: Path) -> bool:
    return state.is_file() and version_of(state) == SCHEMA_VERSION


async def _names(reader: StateReader, request: DoctorRequest) -> list[str]:
    """The batches to look at; of a manifest all of its file's, for they share it."""
    names = [batch.name for batch in await reader.batches()]
    if request.target is None or request.manifest is not None:
        return names
    if request.target not in names:
        listed = ", ".join(names) or "none"
        raise UsageError(f"no batch of this name: {request.target}", hint=f"batches here: {listed}")
    return [request.target]


async def _repair(request: DoctorRequest, clock: Clock) -> Sequence[str]:
    """Permissions are tightened by opening the file."""
    _check_there(request.state)
    async with await JobStore.open(request.state, clock=clock, create=False) as store:
        care = store.care()
        done = [
            f"ended the run of dead process {run.owner.pid} on batch `{run.batch}`"
            for run in await care.end_dead_runs()
        ]
        for name in await _names(store, request):
            done += await care.repair(name)
        return done


async def _adopt(request: DoctorRequest, clock: Clock) -> Sequence[AdoptedFile]:
    check_state_place(request.state, request.settings)
    file = request.manifest
    # of a table nobody has said here what its jobs are
    named = load_project(file, request.settings) if file and not is_table(file) else None
    if named is None:
        _check_there(request.state)
    found: list[AdoptedFile] = []
    async with await JobStore.open(request.state, clock=clock, create=named is not None) as store:
        names = [named.batch] if named is not None else await _names(store, request)
        for name in names:
            project = named or await _project_of(store, name, request.settings)
            folder = project.output_dir if project else await _folder_of(store, name, request)
            if folder is None:
                continue  # nothing of it has ever been made
            adopter = Adopter(
                batch=name,
                output_dir=folder,
                settings=request.settings,
                clock=clock,
                project=project,
            )
            found += await adopter.adopt(store)
        await store.care().take_home(home_of(request.state))
    return found


async def _project_of(store: StateReader, batch: str, settings: Settings) -> Project | None:
    """The batch's manifest, where it still is where it was."""
    stored = await store.batch(batch)
    path = Path(stored.manifest) if stored is not None and stored.manifest else None
    if path is None or not path.is_file() or is_table(path):
        return None
    project = load_project(path, settings)
    return project if project.batch == batch else None


async def _folder_of(store: StateReader, batch: str, request: DoctorRequest) -> Path | None:
    """Where the batch's outputs lie; None where neither a run nor its manifest has said."""
    if request.settings.output_dir is not None:
        return request.settings.output_dir
    if request.manifest is not None:
        manifest = glance(request.manifest, load_catalog())
        if manifest.name == batch:
            return request.manifest.resolve().parent / manifest.output.dir
    stored = await store.batch(batch)
    return Path(stored.output_dir) if stored is not None and stored.output_dir else None


def _check_there(state: Path) -> None:
    if not state.is_file():
        raise StoreError(
            f"no state file at `{state}`",
            hint="name the manifest to make one of the outputs on disk:"
            " `runway-batch doctor FILE --adopt`",
        )
