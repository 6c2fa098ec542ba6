"""From the text of a manifest to job specifications."""

from __future__ import annotations
