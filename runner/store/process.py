"""Who a process is, so that another one can tell whether it still runs.

A number alone is not enough: it is given out again. Number and start time together are, on one
machine and since it was last booted.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
#: a killed process that its parent has not asked after yet is dead all the same
_DEAD_STATES = frozenset({"Z", "X", "x"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A process that holds, or held, a batch. Empty text where the platform does not tell."""

    host: str
    boot_id: str
    pid: int
    pid_started: str  # in the platform's own words: only ever compared


def this_process() -> Owner:
    """The process that asks."""
    pid = os.getpid()
    return Owner(
        host=socket.gethostname(), boot_id=boot_id(), pid=pid, pid_started=started(pid) or ""
    )


def is_running(owner: Owner) -> bool:
    """Whether a process of *this* machine still runs; True where nothing proves that it does not.

    The caller has compared the hosts.
    """
    here = boot_id()
    if here and owner.boot_id and here != owner.boot_id:
        return False
    begun = started(owner.pid)
    if begun is None:
        return False
    return not (begun and owner.pid_started) or begun == owner.pid_started


def boot_id() -> str:
    """Changes with every start of the machine."""
    if sys.platform == "win32":
        return ""  # start times are times of day there: they need no help
    if sys.platform == "darwin":
        return answer_of("/usr/sbin/sysctl", "-n", "kern.boottime")
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _answers_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it runs, under another user
    return True


def _started_linux(pid: int) -> str | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    # the name in brackets may hold anything; state is field 3, start in clock ticks field 22
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in _DEAD_STATES else fields[19]


def answer_of(*command: str) -> str:
    """What a program of the system says; empty where it cannot be asked."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program with a number
            command, capture_output=True, text=True, errors="replace", timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _QUERY_LIMITED_INFORMATION, _STILL_ACTIVE, _ACCESS_DENIED = 0x1000, 259, 5

    def started(pid: int) -> str | None:
        """When a process began: None where it does not run, "" where the platform won't tell."""
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
        if not handle:
            return "" if ctypes.get_last_error() == _ACCESS_DENIED else None
        try:
            code = wintypes.DWORD()
            kernel.GetExitCodeProcess(handle, ctypes.byref(code))
            times = [wintypes.FILETIME() for _ in range(4)]
            if code.value != _STILL_ACTIVE:
                return None
            if not kernel.GetProcessTimes(handle, *map(ctypes.byref, times)):
                return ""
            return f"{times[0].dwHighDateTime}:{times[0].dwLowDateTime}"
        finally:
            kernel.CloseHandle(handle)

else:

    def started(pid: int) -> str | None:
        """When a process began: None where it does not run, "" where the platform won't tell."""
        if not _answers_signals(pid):
            return None
        if _PROC.joinpath("self/stat").exists():
            return _started_linux(pid)
        return answer_of("/bin/ps", "-o", "lstart=", "-p", str(pid))
