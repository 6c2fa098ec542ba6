"""What the pretend service remembers. Frozen; changed with `evolve`; kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

Json = Any
Body = Mapping[str, Json]


@dataclass(frozen=True, kw_only=True, slots=True)
class Meta:
    """The world itself. `born` makes its ids differ from those of any other world."""

    id: str = "world"
    born: float
    ahead_s: float = 0.0  # how far the back door has pushed the clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Knobs:
    """What can be changed about the service while it runs, by a scenario or the back door."""

    id: str = "knobs"
    link_life_s: float  # of links that are handed out from now on
    link_exp: bool = True  # whether a link's token tells its end
    refund_delay_s: float = 0.0  # between a failure and the credits' return to the balance
    cancel_refunds: bool = True  # whether cancelling what has not begun gives its credits back
    date_skew_s: float = 0.0  # how far the `Date` header is ahead of the emulator's clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """One prepaid project. Several keys may belong to it."""

    id: str
    balance: int
    tier: int
    #: lane, or `*` for all -> {"concurrent": n, "daily": n}, instead of the tier's; None: unlimited
    limits: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)
    recharge_below: int = 0  # auto-recharge: where an hourly look finds less than this …
    recharge_to: int = 0  # … credits are bought up to this; 0: off
    recharge_look_at: float = 0.0  # Unix seconds of the next look


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """The sums of one account. Own tasks only: those made by others are in the balance."""

    id: str  # of the account
    creates: int = 0  # tasks made
    refused: int = 0  # creates that arrived and were turned down
    others: int = 0  # tasks that other users of the account made
    taken: int = 0  # credits
    given_back: int = 0  # credits, also those still on their way to the balance
    outstanding: int = 0  # credits taken for tasks that have not ended
    alive: int = 0  # tasks that have not ended
    most_charged: int = 0  # the highest `taken - given_back` there ever was
    most_outstanding: int = 0
    most_alive: int = 0

    @property
    def charged(self) -> int:
        return self.taken - self.given_back


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyEntry:
    """An API key."""

    id: str
    account: str
    disabled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRecord:
    """One generation. Its status follows from its times; nothing ticks.

    Times are Unix seconds. Money: `estimate` was taken at the submit, `refunded` came back.
    """

    id: str
    index: int  # 0, 1, 2 … in the order of acceptance
    account: str
    key: str
    endpoint: str
    model: str  # of the catalogue; `default` where the endpoint has none
    lane: str  # what slots and quotas are counted by
    body: Body
    created_at: float
    estimate: int
    final: int  # charged when it succeeds; never above the estimate
    generation_s: float
    held_until: float = 0.0  # scripted: THROTTLED at least until then
    start_at: float | None = None  # None: THROTTLED
    failure: str = ""
    failure_code: str | None = None  # None with a failure: the service gave no code
    keeps_charge: bool | None = None  # scripted refund; None: by the code
    ended: bool = False  # the end was booked
    refunded: int = 0
    refunded_at: float = 0.0
    owed: int = 0  # of `refunded`: not back on the balance yet
    deleted: bool = False
    digest: str = ""  # of the body as it was sent, see acceptance.py
    fault: str = ""  # what a scenario did to the create or has in store for the task
    is_others: bool = False  # made by another user of the account
    facts: Mapping[str, Json] = field(default_factory=dict)  # input measures and the like

    @property
    def end_at(self) -> float | None:
        return None if self.start_at is None else self.start_at + self.generation_s

    @property
    def charged(self) -> int:
        return self.estimate - self.refunded


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadRecord:
    """A placeholder, and the file once it arrived."""

    id: str
    account: str
    filename: str
    media: str  # image, video or audio
    created_at: float
    fields: Mapping[str, str]
    size: int | None = None  # None: not arrived
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        return f"runway://{self.id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RouterRecord:
    """A Model Router."""

    id: str
    account: str
    slug: str
    name: str
    description: str | None
    settings: Mapping[str, Json]
    created_at: float
    updated_at: float
    version: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RoutedRequest:
    """One line of a router's history."""

    id: str
    router: str
    created_at: float
    status: str
    task: str | None = None
    model: str | None = None
    provider: str | None = None
    credits: int | None = None
    reason_code: str | None = None
    pipeline: tuple[Json, ...] = ()
    emptied_by: tuple[str, ...] = ()


Record = (
    Meta | Knobs | Account | Totals | KeyEntry | TaskRecord | UploadRecord | RouterRecord
    | RoutedRequest
)  # fmt: skip
R = TypeVar("R", Meta, Knobs, Account, Totals, KeyEntry, TaskRecord, UploadRecord, RouterRecord)

KINDS: Mapping[str, type[Record]] = {
    "meta": Meta,
    "knobs": Knobs,
    "account": Account,
    "totals": Totals,
    "key": KeyEntry,
    "task": TaskRecord,
    "upload": UploadRecord,
    "router": RouterRecord,
    "routed": RoutedRequest,
}


def evolve(record: R, **changes: Any) -> R:
    return replace(record, **changes)


def kind_of(record: Record) -> str:
    return next(kind for kind, cls in KINDS.items() if isinstance(record, cls))


def to_json(record: Record) -> dict[str, Json]:
    return asdict(record)


def from_json(kind: str, data: Mapping[str, Json]) -> Record:
    """A stored record.

    Raises:
        KeyError, TypeError: not a record of that kind.
    """
    raw = dict(data)
    for name in ("pipeline", "emptied_by"):
        if name in raw:
            raw[name] = tuple(raw[name])
    return KINDS[kind](**raw)
