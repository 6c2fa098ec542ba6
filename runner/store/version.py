"""What marks a file as a state file, and which version of it this code reads and writes."""

from __future__ import annotations

#: number of the last migration; a file with a higher one is refused
SCHEMA_VERSION = 3
#: SQLite's application id: `rwbt` in ASCII
APPLICATION_ID = 0x72776274
#: RETURNING, upserts and row values are used
OLDEST_SQLITE = (3, 35, 0)
