"""Several mistakes in one file: all told at once, each at the very character it stands at."""

from __future__ import annotations

import re

import pytest

from runner.core.spec import AssetRef, JobSpec
from runner.errors import ManifestError, Problem
from runner.manifest.assets import AssetProblem
from runner.manifest.catalog_file import load_catalog
from runner.manifest.expand import expand
from runner.manifest.load import manifest_from
from runner.manifest.places import format_path, walk

CATALOG = load_catalog()
MARK = re.compile(r"⟦(.*?)⟧", re.DOTALL)


class NoFiles:
    def asset(self, value: str, media: str) -> AssetRef:
        raise AssetProblem(f"`{value}` does not exist")

    def measures(self, asset: AssetRef) -> dict[str, float]:
        return {}


def read(text: str) -> tuple[list[JobSpec], list[Problem]]:
    try:
        manifest = manifest_from(text.encode(), CATALOG, file="m.yaml")
    except ManifestError as error:
        return [], list(error.problems)
    expansion = expand(manifest, CATALOG, NoFiles())
    return list(expansion.specs), list(expansion.problems)


def marked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its ⟦marks⟧, and line and column of what each mark held."""
    places = []
    plain = ""
    done = 0
    for match in MARK.finditer(text):
        plain += text[done : match.start()]
        places.append((plain.count("\n") + 1, len(plain) - (plain.rfind("\n") + 1) + 1))
        plain += match[1]
        done = match.end()
    return plain + text[done:], places


#: every problem is at a mark, in this order; what follows are the beginnings of the messages
FILES = {
    "shape": (
        """\
version: ⟦2⟧
⟦bugdet⟧: 5
concurrency: {total: ⟦0⟧, ⟦queue⟧: 1}
retry:
  attempts: ⟦many⟧
output: {sidecar: ⟦maybe⟧, dir: ⟦"a\\0b"⟧}
inputs: {allow: [plates, ⟦"c\\0d"⟧]}
jobs:
  - id: ⟦5⟧
    text_to_image: {model: gen4_image}
  - ⟦takes⟧: 2
    sound_effect: {}
  - ⟦id⟧: c
    sound_effect: {}
    text_to_image: {}
  - ⟦id⟧: d
    tags: ⟦hero⟧
""",
        [
            "expected `1`, found `2`", "unknown key `bugdet`", "expected a whole number of 1",
            "unknown key `queue`", "expected a whole number from 1 to 20, found `many`",
            "expected `file` or `none`", "expected a folder", "expected a folder",
            "expected text, found `5`", "`id` is missing",
            "a job has one endpoint", "the job names no endpoint", "expected a list of names",
        ],
    ),
    "bodies": (
        """\
version: 1
defaults:
  image_to_video:
    ratio: ⟦16:9⟧
jobs:
  - id: a
    image_to_video:
      model: gen4_turbo
      promptImage: ⟦http://example.com/a.png⟧
      duration: ⟦"5"⟧
      promtText: ⟦a⟧
  - id: b
    text_to_image:
      { model: gen4_image, promptText: ⟦''⟧,
        ratio: ⟦'1:1'⟧, referenceImages: [{uri: ⟦none.png⟧, tag: ⟦Cat⟧}] }
  - id: c
    sound_effect: {model: ⟦gen4_image⟧}
  - id: d
    sound_effect: ⟦{}⟧
""",
        [
            "`ratio` must be", "`promptImage` cannot be a `http:` URL", "`duration` must be",
            "`promtText` is not a field", "`promptText` is empty", "`ratio` must be",
            "`none.png` does not exist", "`referenceImages[0].tag` must match",
            "`gen4_image` belongs to `text_to_image`", "`model` is missing",
        ],
    ),
    "templates": (
        """\
version: 1
vars: {x: 5, list: [1]}
jobs:
  - id: ⟦a-${{ vars.y }}⟧
    tags: [ok, ⟦"${{ nope }}"⟧]
    needs: [⟦nobody⟧]
    takes: ⟦${{ vars.list }}⟧
    max_credits: ⟦${{ vars.list }}⟧
    text_to_image:
      model: gen4_image
      promptText: ⟦a ${{ vars.list }}⟧
      ratio: ⟦${{ vars.x }}⟧
      seed: ⟦${{ 1 / 0 }}⟧
  - id: b
    output: ⟦../${{ job }}⟧
    sound_effect:
      model: eleven_text_to_sound_v2
      promptText: ⟦${{ jobs.c.output }}⟧
""",
        [
            "`y` is not known here", "`nope` is not known here", "there is no job `nobody`",
            "`takes` is a whole number", "not an amount", "`vars.list` is a list",
            "`ratio` must be", "division by zero", "the name would leave `output.dir`",
            "there is no job `c`",
        ],
    ),
    "lost text": (
        """\
version: 1
vars: {look: ⟦wide⟧ #3
 }
jobs:
  - id: a
    text_to_image:
      model: gen4_image
      promptText: ⟦shot⟧ #3 of the day
      ratio: 1920:1080 # a comment that nobody misses
  - id: b
    text_to_image:
      model: gen4_image
      promptText: ⟦&b fish⟧
      ratio: 1920:1080
""",
        ["`#3` is cut off", "`#3 of the day` is cut off", "`&b` is cut off"],
    ),
    "caps": (
        """\
version: 1
budget: {per_job: 7}
jobs:
  - ⟦id⟧: dear
    text_to_image: {model: gen4_image, promptText: a, ratio: 1920:1080}
  - ⟦id⟧: unknown
    unchecked: true
    text_to_image: {model: dreamer_9}
  - id: bound
    max_credits: ⟦$0.01⟧
    text_to_image: {model: gen4_image, promptText: a, ratio: 1280:720}
""",
        ["`dear` may cost 8 cr", "nobody knows what `unknown` may cost", "`bound` costs about 5"],
    ),
    "characters outside ASCII": (
        """\
version: 1
jobs:
  - {id: küste, text_to_image: {model: gen4_image, promptText: "😀é\\u0301", ratio: ⟦'1:1'⟧}}
  - {id: コップ, sound_effect: {model: eleven_text_to_sound_v2, promptText: 雨, loop: ⟦yes⟧}}
""",
        ["`ratio` must be", "`loop` must be true or false"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("name", FILES)
def test_all_mistakes_of_a_file_are_told_at_once_where_they_stand(name: str, ends: str) -> None:
    source, messages = FILES[name]
    text, places = marked(source)
    _, problems = read(text.replace("\n", ends))
    for problem, message in zip(problems, messages, strict=False):
        assert problem.message.startswith(message)
    assert [(problem.line, problem.column) for problem in problems] == places
    assert len(problems) == len(messages)


@pytest.mark.parametrize("name", FILES)
def test_byte_order_mark_moves_nothing(name: str) -> None:
    text, _ = marked(FILES[name][0])
    assert read("\ufeff" + text)[1] == read(text)[1]


@pytest.mark.parametrize("name", FILES)
def test_lines_put_above_move_every_place_by_as_many(name: str) -> None:
    text, _ = marked(FILES[name][0])
    moved = [problem.line - 3 for problem in read("# a\n\n# b\n" + text)[1]]
    assert moved == [problem.line for problem in read(text)[1]]


@pytest.mark.parametrize("name", FILES)
def test_path_of_every_problem_leads_to_its_place(name: str) -> None:
    text, _ = marked(FILES[name][0])
    try:
        manifest = manifest_from(text.encode(), CATALOG, file="m.yaml")
    except ManifestError:
        return  # places of shapes are checked above; there is no document to look into
    paths = {
        format_path(path): (node.place.line, node.place.column)
        for path, node in walk(manifest.document.root)
    }
    for problem in read(text)[1]:
        known = problem.path
        while known not in paths:  # a field that is missing is told at what should hold it
            known = known.rpartition(".")[0]
        assert paths[known] == (problem.line, problem.column)


def test_error_counts_its_problems_and_shows_the_first() -> None:
    text, _ = marked(FILES["shape"][0])
    with pytest.raises(ManifestError) as caught:
        manifest_from(text.encode(), CATALOG, file="shots.yaml")
    assert str(caught.value) == "shots.yaml:1:10: expected `1`, found `2` (and 12 more)"


def test_no_problem_of_any_file_ends_with_a_full_stop_or_is_told_twice() -> None:
    for source, _ in FILES.values():
        problems = read(marked(source)[0])[1]
        assert len(set(problems)) == len(problems)
        for problem in problems:
            assert not problem.message.endswith(".")
            assert not problem.hint.endswith(".")
            assert "Traceback" not in problem.message
            assert len(problem.message) < 300


# What YAML 1.2 makes of a word in a body

WORDS = [
    # written in a prompt -> the text that reaches Runway
    ("16:9", "16:9"), ("1:30:00", "1:30:00"), ("0123", "0123"), ("0o17", "0o17"),
    ("0x1F", "0x1F"), ("0b101", "0b101"), ("1_000", "1_000"), ("no", "no"), ("No", "No"),
    ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("N", "N"),
    ("2026-10-23", "2026-10-23"), ("2026-10-23T10:00:00Z", "2026-10-23T10:00:00Z"),
    (".inf", ".inf"), (".NaN", ".NaN"), ("+", "+"), ("1.2.3", "1.2.3"), ("1e", "1e"),
    ("'5'", "5"), ('"5"', "5"), ("'~'", "~"), ("'null'", "null"), ("'true'", "true"),
    ("!!str 5", "5"), ("! 5", "5"), ("nUll", "nUll"), ("tRUE", "tRUE"), ("50%", "50%"),
    ("a:b", "a:b"), ("a#b", "a#b"), ("-a", "-a"), ("it's", "it's"), ("a, b", "a, b"),
    ("<b>", "<b>"), ("=", "="), ("{{ a }}", None), ("5", 5), ("-0", 0), ("5.0", 5.0),
    ("1e3", 1000.0), ("true", True), ("~", None), ("[a]", ["a"]),
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), WORDS, ids=[word for word, _ in WORDS])
def test_word_in_a_prompt_is_text_where_yaml_1_2_says_so(written: str, meant: object) -> None:
    specs, problems = read(
        "version: 1\njobs:\n  - id: a\n    text_to_image:\n      model: gen4_image\n"
        f"      promptText: {written}\n      ratio: 1920:1080\n"
    )
    if isinstance(meant, str):
        assert problems == []
        assert specs[0].body["promptText"] == meant
    else:
        (problem,) = problems  # a number, a list or nothing at all is never sent as a prompt
        assert (
            "promptText" in problem.message + problem.path or "key must be text" in problem.message
        )


@pytest.mark.parametrize(
    "ratio", ["1280:720", "'1280:720'", '"1280:720"', "!!str 1280:720", "|-\n"]
)
def test_ratio_reaches_the_body_however_it_is_written(ratio: str) -> None:
    written = ratio + "          1280:720" if ratio == "|-\n" else ratio
    specs, problems = read(
        "version: 1\njobs:\n  - id: a\n    text_to_video:\n        model: gen4.5\n"
        f"        promptText: x\n        duration: 5\n        ratio: {written}\n"
    )
    assert problems == []
    assert specs[0].body["ratio"] == "1280:720"


# Characters that are line ends to PyYAML (YAML 1.1) but text in YAML 1.2


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85"], ids=["LS", "PS", "NEL"])
def test_line_separator_pasted_into_a_plain_prompt_is_text(character: str) -> None:
    specs, problems = read(
        "version: 1\njobs:\n  - id: a\n    text_to_image:\n      model: gen4_image\n"
        f"      promptText: wide{character}shot\n      ratio: 1920:1080\n"
    )
    assert problems == []
    assert specs[0].body["promptText"] == f"wide{character}shot"


def test_line_separator_in_quotes_does_not_move_the_places_below() -> None:
    text, places = marked(
        'version: 1\njobs:\n  - id: a\n    text_to_image:\n      promptText: "wide\u2028shot"\n'
        "      model: gen4_image\n      ratio: ⟦'1:1'⟧\n"
    )
    assert [(problem.line, problem.column) for problem in read(text)[1]] == places
