"""Local files as inputs: where they lie, what they are, their content's name."""

from __future__ import annotations

import difflib
import hashlib
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from runner.core.spec import AssetRef
from runner.manifest.signatures import FORMATS, family_of, formats_for

#: limits of Runway's uploads
MIN_BYTES = 512
MAX_BYTES = 200 * 1024 * 1024

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|(?:data|file|https?|runway):", re.IGNORECASE)
_CHUNK_BYTES = 1024 * 1024


class AssetProblem(Exception):
    """A local file that cannot be an input: what is wrong, and what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def is_local(value: str) -> bool:
    """Whether a media value names a file here: no URI, and no `~`, which is refused."""
    return bool(value) and not value.startswith("~") and _SCHEME.match(value) is None


def local_asset(value: str, media: str, *, base: Path, allow: Sequence[Path]) -> AssetRef:
    """A file by the path that a manifest gives it, relative to `base`.

    Args:
        media: what the field takes: image, video or audio.
        allow: folders, besides `base`, that inputs may lie in.

    Raises:
        AssetProblem: missing, not readable, of a wrong type or size, or outside those folders.
    """
    path = _place(value, base, allow)
    size = _size(value, path)
    try:
        with path.open("rb") as file:
            _check_type(value, path, media, file.read(64))
            file.seek(0)
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise AssetProblem(f"`{value}` cannot be read: {error.strerror}") from error
    return AssetRef(path=str(path), sha256=digest.hexdigest(), bytes=size, media=media)


def _place(value: str, base: Path, allow: Sequence[Path]) -> Path:
    """The file itself, after symbolic links."""
    if not is_local(value):
        raise AssetProblem(
            f"`{value}` is not a local path", hint="write a path relative to the manifest"
        )
    try:
        path = (base / value).resolve()
        roots = [folder.resolve() for folder in (base, *allow)]
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null character
        raise AssetProblem(f"`{value}` is not a usable path") from error
    if not any(path.is_relative_to(root) for root in roots):
        raise AssetProblem(
            f"`{value}` lies outside the manifest's folder",
            hint=f"move it there, or add `inputs: {{allow: [{path.parent}]}}` to the manifest",
        )
    return path


def _size(value: str, path: Path) -> int:
    try:
        info = path.stat()
    except FileNotFoundError as error:
        raise AssetProblem(f"`{value}` does not exist", hint=_neighbour(path)) from error
    except OSError as error:
        raise AssetProblem(f"`{value}` cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(info.st_mode):
        kind = "a folder" if stat.S_ISDIR(info.st_mode) else "not a regular file"
        raise AssetProblem(f"`{value}` is {kind}", hint="name one file")
    if not MIN_BYTES <= info.st_size <= MAX_BYTES:
        raise AssetProblem(
            f"`{value}` has {info.st_size:,} bytes",
            hint="Runway takes files from 512 bytes to 200 MB (209,715,200 bytes)",
        )
    return info.st_size


def _neighbour(path: Path) -> str:
    """A suggestion from the same folder."""
    try:
        names = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return f"there is no folder `{path.parent}`"
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean `{near[0]}`?" if near else f"looked for {path}"


def _check_type(value: str, path: Path, media: str, head: bytes) -> None:
    suffix = path.suffix.lower().removeprefix(".")
    accepted = formats_for(media)
    known = FORMATS.get(suffix)
    if known is None or media not in known.media:
        raise AssetProblem(
            f"`{value}` is no {media} that Runway takes",
            hint=f"use one of: {', '.join(accepted)}",
        )
    found = family_of(head)
    if found not in known.families:
        content = f"looks like {found}" if found else "is of no known type"
        raise AssetProblem(
            f"`{value}` is named .{suffix}, but its content {content}",
            hint="rename or convert it: the type must follow from the name",
        )
