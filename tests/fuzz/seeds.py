"""What damage begins with: the manifests of this repository and the files that they name."""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.language_rig import PNG

ROOT = Path(__file__).resolve().parents[2]
SEEDS = Path(__file__).parent / "seeds"
EXAMPLES = ROOT / "manifests"
DATA = ROOT / "tests" / "data" / "manifests"
MANIFEST = "manifest.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A manifest and what lies beside it."""

    name: str
    files: Mapping[str, bytes]  # by path; the manifest is `manifest.yaml`

    @property
    def manifest(self) -> bytes:
        return self.files[MANIFEST]


@functools.cache
def bundles() -> Sequence[Bundle]:
    """All seeds, in a fixed order."""
    whole = Bundle(name="whole-language", files=_files(SEEDS / "whole-language") | _binary())
    shared = _files(EXAMPLES / "data", "data/")
    examples = [
        Bundle(name=path.stem, files={MANIFEST: path.read_bytes(), **_named(path, shared)})
        for path in sorted(EXAMPLES.glob("*.yaml"))
    ]
    cases = [
        Bundle(name=f"{folder.parent.name}-{folder.name}", files=_files(folder))
        for folder in sorted(DATA.glob("*valid/*"))
        if (folder / MANIFEST).is_file()
    ]
    return [whole, *examples, *cases]


@functools.cache
def weights() -> Sequence[int]:
    """How often each seed is taken: those that say more, more often."""
    return [40 if bundle.name == "whole-language" else _weight(bundle) for bundle in bundles()]


def _weight(bundle: Bundle) -> int:
    return 1 if bundle.name.startswith("invalid-") else 4


def _files(folder: Path, prefix: str = "") -> dict[str, bytes]:
    return {
        prefix + path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("expected.")
    }


def _named(manifest: Path, shared: Mapping[str, bytes]) -> dict[str, bytes]:
    """Of the shared files those in folders, or of names, that a manifest speaks of."""
    text = manifest.read_text(encoding="utf-8")
    tables = "".join(content.decode() for name, content in shared.items() if name.endswith(".csv"))
    return {
        name: content
        for name, content in shared.items()
        if name in text or f"{Path(name).parent.as_posix()}/" in text + tables
    }


def _binary() -> dict[str, bytes]:
    """Files of the seed with every key that are no text."""
    return {
        "plates/sea.png": PNG,
        "plates/hills.png": PNG + b"\1",
        "data/book.xlsx": workbook(
            b"id,promptText,ratio", b"x,a quay,1920:1080", b"y,a hill,720:720"
        ),
        # names that are fine on this machine and nowhere else
        "odd/CON.png": PNG,
        "odd/a b .png": PNG,
        "odd/é.png": PNG,
        "odd/e\u0301.png": PNG,
        "odd/x\u202egnp.png": PNG,
        "odd/new\nline.png": PNG,
        "odd/${{ vars.look }}.png": PNG,
    }


def workbook(*lines: bytes) -> bytes:
    """A workbook with one sheet, `Shots`; the same bytes each time, and not compressed."""
    rows = b"".join(b"<row>" + b"".join(map(_cell, line.split(b","))) + b"</row>" for line in lines)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {**_PARTS, _SHEET: _XML + _OF_SHEET % rows}.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def _cell(text: bytes) -> bytes:
    return b'<c t="inlineStr"><is><t>%s</t></is></c>' % text


_XML = b'<?xml version="1.0" encoding="UTF-8"?>'
_MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = b"http://schemas.openxmlformats.org/package/2006"
_KIND = b"application/vnd.openxmlformats-officedocument.spreadsheetml"
_SHEET = "xl/worksheets/sheet1.xml"
_OF_SHEET = b'<worksheet xmlns="' + _MAIN + b'"><sheetData>%s</sheetData></worksheet>'
_PARTS = {
    "[Content_Types].xml": _XML + b'<Types xmlns="%s/content-types">'
    b'<Default Extension="rels"'
    b' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    b'<Override PartName="/xl/workbook.xml" ContentType="%s.sheet.main+xml"/>'
    b'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="%s.worksheet+xml"/></Types>'
    % (_PACKAGE, _KIND, _KIND),
    "_rels/.rels": _XML
    + b'<Relationships xmlns="%s/relationships"><Relationship Id="r1" Type="%s/officeDocument"'
    b' Target="xl/workbook.xml"/></Relationships>' % (_PACKAGE, _OFFICE),
    "xl/workbook.xml": _XML
    + b'<workbook xmlns="%s" xmlns:r="%s"><sheets><sheet name="Shots" sheetId="1" r:id="r1"/>'
    b"</sheets></workbook>" % (_MAIN, _OFFICE),
    "xl/_rels/workbook.xml.rels": _XML
    + b'<Relationships xmlns="%s/relationships"><Relationship Id="r1" Type="%s/worksheet"'
    b' Target="worksheets/sheet1.xml"/></Relationships>' % (_PACKAGE, _OFFICE),
}
