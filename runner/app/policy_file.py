"""Policy files: what a company allows, read from YAML.

A file that is named and cannot be read or understood is an error, never ignored: what it forbids
would be allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from runner.core.spec import Json
from runner.core.spending_policy import NO_POLICY, Allowed, SpendingPolicy, merged
from runner.errors import ManifestError, UsageError

if TYPE_CHECKING:
    from runner.manifest.places import Document

#: of the machine: applies to everybody on it, beside the one that the variable names
SYSTEM_POLICY = Path("/etc/runway-batch/policy.yaml")
MAX_BYTES = 1024 * 1024

_SCHEMA = "policy.schema.json"


def load_policy(named: str = "", *, system: Path | None = None) -> SpendingPolicy:
    """The policies that apply here, as one.

    Args:
        named: the file that the environment names; empty = none.
        system: the machine's own; None = `SYSTEM_POLICY`. It may be missing.

    Raises:
        UsageError: a policy file that cannot be used.
    """
    files = [Path(named)] if named else []
    system = SYSTEM_POLICY if system is None else system
    if _is_there(system):
        files.append(system)
    return reduce(merged, map(_policy, files), NO_POLICY)


def _is_there(path: Path) -> bool:
    """Only where there is nothing; what cannot be looked at is an error when it is read."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _policy(path: Path) -> SpendingPolicy:
    try:
        return _from(_document(path), path)
    except ManifestError as error:
        raise UsageError(f"policy {error.message}", hint=error.hint) from None


def _document(path: Path) -> Document:
    # parsers are loaded only where there is a policy: commands start quickly
    from runner.manifest.shape import schema_problems
    from runner.manifest.yaml12 import parse_yaml

    document = parse_yaml(_read(path), file=str(path))
    problems = schema_problems(document, _SCHEMA)
    if problems:
        raise ManifestError(problems)
    return document


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe or device may never end
            raise _unreadable(path, "is no regular file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(path, f"cannot be read: {reason}") from error
    if len(data) > MAX_BYTES:
        raise _unreadable(path, f"is larger than {MAX_BYTES // 1024**2} MiB")
    return data


def _unreadable(path: Path, what: str) -> UsageError:
    return UsageError(
        f"the policy file {what}: {path}",
        hint="nothing is sent without it: put it right, or ask who looks after it",
    )


def _from(document: Document, path: Path) -> SpendingPolicy:
    from runner.core.credits import parse_credits
    from runner.manifest.rules import budget_of

    value, source = document.value, str(path)
    most = value.get("max_credits_per_run")
    folders = value.get("inputs", {}).get("allow")
    return SpendingPolicy(
        budget=budget_of(value.get("budget", {})),
        max_credits_per_run=None if most is None else parse_credits(most),
        require_budget=value.get("require_budget", False),
        models=_allowed(value.get("models"), source),
        folders=_allowed(_resolved(folders, path), source),
        hosts=_allowed(value.get("api_hosts"), source),
        sources=(source,),
    )


def _allowed(names: Sequence[str] | None, source: str) -> tuple[Allowed, ...]:
    """A list that is not written allows everything, an empty one nothing."""
    return () if names is None else (Allowed(names=tuple(names), source=source),)


def _resolved(folders: Json, path: Path) -> Sequence[str] | None:
    """As input files are compared: absolute, without links."""
    if folders is None:
        return None
    try:
        return [str((path.parent / folder).resolve()) for folder in folders]
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null character
        raise UsageError(f"policy {path}: a folder of `inputs.allow` cannot be used") from error
