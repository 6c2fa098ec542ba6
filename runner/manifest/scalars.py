"""What one YAML word means: the core schema of YAML 1.2, without octal and hexadecimal numbers."""

from __future__ import annotations

import math
import re

from runner.core.spec import Json

#: characters of a number; anything longer is text that somebody forgot to quote
MAX_NUMBER = 40

#: characters of somebody's text in a message
_SHORT = 60

_TAGS = "tag:yaml.org,2002:"
_CONSTANTS: dict[str, Json] = {"": None, "~": None} | {
    spelling: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelling in (word, word.capitalize(), word.upper())
}
_LONGEST_CONSTANT = max(map(len, _CONSTANTS))
_BEGINS_NUMBER = frozenset("+-.0123456789")
#: groups: the whole part, the fraction, the exponent
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,), "null": (type(None),), "bool": (bool,), "int": (int,), "float": (float, int)
}  # fmt: skip


def plain_value(text: str) -> Json:
    """The value of unquoted text.

    Raises:
        ValueError: a number that no computer number can hold.
    """
    if len(text) <= _LONGEST_CONSTANT and text in _CONSTANTS:
        return _CONSTANTS[text]
    found = _NUMBER.fullmatch(text) if text[0] in _BEGINS_NUMBER else None
    if found is None:
        return text
    if len(text) > MAX_NUMBER:
        raise ValueError("a number with too many digits")
    if found.lastindex == 1:
        return int(text)
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number too large to be held")
    return number


def tagged_value(tag: str, text: str) -> Json:
    """The value of text with a tag such as `!!str`.

    Raises:
        ValueError: a tag that manifests do not have, or one that does not fit the text.
    """
    kind = tag.removeprefix(_TAGS)
    if tag == "!" or kind == "str":
        return text
    if not tag.startswith(_TAGS) or kind not in _KINDS:
        raise ValueError(f"the tag `{tag_name(tag)}` is not used in manifests")
    value = plain_value(text)
    if not isinstance(value, _KINDS[kind]) or (kind != "bool" and isinstance(value, bool)):
        raise ValueError(f"`{shortened(text)}` is no `!!{kind}`")
    return value


def is_collection_tag(tag: str | None, kind: str) -> bool:
    """Whether `tag` may stand before a mapping (`map`) or list (`seq`)."""
    return tag in (None, "!", _TAGS + kind)


def tag_name(tag: str) -> str:
    """As people write it, for a message."""
    return shortened(tag.replace(_TAGS, "!!"))


def shortened(text: str, most: int = _SHORT) -> str:
    """Somebody's text in a message: never a wall of it."""
    return text if len(text) <= most else text[: most - 1] + "…"


def join_surrogates(text: str) -> str:
    """JSON writes an emoji as two escapes; here it becomes one character.

    Raises:
        ValueError: half of a pair, which is no character and cannot be sent.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    return text
