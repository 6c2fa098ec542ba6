"""`make drift`: the catalogue against the newest release of the official SDK.

Exit codes: 0 nothing has drifted, 3 something has, 5 the release could not be fetched.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from runner.manifest.catalog_file import load_catalog
from tests.drift.compare import drift, table

SDK = "runwayml"
SAME, DRIFTED, NOT_FETCHED = 0, 3, 5
#: an index that does not answer is given up
_PATIENCE_S = 120


class NotFetched(Exception):
    """No release of the SDK could be had."""


def main() -> int:
    """Compare, and say what differs."""
    told = _arguments()
    if told.package is not None:
        return report(told.package, f"the SDK in {told.package}")
    with tempfile.TemporaryDirectory(prefix="runway-batch-drift-") as folder:
        try:
            fetch(Path(folder), installer())
        except NotFetched as error:
            _say(f"the newest release of {SDK} could not be fetched: {error}")
            _say("hint: this needs a package index; against the installed one: make test")
            return NOT_FETCHED
        return report(Path(folder) / SDK, f"{SDK} {version_in(Path(folder))}")


def report(package: Path, name: str) -> int:
    found = drift(load_catalog(), package)
    if not found:
        _say(f"{name}: the catalogue says the same")
        return SAME
    _say(table(found), f"{name}: {len(found)} differences from the catalogue")
    return DRIFTED


def installer() -> list[str]:
    """The command that installs packages; an environment made by uv has no pip."""
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def fetch(folder: Path, install: Sequence[str]) -> None:
    """Put the newest release into a folder: its files only, nothing that it needs, nothing run.

    Raises:
        NotFetched: the index cannot be reached, or has none.
    """
    target = ["--upgrade", "--no-deps", "--only-binary", ":all:", "--target", str(folder), SDK]
    try:
        done = subprocess.run(  # a fixed command
            [*install, *target], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFetched(str(error)) from error
    if done.returncode != 0 or not (folder / SDK).is_dir():
        lines = done.stderr.strip().splitlines() or ["no reason was given"]
        raise NotFetched(lines[-1])


def version_in(folder: Path) -> str:
    """The version that was fetched, by its metadata."""
    names = [path.name for path in folder.glob(f"{SDK}-*.dist-info")]
    return names[0].removeprefix(f"{SDK}-").removesuffix(".dist-info") if names else "(unknown)"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.drift", description=__doc__)
    parser.add_argument(
        "--package", type=Path, metavar="DIR", help="compare with this `runwayml` folder instead"
    )
    return parser.parse_args()


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
