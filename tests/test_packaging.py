"""The wheel holds everything that a checkout has, and works where only the wheel is."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: run from an installed wheel and from a checkout: finds schemas, examples and the catalogue
READS_ITS_DATA = """
import asyncio
import runner
from pathlib import Path
from runner.cli.examples import example_folder
from runner.manifest.schema import schema_folder
from runner.settings import Settings

folder = example_folder()
project = runner.load_project(folder / "quickstart.yaml", Settings(state=Path("none.db")))
jobs = asyncio.run(runner.plan_project(project)).jobs
print(Path(runner.__file__).parent, schema_folder(), folder, jobs, sep="\\n")
"""


def build(kind: str, source: Path, target: Path) -> Path:
    """Build with the back end that pip would call; nothing is fetched."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", target],
        cwd=source, check=True, capture_output=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    [made] = target.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files_below(folder: Path, pattern: str) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob(pattern))
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def answers(folder: Path, *, path: Path) -> list[str]:
    """Run the little program in an empty folder, with the package from `path` only."""
    script = f"import sys; sys.path.insert(0, {str(path)!r})\n{READS_ITS_DATA}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=folder, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    return done.stdout.splitlines()


def test_the_wheel_holds_every_module(names):
    modules = {f"runner/{name}" for name in files_below(ROOT / "runner", "*.py")}
    assert {name for name in names if name.endswith(".py")} == modules


@pytest.mark.parametrize(
    ("folder", "inside", "pattern"),
    [("schemas", "_schemas", "*.json"), ("manifests", "_manifests", "*.yaml")],
)
def test_the_wheel_holds_schemas_and_examples(names, folder, inside, pattern):
    expected = {f"runner/{inside}/{name}" for name in files_below(ROOT / folder, pattern)}
    assert expected
    assert expected <= names


def test_the_wheel_holds_the_files_that_examples_go_over(names):
    data = ROOT / "manifests/data"
    files = {name for name in files_below(data, "*") if (data / name).is_file()}
    assert {Path(name).suffix for name in files} >= {".csv", ".jsonl", ".jpg", ".mp4", ".wav"}
    assert {f"runner/_manifests/data/{name}" for name in files} <= names


def test_the_wheel_holds_the_catalogue_and_says_that_it_is_typed(names):
    assert {"runner/data/catalog.json", "runner/data/fields.json", "runner/py.typed"} <= names


def test_the_wheel_holds_nothing_of_tests_state_or_outputs(names):
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"runner"}
    assert not [name for name in names if ".db" in name or "outputs/" in name]


def test_the_wheel_names_the_command_and_carries_the_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        texts = {
            name.partition(".dist-info/")[2]: archive.read(name).decode()
            for name in archive.namelist()
            if ".dist-info/" in name
        }
    assert "runway-batch = runner.cli.main:main" in texts["entry_points.txt"]
    assert texts["licenses/LICENSE"] == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "License-Expression: Apache-2.0" in texts["METADATA"]
    assert "Requires-Python: >=3.11" in texts["METADATA"]
    assert (ROOT / "README.md").read_text(encoding="utf-8") in texts["METADATA"]


def test_an_installed_wheel_finds_its_own_data(wheel, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)  # noqa: S202 - our own wheel, unpacked as an installer does
    package, schemas, examples, jobs = answers(tmp_path, path=site)
    assert Path(package) == site / "runner"
    assert Path(schemas) == site / "runner/_schemas"
    assert Path(examples) == site / "runner/_manifests"
    assert int(jobs) >= 12


def test_a_checkout_finds_the_same_data_beside_the_package(tmp_path):
    package, schemas, examples, jobs = answers(tmp_path, path=ROOT)
    assert Path(package) == ROOT / "runner"
    assert Path(schemas) == ROOT / "schemas"
    assert Path(examples) == ROOT / "manifests"
    assert int(jobs) >= 12


def test_a_wheel_built_from_the_source_distribution_is_the_same(names, tmp_path):
    archive = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(archive) as source:
        source.extractall(tmp_path / "source", filter="data")
    [unpacked] = (tmp_path / "source").iterdir()
    again = build("wheel", unpacked, tmp_path / "wheel")
    with zipfile.ZipFile(again) as built:
        assert set(built.namelist()) == names
