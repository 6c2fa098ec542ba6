"""Typed access to data that a person wrote, with the place in every error."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.errors import UsageError


class Reader:
    """One mapping of a document.

    Raises: every method raises `UsageError` that names the place and what was expected.
    """

    def __init__(self, source: str, path: str, data: Any) -> None:
        self._source = source
        self._path = path
        if not isinstance(data, Mapping):
            raise self.problem("", f"expected a mapping, found `{data}`")
        self._data = data

    def problem(self, key: str, message: str, hint: str = "") -> UsageError:
        path = ".".join(part for part in (self._path, key) if part)
        where = f"{self._source}: {path}" if path else self._source
        return UsageError(f"{where}: {message}", hint=hint)

    def only(self, *known: str) -> None:
        """Refuse keys that mean nothing."""
        for key in self._data:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
                raise self.problem(str(key), "unknown key", hint)

    def has(self, key: str) -> bool:
        return self._data.get(key) is not None

    def names(self) -> list[str]:
        return [str(name) for name in self._data]

    def raw(self, key: str) -> Any:
        return self._data.get(key)

    def items(self, key: str) -> Iterator[Reader]:
        value = self._data.get(key) or []
        if not isinstance(value, list):
            raise self.problem(key, f"expected a list, found `{value}`")
        for index, item in enumerate(value):
            yield Reader(self._source, f"{key}[{index}]", item)

    def inner(self, key: str) -> Reader:
        """A mapping within this one; empty where there is none."""
        value = self._data.get(key)
        return Reader(self._source, key, {} if value is None else value)

    def text(self, key: str, default: str) -> str:
        value = self._data.get(key)
        if value is None:
            return default
        if isinstance(value, Mapping | list | bool):
            raise self.problem(key, f"expected text, found `{value}`")
        return str(value)

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        value = self._data.get(key, default)
        if value not in choices:
            near = difflib.get_close_matches(str(value), choices, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"one of: {', '.join(choices)}"
            raise self.problem(key, f"unknown value: `{value}`", hint)
        return str(value)

    def flag(self, key: str) -> bool:
        value = self._data.get(key)
        if not isinstance(value, bool):
            raise self.problem(key, f"expected true or false, found `{value}`")
        return value

    def whole(self, key: str, default: int = 0, least: int = 0, most: int | None = None) -> int:
        number = self.number(key, default, least, math.inf if most is None else most)
        if number != int(number):
            raise self.problem(key, f"expected a whole number, found `{number}`")
        return int(number)

    def number(self, key: str, default: float, least: float = 0.0, most: float = math.inf) -> float:
        value = self._data.get(key)
        if value is None:
            return default
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise self.problem(key, f"expected a number, found `{value}`")
        if not least <= value <= most:
            raise self.problem(key, f"expected {least:g} to {most:g}, found `{value}`")
        return value
