"""Published workflows: one sample, whose two nodes make a picture and a clip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.emulator import answers, views
from runner.emulator.acceptance import Script
from runner.emulator.backend import WORKFLOW, Backend
from runner.emulator.records import KeyEntry

NAME = "Emulator sample"


class Workflows:
    """An invocation is one task without a slot limit; its price is made up (pricing.py)."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def sample_id(self) -> str:
        return self._backend.ground.new_id("workflow", 0)

    def published(self) -> Mapping[str, Any]:
        """`GET /v1/workflows`."""
        born = views.iso(self._backend.ground.meta.born)
        version = {"id": self.sample_id, "createdAt": born, "version": 1}
        return {"data": [{"name": NAME, "versions": [version]}]}

    def read(self, workflow_id: str) -> Mapping[str, Any]:
        """`GET /v1/workflows/{id}`."""
        self._known(workflow_id)
        born = views.iso(self._backend.ground.meta.born)
        return {
            "id": workflow_id,
            "name": NAME,
            "description": None,
            "createdAt": born,
            "updatedAt": born,
            "version": 1,
            "graph": {"version": 1, "nodes": [{"id": node} for node in self._nodes()], "edges": []},
        }

    def run(
        self, key: KeyEntry, workflow_id: str, body: Mapping[str, Any], script: Script
    ) -> Mapping[str, Any]:
        """`POST /v1/workflows/{id}`: an invocation id and nothing else."""
        self._known(workflow_id)
        return {"id": self._backend.create(key, WORKFLOW, body, script).id}

    def invocation(self, key: KeyEntry, invocation_id: str) -> Mapping[str, Any]:
        """`GET /v1/workflow_invocations/{id}`, with fresh links by node."""
        task = self._backend.find(key, invocation_id, is_invocation=True)
        ground = self._backend.ground
        files = ground.files(task)
        nodes = zip(self._nodes(), files, strict=False)
        links = {node: [ground.link(file)] for node, file in nodes}
        view: Mapping[str, Any] = views.invocation_view(task, ground.now(), links=links)
        return view

    def _nodes(self) -> tuple[str, ...]:
        return tuple(self._backend.ground.new_id("node", index) for index in range(2))

    def _known(self, workflow_id: str) -> None:
        if workflow_id != self.sample_id:
            raise answers.not_found("workflow")
