"""What a FILE stands for: a manifest in YAML, or a table of rows with settings of the call."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from runner.core.catalog import Catalog
from runner.errors import UsageError
from runner.manifest.direct import bare_manifest, direct_manifest, is_table, refuse_files
from runner.manifest.load import load_manifest
from runner.manifest.model import Manifest

_YAML = frozenset({".yaml", ".yml"})


def names_manifest(path: Path) -> bool:
    """Whether a file is a manifest or a table by its name; `-` is a table too."""
    return is_yaml(path) or is_table(path)


def is_yaml(path: Path) -> bool:
    return path.suffix.lower() in _YAML


def open_manifest(path: Path, sets: Mapping[str, str], catalog: Catalog) -> Manifest:
    """The manifest to run.

    Raises:
        ManifestError: all that is wrong with it.
        UsageError: settings that a table cannot have, or settings beside a manifest.
    """
    if is_table(path):
        stdin = piped(path)
        kind = "csv" if stdin is None else _kind(stdin)
        return direct_manifest(None if stdin else path, sets, catalog, kind=kind)
    refuse_files(path)
    if sets and (is_yaml(path) or path.exists()):
        name = next(iter(sets))
        raise UsageError(
            f"`--set {name}=…` belongs to a table, `{path}` is a manifest",
            hint="write it in the manifest, under the endpoint or under `defaults`",
        )
    return load_manifest(path, catalog)


def glance(path: Path, catalog: Catalog) -> Manifest:
    """Of a table what holds whatever the settings of the call: its name and all defaults.

    Raises:
        ManifestError: all that is wrong with a manifest.
    """
    return bare_manifest(path) if is_table(path) else load_manifest(path, catalog)


def piped(path: Path) -> BinaryIO | None:
    """The standard input, where that is meant.

    Raises:
        UsageError: nobody has piped anything into it.
    """
    if str(path) != "-":
        return None
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "`-` reads rows from the standard input, which is a terminal",
            hint="pipe them in: some-command | runway-batch plan - --set model=MODEL",
        )
    return sys.stdin.buffer


def _kind(stdin: BinaryIO) -> str:
    """JSON lines begin with a `{`; all else is a table with a separator, which is found out."""
    peek = getattr(stdin, "peek", None)
    begin: bytes = peek(1) if peek is not None else b""
    return "jsonl" if begin.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" else "csv"
