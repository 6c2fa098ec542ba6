"""The home of a state file: which file, and on which machine. A copy of it would pay again.

The file records its home when a run works on it. It is at home where it is

- the same file in the same folder (by inode), on whatever machine: a container has a new host name
  at every start, its volume stays; or
- the same file on the same machine: the folder was renamed, or the file moved within its disk.

Anything else is a copy, a restored backup, or a move to another disk or machine, and only a person
knows which.
"""

from __future__ import annotations

import hashlib
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from runner.store.process import answer_of, boot_id

_LINUX_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """Where a run worked on a state file. Numbers are the platform's, only ever compared."""

    host: str  # for people
    machine: str  # digest of the machine's own id; empty where it has none
    boot_id: str
    device: int  # may change when the machine starts again
    inode: int
    folder: int  # inode of the folder


def home_of(path: Path) -> Home:
    """The home that a file has here and now. Blocks for a moment on macOS.

    Raises:
        FileNotFoundError: there is no such file.
    """
    found = path.stat()
    return Home(
        host=socket.gethostname(),
        machine=machine_mark(),
        boot_id=boot_id(),
        device=found.st_dev,
        inode=found.st_ino,
        folder=path.resolve().parent.stat().st_ino,
    )


def is_home(known: Home, found: Home) -> bool:
    """Whether it is the same file where it was, or at least on the same machine."""
    same_place = _is_same_file(known, found) and known.folder == found.folder
    return same_place or (_is_same_file(known, found) and _is_same_machine(known, found))


def why_not_home(known: Home, found: Home) -> str:
    """What speaks for a copy, for people."""
    if not _is_same_machine(known, found):
        return f"it last ran on another machine, `{known.host}`"
    return "it is not the very file that the last run worked on"


def _is_same_file(known: Home, found: Home) -> bool:
    restarted = known.boot_id != found.boot_id
    return known.inode == found.inode and (restarted or known.device == found.device)


def _is_same_machine(known: Home, found: Home) -> bool:
    if known.machine and found.machine:
        return known.machine == found.machine
    return known.host == found.host


def machine_mark() -> str:
    """A digest of the machine's id: the id itself is nobody else's business."""
    known = _machine_id()
    return hashlib.sha256(f"runway-batch {known}".encode()).hexdigest()[:32] if known else ""


def _machine_id() -> str:
    if sys.platform == "win32":
        return _of_registry()
    if sys.platform == "darwin":
        answer = answer_of("/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice")
        found = re.search(r'"IOPlatformUUID" = "([^"]+)"', answer)
        return found[1] if found else ""
    for file in _LINUX_FILES:
        try:
            if text := file.read_text().strip():
                return text
        except (OSError, UnicodeDecodeError):
            continue
    return ""


if sys.platform == "win32":
    import winreg

    def _of_registry() -> str:
        try:
            with winreg.OpenKey(
                winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Cryptography"
            ) as key:
                return str(winreg.QueryValueEx(key, "MachineGuid")[0])
        except OSError:
            return ""
