"""The comparison with the SDK's types finds what it is made to find."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import runwayml

from runner.core.catalog import Catalog
from tests.drift.__main__ import DRIFTED, SAME, NotFetched, fetch, report, version_in
from tests.drift.compare import Drift, drift, table

PACKAGE = Path(runwayml.__file__).parent
RAW = json.loads(
    resources.files("runner").joinpath("data", "catalog.json").read_text(encoding="utf-8")
)


def changed(change: Callable[[dict[str, Any]], object]) -> list[Drift]:
    """What is found when the catalogue is another one."""
    raw = copy.deepcopy(RAW)
    change(raw["endpoints"])
    return drift(Catalog.from_dict(raw), PACKAGE)


def veo(endpoints: dict[str, Any]) -> dict[str, Any]:
    model: dict[str, Any] = endpoints["text_to_video"]["models"]["veo3.1"]
    return model


def told(found: list[Drift]) -> list[tuple[str, str]]:
    return [(each.place, each.what) for each in found]


@pytest.mark.parametrize(
    ("change", "place", "what"),
    [
        (lambda e: veo(e)["fields"].pop("seed"), "", "new field `seed`"),
        (lambda e: veo(e)["fields"].update(zzz={"type": "string"}), "", "field `zzz` is gone"),
        (
            lambda e: veo(e)["required"].remove("ratio"),
            "",
            "required: model, promptText here, model, promptText, ratio in the SDK",
        ),
        (
            lambda e: veo(e)["fields"]["ratio"]["enum"].pop(0),
            "ratio",
            "new choices: 1280:720",
        ),
        (
            lambda e: veo(e)["fields"]["ratio"]["enum"].append("1:1"),
            "ratio",
            "choices gone: 1:1",
        ),
        (
            lambda e: veo(e)["fields"]["audio"].update(type="string"),
            "audio",
            "type: str here, bool in the SDK",
        ),
        (lambda e: e["text_to_video"]["models"].pop("wan3"), "", "new in the SDK"),
        (
            lambda e: e["text_to_video"]["models"]["veo3"].update(status="current"),
            "",
            "not in the SDK",
        ),
        (lambda e: veo(e).update(status="retired"), "", "retired, yet served"),
        (lambda e: e.pop("video_to_hdr"), "", "the SDK has it, the catalogue does not"),
    ],
)
def test_each_difference_is_found_once(
    change: Callable[[dict[str, Any]], object], place: str, what: str
) -> None:
    assert told(changed(change)) == [(place, what)]


def test_a_difference_deep_inside_is_found_at_its_place() -> None:
    def change(endpoints: dict[str, Any]) -> None:
        fields = endpoints["text_to_image"]["models"]["gen4_image"]["fields"]
        fields["referenceImages"]["items"]["properties"].pop("tag")

    assert told(changed(change)) == [("referenceImages[]", "new field `tag`")]


def test_what_the_sdk_does_not_type_is_not_compared() -> None:
    def change(endpoints: dict[str, Any]) -> None:
        image = endpoints["image_to_video"]["models"]["hailuo3"]["fields"]["promptImage"]
        image["anyOf"][1]["items"]["properties"].pop("position")

    assert changed(change) == []


# Another release


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A copy of the installed release."""
    kept = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, tmp_path / "runwayml", ignore=kept))


def test_a_new_model_of_another_release_is_found(release: Path) -> None:
    file = release / "types" / "video_to_hdr_create_params.py"
    text = file.read_text(encoding="utf-8")
    assert 'Literal["ruby"]' in text
    file.write_text(text.replace('Literal["ruby"]', 'Literal["ruby", "opal"]'), encoding="utf-8")
    found = drift(Catalog.from_dict(RAW), release)
    assert [each.endpoint for each in found] == ["video_to_hdr"]
    assert [(each.model, each.what) for each in found] == [("opal", "new in the SDK")]


def test_a_new_endpoint_of_another_release_is_found(release: Path) -> None:
    (release / "types" / "text_to_smell_create_params.py").write_text("", encoding="utf-8")
    (found,) = drift(Catalog.from_dict(RAW), release)
    assert found.endpoint == "text_to_smell_create_params.py"


def test_an_endpoint_that_is_gone_or_cannot_be_understood_is_told(release: Path) -> None:
    types = release / "types"
    (types / "voice_isolation_create_params.py").unlink()
    file = types / "video_to_hdr_create_params.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("Annotated[str", "Annotated[Secret[str]"), encoding="utf-8")
    (types / "image_upscale_create_params.py").write_text("def", encoding="utf-8")
    found = drift(Catalog.from_dict(RAW), release)
    assert {each.endpoint for each in found} == {
        "voice_isolation",
        "video_to_hdr",
        "image_upscale",
    }


def test_the_report_is_a_table_with_an_exit_code(
    release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(release, "the SDK") == SAME
    (release / "types" / "text_to_smell_create_params.py").write_text("", encoding="utf-8")
    assert report(release, "the SDK") == DRIFTED
    out = capsys.readouterr().out
    assert "endpoint" in out
    assert "text_to_smell_create_params.py" in out
    assert "the SDK: 1 differences" in out


def test_a_table_has_columns_as_wide_as_their_cells() -> None:
    one = Drift(endpoint="a", model="bbbbbbbb", place="", what="c")
    assert table([one]).splitlines() == [
        "endpoint  model     place  what",
        "a         bbbbbbbb         c",
    ]


# Fetching


def test_an_index_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    fails = [sys.executable, "-c", "raise SystemExit('no index here')"]
    with pytest.raises(NotFetched, match="no index here"):
        fetch(tmp_path, fails)


def test_an_installer_that_puts_nothing_there_or_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFetched):
        fetch(tmp_path, [sys.executable, "-c", "pass"])
    with pytest.raises(NotFetched):
        fetch(tmp_path, [str(tmp_path / "none")])


def test_what_was_fetched_is_named_by_its_version(tmp_path: Path) -> None:
    assert version_in(tmp_path) == "(unknown)"
    (tmp_path / "runwayml-9.1.0.dist-info").mkdir()
    assert version_in(tmp_path) == "9.1.0"
