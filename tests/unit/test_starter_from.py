"""`init --from`: a manifest over a table or over files that validates, or says what to fill in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.cli.main import main
from runner.cli.starter import FILES, MANIFEST, write_from
from runner.cli.starter_from import draft_from
from runner.core.spec import JobSpec
from runner.errors import ManifestError, UsageError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.read import read_manifest
from runner.manifest.yaml12 import parse_yaml
from tests.plain_runway import PNG

CATALOG = load_catalog()


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def put(name: str, content: str | bytes) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def made(source: str) -> tuple[str, tuple[JobSpec, ...]]:
    """What is written, and the jobs it makes."""
    assert main(["init", "--from", source, "--quiet"]) == 0
    [file] = Path().glob("*.yaml")
    _, expansion = read_manifest(file, CATALOG)
    return file.read_text(encoding="utf-8"), expansion.specs


SHOTS = """shot,seq,plate,promptText,seconds,status
s010,sq1,plates/a.png,slow push in,5,go
s020,sq1,plates/b.png,pan left,4,hold
"""


def test_columns_that_look_like_fields_are_used() -> None:
    put("plates/a.png", PNG)
    put("plates/b.png", PNG + b"b")
    put("shots.csv", SHOTS)
    text, specs = made("shots.csv")
    assert [(spec.id, spec.endpoint, spec.model) for spec in specs] == [
        ("shots-s010", "image_to_video", "gen4_turbo"),
        ("shots-s020", "image_to_video", "gen4_turbo"),
    ]
    assert [spec.body["duration"] for spec in specs] == [5, 4]
    assert [spec.body["promptText"] for spec in specs] == ["slow push in", "pan left"]
    assert "foreach: {csv: shots.csv, key: shot}" in text
    assert "not used so far: seq, status" in text
    assert "where: \"row.status == 'go'\"" in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_condition_in_the_comment_works() -> None:
    put("plates/a.png", PNG)
    put("shots.csv", SHOTS)
    text, _ = draft_from("shots.csv", Path(), CATALOG).text, None
    put(
        "m.yaml",
        text.replace("key: shot}", "key: shot, where: \"row.status == 'go'\"}"),
    )
    _, expansion = read_manifest(Path("m.yaml"), CATALOG)
    assert [spec.id for spec in expansion.specs] == ["shots-s010"]


def test_files_named_without_their_folder_are_found_beside_the_table() -> None:
    put("feed/plates/a.png", PNG)
    put("feed/list.tsv", "id\timage\tprompt\nx\ta.png\tgo\n")
    text, [spec] = made("feed/list.tsv")
    assert "promptImage: feed/plates/${{ row.image }}" in text
    assert spec.body["promptText"] == "go"


def test_empty_cells_are_no_values() -> None:
    put(
        "shots.csv",
        "id,Image,Prompt,Seconds,Seed\n"
        "a,https://a.example/1.png,x,3,\nb,https://a.example/2.png,,,7\n",
    )
    _, [first, second] = made("shots.csv")
    assert (first.body["promptText"], second.body.get("promptText")) == ("x", None)
    assert (first.body["duration"], second.body.get("duration")) == (3, None)
    assert (first.body.get("seed"), second.body["seed"]) == (None, 7)


@pytest.mark.parametrize(
    ("columns", "endpoint"),
    [
        ("id,promptText", "text_to_image"),
        ("id,prompt,duration", "text_to_video"),
        ("id,image,prompt", "image_to_video"),
        ("id,video,prompt", "video_to_video"),
        ("id,audio,language", "voice_dubbing"),
        ("id,audio", "voice_isolation"),
    ],
)
def test_the_endpoint_follows_from_the_columns(columns: str, endpoint: str) -> None:
    put("shots.csv", f"{columns}\na{',5' * columns.count(',')}\n")
    text = draft_from("shots.csv", Path(), CATALOG).text
    [job] = parse_yaml(text.encode()).value["jobs"]
    assert endpoint in job


def test_a_column_of_models_decides() -> None:
    put("shots.csv", "id,model,promptText,ratio\na,veo3.1,x,1280:720\nb,gen4.5,y,1280:720\n")
    _, specs = made("shots.csv")
    assert [(spec.endpoint, spec.model) for spec in specs] == [
        ("text_to_video", "veo3.1"),
        ("text_to_video", "gen4.5"),
    ]


@pytest.mark.parametrize(
    ("name", "endpoint", "field"),
    [
        ("a.png", "image_to_video", "promptImage"),
        ("a.mp4", "video_to_video", "videoUri"),
        ("a.wav", "voice_isolation", "audioUri"),
    ],
)
def test_files_are_inputs_of_their_kind(name: str, endpoint: str, field: str) -> None:
    put(f"in/{name}", PNG)
    draft = draft_from("in/*", Path(), CATALOG)
    [job] = parse_yaml(draft.text.encode()).value["jobs"]
    assert (draft.stem, job["foreach"]) == ("in", "in/*")
    assert job[endpoint][field] == "${{ file }}"


def test_a_manifest_over_files_validates(capsys: pytest.CaptureFixture[str]) -> None:
    put("plates/b.png", PNG)
    put("plates/a.png", PNG + b"a")
    _, specs = made("plates/*.png")
    assert [spec.id for spec in specs] == ["plates-a", "plates-b"]
    assert main(["validate", "plates.runway.yaml"]) == 0
    assert capsys.readouterr().out.endswith("plates.runway.yaml: ok, 2 jobs\n")


def test_what_nobody_can_know_is_said_in_a_comment() -> None:
    put("shots.csv", "promptText\nA wave\nA wave\n")
    assert main(["init", "--from", "shots.csv", "-q"]) == 0
    text = Path("shots.runway.yaml").read_text(encoding="utf-8")
    assert "# no column has a short text of its own in every row: add one" in text
    with pytest.raises(ManifestError, match="which column names a row"):
        read_manifest(Path("shots.runway.yaml"), CATALOG)
    put("dub.csv", "id,language\na,es\n")
    assert "# an example: name your own file" in draft_from("dub.csv", Path(), CATALOG).text


def test_the_schema_is_one_that_a_clone_has() -> None:
    put("manifest.schema.json", "mine")
    put("shots.csv", "id,promptText\na,x\n")
    text, _ = made("shots.csv")
    assert text.startswith("# yaml-language-server: $schema=manifest.schema.json\n")
    assert "schema" not in Path(".gitignore").read_text(encoding="utf-8")
    assert Path("manifest.schema.json").read_text(encoding="utf-8") == "mine"
    assert main(["init", "--from", "shots.csv", "--force", "-q"]) == 0
    assert json.loads(Path("manifest.schema.json").read_text(encoding="utf-8"))["type"]
    assert main(["init", "new", "-q"]) == 0
    assert MANIFEST.startswith("# yaml-language-server: $schema=manifest.schema.json\n")
    assert json.loads(Path("new/manifest.schema.json").read_text(encoding="utf-8"))["type"]


def test_the_hook_of_pre_commit_takes_what_is_written() -> None:
    root = Path(__file__).resolve().parents[2]
    [hook] = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    put("shots.csv", "id,promptText\na,x\n")
    [manifest, _] = write_from("shots.csv", Path(), force=False)
    assert re.search(hook["files"], manifest.as_posix())
    assert re.search(hook["files"], next(iter(FILES)))


LINES = """line,text,voice
l1,Welcome aboard,Maya
l2,Mind the gap,Arjun
"""


def test_text_and_a_voice_are_speech() -> None:
    put("lines.csv", LINES)
    _, specs = made("lines.csv")
    assert [(spec.endpoint, spec.body["promptText"]) for spec in specs] == [
        ("text_to_speech", "Welcome aboard"),
        ("text_to_speech", "Mind the gap"),
    ]
    assert [spec.body["voice"]["presetId"] for spec in specs] == ["Maya", "Arjun"]


def test_recordings_in_a_column_called_voice_are_no_speech() -> None:
    put("lines.csv", "id,text,voice\na,Welcome,voices/a.wav\n")
    text = draft_from("lines.csv", Path(), CATALOG).text
    assert "voice_isolation:" in text


@pytest.mark.parametrize("folder", ["plates", "plates/", "./plates"])
def test_a_folder_stands_for_its_files(folder: str) -> None:
    put("plates/a.png", PNG)
    draft = draft_from(folder, Path(), CATALOG)
    assert draft.stem == "plates"
    assert "foreach: plates/*.png" in draft.text or 'foreach: "plates/*.png"' in draft.text


def test_a_folder_of_several_kinds_is_taken_whole() -> None:
    put("plates/a.png", PNG)
    put("plates/b.jpg", PNG)
    assert 'foreach: "plates/*"' in draft_from("plates", Path(), CATALOG).text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("shots", "nothing tells what `shots` holds"),
        ("none.csv", "`none.csv` does not exist"),
        ("*.zip", "`*.zip` matches no file"),
        ("empty.csv", "no column of `empty.csv` looks like a field"),
        ("*.csv", "`*.csv` names no files that can be an input"),
        ("../outside.csv", "lies outside"),
        ("twice.csv", "twice.csv:1: columns 1 and 2 are both named `id`"),
    ],
)
def test_what_cannot_be_used_is_refused(source: str, message: str) -> None:
    put("empty.csv", "a,b\n1,2\n")
    put("twice.csv", "id,id\n1,2\n")
    put("../outside.csv", "id\n")
    with pytest.raises(UsageError) as caught:
        draft_from(source, Path(), CATALOG)
    assert message in caught.value.message


def test_nothing_is_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    put("shots.csv", "id,promptText\na,x\n")
    put(".gitignore", "mine\n")
    assert main(["init", "--from", "shots.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == {"files": ["shots.runway.yaml"]}
    put("shots.runway.yaml", "mine\n")
    assert main(["init", "--from", "shots.csv"]) == 2
    assert Path("shots.runway.yaml").read_text() == "mine\n"
    assert Path(".gitignore").read_text() == "mine\n"
    assert "there already" in capsys.readouterr().err
    assert Path("manifest.schema.json").is_file()


def test_another_folder_is_named_with_it() -> None:
    put("shoot/shots.csv", "id,promptText\na,x\n")
    assert main(["init", "shoot", "--from", "shoot/shots.csv", "-q"]) == 0
    assert "foreach: shots.csv" in Path("shoot/shots.runway.yaml").read_text()
    assert Path("shoot/.gitignore").is_file()


CELL = st.text(st.characters(codec="utf-8", exclude_characters='"\0'), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(CELL, min_size=1, max_size=5), st.lists(CELL, min_size=5, max_size=5))
def test_whatever_a_table_is_called_the_manifest_is_yaml(
    columns: list[str], cells: list[str]
) -> None:
    quoted = [",".join(f'"{each}"' for each in row) for row in (["promptText", *columns], cells)]
    put("shots.csv", "\n".join(quoted) + "\n")
    try:
        text = draft_from("shots.csv", Path(), CATALOG).text
    except UsageError:
        return  # two columns of one name, a ragged row
    value = parse_yaml(text.encode()).value
    assert list(value) == ["version", "name", "budget", "jobs"]
    [job] = value["jobs"]
    assert len(job) == 3, "no column name has added a key"
    assert yaml.safe_load(text)["version"] == 1
