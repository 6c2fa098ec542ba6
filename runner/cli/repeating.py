"""The options of this call, as a following command has to repeat them. Never a key.

Variables are still set then, so only what stood on the command line is said again.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from runner.core.schedule import duration_words

from .options import Flags
from .run_request import RunRequest


def shared_options(flags: Flags) -> str:
    """Of any command: where its batch is, ` --state other.db`."""
    return _text(_shared(flags))


def run_options(flags: Flags, request: RunRequest) -> str:
    """Of a run: what its jobs are, its caps and its times; ` --set model=gen4_turbo`."""
    return _text([*_of_run(request), *_shared(flags)])


def _text(words: Iterator[str] | list[str]) -> str:
    return "".join(f" {shlex.quote(word)}" for word in words)


def _shared(flags: Flags) -> Iterator[str]:
    if "state" in flags.given:
        yield from ("--state", str(flags.state))
    if "state_on_network" in flags.given:
        yield "--state-on-network"
    # an address may carry a password
    if "base_url" in flags.given and "@" not in str(flags.base_url):
        yield from ("--base-url", str(flags.base_url))
    if "poll_interval" in flags.given:
        yield from ("--poll-interval", f"{flags.poll_interval:g}")
    if "output_dir" in flags.given:
        yield from ("--output-dir", str(flags.output_dir))


def _of_run(request: RunRequest) -> Iterator[str]:
    for key, value in request.sets.items():
        yield from ("--set", f"{key}={value}")
    if request.max_credits is not None:
        yield from ("--max-credits", str(request.max_credits))
    for lane, most in request.jobs.items():
        yield from ("-j", str(most) if lane is None else f"{lane}={most}")
    times = (
        ("--max-duration", request.max_duration_s),
        ("--max-wait", request.max_wait_s),
        ("--drain", request.drain_s),
    )
    for flag, seconds in times:
        if seconds is not None:
            yield from (flag, duration_words(seconds))
    if request.until is not None:
        yield from ("--until", f"{request.until:%H:%M}")
    has_agreed = request.yes and request.command == "run"  # `demo` agrees by itself
    for flag, is_given in (("--yes", has_agreed), ("--accept-stale", request.accept_stale)):
        if is_given:
            yield flag
