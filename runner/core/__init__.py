"""The hub: plain data and decisions. No I/O, no `await`, no clock of its own."""

from __future__ import annotations
