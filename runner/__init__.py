"""Batch job runner for Runway's developer API."""

from __future__ import annotations

__version__ = "0.1.0"
