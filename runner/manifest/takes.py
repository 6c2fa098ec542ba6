"""Seeds of takes: what makes one variation differ from the next."""

from __future__ import annotations

from runner.core.catalog import ModelInfo
from runner.core.spec import Body, job_key

_MAX_SEED = 2**32 - 1  # Runway's, where the catalogue does not say


def with_seed(body: Body, take: int, endpoint: str, info: ModelInfo | None) -> Body:
    """The body of a take.

    Take 1 is the body as written. Take n of a body with `seed: s` gets s+n-1; without one it gets
    a seed that follows from the body and n, where the model takes a seed.
    """
    if take == 1:
        return body
    field = {} if info is None else info.fields.get("seed", {})
    seeds = int(field.get("maximum", _MAX_SEED)) + 1
    seed = body.get("seed")
    if isinstance(seed, int) and not isinstance(seed, bool):
        return {**body, "seed": (seed + take - 1) % seeds}
    if field and seed is None:
        return {**body, "seed": int(job_key(endpoint, body, take)[:12], 16) % seeds}
    return body
