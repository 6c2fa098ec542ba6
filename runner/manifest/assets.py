"""Local files as inputs: where they lie, what they are, their content's name."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from runner.core.spec import AssetRef
from runner.manifest.hints import Hint, hint_text
from runner.manifest.refused_types import (
    conversion,
    extraction,
    refused_content,
    refused_name,
    renaming,
)
from runner.manifest.signatures import FORMATS, family_of, formats_for

#: limits of Runway's uploads
MIN_BYTES = 512
MAX_BYTES = 200 * 1024 * 1024

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|(?:data|file|https?|runway):", re.IGNORECASE)
_CHUNK_BYTES = 1024 * 1024


class AssetProblem(Exception):
    """A local file that cannot be an input: what is wrong, and what to do."""

    def __init__(self, message: str, *, hint: Hint = "") -> None:
        super().__init__(message)
        self.message = message
        self.later_hint = hint

    @property
    def hint(self) -> str:
        return hint_text(self.later_hint)


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
    path = place_inside(value, base, allow)
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


def place_inside(value: str, base: Path, allow: Sequence[Path], *, is_folder: bool = False) -> Path:
    """Where a path of a manifest leads, after symbolic links; it need not exist.

    Args:
        is_folder: inputs are looked for in it.

    Raises:
        AssetProblem: outside of `base` and the folders of `allow`, or no path at all.
    """
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
        allowed = path if is_folder else path.parent
        raise AssetProblem(
            f"`{value}` lies outside the manifest's folder",
            hint=f"move it there, or add `inputs: {{allow: [{allowed}]}}` to the manifest",
        )
    return path


def regular_file(value: str, path: Path) -> os.stat_result:
    """What is known of the file at `path`, which a manifest calls `value`.

    Raises:
        AssetProblem: missing, or a folder, a pipe, a device.
    """
    try:
        info = path.stat()
    except FileNotFoundError as error:
        raise AssetProblem(f"`{value}` does not exist", hint=partial(neighbour, path)) from error
    except OSError as error:
        raise AssetProblem(f"`{value}` cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(info.st_mode):
        kind = "a folder" if stat.S_ISDIR(info.st_mode) else "not a regular file"
        raise AssetProblem(f"`{value}` is {kind}", hint="name one file")
    return info


def _size(value: str, path: Path) -> int:
    size = regular_file(value, path).st_size
    if not MIN_BYTES <= size <= MAX_BYTES:
        raise AssetProblem(
            f"`{value}` has {size:,} bytes",
            hint="Runway takes files from 512 bytes to 200 MB (209,715,200 bytes)",
        )
    return size


def neighbour(path: Path) -> str:
    """What to say of a path that does not exist: the name that was probably meant."""
    try:
        names = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return f"there is no folder `{path.parent}`"
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean `{near[0]}`?" if near else f"looked for {path}"


def _check_type(value: str, path: Path, media: str, head: bytes) -> None:
    suffix = path.suffix.lower().removeprefix(".")
    known = FORMATS.get(suffix)
    if known is None or media not in known.media:
        raise _refused(value, media, suffix)
    found = family_of(head)
    if found not in known.families:
        raise _mistaken(value, media, suffix, found)


def _refused(value: str, media: str, suffix: str) -> AssetProblem:
    """A file of an ending that does not do here."""
    if name := refused_name(media, suffix):
        message = f"`{value}` is {name}, which Runway does not take"
        return AssetProblem(message, hint=conversion(value, media, name))
    accepted = f"use one of: {', '.join(formats_for(media))}"
    hint = extraction(value, media, suffix) or accepted
    return AssetProblem(f"`{value}` is no {media} that Runway takes", hint=hint)


def _mistaken(value: str, media: str, suffix: str, found: str) -> AssetProblem:
    """A file whose content is not what its ending says: Runway goes by both."""
    rename = renaming(value, media, found)
    if not rename and (name := refused_content(found)):
        message = f"`{value}` is named .{suffix}, but it is {name}, which Runway does not take"
        return AssetProblem(message, hint=conversion(value, media, name))
    content = f"looks like {found}" if found else "is of no known type"
    return AssetProblem(
        f"`{value}` is named .{suffix}, but its content {content}",
        hint=rename or "rename or convert it: the type must follow from the name",
    )
