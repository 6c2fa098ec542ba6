"""Which file system a path lies on, and whether SQLite can lock files there.

A network share may grant one lock to two machines; two runs would then pay for the same job.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from runner.errors import StoreError
from runner.store.process import answer_of

#: what Linux, macOS and Windows call file systems whose locks or shared memory are not SQLite's
NETWORK = frozenset({
    "nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "afs", "9p", "ncpfs",
    "davfs", "webdav", "coda", "lustre", "gpfs", "ceph", "glusterfs", "vboxsf", "vmhgfs", "prl_fs",
    "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.goofys", "fuse.glusterfs",
    "fuse.ceph", "fuse.davfs", "fuse.smbnetfs", "fuse.curlftpfs", "fuse.vmhgfs-fuse",
    "unc", "remote",
})  # fmt: skip

MOUNTINFO = Path("/proc/self/mountinfo")
#: of GetDriveTypeW
_DRIVE_REMOTE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A file system and where it is mounted."""

    folder: Path
    kind: str


def check_place(path: Path, *, allowed: bool = False, mountinfo: Path = MOUNTINFO) -> None:
    """Refuse a state file on a network file system.

    Raises:
        StoreError: it lies on one, and the user has not said that this is meant.
    """
    kind = kind_of(path, mountinfo=mountinfo)
    if kind in NETWORK and not allowed:
        raise StoreError(
            f"the state file would lie on a network file system ({kind}): `{path}`",
            hint="put it on a local disk with `--state`; `--state-on-network` allows it, where no"
            " other machine ever uses it",
        )


def kind_of(path: Path, *, mountinfo: Path = MOUNTINFO) -> str:
    """What the platform calls the file system of a path; empty where it does not tell."""
    if sys.platform == "win32":
        return _kind_on_windows(path.resolve())
    if sys.platform == "darwin":
        mounts = parse_mount(answer_of("/sbin/mount"))
    else:
        try:
            mounts = parse_mountinfo(mountinfo.read_text(errors="surrogateescape"))
        except OSError:
            return ""
    return _nearest(path.resolve(), mounts)


def parse_mountinfo(text: str) -> list[Mount]:
    """Linux: `36 35 98:0 /root /folder opts… - kind source opts`, octal escapes in names."""
    mounts = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        fields, kind = left.split(" "), right.partition(" ")[0]
        if dash and len(fields) > 4 and kind:
            mounts.append(Mount(folder=Path(_unescaped(fields[4])), kind=kind))
    return mounts


def parse_mount(text: str) -> list[Mount]:
    """macOS: `//user@host/share on /Volumes/share (smbfs, nodev)`."""
    found = re.findall(r"^.+? on (/.*) \(([\w.]+)[,)]", text, re.MULTILINE)
    return [Mount(folder=Path(folder), kind=kind) for folder, kind in found]


def _nearest(path: Path, mounts: list[Mount]) -> str:
    """The longest mount point above the path; of two on one folder the later hides the other."""
    above = [mount for mount in mounts if path.is_relative_to(mount.folder)]
    best = max(
        enumerate(above), key=lambda item: (len(item[1].folder.parts), item[0]), default=None
    )
    return best[1].kind if best else ""


def _unescaped(name: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), name)


if sys.platform == "win32":
    import ctypes

    def _kind_on_windows(path: Path) -> str:
        if path.drive.startswith("\\\\"):
            return "unc"
        kind = ctypes.windll.kernel32.GetDriveTypeW(path.anchor)
        return "remote" if kind == _DRIVE_REMOTE else ""
