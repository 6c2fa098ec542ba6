"""One template, and what makes its jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from runner.core.catalog import Catalog, closest
from runner.core.spec import Json
from runner.manifest.drafts import Draft, DraftMaker
from runner.manifest.hints import Hint
from runner.manifest.instances import Rows
from runner.manifest.jobkeys import KeyMaker, Named
from runner.manifest.matrix import Cell, MatrixProblem, cells
from runner.manifest.merging import Origin
from runner.manifest.model import JobTemplate, Manifest
from runner.manifest.pricing import Inputs
from runner.manifest.problems import Problems
from runner.manifest.records import JobRecord, Records, output_count
from runner.manifest.references import Reads, reads_of
from runner.manifest.rows.table import RowProblem, RowSource, Table
from runner.manifest.words import listed

_SHOWN = 12  # names of columns in a message
_OF_TEXT = "cells of a table are text: compare with `'1'`, or write `row.COLUMN | int == 1`"
_LIKE_FIELDS = "columns are named exactly like fields"
#: what a job that is made of another one has of it
_INHERITED = ("row", "matrix", "file")


@dataclass(slots=True)
class TemplateMaker:
    """A template with its rows, its cells, and the makers of its keys and bodies."""

    manifest: Manifest
    template: JobTemplate
    catalog: Catalog
    inputs: Inputs
    names: Mapping[str, Any]  # vars and batch
    records: Records
    problems: Problems
    keys: KeyMaker = field(init=False)
    reads: Reads = field(init=False)
    is_referred_to: bool = field(init=False, default=False)
    _drafts: DraftMaker | None = field(init=False, default=None)
    _table: Table | None = field(init=False, default=None)
    _row_folder: str = field(init=False, default="")
    _filled: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        self.keys = KeyMaker(self.manifest, self.template, self.names, self.problems)
        self.reads = self._reads()

    @property
    def name(self) -> str:
        return self.keys.name

    @property
    def origin(self) -> Origin:
        return self.template.document, self.template.path

    def named(self) -> Iterator[Named]:
        """The jobs of the template before their takes; what cannot be named is reported."""
        rows, found = self._rows(), self._cells()
        if rows is None or found is None:
            return
        any_row = False
        for instance in rows.instances(found):
            any_row = True
            named = self.keys.named(instance)
            if named is not None:
                yield named
        self._say_left_out(rows)
        foreach = self.template.foreach
        if not any_row and foreach is not None:
            message = f"no row is left: `{self.name}` makes no job"
            is_text = self._table is not None and self._table.is_text
            hint = _OF_TEXT if foreach.where and is_text else ""
            self.problems.warning((self.template.document, foreach.path), message, hint)

    def _say_left_out(self, rows: Rows) -> None:
        """What a condition leaves out is worth a note; that it is near a hit, a warning."""
        foreach, left_out = self.template.foreach, rows.left_out
        if foreach is None or not left_out.count:
            return
        message = left_out.message("jobs" if foreach.rows is None else "rows")
        origin = (self.template.document, (*foreach.path, "where"))
        report = self.problems.warning if left_out.hint else self.problems.note
        report(origin, message, left_out.hint)

    def draft(self, named: Named, take: int) -> Draft | None:
        """One take of a job, its body rendered."""
        if self._drafts is None:
            self._drafts = DraftMaker(
                self.manifest, self.catalog, self.keys, self.records, self.problems,
                self._table, self._row_folder,
            )  # fmt: skip
        return self._drafts.draft(named, take)

    def finish(self) -> None:
        """Let go of what made the jobs: there may be a hundred thousand templates."""
        if self._drafts is not None:
            self._filled = self._drafts.filled
            self._drafts = None

    def record(self, named: Named, take: int) -> JobRecord:
        """What others may refer to."""
        instance, job_id = named.instance, named.job_id(take)
        coordinates: Mapping[str, Json] = instance.coordinates
        suffix = job_id[len(self.name) :] if job_id.startswith(self.name) else f"-{job_id}"
        if named.keys.takes > 1:
            coordinates = {**coordinates, "take": take}
            suffix = f"{suffix}-t1" if take == 1 else suffix
        kept = {key: instance.names[key] for key in _INHERITED if key in instance.names}
        return JobRecord(
            id=job_id,
            template=self.name,
            take=take if named.keys.takes > 1 else instance.names.get("take", take),
            coordinates=coordinates,
            names=kept,
            suffix=suffix.lstrip("-_."),
            place=instance.place,
            folder=self._row_folder,
            outputs=output_count(self.template.body),
        )

    def needs_origin(self, name: str) -> Origin:
        """Where a name of `needs` is written."""
        document, path = self.keys.layers.origin(("needs",))
        node = document.node(path)
        written = node.value if node is not None else None
        if isinstance(written, list) and name in written:
            path = (*path, written.index(name))
        return document, path

    @property
    def table_name(self) -> str:
        """Equal for templates that go through the same table."""
        foreach = self.template.foreach
        rows = None if foreach is None else foreach.rows
        placed = None if rows is None or not rows.path else self._placed(rows)
        return f"{placed.path}!{placed.sheet}" if placed else f"!{self.template.index}"

    @property
    def used_columns(self) -> frozenset[str]:
        """Columns of the table that fill a body, or name a row."""
        foreach = self.template.foreach
        return self._filled | {"id", "file", *([foreach.key] if foreach else [])}

    def say_unused_columns(self, used: Set[str]) -> None:
        """Name the columns of the table that are not among those used."""
        table, foreach = self._table, self.template.foreach
        if table is None or foreach is None:
            return
        unused = [column for column in table.columns if column not in used]
        if unused:
            fields = sorted(self._filled)
            meant = dict.fromkeys(_field_like(name, fields) for name in unused[:_SHOWN])
            near = [name for name in meant if name and name not in self.template.body]
            hint = f"did you mean {listed(near, last='and')}? {_LIKE_FIELDS}" if near else ""
            shown = ", ".join(f"`{name}`" for name in unused[:_SHOWN])
            more = f" and {len(unused) - _SHOWN} more" if len(unused) > _SHOWN else ""
            message = f"nothing uses the column{'s' if len(unused) > 1 else ''} {shown}{more}"
            self.problems.warning((self.template.document, foreach.path), message, hint)

    def _rows(self) -> Rows | None:
        """What the template goes through; None where it cannot be read, which is reported."""
        foreach = self.template.foreach
        common: dict[str, Any] = {
            "template": self.template,
            "names": self.names,
            "problems": self.problems,
            "needs_key": not self.keys.is_id_rendered,
            "outputs": PurePosixPath(self.manifest.output.dir).as_posix(),
        }
        if foreach is None:
            return Rows(**common)
        if foreach.rows is None:
            if not self.records.knows(foreach.jobs):
                message = f"there is no template `{foreach.jobs}`"
                hint = partial(self.records.suggest, foreach.jobs)
                self._refuse((*foreach.path, "jobs"), message, hint)
                return None
            jobs = self.records.jobs(foreach.jobs)
            self._row_folder = jobs[0].folder if jobs else ""
            return Rows(jobs=jobs, **common)
        try:
            self._table = self.inputs.rows(self._placed(foreach.rows))
        except RowProblem as problem:
            self._refuse(foreach.path, problem.message, problem.hint, problem.place)
            return None
        self._row_folder = self._table.folder
        return Rows(table=self._table, **common)

    def _placed(self, source: RowSource) -> RowSource:
        """With its path from the manifest's folder, not from that of the file that names it."""
        if not self.template.folder or not source.path or source.path == "-":
            return source
        path = f"{self.template.folder}/{source.path}"
        return RowSource(kind=source.kind, path=path, rows=source.rows, sheet=source.sheet)

    def _cells(self) -> Sequence[Cell] | None:
        """What the matrix makes; None where it cannot be, which is reported."""
        matrix = self.template.matrix
        if matrix is None:
            return ()
        try:
            return cells(matrix, self.names)
        except MatrixProblem as problem:
            self._refuse((*matrix.path, *problem.path), problem.message, problem.hint)
            return None

    def _refuse(self, path: Any, message: str, hint: Hint, row: str = "") -> None:
        self.problems.error((self.template.document, path), message, hint, row=row)

    def _reads(self) -> Reads:
        template, foreach = self.template, self.template.foreach
        under: list[Json] = []
        for layer in self.manifest.defaults if template.uses_defaults else ():
            under += [layer.endpoints, layer.models]
        needs = self.keys.raw.get("needs", ())
        name = self.keys.output or self.manifest.output.name
        return reads_of(
            values=[template.id, template.endpoint, template.body, self.keys.raw, name,
                    foreach.key if foreach else "", *under],
            conditions=[foreach.where] if foreach and foreach.where else [],
            named=[*needs, *([foreach.jobs] if foreach and foreach.jobs else [])],
        )  # fmt: skip


def _field_like(column: str, fields: Sequence[str]) -> str | None:
    """The field that a column was probably meant for: its name, or how that begins."""
    plain = re.sub(r"[\W_]+", "", column).lower()
    begins = [name for name in fields if len(plain) > 3 and name.lower().startswith(plain)]
    same = next((name for name in begins if name.lower() == plain), None)
    text = next((name for name in begins if name.endswith("Text")), None)
    only = begins[0] if len(begins) == 1 else None
    return same or text or only or closest(column, fields)
