"""Model Routers: `generate/*` picks a model that fits the request, the router and its ceiling."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from runner.emulator import answers, views
from runner.emulator.acceptance import Acceptance, Script
from runner.emulator.backend import Backend
from runner.emulator.candidates import Candidate, candidates, resolved_input
from runner.emulator.records import KeyEntry, RoutedRequest, RouterRecord, TaskRecord, evolve

Json = Any

SLUG = re.compile(r"[a-z][a-z0-9_-]{0,63}")
NUMBER = re.compile(r"[0-9]{1,9}")
PAGE = (1, 100)


class Routers:
    """Configurations, their requests, and the routing itself (by price)."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._pipelines: dict[str, tuple[Json, ...]] = {}  # equal ones are kept once

    # Configurations

    def create(self, key: KeyEntry, body: Mapping[str, Json]) -> Json:
        ground, slug = self._backend.ground, body.get("slug")
        if not isinstance(slug, str) or not SLUG.fullmatch(slug):
            raise _bad("slug", f"Invalid string: must match pattern ^{SLUG.pattern}$")
        if self._by_slug(key, slug) is not None:
            raise _bad("slug", "A router with this slug exists already")
        settings = body.get("settings", {})
        self._check_settings(settings)
        now = ground.now()
        router = RouterRecord(
            id=ground.new_id("router", len(ground.state.routers)),
            account=key.account,
            slug=slug,
            name=str(body.get("name", slug)),
            description=body.get("description"),
            settings=settings,
            created_at=now,
            updated_at=now,
        )
        self._keep(router)
        return views.router_view(router)

    def read(self, key: KeyEntry, router_id: str) -> Json:
        return views.router_view(self._by_id(key, router_id))

    def change(self, key: KeyEntry, router_id: str, body: Mapping[str, Json]) -> Json:
        router = self._by_id(key, router_id)
        settings = body.get("settings", router.settings)
        self._check_settings(settings)
        router = evolve(
            router,
            name=str(body.get("name", router.name)),
            description=body.get("description", router.description),
            settings=settings,
            version=router.version + (settings != router.settings),
            updated_at=self._backend.ground.now(),
        )
        self._keep(router)
        return views.router_view(router)

    def delete(self, key: KeyEntry, router_id: str) -> None:
        """Gone from lists and for requests; its slug may be used again."""
        router = self._by_id(key, router_id)
        self._keep(evolve(router, account="", slug=f"deleted/{router.slug}"))

    def page(self, key: KeyEntry, limit: str | None, cursor: str | None) -> Json:
        mine = [r for r in self._backend.state.routers.values() if r.account == key.account]
        start, end = 0 if cursor is None else _cursor(cursor), len(mine)
        end = min(end, start + _limit(limit))
        data = [views.router_view(router) for router in mine[start:end]]
        return {"data": data, "nextCursor": str(end) if end < len(mine) else None}

    def requests(
        self, key: KeyEntry, router_id: str, limit: str | None, cursor: str | None
    ) -> Json:
        """`GET /v1/routers/{id}/requests`, newest first: the only list of task ids there is.

        A cursor counts from the oldest line, so that new ones do not shift the pages.
        """
        lines = self._backend.state.history[self._by_id(key, router_id).id]
        end = len(lines) if cursor is None else min(len(lines), _cursor(cursor))
        start = max(0, end - _limit(limit))
        data = [views.routed_view(line) for line in reversed(lines[start:end])]
        return {"data": data, "nextCursor": str(start) if start else None}

    # Generation

    def generate(self, key: KeyEntry, media: str, body: Mapping[str, Json], script: Script) -> Json:
        """`POST /v1/generate/{media}`."""
        with self._backend.counting_refusals(key):
            return self._generate(key, media, body, script)

    def _generate(
        self, key: KeyEntry, media: str, body: Mapping[str, Json], script: Script
    ) -> Json:
        intake = self._backend.intake
        info = intake.model_of(f"generate/{media}", body)
        intake.check(key, info, body)
        router = self._by_slug(key, str(body["configId"]))
        if router is None:
            raise answers.refusal(404, "Router config not found", code="router_config_not_found")
        chosen, pipeline = self._choose(key, router, media, body["input"])
        if chosen is None:
            emptied = [pipeline[-1]["filter"]] if pipeline else ["capability"]
            self._note(router, status="no_eligible_model", pipeline=pipeline, emptied=emptied)
            raise answers.no_eligible_model(pipeline, emptied)
        wanted = Acceptance(info=chosen.info, body=chosen.body, script=script, sent=body)
        task = self._backend.accept(key, wanted)
        self._note(router, status="routed", pipeline=pipeline, task=task)
        return {"id": task.id, "routing": _routing(router, media, chosen, task, body["input"])}

    def _choose(
        self, key: KeyEntry, router: RouterRecord, media: str, wanted: Mapping[str, Json]
    ) -> tuple[Candidate | None, list[Json]]:
        """The cheapest model that passes all filters, and the story of the filters."""
        intake, ground = self._backend.intake, self._backend.ground
        found = candidates(ground.catalog, media, wanted)
        found = [c for c in found if intake.fits(key, c.info, c.body)]
        pipeline = [_stage("capability", found)]
        rule = router.settings.get("models", {})
        found = [c for c in found if _allowed(rule, c.info.model)]
        pipeline.append(_stage("allow_deny", found))
        ceiling = router.settings.get("maxCreditsPerGeneration", {}).get(media)
        priced = [(intake.quote(key, c.info, c.body), c) for c in found]
        priced = [(credits, c) for credits, c in priced if ceiling is None or credits <= ceiling]
        pipeline.append(_stage("price", [c for _, c in priced]))
        if not priced:
            emptied = next(i for i, stage in enumerate(pipeline) if not stage["models"])
            return None, pipeline[: emptied + 1]
        pipeline.append({"type": "rank", "outcome": "cost"})
        return min(priced, key=lambda item: item[0])[1], pipeline

    def _note(
        self,
        router: RouterRecord,
        *,
        status: str,
        pipeline: list[Json],
        emptied: list[str] | None = None,
        task: TaskRecord | None = None,
    ) -> None:
        ground = self._backend.ground
        line = RoutedRequest(
            id=ground.new_id("routed", len(ground.state.routed)),
            router=router.id,
            created_at=ground.now(),
            status=status,
            task=task.id if task else None,
            model=task.model if task else None,
            provider="emulator" if task else None,
            credits=task.estimate if task else None,
            reason_code="lowest_cost" if task else None,
            pipeline=self._pipelines.setdefault(json.dumps(pipeline), tuple(pipeline)),
            emptied_by=tuple(emptied or ()),
        )
        ground.state.put(line)
        ground.state.flush()

    def _keep(self, router: RouterRecord) -> None:
        self._backend.state.put(router)
        self._backend.state.flush()

    def _by_slug(self, key: KeyEntry, slug: str) -> RouterRecord | None:
        routers = self._backend.state.routers.values()
        return next((r for r in routers if r.slug == slug and r.account == key.account), None)

    def _by_id(self, key: KeyEntry, router_id: str) -> RouterRecord:
        router = self._backend.state.routers.get(router_id)
        if router is None or router.account != key.account:
            raise answers.not_found("router")
        return router

    def _check_settings(self, settings: Json) -> None:
        if not isinstance(settings, Mapping):
            raise _bad("settings", "Invalid input: expected object")
        ids = settings.get("models", {}).get("ids", [])
        unknown = [name for name in ids if not self._backend.ground.catalog.endpoints_of(name)]
        if unknown:
            raise _bad("settings", f"Unknown model: {unknown[0]}")


def _routing(
    router: RouterRecord, media: str, chosen: Candidate, task: TaskRecord, wanted: Json
) -> Json:
    ceiling = router.settings.get("maxCreditsPerGeneration", {}).get(media)
    return {
        "configId": router.slug,
        "model": task.model,
        "provider": "emulator",
        "estimatedCost": {"credits": task.estimate},
        "resolvedInput": resolved_input(media, chosen, wanted),
        "resolvedSettings": {
            "optimizeFor": router.settings.get("optimizeFor", "cost"),
            "priceCeiling": ceiling,
        },
    }


def _stage(name: str, found: list[Candidate]) -> Json:
    return {"type": "filter", "filter": name, "models": [c.info.model for c in found]}


def _allowed(rule: Mapping[str, Json], model: str) -> bool:
    listed = model in rule.get("ids", ())
    return listed if rule.get("mode") == "allowlist_only" else not listed


def _limit(text: str | None) -> int:
    least, most = PAGE
    limit = int(text) if text is not None and NUMBER.fullmatch(text) else 0
    if not least <= limit <= most:
        raise _bad("limit", f"Invalid input: expected a number from {least} to {most}")
    return limit


def _cursor(text: str) -> int:
    if not NUMBER.fullmatch(text):
        raise _bad("cursor", "Invalid cursor")
    return int(text)


def _bad(name: str, message: str) -> answers.Refusal:
    return answers.invalid_body([answers.issue("custom", [name], message)])
