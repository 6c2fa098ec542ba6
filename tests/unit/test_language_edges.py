"""Edges of the language: what a manifest may say that nobody would write on a good day."""

from __future__ import annotations

import unicodedata

import pytest

from runner.core.spec import OutputRef, refs_in
from tests.language_rig import PNG, STILL, Folder

MOVE = "image_to_video: {model: gen4_turbo, ratio: '1280:720', duration: 5, promptImage: %s}"
ROWS = "- id: a\n  foreach: s.csv\n"
LINK = "https://cdn.example.com/x/a.png?_jwt=eyJh.SECRET"


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def job(text, body=STILL % "x"):
    return f"{text}  {body}\n"


def chain(reference):
    return "- id: c\n  " + MOVE % f'"{reference}"' + "\n"


class TestReferences:
    def test_a_template_without_a_job_has_no_output(self, folder):
        folder.write("s.csv", "id\na\n")
        nothing = "- id: a\n  foreach: {csv: s.csv, where: 'false'}\n  " + STILL % "x" + "\n"
        [message] = folder.messages("jobs:\n" + nothing + chain("${{ jobs.a.output }}"))
        assert message == "`a` makes no job"

    def test_one_job_of_another_row_is_not_taken_for_that_of_this_row(self, folder):
        folder.write("s.csv", "id,go\na,1\nb,2\n")
        voice = "- id: voice\n  foreach: {csv: s.csv, where: row.go == '1'}\n  " + STILL % "x"
        child = "- id: c\n  foreach: s.csv\n  " + MOVE % "'${{ jobs.voice.output }}'"
        [problem] = folder.problems(f"jobs:\n{voice}\n{child}\n")
        assert problem.message == "`voice` has no job for row `b`"
        assert problem.hint == "to mean one job, name it, as in `jobs['voice-a'].output`"

    def test_a_job_that_is_named_itself_may_have_any_row(self, folder):
        folder.write("s.csv", "id\na\nb\n")
        hero = "- id: hero\n  foreach: s.csv\n  " + STILL % "x"
        child = "- id: c\n  foreach: s.csv\n  " + MOVE % "\"${{ jobs['hero-a'].output }}\""
        jobs = folder.jobs(f"jobs:\n{hero}\n{child}\n")
        assert jobs["c-b"].needs == ("hero-a",)

    def test_an_id_that_begins_with_an_expression_can_be_named(self, folder):
        folder.write("s.csv", "id\na\n")
        text = "jobs:\n" + chain("${{ jobs['a_x'].output }}")
        text += job("- id: '${{ row.id }}_x'\n  foreach: s.csv\n")
        assert folder.jobs(text)["c"].needs == ("a_x",)

    @pytest.mark.parametrize("written", ["look:1", "cafe\u0301"])
    def test_a_job_is_found_by_the_id_as_it_was_written(self, folder, written):
        text = (
            "jobs:\n" + job(f"- id: '{written}'\n") + chain(f"${{{{ jobs['{written}'].output }}}}")
        )
        text += job(f"- id: d\n  needs: ['{written}']\n")
        jobs = folder.jobs(text)
        assert jobs["c"].needs == jobs["d"].needs == (next(iter(jobs)),)

    def test_a_path_of_an_inherited_row_is_relative_to_its_table(self, folder):
        folder.write("in/plates/a.png", PNG)
        folder.write("in/s.csv", "id,plate\na,plates/a.png\n")
        text = "jobs:\n- id: a\n  foreach: in/s.csv\n  " + STILL % "x" + "\n"
        text += "- id: c\n  foreach: {jobs: a}\n  " + MOVE % "'${{ row.plate }}'" + "\n"
        text += "- id: d\n  foreach: {jobs: c}\n  " + MOVE % "'${{ row.plate }}'" + "\n"
        found = [ref.path for spec in folder.jobs(text).values() for ref in refs_in(spec.body)]
        assert found == [str(folder.path / "in/plates/a.png")] * 2

    def test_all_outputs_are_known_among_templates_that_name_each_other(self, folder):
        many = (
            "text_to_image: {model: gpt_image_2, ratio: auto, quality: low, promptText: x,"
            " outputCount: 3}"
        )
        text = "vars: {first: root}\njobs:\n" + job("- id: root\n")
        text += job("- id: b\n", MOVE % "'${{ jobs.a.outputs[2] }}'")
        text += job("- id: a\n  needs: ['${{ vars.first }}']\n", many)
        [ref] = refs_in(folder.jobs(text)["b"].body)
        assert isinstance(ref, OutputRef)
        assert ref.index == 2

    @pytest.mark.parametrize("name", ["task_id", "path"])
    def test_what_only_a_finished_parent_has_is_refused_with_the_reason(self, folder, name):
        text = "jobs:\n" + job("- id: a\n")
        text += "- id: c\n  foreach: {jobs: a}\n  " + MOVE % f"'${{{{ source.{name} }}}}'" + "\n"
        [problem] = folder.problems(text)
        assert problem.message == f"`source.{name}` is not known before that job is done"

    def test_what_a_parent_does_not_have_can_have_a_default(self, folder):
        text = "jobs:\n" + job("- id: a\n")
        text += job(
            "- id: c\n  foreach: {jobs: a}\n  tags: [\"${{ source.seed | default('none') }}\"]\n"
        )
        assert folder.jobs(text)["c"].tags == ("none",)
        [problem] = folder.problems(text.replace(" | default('none')", ""))
        assert problem.message == "that job has no `seed`"

    def test_a_key_is_not_quietly_dropped_where_the_rows_are_jobs(self, folder):
        text = "jobs:\n" + job("- id: a\n") + job("- id: c\n  foreach: {jobs: a, key: id}\n")
        [problem] = folder.problems(text)
        assert problem.path == "jobs[1].foreach.key"


class TestKeys:
    @pytest.mark.parametrize("cell", ["²", "1" * 5000, "1e99", "x", "1.5"])
    def test_a_cell_that_is_no_number_of_takes_is_told(self, folder, cell):
        folder.write("s.csv", f"id,n\na,{cell}\n")
        [problem] = folder.problems("jobs:\n" + job(ROWS + "  takes: ${{ row.n }}\n"))
        assert problem.message.startswith("`takes` is a whole number from 1 to 1000, not `")
        assert len(problem.message) < 150

    def test_cells_of_keys_are_read_like_those_of_fields_and_empty_ones_are_absent(self, folder):
        folder.write("s.csv", "id,n,p,g,m\na,2.0,-5,hero,$1\nb,,,,\n")
        keys = "  takes: ${{ row.n }}\n  priority: ${{ row.p }}\n  tags: ['${{ row.g }}']\n"
        jobs = folder.jobs("jobs:\n" + job(ROWS + keys + "  max_credits: ${{ row.m }}\n"))
        assert list(jobs) == ["a-a", "a-a-t2", "a-b"]
        found = [(spec.priority, spec.tags, spec.max_credits) for spec in jobs.values()]
        assert found == [(-5, ("hero",), 100), (-5, ("hero",), 100), (0, (), None)]

    def test_row_keys_in_either_unicode_form_make_the_same_id(self, folder):
        ids = []
        for form in ("NFC", "NFD"):
            folder.write("s.csv", "id\n" + unicodedata.normalize(form, "café") + "\n")
            ids += list(folder.jobs("jobs:\n" + job(ROWS)))
        assert ids == ["a-café", "a-café"]

    def test_negative_values_of_an_axis_have_ids_of_their_own(self, folder):
        text = job("- id: a\n  matrix: {n: {range: -1-1}}\n", STILL % "'n ${{ matrix.n }}'")
        assert list(folder.jobs("jobs:\n" + text)) == ["a--1", "a-0", "a-1"]

    def test_a_link_as_a_key_leaves_its_secret_out_of_the_id(self, folder):
        folder.write("s.csv", f"u\n{LINK}\n")
        text = job("- id: a\n  foreach: {csv: s.csv, key: u}\n")
        assert list(folder.jobs("jobs:\n" + text)) == ["a-cdn.example.com-x-a.png"]


class TestBodies:
    def test_a_workflow_may_be_named_by_the_row(self, folder):
        folder.write("s.csv", "id,flow\na,f-1\nb,f-2\n")
        body = "request: {endpoint: 'workflows/${{ row.flow }}', body: {nodeOutputs: {}}}"
        jobs = folder.jobs("jobs:\n" + job(ROWS + "  max_credits: 9\n", body))
        assert [spec.endpoint for spec in jobs.values()] == ["workflows/f-1", "workflows/f-2"]

    @pytest.mark.parametrize("flow", ["../uploads", "a/b", "a?b", "{id}", "é"])
    def test_a_row_cannot_lead_a_workflow_elsewhere(self, folder, flow):
        folder.write("s.csv", f"id,flow\na,{flow}\n")
        body = "request: {endpoint: 'workflows/${{ row.flow }}', body: {nodeOutputs: {}}}"
        [message] = folder.messages("jobs:\n" + job(ROWS + "  max_credits: 9\n", body))
        assert message == f"unknown endpoint `workflows/{flow}`"

    def test_what_is_missing_is_told_at_the_job_and_not_at_a_default(self, folder):
        text = "defaults: {text_to_image: {ratio: '720:720'}}\njobs:\n- id: a\n"
        [problem] = folder.problems(text + "  request: {endpoint: text_to_image}\n")
        assert problem.message == "`model` is missing: `text_to_image` needs it"
        assert problem.path == "jobs[0].request.body.model"

    def test_a_message_about_an_output_says_so(self, folder):
        text = "jobs:\n" + job("- id: a\n")
        body = STILL % "x, seed: '${{ jobs.a.output }}'"
        found = " ".join(folder.messages(text + job("- id: b\n", body)))
        assert "output.example" not in found


class TestMatrix:
    def test_values_of_an_axis_are_data_when_a_variable_holds_them(self, folder):
        text = "vars: {looks: ['${{ batch }} noir']}\njobs:\n"
        text += job(
            "- id: a\n  matrix: {look: '${{ vars.looks }}'}\n", STILL % "'${{ matrix.look }}'"
        )
        [spec] = folder.jobs(text).values()
        assert spec.body["promptText"] == "${{ batch }} noir"

    def test_a_broken_matrix_is_one_mistake(self, folder):
        text = "vars: {l: hello}\njobs:\n"
        text += job("- id: a\n  matrix: {m: '${{ vars.l }}'}\n", STILL % "'${{ matrix.m }}'")
        assert folder.messages(text) == ["`m` is no list of values"]


class TestColumns:
    def test_a_column_that_the_manifests_file_name_reads_is_used(self, folder):
        folder.write("s.csv", "id,seq\na,q\n")
        text = "output: {name: '${{ row.seq }}/${{ job }}.${{ ext }}'}\njobs:\n" + job(ROWS)
        assert folder.warnings(text) == []

    def test_unused_columns_of_one_table_are_named_once_for_all_its_templates(self, folder):
        folder.write("s.csv", "id,promptText,note\na,x,y\n")
        body = "text_to_image: {model: gen4_image, ratio: '720:720'}"
        text = "jobs:\n" + job(ROWS, body) + job("- id: b\n  foreach: s.csv\n  fill: false\n")
        assert folder.warnings(text) == ["nothing uses the column `note`"]

    def test_a_comparison_that_leaves_no_row_says_what_cells_are(self, folder):
        folder.write("s.csv", "id,n\na,1\n")
        text = job("- id: a\n  foreach: {csv: s.csv, where: row.n == 1}\n")
        expander = folder.expander("jobs:\n" + text)
        assert list(expander.specs()) == []
        assert expander.warnings[0].hint.startswith("cells of a table are text")


class TestIncludes:
    @pytest.mark.parametrize("written", ['"a\\0b.yaml"', "loop.yaml", "sub", "/etc/hostname"])
    def test_a_path_that_cannot_be_read_is_told(self, folder, written):
        folder.write("sub/a.yaml", "version: 1\n")
        (folder.path / "loop.yaml").symlink_to(folder.path / "pool.yaml")
        (folder.path / "pool.yaml").symlink_to(folder.path / "loop.yaml")
        assert folder.messages(f"include: [{written}]\njobs:\n" + job("- id: a\n"))


class TestSize:
    def test_many_templates_with_needs_of_the_row_are_put_in_order(self, folder):
        """Each of them may need every other one: the links must not be counted one by one."""
        jobs = [job(f"- id: a{n}\n  needs: ['${{{{ vars.r }}}}']\n") for n in range(1, 2000)]
        text = "vars: {r: a0}\njobs:\n" + "".join(jobs) + job("- id: a0\n")
        assert next(iter(folder.jobs(text))) == "a0"

    def test_many_circles_are_all_told(self, folder):
        text = "jobs:\n"
        for n in range(1000):
            text += job(f"- id: a{n}\n  needs: [b{n}]\n") + job(f"- id: b{n}\n  needs: [a{n}]\n")
        assert len(folder.problems(text)) == 1000

    def test_many_rows_that_need_themselves_are_told(self, folder):
        folder.write("s.csv", "id\n" + "".join(f"r{n}\n" for n in range(3000)))
        problems = folder.problems("jobs:\n" + job(ROWS + "  needs: ['a-${{ row.id }}']\n"))
        assert sum(problem.count for problem in problems) == 3000

    def test_a_thousand_takes_have_a_thousand_keys(self, folder):
        jobs = folder.jobs("jobs:\n" + job("- id: a\n  takes: 1000\n"))
        assert len({spec.key for spec in jobs.values()}) == 1000


class TestSecrets:
    def test_a_link_in_a_wrong_cell_is_not_repeated(self, folder):
        folder.write("s.csv", f"id,seed,ratio\na,{LINK},{LINK}\n")
        text = job(ROWS + "  takes: ${{ row.seed }}\n", "text_to_image: {model: gen4_image}")
        problems = folder.problems("jobs:\n" + text)
        assert len(problems) >= 3
        assert not [each for each in problems if "SECRET" in f"{each.message} {each.hint}"]

    @pytest.mark.parametrize(
        "text",
        [
            job(ROWS, "request: {endpoint: '${{ row.u }}'}"),
            job(ROWS, "image_to_video: {model: '${{ row.u }}'}"),
            job(ROWS + "  max_credits: ${{ row.u }}\n"),
            job("- id: '${{ row.u }}'\n  foreach: s.csv\n"),
            job(f"- id: '{LINK}'\n"),
            job(f"- id: b\n  takes: '{LINK}'\n"),
            job(f"- id: b\n  needs: ['{LINK}']\n"),
            job("- id: b\n", STILL % "x, ratio: '${{ jobs[\"" + LINK + "\"].output }}'"),
        ],
    )
    def test_no_message_repeats_a_link(self, folder, text):
        folder.write("s.csv", f"id,u\na,{LINK}\n")
        found = folder.problems(f"jobs:\n{text}")
        assert found
        assert not [each for each in found if "SECRET" in f"{each.message} {each.hint}"]


def test_a_letter_that_folds_to_ascii_is_composed_like_any_other(folder):
    """The Kelvin sign is a K to whoever ignores case: it must not pass for a plain letter."""
    assert list(folder.jobs("jobs:\n" + job("- id: '\u212a1'\n"))) == ["K1"]


def test_columns_that_a_child_reads_of_its_source_are_used(folder):
    folder.write("s.csv", "id,note\na,hello\n")
    child = "- id: c\n  foreach: {jobs: a}\n  tags: ['${{ source.row.note }}']\n"
    assert folder.warnings("jobs:\n" + job(ROWS) + job(child)) == []


@pytest.mark.parametrize("written", ["5", "1.5", "true"])
def test_text_that_yaml_reads_as_something_else_is_told_to_be_quoted(folder, written):
    [problem] = folder.problems("jobs:\n" + job("- id: a\n", STILL % written))
    assert problem.hint == "to mean the text, quote it or use `|`"
