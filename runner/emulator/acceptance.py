"""Taking a request in: which model, is the body valid, what does it cost, may it be queued."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.core.catalog import DEFAULT, ModelInfo
from runner.emulator import answers, failures
from runner.emulator.checks import check_body
from runner.emulator.ground import Ground
from runner.emulator.media_uris import (
    Looked,
    data_problem,
    https_problem,
    kind_problem,
    sum_measures,
    upload_problem,
    uris_of,
)
from runner.emulator.outputs import LONGEST_S
from runner.emulator.pricing import PRETEND_INPUT, charge
from runner.emulator.records import KeyEntry, TaskRecord
from runner.emulator.tiers import lane_of
from runner.emulator.timing import timing_of

Json = Any
Body = Mapping[str, Json]

#: longer texts of a body are not kept
KEPT_CHARACTERS = 40_000
#: the same for files within a body
KEPT_DATA_CHARACTERS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """What a scenario has in store for a task."""

    fails: bool = False
    code: str | None = None
    text: str = ""
    keeps_charge: bool | None = None
    after: float = 1.0  # share of the generation time that passes before it fails
    throttled_s: float = 0.0
    fault: str = ""  # for the record: the fault that struck the create


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """A valid request."""

    info: ModelInfo
    body: Body
    script: Script = field(default_factory=Script)
    sent: Body | None = None  # what the caller sent, where it is not the body


def digest_of(body: Body) -> str:
    """SHA-256 of a body as canonical JSON: sorted keys, no spaces, ASCII."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Intake:
    """Judges requests. Changes nothing."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def model_of(self, endpoint: str, body: Body) -> ModelInfo:
        """The variant of the endpoint that the body chooses."""
        known = self._ground.catalog.endpoint(endpoint)
        if known is None:
            raise answers.not_found("endpoint")
        name = known.discriminator
        chosen = body.get(name, DEFAULT) if name else DEFAULT
        info = known.models.get(chosen) if isinstance(chosen, str) else None
        strict = self._ground.options.strict_models
        if info is None or (strict and info.is_retired):
            served = [m for m, i in known.models.items() if not (strict and i.is_retired)]
            expected = "|".join(f'"{model}"' for model in served)
            message = f"Invalid option: expected one of {expected}"
            raise answers.invalid_body([answers.issue("invalid_value", [name or ""], message)])
        return info

    def check(self, key: KeyEntry, info: ModelInfo, body: Body) -> None:
        """Refuse a body with anything wrong in it, all at once."""

        if issues := self._issues(key, info, body):
            raise answers.invalid_body(issues)

    def fits(self, key: KeyEntry, info: ModelInfo, body: Body) -> bool:
        """Whether the model would take the body."""
        return not self._issues(key, info, body)

    def _issues(self, key: KeyEntry, info: ModelInfo, body: Body) -> list[answers.Issue]:
        def uri_problem(value: str, media: str) -> str:
            return self._uri_problem(key, value, media)

        strict = self._ground.options.strict_models
        return check_body(info, body, uri_problem, strict=strict)

    def quote(self, key: KeyEntry, info: ModelInfo, body: Body) -> int:
        """What a request would be charged at most."""
        measures = sum_measures(info, self._look(key, info, body))
        return charge(info, body, measures, self._ground.luck(0)).most

    def record(self, key: KeyEntry, wanted: Acceptance, now: float) -> tuple[TaskRecord, float]:
        """The task that a request becomes, and its seconds of PENDING; 429 and 400 where not."""
        ground, info, script = self._ground, wanted.info, wanted.script
        lane = lane_of(info.endpoint, info.model)
        self._check_quota(key, lane, now)
        index = len(ground.state.tasks)
        luck = ground.luck(index)
        timing = timing_of(info.endpoint, info.media, luck, ground.options.speed)
        looked = self._look(key, info, wanted.body)
        price = charge(info, wanted.body, sum_measures(info, looked), luck)
        if ground.account(key).balance < price.most:
            raise answers.no_credits()
        share = script.after if script.fails else 1.0
        text = script.text or failures.text_of(script.code)
        task = TaskRecord(
            id=ground.new_id("task", index),
            index=index,
            account=key.account,
            key=key.id,
            endpoint=info.endpoint,
            model=info.model,
            lane=lane,
            body=_shortened(wanted.body),
            created_at=now,
            estimate=price.most,
            final=price.final,
            generation_s=timing.generation_s * share,
            held_until=now + script.throttled_s if script.throttled_s else 0.0,
            failure=text if script.fails else "",
            failure_code=script.code,
            keeps_charge=script.keeps_charge,
            facts=_input_facts(looked),
            digest=digest_of(wanted.body if wanted.sent is None else wanted.sent),
            fault=script.fault,
        )
        return task, timing.pending_s

    def _check_quota(self, key: KeyEntry, lane: str, now: float) -> None:
        account = self._ground.account(key)
        daily = self._ground.limits(account, lane).daily
        if daily is not None and self._ground.state.creates_of_day(account.id, lane, now) >= daily:
            raise answers.daily_limit(lane)

    def _uri_problem(self, key: KeyEntry, value: str, media: str) -> str:
        ground = self._ground
        if value.startswith("https://"):
            return https_problem(value)
        if value.startswith("data:"):
            return data_problem(value, media)
        if value.startswith("runway://"):
            upload = ground.state.uploads.get(value.removeprefix("runway://"))
            return upload_problem(upload, key.account, media, ground.now())
        if (file := ground.own_file(value)) is not None:
            return kind_problem(file.media, media)
        if value.startswith(ground.public_url + "/"):
            return "The URL could not be fetched"
        return "Invalid URL: expected https, a runway:// URI or a data URI"

    def _look(
        self, key: KeyEntry, info: ModelInfo, body: Body
    ) -> list[tuple[str, str, Looked | None]]:
        """Every media string of a body, with what can be known of its file."""
        return [(name, media, self._looked(value)) for name, media, value in uris_of(info, body)]

    def _looked(self, value: str) -> Looked | None:
        upload = self._ground.state.uploads.get(value.removeprefix("runway://"))
        if upload is not None and upload.measures:
            return Looked(media=upload.media, measures=upload.measures)
        file = self._ground.own_file(value)
        if file is None:
            return None
        longest = float(max(file.width, file.height))
        size = {"longest_side_px": longest, "megapixels": file.width * file.height / 1e6}
        if file.media == "image":
            return Looked(media=file.media, measures=size)
        clip = {"seconds": file.seconds, "fps": file.fps, "frames": file.seconds * file.fps}
        return Looked(media=file.media, measures={**clip, **size})


def _input_facts(looked: list[tuple[str, str, Looked | None]]) -> dict[str, Json]:
    """Length of the first clip or sound among the inputs: the output is as long."""
    for _, media, item in looked:
        if media in {"video", "audio"}:
            measures = PRETEND_INPUT if item is None else item.measures
            return {"seconds": min(measures.get("seconds", LONGEST_S), LONGEST_S)}
    return {}


def _shortened(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, str):
        most = KEPT_DATA_CHARACTERS if value.startswith("data:") else KEPT_CHARACTERS
        return value if len(value) <= most else value[:KEPT_DATA_CHARACTERS] + "…"
    return value
