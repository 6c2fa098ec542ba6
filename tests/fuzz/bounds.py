"""Bounds that the system keeps: a process that passes one ends, wherever it is."""

from __future__ import annotations

import faulthandler
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def bound_memory(more_bytes: int) -> None:
    """Refuse this process more address space than it has now, and so much beyond it.

    Only where the system tells what it has.
    """
    used = Path("/proc/self/statm")
    if used.exists():
        pages = int(used.read_text(encoding="ascii").split()[0])
        bound = pages * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))


def end_when_late() -> None:
    """What `limited` ends is traced to stderr first, even from within the interpreter."""
    faulthandler.register(signal.SIGPROF, all_threads=False, chain=True)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """End the process when it takes so much processor time: a busy machine makes no difference."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def used_s() -> float:
    """Processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
