"""A table and settings instead of a manifest: the same jobs as the YAML that says the same."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from runner.app.manifests import glance, names_manifest, open_manifest
from runner.core.spec import JobSpec
from runner.errors import ManifestError, Problem, UsageError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.direct import direct_manifest, is_table
from runner.manifest.expand import expand
from runner.manifest.inputs import LocalInputs
from runner.manifest.load import manifest_from
from runner.manifest.model import Manifest
from runner.manifest.nowhere import told_document
from runner.manifest.places import walk
from runner.manifest.rows.table import RowSource

CATALOG = load_catalog()
ROWS = "id,promptText,duration\na,A wave,4\nb,A hill,6\n"
WORDS = {"endpoint": "text_to_video", "model": "veo3.1", "ratio": "1280:720"}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shots.csv").write_text(ROWS, encoding="utf-8")


def expanded(manifest: Manifest, stdin: bytes = b"") -> tuple[JobSpec, ...]:
    inputs = LocalInputs(Path(), stdin=io.BytesIO(stdin))
    found = expand(manifest, CATALOG, inputs, date="2026-10-23")
    assert found.problems == ()
    return found.specs


def problems(settings: dict[str, str], path: str = "shots.csv") -> tuple[Problem, ...]:
    inputs = LocalInputs(Path())
    return expand(direct_manifest(Path(path), settings, CATALOG), CATALOG, inputs).problems


def what(specs: tuple[JobSpec, ...]) -> list[Any]:
    return [
        (s.id, s.key, s.endpoint, s.body, s.take, s.tags, s.priority, s.max_credits, s.output)
        for s in specs
    ]


def test_jobs_are_those_of_the_manifest_that_says_the_same() -> None:
    settings = WORDS | {
        "takes": "2", "tags": "hero, q4", "priority": "3", "max_credits": "$5",
        "output": "x/${{ job }}.${{ ext }}", "key": "promptText", "where": "row.duration == '4'",
        "audio": "no", "seed": "7",
    }  # fmt: skip
    manifest = """
version: 1
name: shots
jobs:
  - id: shots
    foreach: {csv: shots.csv, key: promptText, where: "row.duration == '4'"}
    takes: 2
    tags: [hero, q4]
    priority: 3
    max_credits: $5
    output: x/${{ job }}.${{ ext }}
    text_to_video: {model: veo3.1, ratio: "1280:720", audio: false, seed: 7}
"""
    written = manifest_from(manifest.encode(), CATALOG, file="other.yaml")
    direct = direct_manifest(Path("shots.csv"), settings, CATALOG)
    assert what(expanded(direct)) == what(expanded(written))
    assert len(expanded(direct)) == 2
    assert direct.name == "shots"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("shots.csv", ROWS),
        ("shots.tsv", ROWS.replace(",", "\t")),
        ("shots.jsonl", '{"id": "a", "promptText": "A wave", "duration": 4}\n'
                        '{"id": "b", "promptText": "A hill", "duration": 6}\n'),
    ],
)  # fmt: skip
def test_every_kind_of_table_has_the_same_rows(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")
    specs = expanded(direct_manifest(Path(name), WORDS, CATALOG))
    assert [spec.id for spec in specs] == ["shots-a", "shots-b"]
    assert [spec.body["duration"] for spec in specs] == [4, 6]


def test_rows_may_come_from_the_standard_input() -> None:
    specs = expanded(direct_manifest(None, WORDS, CATALOG), ROWS.encode())
    assert [spec.id for spec in specs] == ["stdin-a", "stdin-b"]
    line = b'{"id": "c", "promptText": "x", "duration": 8}\n'
    specs = expanded(direct_manifest(None, WORDS, CATALOG, kind="jsonl"), line)
    assert specs[0].body["duration"] == 8


def test_the_standard_input_is_read_once_and_its_rows_as_often_as_needed() -> None:
    inputs = LocalInputs(Path(), stdin=io.BytesIO(ROWS.encode()))
    source = RowSource(kind="csv", path="-")
    assert [len(list(inputs.rows(source))) for _ in range(3)] == [2, 2, 2]


def test_templates_and_a_column_of_endpoints() -> None:
    Path("mixed.csv").write_text(
        "id,what,promptText,model\n"
        "a,text_to_image,A wave,gen4_image\nb,text_to_video,A hill,veo3.1\n",
        encoding="utf-8",
    )
    settings = {"endpoint": "${{ row.what }}", "ratio": "${{ '1280:720' }}"}
    specs = expanded(direct_manifest(Path("mixed.csv"), settings, CATALOG))
    assert [(spec.endpoint, spec.model) for spec in specs] == [
        ("text_to_image", "gen4_image"), ("text_to_video", "veo3.1"),
    ]  # fmt: skip


# Which endpoint


def test_a_model_that_has_one_endpoint_needs_no_endpoint() -> None:
    settings = {"model": "gen4_image", "ratio": "1920:1080", "promptText": "x"}
    manifest = direct_manifest(Path("shots.csv"), settings, CATALOG)
    assert manifest.jobs[0].endpoint == "text_to_image"


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        (
            {"model": "veo3.1"},
            "`veo3.1` is at `image_to_video` and `text_to_video`",
            "add `--set endpoint=image_to_video` or `--set endpoint=text_to_video`",
        ),
        ({"model": "veo3.11"}, "no such model: veo3.11", "did you mean `veo3.1`?"),
        ({"model": "zzz"}, "no such model: zzz", "`runway-batch models` lists them"),
        ({"endpoint": "text_to_vidoe"}, "no such endpoint", "did you mean `text_to_video`?"),
        ({"duration": "5"}, "nothing says what to make", "add `--set model=MODEL`"),
        (WORDS | {"duraton": "5"}, "`--set duraton=…`", "did you mean `--set duration=…`?"),
        (WORDS | {"zzzzz": "5"}, "`--set zzzzz=…`", "known here: model,"),
        (WORDS | {"seed": "five"}, "`--set seed=five`: the value must be a whole number", ""),
        (WORDS | {"contentModeration": "{"}, "`--set contentModeration=…`", ""),
    ],
)
def test_what_cannot_be_set_is_told_with_a_way_out(
    settings: dict[str, str], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        direct_manifest(Path("shots.csv"), settings, CATALOG)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


def test_lists_and_mappings_are_json() -> None:
    settings = {
        "model": "gen4_image", "ratio": "1920:1080",
        "referenceImages": '[{"uri": "https://example.com/a.png", "tag": "a"}]',
    }  # fmt: skip
    body = direct_manifest(Path("shots.csv"), settings, CATALOG).jobs[0].body
    assert body["referenceImages"][0]["tag"] == "a"


def test_a_model_that_nobody_knows_may_be_asked_for() -> None:
    settings = {
        "endpoint": "text_to_video", "model": "veo9", "anything": "x",
        "unchecked": "true", "max_credits": "5",
    }  # fmt: skip
    manifest = direct_manifest(Path("shots.csv"), settings, CATALOG)
    assert manifest.jobs[0].body == {"model": "veo9", "anything": "x"}
    assert manifest.jobs[0].keys["unchecked"] is True


# What is said of mistakes


def test_a_problem_names_the_table_and_the_setting() -> None:
    [problem] = problems(WORDS | {"ratio": "1280:721"})
    assert (problem.where, problem.path) == ("shots.csv", "--set ratio")
    assert problem.rows == ("shots.csv:2", "shots.csv:3")
    assert problem.count == 2


def test_a_wrong_shape_names_the_setting() -> None:
    with pytest.raises(ManifestError) as caught:
        direct_manifest(Path("shots.csv"), WORDS | {"takes": "many"}, CATALOG)
    [problem] = caught.value.problems
    assert (problem.path, problem.line) == ("--set takes", 0)


def test_a_row_without_a_name_asks_for_a_setting_not_for_yaml() -> None:
    Path("names.csv").write_text("name,promptText\nx,y\n", encoding="utf-8")
    [problem] = problems(WORDS | {"duration": "4"}, "names.csv")
    assert problem.message == "which column names a row?"
    assert "`--set key=COLUMN`" in problem.hint


def test_a_value_of_a_column_names_its_row_only() -> None:
    Path("shots.csv").write_text("id,promptText,duration\na,A wave,5\n", encoding="utf-8")
    [problem] = problems(WORDS)
    assert (problem.path, problem.rows) == ("", ("shots.csv:2",))


def test_a_document_without_places_answers_every_question() -> None:
    value = {"a": [1, {"b": None}], "c": "x"}
    document = told_document(value, file="f", say=lambda path: "/".join(map(str, path)))
    assert document.value == value
    assert document.place(("a", 1, "b"), key=True) == document.place(("nowhere",))
    assert document.place(("a",)).line == 0
    assert document.depth(("a", 1, "b", "c")) == 3
    assert {path for path, _ in walk(document.root)} == {
        (), ("a",), ("a", 0), ("a", 1), ("a", 1, "b"), ("c",),
    }  # fmt: skip
    assert document.problem(("a", 0), "m", "add `key: x`").path == "a/0"
    assert document.problem((), "m", "add `key: x`, or not").hint == "add `--set key=x`, or not"


# Files of both kinds


def test_a_table_is_known_by_its_name() -> None:
    assert all(is_table(Path(name)) for name in ("a.csv", "x/B.TSV", "a.jsonl", "a.xlsx", "-"))
    assert not any(is_table(Path(name)) for name in ("a.yaml", "a", "a.json", "x-y", "*.csv"))
    assert names_manifest(Path("a.YML"))
    assert not names_manifest(Path("batch-name"))


def test_settings_belong_to_tables() -> None:
    Path("m.yaml").write_text("version: 1\njobs: [{id: a, text_to_video: {}}]\n")
    assert open_manifest(Path("m.yaml"), {}, CATALOG).name == "m"
    with pytest.raises(UsageError, match="belongs to a table"):
        open_manifest(Path("m.yaml"), {"model": "x"}, CATALOG)


def test_at_a_glance_a_table_is_a_batch_of_its_name() -> None:
    assert glance(Path("x/shots list.csv"), CATALOG).name == "shots-list"
    assert glance(Path("-"), CATALOG).name == "stdin"
    assert glance(Path("shots.csv"), CATALOG).output.dir == "outputs"


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stdin", [None, Terminal()])
def test_nothing_piped_in_is_a_usage_error(stdin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(UsageError, match="standard input"):
        open_manifest(Path("-"), WORDS, CATALOG)


@pytest.mark.parametrize(
    ("data", "kind"), [(b'\xef\xbb\xbf {"id": 1}', "jsonl"), (ROWS.encode(), "csv"), (b"", "csv")]
)
def test_the_kind_of_what_is_piped_in_is_found_out(
    data: bytes, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw: Any = io.BytesIO(data)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(raw)))
    manifest = open_manifest(Path("-"), WORDS, CATALOG)
    foreach = manifest.jobs[0].foreach
    assert foreach is not None
    assert foreach.rows == RowSource(kind=kind, path="-")


# Values that are mappings


SPEECH = {"model": "eleven_multilingual_v2", "promptText": "x"}


@pytest.mark.parametrize(
    "words",
    [
        {"voice": '{"type": "runway-preset", "presetId": "${{ row.voice }}"}'},
        {"voice.type": "runway-preset", "voice.presetId": "${{ row.voice }}"},
    ],
)
def test_a_mapping_is_json_or_said_part_by_part(words: dict[str, str]) -> None:
    Path("lines.csv").write_text("id,voice\na,Maya\nb,Arjun\n", encoding="utf-8")
    specs = expanded(direct_manifest(Path("lines.csv"), SPEECH | words, CATALOG))
    assert [spec.body["voice"] for spec in specs] == [
        {"type": "runway-preset", "presetId": name} for name in ("Maya", "Arjun")
    ]


def test_a_part_is_read_as_its_field_wants_it() -> None:
    settings = SPEECH | {"voice.type": "runway-preset", "voice.presetId": "Nobody"}
    [problem] = problems(settings)
    assert "`voice.presetId` must be one of" in problem.message
    assert problem.path == "--set voice.presetId"
    settings = SPEECH | {"voice": '{"type": "runway-preset"', "takes": "2"}
    with pytest.raises(UsageError) as caught:
        direct_manifest(Path("shots.csv"), settings, CATALOG)
    assert caught.value.message.startswith("`--set voice=")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ({"vioce.presetId": "Maya"}, "`--set vioce.presetId=…`", "`--set voice.presetId=…`?"),
        ({"voice.presetid": "Maya"}, "`--set voice.presetid=…`", "`--set voice.presetId=…`?"),
        (
            {"voice": '{"presetId": "x"}', "voice.presetId": "Maya"},
            "`--set voice.presetId=…` says what another", "as a whole or part by part",
        ),
        ({"promptText.x": "Maya"}, "`--set promptText.x=…`", ""),
    ],
)  # fmt: skip
def test_a_part_that_there_is_not_is_told(words: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        direct_manifest(Path("shots.csv"), SPEECH | words, CATALOG)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint


def test_columns_need_not_fill_the_request() -> None:
    settings = WORDS | {"fill": "false", "promptText": "y", "duration": "8"}
    specs = expanded(direct_manifest(Path("shots.csv"), settings, CATALOG))
    assert [spec.body["promptText"] for spec in specs] == ["y", "y"]


# Files are no table


@pytest.mark.parametrize("name", ["plates", "plates/", "plates/*.png"])
def test_a_folder_of_files_wants_a_manifest(name: str) -> None:
    Path("plates").mkdir()
    for sets in ({}, {"model": "gen4_turbo"}):
        with pytest.raises(UsageError) as caught:
            open_manifest(Path(name), sets, CATALOG)
        assert "is a manifest" not in caught.value.message
        assert "write a manifest over them: runway-batch init --from" in caught.value.hint
