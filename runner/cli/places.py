"""Where a command finds its batch: beside the manifest, or in the emulator's own folder."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import UsageError
from runner.settings import STATE_FOLDER, Settings, state_path

from .options import Flags

if TYPE_CHECKING:
    from runner.app.batch import BatchRef

#: what the state file remembers as the service of pretend runs
EMULATOR = "emulator"
#: the only key the emulator knows; no secret, and the real one is never sent to it
EMULATOR_KEY = "key_emulator"
#: a stand-in until the emulator has a port
LOOPBACK = "http://127.0.0.1"
SHORTEST_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class EmulatorHome:
    """Everything of pretend runs lies in one folder that can be deleted at any time."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    @property
    def world(self) -> Path:
        return self.folder / "world"

    @property
    def log(self) -> Path:
        return self.folder / "emulator.log"

    @property
    def card(self) -> Path:
        """Where a live emulator of this folder can be reached."""
        return self.folder / "emulator.json"


def emulator_home(start: Path) -> EmulatorHome:
    """The nearest one upward from a folder, else a new one in it."""
    start = start.resolve()
    for folder in (start, *start.parents):
        home = EmulatorHome(folder=folder / STATE_FOLDER / EMULATOR)
        if home.state.is_file():
            return home
    return EmulatorHome(folder=start / STATE_FOLDER / EMULATOR)


def emulator_settings(flags: Flags, home: EmulatorHome, *, speed: float) -> Settings:
    """Settings of a pretend run; its URL is filled in when the emulator answers.

    Only flags of this very call move its state or outputs: a variable means the real ones.
    """
    settings = flags.settings(base_url=LOOPBACK, pretend=True)
    poll_s = settings.poll_interval_s / speed
    if flags.poll_interval is not None:
        poll_s = flags.poll_interval
    return replace(
        settings,
        service=EMULATOR,
        key=EMULATOR_KEY,
        state=flags.state if "state" in flags.given else home.state,
        output_dir=flags.output_dir if "output_dir" in flags.given else home.outputs,
        poll_interval_s=max(SHORTEST_POLL_S, poll_s),
    )


def folder_of(target: str | None) -> Path:
    """Where to look for the state of what a FILE or a name means."""
    from runner.app.manifests import names_manifest

    path = Path(target) if target else None
    return path.parent if path is not None and names_manifest(path) else Path()


async def find(flags: Flags, target: str | None, *, emulator: bool) -> BatchRef:
    """The batch that a FILE or a name means, real or pretended."""
    from runner.app.batch import find_batch

    return await find_batch(target, _settings_of(flags, target, emulator), here=Path())


async def find_all(flags: Flags, target: str | None, *, emulator: bool) -> tuple[Path, str | None]:
    """A state file and a batch of it; no batch where several are there and none was named."""
    from runner.app.batch import find_batch, find_batches

    settings = _settings_of(flags, target, emulator)
    if target is None:
        state, batches, _ = await find_batches(None, settings, here=Path())
        return state, batches[0].name if len(batches) == 1 else None
    ref = await find_batch(target, settings, here=Path())
    return ref.state, ref.name


def _settings_of(flags: Flags, target: str | None, emulator: bool) -> Settings:
    here = folder_of(target)
    home = emulator_home(here)
    if emulator:
        return emulator_settings(flags, home, speed=1)
    settings = flags.settings()
    _point_to_emulator(settings, here, home)
    return settings


def _point_to_emulator(settings: Settings, here: Path, home: EmulatorHome) -> None:
    """Who ran on the emulator and asks without saying so is told."""
    if home.state.is_file() and not state_path(here, settings).is_file():
        raise UsageError("only the emulator has run here", hint="add `--emulator`")


def suffix(target: str | None, *, emulator: bool) -> str:
    """What `runway-batch resolve JOB` needs to find the same batch again."""
    return (f" --batch {target}" if target else "") + _emulator_flag(emulator)


def after(target: str | None, *, emulator: bool) -> str:
    """What `runway-batch resume` needs to find the same batch again."""
    return (f" {target}" if target else "") + _emulator_flag(emulator)


def run_command(target: str | None, *, emulator: bool, manifest: str = "") -> str:
    """The command that goes on with a batch.

    Args:
        target: what the person named, if anything; a file is said as they said it.
        emulator: it ran on the emulator.
        manifest: of the batch, as the state file knows it; without it the person fills it in.
    """
    from runner.app.manifests import is_yaml, names_manifest

    if target is not None and names_manifest(Path(target)):
        file = target
    else:
        file = _shortest(Path(manifest)) if manifest else "FILE"
    sets = "" if file == "FILE" or is_yaml(Path(file)) else " --set …"  # those of the first call
    return f"runway-batch run {shlex.quote(file)}{sets}{_emulator_flag(emulator)}"


def _shortest(path: Path) -> str:
    """As short as it can be said from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _emulator_flag(emulator: bool) -> str:
    return " --emulator" if emulator else ""
