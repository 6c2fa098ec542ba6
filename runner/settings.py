"""Settings from flags and environment, frozen. The only module that reads environment variables.

Precedence: flag > environment > manifest > default. For caps the lowest of all applies, that of
the policy files included, which no flag or variable can raise.
"""

from __future__ import annotations

import difflib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from runner.app.policy_file import load_policy
from runner.core.links import host_of, is_loopback
from runner.core.spending_policy import NO_POLICY, SpendingPolicy
from runner.errors import AccountError, UsageError

PREFIX = "RUNWAY_BATCH_"
#: settings that have a variable; one-shot flags (`--yes`, `--dry-run`, …) have none
VARIABLES = (
    "STATE", "BASE_URL", "POLL_INTERVAL", "OUTPUT_DIR", "MAX_CREDITS", "JOBS", "DISPLAY", "STATS",
    "STATE_ON_NETWORK", "MAX_DURATION", "UNTIL", "MAX_WAIT", "DRAIN",
)  # fmt: skip
#: names a policy file, and has no flag: it says what no flag can raise
POLICY_VARIABLE = "RUNWAY_BATCH_POLICY"
#: in this order; the first two are the SDK's name and the older one
KEY_VARIABLES = ("RUNWAYML_API_SECRET", "RUNWAY_API_KEY")
BASE_URL_VARIABLES = ("RUNWAY_BATCH_BASE_URL", "RUNWAYML_BASE_URL")

DEFAULT_BASE_URL = "https://api.dev.runwayml.com"
STATE_FOLDER = ".runway-batch"
STATE_FILE = "state.db"
#: Runway asks for at least 5 s between two reads of a task
POLL_INTERVAL_S = 5.0
#: a typing error, or infinity, would leave finished tasks at Runway until they are deleted
LONGEST_POLL_INTERVAL_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a command was told, apart from the manifest."""

    base_url: str = DEFAULT_BASE_URL
    #: what the state file remembers as the service: the base URL, or `emulator`
    service: str = DEFAULT_BASE_URL
    state: Path | None = None
    #: the state file may lie on a network share: no other machine uses it
    state_on_network: bool = False
    output_dir: Path | None = None
    poll_interval_s: float = POLL_INTERVAL_S
    policy: SpendingPolicy = NO_POLICY
    key: str | None = field(default=None, repr=False)

    def need_key(self) -> str:
        """The key; `AccountError` where there is none."""
        if self.key:
            return self.key
        raise AccountError(
            "no API key", hint=f"set {KEY_VARIABLES[0]}, or try it with `--emulator` at no cost"
        )


def make_settings(
    environment: Mapping[str, str],
    *,
    state: Path | None = None,
    state_on_network: bool = False,
    base_url: str | None = None,
    output_dir: Path | None = None,
    poll_interval_s: float | None = None,
    pretend: bool = False,
) -> Settings:
    """Settings from flags, which win, and the environment.

    Args:
        pretend: for the emulator, which never gets the key: its host needs no policy's leave.

    Raises:
        UsageError: an unknown `RUNWAY_BATCH_…` variable, a value that cannot be used, a policy
            file that cannot be read, or a host that it does not allow.
    """
    check_variables(environment)
    policy = load_policy(environment.get(POLICY_VARIABLE, ""))
    url = base_url or next(
        (environment[name] for name in BASE_URL_VARIABLES if environment.get(name)),
        DEFAULT_BASE_URL,
    )
    url = url.rstrip("/")
    check_base_url(url)
    if not pretend:
        check_host(url, policy)
    interval = POLL_INTERVAL_S if poll_interval_s is None else poll_interval_s
    if not interval > 0 or (interval < POLL_INTERVAL_S and not is_loopback(url)):
        raise UsageError(
            f"a poll interval of {interval:g} s is too short",
            hint=f"Runway asks for at least {POLL_INTERVAL_S:g} s; less only on loopback hosts",
        )
    if interval > LONGEST_POLL_INTERVAL_S:
        raise UsageError(
            f"a poll interval of {interval:g} s is too long",
            hint=f"at most {LONGEST_POLL_INTERVAL_S:g} s: finished tasks have to be collected",
        )
    return Settings(
        base_url=url,
        service=url,
        state=state,
        state_on_network=state_on_network,
        output_dir=output_dir,
        poll_interval_s=interval,
        policy=policy,
        key=read_key(environment),
    )


def check_variables(environment: Mapping[str, str]) -> None:
    """Refuse a misspelt variable: it would silently not apply."""
    known = {POLICY_VARIABLE, *(PREFIX + name for name in VARIABLES)}
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"
            raise UsageError(f"unknown environment variable: {name}", hint=hint)


def read_key(environment: Mapping[str, str]) -> str | None:
    """The API key from the environment, or from the file that a `…_FILE` variable names."""
    for name in KEY_VARIABLES:
        if environment.get(name, "").strip():
            return _one_line(environment[name].strip(), name)
    for name in KEY_VARIABLES:
        path = environment.get(f"{name}_FILE", "").strip()
        if path:
            try:
                key = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"cannot read the file that {name}_FILE names: {path}") from error
            return _one_line(key, f"the file that {name}_FILE names") if key else None
    return None


def _one_line(key: str, where: str) -> str:
    """A line break or another control character would be a second header."""
    if not key.isprintable():
        raise UsageError(
            f"not an API key, as it has a line break or a control character: {where}",
            hint="keep the key and nothing else there",
        )
    return key


def key_mark(key: str, salt: str) -> str:
    """What the state file keeps of a key: a salted digest that only tells one key from another."""
    digest = hmac.new(salt.encode(), key.encode(), "sha256").hexdigest()
    return f"{salt}:{digest}"


def key_matches(key: str, mark: str) -> bool:
    """Whether the mark was made of this key."""
    return hmac.compare_digest(mark, key_mark(key, mark.partition(":")[0]))


def check_base_url(url: str) -> None:
    """https, or plain http on loopback: a key never travels in the clear."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.query:
        raise UsageError(f"not a base URL: {parts.scheme}://{parts.hostname or '…'}")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)):
        return
    raise UsageError(
        f"the base URL must be https, or http on a loopback host: {url}",
        hint="a key must not travel in the clear",
    )


def check_host(url: str, policy: SpendingPolicy) -> None:
    """The key is sent to no host that a policy does not list."""
    refusal = policy.refuses_host(host_of(url))
    if refusal is not None:
        raise UsageError(
            f"the policy {refusal.source} does not allow the API host: {host_of(url)}",
            hint=f"it allows: {', '.join(refusal.names) or 'none'}",
        )


def state_path(start: Path, settings: Settings) -> Path:
    """The state file: as told, else in the nearest state folder upward from `start`."""
    if settings.state is not None:
        return settings.state
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / STATE_FOLDER / STATE_FILE).is_file():
            return folder / STATE_FOLDER / STATE_FILE
    return start / STATE_FOLDER / STATE_FILE
