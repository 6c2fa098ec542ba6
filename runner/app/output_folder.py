"""Where the outputs of a batch lie now: a project that was moved took them along."""

from __future__ import annotations

from pathlib import Path

from runner.errors import UsageError
from runner.manifest.catalog_file import load_catalog
from runner.settings import Settings
from runner.store.reader import StateReader

from .batch import BatchRef
from .manifests import glance


async def output_folder(ref: BatchRef, target: str | None, settings: Settings) -> Path:
    """As told, else as the manifest says that was named, else where the last run put them.

    Raises:
        UsageError: nothing has run yet.
        ManifestError: the manifest that was named cannot be read.
    """
    if settings.output_dir is not None:
        return settings.output_dir
    if named := _of_manifest(target):
        return named
    async with await StateReader.read(ref.state) as reader:
        stored = await reader.batch(ref.name)
    if stored is None or not stored.output_dir:
        raise UsageError(
            f"batch `{ref.name}` has no outputs yet", hint="start with: runway-batch run FILE"
        )
    return Path(stored.output_dir)


def _of_manifest(target: str | None) -> Path | None:
    """What the target says, where it is a manifest."""
    if target is None or not Path(target).is_file():
        return None
    manifest = glance(Path(target), load_catalog())
    return Path(target).resolve().parent / manifest.output.dir
