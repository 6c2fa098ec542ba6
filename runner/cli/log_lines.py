"""What the library logs, as lines on stderr: cleaned like everything else that people see."""

from __future__ import annotations

import logging

from .output import Output


class LogLines(logging.Handler):
    """Warnings and worse; the rest is told by events."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        Output().trace(f"{record.levelname.lower()}: {record.getMessage()}")


def say_logs() -> None:
    """From now on, once."""
    log = logging.getLogger("runner")
    if not any(isinstance(handler, LogLines) for handler in log.handlers):
        log.addHandler(LogLines())
