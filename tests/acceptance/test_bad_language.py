"""Bad tables, matrices, ids and file names: one clear message with its place, and no create."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.processes import LIMIT_S, Ended, emulator, environment, run_command

#: calls the command once for each of many lists of arguments, and tells how each ended
MANY = (
    "import json, sys\n"
    "from runner.cli.main import main\n"
    "ended = [main(arguments) for arguments in json.load(sys.stdin)]\n"
    "print(json.dumps(ended))"
)
HEAD = "version: 1\nbudget: 100\njobs:\n"
STILL = "  text_to_image: {model: gen4_image, ratio: '1920:1080', promptText: %s}\n"
X = STILL % "x"
ROWS = "shot,promptText\nsh010,a quay\nsh020,a hill\n"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A manifest that cannot be used, and what is said of it."""

    jobs: str
    place: str  # line and column in the manifest, whose jobs begin in line 4
    message: str
    row: str = ""
    hint: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=dict)


def over(
    table: str | bytes, *, name: str = "shots.csv", keys: str = "key: shot", **told: str
) -> Case:
    """A template that goes through a table."""
    kind = name.rpartition(".")[2]
    jobs = told.pop("jobs", f"- id: shot\n  foreach: {{{kind}: {name}, {keys}}}\n{X}")
    return Case(jobs=jobs, files={name: table}, **{"place": "5:12", **told})


CASES = {
    "a row with too many cells": over(
        ROWS + "sh030,a lamp, a door\n", message="the row has 3 cells, the header 2",
        row="shots.csv:4", hint="put a cell that holds `,` in quotes",
    ),
    "a row with too few cells": over(
        ROWS + "sh030\n", message="the row has 1 cell, the header 2", row="shots.csv:4",
        hint="write `,` for each empty cell too",
    ),
    "a quote that is never closed": over(
        ROWS + 'sh030,"a lamp\n', message="quote", row="shots.csv:4",
    ),
    "a table in Latin-1": over(
        ROWS.encode() + b"sh030,caf\xe9\n", message="is not UTF-8", row="shots.csv:4", hint="UTF-8",
    ),
    "a table in UTF-16 without a mark": over(
        ROWS.encode("utf-16-le"), message="`shots.csv` has a null character",
        hint="UTF-8", row="shots.csv:1",
    ),
    "a table with a null byte": over(ROWS + "sh030,a\0b\n", message="null", row="shots.csv:4"),
    "a table with nothing in it": over("", message="`shots.csv` is empty"),
    "two columns of one name": over(
        "shot,note,note\na,b,c\n", message="`note`", row="shots.csv:1",
    ),
    "a table that is not there": Case(
        jobs=f"- id: shot\n  foreach: {{csv: shot.csv, key: shot}}\n{X}", place="5:12",
        message="`shot.csv` does not exist", hint="did you mean `shots.csv`?",
        files={"shots.csv": ROWS},
    ),
    "a table outside of the folder": Case(
        jobs=f"- id: shot\n  foreach: ../shots.csv\n{X}", place="5:12",
        message="`../shots.csv` lies outside the manifest's folder", hint="inputs: {allow:",
    ),
    "a key that is no column": over(
        ROWS, keys="key: shto", message="there is no column `shto`", hint="did you mean `shot`?",
        row="shots.csv:2", place="5:34",
    ),
    "a row without a key": over(
        ROWS + ",a lamp\n", message="the row has nothing in `shot`, which names it",
        row="shots.csv:4", place="5:34",
    ),
    "a table that no column names the rows of": over(
        ROWS, keys="where: 'true'", message="which column names a row?", row="shots.csv:2",
        hint="add `key: COLUMN`",
    ),
    "an expression with a column that is not there": over(
        ROWS, jobs="- id: shot\n  foreach: {csv: shots.csv, key: shot}\n"
        + STILL % "'${{ row.promtText }}'", message="`promtText` is not known here",
        hint="did you mean `promptText`?", row="shots.csv:2", place="6:70",
    ),
    "a condition with a column that is not there": over(
        ROWS, keys="key: shot, where: row.stat == 'go'", message="`stat` is not known here",
        row="shots.csv:2", place="5:47",
    ),
    "a cell that its field cannot take": over(
        "shot,seed\nsh010,7\nsh020,many\n", message="the cell of column `seed`",
        row="shots.csv:3", place="6:18",
    ),
    "a number that is none": over(
        "shot,n\nsh010,2\nsh020,two\n", row="shots.csv:3", place="6:10",
        message="`takes` is a whole",
        jobs="- id: shot\n  foreach: {csv: shots.csv, key: shot}\n  takes: ${{ row.n }}\n" + X,
    ),
    "a file of a row that is not there": over(
        "shot,promptImage\nsh010,plates/a.png\n", row="shots.csv:2", place="6:19",
        message="`plates/a.png` does not exist",
        jobs="- id: shot\n  foreach: {csv: shots.csv, key: shot}\n"
        "  image_to_video: {model: gen4_turbo, ratio: '1280:720', duration: 5}\n",
    ),
    "a line that is no JSON": over(
        '{"shot": "a"}\n{"shot": b}\n', name="shots.jsonl", message="the line is not JSON",
        row="shots.jsonl:2",
    ),
    "a workbook that is none": over(
        b"PK\3\4 nothing", name="shots.xlsx", message="`shots.xlsx`",
    ),
    "two rows with one key": over(
        ROWS + "sh010,a lamp\n", message="the job id `shot-sh010` is taken", row="shots.csv:4",
        place="4:7", hint="ids are unique",
    ),
    "keys that differ in case": over(
        ROWS + "SH010,a lamp\n", message="the job id `shot-SH010` is taken by `shot-sh010`",
        row="shots.csv:4", place="4:7",
    ),
    "keys that differ in their Unicode form": over(
        "shot\ncaf\u00e9\ncafe\u0301\n", message="is taken by `shot-caf\u00e9`", row="shots.csv:3",
        place="4:7", hint="Unicode form",
    ),
    "two templates with one id": Case(
        jobs=f"- id: a\n{X}- id: A\n{X}", place="6:7", message="the job id `A` is taken by `a`",
    ),
    "an id that Windows takes for a device": Case(
        jobs=f"- id: con\n{X}", place="4:7", message="`con` cannot be a file name everywhere",
    ),
    "a device among the rows": over(
        "shot\nsh010\nnul\n", message="`nul` cannot be a file name everywhere", row="shots.csv:3",
        jobs="- id: ${{ row.shot }}\n  foreach: {csv: shots.csv, key: shot}\n" + X, place="4:7",
    ),
    "an id that ends with a point": Case(
        jobs=f"- id: shot.\n{X}", place="4:7", message="`shot.` cannot be a file name everywhere",
    ),
    "an id with a character of paths": Case(
        jobs=f"- id: a/b\n{X}", place="4:7", message="`a/b` cannot be an id",
    ),
    "an axis without a value": Case(
        jobs=f"- id: a\n  matrix: {{style: []}}\n{X}", place="5:19", message="expected a list",
    ),
    "an axis from an empty variable": Case(
        jobs=f"- id: a\n  matrix: {{style: '${{{{ vars.none }}}}'}}\n{X}vars: {{none: []}}\n",
        place="5:19", message="`style` is no list of values",
    ),
    "a matrix of which nothing is left": Case(
        jobs=f"- id: a\n  matrix: {{n: [1], exclude: [{{n: 1}}]}}\n{X}", place="5:11",
        message="the matrix has no cell",
    ),
    "axes in step of different lengths": Case(
        jobs=f"- id: a\n  matrix: {{zip: {{n: [1, 2], m: [1]}}}}\n{X}", place="5:17",
        message="`n` has 2, `m` has 1",
    ),
    "an axis that is not there": Case(
        jobs=f"- id: a\n  matrix: {{style: [x], exclude: [{{stile: x}}]}}\n{X}", place="5:42",
        message="the matrix has no axis `stile`", hint="did you mean `style`?",
    ),
    "jobs that wait for each other": Case(
        jobs=f"- id: a\n  needs: [b]\n{X}- id: b\n  needs: [a]\n{X}", place="4:3",
        message="jobs wait for each other: `a` → `b` → `a`",
    ),
    "rows that wait for each other": over(
        "shot,after\na,b\nb,a\n", message="`shot-a` → `shot-b` → `shot-a`", row="shots.csv:2",
        jobs="- id: shot\n  foreach: {csv: shots.csv, key: shot}\n"
        "  needs: ['shot-${{ row.after }}']\n" + X, place="4:3",
    ),
    "a need that nobody meets": Case(
        jobs=f"- id: still\n{X}- id: b\n  needs: [stil]\n{X}", place="7:11",
        message="there is no job `stil`", hint="did you mean `still`?",
    ),
    "a template that goes through nothing": Case(
        jobs=f"- id: still\n{X}- id: b\n  foreach: {{jobs: stil}}\n{X}", place="7:19",
        message="there is no template `stil`", hint="did you mean `still`?",
    ),
    "a template that goes through itself": Case(
        jobs=f"- id: a\n  foreach: {{jobs: a}}\n{X}", place="5:19",
        message="`a` goes through its own jobs",
    ),
    "a pattern that matches nothing": Case(
        jobs=f"- id: a\n  foreach: plates/*.png\n{X}", place="5:12", message="`plates/*.png`",
        files={"plates/a.jpg": "x"},
    ),
    "two jobs that write one file": Case(
        jobs=f"- id: a\n  output: x.${{{{ ext }}}}\n{X}- id: b\n  output: X.${{{{ ext }}}}\n{X}",
        place="8:11", message="`a` and `b` would write the same file: `X.{ext}`",
    ),
    "rows that write one file": over(
        ROWS, message="and `shot-sh020` would write the same file", row="shots.csv:3",
        jobs="- id: shot\n  foreach: {csv: shots.csv, key: shot}\n  output: x.${{ ext }}\n" + X,
        place="6:11", hint="${{ job }}",
    ),
    "a row that leads out of the folder": over(
        "shot,to\nsh010,../../x\n", message="the name would leave `output.dir`", row="shots.csv:2",
        jobs="- id: shot\n  foreach: {csv: shots.csv, key: shot}\n"
        "  output: '${{ row.to }}.${{ ext }}'\n" + X, place="6:11",
    ),
    "an endpoint of a row that nobody knows": over(
        "shot,endpoint\nsh010,text_to_imag\n", message="unknown endpoint `text_to_imag`",
        row="shots.csv:2", hint="did you mean `text_to_image`?", place="6:12",
        jobs="- id: shot\n  foreach: {csv: shots.csv, key: shot}\n"
        "  request: {endpoint: '${{ row.endpoint }}'}\n",
    ),
    "a part that is not there": Case(
        jobs=f"- id: a\n{X}include: [more.yaml]\n", place="6:11",
        message="more.yaml` does not exist",
    ),
    "a part that includes itself": Case(
        jobs=f"- id: a\n{X}include: [m.yaml]\n", place="6:11", message="includes itself",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each case in a folder of its own, `0/m.yaml`, `1/m.yaml` …"""
    root = tmp_path_factory.mktemp("language")
    for number, case in enumerate(CASES.values()):
        files = {"m.yaml": HEAD + case.jobs, **case.files}
        for name, content in files.items():
            path = root / str(number) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def manifests() -> list[str]:
    return [f"{number}/m.yaml" for number in range(len(CASES))]


@pytest.fixture(scope="module")
def validated(folder: Path) -> Ended:
    return run_command(folder, "validate", *manifests(), "--json")


@pytest.fixture(scope="module")
def told(validated: Ended) -> dict[str, list[dict[str, Any]]]:
    """What is said of each case."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CASES}
    for error in validated.json["errors"]:
        found[list(CASES)[int(error["where"].partition("/")[0])]].append(error)
    return found


@pytest.mark.parametrize("name", CASES)
def test_one_message_says_what_is_wrong_and_where(told: Any, name: str) -> None:
    case, [error] = CASES[name], told[name]
    assert case.message in error["message"]
    assert error["where"].partition(":")[2] == case.place
    assert case.hint in error["hint"]
    assert error.get("rows", [""])[0] == case.row
    assert error["code"] == "manifest"
    assert len(error["message"]) < 200


def test_none_of_them_can_be_used(validated: Ended) -> None:
    assert validated.code == 2
    assert validated.json["data"]["files"] == []
    assert "Traceback" not in validated.err


def test_people_are_shown_the_line_and_the_row(folder: Path) -> None:
    ended = run_command(folder, "validate", *manifests())
    assert ended.code == 2
    assert ended.err.count(": error: ") == len(CASES)
    for number, case in enumerate(CASES.values()):
        assert f"{number}/m.yaml:{case.place}: error: " in ended.err
        assert not case.row or f"\n  {number}/{case.row}" in ended.err or case.row in ended.err


def test_a_run_of_any_of_them_sends_nothing(folder: Path) -> None:
    with emulator(folder, "--media", "plain") as service:
        flags = ("--yes", "--base-url", service.url)
        done = subprocess.run(
            [sys.executable, "-c", MANY],
            input=json.dumps([["run", manifest, *flags] for manifest in manifests()]),
            cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=LIMIT_S,
            check=True,
        )  # fmt: skip
        assert json.loads(done.stdout) == [2] * len(CASES)
        assert service.creates() == []
    assert done.stderr.count(": error: ") == len(CASES)
    assert "Traceback" not in done.stderr
    assert not list(folder.rglob("state.db"))
