"""Slips of a first manifest: each is told with what to write instead."""

from __future__ import annotations

import pytest

from tests.language_rig import PNG, Folder

TABLE = "jobs:\n- id: s\n  foreach: {csv: shots.csv, key: shot%s}\n"
BODY = "  text_to_image: {model: gen4_image, ratio: '1920:1080'%s}\n"


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def one(folder, text):
    [problem] = folder.problems(text)
    return problem


def test_a_key_that_is_there_twice_names_both_rows(folder):
    folder.write("shots.csv", "shot,promptText\nA,x\nb,y\na,z\n")
    problem = one(folder, TABLE % "" + BODY % "")
    assert problem.message == "the job id `s-a` is taken by `s-A` (shots.csv:2)"
    assert problem.rows == ("shots.csv:4",)


def test_an_empty_cell_inside_a_text_says_what_to_do(folder):
    folder.write("shots.csv", "shot,Plate\na,\n")
    problem = one(folder, TABLE % "" + BODY % ", promptText: 'at ${{ row.Plate }}'")
    assert problem.message == "`row.Plate` is nothing, which cannot be put into text"
    assert problem.hint == "fill the cell in, or write `row.Plate | default('…')`"


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ("row.status = 'go'", "write `==` to compare"),
        ("${{ row.status == 'go' }}", "write it without `${{ }}`"),
    ],
)
def test_a_condition_that_cannot_be_read_says_how_it_is_written(folder, where, hint):
    folder.write("shots.csv", "shot,promptText,status\na,x,go\n")
    problem = one(folder, TABLE % f', where: "{where}"' + BODY % "")
    assert problem.hint == hint
    assert problem.path == "jobs[0].foreach.where"


def test_a_template_without_its_dollar_sign_is_no_file(folder):
    folder.write("in/a.png", PNG)
    body = "{model: gen4_turbo, ratio: '1280:720', duration: 5, promptImage: '{{ file }}'}"
    problem = one(folder, f"jobs:\n- id: s\n  foreach: in/*.png\n  image_to_video: {body}\n")
    assert problem.hint == "a template begins with `$`: write `${{ file }}`"


@pytest.mark.parametrize("key", ["takes: 2", "tags: [a]", "priority: 3", "needs: [s]"])
def test_a_key_of_the_job_inside_the_body_is_told_as_one(folder, key):
    problem = one(folder, "jobs:\n- id: s\n" + BODY % f", promptText: x, {key}")
    name = key.split(":")[0]
    assert problem.hint == f"`{name}` is a key of the job: write it beside the body"


@pytest.mark.parametrize(
    ("column", "near"),
    [("Prompt", "promptText"), ("prompt text", "promptText"), ("Seed", "seed")],
)
def test_a_column_that_nearly_names_a_field_says_which(folder, column, near):
    wanted = "" if near == "promptText" else ", promptText: x"
    folder.write("shots.csv", f"shot,{column}\na,7\n")
    text = TABLE % "" + BODY % wanted
    expander = folder.expander(text)
    list(expander.specs())
    [warning] = expander.warnings
    assert warning.message == f"nothing uses the column `{column}`"
    assert warning.hint == f"did you mean `{near}`? columns are named exactly like fields"


def test_a_row_that_is_wrong_in_two_takes_is_one_row(folder):
    folder.write("shots.csv", "shot,promptText,seed\na,x,many\nb,x,many\n")
    problem = one(folder, TABLE % "" + "  takes: 3\n" + BODY % "")
    assert (problem.count, problem.rows) == (2, ("shots.csv:2", "shots.csv:3"))


def test_columns_are_compared_with_fields_that_the_template_does_not_write(folder):
    folder.write("shots.csv", "shot,Prompt,Seed\na,x,7\n")
    expander = folder.expander(TABLE % "" + BODY % ", promptText: x")
    list(expander.specs())
    [warning] = expander.warnings
    assert warning.message == "nothing uses the columns `Prompt`, `Seed`"
    assert warning.hint == "did you mean `seed`? columns are named exactly like fields"
