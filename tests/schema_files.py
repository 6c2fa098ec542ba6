"""Files of `schemas/` that follow from the catalogue; `make schemas` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.manifest.catalog_file import load_catalog
from runner.manifest.editor_schema import fragment_with_editor_part, with_editor_part
from runner.manifest.endpoint_schema import endpoint_schema, schema_file
from runner.manifest.field_notes import field_notes

FOLDER = Path(__file__).resolve().parent.parent / "schemas"
ENDPOINTS = FOLDER / "endpoints"
MANIFEST = FOLDER / "manifest.schema.json"
FRAGMENT = FOLDER / "fragment.schema.json"


def load(file: Path) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def endpoint_text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def manifest_text(schema: Mapping[str, Any]) -> str:
    """Indented, but what bodies hold with each definition on one line: the file stays small."""
    lines: list[str] = []

    def on_one_line(item: Any) -> str:
        lines.append(json.dumps(item, ensure_ascii=False))
        return f"line {len(lines) - 1} of bodies"

    bodies = {
        name: {key: on_one_line(item) for key, item in body.items() if key != "$defs"}
        | {"$defs": {key: on_one_line(item) for key, item in body["$defs"].items()}}
        for name, body in schema["$defs"]["bodies"].items()
    }
    outline = {**schema, "$defs": {**schema["$defs"], "bodies": bodies}}
    text = json.dumps(outline, indent=2, ensure_ascii=False) + "\n"
    for number, line in enumerate(lines):
        text = text.replace(f'"line {number} of bodies"', line, 1)
    return text


def made() -> dict[Path, str]:
    """Every file, as it should be now; what is not made here is taken from it as it is."""
    catalog = load_catalog()
    manifest = with_editor_part(load(MANIFEST), catalog, field_notes())
    files = {
        ENDPOINTS / schema_file(name): endpoint_text(endpoint_schema(endpoint))
        for name, endpoint in catalog.endpoints.items()
    }
    files[MANIFEST] = manifest_text(manifest)
    files[FRAGMENT] = json.dumps(fragment_with_editor_part(load(FRAGMENT)), indent=2) + "\n"
    return files


if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")
