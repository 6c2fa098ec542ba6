"""Media files of this machine. What looks at pixels needs the extra `media`."""

from __future__ import annotations
