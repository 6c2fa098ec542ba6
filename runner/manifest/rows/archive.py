"""A workbook as the archive it is: judged before anything of it is read into memory."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO, BinaryIO
from xml.etree import ElementTree

from runner.manifest.rows.table import RowProblem

MAX_BYTES = 2 * 1024**3
MAX_PARTS = 10_000
#: parts that are held in memory as a whole: texts, styles
MAX_PART_BYTES = 512 * 1024**2

#: bytes of a part below which any compression is believed, and above it at most so many to one;
#: a sheet of equal rows reaches about 15
_SMALL = 16 * 1024**2
_MAX_RATIO = 200
_SHEETS = "xl/worksheets/"


def check_archive(name: str, raw: BinaryIO) -> None:
    """Refuse what would unpack to more than any table.

    Raises:
        RowProblem: too many or too large parts.
        zipfile.BadZipFile: no archive.
    """
    with zipfile.ZipFile(raw) as archive:
        parts = archive.infolist()
    large = sum(part.file_size for part in parts) > MAX_BYTES or len(parts) > MAX_PARTS
    if large or any(_is_bomb(part) for part in parts):
        raise RowProblem(
            f"`{name}` unpacks to more than a workbook may hold",
            hint="save the sheet as CSV UTF-8",
        )


def _is_bomb(part: zipfile.ZipInfo) -> bool:
    if not part.filename.startswith(_SHEETS) and part.file_size > MAX_PART_BYTES:
        return True
    return part.file_size > max(_SMALL, _MAX_RATIO * part.compress_size)


def uncalculated(raw: BinaryIO, part: str) -> str:
    """The first cell of a sheet that has a formula and no result of it; empty: none.

    A program that writes formulas leaves results to the spreadsheet. A result that is an empty
    text is marked as of type `str`.
    """
    with zipfile.ZipFile(raw) as archive, archive.open(part) as sheet:
        for cell in _cells(sheet):
            children = {child.tag.rpartition("}")[2]: child.text for child in cell}
            if "f" in children and not children.get("v") and cell.get("t") != "str":
                return cell.get("r", "?")
    return ""


def _cells(sheet: IO[bytes]) -> Iterator[ElementTree.Element]:
    """The cells of a sheet, of which only one row is held."""
    rows = None
    # the parser of Python 3.11 and later refuses entities that multiply
    for event, element in ElementTree.iterparse(sheet, events=("start", "end")):  # noqa: S314
        tag = element.tag.rpartition("}")[2]
        if event == "start":
            rows = element if tag == "sheetData" else rows
        elif tag == "row":
            yield from element
            if rows is not None:
                rows.clear()
