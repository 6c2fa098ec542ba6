"""From a manifest to jobs: defaults, takes, seeds, chaining, keys, prices, names."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.spec import AssetRef, JobSpec, OutputRef, refs_in
from runner.manifest.assets import AssetProblem
from runner.manifest.catalog_file import load_catalog
from runner.manifest.expand import Expansion, expand
from runner.manifest.load import manifest_from
from runner.manifest.merging import merge
from runner.manifest.ordering import in_order
from runner.manifest.read import read_manifest

DATA = Path(__file__).parent.parent / "data" / "manifests"
VALID = sorted(path.name for path in (DATA / "valid").iterdir())
CATALOG = load_catalog()
Raw = dict[str, Any]


def still(job_id: str, fields: Raw | None = None, **keys: Any) -> Raw:
    body = {"model": "gen4_image", "promptText": "a", "ratio": "1920:1080", **(fields or {})}
    return {"id": job_id, **keys, "text_to_image": body}


def move(job_id: str, image: str, **keys: Any) -> Raw:
    body = {"model": "gen4_turbo", "ratio": "1280:720", "duration": 5, "promptImage": image}
    return {"id": job_id, **keys, "image_to_video": body}


def upscale(job_id: str, video: str) -> Raw:
    body = {"model": "upscale_v1", "videoUri": video}
    return {"id": job_id, "max_credits": 500, "video_upscale": body}


class Files:
    """Local inputs without a disk: path -> (content, seconds)."""

    def __init__(self, **files: tuple[str, float]) -> None:
        self._files = files

    def asset(self, value: str, media: str) -> AssetRef:
        name = value.removeprefix("./").partition(".")[0]
        if name not in self._files:
            raise AssetProblem(f"`{value}` does not exist", hint="look again")
        content = self._files[name][0]
        return AssetRef(path=f"/in/{value}", sha256=content, bytes=len(content), media=media)

    def measures(self, asset: AssetRef) -> dict[str, float]:
        seconds = self._files[asset.path.removeprefix("/in/").partition(".")[0]][1]
        return {"seconds": seconds} if seconds else {}


def expanded(*jobs: Raw, files: Files | None = None, **top: Any) -> Expansion:
    """The manifest goes through YAML all the same: JSON is YAML."""
    data = json.dumps({"version": 1, **top, "jobs": jobs}).encode()
    manifest = manifest_from(data, CATALOG, file="night.yaml")
    return expand(manifest, CATALOG, files or Files(), date="2026-10-23")


def jobs_of(*jobs: Raw, files: Files | None = None, **top: Any) -> dict[str, JobSpec]:
    expansion = expanded(*jobs, files=files, **top)
    assert expansion.problems == ()
    return {spec.id: spec for spec in expansion.specs}


def problems_of(*jobs: Raw, files: Files | None = None, **top: Any) -> list[str]:
    return [problem.message for problem in expanded(*jobs, files=files, **top).problems]


def as_json(spec: JobSpec) -> dict[str, object]:
    names = ("id", "key", "template", "take", "endpoint", "model", "media", "output", "needs",
             "tags", "priority", "max_credits", "line", "sidecar")  # fmt: skip
    found = {name: getattr(spec, name) for name in names}
    found |= {"needs": list(spec.needs), "tags": list(spec.tags)}
    body = json.loads(json.dumps(dict(spec.body)).replace(str(DATA), "DATA"))
    return found | {"body": body, "credits": [spec.estimate.expected, spec.estimate.worst]}


@pytest.mark.parametrize("case", VALID)
def test_valid_manifest_gives_the_expected_jobs(case: str) -> None:
    """Keys included: a key that changes between versions would make people pay again."""
    folder = DATA / "valid" / case
    _, expansion = read_manifest(folder / "manifest.yaml", CATALOG, date="2026-10-23")
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    assert [as_json(spec) for spec in expansion.specs] == expected["jobs"]
    warnings = [f"{w.line}:{w.column} {w.path}: {w.message}" for w in expansion.warnings]
    assert warnings == expected["warnings"]


def test_first_take_is_the_body_as_written_and_adding_takes_keeps_its_key() -> None:
    one = jobs_of(still("a"))
    four = jobs_of(still("a", takes=4))
    assert list(four) == ["a", "a-t2", "a-t3", "a-t4"]
    assert four["a"].key == one["a"].key
    assert "seed" not in four["a"].body
    assert len({spec.key for spec in four.values()}) == 4
    assert len({spec.body.get("seed") for spec in four.values()}) == 4


def test_takes_of_a_seeded_body_count_up_and_wrap() -> None:
    jobs = jobs_of(still("a", {"seed": 4294967294}, takes=3))
    assert [spec.body["seed"] for spec in jobs.values()] == [4294967294, 4294967295, 0]


def test_takes_without_a_seed_field_differ_by_number_alone() -> None:
    body = {"model": "eleven_text_to_sound_v2", "promptText": "rain"}
    jobs = jobs_of({"id": "a", "takes": 2, "sound_effect": body})
    assert jobs["a"].body == jobs["a-t2"].body
    assert jobs["a"].key != jobs["a-t2"].key


def test_order_and_names_do_not_change_keys() -> None:
    first = jobs_of(still("a"), move("b", "${{ jobs.a.output }}"))
    second = jobs_of(
        move("y", "${{ jobs.x.output }}", tags=["t"]), still("x", priority=5, output="z")
    )
    assert (first["a"].key, first["b"].key) == (second["x"].key, second["y"].key)


def test_child_gets_another_key_when_its_parent_changes() -> None:
    first, second = (
        jobs_of(move("b", "${{ jobs.a.output }}"), still("a", {"seed": seed})) for seed in (1, 2)
    )
    assert first["b"].key != second["b"].key
    (ref,) = refs_in(first["b"].body)
    assert ref == OutputRef(job="a", key=first["a"].key, media="image")


def test_chaining_implies_needs_and_needs_may_name_templates() -> None:
    jobs = jobs_of(
        still("c", needs=["s"]),
        still("s", takes=2),
        move("d", "${{ jobs['s-t2'].output }}", needs=["s-t2", "c"]),
    )
    assert jobs["c"].needs == ("s", "s-t2")
    assert jobs["d"].needs == ("s-t2", "c")


def test_outputs_fill_a_list_with_every_take() -> None:
    body = {"model": "dreamer_9", "images": "${{ jobs.s.outputs }}"}
    jobs = jobs_of(
        still("s", takes=3),
        {"id": "ad", "unchecked": True, "max_credits": 9, "text_to_image": body},
    )
    assert [ref.job for ref in refs_in(jobs["ad"].body)] == ["s", "s-t2", "s-t3"]
    assert jobs["ad"].needs == ("s", "s-t2", "s-t3")


def test_one_of_the_outputs_can_be_named_by_its_place() -> None:
    jobs = jobs_of(still("s", takes=2), move("b", "${{ jobs.s.outputs[0] }}"))
    assert jobs["b"].needs == ("s",)
    assert problems_of(still("s", takes=2), move("b", "${{ jobs.s.outputs[2] }}")) == [
        "`s` makes 2 outputs: there is no `outputs[2]`"
    ]


def test_template_name_stands_for_its_jobs() -> None:
    jobs = jobs_of(
        still("look-${{ vars.v }}"), move("b", "${{ jobs.look.output }}"), vars={"v": "noir"}
    )
    assert jobs["look-noir"].template == "look"
    assert jobs["b"].needs == ("look-noir",)


def test_defaults_merge_from_endpoint_to_model_to_job() -> None:
    image = "https://example.com/a.png"
    jobs = jobs_of(
        {"id": "a", "image_to_video": {"promptImage": image, "seed": 3}},
        {"id": "b", "image_to_video": {"promptImage": image, "seed": None}},
        defaults={
            "image_to_video": {
                "model": "gen4_turbo",
                "ratio": "1280:720",
                "duration": 5,
                "seed": 1,
            },
            "models": {"gen4_turbo": {"duration": 6, "seed": 2}},
        },
    )
    assert [jobs["a"].body[name] for name in ("ratio", "duration", "seed")] == ["1280:720", 6, 3]
    assert "seed" not in jobs["b"].body


def test_field_of_the_job_itself_is_an_error_where_a_default_is_only_dropped() -> None:
    defaults = {"text_to_image": {"duration": 5}}
    expansion = expanded(still("a", takes=3), defaults=defaults)
    assert expansion.problems == ()
    assert [warning.message for warning in expansion.warnings] == [
        "the default `duration` is dropped: `gen4_image` has no such field (job `a`)"
    ]
    (problem,) = problems_of(still("a", {"duration": 5}, takes=3), defaults=defaults)
    assert "`duration` is not a field of `gen4_image`" in problem


def test_failed_expression_is_reported_once_and_not_as_a_missing_field() -> None:
    fields = {"promptText": "${{ vars.y }}", "seed": "${{ vars.x }}"}
    assert sorted(problems_of(still("a", fields, takes=5))) == [
        "`x` is not known here", "`y` is not known here",
    ]  # fmt: skip


def test_local_files_enter_by_content() -> None:
    one, same, other = (
        jobs_of(move("a", f"{name}.png"), files=Files(**{name: (content, 0)}))["a"]
        for name, content in (("plate", "x"), ("moved", "x"), ("plate", "y"))
    )
    assert one.key == same.key != other.key
    assert one.body["promptImage"]["$asset"]["media"] == "image"
    assert problems_of(move("a", "plate.png")) == ["`plate.png` does not exist"]


def test_price_uses_the_length_of_local_files_and_of_parents() -> None:
    jobs = jobs_of(
        upscale("file", "clip.mp4"),
        upscale("child", "${{ jobs.parent.output }}"),
        move("parent", "https://example.com/a.png"),
        upscale("unmeasured", "mute.mp4"),
        files=Files(clip=("x", 8.0), mute=("y", 0)),
    )
    worst = {name: job.estimate.worst for name, job in jobs.items()}
    assert worst == {"file": 16, "child": 10, "parent": 25, "unmeasured": 80}


def test_price_above_a_cap_is_refused_once_for_all_takes() -> None:
    assert problems_of(still("a", takes=3), budget={"per_job": 7}) == [
        "`a` may cost 8 cr ($0.08), more than `budget.per_job` of 7 cr ($0.07)"
    ]
    assert problems_of(still("a", takes=3, max_credits=7)) == [
        "`a` costs about 8 cr ($0.08), more than its `max_credits` of 7 cr ($0.07)"
    ]
    assert problems_of(still("a", max_credits=8), budget={"per_job": 8}) == []


def test_unknown_model_needs_unchecked_and_a_bound() -> None:
    job = {"id": "a", "text_to_image": {"model": "dreamer_9"}}
    assert problems_of(job) == ["`text_to_image` has no model `dreamer_9`"]
    (problem,) = problems_of({**job, "unchecked": True})
    assert problem.startswith("nobody knows what `a` may cost")
    spec = jobs_of({**job, "unchecked": True, "max_credits": "$1"})["a"]
    assert (spec.reserve, spec.model, spec.media) == (100, "dreamer_9", "image")


def test_endpoint_without_models_has_none() -> None:
    body = {"productInfo": "x"}
    job = {"id": "a", "unchecked": True, "max_credits": 99, "recipes/product_ad": body}
    (spec,) = expanded(job).specs
    assert (spec.model, spec.lane) == (None, "recipes/product_ad")


def test_file_name_takes_what_is_known_and_leaves_the_rest() -> None:
    output = (
        "${{ date }}/${{ template }}/${{ job }}_${{ model }}_${{ endpoint }}_${{ take | pad }}"
        "_${{ seed | default('x') }}_v${{ version | pad(3) }}${{ part }}.${{ ext }}"
    )
    assert jobs_of(still("a", output=output))["a"].output == (
        "2026-10-23/a/a_gen4_image_text_to_image_01_x_v{version:3}{part}.{ext}"
    )
    assert jobs_of(still("a"))["a"].output == "night/a{part}.{ext}"


def test_name_that_leaves_the_folder_through_a_variable_is_refused() -> None:
    for value in ("..", "/etc", "C:", "a\\b", "a/../.."):
        assert problems_of(still("a", output="${{ vars.x }}/b"), vars={"x": value})


def test_cycles_are_named_and_everything_else_is_still_checked() -> None:
    found = problems_of(
        still("a", needs=["b"]),
        still("b", needs=["a"]),
        still("c", {"bogus": 1}),
        still("d", needs=["d"]),
    )
    assert found[0].startswith("jobs wait for each other: `")
    assert "jobs wait for each other: `d` → `d`" in found
    assert any("`bogus`" in message for message in found)


@pytest.mark.parametrize(
    "value",
    [
        {"$asset": {"path": "/etc/passwd", "sha256": "x", "bytes": 1, "media": "image"}},
        {"$output": {"job": "a", "key": "x"}}, [{"uri": {"$asset": 5}}],
        "${{ {'$asset': {}} }}", "${{ vars.x }}", "${{ [vars.x] }}",
    ],
)  # fmt: skip
def test_body_cannot_forge_a_checked_file_or_an_output(value: Any) -> None:
    assert problems_of(move("a", value), vars={"x": {"$asset": 5}}) == [
        "`$asset` and `$output` are reserved for the runner"
    ]


def test_job_knows_the_line_of_its_template() -> None:
    text = "version: 1\njobs:\n" + "".join(f"\n  - {json.dumps(still(name))}\n" for name in "ab")
    manifest = manifest_from(text.encode(), CATALOG, file="m.yaml")
    assert [spec.line for spec in expand(manifest, CATALOG, Files()).specs] == [4, 6]


def test_many_jobs_keep_their_order() -> None:
    assert list(jobs_of(*(still(f"j{n}") for n in range(300)))) == [f"j{n}" for n in range(300)]


PLAIN = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)
MAPPINGS = st.dictionaries(st.text(max_size=2), PLAIN, max_size=4)


@settings(deadline=None)
@given(MAPPINGS, MAPPINGS)
def test_what_the_job_wrote_always_wins(base: dict[str, object], over: dict[str, object]) -> None:
    merged = merge(base, over)
    assert set(merged) == set(base) | set(over)
    assert merge(merged, over) == merged
    assert merge(base, dict.fromkeys(base)) == {}


@settings(deadline=None)
@given(
    st.dictionaries(st.integers(0, 8).map(str), st.lists(st.integers(0, 8).map(str), max_size=3))
)
def test_parents_come_first_and_every_cycle_is_found(needs: dict[str, list[str]]) -> None:
    known = {
        job: [parent for parent in parents if parent in needs] for job, parents in needs.items()
    }
    order, cycles = in_order(known)
    assert sorted(order) == sorted(known)
    if not cycles:
        assert all(
            order.index(p) < order.index(job) for job, parents in known.items() for p in parents
        )
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(after in known[before] for before, after in pairwise(cycle))
