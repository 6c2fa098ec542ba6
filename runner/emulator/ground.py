"""What all parts of the pretend service stand on: records, time, chance, limits and files."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable

from runner.clock import Clock
from runner.core.catalog import Catalog, ModelInfo
from runner.emulator import answers
from runner.emulator.links import LinkSigner, token_of
from runner.emulator.options import EmulatorOptions
from runner.emulator.outputs import OutputFile, files_of
from runner.emulator.records import (
    Account,
    KeyEntry,
    Knobs,
    Meta,
    Record,
    TaskRecord,
    evolve,
)
from runner.emulator.state import Journal, State
from runner.emulator.tiers import Limits, TierTable


class Ground:
    """One world. Its ids, its link secret and its luck follow from the seed and its birth."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        clock: Clock,
        options: EmulatorOptions,
        journal: Journal,
        earlier: Iterable[Record],
    ) -> None:
        self.catalog = catalog
        self.options = options
        self.tiers = TierTable.from_catalog(catalog, unlimited=options.null_limits)
        self.public_url = ""  # set by the server: where output links point to
        self.state = State(journal)
        self.state.load(earlier)
        self._clock = clock
        self.is_new = self.state.meta is None
        self.meta = self.state.meta or Meta(born=clock.now().timestamp())
        if self.is_new:
            self.state.put(self.meta)
        self.signer = LinkSigner(secret=self.rng("secret").randbytes(32))

    # Time and chance

    def now(self) -> float:
        """Unix seconds, with what the back door has added."""
        return self._clock.now().timestamp() + self.meta.ahead_s

    def advance(self, seconds: float) -> None:
        self.meta = evolve(self.meta, ahead_s=self.meta.ahead_s + seconds)
        self.state.put(self.meta)

    @property
    def knobs(self) -> Knobs:
        return self.state.knobs or Knobs(link_life_s=self.options.link_life_s)

    def rng(self, name: object) -> random.Random:
        """Chance that belongs to a name: the same in every life of this world."""
        return random.Random(f"{self.options.seed}/{self.meta.born}/{name}")

    def luck(self, index: int) -> random.Random:
        """Chance of the n-th task: the same in every world of this seed."""
        return random.Random(f"{self.options.seed}/task/{index}")

    def new_id(self, kind: str, index: int) -> str:
        return str(uuid.UUID(int=self.rng(f"{kind}/{index}").getrandbits(128), version=4))

    # Records

    def account(self, key: KeyEntry) -> Account:
        return self.state.accounts[key.account]

    def limits(self, account: Account, lane: str) -> Limits:
        """Of the account itself where it has any, else of its tier."""
        by_tier = self.tiers.limits(account.tier, lane)
        own = account.limits.get(lane, account.limits.get("*")) if account.limits else None
        if own is None:
            return by_tier
        return Limits(
            concurrent=own.get("concurrent", by_tier.concurrent),
            daily=own.get("daily", by_tier.daily),
        )

    def info_of(self, task: TaskRecord) -> ModelInfo:
        info = self.catalog.find(task.endpoint, task.model)
        if info is None:  # a world of another version's catalogue
            raise answers.no_task()
        return info

    # Files

    def files(self, task: TaskRecord) -> tuple[OutputFile, ...]:
        """The outputs of a task that succeeded; none before."""
        if not task.ended or task.failure or task.deleted:
            return ()
        return files_of(task, self.info_of(task).media)

    def link(self, file: OutputFile) -> str:
        """A fresh link."""
        knobs = self.knobs
        path = self.signer.sign(file.path, self.now(), knobs.link_life_s, tells_end=knobs.link_exp)
        return self.public_url + path

    def own_file(self, url: str) -> OutputFile | None:
        """The output that a link of ours points to, while the link is valid."""
        if not self.public_url or not url.startswith(self.public_url + "/"):
            return None
        path, token = token_of(url)
        return self.file_at(path) if self.signer.allows(path, token, self.now()) else None

    def file_at(self, path: str) -> OutputFile | None:
        parts = path.split("/")
        task = self.state.tasks.get(parts[2]) if len(parts) == 5 else None
        files = self.files(task) if task else ()
        return next((file for file in files if file.path == path), None)
