"""The scenario in force at one world, and the record of what it did."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.emulator import views
from runner.emulator.acceptance import digest_of
from runner.emulator.backend import Backend
from runner.emulator.controls import Controls
from runner.emulator.rules import NO_FAULT, Fault, Request, Scenario
from runner.emulator.scenario import describe, parse_scenario

Json = Any

#: strikes that are remembered one by one; all are counted
REMEMBERED = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Strike:
    """A fault that was injected."""

    at: float
    on: str
    do: str
    subject: str


class Injector:
    """Chooses the fault of each request."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.scenario = Scenario()
        self._outage = Scenario()  # by the back door, on top of the scenario
        self.strikes: deque[Strike] = deque(maxlen=REMEMBERED)
        self.counts: Counter[str] = Counter()  # by `create lose` and the like

    def use(self, scenario: Scenario) -> None:
        """Take another scenario into force, from now on."""
        scenario.began = self.backend.ground.now()
        self.scenario = scenario
        for key in scenario.keys:
            self.backend.add_key(key)
        if scenario.settings:
            Controls(self.backend).set_knobs(scenario.settings)

    def script(self, raw: Json) -> Scenario:
        """Take a scenario from data into force; its chance follows from the emulator's seed.

        Raises:
            UsageError: names the place and what was expected.
        """
        scenario = parse_scenario(raw, seeded(self.backend.ground.options.seed))
        self.use(scenario)
        return scenario

    def begin_outage(self, how: str, seconds: float) -> None:
        """From now on for a time, on top of the scenario; `how` as in a scenario's outages."""
        rng = seeded(self.backend.ground.options.seed)
        span = {"begin": 0.0, "end": seconds, "how": how}
        self._outage = parse_scenario({"outages": [span]}, rng)
        self._outage.began = self.backend.ground.now()

    @property
    def is_dark(self) -> bool:
        """Whether connections are to be refused at the moment."""
        now = self.backend.ground.now()
        return self._outage.is_dark(now) or self.scenario.is_dark(now)

    def choose(self, request: Request) -> Fault:
        """The fault that strikes a request, or `NO_FAULT`; noted down."""
        now = self.backend.ground.now()
        fault = self._outage.choose(request, now)
        if fault is NO_FAULT:
            fault = self.scenario.choose(request, now)
        if fault is not NO_FAULT:
            self.counts[f"{request.on} {fault.do}"] += 1
            strike = Strike(at=now, on=request.on, do=fault.do, subject=request.subject)
            self.strikes.append(strike)
        return fault

    # What a fault is chosen by

    def of_create(self, endpoint: str, body: Mapping[str, Json], method: str = "POST") -> Request:
        """A create, before anything is checked."""
        head, _, recipe = endpoint.partition("/")
        model = recipe if head == "recipes" else body.get("model", "")
        return Request(
            on="create",
            method=method,
            endpoint=endpoint,
            model=str(model),
            prompt=prompt_of(body),
            subject=digest_of(body),
        )

    def of_task(self, on: str, method: str, task_id: str) -> Request:
        """A request about a task: what is known is the request that made it."""
        task = self.backend.state.tasks.get(task_id)
        if task is None:
            return Request(on=on, method=method, subject=task_id)
        return Request(
            on=on,
            method=method,
            endpoint=task.endpoint,
            model=task.lane,
            prompt=prompt_of(task.body),
            subject=task_id,
        )

    # For the back door

    def describe(self) -> Json:
        """The faults, how often each has struck, and the latest strikes."""
        struck = zip(self.scenario.faults, self.scenario.struck(), strict=True)
        return {
            "faults": [{**describe(fault), "struck": count} for fault, count in struck],
            "injected": dict(self.counts),
            "strikes": [
                {"at": views.iso(s.at), "on": s.on, "do": s.do, "subject": s.subject}
                for s in self.strikes
            ],
        }

    def forget(self) -> None:
        """What was injected so far; and an outage of the back door is over."""
        self._outage = Scenario()
        self.strikes.clear()
        self.counts.clear()


def seeded(seed: int) -> random.Random:
    """The chance of faults: the same in every world of a seed."""
    return random.Random(f"{seed}/scenario")


def prompt_of(body: Mapping[str, Json]) -> str:
    """The text that a body asks for."""
    inner = body.get("input")
    asked = inner if isinstance(inner, Mapping) else body
    return str(asked.get("promptText", ""))
