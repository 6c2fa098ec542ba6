"""Values of expressions that nobody knows yet: an output of another job, a version, an ending."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn

from runner.core.naming import Placeholder


class TemplateProblem(Exception):
    """A template that cannot be read or rendered; its place is known to who rendered it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Reference:
    """`jobs.NAME.output`: one output, or with `every` the outputs of all takes."""

    name: str  # of a job or a template
    every: bool = False
    take: int | None = None  # `.outputs[0]`

    def __str__(self) -> str:
        self._refuse()

    def __bool__(self) -> bool:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise TemplateProblem(
            f"the output of `{self.name}` is a file, it cannot be put into text",
            "make it the whole value of a media field",
        )


@dataclass(frozen=True, slots=True)
class JobHandle:
    """`jobs.NAME`, which is of no use without `.output`."""

    name: str

    def attribute(self, name: str) -> Reference | None:
        """What stands behind the point."""
        if name == "output":
            return Reference(self.name)
        return Reference(self.name, every=True) if name == "outputs" else None


@dataclass(frozen=True, slots=True)
class Late:
    """`version`, `part` or `ext` in a file name: filled in when the file is there."""

    placeholder: Placeholder

    def padded(self, width: int) -> Late:
        if self.placeholder.name != "version":
            self._refuse()
        return Late(replace(self.placeholder, width=width))

    def __str__(self) -> str:
        self._refuse()

    def __bool__(self) -> bool:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise TemplateProblem(
            f"`{self.placeholder.name}` is not known before the file is there",
            "use it alone, or `version | pad(3)`",
        )
