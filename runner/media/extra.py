"""Is what reads media files installed? Asked before anything is paid, where a job needs it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

#: packages of the extra to the oldest major version. PyAV before 17 mistakes tagged colours
_NEEDED = {"av": 17, "pillow": 11}
INSTALL_HINT = "install `runway-batch[media]`"


def media_extra_missing() -> str | None:
    """What is missing to take a frame of a video, in a sentence; None where all is there."""
    missing = [f"`{name}` {oldest}" for name, oldest in _NEEDED.items() if _major(name) < oldest]
    if not missing:
        return None
    return f"frames of videos need the extra `media`: {' and '.join(missing)} or newer"


def _major(package: str) -> int:
    """The installed major version; 0 for none."""
    try:
        return int(version(package).partition(".")[0])
    except (PackageNotFoundError, ValueError):
        return 0
