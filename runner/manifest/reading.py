"""A manifest's bytes: whatever a path may turn out to be, in one clear message."""

from __future__ import annotations

from pathlib import Path

from runner.core.catalog import closest
from runner.errors import ManifestError, Problem

MAX_BYTES = 32 * 1024 * 1024


def read_file(path: Path) -> bytes:
    """All of a manifest.

    Raises:
        ManifestError: not there, no file, not readable, or too large.
    """
    try:
        if path.is_dir():
            raise _unreadable(path, "is a folder, not a manifest", "name the file")
        if path.exists() and not path.is_file():  # a pipe or device may never end
            raise _unreadable(path, "is not a regular file", "write the manifest to a file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(path, "does not exist", _neighbour(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(path, f"cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise _unreadable(path, f"is larger than {MAX_BYTES // 1024**2} MiB")
    return data


def _unreadable(path: Path, what: str, hint: str = "") -> ManifestError:
    return ManifestError([Problem(message=f"`{path}` {what}", hint=hint, file=str(path))])


def _neighbour(path: Path) -> str:
    try:
        names = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return f"there is no folder `{path.parent}`"
    near = closest(path.name, names)
    return f"did you mean `{near}`?" if near else ""
