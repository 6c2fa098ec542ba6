"""No manifest makes the runner work with the square of its size, wrong ones least of all."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.fuzz.worst import MANY, ROWS, WORST


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    """Jobs and problems of each; those behind one that took too long are missing."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.worst", str(tmp_path_factory.mktemp("worst"))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    found = {line["name"]: line for line in lines}
    return found | {"the last": {"words": process.stderr[:3000]}}


@pytest.mark.parametrize("name", WORST)
def test_it_is_judged_in_time(told: dict[str, dict[str, int]], name: str) -> None:
    assert name in told, told["the last"]


@pytest.mark.parametrize(
    ("name", "jobs", "problems"),
    [
        ("one_typo", ROWS, ROWS), ("absent_with_default", ROWS, 0),
        ("names_nobody_has", ROWS, ROWS), ("missing_files", ROWS, ROWS),
        ("needs_nobody_has", MANY, MANY), ("a_chain", MANY, 0),
        ("first_of_many_outputs", ROWS + MANY, 0), ("all_of_many_outputs", ROWS + MANY, ROWS),
        ("many_cells_left_out", 200, 0), ("needs_worked_out", MANY + 1, 0),
        ("every_cell_wrong", ROWS, 2 * ROWS), ("pairs_that_wait_for_each_other", ROWS, ROWS // 2),
        ("one_id_for_all", 1, ROWS - 1),
    ],
)  # fmt: skip
def test_and_with_nothing_left_out(told, name: str, jobs: int, problems: int) -> None:
    assert (told[name]["jobs"], told[name]["problems"]) == (jobs, problems)
