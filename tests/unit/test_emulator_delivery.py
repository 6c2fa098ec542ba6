"""Which bytes a download gets under each fault."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from runner.emulator.delivery import Asked, Delivery, deliver
from runner.emulator.outputs import OutputFile
from runner.emulator.rules import NO_FAULT, Fault

FILE = OutputFile(task="t", index=0, ext="mp4", width=64, height=64, seconds=1.0, sound=False,
                  facts=())  # fmt: skip
DATA = bytes(range(256)) * 4


def get(do: str = "", version: int = 0, range: str = "", if_range: str | None = None,
        **fault: Any) -> Delivery:  # fmt: skip
    struck = Fault(do=do, on="download", **fault) if do else NO_FAULT
    return deliver(FILE, DATA, Asked(range=range, if_range=if_range), struck, version)


def test_without_a_fault_the_file_comes_as_it_is() -> None:
    sent = get()
    assert (sent.status, sent.body, sent.length) == (200, DATA, len(DATA))


def test_short_file_says_that_it_is_all() -> None:
    sent = get("short", bytes=100)
    assert (sent.body, sent.length) == (DATA[:100], 100)


def test_changed_file_has_another_etag_and_other_bytes_each_time() -> None:
    first, second = get("changed", 1), get("changed", 2)
    assert first.headers["ETag"] != second.headers["ETag"]
    assert first.body != second.body
    assert first.body[:900] == DATA[:900]
    again = get("changed", 2, "bytes=10-", str(first.headers["ETag"]))
    assert (again.status, len(again.body)) == (200, len(DATA))


def test_mixed_range_sends_a_part_of_the_other_file_all_the_same() -> None:
    first = get("mixed_range", 1)
    part = get("mixed_range", 2, "bytes=10-", str(first.headers["ETag"]))
    assert (part.status, len(part.body)) == (206, len(DATA) - 10)
    assert part.headers["ETag"] != first.headers["ETag"]


def test_wrong_range_begins_later_and_says_so() -> None:
    part = get("wrong_range", range="bytes=10-", bytes=5)
    assert (part.status, part.body) == (206, DATA[15:])
    assert part.headers["Content-Range"] == f"bytes 15-{len(DATA) - 1}/{len(DATA)}"


def test_gzip_is_packed_and_knows_no_ranges() -> None:
    sent = get("gzip", range="bytes=10-")
    assert (sent.status, sent.headers["Content-Encoding"]) == (200, "gzip")
    assert gzip.decompress(sent.body) == DATA
    assert sent.length == len(sent.body)


@pytest.mark.parametrize("kept", [0, 16])
def test_noise_has_the_right_length_and_type_and_little_else(kept: int) -> None:
    sent = get("noise", bytes=kept)
    assert (len(sent.body), sent.headers["Content-Type"]) == (len(DATA), "video/mp4")
    assert sent.body[:kept] == DATA[:kept]
    assert sent.body[kept:] != DATA[kept:]


def test_page_is_html_with_a_good_conscience() -> None:
    sent = get("page")
    assert (sent.status, sent.headers["Content-Type"]) == (200, "text/html")
    assert sent.body.startswith(b"<html>")


def test_lengths_can_lie_or_be_left_out() -> None:
    assert get("wrong_length", bytes=7).length == len(DATA) + 7
    assert get("no_length").length is None
    assert get("no_length").body == DATA
