"""What the emulator can be told. Every default is the account a beginner would have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.errors import UsageError

#: the only key that is known from the start; it is no secret
DEFAULT_KEY = "key_emulator"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

MEDIA = ("real", "plain")
PROGRESS = ("linear", "erratic")
TIERS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, kw_only=True, slots=True)
class EmulatorOptions:
    """Settings of one emulator.

    Raises:
        UsageError: a value that cannot be used, above all an address that is not loopback.
    """

    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    speed: float = 1.0  # 60: a minute of generation in a second; quotas and links keep real time
    seed: int = 0
    tier: int = 1
    credits: int = 10_000
    scenario: Path | None = None  # scripted faults, see scenario.py
    world: Path | None = None  # folder that survives a kill; None: memory only
    link_life_s: float = 24 * 3600.0
    media: str = "real"  # plain: right signature, nothing to play, no PyAV needed
    plain_bytes: int = 2048  # size of a plain file
    progress: str = "linear"
    strict_models: bool = False  # refuse what today's service refuses: retired models and the like
    null_limits: bool = False  # limits read null: unlimited (since September 2026)
    costs: bool = True  # False: no estimatedCost and no cost, as before August 2026
    idle_exit_s: float | None = None  # end after so long without a request

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK:
            raise UsageError(
                f"the emulator serves loopback only, not `{self.host}`", hint="use `127.0.0.1`"
            )
        if not self.speed > 0:
            raise UsageError(f"speed must be above zero: `{self.speed}`")
        _one_of("tier", self.tier, TIERS)
        _one_of("media", self.media, MEDIA)
        _one_of("progress", self.progress, PROGRESS)


def _one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        known = ", ".join(f"`{choice}`" for choice in choices)
        raise UsageError(f"unknown {name}: `{value}`", hint=f"one of {known}")
