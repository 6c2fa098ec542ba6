"""The state file as a file: who may read it, and what a new version does to an old one."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from runner.core.ledger import Caps
from runner.errors import DiskFull, StoreError
from runner.store import backup
from runner.store.backup import keep_old_version
from runner.store.connection import Mode, connect, version_of
from runner.store.identity import home_of
from runner.store.privacy import loose, tighten
from runner.store.process import Owner, this_process
from runner.store.reader import StateReader
from runner.store.store import JobStore
from runner.store.version import SCHEMA_VERSION
from runner.testing import FakeClock, make_spec
from tests.integration.old_state import POINTS, make_old
from tests.integration.store_steps import add, finished, happen

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def loosen(path: Path) -> None:
    path.chmod(0o664)


def content(path: Path) -> bytes:
    return path.read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def open_store(path: Path) -> JobStore:
    return await JobStore.open(path, clock=FakeClock())


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


# permissions


@posix
async def test_nobody_else_can_read_a_state_file_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.db"
    before = os.umask(0)
    try:
        async with await open_store(path) as store:
            await store.upsert_batch("b")
            assert {mode(file) for file in path.parent.iterdir()} == {0o600}
            assert len(names(path.parent)) == 3
        assert mode(path.parent) == 0o700
    finally:
        os.umask(before)


@posix
async def test_loosened_permissions_are_tightened_by_the_next_writer_only(path: Path) -> None:
    await (await open_store(path)).close()
    loosen(path)
    async with await StateReader.read(path):
        assert mode(path) == 0o664
    assert path in loose(path)
    async with await open_store(path):
        assert loose(path) == []
    assert mode(path) == 0o600


@posix
async def test_a_folder_that_was_there_keeps_its_permissions(path: Path) -> None:
    path.parent.chmod(0o755)
    await (await open_store(path)).close()
    assert mode(path.parent) == 0o755


@posix
def test_a_file_that_cannot_be_tightened_is_used_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.touch(mode=0o644)

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refused)
    assert tighten(path) == []


# a new version


async def test_a_file_of_an_older_version_is_kept_beside_the_new_one(path: Path) -> None:
    make_old(path)
    async with await open_store(path) as store:
        assert [batch.name for batch in await store.batches()] == ["old"]
    kept = path.with_name("state.db.v1.bak")
    assert names(path.parent) == ["state.db", "state.db.v1.bak"]
    assert (version_of(path), version_of(kept)) == (SCHEMA_VERSION, 1)
    assert rows(kept, "SELECT name FROM batches") == [("old",)]
    assert rows(kept, "PRAGMA integrity_check") == [("ok",)]
    if os.name == "posix":
        assert mode(kept) == 0o600


async def test_an_older_copy_is_never_overwritten(path: Path) -> None:
    make_old(path)
    path.with_name("state.db.v1.bak").write_bytes(b"mine")
    await (await open_store(path)).close()
    assert path.with_name("state.db.v1.bak").read_bytes() == b"mine"
    assert version_of(path.with_name("state.db.v1-2.bak")) == 1


async def test_a_new_file_and_one_of_this_version_have_no_copy(path: Path) -> None:
    for _ in range(2):
        await (await open_store(path)).close()
    assert names(path.parent) == ["state.db"]


async def test_what_is_in_the_log_only_is_in_the_copy_too(path: Path) -> None:
    make_old(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE batches SET name = 'newest'")
        await (await open_store(path)).close()
    assert rows(path.with_name("state.db.v1.bak"), "SELECT name FROM batches") == [("newest",)]


def damage(path: Path) -> bytes:
    """Empty an index that nobody reads on the way; what is in the file then."""
    [(page,)] = rows(path, "SELECT rootpage FROM sqlite_master WHERE name = 'ledger_totals'")
    [(size,)] = rows(path, "PRAGMA page_size")
    assert isinstance(page, int)
    assert isinstance(size, int)
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(bytes(data))
    return bytes(data)


async def test_a_damaged_file_is_not_brought_up_to_date_and_not_changed(path: Path) -> None:
    make_old(path)
    data = damage(path)
    with pytest.raises(StoreError, match="damaged") as caught:
        await open_store(path)
    assert caught.value.exit_code == 2
    assert content(path) == data
    assert not any("bak" in name for name in names(path.parent))


def test_a_file_that_was_emptied_beside_its_log_is_refused_and_not_begun_anew(path: Path) -> None:
    path.write_bytes(b"")
    log = path.with_name(f"{path.name}-wal")
    log.write_bytes(b"what was not written back yet")
    with pytest.raises(StoreError, match="was emptied"):
        connect(path, Mode.CREATE)
    assert (path.stat().st_size, log.read_bytes()) == (0, b"what was not written back yet")


def test_without_room_for_the_copy_nothing_is_changed(path: Path) -> None:
    make_old(path)
    before = path.read_bytes()
    with pytest.raises(DiskFull, match="no room"):
        keep_old_version(path, 1, free=lambda _: len(before))
    assert path.read_bytes() == before
    assert names(path.parent) == ["state.db"]


async def test_a_disk_that_fills_up_during_the_copy_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_old(path)
    before = rows(path, "SELECT * FROM batches")

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_sync", full)
    with pytest.raises(DiskFull, match="the disk is full"):
        await open_store(path)
    assert version_of(path) == 1
    assert rows(path, "SELECT * FROM batches") == before
    assert names(path.parent) == ["state.db"]


def kill_at(path: Path, point: str) -> None:
    command = [sys.executable, "-m", "tests.integration.old_state", str(path), point]
    victim = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert victim.returncode == -signal.SIGKILL, victim.stderr


@posix
@pytest.mark.parametrize("point", POINTS)
async def test_kill_9_in_a_migration_leaves_the_old_version_or_the_new_one(
    path: Path, point: str
) -> None:
    make_old(path)
    kill_at(path, point)
    assert version_of(path) == (SCHEMA_VERSION if point == "after it" else 1)
    async with await open_store(path) as store:
        assert [batch.name for batch in await store.batches()] == ["old"]
        assert list(await store.facts().damages()) == []
    assert version_of(path) == SCHEMA_VERSION
    copies = [name for name in names(path.parent) if name.endswith(".bak")]
    assert len(copies) == (2 if point in {"after the copy", "in the migration"} else 1)
    assert all(version_of(path.with_name(name)) == 1 for name in copies)
    assert not any("partial" in name for name in names(path.parent))


# what the file knows of itself


async def test_the_home_and_what_was_set_aside_are_kept(path: Path) -> None:
    async with await open_store(path) as store:
        await store.upsert_batch("b")
        care = store.care()
        assert await care.home() is None
        await care.take_home(home_of(path))
        for tasks in (["t1"], ["t2", "t1"], []):
            await care.set_aside("b", tasks)
    async with await StateReader.read(path) as reader:
        assert await reader.facts().home() == home_of(path)
        assert (await reader.facts().known_files("b")).tasks == {"t1", "t2"}


async def test_counts_that_are_wrong_are_computed_again(path: Path) -> None:
    async with await open_store(path) as store:
        await store.upsert_batch("b")
        parent, _ = await add(store, make_spec("a"), make_spec("c", needs=["a"]))
        await store.set_caps("b", Caps(batch=100))
        await happen(store, parent, *finished()[:2])
        await store._writer.run(lambda db: db.execute("UPDATE jobs SET waiting = 7"))
        await store._writer.run(lambda db: db.execute("UPDATE caps SET used_credits = 3"))
        wrong = await store.check("b")
        assert len(wrong) == 3
        assert len(await store.care().repair("b")) == len(wrong)
        assert list(await store.check("b")) == []
        assert list(await store.care().repair("b")) == []


async def test_only_runs_that_have_provably_died_are_ended(path: Path) -> None:
    me = this_process()
    dead = Owner(host=me.host, boot_id=me.boot_id, pid=me.pid, pid_started="another start")
    far = Owner(host="elsewhere", boot_id="x", pid=1, pid_started="1")
    async with await open_store(path) as store:
        for batch, owner in (("dead", dead), ("far", far), ("alive", me)):
            await store.upsert_batch(batch)
            await store.acquire(batch, run_id=batch, owner=owner)
        runs = await store.facts().live_runs()
        assert {run.batch: run.is_dead for run in runs} == {
            "dead": True, "far": False, "alive": False,
        }  # fmt: skip
        assert [run.batch for run in await store.care().end_dead_runs()] == ["dead"]
        assert [run.batch for run in await store.facts().live_runs()] == ["far", "alive"]
