"""What `init` writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from runner.errors import UsageError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.schema import schema_folder

from .starter_from import draft_from

SCHEMA = "manifest.schema.json"
#: of a manifest over a table; the hook of pre-commit knows it by this
ENDING = ".runway.yaml"

MANIFEST = """\
# yaml-language-server: $schema=manifest.schema.json
version: 1
budget: 200                       # credits; "$2" works too. Never passed, across restarts too
vars:
  look: 35mm film, soft light
defaults:
  image_to_video: {model: gen4_turbo, ratio: "1280:720", duration: 5}
jobs:
  - id: still
    text_to_image:                # the key names the endpoint, the value is Runway's request body
      model: gen4_image
      promptText: A lighthouse at dawn, ${{ vars.look }}
      ratio: 1920:1080
    takes: 2
  - id: clip
    image_to_video:
      promptImage: ${{ jobs['still'].outputs[0] }}
      promptText: Slow push in
"""

GITIGNORE = """\
.runway-batch/
outputs/
"""

FILES = {"manifest.yaml": MANIFEST, ".gitignore": GITIGNORE}


def write_starter(folder: Path, *, force: bool) -> list[Path]:
    """Write a manifest, a `.gitignore`, and for editors the schema that the manifest names.

    The schema lies beside the manifest, so that a clone has it; one that is there stays,
    unless `force`.

    Raises:
        UsageError: a file is there already, or the folder cannot be written.
    """
    targets = {folder / name: text for name, text in FILES.items()}
    _refuse_taken(targets, force=force)
    _write(folder, targets, force=force)
    return list(targets)


def write_from(source: str, folder: Path, *, force: bool) -> list[Path]:
    """Write a manifest over a table or a pattern of files; a `.gitignore` that is there stays.

    Raises:
        UsageError: the source cannot be used, a manifest of its name is there already, or the
            folder cannot be written.
    """
    draft = draft_from(source, folder, load_catalog())
    manifest, ignore = folder / f"{draft.stem}{ENDING}", folder / ".gitignore"
    _refuse_taken([manifest], force=force)
    targets = {manifest: draft.text}
    if not ignore.exists():
        targets[ignore] = GITIGNORE
    _write(folder, targets, force=force)
    return list(targets)


def _refuse_taken(targets: Iterable[Path], *, force: bool) -> None:
    taken = [str(path) for path in targets if path.exists()]
    if taken and not force:
        raise UsageError(
            f"there already: {', '.join(taken)}",
            hint="`--force` overwrites; or name another folder",
        )


def _write(folder: Path, targets: Mapping[Path, str], *, force: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in targets.items():
            path.write_text(text, encoding="utf-8")
        schema = folder / SCHEMA
        if force or not schema.exists():
            shutil.copyfile(schema_folder() / SCHEMA, schema)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from error
