"""The catalogue that comes with the package."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

from runner.core.catalog import Catalog
from runner.errors import CatalogError


@cache
def load_catalog() -> Catalog:
    """Read the packaged table of models and prices, once per process.

    Raises:
        CatalogError: the file is missing or cannot be read.
    """
    file = resources.files("runner").joinpath("data", "catalog.json")
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogError(
            f"the catalogue cannot be read: {error}", hint="reinstall runway-batch"
        ) from error
    return Catalog.from_dict(raw)
