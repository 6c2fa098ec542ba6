"""Pages on a narrow terminal: no line is too long, no word is broken that has room for itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from runner.app.batch import BatchStatus, JobLine
from runner.app.catalogue import list_models, price_sources
from runner.cli.main import main
from runner.cli.model_page import show_pages
from runner.cli.output import Output
from runner.cli.plan_jobs import list_jobs
from runner.cli.show_models import show_models
from runner.cli.show_plan import show_plan
from runner.cli.show_status import show_status
from runner.cli.tables import columns_of, fit, lines_of
from runner.cli.wrapping import folded, wrapped
from runner.core.catalog import ModelInfo
from runner.core.job import Job, JobStatus, OutputFile
from runner.core.ledger import LedgerTotals
from runner.core.plan import PlanEntry
from runner.core.summary import BatchSummary
from runner.errors import Problem
from runner.testing import START, make_spec
from tests.plan_views import seen
from tests.plans import entries, plan

INFOS = list_models()
LONG = "upscale-the-stills-of-the-second-unit"
MODEL = "magnific_precision_upscaler_v2"
SUMMARY = BatchSummary(
    batch="b", counts={JobStatus.DONE: 3}, totals=LedgerTotals(spent=25, reserved=0, in_doubt=0)
)


@pytest.fixture(autouse=True)
def at_80(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def shown(capsys: pytest.CaptureFixture[str], *, width: int = 80) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    assert max(map(cell_len, lines)) <= width
    return lines


# Tables

CELLS = st.lists(
    st.tuples(st.text("ab-_ 日", max_size=40), st.text("ab ", max_size=90), st.just("1,200")),
    min_size=1, max_size=5,
)  # fmt: skip


@given(CELLS, st.integers(40, 120))
def test_a_table_keeps_its_width_and_every_letter(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    columns = columns_of(("a", "b", ">!n"), rows)
    assert sum(fit(columns, width)) <= width - 4
    lines = lines_of(columns, width)[1]
    assert max(map(cell_len, lines)) <= width
    letters = re.sub(r"\s", "", "".join("".join(row) for row in rows))
    assert sorted(re.sub(r"\s", "", "".join(lines))) == sorted(letters)


@given(st.text("abc-_/ 日", min_size=1, max_size=80), st.integers(2, 30))
def test_what_is_folded_has_room_and_loses_nothing(text: str, width: int) -> None:
    lines = folded(text, width)
    assert max(map(cell_len, lines)) <= width
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_long_name_is_broken_behind_a_mark() -> None:
    assert folded(LONG, 31) == ["upscale-the-stills-of-the-", "second-unit"]


def test_a_count_stays_with_its_word() -> None:
    for width in range(12, 40):
        lines = wrapped("1 new, 12 done, 1 orphaned, 3 in doubt", width)
        assert all(any(part in line for line in lines) for part in ("1 orphaned", "3 in doubt"))


# Models


@pytest.mark.parametrize("info", INFOS, ids=lambda info: f"{info.endpoint}-{info.model}")
def test_no_page_is_wider_or_breaks_a_word(
    info: ModelInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    show_pages([info], price_sources(), Output())
    text = "\n".join(shown(capsys))
    words = {str(word) for schema in info.fields.values() for word in schema.get("enum", ())}
    assert not [word for word in words if " " not in word and word not in text]


def test_the_list_breaks_no_name(capsys: pytest.CaptureFixture[str]) -> None:
    show_models(INFOS, Output())
    text = "\n".join(shown(capsys))
    assert not [info.model for info in INFOS if "model" in info.fields and info.model not in text]
    assert "magnific_video_upscaler_\n" not in text


# Plans


def test_a_plan_breaks_neither_a_model_nor_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = {name: Job(batch="b", spec=make_spec(name), since=START) for name in ("gone",)}
    planned = plan([make_spec("still", model=MODEL), make_spec("b"), make_spec("c")], jobs)
    show_plan(planned, seen(planned), Output())
    lines = shown(capsys)
    assert any(MODEL in line for line in lines)
    assert any("1 orphaned" in line for line in lines if line.startswith("gone"))


async def _stream(found: Iterable[PlanEntry]) -> AsyncIterator[PlanEntry]:
    for entry in found:
        yield entry


@pytest.mark.parametrize("width", [40, 60, 80])
async def test_the_jobs_of_a_plan_have_their_reasons_below_each_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    await list_jobs(_stream(entries([make_spec("a"), make_spec(LONG, model=MODEL)], {})), Output())
    lines = shown(capsys, width=width)
    text = " ".join(" ".join(lines).split())
    assert f"{LONG} new {MODEL} 25 cr ($0.25) not made before" in text


# Status


def test_ids_are_whole_and_a_row_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{LONG}-{n}" for n in range(3)]
    jobs = [
        Job(
            batch="b", spec=make_spec(name, model=MODEL), status=JobStatus.DONE, since=START,
            charged=1250,
            outputs=(OutputFile(index=0, path=f"b/{name}/take-1/{name}.png", bytes=1,
                                sha256="0" * 64, media_type="image/png"),),
        )
        for name in names
    ]  # fmt: skip
    status = BatchStatus(
        summary=SUMMARY, jobs=[JobLine(job=job, reason="") for job in jobs], batch=None, live=False
    )
    show_status(status, Output(), now=START)
    rows = shown(capsys)[1:4]
    assert [row.split()[0] for row in rows] == names
    assert all("…" in row and row.endswith(f"{n}.png") for n, row in enumerate(rows))


# Talk


def test_a_hint_with_many_values_is_wrapped_below_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = ", ".join(f"`choice_{n}`" for n in range(49))
    problem = Problem(message="m", file="m.yaml", line=1, column=1, hint=f"one of {values}")
    for columns in ("", "60"):
        monkeypatch.setenv("COLUMNS", columns)
        Output().problems("error", [problem])
        lines = capsys.readouterr().err.splitlines()[1:]
        assert max(map(len, lines)) <= int(columns or 80)
        assert all(line.startswith(" " * 8) for line in lines[1:])
        assert f"hint: one of {values}" in " ".join(" ".join(lines).split())
    Output().hint(f"one of {values}")
    assert max(map(len, capsys.readouterr().err.splitlines())) <= 60


# Search


@pytest.mark.parametrize(
    ("word", "models"),
    [
        ("lip", {"act_two", "gwm1_avatars"}),
        ("sync", {"act_two", "gwm1_avatars"}),
        ("lip-sync", {"act_two", "gwm1_avatars"}),
        ("dub", {"eleven_voice_dubbing"}),
        ("Upscale", {MODEL, "magnific_video_upscaler_creative", "upscale_v1"}),
    ],
)
def test_a_word_that_is_no_model_is_searched_for(
    word: str, models: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", word]) == 0
    lines = shown(capsys)
    assert models <= {line.split()[0] for line in lines if line}
    assert "image_to_video" not in "\n".join(lines)


def test_what_brought_a_model_up_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "lip"]) == 0
    assert "gwm1_avatars: `speech`: What is said" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["zzzz", "gen4_trubo", "   ", "--", "lip zzzz"])
def test_what_nothing_matches_is_a_usage_error(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "--endpoint", "avatar_videos", "--", word]) == 2
    assert "hint: " in capsys.readouterr().err


# Texts of the catalogue


def _words_in(value: object) -> Iterable[tuple[str, str]]:
    """Names of fields inside, and choices, of a schema."""
    if isinstance(value, dict):
        yield from (("field", name) for name in value.get("properties", ()))
        yield from (("choice", str(choice)) for choice in value.get("enum", ()))
        for each in value.values():
            yield from _words_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _words_in(each)


def test_a_choice_that_is_named_is_one_of_every_model_it_is_shown_for() -> None:
    from runner.manifest.field_notes import field_notes

    names = {name for info in INFOS for name in info.fields}
    for info in INFOS:
        for field, schema in info.fields.items():
            found = set(_words_in(schema))
            choices = {word for kind, word in found if kind == "choice"}
            known = {word for _, word in found} | names
            named = set(re.findall(r"`([^`]+)`", field_notes()[field]))
            assert not choices or named <= known, (info.endpoint, info.model, field)


def test_examples_speak_what_can_be_said_and_no_text_names_fields_of_answers() -> None:
    from runner.core.example_body import example_body

    for info in INFOS:
        text = str(example_body(info))
        is_camera = info.media == "video" and info.endpoint != "video_to_video"
        assert "push in" not in text or is_camera, info.endpoint
        assert "estimatedCost" not in f"{info.price.note}{info.price.formula}{info.note}"
