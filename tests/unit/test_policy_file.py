"""Policy files: read whole or refused, and above every manifest, flag and variable."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from runner.app import policy_file
from runner.app.capcheck import check_caps
from runner.app.planning import check_project, plan_project
from runner.app.policy_file import load_policy
from runner.app.project import Project, cap_sources, caps_of, load_project
from runner.cli.main import main
from runner.cli.options import Flags
from runner.cli.places import EMULATOR_KEY, emulator_home, emulator_settings
from runner.core.budget import BudgetSpec
from runner.core.spending_policy import NO_POLICY
from runner.errors import ManifestError, UsageError
from runner.manifest.schema import load_schema
from runner.settings import make_settings
from tests.docs_text import page
from tests.plain_runway import PNG

MANIFEST = """\
version: 1
name: small
budget: {credits: 200, per_day: 90, keep_balance: 5, models: {gen4_image: 50}, tags: {hero: 60}}
jobs:
  - id: still
    tags: [hero]
    text_to_image: {model: gen4_image, promptText: a, ratio: 1920:1080}
    takes: 2
  - id: clip
    image_to_video:
      {model: gen4_turbo, promptImage: plates/a.png, promptText: b, ratio: 1280:720, duration: 5}
"""
Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def no_policy_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_file, "SYSTEM_POLICY", tmp_path / "system.yaml")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A policy file beside the manifest `m.yaml`."""
    (tmp_path / "plates").mkdir()
    (tmp_path / "plates/a.png").write_bytes(PNG)
    (tmp_path / "m.yaml").write_text(MANIFEST, encoding="utf-8")

    def written(text: str) -> Path:
        (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "policy.yaml"

    return written


def project_under(policy: Path) -> Project:
    settings = make_settings({"RUNWAY_BATCH_POLICY": str(policy)})
    return load_project(policy.parent / "m.yaml", settings)


def refused(policy: Path) -> list[str]:
    project = project_under(policy)
    with pytest.raises(ManifestError) as caught:
        check_project(project)
    assert caught.value.exit_code == 2
    return [f"{problem.line}: {problem.message}" for problem in caught.value.problems]


# the file


def test_every_rule_is_read(write: Write, tmp_path: Path) -> None:
    path = write(
        'budget: {credits: $10, per_job: 50, per_day: "4,000", per_month: 9000,'
        " keep_balance: 100, models: {veo3.1: 800}, tags: {hero: 500}}\n"
        "max_credits_per_run: $20\nmodels: [gen4*]\nrequire_budget: true\n"
        "inputs: {allow: [plates, ./plates/../more]}\napi_hosts: [api.dev.runwayml.com]\n"
    )
    policy = load_policy(str(path))
    assert policy.budget == BudgetSpec(
        credits=1000, per_job=50, per_day=4000, per_month=9000, keep_balance=100,
        models={"veo3.1": 800}, tags={"hero": 500},
    )  # fmt: skip
    assert (policy.max_credits_per_run, policy.require_budget) == (2000, True)
    assert policy.models[0].names == ("gen4*",)
    assert policy.folders[0].names == (str(tmp_path / "plates"), str(tmp_path / "more"))
    assert policy.hosts[0].names == ("api.dev.runwayml.com",)
    assert policy.sources == (str(path),)


def test_without_files_there_is_no_policy() -> None:
    assert load_policy() == NO_POLICY == make_settings({"RUNWAY_BATCH_POLICY": ""}).policy


def test_the_machines_policy_and_the_named_one_both_apply(write: Write, tmp_path: Path) -> None:
    system = tmp_path / "system.yaml"
    system.write_text("budget: 100\nmodels: [veo*]\n")
    path = write("budget: {credits: 500, per_day: 70}\nmodels: ['*']\n")
    policy = make_settings({"RUNWAY_BATCH_POLICY": str(path)}).policy
    assert (policy.budget.credits, policy.budget.per_day) == (100, 70)
    assert policy.refuses_model("gen4_turbo") is not None
    assert policy.sources == (str(path), str(system))
    assert make_settings({}).policy.budget == BudgetSpec(credits=100)


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("bugdet: 5", "1:1: unknown key `bugdet`", "did you mean `budget`?"),
        ("budget:\n  per_dy: 5", "2:3: unknown key `per_dy`", "did you mean `per_day`?"),
        ("budget: lots", "1:9: expected an amount", ""),
        ("models: gen4_turbo", "1:9: expected a list of models", ""),
        ("models: [x]\nmodels: [y]", "2:1: ", ""),
        ("api_hosts: ['https://a.b']", "1:13: expected a host alone", ""),
        ("inputs: {}", "1:9: `allow` is missing", ""),
        ("require_budget: yes", "1:17: expected `true` or `false`, found `yes`", ""),
        ("", "1:1: expected a mapping", ""),
        ("a: [", "1:5: the file ends too early", ""),
    ],
)
def test_a_policy_that_is_not_understood_is_refused_with_its_place(
    write: Write, text: str, place: str, hint: str
) -> None:
    path = write(text)
    with pytest.raises(UsageError) as caught:
        load_policy(str(path))
    assert caught.value.message.startswith(f"policy {path}:{place}")
    assert hint in caught.value.hint


def test_a_policy_that_cannot_be_read_is_never_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xff")
    big = tmp_path / "big"
    with big.open("wb") as handle:
        handle.truncate(policy_file.MAX_BYTES + 1)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_policy(str(tmp_path / "none.yaml"))
    for path in (tmp_path, file, big, link, file / "below", Path("/dev/null")):
        for arguments in ({"named": str(path)}, {"system": path}):
            with pytest.raises(UsageError) as caught:
                load_policy(**arguments)
            assert caught.value.exit_code == 2
            assert str(path) in caught.value.message


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read all")
def test_a_policy_that_may_not_be_read_is_refused(write: Write) -> None:
    path = write("budget: 5")
    path.chmod(0)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        load_policy(system=path)


def test_the_schema_is_sound_and_every_key_of_it_is_documented() -> None:
    schema = load_schema("policy.schema.json")
    Draft202012Validator.check_schema(schema)
    code = " ".join(page("docs/how-to/set-a-policy.md").spans())
    assert [key for key in schema["properties"] if key not in code] == []


# hosts


def test_the_key_goes_to_no_host_that_is_not_listed(write: Write) -> None:
    environment = {"RUNWAY_BATCH_POLICY": str(write("api_hosts: [api.dev.runwayml.com]"))}
    assert make_settings(environment).base_url == "https://api.dev.runwayml.com"
    for url in ("https://evil.example", "http://127.0.0.1:8080"):
        with pytest.raises(UsageError, match="does not allow the API host") as caught:
            make_settings(environment, base_url=url)
        assert caught.value.hint == "it allows: api.dev.runwayml.com"
        with pytest.raises(UsageError):
            make_settings(environment | {"RUNWAYML_BASE_URL": url})
    with pytest.raises(UsageError, match="must be https"):
        make_settings(environment, base_url="http://api.dev.runwayml.com")


def test_the_emulator_is_allowed_and_never_gets_the_key(write: Write, tmp_path: Path) -> None:
    variables = {
        "RUNWAY_BATCH_POLICY": str(write("api_hosts: []\nbudget: 5")),
        "RUNWAYML_API_SECRET": "key_real",
    }
    settings = emulator_settings(Flags(environment=variables), emulator_home(tmp_path), speed=1)
    assert settings.key == EMULATOR_KEY
    assert settings.policy.budget.credits == 5, "a rehearsal obeys the same caps"


# jobs


def test_a_model_that_is_not_allowed_is_refused_with_job_and_policy(write: Write) -> None:
    path = write("models: [veo*, gen4_turbo]")
    assert refused(path) == [f"5: `still` uses `gen4_image`, which the policy {path} forbids"]


def test_an_input_outside_the_folders_is_refused_though_the_manifest_allows_it(
    write: Write, tmp_path: Path
) -> None:
    plate = tmp_path / "plates/a.png"
    path = write("inputs: {allow: [/nowhere]}")
    [message] = refused(path)
    assert message.startswith(f"9: `clip` reads `{plate}`, which the policy {path} does not allow")
    (tmp_path / "linked").symlink_to(tmp_path / "plates")
    for folder in ("plates", "linked", "."):
        assert check_project(project_under(write(f"inputs: {{allow: [{folder}]}}"))).jobs == 3


def test_a_job_dearer_than_the_policys_limit_is_refused(write: Write) -> None:
    path = write("budget: {per_job: 20}")
    [message] = refused(path)
    assert message.startswith("9: `clip` may cost 25 cr ($0.25), more than `budget.per_job` of")
    assert str(path) in message


def test_a_cap_for_a_model_that_nobody_knows_is_a_warning(write: Write) -> None:
    project = project_under(write("budget: {models: {gen4_trubo: 5, gen4_turbo: 50}}"))
    [warning] = check_project(project).warnings
    assert "gen4_trubo" in warning.message
    assert warning.hint == "did you mean `gen4_turbo`?"
    assert warning.where.endswith("policy.yaml")


def test_everything_is_said_at_once_by_the_command(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("models: []\ninputs: {allow: []}")
    monkeypatch.setenv("RUNWAY_BATCH_POLICY", str(path))
    assert main(["validate", str(path.parent / "m.yaml"), "--json"]) == 2
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert [error["where"].rpartition(":")[2] for error in errors] == ["5", "9", "9"]


# caps


def test_of_policy_manifest_and_run_the_lowest_cap_applies(write: Write) -> None:
    project = project_under(
        write(
            "budget: {credits: 300, per_day: 80, per_month: 900, keep_balance: 7,"
            " models: {gen4_image: 50, gen4_turbo: 9}, tags: {hero: 70}}\nmax_credits_per_run: 30"
        )
    )
    caps = caps_of(project, run_cap=40)
    assert (caps.batch, caps.run, caps.day, caps.month, caps.keep_balance) == (200, 30, 80, 900, 7)
    assert caps.models == {"gen4_image": 50, "gen4_turbo": 9}
    assert caps.tags == {"hero": 60}
    assert caps_of(project).run == 30
    assert caps_of(project, run_cap=20).run == 20


def test_each_cap_knows_who_set_it(write: Write) -> None:
    project = project_under(
        write(
            "budget: {credits: 300, per_day: 80, models: {gen4_image: 50, gen4_turbo: 9}}\n"
            "max_credits_per_run: 30"
        )
    )
    assert cap_sources(project, run_cap=20) == {
        "batch": "the manifest",
        "run": "`--max-credits`",
        "model:gen4_image": "the policy",  # both did: raising the manifest's would not help
        "model:gen4_turbo": "the policy",
        "tag:hero": "the manifest",
        "day": "the policy",
        "balance": "the manifest",
    }
    assert cap_sources(project)["run"] == "`max_credits_per_run` of the policy"
    assert "run" not in cap_sources(project_under(write("budget: 1")))


def test_a_plan_is_held_against_the_day_as_far_as_it_is_known(write: Write) -> None:
    project = project_under(write("budget: {per_month: 41, keep_balance: 5000}"))
    planned = asyncio.run(plan_project(project))
    checks = {check.name: check for check in check_caps(planned, caps_of(project))}
    assert (checks["day"].worst, checks["day"].used, checks["day"].passes) == (41, 0, False)
    assert not checks["month"].passes
    assert "balance" not in checks, "nobody asked for the balance"
    used = {"day": 50, "batch": 199}
    checks = {check.name: check for check in check_caps(planned, caps_of(project), used)}
    assert (checks["day"].used, checks["day"].passes) == (50, True)
    assert checks["batch"].used == 0, "of the batch the jobs of the plan are counted"


def test_a_required_budget_stops_a_run_that_yes_would_let_go(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("require_budget: true")
    free = path.parent / "free.yaml"
    free.write_text("\n".join(line for line in MANIFEST.splitlines() if "budget" not in line))
    monkeypatch.setenv("RUNWAY_BATCH_POLICY", str(path))
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_x")
    assert main(["run", str(free), "--yes", "--state", str(path.parent / "s.db")]) == 2
    assert "the policy requires a budget, and none is set" in capsys.readouterr().err
