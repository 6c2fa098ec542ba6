"""`runway-batch validate FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """Check a manifest: every problem, with its place.

Needs no key and no network; changes nothing. Exit 2 where there is a problem.
"""


@click.command("validate", cls=BatchCommand, help=_HELP)
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def command(flags: Flags, file: Path) -> int:
    from runner.app.project import load_project
    from runner.cli.show_plan import problem_json

    out = flags.output()
    project = load_project(file, flags.settings())
    count = len(project.specs)
    if out.json:
        warnings = [problem_json(problem) for problem in project.warnings]
        data = {"file": str(file), "batch": project.batch, "jobs": count, "warnings": warnings}
        out.envelope("validate", data)
        return 0
    out.problems("warning", project.warnings)
    out.data(f"{file}: ok, {count:,} {'job' if count == 1 else 'jobs'}")
    return 0
