"""The file itself: who may open it, and what is said where it cannot be used."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from runner.core.events import SubmitUnknown
from runner.errors import StoreError, StoreLocked
from runner.store.connection import Mode, connect, read_version
from runner.store.migrations import migrations
from runner.store.reader import StateReader
from runner.store.rows import EVENTS
from runner.store.store import JobStore
from runner.store.version import SCHEMA_VERSION
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import add, finished, happen, started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some folder" / "state #1 ?.db"


async def make(path: Path) -> None:
    async with await JobStore.open(path, clock=FakeClock()) as store:
        await store.upsert_batch("b")
        await add(store, make_spec("a"))


def content(path: Path) -> bytes:
    return path.read_bytes()


def fill(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def sql(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.close()


async def test_a_file_is_made_with_its_folder_and_kept(path: Path) -> None:
    await make(path)
    async with await JobStore.open(path, clock=FakeClock(), create=False) as store:
        assert [job.id async for job in store.jobs("b")] == ["a"]
    assert sorted(child.name for child in path.parent.iterdir()) == [path.name]


async def test_every_commit_is_flushed_to_the_disk(path: Path) -> None:
    await make(path)
    db = connect(path, Mode.WRITE)
    found = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in (
        "journal_mode", "synchronous", "foreign_keys", "user_version"
    )]  # fmt: skip
    db.close()
    assert found == ["wal", 2, 1, SCHEMA_VERSION]


def test_the_last_migration_is_the_version_of_the_file() -> None:
    db = sqlite3.connect(":memory:")
    names = [step.name for step in migrations._migrations]
    db.close()
    assert [int(name[1:4]) for name in names] == list(range(1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("reading", [True, False])
async def test_a_file_that_is_not_there_says_so(path: Path, reading: bool) -> None:
    missing = JobStore.open(path, clock=FakeClock(), create=False)
    with pytest.raises(StoreError, match="no state file at") as caught:
        await (StateReader.read(path) if reading else missing)
    missing.close()
    assert caught.value.exit_code == 2
    assert not path.parent.exists()


async def test_a_file_of_a_newer_version_is_refused_and_not_touched(path: Path) -> None:
    await make(path)
    sql(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = content(path)
    for opening in (JobStore.open(path, clock=FakeClock()), StateReader.read(path)):
        with pytest.raises(StoreError, match="written by a newer version") as caught:
            await opening
        assert caught.value.hint == "upgrade runway-batch"
    assert content(path) == before


async def test_a_database_of_another_program_is_refused_and_not_touched(path: Path) -> None:
    path.parent.mkdir()
    sql(path, "CREATE TABLE recipes (name TEXT)")
    before = content(path)
    with pytest.raises(StoreError, match="another program"):
        await JobStore.open(path, clock=FakeClock())
    assert content(path) == before


async def test_an_empty_file_becomes_a_state_file_but_not_for_a_reader(path: Path) -> None:
    fill(path, b"")
    with pytest.raises(StoreError, match="older version, or empty"):
        await StateReader.read(path)
    await make(path)


@pytest.mark.parametrize("data", [b"jobs: []\n" * 200, b"SQLite format 3\x00" + b"\xff" * 4000])
async def test_a_damaged_file_says_which_and_what_to_do(path: Path, data: bytes) -> None:
    fill(path, data)
    for opening in (JobStore.open(path, clock=FakeClock()), StateReader.read(path)):
        with pytest.raises(StoreError, match="damaged or not a state file") as caught:
            await opening
        assert str(path) in caught.value.message
        assert "--state" in caught.value.hint
    assert content(path) == data


async def test_damage_found_later_is_an_error_with_the_path_too(path: Path) -> None:
    await make(path)
    data = bytearray(content(path))
    data[4096:] = b"\xff" * (len(data) - 4096)
    fill(path, bytes(data))
    with pytest.raises(StoreError, match="damaged"):
        async with await JobStore.open(path, clock=FakeClock()) as store:
            await store.batches()


async def test_a_folder_in_the_files_place_or_above_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot open the state file"):
        await JobStore.open(tmp_path, clock=FakeClock())
    fill(tmp_path / "file", b"")
    with pytest.raises(StoreError, match="cannot make the folder"):
        await JobStore.open(tmp_path / "file" / "state.db", clock=FakeClock())


async def test_a_file_that_is_being_made_by_another_process_says_so(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreLocked) as caught:
        await JobStore.open(path, clock=FakeClock(), busy_timeout_s=0.02)
    assert caught.value.exit_code == 6
    other.execute("ROLLBACK")
    other.close()


async def test_many_may_make_one_file_at_the_same_moment(path: Path) -> None:
    stores = await asyncio.gather(*(JobStore.open(path, clock=FakeClock()) for _ in range(8)))
    await asyncio.gather(*(store.upsert_batch(f"b{n}") for n, store in enumerate(stores)))
    assert len(await stores[0].batches()) == 8
    for store in stores:
        await store.close()


async def test_a_migration_that_fails_leaves_nothing_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(db: object) -> None:
        raise sqlite3.OperationalError("broken")

    monkeypatch.setattr(migrations._migrations[-1], "fn", broken)
    with pytest.raises(sqlite3.OperationalError):
        await JobStore.open(path, clock=FakeClock())
    monkeypatch.undo()
    await make(path)


async def test_a_reader_sees_every_commit_while_a_run_writes(path: Path) -> None:
    async with await JobStore.open(path, clock=FakeClock()) as store:
        await store.upsert_batch("b")
        [job] = await add(store, make_spec("a"))
        async with await StateReader.read(path) as reader:
            for event in finished():
                job = await happen(store, job, event)
                assert await reader.job("b", "a") == job
            assert await reader.check("b") == []


async def test_a_reader_reads_on_while_a_transaction_is_open(path: Path) -> None:
    await make(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE jobs SET status = 'done'")
    async with await StateReader.read(path) as reader:
        assert [job.status async for job in reader.jobs("b")] == ["pending"]
    other.execute("ROLLBACK")
    other.close()


async def test_a_reader_cannot_write(path: Path) -> None:
    await make(path)
    async with await StateReader.read(path) as reader:
        with pytest.raises(StoreError, match="for writing"):
            await reader._reader.run(lambda db: db.execute("DELETE FROM caps"))


async def test_the_past_cannot_be_rewritten(path: Path) -> None:
    await make(path)
    for statement in ("UPDATE events SET at = 0", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            sql(path, statement)


async def test_whatever_a_server_writes_into_an_error_can_be_stored(path: Path) -> None:
    async with await JobStore.open(path, clock=FakeClock()) as store:
        await store.upsert_batch("b")
        [job] = await add(store, make_spec("a"))
        odd = SubmitUnknown(at=START, reason="half a pair \ud83d, a zero \0, and ✓")
        job = await happen(store, job, started(), odd)
        assert await store.job("b", "a") == job
        assert (await store.events("b", "a"))[-1] == odd


async def test_every_table_column_and_event_is_documented(path: Path) -> None:
    await make(path)
    page = content(Path(__file__).parents[2] / "docs/reference/state-file.md").decode()
    db = sqlite3.connect(path)
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {
        table: [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        for table in tables
        if not table.startswith(("_", "sqlite_"))
    }
    db.close()
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert rows.keys() == columns.keys()
    for table, names in columns.items():
        assert rows[table].split("`")[3::2] == names
    assert all(f"`{kind}`" in page for kind in EVENTS)


class MadeMeanwhile:
    """A connection to an empty file that another process turns into a state file between reads."""

    def __init__(self, path: Path, after: int) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._path, self._after = path, after

    def execute(self, statement: str) -> sqlite3.Cursor:
        if self._after == 0:
            with contextlib.suppress(StoreError):  # it may have to wait until we have read
                connect(self._path, Mode.CREATE, busy_timeout_s=0.05).close()
        self._after -= 1
        return self._db.execute(statement)

    def close(self) -> None:
        self._db.close()


@pytest.mark.parametrize("after", range(5))
def test_a_file_that_another_run_is_just_making_is_not_taken_for_a_foreign_one(
    tmp_path: Path, after: int
) -> None:
    db = MadeMeanwhile(tmp_path / "state.db", after)
    try:
        assert read_version(db, tmp_path / "state.db") in {0, SCHEMA_VERSION}
    finally:
        db.close()
