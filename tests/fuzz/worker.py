"""A process that judges cases, one after the other, until one of them is too much for it.

Started by `hunt`; reads numbers of cases, writes a line of JSON for each. A case that takes more
than its share of processor time ends the process, which says where it was.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.bounds import bound_memory, end_when_late, limited, peak_bytes, used_s
from tests.fuzz.case import make_case
from tests.fuzz.judge import judged
from tests.fuzz.stage import Stage

LIMIT_S = 2.0
LIMIT_BYTES = 1024 * 1024**2


def main(seed: int) -> None:
    bound_memory(LIMIT_BYTES)
    end_when_late()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        for line in sys.stdin:
            sys.stdout.write(json.dumps(_case(stage, seed, int(line))) + "\n")
            sys.stdout.flush()


def _case(stage: Stage, seed: int, number: int) -> dict[str, object]:
    case = make_case(seed, number)
    manifest = stage.put(case)
    before, used = peak_bytes(), used_s()
    with limited(LIMIT_S):
        verdict = judged(manifest)
    told = asdict(verdict) | {
        "number": number,
        "name": case.name,
        "seconds": used_s() - used,
        "grown": peak_bytes() - before,
    }
    stage.restore(case)
    return told


if __name__ == "__main__":
    main(int(sys.argv[1]))
