"""From a signed link to a verified file on disk."""

from __future__ import annotations
