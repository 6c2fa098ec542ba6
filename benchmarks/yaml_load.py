"""What our YAML reader costs, beside PyYAML's fastest, on a manifest of 50,000 jobs in 20 MB.

    python benchmarks/yaml_load.py [RUNS]

Ours gives places, comments and refusals besides the values. Whole processes, taken in turn, so
that a busy machine slows both; only the ratios mean anything. The time is that of the call alone,
the memory the peak of the process. `load_manifest` is the whole way: shapes are checked, too.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

JOBS = 50_000
WORDS = (
    "slow", "push", "in", "across", "the", "bay", "a", "quiet", "market", "at", "dawn", "lanterns",
    "sway", "handheld", "documentary", "soft", "light", "steam", "rises", "from", "wide", "shot",
)  # fmt: skip

_MEASURE = """
import resource, sys, time
from pathlib import Path
{imports}
path = Path(sys.argv[1])
data = path.read_bytes()
begun = time.perf_counter()
found = {call}
took = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(took, peak * (1 if sys.platform == "darwin" else 1024) / 2**20)
"""
READERS = {
    "yaml.CSafeLoader": _MEASURE.format(
        imports="import yaml", call="yaml.load(data, Loader=yaml.CSafeLoader)"
    ),
    "parse_yaml": _MEASURE.format(
        imports="from runner.manifest.yaml12 import parse_yaml", call="parse_yaml(data)"
    ),
    "load_manifest": _MEASURE.format(
        imports=(
            "from runner.manifest.catalog_file import load_catalog\n"
            "from runner.manifest.load import load_manifest\n"
            "catalog = load_catalog()"
        ),
        call="load_manifest(path, catalog)",
    ),
}


def job(number: int, chance: random.Random) -> str:
    """A job as people write one."""
    prompt = " ".join(chance.choices(WORDS, k=31))
    return (
        f"  - id: shot-{number:05d}\n"
        "    image_to_video:\n"
        "      model: gen4_turbo\n"
        f"      promptImage: https://plates.example.com/{number % 40:02d}/plate_{number:05d}.png\n"
        f"      promptText: {prompt}\n"
        f"      ratio: 1280:720\n"
        f"      duration: {chance.choice((5, 10))}\n"
        f"      seed: {chance.randrange(2**32)}\n"
        f"    takes: {chance.randrange(1, 4)}\n"
        f"    tags: [night-{number % 7}, hero]\n"
    )


def write_manifest(path: Path) -> None:
    """Piece by piece: a process that is started inherits the peak of the one that starts it."""
    chance = random.Random(4)
    with path.open("w", encoding="utf-8") as file:
        file.write("version: 1\nname: yaml-load\nbudget: 1500\njobs:\n")
        file.writelines(job(number, chance) for number in range(JOBS))


def measure(program: str, path: Path) -> tuple[float, float]:
    """Seconds and MiB."""
    command = (sys.executable, "-c", program, str(path))
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own
    took, peak = map(float, result.stdout.split())
    return took, peak


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.yaml"
        write_manifest(path)
        sys.stdout.write(f"{JOBS:,} jobs, {path.stat().st_size / 1e6:.1f} MB\n")
        rounds = [{name: measure(READERS[name], path) for name in READERS} for _ in range(runs)]
    base = "yaml.CSafeLoader"
    for name in READERS:
        seconds = statistics.median(each[name][0] for each in rounds)
        memory = statistics.median(each[name][1] for each in rounds)
        ratio = statistics.median(each[name][0] / each[base][0] for each in rounds)
        sys.stdout.write(f"{name:16}  {seconds:6.2f} s  {memory:5.0f} MiB  ratio {ratio:.2f}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
