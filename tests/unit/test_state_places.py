"""Where a state file may lie, and how its home is known again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.errors import StoreError
from runner.store import filesystem
from runner.store.filesystem import NETWORK, Mount, check_place, kind_of, parse_mount
from runner.store.identity import Home, home_of, is_home, machine_mark, why_not_home

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw
30 27 0:40 / /mnt/render rw - nfs4 filer:/render rw,vers=4.2
31 30 0:41 / /mnt/render/local\\040disk rw - xfs /dev/sdb rw
32 27 0:42 / /mnt/keys rw - fuse.sshfs me@host:/keys rw
33 27 0:43 / /mnt/twice rw - ext4 /dev/sdc rw
34 33 0:44 / /mnt/twice rw - cifs //nas/share rw
a line that is none
"""


@pytest.fixture
def mountinfo(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTS)
    return file


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/state.db", "ext4"),
        ("/mnt/render/state.db", "nfs4"),
        ("/mnt/render/deep/er/state.db", "nfs4"),
        ("/mnt/rendering/state.db", "ext4"),
        ("/mnt/render/local disk/state.db", "xfs"),
        ("/mnt/keys/state.db", "fuse.sshfs"),
        ("/mnt/twice/state.db", "cifs"),
    ],
)
def test_the_longest_mount_point_names_the_file_system(mountinfo: Path, path: str, kind: str):
    assert kind_of(Path(path), mountinfo=mountinfo) == kind
    if kind not in NETWORK:
        check_place(Path(path), mountinfo=mountinfo)
        return
    with pytest.raises(StoreError, match="network file system") as caught:
        check_place(Path(path), mountinfo=mountinfo)
    assert caught.value.exit_code == 2
    assert "--state-on-network" in caught.value.hint
    check_place(Path(path), allowed=True, mountinfo=mountinfo)


def test_a_link_to_a_share_is_followed(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "here").symlink_to(tmp_path / "share")
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 d rw\n2 1 0:2 / {tmp_path}/share rw - nfs d rw\n")
    assert kind_of(tmp_path / "here" / "state.db", mountinfo=mounts) == "nfs"


def test_a_platform_that_does_not_tell_is_let_through(tmp_path: Path) -> None:
    check_place(tmp_path / "state.db", mountinfo=tmp_path / "none")


def test_what_macos_says_of_its_mounts() -> None:
    text = (
        "/dev/disk3s1s1 on / (apfs, sealed, local, read-only)\n"
        "//me@nas/a%20b on /Volumes/a b (on it) (smbfs, nodev, nosuid, mounted by me)\n"
        "map auto_home on /System/Volumes/Data/home (autofs)\n"
    )
    assert parse_mount(text) == [
        Mount(folder=Path("/"), kind="apfs"),
        Mount(folder=Path("/Volumes/a b (on it)"), kind="smbfs"),
        Mount(folder=Path("/System/Volumes/Data/home"), kind="autofs"),
    ]
    assert filesystem._nearest(Path("/Volumes/a b (on it)/x"), parse_mount(text)) == "smbfs"


HERE = Home(host="mill", machine="m1", boot_id="b1", device=7, inode=100, folder=50)


@pytest.mark.parametrize(
    ("found", "home"),
    [
        ({}, True),
        ({"host": "renamed"}, True),
        ({"boot_id": "b2"}, True),
        ({"boot_id": "b2", "device": 9}, True),  # numbers of devices change with a restart
        ({"folder": 51}, True),  # moved on its disk, or the folder's folder was copied back
        ({"host": "c0ffee", "machine": ""}, True),  # a container: its volume stayed
        ({"host": "c0ffee", "machine": "m2", "boot_id": "b2"}, True),
        ({"inode": 101}, False),  # a copy beside it, or a restored backup
        ({"device": 9}, False),  # a copy on another disk
        ({"machine": "m2", "inode": 101, "folder": 51}, False),
        ({"machine": "m2", "folder": 51}, False),
        ({"machine": "", "host": "other", "folder": 51}, False),
    ],
)
def test_what_counts_as_home(found: dict[str, str | int], home: bool) -> None:
    present = replace(HERE, **found)
    assert is_home(HERE, present) is home
    if not home:
        assert ("not the very file" in why_not_home(HERE, present)) is (present.machine == "m1")


def test_a_renamed_file_is_at_home_and_a_copied_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a" / "state.db"
    path.parent.mkdir()
    path.write_bytes(b"x")
    known = home_of(path)
    assert is_home(known, home_of(path))
    path.parent.rename(tmp_path / "b")
    moved = tmp_path / "b" / "state.db"
    assert is_home(known, home_of(moved))
    (tmp_path / "state.db").hardlink_to(moved)
    assert is_home(known, home_of(tmp_path / "state.db"))
    copy = tmp_path / "b" / "copy.db"
    copy.write_bytes(moved.read_bytes())
    assert not is_home(known, home_of(copy))


@pytest.mark.skipif(not Path("/etc/machine-id").exists(), reason="no machine id here")
def test_the_machine_is_known_by_a_digest_only() -> None:
    mark = machine_mark()
    assert mark == machine_mark()
    assert Path("/etc/machine-id").read_text().strip() not in mark
    assert len(mark) == 32
