"""Starts the emulator as a process of its own, or finds the one that still runs.

It outlives a killed runner, as the real service would, and ends by itself when nobody asks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.clock import Clock
from runner.errors import RunnerError

from .options import PREFIX
from .places import EmulatorHome

#: how fast time passes there, unless told otherwise
SPEED = 20.0
#: seconds without a request after which it ends
IDLE_EXIT_S = 900
#: seconds for its first answer; a cold start imports a web server and media codecs
START_S = 30.0
LOOK_S = 0.05
_SECRETS = ("RUNWAYML_API_SECRET", "RUNWAY_API_KEY")
_DETACHED = 0x00000008  # DETACHED_PROCESS of Windows
_NEW_GROUP = 0x00000200  # CREATE_NEW_PROCESS_GROUP of Windows

# the package's own folder goes last on the path: nothing in it hides the standard library
_START = """
import sys
sys.path.append(sys.argv.pop(1))
from runner.cli.main import main
sys.exit(main())
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A live emulator."""

    url: str
    pid: int
    speed: float


async def ensure_emulator(home: EmulatorHome, *, speed: float, clock: Clock) -> Card:
    """The emulator of that folder, started if need be.

    Raises:
        RunnerError: it does not start; the log says why.
    """
    live = await _find(home)
    if live is not None:
        return live
    home.folder.mkdir(parents=True, exist_ok=True)
    process = _start(home, speed)
    deadline = clock.monotonic() + START_S
    while clock.monotonic() < deadline:
        url = _ready_url(home.log)
        if url:
            process.returncode = 0  # it outlives us on purpose: nobody waits for it
            card = Card(url=url, pid=process.pid, speed=speed)
            home.card.write_text(json.dumps(_card_json(card)), encoding="utf-8")
            return card
        if process.poll() is not None:
            break
        await clock.sleep(LOOK_S)
    raise RunnerError(f"the emulator did not start: {_last_words(home.log)}", hint=_see(home))


def _see(home: EmulatorHome) -> str:
    return f"its log: {home.log}"


def _start(home: EmulatorHome, speed: float) -> subprocess.Popen[bytes]:
    package = Path(__file__).resolve().parents[2]
    command = [
        sys.executable, "-P", "-c", _START, str(package),
        "emulator", "--json", "--port", "0", "--speed", f"{speed:g}", "--world", str(home.world),
        "--idle-exit", str(IDLE_EXIT_S),
    ]  # fmt: skip
    with home.log.open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and our own arguments
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(),
            **_detached(),
        )  # fmt: skip


def _environment() -> dict[str, str]:
    """Ours without keys and settings: the pretend service must not know the real one."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith((PREFIX, *_SECRETS))
    }


def _detached() -> dict[str, Any]:
    """A Ctrl-C at the runner, or its end, does not reach the emulator."""
    if sys.platform == "win32":
        return {"creationflags": _DETACHED | _NEW_GROUP}
    return {"start_new_session": True}


def _ready_url(log: Path) -> str | None:
    """The URL of the line that the emulator prints when it answers."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        found = _object(line)
        data = found.get("data")
        if found.get("ok") is True and isinstance(data, Mapping) and "url" in data:
            return str(data["url"])
    return None


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in reversed(lines):
        errors = _object(line).get("errors")
        if isinstance(errors, list) and errors:
            return str(errors[0].get("message", ""))
    return lines[-1] if lines else "no answer"


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _card_json(card: Card) -> Mapping[str, Any]:
    return {"url": card.url, "pid": card.pid, "speed": card.speed}


async def _find(home: EmulatorHome) -> Card | None:
    """The emulator of the card, if it answers and is the one that the card means."""
    try:
        card = Card(**json.loads(home.card.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    # another process may have the port by now: the answer has to come from the same one
    return card if await _pid_at(card.url) == card.pid else None


async def _pid_at(url: str) -> int | None:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url}/_emulator/") as answer,
        ):
            return int((await answer.json())["pid"])
    except (aiohttp.ClientError, TimeoutError, KeyError, TypeError, ValueError):
        return None
