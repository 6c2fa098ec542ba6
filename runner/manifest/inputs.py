"""The local files that a manifest names: each is read once, however many jobs use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from runner.core.spec import AssetRef
from runner.manifest.assets import AssetProblem, local_asset
from runner.manifest.hints import Hint
from runner.manifest.media_probe import measure
from runner.manifest.rows.opening import STDIN, open_table
from runner.manifest.rows.table import RowSource, Table


class LocalInputs:
    """Files below the manifest's folder, and below the folders that it allows."""

    def __init__(
        self, base: Path, allow: Sequence[str] = (), *, stdin: BinaryIO | None = None
    ) -> None:
        """`allow` is relative to `base`, as the manifest writes it; `stdin` is what `-` reads."""
        self._stdin = stdin
        self._piped: Table | None = None
        self._base = base
        self._allow = tuple(base / folder for folder in allow)
        self._known: dict[tuple[str, str], AssetRef | tuple[str, Hint]] = {}
        self._measures: dict[str, Mapping[str, float]] = {}

    def rows(self, source: RowSource) -> Table:
        """A table of rows.

        Raises:
            RowProblem: there is none.
        """
        if source.path != STDIN:
            return open_table(source, base=self._base, allow=self._allow)
        if self._piped is None:  # it can be read only once, its rows as often as needed
            self._piped = open_table(source, base=self._base, allow=self._allow, stdin=self._stdin)
        return self._piped

    def asset(self, value: str, media: str) -> AssetRef:
        """The file that `value` names.

        Raises:
            AssetProblem: it cannot be an input.
        """
        found = self._known.get((value, media))
        if found is None:
            try:
                found = local_asset(value, media, base=self._base, allow=self._allow)
            except AssetProblem as problem:
                found = problem.message, problem.later_hint
            self._known[value, media] = found
        if isinstance(found, AssetRef):
            return found
        message, hint = found  # not the error itself: it would keep what it was raised in
        raise AssetProblem(message, hint=hint)

    def measures(self, asset: AssetRef) -> Mapping[str, float]:
        """Seconds, pixels and the like, as far as the file tells."""
        if asset.path not in self._measures:
            self._measures[asset.path] = measure(Path(asset.path), asset.media)
        return self._measures[asset.path]
