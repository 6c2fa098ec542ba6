"""What `runway-batch --help` costs, beside the import of click alone.

    python benchmarks/startup.py [RUNS]

Whole processes, taken in turn, so that a busy machine slows both. Only the ratio means anything.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

BASE = (sys.executable, "-c", "import click")
HELP = (str(Path(sys.executable).with_name("runway-batch")), "--help")


def seconds(command: tuple[str, ...]) -> float:
    """Wall time of one run of a command."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    return time.perf_counter() - begun


def main(runs: int) -> None:
    pairs = [(seconds(BASE), seconds(HELP)) for _ in range(runs)]
    ratios = sorted(helped / base for base, helped in pairs)
    median = statistics.median
    sys.stdout.write(
        f"import click   median {median(base for base, _ in pairs) * 1000:6.1f} ms\n"
        f"--help         median {median(helped for _, helped in pairs) * 1000:6.1f} ms\n"
        f"ratio          min {ratios[0]:.2f}  median {median(ratios):.2f}  max {ratios[-1]:.2f}\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 21)
