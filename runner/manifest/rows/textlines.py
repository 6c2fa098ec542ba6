"""The lines of a text file of rows, with their ends, in whatever way spreadsheets write text."""

from __future__ import annotations

import codecs
import io
from collections.abc import Generator, Iterator
from functools import partial
from typing import BinaryIO

from runner.manifest.rows.datafile import DataFile
from runner.manifest.rows.table import RowProblem

#: characters of one line; more is no table
MAX_LINE = 32 * 1024 * 1024

_BROKEN = "\udc80"  # stands for bytes that are no text; no encoding gives it


def text_lines(file: DataFile) -> Generator[str, None, None]:
    """Every line, its end included, whether `\\n`, `\\r\\n` or `\\r`.

    The encoding is UTF-8, or what the byte order mark at the beginning says.

    Raises:
        RowProblem: the file cannot be read, or is no text.
    """
    try:
        with file.open() as raw:
            text = _decoded(raw, errors="strict")
            for number, line in enumerate(_pieces(text), start=1):
                if "\0" in line or len(line) == MAX_LINE:
                    raise _refused(file.name, number, line)
                yield line
    except UnicodeDecodeError:
        raise _not_text(file) from None
    except OSError as error:
        raise RowProblem(f"`{file.name}` cannot be read: {error.strerror}") from error


def _decoded(raw: BinaryIO, *, errors: str) -> io.TextIOWrapper:
    head = raw.read(3)
    raw.seek(0)
    encoding = "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    return io.TextIOWrapper(raw, encoding=encoding, errors=errors, newline="")


def _pieces(text: io.TextIOWrapper) -> Iterator[str]:
    """Lines, those that are too long in pieces: a film named .csv must not fill the memory."""
    return iter(partial(text.readline, MAX_LINE), "")


def _refused(name: str, number: int, line: str) -> RowProblem:
    place = f"{name}:{number}"
    if "\0" in line:
        return RowProblem(
            f"`{name}` has a null character", hint="save it as text, in UTF-8", place=place
        )
    return RowProblem(
        f"a line of `{name}` is longer than {MAX_LINE // 1024**2} million characters",
        hint="is it a table of text?",
        place=place,
    )


def _not_text(file: DataFile) -> RowProblem:
    """Names the line: reads once more, as far as that."""
    codecs.register_error("runner.rows", lambda error: (_BROKEN, _end(error)))
    with file.open() as raw:
        lines = _decoded(raw, errors="runner.rows")
        number = next((n for n, line in enumerate(_pieces(lines), start=1) if _BROKEN in line), 0)
    return RowProblem(
        f"`{file.name}` is not UTF-8: this line has bytes that are no text",
        hint="save it as UTF-8 (in Excel: “CSV UTF-8”)",
        place=f"{file.name}:{number}",
    )


def _end(error: UnicodeError) -> int:
    return error.end if isinstance(error, UnicodeDecodeError) else 0
