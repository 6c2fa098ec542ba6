"""The examples that come with the package."""

from __future__ import annotations

import shutil
from pathlib import Path

from runner.core.spec import AssetRef, refs_in
from runner.errors import RunnerError, UsageError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.read import read_manifest

_PACKAGE = Path(__file__).resolve().parents[1]


def example_folder() -> Path:
    """In the wheel within the package, in a checkout beside it.

    Raises:
        RunnerError: the installation is incomplete.
    """
    for folder in (_PACKAGE / "_manifests", _PACKAGE.parent / "manifests"):
        if (folder / "quickstart.yaml").is_file():
            return folder
    raise RunnerError("the examples of this installation are missing", hint="reinstall it")


def copy_example(name: str, folder: Path) -> Path:
    """Copy an example with the files it uses; what is there already is kept.

    Raises:
        UsageError: the folder cannot be written.
    """
    source = example_folder()
    _, expansion = read_manifest(source / name, load_catalog())
    assets = {
        Path(ref.path).relative_to(source)
        for spec in expansion.specs
        for ref in refs_in(spec.body)
        if isinstance(ref, AssetRef)
    }
    try:
        for path in (Path(name), *sorted(assets)):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copyfile(source / path, target)
    except OSError as error:
        raise UsageError(
            f"cannot write the example: {folder}: {error.strerror}",
            hint="choose another folder with `--dir`",
        ) from error
    return folder / name
