"""How tasks fail: the service's codes, what each costs, and a text for people."""

from __future__ import annotations

#: code prefix -> charge returned. Longest match wins. SAFETY.OUTPUT is disputed in the official
#: pages; the emulator takes the dearer reading, a scenario can script the other.
REFUNDED: tuple[tuple[str, bool], ...] = (
    ("INPUT_PREPROCESSING.SAFETY", True),
    ("INPUT_PREPROCESSING.INTERNAL", True),
    ("INTERNAL", True),
    ("THIRD_PARTY.UNAVAILABLE", True),
    ("ASSET.INVALID", True),
    ("SAFETY", False),
)

TEXTS: tuple[tuple[str, str], ...] = (
    ("SAFETY.INPUT", "The input was refused by content moderation."),
    ("SAFETY.OUTPUT", "The result was refused by content moderation."),
    ("INPUT_PREPROCESSING.SAFETY", "The prompt was refused while it was being prepared."),
    ("INTERNAL.BAD_OUTPUT", "The result did not pass the quality check."),
    ("ASSET.INVALID", "An input file does not meet the requirements."),
    ("THIRD_PARTY", "The provider of this model is not available."),
)


def is_refunded(code: str | None) -> bool:
    """Whether a failure of that code costs nothing; no code counts as INTERNAL."""
    if code is None:
        return True
    return next((back for prefix, back in REFUNDED if code.startswith(prefix)), False)


def text_of(code: str | None) -> str:
    found = (text for prefix, text in TEXTS if code is not None and code.startswith(prefix))
    return next(found, "An unexpected error occurred.")
