"""Manifests with files beside them, expanded as `plan` does it."""

from __future__ import annotations

from pathlib import Path

from runner.core.spec import JobSpec
from runner.errors import ManifestError, Problem
from runner.manifest.catalog_file import load_catalog
from runner.manifest.expand import Expander
from runner.manifest.inputs import LocalInputs
from runner.manifest.load import load_manifest

CATALOG = load_catalog()
#: a small PNG, padded to the least that Runway takes
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x05\0\0\0\x02\xd0\x08\x02\0\0\0" + b"\0" * 600
HEAD = "version: 1\nname: b\nbudget: 90000\n"
STILL = "text_to_image: {model: gen4_image, ratio: '1920:1080', promptText: %s}"


class Folder:
    """A folder with a manifest and what it names."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def expander(self, text: str) -> Expander:
        path = self.write("m.yaml", HEAD + text)
        manifest = load_manifest(path, CATALOG)
        return Expander(manifest, CATALOG, LocalInputs(self.path, manifest.allow), date="d")

    def jobs(self, text: str) -> dict[str, JobSpec]:
        """The jobs of a manifest that has nothing wrong with it."""
        expander = self.expander(text)
        specs = {spec.id: spec for spec in expander.specs()}
        assert expander.problems == ()
        return specs

    def problems(self, text: str) -> list[Problem]:
        """What is wrong with a manifest, of its shape or else of its jobs."""
        try:
            expander = self.expander(text)
        except ManifestError as error:
            return list(error.problems)
        for _ in expander.specs():
            pass
        return list(expander.problems)

    def messages(self, text: str) -> list[str]:
        return [problem.message for problem in self.problems(text)]

    def warnings(self, text: str) -> list[str]:
        expander = self.expander(text)
        for _ in expander.specs():
            pass
        return [problem.message for problem in expander.warnings]
