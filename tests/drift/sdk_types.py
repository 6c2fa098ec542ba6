"""The types of the official SDK, read from its source: none of its code is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.drift.facts import Facts, inner

#: how the SDK names the parameters of an endpoint, where it is not `<endpoint>_create_params`
_MODULES = {"avatar_videos": "avatar_video_create_params", "workflows/{id}": "workflow_run_params"}
#: parameters of calls that generate nothing
_OTHER_CALLS = (
    "audit_log", "avatar_create", "avatar_update", "avatar_list", "avatar_get_usage",
    "avatar_conversation", "document", "organization", "realtime_session", "router",
    "voice_create", "voice_list", "voice_preview", "voice_update", "webapp",
)  # fmt: skip
_WRAPPERS = frozenset({"Required", "NotRequired", "Annotated", "Optional"})
_LISTS = frozenset({"Iterable", "List", "Sequence", "SequenceNotStr", "list"})
_MAPPINGS = frozenset({"Dict", "Mapping", "dict"})


class UnknownTypes(Exception):
    """The source of the SDK is written in a way that is not understood here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SdkTypes:
    """The folder `runwayml` of one release."""

    package: Path

    def facts(self, endpoint: str, discriminator: str | None) -> dict[str, Facts]:
        """By model; `default` where the endpoint has none.

        Raises:
            UnknownTypes: the endpoint is not there, or cannot be understood.
        """
        module = _Module(self.package / "types" / f"{module_of(endpoint)}.py")
        if discriminator is None:
            return {"default": module.facts(module.params)}
        return {
            model: module.facts(name)
            for name in module.classes
            for model in module.literals_of(name, discriminator)
        }

    def unknown_modules(self, endpoints: Iterator[str]) -> list[str]:
        """Parameters of calls that nobody here has heard of: perhaps a new endpoint."""
        known = {f"{module_of(endpoint)}.py" for endpoint in endpoints}
        folder = self.package / "types"
        found = {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*_params.py")
            if not path.name.startswith(_OTHER_CALLS)
            and not path.relative_to(folder).as_posix().startswith(_OTHER_CALLS)
        }
        return sorted(found - known)


def module_of(endpoint: str) -> str:
    """Where the SDK keeps the parameters of an endpoint, below its types."""
    if endpoint.startswith("recipes/"):
        return f"recipe_{endpoint.removeprefix('recipes/')}_params"
    return _MODULES.get(endpoint, f"{endpoint}_create_params")


class _Module:
    """One file of parameters."""

    def __init__(self, path: Path) -> None:
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError) as error:
            raise UnknownTypes(f"{path.name} cannot be read: {error}") from error
        self._name = path.name
        self.classes: dict[str, ast.ClassDef] = {}
        self._aliases: dict[str, ast.expr] = {}
        for item in tree.body:
            if isinstance(item, ast.ClassDef):
                self.classes[item.name] = item
            elif (
                isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.value
            ):
                self._aliases[item.target.id] = item.value
            elif isinstance(item, ast.ImportFrom) and _is_of_types(item):
                shared = _Module(_path_of(path, item))
                self.classes |= shared.classes
                self._aliases |= shared._aliases

    @property
    def params(self) -> str:
        """The class of the whole body, where there is only one."""
        (name,) = [name for name in self.classes if name.endswith("Params")]
        return name

    def facts(self, name: str) -> Facts:
        facts = Facts()
        self._read_class(name, "", facts)
        return facts

    def literals_of(self, name: str, field: str) -> set[str]:
        """The words that a field of a class may hold; none where it has no such field."""
        facts = Facts()
        for wire, _, hint in self._fields(self.classes[name]):
            if wire == field:
                self._read(hint, "", facts)
        return facts.choices[""]

    def _fields(self, item: ast.ClassDef) -> Iterator[tuple[str, bool, ast.expr]]:
        """Name as it goes over the wire, whether it is required, and its type."""
        for base in item.bases:
            if isinstance(base, ast.Name) and base.id in self.classes:
                yield from self._fields(self.classes[base.id])
        is_total = not any(word.arg == "total" for word in item.keywords)
        for line in item.body:
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                hint = line.annotation
                required = _wraps(hint, "Required") or (
                    is_total and not _wraps(hint, "NotRequired")
                )
                yield _alias(hint) or line.target.id, required, hint

    def _read_class(self, name: str, place: str, facts: Facts) -> None:
        fields = list(self._fields(self.classes[name]))
        facts.fields[place] |= {wire for wire, _, _ in fields}
        facts.required[place].add(frozenset(wire for wire, required, _ in fields if required))
        for wire, _, hint in fields:
            self._read(hint, inner(place, wire), facts)

    def _read(self, hint: ast.expr, place: str, facts: Facts) -> None:
        if isinstance(hint, ast.Name):
            self._read_name(hint.id, place, facts)
            return
        if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
            self._read(ast.parse(hint.value, mode="eval").body, place, facts)
            return
        if isinstance(hint, ast.BinOp):
            self._read(hint.left, place, facts)
            self._read(hint.right, place, facts)
            return
        if not isinstance(hint, ast.Subscript) or not isinstance(hint.value, ast.Name):
            raise UnknownTypes(f"{self._name}: {ast.unparse(hint)}")
        self._read_generic(hint.value.id, _arguments(hint), place, facts)

    def _read_generic(self, name: str, inside: list[ast.expr], place: str, facts: Facts) -> None:
        if name == "Literal":
            facts.choices[place] |= {str(ast.literal_eval(each)) for each in inside}
        elif name == "Union":
            for each in inside:
                self._read(each, place, facts)
        elif name in _WRAPPERS:
            self._read(inside[0], place, facts)
        elif name in _LISTS:
            self._read(inside[0], place + "[]", facts)
        elif name in _MAPPINGS:
            self._read(inside[1], place + "{}", facts)
        else:
            raise UnknownTypes(f"{self._name}: {name} at {place}")

    def _read_name(self, name: str, place: str, facts: Facts) -> None:
        if name in self.classes:
            self._read_class(name, place, facts)
        elif name in self._aliases:
            self._read(self._aliases[name], place, facts)
        elif name == "object":
            facts.untyped.add(place)
        elif name in {"str", "int", "float", "bool"}:
            facts.types[place].add(name)
        else:
            raise UnknownTypes(f"{self._name}: {name} at {place}")


def _is_of_types(item: ast.ImportFrom) -> bool:
    """Whether types of parameters come from a file of the SDK itself."""
    return item.level > 0 and (item.module or "").endswith(("_param", "_params"))


def _path_of(path: Path, item: ast.ImportFrom) -> Path:
    folder = path.parents[item.level - 1]
    return folder.joinpath(*(item.module or "").split(".")).with_suffix(".py")


def _arguments(hint: ast.Subscript) -> list[ast.expr]:
    return list(hint.slice.elts) if isinstance(hint.slice, ast.Tuple) else [hint.slice]


def _wraps(hint: ast.expr, name: str) -> bool:
    return (
        isinstance(hint, ast.Subscript)
        and isinstance(hint.value, ast.Name)
        and hint.value.id == name
    )


def _alias(hint: ast.expr) -> str | None:
    """`promptImage` of `Annotated[str, PropertyInfo(alias="promptImage")]`."""
    for part in ast.walk(hint):
        if isinstance(part, ast.keyword) and part.arg == "alias":
            return str(ast.literal_eval(part.value))
    return None
