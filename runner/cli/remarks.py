"""A remark: one line of a page under a label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .output import Output


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """What is said, and how much it matters."""

    label: str  # at most nine characters
    text: str
    colour: str | None = None  # of the label, on a terminal


def show_remarks(remarks: Iterable[Remark], out: Output) -> None:
    for remark in remarks:
        out.note(remark.label, remark.text, remark.colour)
