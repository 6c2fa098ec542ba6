"""A plan for scripts, and its jobs one by one."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from runner.cli.output import Output
from runner.cli.plan_jobs import PAGE, list_jobs, stream_json
from runner.cli.plan_json import plan_json
from runner.core.deciding import Action
from runner.core.job import JobStatus
from runner.core.ledger import Caps
from runner.core.plan import PlanEntry
from runner.core.plan_reason import reason_of
from runner.core.standing import without_history
from runner.core.task import ModelLimits
from runner.errors import Problem, UsageError
from runner.manifest.schema import load_schema
from runner.testing import START, make_spec
from tests.plan_views import (
    PLAN,
    SPECS,
    STORED,
    job_of,
    reading,
    seen,
)
from tests.plans import entries

SCHEMA = load_schema("result.schema.json")


def test_a_plan_for_scripts_fits_the_schema() -> None:
    warning = Problem(message="old model", hint="use the new", file="m.yaml", line=3, column=1)
    planned = replace(PLAN, warnings=(warning,), notes={"a guess": 2})
    standing = without_history(
        reading(gen4_turbo=ModelLimits(max_concurrent=5, max_daily=9)), START
    )
    found = json.loads(json.dumps(plan_json(planned, seen(planned, Caps(batch=100), standing))))
    envelope = {"version": 1, "command": "plan", "ok": True, "errors": [],
                "data": {"file": "m.yaml", "batch": "b", **found}}  # fmt: skip
    Draft202012Validator(SCHEMA).validate(envelope)
    assert (found["jobs"], found["wanted"], found["starting"]) == (5, 4, 2)
    assert found["cost"] == {"low": 65, "expected": 65, "worst": 65}
    assert found["caps"] == [
        {"name": "batch", "limit": 100, "used": 72, "worst": 65, "passes": True, "fitting": 1}
    ]
    assert found["account"]["fitting"] == 2
    assert found["account"]["read_at"] == START.isoformat()
    assert found["tonight"] == {
        "jobs": 1, "now": 1, "room_at": None, "expected": 1, "of": 2, "limits": ["batch"],
    }  # fmt: skip
    assert [(m["lane"], m["slots"], m["daily_left"]) for m in found["models"]] == [
        ("gen4_turbo", 5, 9)
    ]
    assert found["stale"] == {"jobs": 1, "credits": 50, "ids": ["stale"]}
    assert found["orphaned"]["ids"] == ["gone"]
    assert found["warnings"][0]["where"] == "m.yaml:3:1"


# jobs one by one


async def stream(
    found: Iterable[PlanEntry], error: UsageError | None = None
) -> AsyncIterator[PlanEntry]:
    for entry in found:
        yield entry
    if error is not None:
        raise error


async def test_every_job_is_listed_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    await list_jobs(stream(entries(SPECS, STORED)), Output())
    assert capsys.readouterr().out.splitlines() == [
        "job    what      model            at worst  why",
        "new    new       gen4_turbo  25 cr ($0.25)  not made before",
        "done   done      gen4_turbo              -  made as the manifest has it",
        "again  changed   gen4_turbo  40 cr ($0.40)  its content has changed",
        "stale  stale     gen4_turbo              -  its content has changed: kept as made",
        "gone   orphaned  gen4_turbo              -  no longer in the manifest",
    ]


@pytest.mark.parametrize("status", JobStatus)
def test_whatever_becomes_of_a_stored_job_has_a_reason(status: JobStatus) -> None:
    stored = {"a": job_of("a", status)}
    edited = make_spec("a", body={"promptText": "edited"})
    other = make_spec("b", body={"promptText": "a"})  # what `a` was
    for specs in ([make_spec("a")], [edited], [other], [], [make_spec("a", priority=1)]):
        found = entries(specs, stored)
        assert all(reason_of(entry) for entry in found)
        assert all("; ;" not in reason_of(entry) for entry in found)


def test_reasons_name_the_old_id_and_what_is_waited_for() -> None:
    done = {"a": job_of("a", JobStatus.DONE)}
    other = make_spec("b", body={"promptText": "a"})
    assert [reason_of(entry) for entry in entries([other], done)] == [
        "was `a`, with the same content"
    ]
    edited = make_spec("a", body={"promptText": "edited"})
    *_, child = entries([edited, make_spec("child", needs=["a"])], done)
    assert reason_of(child) == "not made before; waits: a parent is stale"
    twins = [make_spec(name, body={"promptText": "same"}) for name in ("x", "y")]
    assert reason_of(entries(twins)[1]) == "not made before; makes what another job makes"


async def many(count: int, told: list[int]) -> AsyncIterator[PlanEntry]:
    spec = make_spec("a")
    for number in range(count):
        told.append(number)
        yield PlanEntry(action=Action.NEW, spec=spec, stored=None, position=number)


async def test_nobody_who_went_away_is_told_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        listed: list[int] = []
        await list_jobs(many(10 * PAGE, listed), Output())
    assert len(listed) == PAGE
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        streamed: list[int] = []
        assert await stream_json({"a": 1}, many(10 * PAGE, streamed), Output(json=True), []) == 0
    assert len(streamed) == PAGE


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1])
async def test_a_stream_of_jobs_is_one_envelope_on_one_line(
    capsys: pytest.CaptureFixture[str], count: int
) -> None:
    errors = [{"code": "budget", "message": "m", "hint": "", "where": ""}]
    assert await stream_json({"file": "m"}, many(count, []), Output(json=True), errors) == 0
    [line] = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["version"], found["command"], found["ok"]) == (1, "plan", False)
    assert found["errors"] == errors
    assert found["data"]["file"] == "m"
    assert len(found["data"]["entries"]) == count
    check = Draft202012Validator({"$ref": "#/$defs/plan_entry", "$defs": SCHEMA["$defs"]})
    for entry in found["data"]["entries"]:
        check.validate(entry)


async def test_a_stream_that_breaks_off_is_still_an_envelope_and_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = stream(entries(SPECS, STORED), UsageError("an input changed", hint="again"))
    assert await stream_json({"file": "m"}, broken, Output(json=True), []) == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["errors"][0]["message"]) == (False, "an input changed")
    assert found["data"]["entries"] == []
