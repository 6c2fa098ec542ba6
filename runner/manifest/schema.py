"""Finds and loads `schemas/`: in the wheel as `runner/_schemas`, else beside the package."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from runner.errors import RunnerError

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
