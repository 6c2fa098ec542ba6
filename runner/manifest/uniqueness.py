"""Names that may be there only once, among a million of them."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

#: names that are remembered with the job they belong to; of the rest only a digest is kept
NAMED = 50_000


class Owner(NamedTuple):
    """Who has a name; a job without a name is one of too many."""

    job: str = ""
    place: str = ""  # of its row: shots.csv:17

    def __str__(self) -> str:
        """`shot-a` (shots.csv:2)."""
        named = f"`{self.job}`" if self.job else "another job"
        return f"{named} ({self.place})" if self.place else named


class Taken:
    """Which names are taken, by which job and where, as long as there are not too many."""

    def __init__(self) -> None:
        self._owners: dict[bytes, Owner] = {}
        self._digests: set[bytes] = set()

    def take(self, name: str, owner: str, place: str = "") -> Owner | None:
        """None where the name was free; else who has it, without a name if nobody knows.

        Args:
            name: in the form that is compared.
            owner: the job that wants it.
            place: of the job's row.
        """
        digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        if digest in self._owners:
            return self._owners[digest]
        if digest in self._digests:
            return Owner()
        if len(self._owners) < NAMED:
            self._owners[digest] = Owner(owner, place)
        else:
            self._digests.add(digest)
        return None
