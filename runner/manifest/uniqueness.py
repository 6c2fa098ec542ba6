"""Names that may be there only once, among a million of them."""

from __future__ import annotations

from hashlib import blake2b

#: names that are remembered with the job they belong to; of the rest only a digest is kept
NAMED = 50_000


class Taken:
    """Which names are taken, and by which job as long as there are not too many."""

    def __init__(self) -> None:
        self._owners: dict[bytes, str] = {}
        self._digests: set[bytes] = set()

    def take(self, name: str, owner: str) -> str | None:
        """None where the name was free; else who has it, or an empty text if nobody knows."""
        digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        if digest in self._owners:
            return self._owners[digest]
        if digest in self._digests:
            return ""
        if len(self._owners) < NAMED:
            self._owners[digest] = owner
        else:
            self._digests.add(digest)
        return None
