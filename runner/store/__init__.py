"""Jobs, events, ledger and leases in SQLite. All SQL of the project is here."""

from __future__ import annotations
