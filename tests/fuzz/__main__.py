"""`make fuzz`: 20,000 damaged manifests; no traceback, no hang, no byte read from outside."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.fuzz.case import make_case
from tests.fuzz.hunt import hunt
from tests.fuzz.stage import Stage

CASES, PROCESSES = 20_000, 2
#: faults that are written out
_MOST_SHOWN = 50


def main(arguments: list[str]) -> int:
    """Exit code: 0 where every promise held."""
    seed = int(os.environ.get("FUZZ_SEED") or random.SystemRandom().randrange(10**9))
    if arguments:
        return _keep(seed, int(arguments[0]), Path(arguments[1]))
    cases = int(os.environ.get("FUZZ_CASES") or CASES)
    _say(f"FUZZ_SEED={seed} FUZZ_CASES={cases}")
    shown = 0
    for found in hunt(seed, range(cases), processes=PROCESSES):
        for fault in found.faults[shown:_MOST_SHOWN]:
            _say(fault)
        shown = len(found.faults)
        if found.cases % 1000 == 0 or found.cases == cases:
            _say(str(found))
    if shown:
        _say(f"a case as files: FUZZ_SEED={seed} python -m tests.fuzz CASE FOLDER")
    return 1 if shown else 0


def _keep(seed: int, number: int, folder: Path) -> int:
    """Write a case as files, with all that stood around it."""
    with tempfile.TemporaryDirectory() as staged:
        manifest = Stage(Path(staged)).put(make_case(seed, number))
        shutil.copytree(manifest.parent, folder / manifest.parent.name, symlinks=True)
        _say(str(folder / manifest.parent.name / manifest.name))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
