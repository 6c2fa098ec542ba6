"""From a file to jobs in one step: what commands call."""

from __future__ import annotations

from pathlib import Path

from runner.core.catalog import Catalog
from runner.errors import ManifestError
from runner.manifest.expand import Expansion, expand
from runner.manifest.inputs import LocalInputs
from runner.manifest.load import load_manifest
from runner.manifest.model import Manifest


def read_manifest(path: Path, catalog: Catalog, *, date: str = "") -> tuple[Manifest, Expansion]:
    """Read, check and expand a manifest. `date` is the day of the plan, for file names.

    Raises:
        ManifestError: all that is wrong with it; nothing was sent or written.
    """
    manifest = load_manifest(path, catalog)
    expansion = expand(manifest, catalog, LocalInputs(path.parent, manifest.allow), date=date)
    if expansion.problems:
        raise ManifestError(expansion.problems)
    return manifest, expansion
