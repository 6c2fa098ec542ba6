"""The frozen identity of one attempt: a digest of all that decided its request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from runner.core.spec import AssetRef, JobSpec, Json, OutputRef, map_refs, refs_in


def consumed_refs(spec: JobSpec) -> Sequence[OutputRef]:
    """The outputs of other jobs that go into the body, each once, in its order."""
    found = (ref for ref in refs_in(spec.body) if isinstance(ref, OutputRef))
    return list(dict.fromkeys(found))


def request_identity(spec: JobSpec, consumed: Mapping[OutputRef, str], account: str) -> str:
    """A digest of endpoint, body, inputs by their content, and whose account it goes to.

    Args:
        spec: what is sent.
        consumed: sha256 of each output of another job that goes into it.
        account: base URL and salted mark of the key; never the key.
    """

    def by_content(ref: OutputRef | AssetRef) -> Json:
        if isinstance(ref, AssetRef):
            return {"sha256": ref.sha256}
        return {"sha256": consumed.get(ref, ""), "frame": ref.frame}

    content = {"endpoint": spec.endpoint, "body": map_refs(spec.body, by_content),
               "account": account}  # fmt: skip
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
