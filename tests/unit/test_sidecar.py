"""A sidecar read back is what was written; anything else is nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.job import Job, OutputFile
from runner.core.sidecar import Unpacked, parse_sidecar, render_sidecar
from runner.core.spec import OutputRef
from runner.testing import make_spec

OUTPUTS = tuple(
    OutputFile(index=n, path=f"b/a-{n}.mp4", bytes=n, sha256="ab" * 32, media_type="video/mp4")
    for n in range(2)
)


def text(**changes: Any) -> str:
    job = Job(batch="b", spec=make_spec("a"), task_id="t-1", attempt=2, charged=50, outputs=OUTPUTS)
    data = json.loads(render_sidecar(job, tool="runway-batch 0", finished_at="2026-01-01"))
    return json.dumps(data | changes)


def test_a_sidecar_comes_back_as_it_was_written() -> None:
    found = parse_sidecar(text())
    assert found is not None
    assert (found.batch, found.job, found.key) == ("b", "a", make_spec("a").key)
    assert (found.task_id, found.attempts, found.credits) == ("t-1", 2, 50)
    assert found.outputs == OUTPUTS


def test_a_folder_that_an_archive_was_unpacked_into_is_listed_with_its_archive() -> None:
    job = Job(batch="b", spec=make_spec("a"), task_id="t-1", outputs=OUTPUTS)
    unpacked = {0: Unpacked(folder="a-0", members=240), 1: Unpacked(warning="it is broken")}
    written = render_sidecar(job, tool="t", finished_at="2026-01-01", unpacked=unpacked)
    first, second = json.loads(written)["outputs"]
    assert (first["unpacked"], first["members"]) == ("b/a-0/", 240)
    assert {"unpacked", "members"}.isdisjoint(second)
    found = parse_sidecar(written)
    assert found is not None
    assert found.outputs == OUTPUTS  # a reader of before finds what it knows


def test_a_frame_of_another_job_is_told_from_its_output() -> None:
    refs = [OutputRef(job="p", key="k", media="image", frame=frame) for frame in ("", "last")]
    body = {"promptImage": [ref.to_json() for ref in refs]}
    job = Job(batch="b", spec=make_spec("a", body=body), task_id="t-1", outputs=OUTPUTS)
    request = json.loads(render_sidecar(job, tool="t", finished_at="2026-01-01"))["request"]
    whole = {"job": "p", "key": "k", "output": 0}
    assert request["promptImage"] == [whole, {**whole, "frame": "last"}]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up.mp4", "b/../../up.mp4", "C:\\x.mp4", "b\\..\\x.mp4", "", None]
)
def test_a_path_that_leads_out_of_the_folder_makes_it_no_sidecar(path: object) -> None:
    output = {"path": path, "bytes": 1, "sha256": "ab", "media_type": "video/mp4"}
    assert parse_sidecar(text(outputs=[output])) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2}, {"batch": 1}, {"job": ""}, {"task_id": None}, {"outputs": []},
        {"outputs": {}}, {"credits": -1}, {"credits": 1.5}, {"attempts": "2"}, {"attempts": True},
    ],
)  # fmt: skip
def test_what_is_not_quite_a_sidecar_is_none(changes: dict[str, Any]) -> None:
    assert parse_sidecar(text(**changes)) is None


def test_credits_that_are_not_told_are_not_guessed() -> None:
    found = parse_sidecar(text(credits=None))
    assert found is not None
    assert found.credits is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.one_of(st.binary(), st.text(), _JSON.map(json.dumps)))
def test_nothing_makes_the_reader_stumble(data: bytes | str) -> None:
    assert parse_sidecar(data) is None


@given(st.sampled_from(sorted(json.loads(text()))), _JSON)
def test_a_field_with_anything_in_it_is_read_or_refused(name: str, value: object) -> None:
    parse_sidecar(text(**{name: value}))


def test_brackets_by_the_thousand_are_no_sidecar() -> None:
    assert parse_sidecar("[" * 100_000) is None


def test_a_signed_link_of_the_manifest_is_named_without_its_signature() -> None:
    link = "https://cdn.example.com/a.png?_jwt=abc.def.ghi"
    body = {"promptImage": [{"uri": link}], "promptText": "see a?b=c, 1 < 2"}
    job = Job(batch="b", spec=make_spec("a", body=body), task_id="t-1", outputs=OUTPUTS)
    shown = render_sidecar(job, tool="test", finished_at="now")
    assert "abc.def.ghi" not in shown
    request = json.loads(shown)["request"]
    assert request["promptImage"][0]["uri"].startswith("https://cdn.example.com/a.png")
    assert request["promptText"] == body["promptText"]
