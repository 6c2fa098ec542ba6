"""Faults of the connection: what a scenario does to an answer on its way out."""

from __future__ import annotations

from aiohttp import web

from runner.emulator.scenario import Fault

#: the fault that strikes a request
FAULT: web.RequestKey[Fault] = web.RequestKey("fault", Fault)


def refused(fault: Fault) -> web.Response:
    """The answer of `refuse`."""
    text = fault.error or "The service is overloaded."
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.body == "json":
        return web.json_response({"error": text}, status=fault.status, headers=headers)
    body = text if fault.body == "text" else ""
    return web.Response(text=body, status=fault.status, headers=headers)


def garbled() -> web.Response:
    """A success that nobody can read: the service's JSON, cut in the middle."""
    return web.Response(text='{"id": "', content_type="application/json")


def cut(request: web.Request) -> web.Response:
    """Close the connection without an answer. The returned response is never seen."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def hang_up(request: web.Request) -> None:
    """Close the connection after what was written has left."""
    if request.transport is not None:
        request.transport.close()


def before(fault: Fault, request: web.Request) -> web.Response | None:
    """The answer that takes the place of carrying out the request, if any."""
    if fault.do == "refuse":
        return refused(fault)
    return cut(request) if fault.do == "drop" else None


def after(fault: Fault, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    """What becomes of the answer of a request that was carried out; not of a download's."""
    if answer.prepared:
        return answer
    if fault.do == "lose":
        return cut(request)
    return garbled() if fault.do == "garble" else answer


def seconds_before(fault: Fault, on: str) -> float:
    """Seconds that pass before the request is carried out. A download starts late, no less."""
    early = {"refuse", "drop", "lose", "garble"} | ({"delay"} if on == "download" else set())
    return fault.seconds if fault.do in early else 0.0


def seconds_after(fault: Fault, on: str) -> float:
    """Seconds between carrying out the request and its answer."""
    return fault.seconds if fault.do == "delay" and on != "download" else 0.0
