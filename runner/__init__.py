"""Batch job runner for Runway's developer API.

The public names of the library. They are imported when first used: `import runner` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.app.planning import plan_entries, plan_project
    from runner.app.project import load_project
    from runner.app.run import run_batch
    from runner.core.summary import BatchSummary
    from runner.errors import RunnerError
    from runner.settings import make_settings

__version__ = "0.1.0"

__all__ = [
    "BatchSummary",
    "RunnerError",
    "__version__",
    "load_project",
    "make_settings",
    "plan_entries",
    "plan_project",
    "run_batch",
]

#: name: the module that defines it
_HOMES = {
    "BatchSummary": "runner.core.summary",
    "RunnerError": "runner.errors",
    "load_project": "runner.app.project",
    "make_settings": "runner.settings",
    "plan_entries": "runner.app.planning",
    "plan_project": "runner.app.planning",
    "run_batch": "runner.app.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
