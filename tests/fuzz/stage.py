"""A folder with a manifest in it, and around it what no manifest may read."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.seeds import MANIFEST, Bundle, bundles, workbook
from tests.language_rig import PNG

#: what every file outside of the folder holds
CANARY = "canary-7c1f"


class Stage:
    """The seeds, each in a folder of its own; a case is put in over its seed and taken out."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        for name, content in _canaries().items():
            (self._root / name).write_bytes(content)
        for bundle in bundles():
            folder = self._folder(bundle)
            for name, content in bundle.files.items():
                _write(folder / name, content)
            (folder / "out").symlink_to("..")
            (folder / "loop").symlink_to("loop")
            for name in _canaries():
                (folder / f"link-{name}").symlink_to(f"../{name}")

    def put(self, case: Bundle) -> Path:
        """Write what differs from the seed of the same name; returns where the manifest is."""
        folder = self._folder(case)
        for name, content in self._changed(case).items():
            _write(folder / name, content)
        return folder / MANIFEST

    def restore(self, case: Bundle) -> None:
        """As it was before."""
        folder, seed = self._folder(case), _seed(case)
        for name in self._changed(case):
            _write(folder / name, seed.files[name])

    def _changed(self, case: Bundle) -> dict[str, bytes]:
        seed = _seed(case)
        return {name: content for name, content in case.files.items()
                if content is not seed.files[name]}  # fmt: skip

    def _folder(self, bundle: Bundle) -> Path:
        return self._root / bundle.name


def _seed(case: Bundle) -> Bundle:
    return next(bundle for bundle in bundles() if bundle.name == case.name)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _canaries() -> dict[str, bytes]:
    mark = CANARY.encode()
    return {
        "canary.csv": b"id,promptText\n%s,%s\n" % (mark, mark),
        "canary.tsv": b"id\tpromptText\n%s\t%s\n" % (mark, mark),
        "canary.jsonl": b'{"id": "%s", "promptText": "%s"}\n' % (mark, mark),
        "canary.yaml": b"vars: {look: %s}\n%s: 1\n" % (mark, mark),
        "canary.png": PNG + mark,
        "canary.xlsx": workbook(b"id,promptText", b"%s,%s" % (mark, mark)),
    }
