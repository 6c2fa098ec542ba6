"""Which file was uploaded when, by content: rows, so that it holds across runs and processes."""

from __future__ import annotations

from datetime import datetime
from sqlite3 import Connection

from runner.store.codec import to_micros
from runner.store.writer import Sql

_FIND = "SELECT uri FROM assets WHERE base_url = ? AND sha256 = ? AND at >= ?"
_REMEMBER = (
    "INSERT INTO assets (base_url, sha256, uri, at) VALUES (:base_url, :sha256, :uri, :at)"
    " ON CONFLICT (base_url, sha256) DO UPDATE SET uri = excluded.uri, at = excluded.at"
    " WHERE excluded.at >= assets.at"
)


class StoredUploads:
    """The upload cache of one service: a URI of one base URL means nothing at another."""

    def __init__(self, writer: Sql, reader: Sql, base_url: str) -> None:
        self._writer = writer
        self._reader = reader
        self._base_url = base_url

    async def uploaded(self, sha256: str, *, not_before: datetime) -> str | None:
        """The URI of this content, unless it was uploaded before `not_before`."""
        values = (self._base_url, sha256, to_micros(not_before))
        row = await self._reader.run(lambda db: db.execute(_FIND, values).fetchone())
        return None if row is None else str(row["uri"])

    async def remember_upload(self, sha256: str, uri: str, *, at: datetime) -> None:
        """Keep the newest URI of this content."""
        values = {"base_url": self._base_url, "sha256": sha256, "uri": uri, "at": to_micros(at)}

        def work(db: Connection) -> None:
            db.execute(_REMEMBER, values)

        await self._writer.run(work)
