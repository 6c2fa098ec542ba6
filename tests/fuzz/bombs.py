"""Evaluates expressions in a process that does not survive what takes long or grows large.

Reads a line of JSON, an expression, and writes one: what became of it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from runner.manifest.known_later import TemplateProblem
from runner.manifest.template import render
from tests.fuzz.bounds import bound_memory, end_when_late, limited

LIMIT_S = 0.5
LIMIT_BYTES = 128 * 1024**2
NAMES: dict[str, Any] = {
    "vars": {
        "n": 7, "text": "a" * 1000, "list": [1, 2], "map": {"a": {"b": 1}},
        "long": "a" * 10**7, "wide": list(range(10**5)),
    },
    "row": {"format": "%1000000000d", "text": "x"},
}  # fmt: skip


def main() -> None:
    bound_memory(LIMIT_BYTES)
    end_when_late()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_outcome(json.loads(line))) + "\n")
        sys.stdout.flush()


def _outcome(expression: str) -> str:
    try:
        with limited(LIMIT_S):
            value = render(f"${{{{ {expression} }}}}", NAMES)
    except TemplateProblem as problem:
        return f"refused: {problem.message[:200]}"
    except MemoryError:
        return "out of memory"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not ours
        return f"{type(error).__name__}: {error}"[:200]
    return f"made {type(value).__name__}"


if __name__ == "__main__":
    main()
