"""Plans of a few jobs, and what people see of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runner.app.forecast import Forecast, foresee
from runner.cli.output import Output
from runner.cli.show_plan import show_plan
from runner.core.credits import CostBand
from runner.core.job import Job, JobStatus
from runner.core.ledger import Caps
from runner.core.plan import Plan
from runner.core.spec import JobSpec
from runner.core.standing import Standing
from runner.core.task import ModelLimits, Organization, Reading
from runner.testing import START, make_spec
from tests.plans import plan

NOBODY = Standing()
NO_CAPS = Caps()


def job_of(job_id: str, status: JobStatus = JobStatus.PENDING, **fields: Any) -> Job:
    return Job(batch="b", spec=make_spec(job_id), status=status, since=START, **fields)


def reading(balance: int = 4210, **models: ModelLimits) -> Reading:
    organization = Organization(credit_balance=balance, models=models)
    return Reading(asked_at=START, answered_at=START, organization=organization)


def seen(planned: Plan, caps: Caps = NO_CAPS, standing: Standing = NOBODY, **more: Any) -> Forecast:
    return foresee(planned, caps=caps, standing=standing, now=START + timedelta(hours=3), **more)


def told(
    capsys: pytest.CaptureFixture[str], planned: Plan, forecast: Forecast | None = None
) -> str:
    """What is printed, each remark on one line again."""
    show_plan(planned, forecast or seen(planned), Output())
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    return printed.replace("\n          ", " ")


SPECS = [
    make_spec("new", worst=25),
    make_spec("done", worst=10),
    make_spec("again", worst=40, body={"promptText": "edited"}),
    make_spec("stale", worst=50, body={"promptText": "edited"}),
]
STORED = {
    "done": job_of("done", JobStatus.DONE, charged=10),
    "again": job_of("again", JobStatus.FAILED, charged=5),
    "stale": job_of("stale", JobStatus.DONE, charged=50),
    "gone": job_of("gone", JobStatus.DONE, charged=7),
}
PLAN = plan(SPECS, STORED)


def banded(job_id: str, **fields: Any) -> JobSpec:
    band = CostBand(low=100, expected=1200, worst=25_000)
    return replace(make_spec(job_id, **fields), estimate=band)
