"""Files appear whole under their name or not at all, and never in place of another.

These functions block; callers off the event loop's thread, please.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runner.errors import DiskFull, DownloadError

#: nothing more can be written here: going on to pay for files would be wrong
_NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "writing is not permitted",
    errno.EPERM: "writing is not permitted",
}
#: a larger file is no sidecar; a request in it is at most a few MB
MOST_SIDECAR_BYTES = 64 << 20
#: what file systems without hard links answer
_NO_LINKS = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
    | {errno.EINVAL, errno.EXDEV}
)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """What the disk says, as our errors. `FileExistsError` passes: it is an answer.

    Raises:
        DiskFull: nothing can be written there.
        DownloadError: anything else that the disk answers.
    """
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        why = _NO_ROOM.get(error.errno or 0)
        if why is not None:
            raise DiskFull(
                f"{why}: `{path.parent}`", hint="make room, then `runway-batch run` again"
            ) from error
        raise DownloadError(f"cannot write `{path}`: {error.strerror}") from error


def sha256_of(path: Path) -> str | None:
    """Digest of a file; None where there is no readable regular file."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def place(part: Path, target: Path, sha256: str) -> None:
    """Move `part` to `target` for good; success as well where this content is there already.

    Raises:
        FileExistsError: another content holds the name.
        DiskFull, DownloadError: the disk refused.
    """
    with disk_errors(target):
        make_folder(target.parent)
        try:
            _move(part, target)
        except (FileExistsError, FileNotFoundError):  # taken, or moved before a kill
            if sha256_of(target) != sha256:
                raise
            part.unlink(missing_ok=True)
        sync_folder(target.parent)


def write_text(path: Path, text: str) -> None:
    """Write a small file of ours whole, in place of an older one; one writer at a time.

    Raises:
        DiskFull, DownloadError: the disk refused.
    """
    _write(path, text.encode(), Path.replace, temporary_of(path))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file of ours whole, in place of an older one; any number of writers.

    Raises:
        DiskFull, DownloadError: the disk refused.
    """
    _write(path, data, Path.replace, path.with_name(f".{uuid.uuid4().hex}.tmp"))


def temporary_of(path: Path) -> Path:
    """What a kill may leave of a file that `write_text` was writing."""
    return path.with_name(f"{path.name}.tmp")


def write_sidecar(path: Path, text: str) -> None:
    """Write a sidecar whole, in place of an older one of the same batch and job only.

    Raises:
        FileExistsError: anything else holds the name; it is left as it is.
        DiskFull, DownloadError: the disk refused.
    """
    ours = _owner(text)
    is_ours = ours is not None and _owner_of(path) == ours
    # the owner's own: what a kill leaves is overwritten when the sidecar is written again
    mark = hashlib.sha256(repr(ours or path.name).encode()).hexdigest()[:24]
    temporary = path.with_name(f".{mark}.tmp")
    move = Path.replace if is_ours else _move  # which never replaces
    _write(path, text.encode(), move, temporary)


def _write(path: Path, data: bytes, move: Callable[[Path, Path], object], temporary: Path) -> None:
    with disk_errors(path):
        make_folder(path.parent)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            move(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def _owner_of(path: Path) -> tuple[str, str] | None:
    """Batch and job of the sidecar at a path; None where there is none, or it cannot be read."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_SIDECAR_BYTES:
            return None
        return _owner(path.read_bytes())
    except OSError:
        return None


def _owner(text: str | bytes) -> tuple[str, str] | None:
    """Batch and job that a sidecar names."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: brackets nested by the thousand
        return None
    batch, job = (data.get("batch"), data.get("job")) if isinstance(data, dict) else (None, None)
    return (batch, job) if isinstance(batch, str) and isinstance(job, str) else None


def make_folder(folder: Path) -> None:
    """The folder and its parents, each durable."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        sync_folder(new.parent)


def sync_folder(folder: Path) -> None:
    """Make names durable. Windows cannot, and needs no such call; some file systems refuse."""
    if os.name != "posix":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _move(part: Path, target: Path) -> None:
    """A hard link is the one atomic move that refuses to replace."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _move_without_links(part, target)
    else:
        part.unlink()


def _move_without_links(part: Path, target: Path) -> None:
    """Claim the name with an empty file that is ours alone, then replace that."""
    part.stat()  # nothing is claimed for a file that is not there
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    part.replace(target)
