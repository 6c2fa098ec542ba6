"""What YAML's readers would take otherwise than we mean it, and what stands for it meanwhile.

Stand-ins are as long as what they stand for, so that no place moves.

Line ends of YAML 1.1 are text in YAML 1.2, and so is a byte order mark inside a file. Halves of
characters (`\\ud83d\\ude00`: how JSON may write an emoji) are refused by libyaml: the hexadecimal
digits are changed to those of characters for private use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from runner.manifest.scalars import join_surrogates

#: from text as the reader gives it, and its style (`"` for double quotes), to what was meant
Shown: TypeAlias = Callable[[str, str | None], str]

_STAND_INS = {
    char: chr(0xF0000 + ord(char)) for char in ("\x85", "\u2028", "\u2029", "\ufeff")
}  # fmt: skip
_SHOWN = {ord(stand_in): char for char, stand_in in _STAND_INS.items()}

_HALF = re.compile(rb"\\u([dD])([89a-fA-F])")
_LONG_HALF = re.compile(rb"\\U0000[dD][89a-fA-F]")
#: the text has private characters of its own, or escapes of them
_TAKEN = re.compile(rb"\\u[eEfF][0-7]|\xee|\xef[\x80-\x9f]")
_HIDDEN_ESCAPE = re.compile(r"\\u([eEfF])([0-7])")
_HIDDEN_HALF = re.compile("[\ue000-\ue7ff\uf000-\uf7ff]")


def hide(data: bytes) -> tuple[bytes, Shown | None]:
    """The text for a reader, and how to show what comes out; None: as it is."""
    steps: list[Shown] = []
    for char, stand_in in _STAND_INS.items():
        if char.encode() in data:
            data = data.replace(char.encode(), stand_in.encode())
            steps = [_with_characters]
    if _HALF.search(data) and not _TAKEN.search(data):
        data = _HALF.sub(_hidden_half, data)
        steps.append(_with_halves)
    if _HALF.search(data) or _LONG_HALF.search(data):
        steps.append(_joined)
    return data, _all(steps)


def _all(steps: list[Shown]) -> Shown | None:
    def shown(text: str, style: str | None) -> str:
        for step in steps:
            text = step(text, style)
        return text

    return shown if steps else None


def _with_characters(text: str, _: str | None) -> str:
    return text.translate(_SHOWN)


def _hidden_half(match: re.Match[bytes]) -> bytes:
    """`d` and `8` to `f` become `e` and 0 to 7, or `f` where a capital has to be remembered."""
    first, second = match[1].decode(), match[2].decode()
    lead = "f" if second.isupper() else "e"
    lead = lead.upper() if first.isupper() else lead
    return f"\\u{lead}{int(second, 16) - 8}".encode()


def _with_halves(text: str, style: str | None) -> str:
    if "\\u" in text:  # written out, not read as an escape
        text = _HIDDEN_ESCAPE.sub(_shown_half, text)
    if style == '"':
        text = _HIDDEN_HALF.sub(lambda match: chr(0xD800 | ord(match[0]) & 0x7FF), text)
        return join_surrogates(text)
    return text


def _shown_half(match: re.Match[str]) -> str:
    second = f"{int(match[2]) + 8:x}"
    second = second.upper() if match[1] in "fF" else second
    return f"\\u{'D' if match[1].isupper() else 'd'}{second}"


def _joined(text: str, _: str | None) -> str:
    return join_surrogates(text)
