"""Archives that are extracted, and archives that are better left as they are."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import unicodedata
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.core.sidecar import Unpacked
from runner.downloads import unpacking
from runner.downloads.archive import UnpackLimits
from runner.downloads.downloader import HttpDownloader
from runner.downloads.unpacking import Stopped, unpack
from runner.emulator.media import render
from runner.emulator.outputs import OutputFile
from runner.emulator.plain import plain_media
from runner.errors import DiskFull, DownloadError

FRAMES = {f"frame_{n:04}.png": f"picture {n}".encode() * 50 for n in range(1, 9)}
Entry = tuple[str | zipfile.ZipInfo, bytes]


def zipped(entries: Sequence[Entry], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive that holds whatever it is told to, sane or not."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # of two members of one name
        for name, data in entries:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, data)
    return buffer.getvalue()


def files_in(folder: Path) -> Mapping[str, bytes]:
    """Everything below a folder, hidden files too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of the outputs, with a file above it that nobody may touch."""
    (tmp_path / "above.txt").write_text("mine")
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def put(out: Path, entries: Sequence[Entry] | bytes, name: str = "shot.zip") -> Path:
    path = out / name
    path.write_bytes(entries if isinstance(entries, bytes) else zipped(entries))
    return path


def assert_kept_packed(path: Path, **told: Any) -> str:
    """The archive is as it was, nothing is beside it, nothing is above it; returns the warning."""
    before = path.read_bytes()
    found = unpack(path, **told)
    assert (found.folder, found.members) == ("", 0)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    above = sorted(entry.name for entry in path.parent.parent.iterdir())
    assert above == ["above.txt", path.parent.name]
    assert found.warning.startswith("not unpacked: ")
    return found.warning


# What is extracted


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_frame_sequence_becomes_a_folder_beside_its_archive(out, method):
    path = put(out, zipped(list(FRAMES.items()), method))
    assert unpack(path) == Unpacked(folder="shot", members=len(FRAMES))
    assert files_in(out / "shot") == FRAMES
    assert sorted(entry.name for entry in out.iterdir()) == ["shot", "shot.zip"]


def test_folders_in_an_archive_stay_and_empty_ones_are_left_out(out):
    names = ("a/", "a/1.exr", "a/b/2.exr", "3.exr", "empty/")
    path = put(out, [(name, b"" if name.endswith("/") else name.encode()) for name in names])
    assert unpack(path).members == 3
    assert set(files_in(out / "shot")) == {"a/1.exr", "a/b/2.exr", "3.exr"}
    assert not (out / "shot" / "empty").exists()


def test_an_empty_file_is_a_file(out):
    assert unpack(put(out, [("notes.txt", b"")])).members == 1
    assert files_in(out / "shot") == {"notes.txt": b""}


@pytest.mark.parametrize("draw", [render, lambda file: plain_media(file)], ids=["real", "plain"])
def test_what_the_emulator_makes_of_a_frame_sequence_is_extracted(out, draw):
    made = OutputFile(
        task="t", index=0, ext="zip", width=64, height=36, seconds=1.0, sound=False, facts=()
    )
    found = unpack(put(out, draw(made)))
    assert found.members > 1
    pictures = files_in(out / found.folder)
    assert all(data.startswith(b"\x89PNG") for data in pictures.values())
    assert len(set(pictures.values())) == found.members


def test_permissions_of_an_archive_are_not_taken_over(out):
    info = zipfile.ZipInfo("run.sh")
    info.external_attr = (stat.S_IFREG | 0o6777) << 16
    unpack(put(out, [(info, b"#!/bin/sh")]))
    mode = (out / "shot" / "run.sh").stat().st_mode
    assert not mode & (stat.S_ISUID | stat.S_ISGID | 0o111)


@pytest.mark.parametrize(
    ("name", "folder"), [("shot.zip", "shot"), ("a.b.zip", "a.b"), ("a..zip", "a"), ("x.mp4", "x")]
)
def test_the_folder_has_the_name_of_the_archive(out, name, folder):
    assert unpack(put(out, list(FRAMES.items()), name)).folder == folder


# Again, and beside what is there


def test_done_once_more_nothing_is_written(out, monkeypatch):
    path = put(out, list(FRAMES.items()))
    before = unpack(path)
    monkeypatch.setattr(unpacking, "_extract", None)
    (out / "shot" / ".DS_Store").write_bytes(b"a desktop's own")
    assert unpack(path) == before


@pytest.mark.parametrize("harm", ["missing", "cut", "changed", "link"])
def test_a_folder_that_lacks_something_is_left_and_another_one_made(out, harm):
    path = put(out, list(FRAMES.items()))
    unpack(path)
    frame = out / "shot" / "frame_0003.png"
    data = frame.read_bytes()
    frame.unlink()
    if harm == "cut":
        frame.write_bytes(data[:-1])
    elif harm == "changed":
        frame.write_bytes(data[::-1])
    elif harm == "link":
        frame.symlink_to(out / "elsewhere")
        (out / "elsewhere").write_bytes(data)
    before = files_in(out / "shot")
    assert unpack(path) == Unpacked(folder="shot_v2", members=len(FRAMES))
    assert files_in(out / "shot") == before
    assert files_in(out / "shot_v2") == FRAMES
    assert unpack(path).folder == "shot_v2"  # and no third one


@pytest.mark.parametrize("what", ["file", "folder", "link", "dead link"])
def test_what_has_the_name_already_is_not_touched(out, what):
    path, taken, other = put(out, list(FRAMES.items())), out / "shot", out.parent / "above.txt"
    if what == "file":
        taken.write_bytes(b"mine")
    elif what == "folder":
        taken.mkdir()
        (taken / "mine.txt").write_bytes(b"mine")
    else:
        taken.symlink_to(other if what == "link" else out / "nowhere")
    assert unpack(path).folder == "shot_v2"
    assert files_in(out / "shot_v2") == FRAMES
    assert other.read_text() == "mine"
    assert taken.is_symlink() == ("link" in what)
    assert not taken.is_dir() or list(files_in(taken)) == ["mine.txt"]


def test_a_link_to_a_folder_with_all_of_it_is_not_followed(out):
    path = put(out, list(FRAMES.items()))
    unpack(path)
    (out / "shot").rename(out.parent / "away")
    (out / "shot").symlink_to(out.parent / "away")
    assert unpack(path).folder == "shot_v2"


def test_what_a_kill_left_is_taken_away_and_done_again(out, monkeypatch):
    path = put(out, list(FRAMES.items()))
    written: list[Path] = []

    def dies(packed, member, target, is_stopped):
        target.write_bytes(b"half")
        written.append(target)
        if len(written) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(unpacking, "_write", dies)
    monkeypatch.setattr(unpacking.shutil, "rmtree", lambda *_, **__: None)  # it is dead
    with pytest.raises(KeyboardInterrupt):
        unpack(path)
    monkeypatch.undo()
    [hidden] = {target.parent for target in written}
    assert hidden.is_dir()
    assert hidden.name.startswith(".")
    assert not (out / "shot").exists()
    assert unpack(path).folder == "shot"
    assert files_in(out / "shot") == FRAMES
    assert sorted(entry.name for entry in out.iterdir()) == ["shot", "shot.zip"]


def test_a_link_in_the_place_of_the_hidden_folder_is_not_followed(out, monkeypatch):
    path = put(out, list(FRAMES.items()))
    seen: list[Path] = []
    write = unpacking._write

    def note(packed, member, target, is_stopped):
        seen.append(target.parent)
        write(packed, member, target, is_stopped)

    monkeypatch.setattr(unpacking, "_write", note)
    unpack(path)
    (out / "shot").rename(out.parent / "precious")
    seen[0].symlink_to(out.parent / "precious")
    with pytest.raises(DownloadError):
        unpack(path)
    assert files_in(out.parent / "precious") == FRAMES


def test_every_file_is_on_disk_before_the_folder_has_its_name(out, monkeypatch):
    path = put(out, list(FRAMES.items()))
    said: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_sync(handle: int) -> None:
        said.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def note_rename(self: Path, target: Path) -> Path:
        said.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "rename", note_rename)
    unpack(path)
    assert said == ["file"] * len(FRAMES) + ["folder", "rename", "folder"]


# What is not safe

NAMES = {
    "absolute": "/etc/cron.d/x",
    "up": "../above.txt",
    "up in between": "a/../../above.txt",
    "up at the end": "a/..",
    "drive": "C:/x.png",
    "drive without slash": "C:x.png",
    "backslash": "..\\above.txt",
    "share": "\\\\host\\share\\x",
    "two slashes": "a//b.png",
    "a point": "./a.png",
    "stream": "a.png:hidden",
    "device": "aux.png",
    "device in a folder": "con/a.png",
    "ends with a point": "a./b.png",
    "ends with a space": "b.png ",
    "line feed": "a\nb.png",
    "escape": "a\x1b[2Jb.png",
    "question mark": "a?.png",
    "pipe": "a|b.png",
    "long": "a" * 250 + ".png",
    "deep": "a/" * 20 + "b.png",
    "empty name in a folder": "a/ ",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("among", [True, False], ids=["among others", "alone"])
def test_one_name_that_is_not_safe_keeps_all_of_it_packed(out, name, among):
    entries = [*FRAMES.items(), (name, b"x")] if among else [(name, b"x")]
    warning = assert_kept_packed(put(out, entries))
    assert "name is not safe" in warning
    assert all(char.isprintable() for char in warning)


def test_a_nul_in_a_name_does_not_hide_what_follows(out):
    info = zipfile.ZipInfo("a.png")
    info.filename = info.orig_filename = "a.pngX../../b"
    data = zipped([(info, b"x")]).replace(b"a.pngX", b"a.png\0")
    assert "name is not safe" in assert_kept_packed(put(out, data))


@pytest.mark.parametrize(
    "names",
    [
        ("a.png", "a.png"), ("a.png", "A.PNG"), ("é.png", unicodedata.normalize("NFD", "é.png")),
        ("straße.png", "STRASSE.png"), ("a/1.png", "A/1.png"), ("a/1.png", "A/2.png"),
    ],
    ids=["same", "case", "unicode form", "sharp s", "case of a folder", "two folders in one"],
)  # fmt: skip
def test_two_names_that_some_disk_takes_for_one_are_not_extracted(out, names):
    warning = assert_kept_packed(put(out, [(name, name.encode()) for name in names]))
    assert "two files of one name" in warning


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("A", "a/b/c"), ("a/b", "a/b/c")])
def test_a_file_where_a_folder_must_be_is_not_extracted(out, names):
    assert "one name" in assert_kept_packed(put(out, [(name, b"x") for name in names]))


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR]
)
def test_only_plain_files_are_extracted(out, kind):
    info = zipfile.ZipInfo("frame")
    info.external_attr = (kind | 0o777) << 16
    assert "not a plain file" in assert_kept_packed(put(out, [(info, b"/etc/passwd")]))


def test_a_link_and_a_file_behind_it_change_nothing_outside(out):
    link = zipfile.ZipInfo("a")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert_kept_packed(put(out, [(link, str(out.parent).encode()), ("a/above.txt", b"theirs")]))
    assert (out.parent / "above.txt").read_text() == "mine"


# What is too large


def test_more_files_than_any_sequence_has(out):
    path = put(out, [(f"{n}.png", b"") for n in range(11)])
    assert "more than 10 files" in assert_kept_packed(path, limits=UnpackLimits(most_members=10))
    assert unpack(path, limits=UnpackLimits(most_members=11)).members == 11


def test_a_bomb_is_known_by_its_table_and_never_opened(out):
    path = put(out, zipped([("a.png", bytes(4_000_000))], zipfile.ZIP_DEFLATED))
    small = UnpackLimits(free_bytes=1_000_000)
    assert path.stat().st_size * 20 < 4_000_000
    assert "4,000,000 bytes" in assert_kept_packed(path, limits=small)
    assert unpack(path).members == 1  # as little as this may be packed however well


def test_the_ratio_is_that_of_all_together(out):
    entries = [(f"{n}.png", bytes(300_000)) for n in range(10)]
    path = put(out, zipped(entries, zipfile.ZIP_DEFLATED))
    packed = path.stat().st_size
    limits = {"free_bytes": 0, "most_ratio": 3_000_000 // packed}
    assert_kept_packed(path, limits=UnpackLimits(**limits))
    limits["most_ratio"] += 1
    assert unpack(path, limits=UnpackLimits(**limits)).members == 10


def test_a_cap_holds_whatever_the_archive_s_size(out):
    path = put(out, [("a.png", bytes(2000))])
    assert_kept_packed(path, limits=UnpackLimits(most_bytes=1999))
    assert unpack(path, limits=UnpackLimits(most_bytes=2000)).members == 1


def test_members_that_share_their_bytes_count_each(out):
    """Many entries of the table that name one and the same packed data."""
    data = zipped([("a.png", bytes(1_000_000))], zipfile.ZIP_DEFLATED)
    at = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    table = b"".join(data[at:end].replace(b"a.png", b"%c.png" % (97 + n)) for n in range(20))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 20, 20, len(table), at, 0)
    path = put(out, data[:at] + table + tail)
    limits = UnpackLimits(free_bytes=10_000_000)
    assert "20,000,000 bytes" in assert_kept_packed(path, limits=limits)


@pytest.mark.parametrize("told", [4999, 5001, 50, 0, 90_000])
def test_a_member_of_another_size_than_it_says_is_broken(out, told):
    data = zipped([("a.png", b"x" * 5000)], zipfile.ZIP_DEFLATED)
    path = put(out, data.replace(struct.pack("<L", 5000), struct.pack("<L", told)))
    assert "broken" in assert_kept_packed(path)


def test_a_table_of_contents_without_end_is_not_read(out):
    path = put(out, [(f"{n}.png", b"") for n in range(100)])
    assert "table of contents" in assert_kept_packed(
        path, limits=UnpackLimits(most_table_bytes=999)
    )


# What cannot be read


@pytest.mark.parametrize(
    "data",
    [
        b"", b"PK\x03\x04 and no more", b"PK\x05\x06" + bytes(18),
        zipped(list(FRAMES.items()))[:-30], zipped([("a/", b"")]),
    ],
    ids=["empty", "only a head", "no members", "cut off", "only a folder"],
)  # fmt: skip
def test_an_archive_without_files_is_kept(out, data):
    assert_kept_packed(put(out, data))


def test_a_broken_member_keeps_all_of_it_packed(out):
    data = bytearray(zipped(list(FRAMES.items())))
    data[data.index(b"picture 5") + 100] ^= 1
    assert "broken" in assert_kept_packed(put(out, bytes(data)))


def test_an_encrypted_member_keeps_all_of_it_packed(out):
    data = bytearray(zipped(list(FRAMES.items())))
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[at + 8] |= 1
    warning = assert_kept_packed(put(out, bytes(data)))
    assert "encrypted: `frame_0002.png`" in warning


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_rare_compression_is_left_to_a_person(out, method):
    path = put(out, zipped(list(FRAMES.items()), method))
    assert "compressed in an unknown way" in assert_kept_packed(path)


SOUND = zipped([("a/f1.png", b"hello" * 50), ("f2.png", b"x" * 300)], zipfile.ZIP_DEFLATED)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=6))
def test_no_change_of_an_archive_makes_it_more_than_kept_or_whole(tmp_path, changes):
    data = bytearray(SOUND)
    for at, byte in changes:
        data[at] = byte
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    found = unpack(put(folder, bytes(data)))
    assert bool(found.folder) is not bool(found.warning)
    names = {"shot.zip", found.folder} - {""}
    assert {entry.name for entry in folder.iterdir()} == names


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_it_stumble(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("out")
    for bytes_ in (data, b"PK\x05\x06" + data, SOUND + data, data + SOUND):
        found = unpack(put(folder, bytes_))
        assert found.folder or found.warning


# The disk, and being told to stop


def test_a_disk_without_room_for_it_is_said_to_be_full_before_anything_is_written(out, monkeypatch):
    path = put(out, list(FRAMES.items()))
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(unpacking, "_write", None)
    with pytest.raises(DiskFull, match=r"no room to unpack .*shot\.zip"):
        unpack(path)
    assert [entry.name for entry in out.iterdir()] == ["shot.zip"]


@pytest.mark.parametrize(
    ("error", "told"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, DownloadError)],
)
def test_a_disk_that_fills_up_half_way_leaves_only_the_archive(out, monkeypatch, error, told):
    path = put(out, list(FRAMES.items()))
    synced: list[int] = []

    def fsync(handle: int) -> None:
        synced.append(handle)
        if len(synced) == 3:
            raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(told):
        unpack(path)
    monkeypatch.undo()
    assert [entry.name for entry in out.iterdir()] == ["shot.zip"]
    assert unpack(path).folder == "shot"


def test_an_archive_that_is_gone_is_worth_another_try(out):
    with pytest.raises(DownloadError):
        unpack(out / "gone.zip")


def test_it_stops_when_told_to_and_leaves_only_the_archive(out):
    path = put(out, list(FRAMES.items()))
    asked: list[None] = []

    def is_stopped() -> bool:
        asked.append(None)
        return len(asked) > 3

    with pytest.raises(Stopped):
        unpack(path, is_stopped=is_stopped)
    assert [entry.name for entry in out.iterdir()] == ["shot.zip"]


async def test_the_downloader_unpacks_beside_the_loop(out):
    path = put(out, list(FRAMES.items()))
    assert await HttpDownloader().unpack(path) == Unpacked(folder="shot", members=len(FRAMES))
    assert files_in(out / "shot") == FRAMES
