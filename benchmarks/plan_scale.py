"""What `plan` costs on a table of 100,000 rows, beside a bare loop, and on one of a million.

    python benchmarks/plan_scale.py [RUNS] [--no-million]

The bare loop parses the same table, renders the same templates with Jinja2 and checks each body
with a compiled jsonschema validator: what nobody can do without. `plan` does that and gives ids,
keys, prices and file names that are unique, and compares all of it with the state file.

Whole processes, taken in turn, so that a busy machine slows both; the ratios mean something, the
seconds do not. Exit code 1 where a bound is not kept.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROWS, MILLION = 100_000, 1_000_000
#: `plan` may take so many times what the bare loop takes, and a million rows so many times 100,000
MOST_TIMES, MOST_GROWTH = 2.0, 11.0
#: peak memory, in MB
MOST_MEMORY, MOST_MEMORY_OF_MILLION = 300, 600

_MANIFEST = """\
version: 1
name: big
budget: 5000
vars: {look: 35mm film}
defaults:
  image_to_video: {model: gen4_turbo}
jobs:
  - id: shot
    foreach: {csv: rows.csv, key: shot}
    image_to_video:
      promptImage: https://example.com/plates/${{ row.shot }}.png
      promptText: ${{ row.promptText }}, ${{ vars.look }}
    tags: ["${{ row.seq }}"]
    output: ${{ batch }}/${{ row.seq }}/${{ job }}.${{ ext }}
"""
_BARE = """\
import csv, sys
from jinja2 import Environment
from jsonschema import Draft202012Validator
from runner.manifest.schema import load_schema
schema = load_schema("endpoints/image_to_video.schema.json")
check = Draft202012Validator(schema["$defs"]["gen4_turbo"]).is_valid
jinja = Environment()
image = jinja.from_string("https://example.com/plates/{{ row.shot }}.png").render
prompt = jinja.from_string("{{ row.promptText }}, {{ vars.look }}").render
tag = jinja.from_string("{{ row.seq }}").render
output = jinja.from_string("{{ batch }}/{{ row.seq }}/{{ job }}.{{ ext }}").render
vars = {"look": "35mm film"}
count = 0
for row in csv.DictReader(open("rows.csv", newline="", encoding="utf-8")):
    body = {
        "model": "gen4_turbo", "promptImage": image(row=row),
        "promptText": prompt(row=row, vars=vars), "duration": int(row["duration"]),
        "ratio": row["ratio"],
    }
    tag(row=row)
    output(row=row, batch="big", job="shot-" + row["shot"], ext="mp4")
    count += check(body)
print(count)
"""
#: the jobs of a manifest into its state file, as the beginning of a run does it
_STORE = """\
import asyncio
from pathlib import Path
from runner.app.applying import apply_plan
from runner.app.planning import plan_with
from runner.app.project import load_project
from runner.clock import SystemClock
from runner.settings import Settings
from runner.store.store import JobStore

async def main():
    settings, clock = Settings(), SystemClock()
    project = load_project(Path("m.yaml"), settings)
    project.state.parent.mkdir()
    async with await JobStore.open(project.state, clock=clock) as store:
        await store.upsert_batch("big", manifest=str(project.path), base_url=settings.service)
        await apply_plan(project, store, await plan_with(project, store), clock=clock)

asyncio.run(main())
"""
BARE = (sys.executable, "-c", _BARE)
PLAN = (sys.executable, "-m", "runner", "plan", "m.yaml", "--json")
STORE = (sys.executable, "-c", _STORE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a process took."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def cost(command: Sequence[str], folder: Path) -> Cost:
    """Run a command to its end, in a folder."""
    begun = os.times().elapsed
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[1:3]} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(
        cpu_s=used.ru_utime + used.ru_stime,
        wall_s=os.times().elapsed - begun,
        peak_mb=used.ru_maxrss * unit / 1e6,
    )


def median(costs: Sequence[Cost]) -> Cost:
    """Of each figure; of memory the most."""
    return Cost(
        cpu_s=statistics.median(each.cpu_s for each in costs),
        wall_s=statistics.median(each.wall_s for each in costs),
        peak_mb=max(each.peak_mb for each in costs),
    )


def write(folder: Path, rows: int) -> Path:
    """A manifest, and the table that it goes through."""
    folder.mkdir()
    (folder / "m.yaml").write_text(_MANIFEST, encoding="utf-8")
    with (folder / "rows.csv").open("w", encoding="utf-8") as file:
        file.write("shot,promptText,duration,ratio,seq\n")
        for n in range(rows):
            ratio = ("1280:720", "720:1280")[n % 2]
            prompt = f'"a street at dusk, number {n}, soft light"'
            file.write(f"sh{n:07},{prompt},{(5, 10)[n % 3 == 0]},{ratio},s{n // 500}\n")
    return folder


class Report:
    """Lines as they come, and whether every bound was kept."""

    def __init__(self) -> None:
        self.is_kept = True

    def line(self, name: str, found: Cost) -> None:
        figures = f"{found.cpu_s:7.2f} s CPU  {found.wall_s:7.2f} s  {found.peak_mb:6.0f} MB"
        self._write(f"{name:34}{figures}")

    def bound(self, name: str, value: float, most: float, unit: str) -> None:
        is_kept = value <= most
        self.is_kept = self.is_kept and is_kept
        self._write(
            f"  {name:32}{value:7.2f}{unit}, at most {most:g}{'' if is_kept else '  NOT KEPT'}"
        )

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def compare(report: Report, folder: Path, runs: int) -> Cost:
    """`plan` of 100,000 rows beside the bare loop; without and with a state file."""
    found: dict[str, Cost] = {}
    for name in ("plan", "plan, all of it stored"):
        pairs = [(cost(BARE, folder), cost(PLAN, folder)) for _ in range(runs)]
        bare, found[name] = (median(each) for each in zip(*pairs, strict=True))
        report.line(f"{ROWS:,} rows: bare loop", bare)
        report.line(f"{ROWS:,} rows: {name}", found[name])
        report.bound("CPU of the bare loop's", found[name].cpu_s / bare.cpu_s, MOST_TIMES, " ×")
        report.bound("time of the bare loop's", found[name].wall_s / bare.wall_s, MOST_TIMES, " ×")
        report.bound("peak memory", found[name].peak_mb, MOST_MEMORY, " MB")
        if name == "plan":
            report.line(f"{ROWS:,} rows: into the state file", cost(STORE, folder))
    return found["plan"]


def enlarge(report: Report, folder: Path, before: Cost) -> None:
    """`plan` of a million rows beside that of 100,000."""
    million = cost(PLAN, folder)
    report.line(f"{MILLION:,} rows: plan", million)
    # processor time alone: the two were not taken in turn
    report.bound(f"CPU of {ROWS:,} rows'", million.cpu_s / before.cpu_s, MOST_GROWTH, " ×")
    report.bound("peak memory", million.peak_mb, MOST_MEMORY_OF_MILLION, " MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=3)
    parser.add_argument("--no-million", action="store_true")
    told = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as place:
        before = compare(report, write(Path(place) / "large", ROWS), told.runs)
        if not told.no_million:
            enlarge(report, write(Path(place) / "larger", MILLION), before)
    return 0 if report.is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
