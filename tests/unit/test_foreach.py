"""`foreach`: one job per row, file or job."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.spec import AssetRef, OutputRef, refs_in
from tests.language_rig import PNG, STILL, Folder

MOVE = "image_to_video: {model: gen4_turbo, ratio: '1280:720', duration: 5, promptImage: %s}"
ROWS = "shot,promptText,ratio,seed\nsh010,a quay,1920:1080,7\nsh020,a hill,,\n"


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def sheet(folder, rows=ROWS, name="shots.csv"):
    folder.write(name, rows)


def shots(body="model: gen4_image, ratio: '1280:720'", **keys):
    extra = "".join(f"  {key}: {value}\n" for key, value in keys.items())
    return (
        "jobs:\n- id: shot\n  foreach: {csv: shots.csv, key: shot}\n"
        f"{extra}  text_to_image: {{{body}}}\n"
    )


def test_columns_fill_the_body_typed_and_an_empty_cell_is_absent(folder):
    sheet(folder)
    jobs = folder.jobs(
        shots("model: gen4_image").replace(
            "jobs:", ("defaults: {text_to_image: {ratio: '1280:720'}}\njobs:")
        )
    )
    assert jobs["shot-sh010"].body == {
        "model": "gen4_image", "promptText": "a quay", "ratio": "1920:1080", "seed": 7,
    }  # fmt: skip
    assert jobs["shot-sh020"].body == {
        "model": "gen4_image", "promptText": "a hill", "ratio": "1280:720",
    }  # fmt: skip
    assert jobs["shot-sh010"].row == "shots.csv:2"


def test_what_the_template_writes_goes_over_the_column(folder):
    sheet(folder)
    jobs = folder.jobs(shots())
    assert jobs["shot-sh010"].body["ratio"] == "1280:720"


def test_filling_can_be_switched_off(folder):
    sheet(folder)
    jobs = folder.jobs(shots("model: gen4_image, ratio: '1280:720', promptText: x", fill="false"))
    assert jobs["shot-sh010"].body["promptText"] == "x"
    assert "seed" not in jobs["shot-sh010"].body


def test_a_column_chooses_the_model(folder):
    sheet(folder, "id,model,promptText,ratio\na,gen4_image,x,1920:1080\nb,gpt_image_2,y,auto\n")
    jobs = folder.jobs("jobs:\n- id: s\n  foreach: shots.csv\n  text_to_image: {}\n")
    assert {job.id: job.model for job in jobs.values()} == {
        "s-a": "gen4_image", "s-b": "gpt_image_2",
    }  # fmt: skip


def test_a_column_that_only_other_models_have_is_dropped_and_said(folder):
    sheet(folder, "id,promptText,audio\na,x,true\n")
    text = (
        "jobs:\n- id: s\n  foreach: shots.csv\n"
        "  text_to_video: {model: gen4.5, ratio: '1280:720', duration: 5}\n"
    )
    assert "audio" not in folder.jobs(text)["s-a"].body
    assert folder.warnings(text) == ["the column `audio` is dropped: `gen4.5` has no such field"]


def test_columns_that_nothing_uses_are_named_once(folder):
    sheet(folder, "shot,promptText,note,Notes\na,x,1,2\nb,y,3,4\n")
    assert folder.warnings(shots()) == ["nothing uses the columns `note`, `Notes`"]


def test_text_of_a_cell_is_never_read_as_anything_else(folder):
    sheet(folder, 'id,promptText\na,"[1, 2]"\nb,0123\nc,${{ vars.x }}\nd,true\n')
    text = "jobs:\n- id: s\n  foreach: shots.csv\n  " + STILL % "'${{ row.promptText }}'" + "\n"
    found = [spec.body["promptText"] for spec in folder.jobs(text).values()]
    assert found == ["[1, 2]", "0123", "${{ vars.x }}", "true"]


def test_a_wrong_cell_is_told_with_its_row(folder):
    sheet(folder, "shot,promptText,seed\nsh010,x,many\nsh020,y,more\n")
    [one, other] = folder.problems(shots())
    assert one.rows == ("shots.csv:2",)
    assert other.rows == ("shots.csv:3",)
    assert one.message.startswith("the cell of column `seed`")
    assert one.path == "jobs[0].text_to_image"


def test_one_mistake_of_a_template_is_one_message_with_its_count(folder):
    rows = "shot,promptText\n" + "".join(f"s{n},x\n" for n in range(1000))
    sheet(folder, rows)
    [problem] = folder.problems(shots("model: gen4_image, ratio: '1:1'"))
    assert problem.count == 1000
    assert problem.rows[:2] == ("shots.csv:2", "shots.csv:3")


def test_a_thousand_different_mistakes_are_bounded(folder):
    rows = "shot,promptText,seed\n" + "".join(f"s{n},x,bad{n}\n" for n in range(1000))
    sheet(folder, rows)
    problems = folder.problems(shots())
    assert len(problems) <= 21
    assert sum(problem.count for problem in problems) == 1000


def test_a_row_without_a_name_asks_for_its_key(folder):
    sheet(folder)
    [problem] = folder.problems(shots().replace(", key: shot", ""))
    assert problem.message == "which column names a row?"
    assert "shot" in problem.hint
    assert problem.count == 2


@pytest.mark.parametrize(
    ("key", "message"),
    [("shto", "there is no column `shto`"), ("seed", "the row has nothing in `seed`")],
)
def test_a_key_that_names_nothing_is_explained(folder, key, message):
    sheet(folder)
    found = folder.messages(shots().replace("key: shot", f"key: {key}"))
    assert any(text.startswith(message) for text in found)


def test_a_key_may_be_made_of_several_columns(folder):
    sheet(folder, "seq,shot,promptText\na,1,x\nb,1,y\n")
    key = "key: '${{ row.seq }}_${{ row.shot }}'"
    assert list(folder.jobs(shots().replace("key: shot", key))) == ["shot-a_1", "shot-b_1"]


def test_duplicate_keys_are_refused_with_their_rows(folder):
    sheet(folder, "shot,promptText\nA,x\na,y\n")
    [problem] = folder.problems(shots())
    assert problem.message == "the job id `shot-a` is taken by `shot-A` (shots.csv:2)"
    assert problem.rows == ("shots.csv:3",)


def test_where_leaves_rows_out(folder):
    sheet(folder)
    text = shots().replace("key: shot", "key: shot, where: \"row.seed | default('') == '7'\"")
    assert list(folder.jobs(text)) == ["shot-sh010"]


def test_where_that_cannot_be_worked_out_is_explained(folder):
    sheet(folder)
    [problem] = folder.problems(shots().replace("key: shot", "key: shot, where: row.stat == 1"))
    assert problem.message == "`stat` is not known here"
    assert problem.path == "jobs[0].foreach.where"


def test_comparing_a_cell_with_a_number_says_how(folder):
    sheet(folder, "shot,promptText,n\na,x,5\n")
    text = shots().replace("key: shot", "key: shot, where: row.n > 3")
    [problem] = folder.problems(text)
    assert problem.message == "text cannot be compared with a number"
    assert problem.hint == "cells of a table are text: write `row.x | int`"
    assert list(folder.jobs(text.replace("row.n >", "row.n | int >"))) == ["shot-a"]


def test_an_empty_cell_is_nothing_in_an_expression(folder):
    sheet(folder)
    body = "model: gen4_image, ratio: '1280:720', promptText: a, seed: '${{ row.seed | int }}'"
    assert folder.jobs(shots(body.replace(" | int", ""), fill="false"))["shot-sh020"].body == {
        "model": "gen4_image", "ratio": "1280:720", "promptText": "a",
    }  # fmt: skip


def test_files_of_a_glob_are_rows_named_by_their_stem(folder):
    for name in ("b", "a"):
        folder.write(f"plates/{name}.png", PNG + name.encode())
    text = "jobs:\n- id: p\n  foreach: plates/*.png\n  " + MOVE % "'${{ file }}'" + "\n"
    jobs = folder.jobs(text)
    assert list(jobs) == ["p-a", "p-b"]
    [ref] = refs_in(jobs["p-a"].body)
    assert isinstance(ref, AssetRef)
    assert ref.path == str(folder.path / "plates/a.png")


def test_a_glob_without_a_match_is_refused(folder):
    text = "jobs:\n- id: p\n  foreach: plates/*.png\n  " + MOVE % "'${{ file }}'" + "\n"
    [problem] = folder.problems(text)
    assert "`plates/*.png`" in problem.message
    assert problem.path == "jobs[0].foreach"


def test_a_glob_that_would_make_outputs_of_outputs_is_refused(folder):
    folder.write("plates/a.png", PNG)
    folder.write("outputs/b/p-a.png", PNG)
    text = "jobs:\n- id: p\n  foreach: '**/*.png'\n  " + MOVE % "'${{ file }}'" + "\n"
    [problem] = folder.problems(text)
    assert problem.message == "the pattern finds files in the output folder: `outputs/b/p-a.png`"


def test_a_table_without_a_row_that_is_wanted_is_said(folder):
    sheet(folder)
    text = shots().replace("key: shot", "key: shot, where: row.shot == 'none'")
    assert folder.warnings(text)[0] == "no row is left: `shot` makes no job"


def test_cells_of_a_workbook_are_converted_like_those_of_a_csv(folder):
    openpyxl = pytest.importorskip("openpyxl", reason="the extra `xlsx` is not installed")
    book = openpyxl.Workbook()
    for row in (["shot", "promptText", "seed"], ["a", 42, 7], ["b", "x", "8"]):
        book.active.append(row)
    book.save(folder.path / "shots.xlsx")
    text = shots().replace("csv: shots.csv", "xlsx: shots.xlsx")
    jobs = folder.jobs(text)
    assert [(job.body["promptText"], job.body["seed"]) for job in jobs.values()] == [
        ("42", 7), ("x", 8),
    ]  # fmt: skip
    assert jobs["shot-a"].row == "shots.xlsx:Sheet!2"


def test_rows_may_be_written_inline(folder):
    rows = "{rows: [{id: a, promptText: x, seed: 3}, {id: b, promptText: y}]}"
    text = f"jobs:\n- id: s\n  foreach: {rows}\n  text_to_image: {{model: gen4_image}}\n"
    text = "defaults: {text_to_image: {ratio: '720:720'}}\n" + text
    assert folder.jobs(text)["s-a"].body["seed"] == 3


def test_paths_in_a_table_are_relative_to_the_table(folder):
    folder.write("in/plates/a.png", PNG)
    folder.write("in/shots.csv", "id,promptImage\na,plates/a.png\n")
    text = (
        "jobs:\n- id: s\n  foreach: in/shots.csv\n"
        "  image_to_video: {model: gen4_turbo, ratio: '1280:720', duration: 5}\n"
    )
    [ref] = refs_in(folder.jobs(text)["s-a"].body)
    assert ref.path == str(folder.path / "in/plates/a.png")
    whole = text.replace("duration: 5", "duration: 5, promptImage: '${{ row.promptImage }}'")
    assert list(refs_in(folder.jobs(whole)["s-a"].body)) == [ref]


def test_a_path_that_the_manifest_writes_is_relative_to_the_manifest(folder):
    folder.write("plates/a.png", PNG)
    folder.write("in/shots.csv", "id,plate\na,a.png\n")
    text = "jobs:\n- id: s\n  foreach: in/shots.csv\n  " + MOVE % "'plates/${{ row.plate }}'" + "\n"
    [ref] = refs_in(folder.jobs(text)["s-a"].body)
    assert ref.path == str(folder.path / "plates/a.png")


CHAIN = (
    "jobs:\n- id: still\n  foreach: {csv: shots.csv, key: shot}\n  takes: 2\n"
    "  text_to_image: {model: gen4_image, ratio: '1280:720'}\n"
    "- id: move\n  foreach: {jobs: still}\n  " + MOVE % "'${{ source.output }}'" + "\n"
)


def test_one_job_per_job_which_inherits_its_row_and_take(folder):
    sheet(folder)
    text = CHAIN + "  output: ${{ row.shot }}_${{ take }}_${{ source.id }}.${{ ext }}\n"
    jobs = folder.jobs(text)
    assert [job for job in jobs if job.startswith("move")] == [
        "move-sh010-t1", "move-sh010-t2", "move-sh020-t1", "move-sh020-t2",
    ]  # fmt: skip
    child = jobs["move-sh020-t2"]
    assert child.output == "sh020_2_still-sh020-t2.{ext}"
    assert child.needs == ("still-sh020-t2",)
    assert child.row == "shots.csv:3"
    [ref] = refs_in(child.body)
    assert ref == OutputRef(job="still-sh020-t2", key=jobs["still-sh020-t2"].key, media="image")


def test_where_chooses_takes(folder):
    sheet(folder)
    text = CHAIN.replace("{jobs: still}", "{jobs: still, where: source.take == 2}")
    jobs = folder.jobs(text)
    assert [job for job in jobs if "move" in job] == ["move-sh010-t2", "move-sh020-t2"]


def test_takes_of_takes_have_names_of_their_own(folder):
    sheet(folder)
    jobs = folder.jobs(CHAIN + "  takes: 2\n")
    assert "move-sh010-t1-t2" in jobs
    assert len(jobs) == 4 + 8


def test_a_job_of_another_template_is_found_by_the_same_row(folder):
    sheet(folder, "shot,promptText\na,x\nb,y\n")
    text = (
        "jobs:\n- id: voice\n  foreach: {csv: shots.csv, key: shot}\n"
        "  sound_effect: {model: eleven_text_to_sound_v2}\n"
        "- id: clean\n  foreach: {csv: shots.csv, key: shot}\n"
        "  voice_isolation: {model: eleven_voice_isolation,"
        " audioUri: '${{ jobs.voice.output }}'}\n  max_credits: 900\n"
    )
    jobs = folder.jobs(text)
    assert jobs["clean-b"].needs == ("voice-b",)
    without = text.replace("  foreach: {csv: shots.csv, key: shot}\n  voice_iso", "  voice_iso")
    [message] = folder.messages(without)
    assert message == "`voice` makes 2 jobs: voice-a, voice-b"


def test_a_grandchild_inherits_through_its_parent(folder):
    sheet(folder)
    text = CHAIN + (
        "- id: mix\n  foreach: {jobs: move}\n  max_credits: 9\n"
        "  text_to_image: {model: gen4_image, ratio: '1280:720', promptText: '${{ row.shot }}',"
        " referenceImages: [{uri: '${{ jobs.still.output }}'}]}\n"
    )
    jobs = folder.jobs(text)
    assert set(jobs["mix-sh010-t2"].needs) == {"move-sh010-t2", "still-sh010-t2"}


def test_foreach_times_matrix_times_takes(folder):
    sheet(folder)
    jobs = folder.jobs(shots("model: gen4_image", matrix="{ratio: ['720:720', '1280:720']}",
                             takes="2").replace("{model: gen4_image}",
                             "{model: gen4_image, ratio: '${{ matrix.ratio }}'}"))  # fmt: skip
    assert list(jobs)[:4] == [
        "shot-sh010-720x720", "shot-sh010-720x720-t2",
        "shot-sh010-1280x720", "shot-sh010-1280x720-t2",
    ]  # fmt: skip
    assert len(jobs) == 8


@pytest.mark.parametrize("name", ["nobody", "stil"])
def test_foreach_over_a_missing_template_is_refused(folder, name):
    sheet(folder)
    text = CHAIN.replace("{jobs: still}", f"{{jobs: {name}}}")
    [problem] = folder.problems(text)
    assert problem.message == f"there is no template `{name}`"
    assert problem.path == "jobs[1].foreach.jobs"
    assert problem.hint == ("did you mean `still`?" if name == "stil" else "")


def test_foreach_over_itself_makes_no_job_and_no_crash(folder):
    text = "jobs:\n- id: a\n  foreach: {jobs: a}\n  " + STILL % "x" + "\n"
    assert folder.messages(text) == ["`a` goes through its own jobs"]


def test_templates_that_go_through_each_other_are_refused(folder):
    text = (
        "jobs:\n- id: a\n  foreach: {jobs: b}\n  " + STILL % "x" + "\n"
        "- id: b\n  foreach: {jobs: a}\n  " + STILL % "y" + "\n"
    )
    assert folder.messages(text) == [
        "`a` and `b` go through each other", "`b` and `a` go through each other",
    ]  # fmt: skip


def test_a_chain_within_one_template_is_put_in_order(folder):
    sheet(folder, "shot,after,promptText\nc,b,x\na,,y\nb,a,z\n")
    prompt = "'${{ row.promptText }}'"
    text = (
        "jobs:\n- id: s\n  foreach: {csv: shots.csv, key: shot}\n"
        "  needs: [\"${{ 's-' ~ row.after if row.after else 'root' }}\"]\n  "
        + STILL % prompt + "\n- id: root\n  " + STILL % "r" + "\n"
    )  # fmt: skip
    assert list(folder.jobs(text)) == ["root", "s-a", "s-b", "s-c"]


def test_endpoint_per_row(folder):
    sheet(
        folder,
        "id,endpoint,model,promptText,ratio\n"
        "a,text_to_image,gen4_image,x,720:720\nb,sound_effect,eleven_text_to_sound_v2,y,\n",
    )
    text = "jobs:\n- id: r\n  foreach: shots.csv\n  request: {endpoint: '${{ row.endpoint }}'}\n"
    jobs = folder.jobs(text)
    assert [(job.endpoint, job.media) for job in jobs.values()] == [
        ("text_to_image", "image"), ("sound_effect", "audio"),
    ]  # fmt: skip


def test_an_unknown_endpoint_of_a_row_is_told_with_the_row(folder):
    sheet(folder, "id,endpoint\na,text_to_imag\n")
    text = "jobs:\n- id: r\n  foreach: shots.csv\n  request: {endpoint: '${{ row.endpoint }}'}\n"
    [problem] = folder.problems(text)
    assert problem.message == "unknown endpoint `text_to_imag`"
    assert problem.hint == "did you mean `text_to_image`?"
    assert problem.rows == ("shots.csv:2",)


def test_frames_of_a_video_are_images_and_a_picture_has_none(folder):
    folder.write("a.png", PNG)
    text = (
        "jobs:\n- id: one\n  " + MOVE % "a.png" + "\n"
        "- id: two\n  " + MOVE % "'${{ jobs.one.last_frame }}'" + "\n"
    )
    [ref] = refs_in(folder.jobs(text)["two"].body)
    assert (ref.frame, ref.media) == ("last", "image")
    plain = folder.jobs(text.replace("last_frame", "first_frame"))
    assert plain["two"].key != folder.jobs(text)["two"].key
    picture = "jobs:\n- id: one\n  " + STILL % "x" + "\n- id: two\n  " + MOVE % (
        "'${{ jobs.one.last_frame }}'") + "\n"  # fmt: skip
    [message] = folder.messages(picture)
    assert message == "`one` makes an image, which has no frames"


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_reordering_rows_changes_neither_ids_nor_keys(tmp_path_factory, seed, count):
    folder = Folder(tmp_path_factory.mktemp("rows"))
    rows = [f"s{n},prompt {n},{n}\n" for n in range(count)]
    head = "shot,promptText,seed\n"
    sheet(folder, head + "".join(rows))
    before = {job: spec.key for job, spec in folder.jobs(shots()).items()}
    random.Random(seed).shuffle(rows)
    sheet(folder, head + "".join(rows))
    assert {job: spec.key for job, spec in folder.jobs(shots()).items()} == before


def test_the_jobs_of_a_second_reading_are_the_same(folder):
    sheet(folder)
    expander = folder.expander(CHAIN)
    assert list(expander.specs()) == list(expander.specs(check=False))


def test_frames_of_a_sequence_or_of_hdr_are_refused_before_it_is_made(folder):
    clip = (
        "text_to_video: {model: gen4.5, ratio: '1280:720', duration: 5, promptText: x,"
        " outputFormat: %s}"
    )
    text = "jobs:\n- id: one\n  %s\n- id: two\n  " + MOVE % "'${{ jobs.one.last_frame }}'" + "\n"
    assert folder.jobs(text % (clip % "prores"))
    for made in ("png_sequence", "hdr10"):
        [message] = folder.messages(text % (clip % made))
        assert message == f"`one` makes `{made}`, of which no frame can be taken as it looks"
