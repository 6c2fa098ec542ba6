"""Who else of the state file has the content that jobs ask for, as far as it can be used here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.core.plan import Holder
from runner.store.lookups import StoredHolder
from runner.store.results import StoredResult

from .project import Project


class Contents:
    """Judges holders for one batch; what is found out of other batches is remembered."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._gone: dict[str, bool] = {}

    def usable(self, found: Mapping[str, Sequence[StoredHolder]]) -> Mapping[str, Sequence[Holder]]:
        """Holders of the same service, by key. Blocks: looks at files."""
        return {key: [*map(self._judged, filter(self._is_here, found[key]))] for key in found}

    def _is_here(self, holder: StoredHolder) -> bool:
        """Tasks and outputs of another service, or of the emulator, are none of ours."""
        return holder.base_url == self._project.service

    def _judged(self, holder: StoredHolder) -> Holder:
        return Holder(
            number=holder.number,
            batch=holder.batch,
            id=holder.id,
            status=holder.status,
            is_present=holder.is_present,
            has_result=holder.result is not None and _is_whole(holder.result),
            is_gone=self._is_gone(holder),
            hold=holder.hold,
            charged=holder.charged,
        )

    def _is_gone(self, holder: StoredHolder) -> bool:
        """Whether no manifest describes the batch any more: it was renamed, moved or deleted."""
        if holder.batch == self._project.batch:
            return False
        known = self._gone.get(holder.batch)
        if known is None:
            path = Path(holder.manifest)
            known = not path.is_file() or path.resolve() == self._project.path
            self._gone[holder.batch] = known
        return known


def _is_whole(result: StoredResult) -> bool:
    """Whether all files are there, by their size: their content is looked at when it is taken."""
    folder = Path(result.output_dir)
    try:
        return all(
            (folder / output.path).stat().st_size == output.bytes for output in result.outputs
        )
    except OSError:
        return False
