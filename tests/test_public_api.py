"""What `import runner` offers, and that it costs nothing until it is used."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys

import pytest

import runner

#: each costs a tenth of a second or more, or is only needed by one part
HEAVY = {
    "aiofiles", "aiohttp", "asyncio", "av", "click", "jinja2", "jsonschema", "PIL", "rich",
    "sqlite3", "sqlite_utils", "yaml",
}  # fmt: skip


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running the code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_the_public_names_are_these():
    assert sorted(runner.__all__) == [
        "BatchSummary", "RunnerError", "__version__", "load_project", "make_settings",
        "plan_entries", "plan_project", "run_batch",
    ]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in runner.__all__ if name != "__version__"])
def test_a_public_name_is_the_thing_of_its_own_module(name):
    found = getattr(runner, name)
    assert found is getattr(importlib.import_module(found.__module__), name)
    assert inspect.getdoc(found), "a public name says what it is"


def test_star_import_gives_exactly_the_public_names():
    names: dict[str, object] = {}
    exec("from runner import *", names)  # noqa: S102 - our own line
    assert set(names) - {"__builtins__"} == set(runner.__all__)


def test_dir_lists_the_public_names():
    assert set(runner.__all__) <= set(dir(runner))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'run_bach'"):
        _ = runner.run_bach


def test_importing_the_package_imports_no_heavy_module():
    assert modules_after("import runner") & HEAVY == set()


def test_the_names_of_the_hub_need_no_heavy_module():
    loaded = modules_after("import runner; runner.RunnerError; runner.BatchSummary")
    assert loaded & HEAVY == set()


def test_planning_needs_no_network_code():
    loaded = modules_after("import runner; runner.load_project; runner.plan_project")
    assert "aiohttp" not in loaded


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert version("runway-batch") == runner.__version__
