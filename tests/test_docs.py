"""The docs tell the truth: every list in them is held against the code."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import pytest

import runner
from runner import errors, settings
from runner.cli.event_text import _APART, event_name
from runner.cli.main import COMMANDS, group
from runner.core.deciding import Case, Elsewhere, decide
from runner.core.events import Event, Resolved, Verdict
from runner.core.job import JobStatus
from runner.core.lifecycle import RESOLVED, TRANSITIONS
from runner.core.outcome import EXIT_ORDER
from runner.core.plan import WORDS
from runner.core.policy import FAILURE_CODES, Retry
from runner.errors import RunnerError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.filters import FILTERS
from runner.manifest.schema import shape_schema
from runner.runway.answers import CREATE_REFUSALS
from tests.docs_text import ROOT, Page, page, pages

EACH_PAGE = pytest.mark.parametrize("doc", pages(), ids=lambda doc: doc.name)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("RUNWAY"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


# commands


def commands() -> dict[str, list[click.Command]]:
    """Each command with its subcommands."""
    found = {}
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        inner = list(command.commands.values()) if isinstance(command, click.Group) else []
        found[name] = [command, *inner]
    return found


def flags(command: click.Command) -> set[str]:
    options = (param for param in command.params if isinstance(param, click.Option))
    return {flag for option in options for flag in option.opts if flag.startswith("--")}


def test_every_command_has_a_page_and_every_page_a_command():
    names = {path.stem for path in (ROOT / "docs/reference/cli").glob("*.md")}
    assert names == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_names_every_flag_of_it(name):
    text = page(f"docs/reference/cli/{name}.md").text
    options = {param for command in commands()[name] for param in command.params}
    missing = [
        option.opts
        for option in options
        if isinstance(option, click.Option)
        and not flags(group).intersection(option.opts)
        and not any(re.search(rf"(?<![\w-]){flag}(?![\w-])", text) for flag in option.opts)
    ]
    assert missing == []


@EACH_PAGE
def test_docs_name_only_commands_and_flags_that_exist(doc):
    # output of the command starts no line with `$`
    lines = [line for block in doc.blocks("console") for line in block.splitlines()]
    code = [*doc.spans(), *(line for line in lines if line.startswith("$ "))]
    told = {word for text in code for word in re.findall(r"runway-batch ([a-z]+)\b", text)}
    assert told <= set(COMMANDS)
    known = {"--help", "--version"}
    known |= set().union(*(flags(c) for each in commands().values() for c in each), flags(group))
    foreign = ("sqlite3", "curl", "pip", "git")  # other programs' own flags
    used = {
        flag
        for text in code
        if not text.removeprefix("$ ").startswith(foreign)
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)
    }
    assert used <= known


# exit codes


def test_exit_codes_are_those_of_the_code():
    doc = page("docs/reference/exit-codes.md")
    listed = [int(row[0]) for row in doc.table("code", "meaning", "what to do")]
    assert listed == sorted({0, *EXIT_ORDER})
    order = ", ".join(map(str, EXIT_ORDER))
    assert f"the first of {order}" in doc.text


def test_every_error_has_a_documented_exit_code():
    def below(kind: type[RunnerError]) -> Iterator[type[RunnerError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    rows = page("docs/reference/exit-codes.md").table("code", "meaning", "what to do")
    assert {kind.exit_code for kind in below(RunnerError)} <= {int(row[0]) for row in rows}


def test_the_tree_of_errors_names_every_error_with_its_exit_code():
    drawn = dict(re.findall(r"(\w+) {2,}.*?(?:exit (\d+))?$", errors.__doc__ or "", re.MULTILINE))
    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, (RunnerError, AssertionError))
    }
    assert set(drawn) == set(kinds)
    for name, code in drawn.items():
        assert not code or kinds[name].exit_code == int(code), name


# events and statuses


def test_every_event_is_documented_with_its_names_and_fields():
    rows = page("docs/reference/events.md").table(
        "in the state file", "with --json", "fields", "meaning"
    )
    documented = {name: (shown, fields) for name, shown, fields, _ in rows}
    actual = {}
    for kind in get_args(Event):
        fields = [f.name for f in dataclasses.fields(kind) if f.name not in _APART]
        shown = event_name(object.__new__(kind))
        actual[kind.__name__] = (shown, ", ".join(fields))
    assert documented == actual


def test_every_verdict_is_named_where_events_are():
    meaning = page("docs/reference/events.md").text
    assert all(f"`{verdict}`" in meaning for verdict in Verdict)


def test_every_status_is_documented():
    rows = page("docs/concepts/lifecycle.md").table("status", "meaning")
    assert [status for status, _ in rows] == [status.value for status in JobStatus]


def test_the_page_on_the_lifecycle_is_the_table_of_the_code():
    rows = page("docs/concepts/lifecycle.md").table("status", "event", "becomes")
    table = [
        (
            status.value,
            event.__name__,
            "by its verdict, see below" if event.__name__ == "Resolved" else after.value,
        )
        for (status, event), after in TRANSITIONS.items()
    ]
    assert rows == table


def test_the_diagram_of_the_lifecycle_is_every_move_that_changes_a_status():
    diagram = page("docs/concepts/lifecycle.md").text.split("```")[1]
    drawn = set(re.findall(r"(?=\b([a-z_]+) ─(\w+)▶ ([a-z_]+))", diagram))
    after = ""
    for line in diagram.splitlines():
        if aside := re.fullmatch(r"(?:▶ (\w+))? +(\w+) +from ([\w, ]+)", line):
            after = aside[1] or after
            drawn |= {(before, aside[2], after) for before in aside[3].split(", ")}
    moves = {
        (before.value, event.__name__, after.value)
        for (before, event), after in TRANSITIONS.items()
        if before is not after and event is not Resolved
    }
    assert drawn == moves


def test_verdicts_lead_where_the_page_says():
    rows = page("docs/concepts/lifecycle.md").table(
        "verdict", "runway-batch resolve JOB …", "becomes"
    )
    assert {(row[0], row[2]) for row in rows} == {
        (verdict.value, status.value) for verdict, status in RESOLVED.items()
    }


# identity


def test_what_becomes_of_a_job_is_what_is_decided():
    rows = page("docs/concepts/identity.md").table("in the state file", "same key", "other key")
    told = {status: words for names, *words in rows for status in names.split(", ")}
    cases = {
        status.value: [
            decide(Case(wanted=True, status=status, same_key=same_key, same_spec=same_key))
            for same_key in (True, False)
        ]
        for status in JobStatus
    }
    assert told == {status: [*map(WORDS.get, actions)] for status, actions in cases.items()}


def test_what_becomes_of_a_new_job_goes_by_who_has_its_content():
    rows = page("docs/concepts/identity.md").table("who has the content", "the job is")
    order = [Elsewhere.NOWHERE, Elsewhere.DUPLICATE, Elsewhere.RESULT, Elsewhere.UNDER_WAY]
    decided = [decide(Case(wanted=True, elsewhere=elsewhere)) for elsewhere in order]
    assert [word for _, word in rows] == [WORDS[action] for action in decided]


# money


def test_the_answers_that_are_refusals_are_those_of_the_code():
    rows = page("docs/concepts/money-and-promises.md").table("answer to a create", "taken as")
    assert [int(code) for code in rows[0][0].split(", ")] == sorted(CREATE_REFUSALS)


def test_the_failures_that_are_tried_again_are_those_of_the_code():
    rows = page("docs/concepts/money-and-promises.md").table("failure code", "new attempts")
    words = {"never": Retry.NEVER, "once": Retry.ONCE}
    told = {
        code.removesuffix(".*"): words.get(what, Retry.YES)
        for codes, what in rows
        for code in codes.split(", ")
        if code[:1].isupper()
    }
    assert told == dict(FAILURE_CODES)


# environment and manifest


def test_every_variable_is_documented_with_its_flag():
    doc = page("docs/reference/environment.md")
    rows = doc.table("variable", "flag", "meaning")
    assert [row[0] for row in rows] == [settings.PREFIX + name for name in settings.VARIABLES]
    known = set().union(flags(group), *(flags(c) for each in commands().values() for c in each))
    for variable, flag, _ in rows:
        named = set(re.findall(r"--[a-z-]+", flag))
        assert named == {f"--{variable.removeprefix(settings.PREFIX).lower().replace('_', '-')}"}
        assert named <= known


def test_every_variable_of_the_key_and_the_base_url_is_documented_in_order():
    doc = page("docs/reference/environment.md")
    assert {*settings.BASE_URL_VARIABLES, settings.POLICY_VARIABLE} <= set(doc.spans())
    keys = [*settings.KEY_VARIABLES, *(f"{name}_FILE" for name in settings.KEY_VARIABLES)]
    assert re.findall(r"^\d\. .*`(\w+)`", doc.text, re.MULTILINE) == keys


def keys_of(schema: Any) -> Iterator[str]:
    """Every property name anywhere in a JSON Schema."""
    if isinstance(schema, list):
        for item in schema:
            yield from keys_of(item)
    elif isinstance(schema, dict):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for value in schema.values():
            yield from keys_of(value)


def test_every_key_of_a_manifest_is_documented():
    keys = set(keys_of(shape_schema("manifest.schema.json"))) - set(load_catalog().endpoints)
    assert {"version", "budget", "per_job", "queue_ahead", "takes", "max_credits"} <= keys
    code = " ".join(page("docs/reference/manifest.md").spans())
    assert {key for key in keys if not re.search(rf"\b{re.escape(key)}\b", code)} == set()


def test_every_filter_of_a_template_is_documented():
    code = " ".join(page("docs/reference/manifest.md").spans())
    assert {name for name in FILTERS if not re.search(rf"\b{name}\b", code)} == set()


# links, paths and length


@EACH_PAGE
def test_every_link_leads_somewhere(doc):
    for link in doc.links():
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (doc.path.parent / name).resolve() if name else doc.path
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in Page(target).anchors(), link


@EACH_PAGE
def test_files_and_tests_named_in_docs_exist(doc):
    for span in doc.spans():
        if re.fullmatch(r"(runner|tests|schemas|manifests|docs)/[\w./-]+", span):
            assert (ROOT / span).exists(), span
        if re.fullmatch(r"test_\w+", span):
            sources = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
            assert any(f"def {span}(" in source for source in sources), span


def test_the_modules_that_the_architecture_names_exist():
    _, *parts = re.split(r"\*\*`(runner/\w+)/`\*\*", page("docs/concepts/architecture.md").text)
    named = {
        f"{folder}/{name}"
        for folder, text in zip(parts[::2], parts[1::2], strict=True)
        for name in re.findall(r"`([a-z]\w+)`", text.partition("\n\n")[0])
    }
    assert len(named) > 50
    named.remove("runner/media/media")  # the extra of that name
    missing = {
        name for name in named if not (ROOT / name).is_dir() and not (ROOT / f"{name}.py").is_file()
    }
    assert missing == set()


@EACH_PAGE
def test_docs_hold_no_path_of_a_machine(doc):
    text = re.sub(r"https?://\S+", "", doc.text)
    assert (
        re.findall(r"(?<![\w.])/(?:root|home|tmp|work|opt|Users|var)/\S*|[A-Z]:\\\S*", text) == []
    )


def test_every_page_of_the_docs_is_linked_from_the_readme_or_from_another_page():
    linked = {
        (doc.path.parent / link.partition("#")[0]).resolve()
        for doc in pages()
        for link in doc.links()
    }
    folders = {path for path in linked if path.is_dir()}
    lost = [
        doc.name
        for doc in pages()
        if doc.path not in linked and doc.path.parent not in folders and doc.name != "README.md"
    ]
    assert lost == []


def test_the_readme_stays_short():
    assert len(page("README.md").text.splitlines()) < 200


def test_the_changelog_has_the_version_of_the_package():
    assert f"## [{runner.__version__}]" in page("CHANGELOG.md").text


@pytest.mark.parametrize(
    "entry", re.findall(r"^- (.+(?:\n  .+)*)", page("CHANGELOG.md").text, re.M)
)
def test_an_entry_of_the_changelog_is_one_sentence_of_readable_length(entry):
    words = entry.split()
    assert len(words) <= 35, len(words)
    assert entry.endswith(".")
    assert not re.search(r"\. [A-Z]", entry)


def test_pages_are_read_as_they_are_meant():
    """The reader of the other tests, on a page of its own."""
    folder = Path.cwd()
    (folder / "x.md").write_text(
        "# A `b` c!\n\n| `k` | v |\n|---|---|\n| `one` | 1 |\n\n"
        "```yaml\nversion: 1\n```\n[l](y.md#z)\n"
    )
    doc = Page(folder / "x.md")
    assert doc.table("k", "v") == [("one", "1")]
    assert doc.blocks("yaml") == ["version: 1\n"]
    assert doc.links() == ["y.md#z"]
    assert doc.anchors() == {"a-b-c"}
    assert "version" not in doc.prose
