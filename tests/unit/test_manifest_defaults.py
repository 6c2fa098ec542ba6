"""Defaults under a job's own values: what wins, what is removed, what is dropped, what is wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest

from runner.core.spec import JobSpec
from tests.unit.test_expand import Raw, expanded, jobs_of, problems_of, still

IMAGE = "https://example.com/a.png"
OTHER = "https://example.com/b.png"
MOVE: Raw = {"model": "gen4_turbo", "promptImage": IMAGE, "ratio": "1280:720", "duration": 5}


def moved(own: Raw, defaults: Raw | None = None, **keys: Any) -> JobSpec:
    """The only job of a manifest whose job writes `own` and nothing else."""
    job = {"id": "a", **keys, "image_to_video": own}
    return jobs_of(job, defaults=defaults or {})["a"]


#: defaults of the endpoint, defaults of the model, the job's own body -> changes to MOVE, which
#: lies under everything; a value of None stands for a field that is not in the result
MERGES: list[tuple[str, Raw, Raw, Raw, Raw]] = [
    ("nothing is said", {}, {}, {}, {}),
    ("endpoint alone", {"duration": 6}, {}, {}, {"duration": 6}),
    ("model alone", {}, {"duration": 7}, {}, {"duration": 7}),
    ("own alone", {}, {}, {"duration": 8}, {"duration": 8}),
    ("model over endpoint", {"duration": 6}, {"duration": 7}, {}, {"duration": 7}),
    ("own over endpoint", {"duration": 6}, {}, {"duration": 8}, {"duration": 8}),
    ("own over model", {}, {"duration": 7}, {"duration": 8}, {"duration": 8}),
    ("own over both", {"duration": 6}, {"duration": 7}, {"duration": 8}, {"duration": 8}),
    ("zero is a value", {"seed": 6}, {"seed": 7}, {"seed": 0}, {"seed": 0}),
    ("own null removes endpoint's", {"seed": 6}, {}, {"seed": None}, {"seed": None}),
    ("own null removes model's", {}, {"seed": 7}, {"seed": None}, {"seed": None}),
    ("own null removes both", {"seed": 6}, {"seed": 7}, {"seed": None}, {"seed": None}),
    ("model's null removes endpoint's", {"seed": 6}, {"seed": None}, {}, {"seed": None}),
    ("what null removed can be set again", {"seed": 6}, {"seed": None}, {"seed": 8}, {"seed": 8}),
    ("null of nothing is nothing", {}, {}, {"seed": None}, {"seed": None}),
    ("null in the endpoint's defaults", {"seed": None}, {}, {}, {"seed": None}),
    (
        "mappings merge",
        {"contentModeration": {"publicFigureThreshold": "low"}},
        {},
        {"contentModeration": {}},
        {"contentModeration": {"publicFigureThreshold": "low"}},
    ),
    (
        "the inner value of the nearest layer wins",
        {"contentModeration": {"publicFigureThreshold": "low"}},
        {"contentModeration": {"publicFigureThreshold": "auto"}},
        {},
        {"contentModeration": {"publicFigureThreshold": "auto"}},
    ),
    (
        "null removes an inner value and leaves the mapping",
        {"contentModeration": {"publicFigureThreshold": "low"}},
        {},
        {"contentModeration": {"publicFigureThreshold": None}},
        {"contentModeration": {}},
    ),
    (
        "null removes the whole mapping",
        {"contentModeration": {"publicFigureThreshold": "low"}},
        {},
        {"contentModeration": None},
        {"contentModeration": None},
    ),
    (
        "a list replaces a text",
        {"promptImage": OTHER},
        {},
        {"promptImage": [{"uri": IMAGE, "position": "first"}]},
        {"promptImage": [{"uri": IMAGE, "position": "first"}]},
    ),
    (
        "a list replaces a list as a whole",
        {"promptImage": [{"uri": OTHER, "position": "first"}]},
        {},
        {"promptImage": [{"uri": IMAGE, "position": "first"}]},
        {"promptImage": [{"uri": IMAGE, "position": "first"}]},
    ),
    (
        "a text replaces a list",
        {"promptImage": [{"uri": OTHER, "position": "first"}]},
        {},
        {"promptImage": IMAGE},
        {"promptImage": IMAGE},
    ),
]


@pytest.mark.parametrize(
    ("endpoint", "model", "own", "changes"), [row[1:] for row in MERGES], ids=[r[0] for r in MERGES]
)
def test_body_is_own_over_model_over_endpoint(
    endpoint: Raw, model: Raw, own: Raw, changes: Raw
) -> None:
    defaults = {"image_to_video": {**MOVE, **endpoint}, "models": {"gen4_turbo": model}}
    wanted = {key: value for key, value in {**MOVE, **changes}.items() if value is not None}
    spec = moved(own, defaults)
    assert dict(spec.body) == wanted
    assert spec.key == moved(wanted).key


def test_where_a_value_was_written_does_not_change_the_key() -> None:
    in_the_job = moved(MOVE)
    in_the_endpoint = moved({}, {"image_to_video": MOVE})
    model = {key: MOVE[key] for key in ("ratio", "duration", "promptImage")}
    in_the_model = moved({"model": "gen4_turbo"}, {"models": {"gen4_turbo": model}})
    assert in_the_job.key == in_the_endpoint.key == in_the_model.key


def test_order_of_fields_does_not_change_the_key() -> None:
    assert moved(dict(reversed(MOVE.items()))).key == moved(MOVE).key


def test_defaults_of_other_models_and_endpoints_do_not_reach_a_job() -> None:
    defaults = {
        "text_to_video": {"duration": 8, "ratio": "720:1280"},
        "models": {"veo3.1": {"duration": 8, "negativePrompt": "rain"}},
    }
    assert dict(moved(MOVE, defaults).body) == MOVE


def test_the_model_that_defaults_choose_has_its_own_defaults() -> None:
    defaults = {
        "image_to_video": {"model": "veo3.1", "ratio": "1280:720"},
        "models": {"veo3.1": {"duration": 6, "audio": False}, "gen4_turbo": {"duration": 9}},
    }
    body = moved({"promptImage": IMAGE}, defaults).body
    assert (body["duration"], body["audio"]) == (6, False)
    own = moved({"promptImage": IMAGE, "model": "gen4_turbo"}, defaults).body
    assert (own["duration"], "audio" in own) == (9, False)


def test_a_model_that_comes_from_a_variable_has_its_own_defaults() -> None:
    defaults = {"models": {"veo3.1": {"duration": 6}}, "text_to_video": {"ratio": "1280:720"}}
    job = {"id": "a", "text_to_video": {"model": "${{ vars.m }}", "promptText": "x"}}
    spec = jobs_of(job, defaults=defaults, vars={"m": "veo3.1"})["a"]
    assert (spec.model, spec.body["duration"], spec.body["model"]) == ("veo3.1", 6, "veo3.1")


def test_defaults_may_hold_expressions_that_know_the_job() -> None:
    defaults = {"text_to_image": {"promptText": "${{ vars.look }} ${{ job }}"}}
    jobs = jobs_of(
        *(
            {"id": name, "text_to_image": {"model": "gen4_image", "ratio": "1920:1080"}}
            for name in ("a", "b")
        ),
        defaults=defaults,
        vars={"look": "film"},
    )
    assert [job.body["promptText"] for job in jobs.values()] == ["film a", "film b"]


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("duration", 5, "text_to_image"),
        ("audio", True, "text_to_image"),
        ("duration", 5, "models"),
        ("promptImage", IMAGE, "models"),
    ],
)
def test_default_without_a_field_is_dropped_with_a_note_at_its_place(
    field: str, value: Any, where: str
) -> None:
    layer = {field: value}
    defaults = {"models": {"gen4_image": layer}} if where == "models" else {where: layer}
    expansion = expanded(still("a"), defaults=defaults)
    assert expansion.problems == ()
    (note,) = expansion.warnings
    assert note.message == (
        f"the default `{field}` is dropped: `gen4_image` has no such field (job `a`)"
    )
    section = "defaults.models.gen4_image" if where == "models" else f"defaults.{where}"
    assert note.path == f"{section}.{field}"
    assert field not in expansion.specs[0].body


def test_dropped_default_leaves_the_key_alone() -> None:
    plain, noted = (
        expanded(still("a"), defaults=defaults).specs[0]
        for defaults in ({}, {"text_to_image": {"duration": 5}})
    )
    assert plain.key == noted.key


def test_default_that_one_model_lacks_still_reaches_the_other() -> None:
    expansion = expanded(
        {"id": "veo", "text_to_video": {"model": "veo3.1", "promptText": "x", "duration": 6}},
        {"id": "gen", "text_to_video": {"model": "gen4.5", "promptText": "x", "duration": 5}},
        defaults={"text_to_video": {"ratio": "1280:720", "negativePrompt": "rain"}},
    )
    veo, gen = expansion.specs
    assert expansion.problems == ()
    assert (veo.body["negativePrompt"], "negativePrompt" in gen.body) == ("rain", False)
    assert [note.message.partition(":")[0] for note in expansion.warnings] == [
        "the default `negativePrompt` is dropped"
    ]


def test_field_that_the_job_wrote_is_an_error_even_where_a_default_has_it_too() -> None:
    defaults = {"text_to_image": {"duration": 5}}
    assert problems_of(still("a", {"duration": 6}), defaults=defaults) == [
        "`duration` is not a field of `gen4_image`"
    ]


def test_default_of_the_job_can_be_taken_away_even_where_the_model_lacks_the_field() -> None:
    expansion = expanded(
        still("a", {"duration": None}), defaults={"text_to_image": {"duration": 5}}
    )
    assert (expansion.problems, expansion.warnings) == ((), ())


def test_wrong_value_of_a_default_is_reported_where_it_stands_for_every_job() -> None:
    defaults = {"text_to_image": {"ratio": "16:9"}}
    body = {"model": "gen4_image", "promptText": "x"}
    jobs = [{"id": name, "text_to_image": body} for name in ("a", "b")]
    problems = expanded(*jobs, defaults=defaults).problems
    assert {problem.path for problem in problems} == {"defaults.text_to_image.ratio"}
    assert [re.findall(r"\(job `(\w)`\)", problem.message) for problem in problems] == [
        ["a"],
        ["b"],
    ]


def test_misspelt_key_inside_a_default_is_an_error_not_a_note() -> None:
    defaults = {"text_to_image": {"contentModeration": {"publicFigureTreshold": "low"}}}
    (problem,) = expanded(still("a"), defaults=defaults).problems
    assert problem.path == "defaults.text_to_image.contentModeration.publicFigureTreshold"
    assert problem.hint == "did you mean `publicFigureThreshold`?"


class TestOptingOut:
    DEFAULTS: Raw = {  # noqa: RUF012 - read only
        "job": {"tags": ["q4"], "priority": 3, "takes": 2, "max_credits": 50},
        "text_to_image": {"seed": 7},
        "models": {"gen4_image": {"contentModeration": {"publicFigureThreshold": "low"}}},
    }

    def test_defaults_apply_unless_the_job_says_no(self) -> None:
        spec = jobs_of(still("a"), defaults=self.DEFAULTS)["a"]
        assert (spec.tags, spec.priority, spec.max_credits) == (("q4",), 3, 50)
        assert (spec.body["seed"], len(spec.body)) == (7, 5)

    def test_opting_out_leaves_every_layer_behind(self) -> None:
        jobs = jobs_of(still("a", defaults=False), defaults=self.DEFAULTS)
        plain = jobs_of(still("a"))["a"]
        assert list(jobs) == ["a"]
        assert jobs["a"].key == plain.key
        assert (jobs["a"].tags, jobs["a"].priority, jobs["a"].max_credits) == ((), 0, None)

    def test_opting_out_concerns_one_job_only(self) -> None:
        jobs = jobs_of(still("a", defaults=False), still("b"), defaults=self.DEFAULTS)
        assert list(jobs) == ["a", "b", "b-t2"]

    def test_null_in_a_job_opts_out_of_a_single_key(self) -> None:
        jobs = jobs_of(still("a", takes=None, tags=None), defaults=self.DEFAULTS)
        assert list(jobs) == ["a"]
        assert (jobs["a"].tags, jobs["a"].priority) == ((), 3)

    def test_own_tags_replace_and_do_not_join(self) -> None:
        assert jobs_of(still("a", tags=["own"]), defaults=self.DEFAULTS)["a"].tags == ("own",)

    def test_defaults_true_is_no_way_to_write_it(self) -> None:
        with pytest.raises(Exception, match="expected `false`"):
            expanded(still("a", defaults=True))
