"""Values of expressions that nobody knows yet: an output of another job, a version, an ending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Protocol

from runner.core.naming import Placeholder
from runner.manifest.hints import Hint, hint_text


class TemplateProblem(Exception):
    """A template that cannot be read or rendered; its place is known to who rendered it."""

    def __init__(self, message: str, hint: Hint = "") -> None:
        super().__init__(message)
        self.message = message
        self.later_hint = hint

    @property
    def hint(self) -> str:
        return hint_text(self.later_hint)


@dataclass(frozen=True, slots=True)
class Reference:
    """`jobs.NAME.output`: one output, or with `every` the outputs of all jobs of that name."""

    name: str  # of a job or a template
    every: bool = False
    index: int | None = None  # `.outputs[0]`
    frame: str = ""  # `first` or `last`: a still of the output
    own: bool = False  # of the one job of that id, which `source` stands for

    def __str__(self) -> str:
        self._refuse()

    def __bool__(self) -> bool:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise TemplateProblem(
            f"the output of `{self.name}` is a file, it cannot be put into text",
            "make it the whole value of a media field",
        )


def output_named(name: str, attribute: str, *, own: bool = False) -> Reference | None:
    """What `.output`, `.outputs`, `.first_frame` and `.last_frame` of a job stand for."""
    match attribute:
        case "output":
            return Reference(name, own=own)
        case "outputs":
            return Reference(name, every=True, own=own)
        case "first_frame" | "last_frame":
            return Reference(name, frame=attribute.removesuffix("_frame"), own=own)
    return None


@dataclass(frozen=True, slots=True)
class JobHandle:
    """`jobs.NAME`, which is of no use without `.output`."""

    name: str

    def attribute(self, name: str) -> Reference | None:
        """What stands behind the point."""
        return output_named(self.name, name)


class JobsByName(Protocol):
    """`jobs` in an expression."""

    def knows(self, name: str) -> bool:
        """Whether a job or a template has the name."""
        ...

    def suggest(self, name: str) -> str:
        """A hint for a name that nobody has; may be empty."""
        ...


@dataclass(frozen=True, slots=True)
class AllJobs:
    """What `jobs` is in an expression: a handle for each name that somebody has."""

    names: JobsByName


@dataclass(frozen=True, slots=True)
class Source:
    """`source`: the job that another one is made of."""

    id: str
    known: Mapping[str, Any]  # row, matrix, take, seed, model …

    def attribute(self, name: str) -> Any:
        """What stands behind the point; None where there is nothing of that name."""
        found = output_named(self.id, name, own=True)
        return self.known.get(name) if found is None else found


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
