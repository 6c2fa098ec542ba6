"""What the fields of bodies are for, in a sentence each: for editors and for `models`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

from runner.errors import CatalogError


@cache
def field_notes() -> Mapping[str, str]:
    """By the field's name, which means the same at every endpoint.

    Raises:
        CatalogError: the file is missing or cannot be read.
    """
    file = resources.files("runner").joinpath("data", "fields.json")
    try:
        notes: Mapping[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogError(
            f"the notes on fields cannot be read: {error}", hint="reinstall runway-batch"
        ) from error
    return notes
