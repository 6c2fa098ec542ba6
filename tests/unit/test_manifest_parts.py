"""The small parts of expansion: places of merged values, names of jobs, files read once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from runner.core.catalog import ModelInfo
from runner.core.spec import AssetRef
from runner.manifest import inputs as inputs_module
from runner.manifest.assets import AssetProblem
from runner.manifest.catalog_file import load_catalog
from runner.manifest.inputs import LocalInputs
from runner.manifest.known_later import Reference, TemplateProblem
from runner.manifest.merging import Layers, merge
from runner.manifest.pricing import price, seconds_of
from runner.manifest.problems import MOST_HINTS, Problems
from runner.manifest.records import JobRecord, Output, Records
from runner.manifest.shape import check_shape, describe, endpoint_keys
from runner.manifest.takes import with_seed
from runner.manifest.yaml12 import parse_yaml

DOCUMENT = parse_yaml(
    b"jobs:\n  - image_to_video: {images: [{uri: a}]}\n"
    b"defaults:\n  image_to_video: {ratio: x, images: [{uri: b, tag: c}]}\n",
    file="m.yaml",
)
LAYERS = Layers(
    own=(DOCUMENT, ("jobs", 0, "image_to_video")),
    under=(
        (DOCUMENT, ("defaults", "models", "none")),
        (DOCUMENT, ("defaults", "image_to_video")),
    ),
)


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        (("ratio",), "defaults"),
        (("images", 0, "uri"), "jobs"),
        (("images", 0, "tag"), "defaults"),
        (("gone",), "jobs"),
        ((), "jobs"),
    ],
)
def test_value_is_traced_to_the_layer_it_came_from(path: tuple[str | int, ...], layer: str) -> None:
    document, found = LAYERS.origin(path)
    assert document is DOCUMENT
    assert found[0] == layer
    assert found[-len(path) :] == path or not path


def test_own_values_are_told_from_defaults() -> None:
    assert LAYERS.is_own(("images",))
    assert not LAYERS.is_own(("ratio",))


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {}}),
        ({}, {"a": None, "b": {"c": None}}, {"b": {}}),
    ],
)
def test_merging(base: object, over: object, merged: object) -> None:
    assert merge(base, over) == merged


def test_problems_are_told_once_in_the_order_of_the_file() -> None:
    problems = Problems()
    problems.in_layers(LAYERS, ("ratio",), "a", "bad")
    problems.error((DOCUMENT, ("jobs", 0)), "first")
    problems.error((DOCUMENT, ("jobs", 0)), "first")
    problems.in_layers(LAYERS, ("ratio",), "a", "odd", severity="warning")
    assert [(p.line, p.message) for p in problems.errors] == [(2, "first"), (4, "bad (job `a`)")]
    assert [p.message for p in problems.warnings] == ["odd (job `a`)"]


def test_a_hint_is_worked_out_when_its_message_is_new_and_not_for_ever() -> None:
    problems, asked = Problems(), []

    def hint(place: int) -> str:
        asked.append(place)
        return "did you mean `b`?"

    for place in range(3 * MOST_HINTS):
        for row in ("a.csv:2", "a.csv:3"):
            origin = (DOCUMENT, ("jobs", place))
            problems.error(origin, "bad", partial(hint, place), row=row)
    problems.error((DOCUMENT, ("defaults",)), "bad", "as it is written")
    assert asked == list(range(MOST_HINTS))
    hints = [problem.hint for problem in problems.errors]
    assert sorted(hints)[-MOST_HINTS:] == ["did you mean `b`?"] * MOST_HINTS
    assert "as it is written" in hints
    assert {problem.count for problem in problems.errors} == {1, 2}


def records(*jobs: tuple[str, str, dict[str, object]]) -> Records:
    found = Records()
    found.announce(template for template, _, _ in jobs)
    for template, job_id, coordinates in jobs:
        found.add(
            JobRecord(
                id=job_id, template=template, take=1, coordinates=coordinates,
                names={}, suffix="", place="",
            )
        )  # fmt: skip
    return found


def ids(outputs: list[Output]) -> list[str]:
    return [output.job.id for output in outputs]


class TestRecords:
    JOBS = records(
        ("s", "s", {"take": 1}), ("s", "s-t2", {"take": 2}),
        ("look", "look-noir", {}), ("m", "m", {}),
    )  # fmt: skip

    def test_name_stands_for_jobs(self) -> None:
        assert [job.id for job in self.JOBS.jobs("s")] == ["s", "s-t2"]
        assert [job.id for job in self.JOBS.jobs("s-t2")] == ["s-t2"]
        assert [job.id for job in self.JOBS.jobs("look")] == ["look-noir"]
        assert self.JOBS.jobs("gone") == []
        assert self.JOBS.knows("look")
        assert self.JOBS.knows("look-noir")
        assert not self.JOBS.knows("gone")

    def test_reference_is_resolved(self) -> None:
        assert ids(self.JOBS.resolve(Reference("m"), {})) == ["m"]
        assert ids(self.JOBS.resolve(Reference("s", every=True), {})) == ["s", "s-t2"]
        assert ids(self.JOBS.resolve(Reference("s", index=1), {})) == ["s-t2"]

    def test_coordinates_choose_among_several_jobs(self) -> None:
        jobs = records(
            ("v", "v-a-de", {"row": "a", "matrix.lang": "de"}),
            ("v", "v-a-fr", {"row": "a", "matrix.lang": "fr"}),
            ("v", "v-b-de", {"row": "b", "matrix.lang": "de"}),
        )
        here = {"row": "a", "matrix.lang": "fr", "matrix.size": 3}
        assert ids(jobs.resolve(Reference("v"), here)) == ["v-a-fr"]
        assert ids(jobs.resolve(Reference("v", every=True), {"row": "a"})) == ["v-a-de", "v-a-fr"]
        with pytest.raises(TemplateProblem, match="`v` has no job for row `c`"):
            jobs.resolve(Reference("v"), {"row": "c"})
        with pytest.raises(TemplateProblem, match="`v` makes 2 jobs: v-a-de, v-a-fr"):
            jobs.resolve(Reference("v"), {"row": "a"})

    def test_a_number_is_not_the_text_that_looks_like_it(self) -> None:
        jobs = records(("v", "v-1", {"matrix.n": 1}), ("v", "v-2", {"matrix.n": True}))
        assert ids(jobs.resolve(Reference("v"), {"matrix.n": 1})) == ["v-1"]
        assert ids(jobs.resolve(Reference("v"), {"matrix.n": True})) == ["v-2"]

    def test_output_of_several_jobs_names_them(self) -> None:
        with pytest.raises(TemplateProblem) as caught:
            self.JOBS.resolve(Reference("s"), {})
        assert caught.value.message == "`s` makes 2 jobs: s, s-t2"
        assert "jobs['s-t2'].output" in caught.value.hint

    def test_long_lists_are_cut(self) -> None:
        jobs = records(*(("s", f"s-{n}", {}) for n in range(9)))
        with pytest.raises(TemplateProblem, match="s-0, s-1, s-2, s-3, …"):
            jobs.resolve(Reference("s"), {})

    def test_unknown_name_gets_a_suggestion(self) -> None:
        assert self.JOBS.suggest("lok") == "did you mean `look`?"
        assert self.JOBS.suggest("zzzzzz") == ""


PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0\0\0\x20" * 2 + b"\x08\x02" + b"\0" * 600


def test_local_file_is_read_once_however_often_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    reads: list[str] = []
    original = inputs_module.local_asset

    def counting(value: str, media: str, *, base: Path, allow: tuple[Path, ...]) -> AssetRef:
        reads.append(value)
        return original(value, media, base=base, allow=allow)

    monkeypatch.setattr(inputs_module, "local_asset", counting)
    inputs = LocalInputs(tmp_path)
    first, second = inputs.asset("a.png", "image"), inputs.asset("a.png", "image")
    assert first is second
    for _ in range(2):
        with pytest.raises(AssetProblem):
            inputs.asset("gone.png", "image")
    assert reads == ["a.png", "gone.png"]
    assert inputs.measures(first)["longest_side_px"] == 32


def test_other_folders_are_allowed_relative_to_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "night").mkdir()
    (tmp_path / "shared" / "a.png").write_bytes(PNG)
    with pytest.raises(AssetProblem, match="outside"):
        LocalInputs(tmp_path / "night").asset("../shared/a.png", "image")
    allowed = LocalInputs(tmp_path / "night", ["../shared"])
    assert allowed.asset("../shared/a.png", "image").bytes == len(PNG)


class Measured:
    """Inputs whose measures are said by the test."""

    def __init__(self, measures: Mapping[str, Mapping[str, float]]) -> None:
        self._measures = measures

    def asset(self, value: str, media: str) -> AssetRef:
        return AssetRef(path=value, sha256=value, bytes=1, media=media)

    def measures(self, asset: AssetRef) -> Mapping[str, float]:
        return self._measures.get(asset.path, {})


def info_of(endpoint: str, model: str) -> ModelInfo:
    found = load_catalog().find(endpoint, model)
    assert found is not None
    return found


def test_unmeasured_input_leaves_the_price_at_its_upper_bound() -> None:
    info = info_of("video_upscale", "upscale_v1")
    inputs = Measured({"a.mp4": {"seconds": 3.0}})
    body = {"model": "upscale_v1", "videoUri": inputs.asset("a.mp4", "video").to_json()}
    assert price(info, body, inputs, {}).worst == 6
    other = {**body, "videoUri": inputs.asset("b.mp4", "video").to_json()}
    assert price(info, other, inputs, {}).worst == 80
    assert price(None, body, inputs, {}).worst is None


@pytest.mark.parametrize(
    ("body", "seconds"),
    [({"duration": 5}, 5.0), ({"duration": 2.5}, 2.5), ({"duration": "auto"}, None), ({}, None)],
)
def test_length_of_an_output_is_known_where_the_body_says_it(
    body: dict[str, object], seconds: float | None
) -> None:
    assert seconds_of(body) == seconds


def test_seed_of_a_take_follows_from_the_body_alone() -> None:
    info = info_of("text_to_image", "gen4_image")
    body = {"model": "gen4_image", "promptText": "a"}
    second = with_seed(body, 2, "text_to_image", info)
    assert second == with_seed(dict(body), 2, "text_to_image", info)
    assert second != with_seed({**body, "promptText": "b"}, 2, "text_to_image", info)
    assert 0 <= second["seed"] <= 4294967295
    assert with_seed(body, 1, "text_to_image", info) is body
    assert with_seed(body, 2, "text_to_image", None) is body


def test_values_in_messages_are_short() -> None:
    assert describe("x" * 100) == "`" + "x" * 39 + "…`"
    assert [describe(value) for value in (None, True, {}, [], [1], 5)] == [
        "nothing", "`true`", "an empty mapping", "an empty list", "a list", "`5`",
    ]  # fmt: skip


def test_endpoints_of_a_job_are_found() -> None:
    job = {"id": "a", "image_to_video": {}, "workflows/x": {}, "tags": [], "bogus": 1}
    assert endpoint_keys(job) == ["image_to_video", "workflows/x"]


def test_two_workflows_are_two_endpoints() -> None:
    text = b"version: 1\njobs: [{id: a, workflows/x: {}, workflows/y: {}}]"
    document = parse_yaml(text)
    (problem,) = check_shape(document)
    assert problem.message == "a job has one endpoint, this one has `workflows/x` and `workflows/y`"
