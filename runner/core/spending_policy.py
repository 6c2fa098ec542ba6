"""What a company allows, whatever a manifest, a flag or a variable says.

Of several policies all apply: caps by their minimum, lists one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePath

from runner.core.budget import BudgetSpec, lowest, stricter


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """A list of what is allowed, and the policy file that has it."""

    names: tuple[str, ...]
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SpendingPolicy:
    """The rules of one policy file, or of several together. Each list has to allow a thing."""

    budget: BudgetSpec = field(default_factory=BudgetSpec)
    max_credits_per_run: int | None = None
    require_budget: bool = False
    models: tuple[Allowed, ...] = ()  # names or globs; endpoints where there is no model
    folders: tuple[Allowed, ...] = ()  # absolute; input files have to lie in them
    hosts: tuple[Allowed, ...] = ()  # that the key may be sent to
    sources: tuple[str, ...] = ()  # the files

    def refuses_model(self, lane: str) -> Allowed | None:
        """The list that does not have this model, or endpoint without a model."""
        return _first(each for each in self.models if not _matches(lane, each.names))

    def refuses_input(self, path: str) -> Allowed | None:
        """The list that has no folder around this file (absolute, links resolved)."""
        return _first(each for each in self.folders if not _is_inside(path, each.names))

    def refuses_host(self, host: str) -> Allowed | None:
        """The list that does not have this host."""
        return _first(each for each in self.hosts if _plain(host) not in map(_plain, each.names))


#: where there is no policy file
NO_POLICY = SpendingPolicy()


def merged(one: SpendingPolicy, other: SpendingPolicy) -> SpendingPolicy:
    """Both at once."""
    return SpendingPolicy(
        budget=stricter(one.budget, other.budget),
        max_credits_per_run=lowest(one.max_credits_per_run, other.max_credits_per_run),
        require_budget=one.require_budget or other.require_budget,
        models=one.models + other.models,
        folders=one.folders + other.folders,
        hosts=one.hosts + other.hosts,
        sources=one.sources + other.sources,
    )


def _first(lists: Iterable[Allowed]) -> Allowed | None:
    return next(iter(lists), None)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_inside(path: str, folders: Iterable[str]) -> bool:
    return any(PurePath(path).is_relative_to(folder) for folder in folders)


def _plain(host: str) -> str:
    return host.lower().rstrip(".")
