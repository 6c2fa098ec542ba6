"""The rule of the architecture: hub <- spokes <- rim, and no cycle."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import runner

ROOT = Path(runner.__file__).parent
HUB = {"errors", "clock", "core", "ports"}
RIM = {"app", "cli", "testing", "settings", "__init__", "__main__"}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: set[str]) -> Iterator[str]:
    """Everything a module imports, anywhere in it; ours by the longest known name."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(up if node.level else []), *filter(None, [node.module])])
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            while target.startswith("runner.") and target not in known:
                target = target.rpartition(".")[0]
            yield target


def top(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_a_spoke_imports_the_hub_and_never_another_spoke():
    found = modules()
    wrong = []
    for name, path in found.items():
        layer = top(name)
        if layer in RIM:
            continue
        allowed = {"core", "errors"} if layer in {"core", "errors"} else {layer, *HUB}
        wrong += [
            f"{name} imports {target}"
            for target in imports(name, path, set(found))
            if target.startswith("runner.") and top(target) not in allowed
        ]
    assert wrong == []


def test_the_hub_imports_nothing_but_the_standard_library():
    found = modules()
    wrong = [
        f"{name} imports {target}"
        for name, path in found.items()
        if top(name) in {"core", "errors", "clock", "ports"}
        for target in imports(name, path, set(found))
        if target.split(".")[0] not in {*sys.stdlib_module_names, "runner"}
    ]
    assert wrong == []


def test_the_core_neither_awaits_nor_reads_the_clock():
    wrong = []
    for path in sorted((ROOT / "core").rglob("*.py")):
        wrong += [
            f"{path.name}:{node.lineno}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.AsyncFunctionDef | ast.Await)
        ]
    assert wrong == []


def test_there_is_no_import_cycle():
    found = modules()
    graph = {
        name: {t for t in imports(name, path, set(found)) if t in found and t != "runner"} - {name}
        for name, path in found.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail, name])
        if name not in done:
            for target in graph[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
