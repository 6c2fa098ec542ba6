"""A template times its rows and cells: what each of its jobs is made of, and how it is told apart.

Nothing here depends on a position: a row is named by its key, a cell by its values.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runner.core.catalog import closest
from runner.core.spec import Json
from runner.manifest.expression import absent, evaluate
from runner.manifest.hints import Hint
from runner.manifest.known_later import Source, TemplateProblem
from runner.manifest.left_out import LeftOut
from runner.manifest.matrix import Cell
from runner.manifest.model import Foreach, JobTemplate
from runner.manifest.problems import Problems
from runner.manifest.records import JobRecord
from runner.manifest.rows.table import FileName, Row, RowProblem, Table
from runner.manifest.template import as_text, compile_text, has_expression

#: characters of one part of an id that a row or a cell gives
MAX_PART = 60
_MOST_READ = 1000  # characters of a value that a part is made of
_PLAIN_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_NOT_IN_IDS = re.compile(r"[^\w.-]+")
#: of a link what may be shown: what follows its path can be a secret
_LINK = re.compile(r"https?://(?:[^/\s@]*@)?([^\s?#]*).*", re.IGNORECASE | re.DOTALL)


@dataclass(kw_only=True, slots=True)
class Instance:
    """One row and one cell of a template."""

    names: dict[str, Json]  # row, matrix, file, source: what its expressions may name
    coordinates: dict[str, Json]
    parts: tuple[Json, ...] = ()  # what tells it apart: becomes part of its id
    place: str = ""  # of the row, or of the row of its source
    row: Mapping[str, Json] | None = None  # its own, to fill the body
    source: JobRecord | None = None


#: what `source` does not have
_NO_SEED = absent("that job has no `seed`\nwrite `source.seed | default(1)`")
_NO_MODEL = absent("that job has no `model`\nwrite `source.model | default('')`")
_LATER = {
    name: absent(f"`source.{name}` is not known before that job is done\n{instead}")
    for name, instead in (
        ("task_id", "`source.id` names the job"),
        ("path", "`source.output` is its file, where a field takes media"),
    )
}

NOTHING = Instance(names={}, coordinates={})


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """What a template goes through: rows of a table, or records of a template's jobs."""

    template: JobTemplate
    names: Mapping[str, Json]  # vars and batch
    problems: Problems
    needs_key: bool = True  # the id is made of the row's key
    outputs: str = ""  # the output folder, from the manifest's
    table: Table | None = None
    jobs: Sequence[JobRecord] = ()
    left_out: LeftOut = field(init=False)

    def __post_init__(self) -> None:
        foreach = self.template.foreach
        left_out = LeftOut("" if foreach is None else foreach.where or "")
        object.__setattr__(self, "left_out", left_out)

    def instances(self, cells: Sequence[Cell]) -> Iterator[Instance]:
        """Rows times cells, in their order."""
        for instance in self._of_rows():
            if not cells:
                yield instance
            for cell in cells:
                yield _with_cell(instance, cell)

    def _of_rows(self) -> Iterator[Instance]:
        foreach = self.template.foreach
        if foreach is None:
            yield NOTHING
        elif foreach.rows is None:
            for job in self.jobs:
                instance = _of_job(job)
                if self._is_wanted(foreach, instance):
                    yield instance
        else:
            yield from self._of_table(foreach)

    def _of_table(self, foreach: Foreach) -> Iterator[Instance]:
        assert self.table is not None, "rows are of a table"  # noqa: S101 - our bug
        try:
            blank: dict[str, Json] = dict.fromkeys(self.table.columns)
            for row in self.table:
                if self._is_output(row, foreach):
                    return
                instance = _of_row(row, blank)
                if not self._is_wanted(foreach, instance):
                    continue
                key = self._key(foreach, row, instance)
                if key is not None:
                    instance.coordinates["row"] = key
                    instance.parts = (key,)
                if key is not None or not self.needs_key:
                    yield instance
        except RowProblem as problem:
            self._report(foreach.path, problem.message, problem.hint, problem.place)

    def _is_output(self, row: Row, foreach: Foreach) -> bool:
        """Whether a pattern finds what the batch itself makes: it would be paid for again."""
        file = row.values.get("file")
        if not isinstance(file, FileName) or not file.startswith(f"{self.outputs}/"):
            return False
        message = f"the pattern finds files in the output folder: `{file}`"
        self._report(foreach.path, message, "name a folder, as in `plates/**/*.png`", "")
        return True

    def _is_wanted(self, foreach: Foreach, instance: Instance) -> bool:
        if not foreach.where:
            return True
        names = {**self.names, **instance.names}
        self.left_out.total += 1
        try:
            is_wanted = bool(evaluate(foreach.where, names))
        except TemplateProblem as problem:
            path = (*foreach.path, "where")
            self._report(path, problem.message, problem.later_hint, instance.place)
            return False
        if not is_wanted:
            self.left_out.leave(names)
        return is_wanted

    def _key(self, foreach: Foreach, row: Row, instance: Instance) -> str | None:
        try:
            return self._named(foreach.key, row, instance)
        except TemplateProblem as problem:
            path = (*foreach.path, "key") if foreach.key else foreach.path
            self._report(path, problem.message, problem.later_hint, row.place)
            return None

    def _named(self, key: str, row: Row, instance: Instance) -> str | None:
        """The key of a row; None where it has none, and needs none."""
        if has_expression(key):
            text = compile_text(key).render({**self.names, **instance.names})
            found: Json = as_text(text, key)
        elif key:
            found = row.values.get(key)
            if found is None:
                raise TemplateProblem(*_no_key(key, row, self.table))
        else:
            file = row.values.get("file")
            found = row.values.get("id")
            if found is None:
                found = file.stem if isinstance(file, FileName) else None
        if found is None and not self.needs_key:
            return None
        if found is None:
            raise TemplateProblem(
                "which column names a row?",
                f"add `key: COLUMN`; its columns: {', '.join(_columns(row, self.table)) or 'none'}",
            )
        return as_text(found, key or "id")

    def _report(self, path: tuple[str | int, ...], message: str, hint: Hint, row: str) -> None:
        self.problems.error((self.template.document, path), message, hint, row=row)


def id_part(value: Json) -> str:
    """A value as part of an id: `1280:720` is `1280x720`, other characters become `-`.

    Raises:
        TemplateProblem: a list or mapping, or nothing is left of it.
    """
    if type(value) is str and len(value) <= MAX_PART and _PLAIN_PART.fullmatch(value):
        return value
    if isinstance(value, Mapping | list):
        raise TemplateProblem(
            "a list or mapping cannot be part of an id",
            "put `${{ matrix.… }}` of a text into the id, or name the values by an axis in step",
        )
    if type(value) in (int, float):
        return str(value).replace("+", "")[:MAX_PART]
    text = "none" if value is None else as_text(value, "a cell")
    if link := _LINK.fullmatch(text):
        text = link[1]
    text = unicodedata.normalize("NFC", text)
    text = text.strip()[:_MOST_READ]
    part = _NOT_IN_IDS.sub("-", text.replace(":", "x")).strip("-.")
    if not part:
        raise TemplateProblem(f"`{text[:40]}` leaves nothing for an id", "use letters or digits")
    return part[:MAX_PART].rstrip("-.")


def _of_row(row: Row, blank: Mapping[str, Json]) -> Instance:
    """An expression sees an empty cell as nothing; a column that does not exist is an error."""
    is_full = len(row.values) == len(blank)
    names: dict[str, Json] = {"row": row.values if is_full else {**blank, **row.values}}
    if "file" in row.values:
        names["file"] = row.values["file"]
    return Instance(names=names, coordinates={}, place=row.place, row=row.values)


def _of_job(job: JobRecord) -> Instance:
    """A job made of a job inherits what that one was made of."""
    known = {
        **_LATER,
        "id": job.id,
        "take": job.take,
        "seed": _NO_SEED if job.seed is None else job.seed,
        "model": _NO_MODEL if job.model is None else job.model,
        "endpoint": job.endpoint,
        "template": job.template,
        **job.names,
    }
    names = {**job.names, "source": Source(job.id, known), "take": job.take}
    return Instance(
        names=names,
        coordinates=dict(job.coordinates),
        parts=(job.suffix,) if job.suffix else (),
        place=job.place,
        source=job,
    )


def _with_cell(instance: Instance, cell: Cell) -> Instance:
    inherited: Mapping[str, Json] = instance.names.get("matrix") or {}
    axes = {f"matrix.{name}": value for name, value in cell.items()}
    return Instance(
        names={**instance.names, "matrix": {**inherited, **cell}},
        coordinates={**instance.coordinates, **axes},
        parts=(*instance.parts, *cell.values()),
        place=instance.place,
        row=instance.row,
        source=instance.source,
    )


def _no_key(key: str, row: Row, table: Table | None) -> tuple[str, str]:
    """The cell is empty, or there is no such column."""
    columns = _columns(row, table)
    if key in columns:
        return f"the row has nothing in `{key}`, which names it", "fill the cell in"
    near = closest(key, columns)
    hint = f"did you mean `{near}`?" if near else f"its columns: {', '.join(columns)}"
    return f"there is no column `{key}`", hint


def _columns(row: Row, table: Table | None) -> list[str]:
    return list(table.columns if table is not None and table.columns else row.values)
