"""A state file that is a copy, or older than what lies on disk, pays for nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from runner.app.adopting_files import Finding
from runner.app.checks import Result
from runner.app.doctor import Diagnosis, DoctorRequest, diagnose
from runner.app.sidecars import unknown_sidecars
from runner.core.job import JobStatus
from runner.errors import StoreError, StoreLocked, StoreUntrusted, UsageError
from runner.store import filesystem
from runner.store.identity import Home
from runner.store.process import this_process
from runner.store.reader import StateReader
from runner.store.store import JobStore
from tests.integration.stage import Stage, stage_in
from tests.integration.test_app_run import still, stills

DONE, PENDING = JobStatus.DONE, JobStatus.PENDING


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path) as opened:
        yield opened


async def doctor(
    stage: Stage, target: str | None = None, *, adopt: bool = False, repair: bool = False
) -> Diagnosis:
    request = DoctorRequest(
        settings=replace(stage.settings, key=None),
        target=target,
        here=stage.folder,
        adopt=adopt,
        repair=repair,
    )
    return await diagnose(request, clock=stage.clock)


def manifest(stage: Stage) -> str:
    return str(stage.folder / "small.yaml")


def found(diagnosis: Diagnosis) -> dict[str, Finding]:
    return {item.sidecar.job: item.finding for item in diagnosis.adopted}


def copied(stage: Stage) -> Path:
    """A whole copy of the state file as it is now."""
    path = stage.folder / "backup.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(stage.state)) as db:
        db.execute("VACUUM INTO ?", (str(path),))
    return path


def put_back(stage: Stage, copy: Path) -> None:
    """As `cp` does: into the same file."""
    for ending in ("-wal", "-shm"):
        stage.state.with_name(stage.state.name + ending).unlink(missing_ok=True)
    shutil.copyfile(copy, stage.state)


async def refused(stage: Stage) -> StoreUntrusted:
    """A run that sends nothing."""
    seen, tasks = stage.emulator.seen.copy(), len(stage.tasks)
    with pytest.raises(StoreUntrusted) as caught:
        await stage.run()
    assert caught.value.exit_code == 11
    assert "doctor" in caught.value.hint
    assert (stage.emulator.seen, len(stage.tasks)) == (seen, tasks)
    return caught.value


# older than what lies on disk


async def test_a_lost_state_file_is_made_again_of_the_outputs_and_nothing_is_paid_twice(
    stage: Stage,
) -> None:
    stage.write(stills(3))
    await stage.run()
    charged = stage.charged
    stage.state.unlink()
    assert "older than the outputs" in (await refused(stage)).message
    diagnosis = await doctor(stage, manifest(stage), adopt=True)
    assert found(diagnosis) == dict.fromkeys(("s0", "s1", "s2"), Finding.IMPORTED)
    assert diagnosis.exit_code == 0
    result = await stage.run()
    assert (result.exit_code, result.summary.totals.spent) == (0, charged)
    assert (stage.charged, len(stage.tasks)) == (charged, 3)
    await stage.agrees()


async def test_a_backup_put_back_sends_nothing_until_the_newer_results_are_imported(
    stage: Stage,
) -> None:
    stage.write(stills(2))
    await stage.run()
    copy = copied(stage)
    stage.write(stills(4))
    await stage.run()
    charged = stage.charged
    put_back(stage, copy)
    error = await refused(stage)
    assert "`s2`, `s3`" in error.message
    assert (await doctor(stage)).exit_code == 11
    assert found(await doctor(stage, adopt=True)) == {
        "s2": Finding.IMPORTED, "s3": Finding.IMPORTED,
    }  # fmt: skip
    result = await stage.run()
    assert (result.exit_code, result.summary.totals.spent, stage.charged) == (0, charged, charged)
    await stage.agrees()


async def test_an_imported_result_that_is_not_whole_is_fetched_and_not_made_again(
    stage: Stage,
) -> None:
    stage.write(stills(2))
    await stage.run()
    stage.state.unlink()
    folder = stage.outputs / "small"
    (folder / "s0.png").unlink()
    (folder / "s1.png").write_bytes(b"half")
    diagnosis = await doctor(stage, manifest(stage), adopt=True)
    assert set(found(diagnosis).values()) == {Finding.INCOMPLETE}
    assert (folder / "s1.png.damaged").read_bytes() == b"half"
    assert set((await stage.statuses()).values()) == {JobStatus.DOWNLOADING}
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 2
    await stage.agrees()


async def test_what_no_job_can_take_is_listed_once_and_then_left_alone(stage: Stage) -> None:
    stage.write(stills(1) + still("other") + still("gone"))
    await stage.run()
    stage.state.unlink()
    stage.write(stills(1) + still("other", prompt="something else"))
    diagnosis = await doctor(stage, manifest(stage), adopt=True)
    assert found(diagnosis) == {
        "s0": Finding.IMPORTED,
        "other": Finding.OTHER_CONTENT,
        "gone": Finding.UNKNOWN_JOB,
    }
    assert (await doctor(stage, adopt=True)).adopted == ()
    assert await stage.statuses() == {"s0": DONE, "other": PENDING}
    assert (await stage.run()).exit_code == 0
    assert stage.prompts["something else"] == 1
    assert stage.prompts["s0"] == 1


async def test_a_renamed_job_takes_the_result_of_its_old_name(stage: Stage) -> None:
    stage.write(still("old", prompt="a mill"))
    await stage.run()
    stage.state.unlink()
    stage.write(still("new", prompt="a mill"))
    diagnosis = await doctor(stage, manifest(stage), adopt=True)
    assert found(diagnosis) == {"old": Finding.IMPORTED}
    assert await stage.statuses() == {"new": DONE}
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 1


async def test_a_job_in_doubt_is_settled_by_its_result_on_disk(stage: Stage) -> None:
    """It was resolved and made after the backup: what it cost is in its sidecar."""
    stage.write(stills(1))
    stage.script({"on": "create", "do": "drop", "nth": 1})
    await stage.run()
    assert await stage.statuses() == {"s0": JobStatus.IN_DOUBT}
    copy = copied(stage)
    stage.script()
    stage.state.unlink()
    assert (await stage.run()).exit_code == 0
    put_back(stage, copy)
    assert found(await doctor(stage, adopt=True)) == {"s0": Finding.IMPORTED}
    [job] = (await stage.jobs()).values()
    assert (job.status, job.hold, job.charged) == (DONE, 0, 8)
    await stage.agrees()


async def test_sidecars_of_others_and_files_that_are_none_are_no_concern(stage: Stage) -> None:
    stage.write(stills(1))
    await stage.run()
    sidecar = stage.outputs / "small" / "s0.json"
    data = json.loads(sidecar.read_text())
    folder = stage.outputs / "small"
    (folder / "theirs.json").write_text(json.dumps(data | {"batch": "theirs", "task_id": "x"}))
    (folder / "notes.json").write_text("[1, 2")
    (folder / ".hidden.json").write_text(json.dumps(data | {"task_id": "y"}))
    (folder / "again.json").write_text(json.dumps(data))
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert (await stage.run()).exit_code == 0
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "a.json").write_text(json.dumps(data | {"task_id": "z"}))
    await refused(stage)


async def test_known_sidecars_are_not_even_opened(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100,000 of them would otherwise be read at every start."""
    stage.write(stills(3))
    await stage.run()
    read: list[Path] = []
    real = Path.read_bytes

    def counted(self: Path) -> bytes:
        read.append(self)
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", counted)
    async with await StateReader.read(stage.state) as reader:
        assert await unknown_sidecars(reader, "small", stage.outputs) == []
        assert await unknown_sidecars(reader, "small", stage.folder / "nowhere") == []
    assert read == []


# a copy


async def test_a_copied_state_file_sends_nothing_until_it_is_adopted(stage: Stage) -> None:
    stage.write(stills(1))
    await stage.run()
    copy = copied(stage)
    stage.write(stills(2))
    there = replace(stage, settings=replace(stage.settings, state=copy))
    assert "may be a copy" in (await refused(there)).message
    assert (await doctor(there)).exit_code == 11
    assert (await doctor(there, adopt=True)).exit_code == 0
    assert (await there.run()).exit_code == 0
    assert (await there.run()).exit_code == 0
    assert len(stage.tasks) == 2


async def test_a_file_of_another_machine_names_that_machine(stage: Stage) -> None:
    stage.write(stills(1))
    await stage.run()
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        home = await store.care().home()
        assert home is not None
        far = Home(host="far", machine="m", boot_id="b", device=1, inode=home.inode, folder=0)
        await store.care().take_home(far)
    assert "another machine, `far`" in (await refused(stage)).message


async def test_a_moved_project_goes_on(stage: Stage) -> None:
    stage.write(stills(1))
    await stage.run()
    (stage.folder / "moved").mkdir()
    stage.state.rename(stage.folder / "moved" / "state.db")
    there = replace(
        stage, settings=replace(stage.settings, state=stage.folder / "moved" / "state.db")
    )
    assert (await there.run()).exit_code == 0
    assert len(stage.tasks) == 1


async def test_a_batch_that_somebody_works_on_cannot_be_adopted(stage: Stage) -> None:
    stage.write(stills(1))
    await stage.run()
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        await store.acquire("small", run_id="live", owner=this_process())
        with pytest.raises(StoreLocked):
            await doctor(stage, adopt=True)


async def test_a_network_share_is_refused_before_anything_is_made(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "kind_of", lambda *_, **__: "nfs4")
    stage.write(stills(1))
    with pytest.raises(StoreError, match="network file system") as caught:
        await stage.run()
    assert caught.value.exit_code == 2
    assert not stage.state.exists()
    allowed = replace(stage, settings=replace(stage.settings, state_on_network=True))
    assert (await allowed.run()).exit_code == 0


# doctor


def result_of(diagnosis: Diagnosis, name: str) -> Result:
    return next(check.result for check in diagnosis.checks if check.name == name)


async def test_a_healthy_file_has_nothing_but_ok(stage: Stage) -> None:
    assert (await doctor(stage)).exit_code == 0  # nothing has run yet
    stage.write(stills(2))
    await stage.run()
    diagnosis = await doctor(stage)
    assert {check.result for check in diagnosis.checks} <= {Result.OK}
    assert diagnosis.exit_code == 0
    names = {check.name for check in diagnosis.checks}
    assert {"python", "sqlite", "file system", "integrity", "home", "batch small"} <= names


async def test_the_account_is_asked_where_there_is_a_key(stage: Stage) -> None:
    request = DoctorRequest(settings=stage.settings, here=stage.folder)
    assert result_of(await diagnose(request), "account") is Result.OK
    wrong = replace(request, settings=replace(stage.settings, key="key_wrong"))
    diagnosis = await diagnose(wrong)
    assert (result_of(diagnosis, "account"), diagnosis.exit_code) == (Result.FAIL, 4)
    nobody = replace(request, settings=replace(stage.settings, base_url="http://127.0.0.1:9"))
    assert result_of(await diagnose(nobody), "account") is Result.WARN
    assert not any("key_" in check.message for check in diagnosis.checks)


async def test_a_damaged_file_says_what_can_be_put_back(stage: Stage) -> None:
    stage.state.write_bytes(b"SQLite format 3\x00" + b"\xff" * 4000)
    stage.state.with_name("state.db.v1.bak").touch()
    diagnosis = await doctor(stage)
    assert diagnosis.exit_code == 2
    [check] = [check for check in diagnosis.checks if check.result is Result.FAIL]
    assert "state.db.v1.bak" in check.hint


async def test_wrong_counts_fail_until_they_are_repaired(stage: Stage) -> None:
    stage.write(stills(2))
    await stage.run()
    with closing(sqlite3.connect(stage.state, isolation_level=None)) as db:
        db.execute("UPDATE caps SET used_credits = 1")
    stage.state.chmod(0o644)
    diagnosis = await doctor(stage)
    assert (result_of(diagnosis, "batch small"), diagnosis.exit_code) == (Result.FAIL, 11)
    assert result_of(diagnosis, "permissions") is Result.WARN
    repaired = await doctor(stage, repair=True)
    assert repaired.repaired
    assert repaired.exit_code == 0
    assert {check.result for check in repaired.checks} <= {Result.OK}


async def test_what_a_dead_run_left_is_named(stage: Stage) -> None:
    stage.write(stills(1))
    await stage.run()
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        dead = replace(this_process(), pid_started="another start")
        await store.acquire("small", run_id="dead", owner=dead)
    (stage.outputs / "small" / ".0123.0.part").touch()
    diagnosis = await doctor(stage)
    told = {check.name: check.message for check in diagnosis.checks if check.result is Result.WARN}
    assert set(told) == {"run of small", "batch small"}
    assert "has died" in told["run of small"]
    assert "0123" in told["batch small"]
    assert diagnosis.exit_code == 0
    assert len((await doctor(stage, repair=True)).repaired) == 1


async def test_what_is_not_there_says_so(stage: Stage) -> None:
    with pytest.raises(StoreError, match="no state file"):
        await doctor(stage, repair=True)
    with pytest.raises(StoreError, match="no state file") as caught:
        await doctor(stage, adopt=True)
    assert "doctor FILE --adopt" in caught.value.hint
    stage.write(stills(1))
    await stage.run()
    with pytest.raises(UsageError, match="no batch of this name"):
        await doctor(stage, "nobody")
