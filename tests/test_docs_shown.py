"""What the docs print as code: manifests validate, and commands print what is shown."""

from __future__ import annotations

import random
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import runner
from runner.app.policy_file import load_policy
from runner.cli.main import main
from runner.emulator.scenario import load_scenario
from runner.errors import AccountError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.read import read_manifest
from runner.manifest.schema import shape_schema
from tests.docs_text import ROOT, Page, page, pages
from tests.plain_runway import PNG

#: of a manifest that is there to complete a fragment
_ANY_BODY = {"text_to_image": {"model": "gen4_image", "promptText": "x", "ratio": "1920:1080"}}
_ANY_JOB = {"id": "still", "takes": 2, **_ANY_BODY}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)


def lay_out(folder: Path, block: str = "") -> None:
    """What the manifests of the pages name: a table, pictures, and other files."""
    [table] = page("docs/how-to/make-jobs-from-a-table.md").blocks("csv")
    named = {f"plates/{name}" for name in re.findall(r"[\w-]+\.png", table)}
    files = dict.fromkeys(named | set(re.findall(r"plates/[\w-]+\.png", block)), PNG)
    files |= {"shots.csv": table.encode(), "prices.yaml": b"gen4_turbo: 4/s"}
    files["shared/looks.yaml"] = b"version: 1"
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def yaml_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f"{doc.name}-{number}")
        for doc in pages()
        for number, block in enumerate(doc.blocks("yaml"))
        if not block.startswith("# yaml-language-server")
    ]


def whole(block: str) -> str:
    """A manifest as it is; what shows some keys of a manifest or a job with all that it needs."""
    if block.startswith("version: 1"):
        return block
    shown = yaml.safe_load(block)
    if set(shown) <= set(shape_schema("manifest.schema.json")["properties"]):
        return yaml.safe_dump({"version": 1, "jobs": [_ANY_JOB], **shown})
    return yaml.safe_dump({"version": 1, "jobs": [_ANY_JOB, {"id": "x", **shown, **_ANY_BODY}]})


@pytest.mark.parametrize("block", yaml_blocks())
def test_a_yaml_block_is_what_it_looks_like(block, tmp_path):
    """A scenario or a policy is accepted, a manifest validates; a fragment of one, once whole."""
    file = tmp_path / "shown.yaml"
    file.write_text(block, encoding="utf-8")
    if block.startswith("faults:"):
        assert load_scenario(file, random.Random(0)).faults
        return
    if block.startswith("# policy.yaml"):
        assert load_policy(str(file)).sources
        return
    lay_out(tmp_path, block)
    file.write_text(whole(block), encoding="utf-8")
    _, expansion = read_manifest(file, load_catalog(), date="2026-10-23")
    assert expansion.specs
    if whole(block) == block:
        assert [each for each in expansion.warnings if not each.is_note] == []


def told(doc: Page, command: str) -> str:
    """What a page shows as the output of a command."""
    for block in doc.blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE):
            if part.startswith(command + "\n"):
                return part.removeprefix(command + "\n")
    raise AssertionError(f"{doc.name} does not show `{command}`")


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial/first-batch.md"])
def test_what_is_shown_without_a_run_is_what_is_printed(name, tmp_path, monkeypatch, capsys):
    doc = page(name)
    assert main(["init", "shoot"]) == 0
    captured = capsys.readouterr()
    assert captured.out + captured.err == told(doc, "runway-batch init shoot")
    monkeypatch.chdir(tmp_path / "shoot")
    for command in ("validate", "plan"):
        assert main([command, "manifest.yaml"]) == 0
        captured = capsys.readouterr()
        shown = told(doc, f"runway-batch {command} manifest.yaml")
        assert captured.out + captured.err == shown


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial/first-batch.md"])
def test_the_manifest_shown_is_the_one_that_init_writes(name, tmp_path):
    main(["init", "shoot", "--quiet"])
    written = yaml.safe_load((tmp_path / "shoot/manifest.yaml").read_text(encoding="utf-8"))
    shown = next(block for block in page(name).blocks("yaml") if "jobs:" in block)
    assert yaml.safe_load(shown) == written


def test_the_plan_in_the_page_on_budgets_is_what_is_printed(tmp_path, capsys):
    doc = page("docs/how-to/set-a-budget.md")
    (tmp_path / "capped.yaml").write_text(doc.blocks("yaml")[0], encoding="utf-8")
    assert main(["plan", "capped.yaml"]) == 0
    assert capsys.readouterr().out == told(doc, "runway-batch plan capped.yaml")
    assert main(["plan", "capped.yaml", "--gate"]) == 8


def test_the_page_on_tables_shows_what_is_printed(tmp_path, capsys):
    doc = page("docs/how-to/make-jobs-from-a-table.md")
    lay_out(tmp_path)
    over_table, *_ = doc.blocks("yaml")
    (tmp_path / "spreadsheet.yaml").write_text(over_table, encoding="utf-8")
    shown = told(doc, "runway-batch validate spreadsheet.yaml")
    assert main(["validate", "spreadsheet.yaml"]) == 0
    captured = capsys.readouterr()
    assert captured.err + captured.out == shown
    [plan] = [line for line in doc.text.splitlines() if line.startswith("$ runway-batch plan ")]
    assert main(shlex.split(plan)[2:]) == 0
    assert "to make   2 of 2 jobs" in capsys.readouterr().out
    assert main(["init", "--from", "shots.csv"]) == 0
    assert main(["validate", "shots.runway.yaml"]) == 0


def test_the_page_on_tables_shows_how_a_mistake_is_told(tmp_path, capsys):
    doc = page("docs/how-to/make-jobs-from-a-table.md")
    lay_out(tmp_path)
    over_table, *_ = doc.blocks("yaml")
    (tmp_path / "typo.yaml").write_text(over_table, encoding="utf-8")
    table = (tmp_path / "shots.csv").read_text(encoding="utf-8").replace("drift,10", "drift,50")
    (tmp_path / "shots.csv").write_text(table, encoding="utf-8")
    assert main(["validate", "typo.yaml"]) == 2
    assert capsys.readouterr().err == told(doc, "runway-batch validate typo.yaml")


def test_the_library_example_runs_up_to_the_key_it_asks_for(tmp_path, capsys):
    doc = page("README.md")
    manifest = next(block for block in doc.blocks("yaml") if block.startswith("version: 1"))
    (tmp_path / "manifest.yaml").write_text(manifest, encoding="utf-8")
    [example] = doc.blocks("python")
    with pytest.raises(AccountError, match="no API key"):
        exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own example
    assert capsys.readouterr().out == "3 jobs, 41 credits at worst\n"


def test_the_readme_counts_the_examples():
    [count] = re.findall(r"\[(\d+) examples\]\(manifests\)", page("README.md").text)
    assert int(count) == len(list((ROOT / "manifests").glob("*.yaml")))


def test_the_readme_lists_the_public_names():
    text = page("README.md").text
    assert [name for name in runner.__all__ if f"`{name}`" not in text] == []
