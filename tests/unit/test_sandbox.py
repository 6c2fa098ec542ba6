"""Templates see data and nothing else: no file, no environment, no object of Python's.

The escapes are the published ones against Jinja2, in every place that takes a template.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import Problem
from runner.manifest.known_later import TemplateProblem
from runner.manifest.template import render
from tests.fuzz.bombs import NAMES as DATA
from tests.language_rig import STILL, Folder

SECRET = "s3cr3t-of-this-machine"
#: what the insides of Python look like in text
INSIDES = ("<class ", "<function", "<module", "<built-in", "<bound method", "object at 0x",
           "mappingproxy", "<generator", "Undefined", "Environment")  # fmt: skip

#: each would read an attribute, call something, or load a template
ESCAPES = [
    "''.__class__", "''.__class__.__mro__", "''.__class__.__mro__[1].__subclasses__()",
    "''['__class__']['__mro__'][1]['__subclasses__']()", "[].__class__.__base__",
    "().__class__.__bases__[0].__subclasses__()", "{}.__class__.__mro__[-1]", "(1).__class__",
    "true.__class__", "none.__class__", "1.5.__class__", "''.__doc__", "''.__init__.__globals__",
    "vars.__class__", "vars['__class__']", "vars.__init__.__globals__", "vars.get", "vars.keys()",
    "vars.items", "vars.values()", "vars.pop('n')", "vars.update({'n': 1})", "vars.__getitem__",
    "vars.list.append(1)", "vars.list.__len__", "vars.text.format", "vars.text.format_map(vars)",
    "'{0.__class__}'.format(1)", "'{0.__class__}' | format(vars)", "'{x.__class__}'|format(x=vars)",
    "'%s' % vars", "'%c' % 65", "'%(n)s' % vars", "'%1000000000d' % 1", "'%s' | format(vars)",
    "cycler", "cycler.__init__.__globals__.os.popen('id').read()", "joiner", "lipsum",
    "lipsum.__globals__", "lipsum.__globals__['os'].environ", "lipsum()", "namespace",
    "namespace.__init__", "namespace(a=1)", "self", "self.__init__",
    "self._TemplateReference__context", "config", "config.items()", "config.SECRET_KEY", "request",
    "request.environ", "request.application.__globals__", "get_flashed_messages.__globals__",
    "url_for.__globals__", "g.pop.__globals__", "session", "range(9)", "dict(a=1)", "loop",
    "loop.__class__", "caller()", "varargs", "kwargs", "super()", "_", "__builtins__",
    "__import__('os')", "open('/etc/passwd')", "eval('1')", "exec('1')", "globals()", "environ",
    "os.environ", "environment", "context", "context.environment", "resolve('x')", "debug()",
    "gettext('a')", "undefined_name.__class__", "'a' | attr('__class__')",
    "vars | attr('__class__') | attr('__mro__')", "'' | attr('\\x5f_class__')",
    "''['\\x5f\\x5fclass\\x5f\\x5f']", "''['\\u005f\\u005fclass\\u005f\\u005f']",
    "''['__cla' ~ 'ss__']", "''['__cla' + 'ss__']", "''[['__class', '__'] | join]",
    "''['__CLASS__' | lower]", "''['__ssalc__'[::-1]]", "vars['__class' ~ '__']",
    "vars[('_' * 2) ~ 'class__']", "vars.list | map(attribute='__class__') | list",
    "vars.list | map('attr', '__class__')", "vars.list | selectattr('__class__')",
    "vars.list | groupby('__class__')", "vars.list | sum(attribute='__class__')",
    "vars.list | max(attribute='__class__.__mro__')", "vars.list | min(attribute='__doc__')",
    "vars.list | sort(attribute='__class__')", "[1, 2] | sort(attribute='real')", "vars | items",
    "vars | dictsort", "vars | pprint", "vars | tojson", "vars | xmlattr", "vars | string",
    "vars.list | string", "vars.map ~ ''", "'<b>' | safe", "'<b>' | e", "'<b>' | escape",
    "'a' | urlize", "'a' | filesizeformat", "'a' | forceescape", "'a' | striptags", "'a' | random",
    "'a' | batch(2)", "'a' | row.filter", "jobs.__class__", "jobs.names", "jobs.names._by_id",
    "jobs['__init__']", "jobs.other.__class__", "jobs.other.name", "jobs.other.attribute",
    "jobs.other.output.__class__", "jobs.other.output.name", "jobs.other.outputs.__class__",
    "jobs.other.output.every", "batch.__class__", "batch.upper()", "job.__class__",
    "take.__class__", "take.real", "take.numerator", "1 is callable", "1 is sameas(1)",
    "'x' is filter", "vars is iterable", "1 is in [1]", "'attr' is test", "({'__class__': 1}).keys",
    "[x for x in vars]", "lambda: 1", "1; 2", "x = 1", "a := 1", "vars.*", "import os", "`id`",
    "$(id)", "%{ 1 }", "not_there", "vars.not_there", "none + 1", "'a' + 1",
    "'\\ud800'", "'%s' is divisibleby(vars.n)", "'%1000000000d' is even",
    "'%(n)s' is divisibleby vars",
]  # fmt: skip

#: statements, comments, and expressions of other languages: plain text here
PLAIN = [
    "{% include 'secret.txt' %}", "{% import 'os' as os %}", "{% extends '/etc/passwd' %}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{% set x = cycler.__init__.__globals__ %}{{ x }}", "{% raw %}x{% endraw %}", "{{ 7 * 7 }}",
    "{{ ''.__class__ }}", "{# note #}", "{{ config }}", "#{7*7}", "<%= 7*7 %>", "%s%s%n", "$HOME",
    "${HOME}", "$(id)", "`id`", "{0.__class__}", "{vars}", "$${{ ''.__class__ }}", "%{PATH}",
]  # fmt: skip

HEAD = "vars: {n: 7, text: abc, list: [1, 2], map: {a: {b: 1}}}\n"
OTHER = "- id: other\n  " + STILL % "x" + "\n"
STILL_X = STILL % "x"
#: every place of a job that takes a template; `@` stands for it, quoted as a text of YAML
PLACES = {
    "body": STILL % "@",
    "part of a text": STILL % "@TEXT@",
    "nested": "text_to_image: {model: gen4_image, ratio: '1920:1080', promptText: x,"
    " referenceImages: [{uri: @, tag: one}]}",
    "needs": f"needs: [@]\n  {STILL_X}",
    "tags": f"tags: [@]\n  {STILL_X}",
    "output": f"output: @\n  {STILL_X}",
    "takes": f"takes: @\n  {STILL_X}",
    "priority": f"priority: @\n  {STILL_X}",
    "max_credits": f"max_credits: @\n  {STILL_X}",
    "axis": f"matrix: {{x: @}}\n  {STILL_X}",
    "value of an axis": f"matrix: {{x: [@]}}\n  {STILL_X}",
    "zip": f"matrix: {{zip: {{x: [@], y: [1]}}}}\n  {STILL_X}",
    "exclude": f"matrix: {{x: [1, 2], exclude: [{{x: @}}]}}\n  {STILL_X}",
    "include of a matrix": f"matrix: {{include: [{{x: @}}]}}\n  {STILL_X}",
    "key": f"foreach: {{csv: rows.csv, key: @}}\n  {STILL_X}",
    "where": f"foreach: {{csv: rows.csv, where: @BARE@}}\n  {STILL_X}",
    "endpoint": "request: {endpoint: @, body: {}}",
    "body of a request": "request: {endpoint: text_to_image, body: {model: gen4_image,"
    " ratio: '1920:1080', promptText: @}}",
    "model": "text_to_image: {model: @, promptText: x}",
}
#: and of the file, which all jobs share
TOP = {
    "name of all files": "output: {name: @}\n",
    "default of a job": "defaults: {job: {tags: [@]}}\n",
    "default of an endpoint": "defaults: {text_to_image: {seed: @}}\n",
    "default of a model": "defaults: {models: {gen4_image: {seed: @}}}\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv("SANDBOX_SECRET", SECRET)
    made = Folder(tmp_path)
    made.write("secret.txt", SECRET)
    made.write("rows.csv", "id,filter\nr,upper\n")
    return made


def put(place: str, written: str) -> str:
    """A template at its place in a job."""
    bare = written.removeprefix("${{ ").removesuffix(" }}")
    text = place.replace("@TEXT@", json.dumps(f"before {written} behind"))
    return text.replace("@BARE@", json.dumps(bare)).replace("@", json.dumps(written))


def manifest(place: str, *written: str) -> str:
    """A job for each template, after one that they may refer to."""
    jobs = [f"- id: j{n}\n  {put(PLACES[place], each)}\n" for n, each in enumerate(written)]
    return f"{HEAD}jobs:\n{''.join(jobs)}{OTHER}"


def outcome(folder: Folder, text: str) -> tuple[list[Problem], str]:
    """Problems, and everything that came of the manifest as text."""
    problems = folder.problems(text)
    jobs = list(folder.expander(text).specs()) if not problems else []
    return problems, "\n".join([*map(repr, problems), *map(repr, jobs)])


def shown(everything: str, source: str = "") -> list[str]:
    """What must not be seen."""
    return [mark for mark in (SECRET, *INSIDES) if mark in everything and mark not in source]


@pytest.mark.parametrize("place", PLACES)
def test_no_escape_from_any_place_of_a_job(folder: Folder, place: str) -> None:
    written = [f"${{{{ {escape} }}}}" for escape in ESCAPES]
    problems, everything = outcome(folder, manifest(place, *written))
    refused = {problem.path.partition(".")[0] for problem in problems}
    assert [each for n, each in enumerate(ESCAPES) if f"jobs[{n}]" not in refused] == []
    assert shown(everything) == []


@pytest.mark.parametrize("place", TOP)
def test_no_escape_from_what_all_jobs_share(folder: Folder, place: str) -> None:
    for escape in ESCAPES[::3]:
        text = put(TOP[place], f"${{{{ {escape} }}}}") + manifest("body", "x")
        problems, everything = outcome(folder, text)
        assert problems, escape
        assert shown(everything) == []


def test_no_escape_into_an_id(folder: Folder) -> None:
    for escape in ESCAPES[::3]:
        job = f"- id: {json.dumps(f'a-${{{{ {escape} }}}}')}\n  {STILL_X}\n"
        problems, everything = outcome(folder, f"{HEAD}jobs:\n{job}{OTHER}")
        assert problems, escape
        assert shown(everything) == []


@pytest.mark.parametrize("written", PLAIN)
def test_what_looks_like_another_template_language_is_text(folder: Folder, written: str) -> None:
    job = folder.jobs(manifest("body", written))["j0"]
    assert job.body["promptText"] == written.removeprefix("$" if "$${{" in written else "")


@pytest.mark.parametrize("place", ["needs", "endpoint", "where", "key", "model"])
def test_nor_does_it_mean_anything_elsewhere(folder: Folder, place: str) -> None:
    problems, everything = outcome(folder, manifest(place, *PLAIN))
    refused = {problem.path.partition(".")[0] for problem in problems}
    assert [each for n, each in enumerate(PLAIN) if f"jobs[{n}]" not in refused] == []
    assert SECRET not in everything


def test_files_are_included_by_their_name_as_it_is_written(folder: Folder) -> None:
    folder.write("part-7.yaml", "version: 1\nvars: {x: 1}\n")
    [message] = folder.messages('include: ["part-${{ vars.n }}.yaml"]\n' + manifest("body", "x"))
    assert "part-${{ vars.n }}.yaml` does not exist" in message


NAMES = ["__class__", "__init__", "__mro__", "__globals__", "_x", "get", "items", "keys", "format",
         "mro", "__dict__", "__subclasses__", "self", "vars", "none"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_python_is_a_name_like_any_other_in_data(folder: Folder, name: str) -> None:
    folder.write("rows.csv", f"id,{name}\nr,of the cell\n")
    folder.write("rows.jsonl", json.dumps({"id": "r", name: "of the line"}))
    prompt = json.dumps(f"${{{{ row['{name}'] }}}}, ${{{{ row.{name} }}}}")
    for kind in ("csv", "jsonl"):
        text = f"jobs:\n- id: a\n  foreach: rows.{kind}\n  {STILL % prompt}\n"
        [job] = folder.jobs(text).values()
        value = "of the cell" if kind == "csv" else "of the line"
        assert job.body["promptText"] == f"{value}, {value}"


@pytest.mark.parametrize("name", NAMES)
def test_and_in_variables_and_axes(folder: Folder, name: str) -> None:
    prompt = json.dumps(f"${{{{ vars.{name} }}}} ${{{{ matrix.{name} }}}}")
    text = f"vars: {{{name}: v}}\njobs:\n- id: a\n  matrix: {{{name}: [m]}}\n  {STILL % prompt}\n"
    [job] = folder.jobs(text).values()
    assert job.body["promptText"] == "v m"


@pytest.mark.parametrize("name", NAMES)
def test_and_without_data_of_that_name_there_is_nothing(folder: Folder, name: str) -> None:
    for path in ("vars", "row", "matrix", "row.id", "vars.text", "vars.list", "take", "jobs.other"):
        text = (
            f"{HEAD}jobs:\n{OTHER}- id: a\n  foreach: rows.csv\n  matrix: {{x: [1]}}\n  "
            + STILL % json.dumps(f"${{{{ {path}.{name} }}}}") + "\n"
        )  # fmt: skip
        [message] = folder.messages(text)
        assert name in message


@pytest.mark.parametrize("written", ["${{ batch }}", "${{ ''.__class__ }}", "{{ 7 }}", "{% x %}"])
def test_data_is_never_rendered_again(folder: Folder, written: str) -> None:
    """Not in a body, a tag, a file name or a name of a job, and not by way of a variable."""
    folder.write("rows.jsonl", json.dumps({"id": "r", "promptText": written, "seed": 1}))
    text = (
        f"vars: {{v: {json.dumps(written)}}}\njobs:\n- id: a\n  foreach: rows.jsonl\n"
        '  tags: ["${{ row.promptText }}", "${{ vars.v }}"]\n'
        '  output: "${{ row.promptText }}-${{ vars.v }}.${{ ext }}"\n'
        "  text_to_image: {model: gen4_image, ratio: '1920:1080'}\n"
    )
    [job] = folder.jobs(text).values()
    assert job.body["promptText"] == written
    assert job.tags == (written,)
    braces = written.replace("{", "{{").replace("}", "}}")
    assert job.output == f"{braces}-{braces}.{{ext}}"


@pytest.mark.parametrize(
    "cell", ["../../x", "/etc/cron.d/x", "a/../../x", "..", "C:/x", "a\\..\\x"]
)
def test_no_cell_leads_a_file_out_of_its_folder(folder: Folder, cell: str) -> None:
    folder.write("rows.jsonl", json.dumps({"id": "r", "where": cell}))
    text = (
        "jobs:\n- id: a\n  foreach: rows.jsonl\n  output: '${{ row.where }}/x.${{ ext }}'\n  "
        + STILL % "x" + "\n"
    )  # fmt: skip
    assert folder.problems(text)


BOMBS = [
    "'a' * 10 ** 9", "'a' * 1000000000", "1000000000 * 'a'", "'a' * 99999 * 99999",
    "[1] * 1000000000", "(1,) * 1000000000", "(1, 2) * 100000000", "[[1] * 9999] * 9999",
    "[['a' * 9999] * 9999] * 9999", "[[[1] * 999] * 999] * 999", "((1,) * 9999,) * 9999",
    "([[1] * 9999] * 9999) ~ ''", "([[1] * 9999] * 9999) | string | length",
    "[[1] * 9999] * 9999 == [[1] * 9999] * 9999", "('a' * 99999) | replace('a', 'a' * 99999)",
    "['a' * 9999] * 9999 | join('-')", "vars.long ~ vars.long ~ vars.long ~ vars.long",
    "vars.long + vars.long + vars.long + vars.long", "vars.long * 20", "[vars.long] * 9999",
    "[vars.wide] * 9999", "vars.wide * 9999", "[" + "vars.wide, " * 60 + "]",
    "[" + "vars.long, " * 60 + "] | join", "{'a': vars.wide} | string",
    "2 ** 99999", "9 ** 9 ** 9", "2 ** -1", "10 ** 1000000000", "(10 * 10 ** 9) ** 9",
    "1 | round(-1000000000)", "123 | round(-99999999)", "1 | round(1000000000)",
    "1.5 | round(-99999999999999999999)", "('f' * 99999) | int(0, 16)",
    "('9' * 99999) | int(base=36)", "1 | pad(10 ** 9)", "1 | pad(1000000000)",
    "'a' | shard(10 ** 9)", "'a' | center(1000000000)", "'a' | truncate(-5)",
    "'a' | truncate(2, true, 'x' * 99999)", "'a' | indent(1000000000)", "row.format % 1",
    "row.format is even", "row.format is odd", "row.format is divisibleby 3",
    "'%1000000000d' is divisibleby 3", "range(10 ** 9)", "range(1000000000) | list",
    "lipsum(10000)", "1" + "0" * 900 + " * 1" + "0" * 80, "1e308 * 1e308", "1e999", "-1e999",
    "1e999 - 1e999", "1 / 0", "1 % 0", "1 // 0", "vars.list[" * 200 + "0" + "]" * 200,
    "(" * 300 + "1" + ")" * 300, "[" * 300 + "1" + "]" * 300, "{'a': " * 150 + "1" + "}" * 150,
    "not " * 240 + "1", "-" * 900 + "1", "1" + " + 1" * 240, "1 if " * 190 + "1",
    "vars" + ".a" * 450, "'a'" + " | lower" * 110, "x" * 1001, "'" + "a" * 2000 + "'",
    "('a' * 99999) | title | slug | replace('a', 'bb')", "('a' * 60000) ~ ('b' * 60000)",
    "('a' * 60000) + ('b' * 60000)", "('a ' * 50000) | wordcount | string | pad(21)",
    "vars.wide | sort | join(', ')", "vars.wide | sum(start=vars.list)",
    "[vars.list] | sum(start=[])",
]  # fmt: skip


@pytest.fixture(scope="module")
def exploded() -> dict[str, str]:
    """What became of each, in a process that does not outlive one that takes long."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.bombs"],
        input="".join(json.dumps(bomb) + "\n" for bomb in BOMBS),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = [json.loads(line) for line in process.stdout.splitlines()]
    ended = f"the process ended over it or before it: {process.stderr[:2000]}"
    return dict(zip(BOMBS, told + [ended] * len(BOMBS), strict=False))


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_expression_works_long_or_makes_much(exploded: dict[str, str], bomb: str) -> None:
    assert exploded[bomb].startswith("refused: "), exploded[bomb]


@pytest.mark.parametrize(
    "expression",
    [
        "row.format", "vars.long | length", "vars.wide | length", "vars.wide[5]", "vars.long[:10]",
        "vars.wide | max", "vars.wide | first", "1" + " + 1" * 40, "'a'" + " ~ 'a'" * 40,
        "vars.n == 1" + " or vars.n == 1" * 40, "('a' * 50000) ~ 'b'", "[1] * 1000",
        "12.34 | round(-1)", "7 is odd", "7 is divisibleby 7", "[1, 2] | sum",
    ],
)  # fmt: skip
def test_what_is_of_ordinary_size_is_evaluated(expression: str) -> None:
    render(f"${{{{ {expression} }}}}", DATA)


_ATOMS = st.sampled_from([
    "vars", "row", "''", "[]", "{}", "()", "1", "jobs", "batch", "file", "source", "matrix",
])  # fmt: skip
_STEPS = st.sampled_from([
    ".__class__", "['__class__']", ".__mro__", "[0]", "[-1]", "['__subclasses__']", "()", "[::1]",
    " | string", " | first", " | list", " | attr('__class__')", ".__globals__", "['os']", " ~ ''",
    " | sort(attribute='__class__')", ".a", "['a']", " | default({})", " | default('')", " | max",
])  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(_ATOMS, st.lists(_STEPS, min_size=1, max_size=7))
def test_no_chain_of_steps_shows_the_insides_of_python(atom: str, steps: list[str]) -> None:
    names = {"vars": {"a": [{"a": "x"}]}, "row": {"a": "b"}, "batch": "n", "matrix": {"a": 1}}
    try:
        value = render("${{ " + atom + "".join(steps) + " }}", names)
    except TemplateProblem as problem:
        value = f"{problem.message} {problem.hint}".replace(atom + "".join(steps), "")
    assert shown(str(value)) == []
