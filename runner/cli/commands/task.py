"""`runway-batch task get|cancel ID`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags, GlobalGroup

command = GlobalGroup("task", help="Read or cancel a task at Runway.", no_args_is_help=False)


@command.command("get", cls=BatchCommand)
@click.argument("task_id", metavar="ID")
@click.pass_obj
def get(flags: Flags, task_id: str) -> int:
    """Read a task. Its links are secrets: only their number is shown."""
    from runner.app.account import read_task
    from runner.cli.show_account import show_task, task_json

    out = flags.output()
    task = asyncio.run(read_task(flags.settings(), task_id))
    if out.json:
        out.envelope("task get", task_json(task))
    else:
        show_task(task, out)
    return 0


_CANCEL = """Cancel a task that has not begun.

The task is read first. One that runs is paid and left alone, unless --abandon-running is given.
One that has ended is never touched: deleting it would delete its outputs.
"""


@command.command("cancel", cls=BatchCommand, help=_CANCEL)
@click.argument("task_id", metavar="ID")
@click.option("--abandon-running", is_flag=True, help="Also when it runs; its credits are lost.")
@click.pass_obj
def cancel(flags: Flags, task_id: str, abandon_running: bool) -> int:
    from runner.app.account import cancel_task
    from runner.cli.show_account import show_cancelled, task_json

    out = flags.output()
    task = asyncio.run(cancel_task(flags.settings(), task_id, abandon_running=abandon_running))
    if out.json:
        out.envelope("task cancel", {"cancelled": True, "before": task_json(task)})
    else:
        show_cancelled(task, out)
    return 0
