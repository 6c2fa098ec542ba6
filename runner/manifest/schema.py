"""Finds and loads `schemas/`: in the wheel as `runner/_schemas`, else beside the package.

The schema of manifests has a part for editors, which knows bodies too. It is made by
`editor_schema.py`, and the loader leaves it away: bodies are judged when they are complete.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.errors import RunnerError

#: keys of the part for editors: at the top, and in `$defs`
EDITOR = "allOf"
EDITOR_DEFS = ("later", "bodies", "checked_job")

_PACKAGE = Path(__file__).resolve().parent.parent


def schema_folder() -> Path:
    """Where the schemas are.

    Raises:
        RunnerError: the installation is incomplete.
    """
    for folder in (_PACKAGE / "_schemas", _PACKAGE.parent / "schemas"):
        if (folder / "manifest.schema.json").is_file():
            return folder
    raise RunnerError("the schemas of this installation are missing", hint="reinstall runway-batch")


@functools.cache
def load_schema(name: str) -> dict[str, Any]:
    """A schema by its path under `schemas/`, such as `manifest.schema.json`; not to be changed.

    Raises:
        RunnerError: the file is missing or broken.
    """
    try:
        loaded = json.loads((schema_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunnerError(
            f"the schema `{name}` cannot be read: {error}", hint="reinstall runway-batch"
        ) from error
    if not isinstance(loaded, dict):
        raise RunnerError(f"the schema `{name}` is no schema", hint="reinstall runway-batch")
    return loaded


@functools.cache
def shape_schema(name: str) -> dict[str, Any]:
    """A schema as the loader uses it: without the part for editors; not to be changed.

    Raises:
        RunnerError: the file is missing or broken.
    """
    return without_editor_part(load_schema(name))


def without_editor_part(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The shape alone."""
    plain = {key: item for key, item in schema.items() if key != EDITOR}
    if "$defs" in plain:
        defs = plain["$defs"].items()
        plain["$defs"] = {name: item for name, item in defs if name not in EDITOR_DEFS}
    return plain
