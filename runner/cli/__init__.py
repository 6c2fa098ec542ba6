"""The command line: thin commands over `runner.app`."""

from __future__ import annotations
