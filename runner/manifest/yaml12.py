"""YAML text to values with their places.

libyaml reads the text where PyYAML was built with it, else PyYAML itself, more slowly; what a
plain word means is decided in `scalars`. Refused: duplicate keys, tags, several documents, deep
nesting, aliases that multiply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from runner.errors import ManifestError, Problem
from runner.manifest.composer import Composer
from runner.manifest.places import Document
from runner.manifest.source import Refused, Source
from runner.manifest.stand_ins import hide
from runner.manifest.yaml_words import NO_CHARACTER, explain, place_at

#: bytes of a text that PyYAML reads in half a second; in longer ones libyaml has the last word
PATIENCE = 256 * 1024


def parse_yaml(data: bytes, *, file: str = "", fast: bool = yaml.__with_libyaml__) -> Document:
    """The document in `data`.

    Args:
        fast: with libyaml. What it refuses, PyYAML is asked about: it takes and explains more.

    Raises:
        ManifestError: not UTF-8, broken YAML, or something that a manifest may not contain.
    """
    try:
        return _document(Source(data), file, fast=fast)
    except Refused as refused:
        place = refused.place
        problem = Problem(
            message=refused.message, hint=refused.hint, file=file,
            line=place.line, column=place.column,
        )  # fmt: skip
        raise ManifestError([problem]) from None


def _document(source: Source, file: str, *, fast: bool) -> Document:
    hidden, shown = hide(source.data)
    if fast:
        try:
            return Composer(source, shown).compose(_fast_events(hidden), file)
        except yaml.YAMLError as error:
            # both know the same characters: PyYAML looks for others before it reads
            if len(hidden) > PATIENCE and not isinstance(error, yaml.reader.ReaderError):
                raise explain(error, source) from None
    return Composer(source, shown).compose(_slow_events(hidden.decode(), source), file)


def _fast_events(hidden: bytes) -> Iterable[Any]:
    """libyaml's events; typed `Any` because PyYAML's own types leave the marks out."""
    return iter(yaml.CSafeLoader(hidden).get_event, None)


def _slow_events(hidden: str, source: Source) -> Iterator[Any]:
    try:
        # not a Loader object by hand: its constructor already reads and may already fail
        yield from yaml.parse(hidden, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise explain(error, source) from None
    except (ValueError, OverflowError):
        # an escape like "\U00110000": PyYAML lets chr() complain, without a place
        found = re.search(r"\\U(?!000|0010)", source.text)
        place = place_at(source.text, found.start() if found else 0)
        message, hint = NO_CHARACTER
        raise Refused(message, place, hint) from None
