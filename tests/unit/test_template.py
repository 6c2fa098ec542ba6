"""Expressions in text: types kept, nothing rendered twice, nothing that can do harm."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.manifest.expression import MAX_LENGTH, absent
from runner.manifest.filters import MAX_TEXT, shard, slug
from runner.manifest.known_later import JobHandle, Reference, TemplateProblem
from runner.manifest.outputnames import NamePlan
from runner.manifest.template import has_expression, render, render_text

NAMES: dict[str, Any] = {
    "vars": {
        "n": 7, "f": 1.5, "yes": True, "none": None, "look": "35mm film", "number": "1984",
        "list": ["a", "b"], "map": {"x": {"y": 1}}, "items": "an item", "keys": ["k"],
        "evil": "${{ vars.n }} {{ 7*7 }} {% raw %}", "ratio": "1280:720",
    },
    "batch": "night", "job": "shot-1",
    "jobs": {"still": JobHandle("still"), "my-shot": JobHandle("my-shot")},
}  # fmt: skip


def problem_of(text: str) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as caught:
        render(text, NAMES)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ vars.n }}", 7), ("${{vars.f}}", 1.5), ("${{ vars.yes }}", True),
        ("${{ vars.none }}", None), ("${{ vars.list }}", ["a", "b"]),
        ("${{ vars.map }}", {"x": {"y": 1}}), ("${{ vars.map.x.y }}", 1),
        ("${{ vars['map']['x'].y }}", 1), ("${{ vars.number }}", "1984"),
        ("${{ '[1, 2]' }}", "[1, 2]"), ("${{ 'None' }}", "None"), ("${{ 1 + 2 * 3 }}", 7),
        ("${{ [1, vars.n] }}", [1, 7]), ("${{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        ("${{{'a': {'b': 1}}}}", {"a": {"b": 1}}), ("${{ '}}' }}", "}}"),
        ("${{ vars.list[1] }}", "b"), ("${{ vars.list[-1] }}", "b"),
        ("${{ vars.look[:4] }}", "35mm"),
        ("${{ 'a' if vars.n > 3 else 'b' }}", "a"), ("${{ vars.n == 7 and not vars.none }}", True),
        ("${{ 'b' in vars.list }}", True), ("${{ vars.gone is defined }}", False),
        ("${{ vars.gone | default('x') }}", "x"), ("${{ vars.n / 2 }}", 3.5),
        ("${{ vars.items }}", "an item"), ("${{ vars.keys }}", ["k"]),
    ],
)  # fmt: skip
def test_whole_expression_keeps_the_type_of_its_value(text: str, value: object) -> None:
    found = render(text, NAMES)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a ${{ vars.look }}, b", "a 35mm film, b"), ("${{ vars.n }}${{ vars.n }}", "77"),
        (" ${{ vars.n }}", " 7"), ("x${{ vars.yes }}", "xtrue"), ("", ""), ("plain", "plain"),
        ("$${{ vars.n }}", "${{ vars.n }}"), ("$$${{ vars.n }}", "$${{ vars.n }}"),
        ("$$ ${{ vars.n }} $", "$$ 7 $"), ("{{ vars.n }}", "{{ vars.n }}"),
        ("{% if x %} {# note #}", "{% if x %} {# note #}"), ("$ { { }}", "$ { { }}"),
        ("it's ${{ 'it''s' }}", "it's its"),
        ("a ${{ vars.evil }}", "a ${{ vars.n }} {{ 7*7 }} {% raw %}"),
        ("${{ vars.evil }}", "${{ vars.n }} {{ 7*7 }} {% raw %}"),
        ("a${{ 'b' ~ vars.n }}", "ab7"), ("<${{ '<&>' }}>", "<<&>>"),
        ("${{ job }} of ${{ batch }}", "shot-1 of night"),
    ],
)  # fmt: skip
def test_text_around_an_expression_makes_text(text: str, result: str) -> None:
    assert render(text, NAMES) == result


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7 | pad(3)", "007"), ("7 | pad", "07"), ("'a' | pad(3)", "00a"),
        ("1234 | pad(3)", "1234"),
        ("'Hero, Shot 1' | slug", "hero-shot-1"), ("'Ünï/cödé' | slug", "uni-code"),
        ("'A' | lower", "a"), ("'a b' | title", "A B"), ("[3, 1] | sort", [1, 3]),
        ("[1, 2] | sum", 3), ("vars.list | join('-')", "a-b"), ("vars.list | length", 2),
        ("'aXa' | replace('X', '-')", "a-a"), ("1.6 | round", 2), ("1.234 | round(1)", 1.2),
        ("'7' | int + 1", 8), ("' a ' | trim", "a"), ("[1, 2] | max", 2),
        ("vars.list | first", "a"),
        ("'abcdefghijkl' | truncate(5)", "ab..."),
    ],
)  # fmt: skip
def test_filter(expression: str, value: object) -> None:
    assert render(f"${{{{ {expression} }}}}", NAMES) == value


def test_shard_spreads_evenly_and_stays_the_same() -> None:
    assert shard("skyline") == shard("skyline")
    assert len({shard(f"job-{n}") for n in range(5000)}) == 256
    assert slug("***") == ""


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("${{ vars.lok }}", "`lok` is not known here", "did you mean `look`?"),
        ("a ${{ vars.lok }}", "`lok` is not known here", "did you mean `look`?"),
        ("${{ look }}", "`look` is not known here", "did you mean `vars.look`?"),
        ("${{ var.n }}", "`var` is not known here", "did you mean `vars`?"),
        ("${{ vars.zzzzzz }}", "`zzzzzz` is not known here", "known: n, f, yes"),
        ("${{ vars.list[5] }}", "there is no item 5: there are 2", ""),
        ("${{ vars.n.x }}", "`x` cannot be looked up in int", ""),
        ("${{ jobs.stil.output }}", "`stil` is not known here", "did you mean `still`?"),
        ("${{ jobs.my-shot.output }}", "`shot` is not known here", "jobs['my-shot'].output"),
        ("${{ jobs.still }}", "`jobs.still` is a job, not a file", "jobs['still'].output"),
        ("${{ jobs.still.path }}", "`jobs.still` has no `path`", "it has `output`, `outputs`"),
        ("x ${{ jobs.still.output }}", "cannot be put into text", "the whole value"),
        ("${{ jobs.still.output ~ 'x' }}", "cannot be put into text", "the whole value"),
        ("${{ 'a' if jobs.still.output else 'b' }}", "cannot be put into text", ""),
        ("a ${{ vars.none }}", "`vars.none` is nothing, which cannot be put into text", ""),
        ("a ${{ vars.list }}", "`vars.list` is a list, which cannot be put into text", ""),
        ("a ${{ vars.map }}", "`vars.map` is a mapping, which cannot be put into text", ""),
        ("${{ vars.n | pda }}", "there is no filter `pda`", "did you mean `pad`?"),
        ("${{ vars.n", "`${{` without `}}`", "$${{"),
        ("${{ }}", "cannot read `${{  }}`", ""),
        ("${{ 1 + }}", "cannot read `${{ 1 + }}`", ""),
        ("${{ 1 2 }}", "cannot read `${{ 1 2 }}`", ""),
        ("${{ vars.n / 0 }}", "division by zero", ""),
        ("${{ vars.look + 1 }}", "can only concatenate str", ""),
        ("${{ 'a' if false }}", "", ""),
    ],
)  # fmt: skip
def test_problem_is_explained(text: str, message: str, hint: str) -> None:
    problem = problem_of(text)
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__", "''['__class__']", "vars.__class__.__mro__", "vars['__init__']",
        "(1).__add__", "vars.keys()", "vars.look.upper()", "range(10)", "dict(a=1)", "lipsum()",
        "cycler", "namespace", "self", "joiner(',')", "vars.look.format", "'%s' % vars.look",
        "'%1000000000d' % 1", "'a' | attr('upper')", "vars | map('x')", "vars.list | tojson",
        "'a' | format", "'a' | center(100000000)", "'a' | indent(100000000)", "9 ** 9 ** 9 ** 9",
        "'a' * 1000000000", "1000000000 * 'a'", "[1] * 1000000000",
        "('a' * 99999) | replace('a', 'a' * 99999)", "('a,' * 9999) | list | join('a' * 99999)",
        "[('a' * 99999), 'b'] | join('a' * 99999)", "'a' | pad(1000000000)", "1 | pad(0)",
        "1e308 * 10", "1 | round(1000000000) | int | pad(99)", "'a' | shard(99)",
        "vars.look is filter", "vars.look is sameas(1)",
    ],
)  # fmt: skip
def test_expression_can_neither_reach_python_nor_work_long(expression: str) -> None:
    problem_of(f"${{{{ {expression} }}}}")


@pytest.mark.parametrize(
    "expression",
    [
        "1" + "+1" * 450, "(" * 400 + "1" + ")" * 400, "-" * 900 + "1", "not " * 240 + "1",
        "[" * 450 + "]" * 450, "1" * 900, "9" * 300 + "*" + "9" * 300, "'a'" + "|lower" * 150,
        "1 if " * 150 + "1", "vars" + "['a']" * 150, "vars" + ".a" * 400, "1" * (MAX_LENGTH + 1),
    ],
)  # fmt: skip
def test_expression_that_is_too_deep_is_an_ordinary_problem(expression: str) -> None:
    with suppress(TemplateProblem):
        render(f"${{{{ {expression} }}}}", NAMES)


def test_value_that_is_only_passed_on_may_be_long() -> None:
    data = "data:image/png;base64," + "A" * (MAX_TEXT * 2)
    assert render("${{ vars.data }}", {"vars": {"data": data}}) == data


def test_references_are_kept_for_later() -> None:
    assert render("${{ jobs.still.output }}", NAMES) == Reference("still")
    assert render("${{ jobs['my-shot'].outputs }}", NAMES) == Reference("my-shot", every=True)
    assert render("${{ jobs.still.outputs[1] }}", NAMES) == Reference("still", index=1)
    assert render("${{ [jobs.still.output] }}", NAMES) == [Reference("still")]


def test_id_is_always_text() -> None:
    assert render_text("${{ vars.n }}", NAMES) == "7"
    assert render_text("a${{ vars.f }}", NAMES) == "a1.5"


def test_name_keeps_what_is_known_only_later() -> None:
    text = "${{ batch }}/{x}_v${{ version | pad(3) }}${{ part }}.${{ ext }}"
    assert NamePlan(text).pattern(NAMES) == "night/{{x}}_v{version:3}{part}.{ext}"


@pytest.mark.parametrize("expression", ["ext | upper", "part ~ 'x'", "ext | pad(3)", "version + 1",
                                        "'a' if part else 'b'", "version | int"])  # fmt: skip
def test_what_is_known_only_later_cannot_be_computed_with(expression: str) -> None:
    with pytest.raises(TemplateProblem):
        NamePlan(f"a${{{{ {expression} }}}}").pattern(NAMES)


def test_absent_value_is_an_error_unless_it_has_a_default() -> None:
    names = {"seed": absent("job `a` has no `seed`\nleave it out")}
    assert render("${{ seed | default(0) }}", names) == 0
    with pytest.raises(TemplateProblem) as caught:
        render("${{ seed }}", names)
    assert (caught.value.message, caught.value.hint) == ("job `a` has no `seed`", "leave it out")


def test_text_without_expressions_is_recognised() -> None:
    assert has_expression("a ${{ b }}")
    assert not has_expression("$${{ b }} {{ c }} ${ d }")


@settings(deadline=None)
@given(st.text(alphabet="${}'\"[]().|+-*/%~ avrs1,:_n#\\x", max_size=40))
def test_any_text_renders_or_is_a_template_problem(text: str) -> None:
    for each in (text, "${{" + text + "}}"):
        with suppress(TemplateProblem):
            render(each, NAMES)


@settings(deadline=None)
@given(st.text(max_size=60).filter(lambda text: "${{" not in text))
def test_text_without_expressions_is_left_alone(text: str) -> None:
    assert render(text, NAMES) == text
    assert render("${{ vars.x }}", {"vars": {"x": text}}) == text
