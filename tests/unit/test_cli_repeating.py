"""Options of a call as the next command repeats them, and the hints of a run that hold them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import time
from pathlib import Path
from typing import Any

import pytest

from runner.cli.commands import run as run_module
from runner.cli.options import Flags
from runner.cli.repeating import run_options, shared_options
from runner.cli.run_request import RunRequest
from runner.cli.show_run import next_commands
from runner.core.job import JobStatus
from runner.core.outcome import Reason
from tests.unit.test_cli_views import ending_of, job_of

FULL = Reason(exit_code=8, message="full", hint="raise `budget` in the manifest, then run again")


def parsed(words: str) -> dict[str, Any]:
    """What `run` makes of the options that were printed."""
    args = ["x.csv", *shlex.split(words)]
    return run_module.command.make_context("run", args).params


@pytest.mark.parametrize(
    "fields",
    [
        {"sets": {"model": "gen4_turbo", "promptText": "it's 5 o'clock; $HOME"}},
        {"max_credits": 200, "yes": True, "accept_stale": True},
        {"jobs": {None: 8, "gen4_turbo": 3}},
        {"max_duration_s": 5400.0, "max_wait_s": 90.0, "drain_s": 0.0, "until": time(7, 30)},
    ],
)
def test_what_is_repeated_is_read_as_it_was_given(fields: dict[str, Any]) -> None:
    request = RunRequest(file=Path("x.csv"), **fields)
    found = parsed(run_options(Flags(), request))
    assert {name: found[name] for name in fields} == fields


def test_where_the_batch_is_goes_along_unless_a_variable_says_it() -> None:
    flags = Flags(
        state=Path("my state.db"), output_dir=Path("out"), base_url="http://me:secret@host",
        poll_interval=7, given=frozenset({"state", "base_url", "poll_interval"}),
    )  # fmt: skip
    assert shared_options(flags) == " --state 'my state.db' --poll-interval 7"
    assert shared_options(replace(flags, given=frozenset())) == ""


def test_a_demo_agrees_by_itself_and_what_follows_it_asks() -> None:
    assert run_options(Flags(), RunRequest(file=Path("x"), command="demo", yes=True)) == ""


def hints(*reasons: Reason, stale: bool = False) -> Sequence[str]:
    jobs = [job_of("made", JobStatus.DONE, stale=stale)]
    ending = ending_of(*reasons, jobs=jobs, emulator=True)
    return next_commands(
        replace(ending, file=Path("my shots.csv"), shared=" --state s.db",
                again=" --set model=x --state s.db")
    )  # fmt: skip


def test_a_hint_can_be_typed_as_it_is() -> None:
    again = "runway-batch run 'my shots.csv' --set model=x --state s.db --emulator"
    assert hints(FULL) == [f"raise `budget` in the manifest, then run again: {again}"]
    assert hints(Reason(exit_code=130, message="stopped")) == [f"go on: {again}"]
    [retry] = hints(Reason(exit_code=3, message="failed"))
    assert retry.endswith(": runway-batch retry 'my shots.csv' --state s.db --emulator")
    assert hints(stale=True) == [f"make stale jobs again: {again} --refresh stale"]
