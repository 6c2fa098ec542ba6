"""File names of outputs and names of jobs: legal everywhere, never outside the output folder.

`JobSpec.output` is a *pattern*: a path below the output folder with `/` between folders, in which
`{version}`, `{version:3}` (three digits), `{part}` and `{ext}` stand for what is known only when
the file is there, and `{{` and `}}` for braces.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

#: of one name, in UTF-8; file systems take 255, and a download adds to its name while it runs
MAX_NAME_BYTES = 200
MAX_FOLDERS = 16
#: characters; what is longer is no name but a text that somebody put there
MAX_PATTERN = 10_000
MAX_ID_BYTES = 120

#: endings that a name may state itself; any other text after a point belongs to the name
_MEDIA_ENDINGS = frozenset({
    "aac", "exr", "flac", "gif", "jpeg", "jpg", "m4a", "mkv", "mov", "mp3", "mp4", "ogg", "png",
    "svg", "wav", "webm", "webp", "zip",
})  # fmt: skip
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(version|part|ext)(?::(\d{1,2}))?\}|[{}]")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"}
)
_ID = re.compile(r"\w[\w.-]*")
#: a name that is legal everywhere as it stands: no device of Windows, nothing to compose
_PLAIN = r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:[/{.]|$))[A-Za-z0-9_][A-Za-z0-9_-]{0,99}"
_PLAIN_ID = re.compile(_PLAIN, re.IGNORECASE | re.ASCII)
_PLAIN_PATTERN = re.compile(
    rf"((?:{_PLAIN}/){{0,8}}{_PLAIN})(\{{version(?::(\d))?\}})?([A-Za-z0-9_-]{{0,40}})"
    r"(?:\{part\})?\.\{ext\}",
    re.IGNORECASE | re.ASCII,
)
_ILLEGAL = re.compile(r'[<>"|?*\x00-\x1f\x7f]')


class UnsafeName(ValueError):
    """A name that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Part of a file name that is filled in at the end."""

    name: str
    width: int = 0

    NAMES: ClassVar[tuple[str, ...]] = ("version", "part", "ext")

    def __str__(self) -> str:
        return f"{{{self.name}:{self.width}}}" if self.width else f"{{{self.name}}}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A file name with placeholders, taken apart."""

    parts: tuple[str | Placeholder, ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read what `text` writes.

        Raises:
            UnsafeName: a brace that belongs to no placeholder.
        """
        parts: list[str | Placeholder] = []
        done = 0
        for match in _PLACEHOLDER.finditer(text):
            parts.append(text[done : match.start()])
            done = match.end()
            if match[1]:
                parts.append(Placeholder(match[1], int(match[2] or 0)))
            elif len(match[0]) == 2:
                parts.append(match[0][0])
            else:
                raise UnsafeName(f"`{match[0]}` alone in a name pattern: `{text}`")
        return cls((*parts, text[done:]))

    @property
    def text(self) -> str:
        return "".join(
            str(part) if isinstance(part, Placeholder) else re.sub(r"([{}])", r"\1\1", part)
            for part in self.parts
        )

    def has(self, name: str) -> bool:
        return any(isinstance(part, Placeholder) and part.name == name for part in self.parts)

    def fill(self, values: dict[str, str]) -> str:
        """The path, with `values` for the placeholders."""
        return "".join(
            values[part.name].zfill(part.width) if isinstance(part, Placeholder) else part
            for part in self.parts
        )


def output_path(pattern: str, *, ext: str, part: int = 1, version: int = 1) -> PurePosixPath:
    """Where a result goes, relative to the output folder.

    Args:
        pattern: `JobSpec.output`.
        ext: without the dot, from the file's own bytes.
        part: 1 for the first output of its media type, then 2 …
        version: 1 + verified results that this job had before.

    Raises:
        UnsafeName: see `same_file`.
    """
    if len(pattern) > MAX_PATTERN:
        raise UnsafeName(f"the name has more than {MAX_PATTERN:,} characters")
    parsed = Pattern.parse(pattern)
    clean_ext = re.sub(r"[^a-z0-9]", "", ext.lower())[:10] or "bin"
    suffix = f"-{part}" if part > 1 else ""
    filled = parsed.fill({"version": str(version), "part": suffix, "ext": clean_ext})
    folders, name = _folders(filled)
    stem, _, ending = name.rpartition(".")
    if not stem or ending.lower() not in {clean_ext, *_MEDIA_ENDINGS}:
        stem, ending = name, clean_ext
    if not parsed.has("part"):
        stem += suffix
    if version > 1 and not parsed.has("version"):
        stem += f"_v{version}"
    return PurePosixPath(*(_legal(folder) for folder in folders), _legal(f"{stem}.{ending}"))


def sidecar_path(first_output: PurePosixPath) -> PurePosixPath:
    """Where the JSON beside a task's outputs goes, named after the first of them."""
    return first_output.with_suffix(".json")


def check_member(path: str) -> PurePosixPath:
    """A path that somebody else wrote, for a file below a folder of ours: legal as it stands.

    Raises:
        UnsafeName: it would lead elsewhere, or some file system would take it for another name.
    """
    folders, name = _folders(path)
    names = [*folders, name]
    composed = [unicodedata.normalize("NFC", part) for part in names]
    if "/".join(names) != path or any(_legal(part) != part for part in composed):
        raise UnsafeName("the name cannot be a file's everywhere")
    return PurePosixPath(path)


def same_file(pattern: str) -> str:
    """Equal for two patterns that would name one file (or sidecar) on some file system.

    Raises:
        UnsafeName: it would leave the output folder, or names no file; the message says why.
    """
    plain = _PLAIN_PATTERN.fullmatch(pattern)
    if plain is not None:  # most names, a hundred times as fast
        version = "1".zfill(int(plain[3] or 0)) if plain[2] else ""
        return f"{plain[1]}{version}{plain[4]}".lower()
    path = output_path(pattern, ext="ext").with_suffix("").as_posix()
    return unicodedata.normalize("NFC", path.casefold())


def check_id(text: str) -> str:
    """A job's id as it will be used: `:` becomes `x`, Unicode in its composed form.

    Raises:
        UnsafeName: the message says what is wrong.
    """
    if _PLAIN_ID.fullmatch(text):
        return text
    name = unicodedata.normalize("NFC", text.strip()).replace(":", "x")
    if not name:
        raise UnsafeName("an id cannot be empty")
    if not _ID.fullmatch(name):
        raise UnsafeName(f"`{name[:60]}` cannot be an id: use letters, digits, `_`, `-` and `.`")
    if name.endswith(".") or _is_device(name):
        raise UnsafeName(f"`{name[:60]}` cannot be a file name everywhere")
    if len(name.encode()) > MAX_ID_BYTES:
        raise UnsafeName(f"an id has at most {MAX_ID_BYTES} bytes, this one {len(name.encode())}")
    return name


def same_id(job_id: str) -> str:
    """Equal for ids that some file system would take for one."""
    if job_id.isascii():
        return job_id.lower()
    return unicodedata.normalize("NFKC", job_id).casefold()


def _folders(path: str) -> tuple[list[str], str]:
    """Folders and file name of a filled pattern, checked."""
    if "\\" in path:
        raise UnsafeName("a name cannot contain `\\`: write folders with `/`")
    if re.search(r"[\x00-\x1f\x7f]", path):
        raise UnsafeName("a name cannot contain control characters")
    names = [name.strip() for name in path.split("/")]
    if path.startswith("/") or re.match(r"[A-Za-z]:", names[0]):
        raise UnsafeName("the name would leave `output.dir`: it is an absolute path")
    if ".." in names:
        raise UnsafeName("the name would leave `output.dir`: it contains `..`")
    if not names[-1].strip("."):
        raise UnsafeName("the name ends with a folder, not with a file")
    folders = [name for name in names[:-1] if name not in ("", ".")]
    if len(folders) > MAX_FOLDERS:
        raise UnsafeName(f"the name has more than {MAX_FOLDERS} folders")
    return folders, names[-1]


def _legal(name: str) -> str:
    """One name of a path as every file system takes it."""
    name = unicodedata.normalize("NFC", name).replace(":", "x")
    name = _ILLEGAL.sub("_", name).strip().rstrip(". ") or "_"
    if _is_device(name):
        stem, dot, rest = name.partition(".")
        name = f"{stem}_{dot}{rest}"
    return name if len(name.encode()) <= MAX_NAME_BYTES else _shortened(name)


def _is_device(name: str) -> bool:
    """Whether Windows takes the name for a device, whatever its ending."""
    return name.partition(".")[0].rstrip().casefold() in _DEVICES


def _shortened(name: str) -> str:
    """A name of legal length, different for different names."""
    stem, dot, ending = name.rpartition(".")
    tail = f"~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    if dot and stem and len(ending.encode()) <= 16:
        tail += f".{ending}"
    else:
        stem = name
    room = MAX_NAME_BYTES - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + tail
