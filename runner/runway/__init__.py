"""Runway's developer API over HTTP."""

from __future__ import annotations
