"""The asyncio scheduler. Knows ports, not adapters."""

from __future__ import annotations
