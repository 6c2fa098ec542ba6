"""From bytes to a manifest: every problem with its place, never a traceback."""

from __future__ import annotations

import json
import os
from datetime import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from runner.core.budget import BudgetSpec
from runner.core.catalog import Catalog
from runner.core.halting import HaltLimits
from runner.core.schedule import Window
from runner.errors import ManifestError, RunnerError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.expand import expand
from runner.manifest.inputs import LocalInputs
from runner.manifest.load import load_manifest, manifest_from
from runner.manifest.model import (
    AccountSpec,
    ConcurrencySpec,
    Manifest,
    OutputSpec,
    RetrySpec,
    ScheduleSpec,
)
from runner.manifest.read import read_manifest
from runner.manifest.reading import MAX_BYTES
from runner.manifest.schema import load_schema
from runner.manifest.shape import NOT_YET

DATA = Path(__file__).parent.parent / "data" / "manifests"
INVALID = sorted(path.name for path in (DATA / "invalid").iterdir())
JOB = "jobs: [{id: a, text_to_image: {model: gen4_image, promptText: a, ratio: '1920:1080'}}]\n"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def loaded(text: str, file: str = "night shift.yaml") -> Manifest:
    return manifest_from(("version: 1\n" + text).encode(), load_catalog(), file=file)


def messages(error: ManifestError) -> list[str]:
    return [problem.message for problem in error.problems]


@pytest.mark.parametrize("case", INVALID)
def test_invalid_manifest_is_refused_with_place_and_hint(case: str, catalog: Catalog) -> None:
    folder = DATA / "invalid" / case
    with pytest.raises(ManifestError) as caught:
        read_manifest(folder / "manifest.yaml", catalog, date="2026-10-23")
    lines = [
        f"{problem.line}:{problem.column} {problem.path}: {problem.message}"
        + (f" | {problem.hint}" if problem.hint else "")
        for problem in caught.value.problems
    ]
    expected = (folder / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert [line.replace(str(DATA), "DATA") for line in lines] == expected
    assert caught.value.exit_code == 2
    assert {problem.file for problem in caught.value.problems} == {str(folder / "manifest.yaml")}


def test_every_setting_is_read() -> None:
    manifest = loaded(
        "name: night\nconfirm_over: $20\n"
        'budget: {credits: 1_500, per_job: "$2", per_day: 4000, per_month: $900,'
        " keep_balance: 1000, models: {veo3.1: 800}, tags: {hero: 500}}\n"
        "schedule: {window: 22:00-07:00, timezone: Europe/Paris, max_duration: 1h30m}\n"
        "halt: {failures: 50, same_error: 3, refusals: 1}\naccount: {exclusive: true}\n"
        "concurrency: {total: 40, models: {gen4_turbo: 5, recipes/product_ad: 1}, queue_ahead: 0}\n"
        "retry: {attempts: 5}\noutput: {dir: out, name: a, sidecar: none}\n"
        "inputs: {allow: [../plates]}\nx-note: [anything]\nvars: {look: film}\n" + JOB
    )
    assert manifest.name == "night"
    assert manifest.confirm_over == 2000
    assert manifest.budget == BudgetSpec(
        credits=1500, per_job=200, per_day=4000, per_month=90_000, keep_balance=1000,
        models={"veo3.1": 800}, tags={"hero": 500},
    )  # fmt: skip
    assert manifest.schedule == ScheduleSpec(
        window=Window(time(22), time(7), "Europe/Paris"), max_duration_s=5400
    )
    assert manifest.halt == HaltLimits(failures=50, same_error=3, refusals=1)
    assert manifest.account == AccountSpec(exclusive=True)
    assert manifest.concurrency == ConcurrencySpec(
        total=40, models={"gen4_turbo": 5, "recipes/product_ad": 1}, queue_ahead=0
    )
    assert manifest.retry == RetrySpec(attempts=5)
    assert manifest.output == OutputSpec(dir="out", name="a", sidecar=False)
    assert (manifest.allow, manifest.vars) == (("../plates",), {"look": "film"})


def test_what_is_left_out_has_its_default() -> None:
    manifest = loaded(JOB)
    assert manifest.name == "night-shift"
    assert manifest.budget == BudgetSpec()
    assert manifest.concurrency == ConcurrencySpec(queue_ahead=1)
    assert manifest.retry.attempts == 3
    assert manifest.schedule == ScheduleSpec(window=None, max_duration_s=None)
    assert manifest.halt == HaltLimits(
        failures=None, failures_share=None, same_error=10, refusals=5
    )
    assert not manifest.account.exclusive
    assert manifest.output.name == "${{ batch }}/${{ job }}${{ part }}.${{ ext }}"
    assert (manifest.confirm_over, manifest.output.dir, manifest.output.sidecar) == (
        500, "outputs", True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "credits"),
    [("1500", 1500), ('"$15"', 1500), ("1,500", 1500), ("$15.50", 1550), ("0", 0), ("20 cr", 20)],
)
def test_budget_may_be_a_bare_amount(budget: str, credits: int) -> None:
    assert loaded(f"budget: {budget}\n{JOB}").budget == BudgetSpec(credits=credits)


@pytest.mark.parametrize("budget", ["-1", "12.5", "$", "a lot", "true", "1e3", "{}x", "10 dollars"])
def test_budget_that_is_no_amount_is_refused(budget: str) -> None:
    with pytest.raises(ManifestError):
        loaded(f"budget: {budget}\n{JOB}")


@pytest.mark.parametrize(
    ("failures", "share"), [("20%", 0.2), ("100 %", 1), ("0.5%", 0.005), ('"7%"', 0.07)]
)
def test_failures_may_be_a_share(failures: str, share: float) -> None:
    halt = loaded(f"halt: {{failures: {failures}}}\n{JOB}").halt
    assert halt.failures_share == pytest.approx(share)
    assert halt.failures is None


@pytest.mark.parametrize(
    "failures", ["0", "0%", "0.0%", "101%", "-5%", "many", "1.5", "'%'", "true"]
)
def test_failures_that_are_no_limit_are_refused(failures: str) -> None:
    with pytest.raises(ManifestError) as caught:
        loaded(f"halt: {{failures: {failures}}}\n{JOB}")
    assert "or a share such as `20%`" in messages(caught.value)[0]


def test_a_zone_without_a_window_is_refused_for_it_would_do_nothing() -> None:
    with pytest.raises(ManifestError) as caught:
        loaded(f"schedule: {{timezone: Europe/Paris}}\n{JOB}")
    assert messages(caught.value) == ["`timezone` is that of a `window`, and there is none"]
    assert caught.value.problems[0].column == 12


@pytest.mark.parametrize("key", sorted(NOT_YET))
def test_key_of_a_later_version_is_never_silently_ignored(key: str) -> None:
    texts = [
        f"{key}: 1\n{JOB}",
        f"budget: {{{key}: 1}}\n{JOB}",
        JOB.replace("id: a", f"id: a, {key}: 1"),
    ]
    for text in texts:
        with pytest.raises(ManifestError) as caught:
            loaded(text)
        assert messages(caught.value) == [f"`{key}` is not supported by this version"]


def test_unreadable_files_are_explained(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "shots.yaml").write_text(JOB)
    big = tmp_path / "big.yaml"
    with big.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    cases = {
        tmp_path: "is a folder, not a manifest",
        tmp_path / "shot.yaml": "does not exist",
        tmp_path / "no" / "such.yaml": "does not exist",
        tmp_path / "shots.yaml" / "x": "cannot be read: Not a directory",
        tmp_path / "a\0b": "cannot be read",
        big: "is larger than 32 MiB",
    }
    for path, reason in cases.items():
        with pytest.raises(ManifestError) as caught:
            load_manifest(path, catalog)
        (problem,) = caught.value.problems
        assert reason in problem.message
        assert problem.file == str(path)
    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path / "shot.yaml", catalog)
    assert caught.value.hint == "did you mean `shots.yaml`?"


def test_problems_of_all_parts_come_at_once() -> None:
    with pytest.raises(ManifestError) as caught:
        loaded(
            "bugdet: 1\nretry: {attempts: 0}\njobs:\n  - {id: 1}\n  - {idd: a, sound_effect: {}}\n"
        )
    assert len(caught.value.problems) == 6
    assert "(and 5 more)" in caught.value.message


def test_schema_is_sound_and_names_the_endpoints_of_the_catalogue(catalog: Catalog) -> None:
    schema = load_schema("manifest.schema.json")
    Draft202012Validator.check_schema(schema)
    endpoints = set(catalog.endpoints) - {"workflows/{id}"}
    assert {key for one in schema["$defs"]["job"]["oneOf"] for key in one.get("required", ())} == (
        endpoints | {"request"}
    )
    assert endpoints <= set(schema["$defs"]["job"]["properties"])
    assert endpoints <= set(schema["properties"]["defaults"]["properties"])
    described = [*schema["properties"].values(), *schema["$defs"]["job"]["properties"].values()]
    assert all("title" in each or "$ref" in each for each in described)
    assert not NOT_YET & set(schema["properties"])


def test_missing_schema_is_said_plainly() -> None:
    with pytest.raises(RunnerError) as caught:
        load_schema("no-such.schema.json")
    assert caught.value.hint == "reinstall runway-batch"


def checked(data: bytes) -> None:
    """Loading and expanding end in jobs or in a manifest error, whatever the bytes."""
    catalog = load_catalog()
    try:
        manifest = manifest_from(data, catalog, file="m.yaml")
    except ManifestError:
        return
    expansion = expand(manifest, catalog, LocalInputs(DATA / "nowhere"))
    for spec in expansion.specs:
        json.dumps(dict(spec.body), allow_nan=False).encode()
    assert expansion.problems or expansion.specs


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_a_manifest_or_a_manifest_error(data: bytes) -> None:
    checked(data)


WORDS = [
    "a", "~", "5", "-1", "true", "1.5", "[]", "{}", "[a, b]", "{uri: b}", "'${{ vars.x }}'",
    "'${{ jobs.a.output }}'", "'${{ jobs.b.outputs }}'", "'${{ jobs.a.outputs[0] }}'", "'../x'",
    "'https://example.com/a.png'", "16:9", "{$asset: {path: /x}}", "{$output: 5}", "'x.png'",
    "'${{ job }}'", "'${{ jobs.a }}'", "'${{ vars.deep.x }}'", "'\0'", "'1280:720'",
]  # fmt: skip
MODELS = ["gen4_turbo", "gen4_image", "veo3.1", "upscale_v1", "'${{ vars.m }}'", "dreamer_9", "5"]
FIELDS = [
    "promptText", "promptImage", "videoUri", "ratio", "duration", "seed", "referenceImages",
    "mode", "bogus",
]  # fmt: skip
ENDPOINTS = [
    "image_to_video", "text_to_image", "video_upscale", "recipes/multi_shot_video",
    "recipes/product_ad", "workflows/abc", "generate/video", "avatar_videos",
]  # fmt: skip
JOB_KEYS = {
    "takes": ["1", "3", "'${{ vars.n }}'", "'${{ vars.x }}'"],
    "needs": ["[a]", "[b, c]", "[nobody]", "['${{ vars.x }}']"],
    "tags": ["[a]", "['${{ vars.n }}']", "[]"],
    "priority": ["5", "'${{ vars.n }}'"],
    "max_credits": ["5", "$900", "'${{ vars.x }}'"],
    "unchecked": ["true", "false"],
    "output": ["a", "'${{ seed }}'", "'../x'", "'${{ job }}/${{ version | pad(3) }}'", "'{a}'"],
    "defaults": ["false"],
}
TOP = {
    "name": ["night", "a.b"],
    "schedule": ["{window: 22:00-07:00}", "{max_duration: 5h}", "{window: '1:00-1:00'}"],
    "halt": ["{failures: 5%}", "{refusals: 1}"],
    "budget": ["5", "{per_job: 1}", "{keep_balance: 1}", "{tags: {a: 5}}", "{models: {veo3.1: 5}}"],
    "output": ["{name: a}", "{name: '${{ date }}'}", "{sidecar: none}"],
    "inputs": ["{allow: [x, /]}"],
    "matrix": ["1"],
}


def flow(pairs: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": {value}' for key, value in pairs.items()) + "}"


def some_of(choices: dict[str, list[str]]) -> st.SearchStrategy[dict[str, str]]:
    optional = {key: st.sampled_from(values) for key, values in choices.items()}
    return st.fixed_dictionaries({}, optional=optional)


BODIES = some_of({"model": MODELS, **dict.fromkeys(FIELDS, WORDS)}).map(flow)
JOBS = st.tuples(
    some_of(JOB_KEYS), st.sampled_from(["a", "b", "'c${{ vars.x }}'", "A", "a/b"]),
    st.sampled_from(ENDPOINTS), BODIES,
).map(lambda job: flow({**job[0], "id": job[1], job[2]: job[3]}))  # fmt: skip
DEFAULTS = st.fixed_dictionaries({}, optional=dict.fromkeys(ENDPOINTS[:4], BODIES)).map(flow)


@settings(max_examples=200, deadline=None)
@given(top=some_of(TOP), defaults=DEFAULTS, jobs=st.lists(JOBS, min_size=1, max_size=4))
def test_any_manifest_is_expanded_or_refused(
    top: dict[str, str], defaults: str, jobs: list[str]
) -> None:
    lines = ["version: 1", "vars: {x: a, n: 2, m: gen4_image, deep: {x: [1, ~]}}"]
    lines += [f"{key}: {value}" for key, value in top.items()]
    lines += [f"defaults: {defaults}", "jobs:", *(f"  - {job}" for job in jobs)]
    checked("\n".join(lines).encode())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_what_is_no_regular_file_is_refused_and_never_waited_for(
    tmp_path: Path, catalog: Catalog
) -> None:
    os.mkfifo(tmp_path / "m.yaml")
    for path in (tmp_path / "m.yaml", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(ManifestError, match="is not a regular file") as caught:
            load_manifest(path, catalog)
        assert caught.value.exit_code == 2
