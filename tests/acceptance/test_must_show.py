"""Disks, links, servers, keys, credits and people that fail a run half-way.

Each ends with the right exit code, nothing is lost or paid twice, and the same command goes on.
Everything is a process of its own: service, runs and commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.stage import CREDITS, RATE, Disk, Stage, small_disk, stage
from tests.crash.launcher import Doom, Launcher, launcher
from tests.processes import KEY

JOBS = 24


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """Starts everything; loaded once for all tests."""
    with launcher(tmp_path_factory.mktemp("quick"), RATE) as made:
        yield made


@pytest.fixture
def batch(quick: Launcher, tmp_path: Path) -> Iterator[Stage]:
    with stage(quick, tmp_path) as made:
        made.write(JOBS)
        yield made


@pytest.fixture
def disk(batch: Stage) -> Iterator[Disk]:
    """A file system under the outputs on which nine pages fit."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(small_disk(batch.outputs, "44k"))
        except OSError as error:
            pytest.skip(str(error))
        yield made


# disks


def test_outputs_on_a_full_disk_stop_the_creates_and_are_collected_once_there_is_room(batch, disk):
    first = batch.run()
    assert first.code == 5, first.err  # paid tasks wait to be collected; 7 stands beside it
    assert "the disk is full" in first.err
    made = batch.created
    assert 0 < batch.statuses()["done"] < made < JOBS
    assert batch.account["charged"] == made * CREDITS
    disk.remount("size=1m")
    assert batch.run().code == 0
    batch.check_complete(JOBS)


def test_outputs_on_a_disk_that_becomes_read_only_wait_and_the_live_run_goes_on(batch, disk):
    disk.remount("size=1m")
    run = batch.start()
    batch.creates_reach(3)
    disk.remount("ro")
    batch.until(lambda: batch.waits() == ["disk"], "the run says that the disk takes nothing")
    assert batch.created < JOBS
    disk.remount("rw")
    assert batch.end(run).code == 0
    batch.check_complete(JOBS)


def test_a_state_file_on_a_full_disk_sends_nothing_more_and_the_live_run_goes_on(batch, tmp_path):
    batch.flags = ("--state", str(tmp_path / "small" / "state.db"))
    with ExitStack() as stack:
        try:
            stack.enter_context(small_disk(tmp_path / "small", "12m"))
        except OSError as error:
            pytest.skip(str(error))
        run = batch.start()
        batch.creates_reach(3)
        ballast = tmp_path / "small" / "ballast"
        fill(ballast)
        before = batch.created
        reads = batch.requests("read")
        batch.until(lambda: batch.requests("read") > reads + 10, "still polling")
        assert batch.created <= before + 8, "intents that were on disk already"
        ballast.unlink()
        ended = batch.end(run)
        assert ended.code == 0, ended.err
        assert "the disk is full" in ended.err
        batch.check_complete(JOBS)


def fill(file: Path) -> None:
    """Write until nothing fits any more."""
    with file.open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(b"0" * 4096):
            pass


def test_an_output_folder_that_is_a_file_is_found_before_anything_is_paid(batch):
    batch.outputs.write_text("mine")
    refused = batch.run()
    assert refused.code == 2, refused.err
    assert "outputs" in refused.err
    assert batch.created == 0
    batch.outputs.unlink()
    assert batch.run().code == 0
    batch.check_complete(JOBS)


# links


def test_a_link_that_is_refused_three_times_in_a_row_is_read_again_each_time(batch):
    batch.service.scenario({"faults": [{"do": "expire", "count": 3 * JOBS, "each": True,
                                        "nth": "1-3"}]})  # fmt: skip
    ended = batch.run()
    assert ended.code == 0, ended.err
    batch.check_complete(JOBS)
    assert batch.service.faults_met()["download expire"] == 3 * JOBS


# the service and the account


def test_a_server_that_is_down_for_minutes_is_waited_for(batch):
    run = batch.start()
    batch.creates_reach(3)
    batch.service.outage(240)
    ended = batch.end(run)
    assert ended.code == 0, ended.err
    batch.check_complete(JOBS)


def test_a_key_revoked_in_a_run_ends_it_and_restored_the_same_command_goes_on(batch):
    run = batch.start()
    batch.creates_reach(3)
    batch.service.account(disabled=True)
    ended = batch.end(run)
    assert ended.code == 4, ended.err
    made = batch.created
    assert made < JOBS
    assert batch.run().code == 4
    batch.service.account(disabled=False)
    assert batch.run().code == 0
    batch.check_complete(JOBS)


def test_credits_that_run_out_stop_the_creates_and_what_is_paid_is_collected(batch):
    batch.service.account(balance=5 * CREDITS + 3)
    ended = batch.run()
    assert ended.code == 4, ended.err
    assert "credits" in ended.err
    assert batch.statuses() == {"done": 5, "pending": JOBS - 5}
    assert batch.account["charged"] == 5 * CREDITS
    batch.service.account(balance=1000)
    assert batch.run().code == 0
    batch.check_complete(JOBS)


def test_others_who_spend_do_not_make_us_pass_the_balance_to_keep(batch):
    batch.write(JOBS, budget="{credits: 1000, keep_balance: 500}")
    batch.service.account(balance=500 + JOBS * CREDITS)
    run = batch.start()
    batch.creates_reach(3)
    batch.service.account(add_credits=-5 * CREDITS)
    ended = batch.end(run)
    assert ended.code == 8, ended.err
    # what others took at the last moment nobody can foresee: a reading is a minute old at most
    assert batch.account["balance"] >= 500 - 5 * CREDITS
    made = batch.created
    assert made < JOBS
    assert batch.statuses() == {"done": made, "pending": JOBS - made}
    batch.service.account(balance=1000)
    assert batch.run().code == 0
    batch.check_complete(JOBS)


# people


def test_a_live_run_is_paused_limited_resumed_and_cancelled_from_another_process(batch):
    run = batch.start()
    batch.creates_reach(2)
    assert batch.say("pause").code == 0
    batch.until(lambda: batch.waits() == ["paused"] and batch.account["alive"] == 0, "a pause")
    made = batch.created
    assert made < JOBS
    limited = batch.say("limits set", "-j", "1")
    assert limited.code == 0, limited.err
    assert batch.created == made
    cancelled = batch.say("cancel", "-s", f"still-t{JOBS}", "--yes")
    assert cancelled.code == 0, cancelled.err
    assert batch.say("resume").code == 0
    ended = batch.end(run)
    assert ended.code == 0, ended.err
    assert batch.statuses() == {"done": JOBS - 1, "cancelled": 1}
    assert batch.account["charged"] == (JOBS - 1) * CREDITS
    assert batch.most_at_once_since(made) == 1


def test_a_second_run_hands_the_edited_manifest_to_the_live_one_and_watches_it(batch):
    first = batch.start()
    batch.creates_reach(2)
    batch.write(JOBS + 3)
    second = batch.start()
    ended = batch.end(second)
    assert ended.code == 0, ended.err
    assert batch.end(first).code == 0
    batch.check_complete(JOBS + 3)


# secrets

#: everything that shows something of a batch
COMMANDS = (
    "status -vv", "status --json", "plan shown.yaml -vv", "ledger", "ledger --json",
    "limits --json", "explain still-t2", "explain still-t3 --json", "resolve", "resolve --json",
    "verify --json", "doctor -vv", "doctor --json",
)  # fmt: skip


def test_neither_key_nor_signed_link_is_in_anything_that_is_left_or_said(quick, tmp_path):
    secret = "key_not_to_be_found_anywhere"
    told = replace(quick, variables={"RUNWAYML_API_SECRET": secret})
    with stage(told, tmp_path) as batch:
        batch.write(JOBS)
        batch.service.scenario({
            "keys": [{"key": secret, "same_account_as": KEY}],
            "faults": [
                {"on": "create", "do": "lose", "how": "reset", "nth": 2},
                {"on": "create", "do": "refuse", "status": 503, "nth": 5},
                {"on": "read", "do": "garble", "nth": 4},
                {"do": "expire", "nth": [1, 6]},
                {"do": "cut", "bytes": 100, "nth": 2},
                {"do": "page", "nth": 3},
                {"do": "redirect", "location": "http://192.0.2.1/elsewhere", "nth": 4},
            ],
        })  # fmt: skip
        killed = batch.start("-vv", doom=Doom(after_s=0.7))
        assert batch.end(killed).code == -9
        assert batch.account["creates"] > 0
        assert {file.stat().st_mode & 0o777 for file in batch.state_files()} == {0o600}
        assert batch.run("-vv", "--json").code == 11
        for command in COMMANDS:
            ended = batch.launcher.run(*command.split())
            assert ended.code == (11 if command.startswith("resolve") else 0), (command, ended)
            assert ended.out
        batch.write(JOBS + 1)
        batch.service.account(key=secret, disabled=True)
        assert batch.run("-vv").code == 4
        (tmp_path / "control").write_text(f"{secret} _jwt")
        found = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert {".png", ".json", ".db", ".out", ".err"} <= {file.suffix for file in found}
        leaks = {
            file.name
            for file in found
            for word in (secret, "_jwt")
            if word.encode() in file.read_bytes()
        }
        assert leaks == {"control"}
