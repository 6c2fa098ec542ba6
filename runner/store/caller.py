"""Who started a run and with which words, for the ledger; nothing in it is a secret."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

#: a link may be signed, and a base URL may hold a password: people are told the host alone
_LINK = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/@\s]*@)?([^/?#\s]*)\S*")
_KEY = re.compile(r"key_\w+")
#: a command line is for people: the first part tells enough of a very long one
MOST_CHARACTERS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Empty text where the platform does not tell."""

    user: str = ""
    command: str = ""


def this_caller() -> Caller:
    """Whoever started this process."""
    return Caller(user=_user(), command=spoken(sys.argv))


def spoken(words: Sequence[str]) -> str:
    """A command line as it may be shown: links are cut to their host, keys are masked."""
    if not words:
        return ""
    line = " ".join([PurePath(words[0]).name, *words[1:]])
    return _KEY.sub("key_***", _LINK.sub(r"\1\2", line))[:MOST_CHARACTERS]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for the number, no environment
        return ""
