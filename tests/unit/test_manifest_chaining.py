"""Jobs that use the output of other jobs: every way to write it, keys, order, cycles."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.spec import JobSpec, OutputRef, refs_in
from tests.unit.test_expand import Raw, expanded, jobs_of, move, problems_of, still, upscale

SOUND: Raw = {"model": "eleven_text_to_sound_v2", "promptText": "rain"}


def sound(job_id: str, **keys: Any) -> Raw:
    return {"id": job_id, **keys, "sound_effect": dict(SOUND)}


def parents(spec: JobSpec) -> list[str]:
    return [ref.job for ref in refs_in(spec.body) if isinstance(ref, OutputRef)]


FORMS = [
    ("${{ jobs.one.output }}", "one"),
    ("${{jobs.one.output}}", "one"),
    ("  ${{ jobs.one.output }}  ", None),  # blanks around it make it text
    ("${{ jobs['one'].output }}", "one"),
    ('${{ jobs["one"].output }}', "one"),
    ("${{ jobs['one']['output'] }}", "one"),
    ("${{ jobs.one['output'] }}", "one"),
    ("${{ jobs.one.outputs[0] }}", "one"),
    ("${{ jobs['x-y'].output }}", "x-y"),
    ("${{ jobs['x-t2'].output }}", "x-t2"),
    ("${{ jobs['x-t2'].outputs[0] }}", "x-t2"),
    ("${{ jobs.x.outputs[0] }}", "x"),
    ("${{ jobs.x.outputs[1] }}", "x-t2"),
    ("${{ jobs.x.outputs[2] }}", "x-t3"),
    ("${{ jobs[vars.parent].output }}", "one"),
    ("${{ jobs['x-t' ~ vars.n].output }}", "x-t2"),
    ("${{ jobs.one.output if vars.n == 2 else jobs['x-t2'].output }}", "one"),
    ("${{ jobs.x.outputs[vars.n] }}", "x-t3"),
    ("${{ jobs['v1.2'].output }}", "v1.2"),
    ("${{ vars.nothing | default(jobs.one.output) }}", "one"),
]


@pytest.mark.parametrize(("written", "parent"), FORMS, ids=[form for form, _ in FORMS])
def test_every_form_names_its_parent(written: str, parent: str | None) -> None:
    jobs = (still("one"), still("x", takes=3), still("x-y"), still("v1.2"), move("c", written))
    expansion = expanded(*jobs, vars={"parent": "one", "n": 2})
    if parent is None:
        (problem,) = expansion.problems
        assert problem.message == "the output of `one` is a file, it cannot be put into text"
        return
    assert expansion.problems == ()
    child = expansion.specs[-1]
    assert parents(child) == [parent]
    assert child.needs == (parent,)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${{ jobs.x.output }}", "`x` makes 3 jobs: x, x-t2, x-t3"),
        ("${{ jobs.x.outputs[3] }}", "`x` makes 3 outputs: there is no `outputs[3]`"),
        ("${{ jobs.x.ouput }}", "`jobs.x` has no `ouput`"),
        ("${{ jobs.x.url }}", "`jobs.x` has no `url`"),
        ("${{ jobs.x }}", "`jobs.x` is a job, not a file"),
        ("${{ jobs.nobody.output }}", "there is no job `nobody`"),
        ("${{ jobs['x-t4'].output }}", "there is no job `x-t4`"),
        ("${{ jobs.one.output ~ '.png' }}", "the output of `one` is a file"),
        ("a ${{ jobs.one.output }}", "the output of `one` is a file"),
        ("${{ jobs.one.output | upper }}", "the output of `one` is a file"),
        ("${{ jobs.one.output.path }}", "`path` cannot be looked up in"),
        ("${{ job.one.output }}", "`one` cannot be looked up in"),
    ],
)
def test_what_names_no_output_is_explained_at_its_place(written: str, message: str) -> None:
    expansion = expanded(still("one"), still("x", takes=3), move("c", written))
    (problem,) = expansion.problems
    assert problem.message.startswith(message)
    assert problem.path == "jobs[2].image_to_video.promptImage"


def test_outputs_of_all_takes_fill_a_list_in_their_order() -> None:
    body = {
        "model": "gen4_image", "promptText": "x", "ratio": "1920:1080",
        "referenceImages": [
            {"uri": "${{ jobs.s.outputs[2] }}"}, {"uri": "${{ jobs.s.outputs[0] }}"},
        ],
    }  # fmt: skip
    jobs = jobs_of({"id": "mix", "text_to_image": body}, still("s", takes=3))
    assert parents(jobs["mix"]) == ["s-t3", "s"]
    assert jobs["mix"].needs == ("s-t3", "s")


def test_expression_may_make_a_whole_list_of_objects() -> None:
    listed = "${{ [{'uri': jobs.a.output, 'tag': 'one'}, {'uri': jobs.b.output, 'tag': 'two'}] }}"
    jobs = jobs_of(still("a"), still("b"), still("mix", {"referenceImages": listed}))
    assert parents(jobs["mix"]) == ["a", "b"]
    assert [image["tag"] for image in jobs["mix"].body["referenceImages"]] == ["one", "two"]


def test_reference_in_a_default_makes_every_user_a_child() -> None:
    bodies = {"model": "gen4_turbo", "ratio": "1280:720", "duration": 5}
    jobs = jobs_of(
        still("p"),
        {"id": "a", "image_to_video": {}},
        {"id": "b", "image_to_video": {"promptImage": "https://example.com/b.png"}},
        defaults={"image_to_video": {**bodies, "promptImage": "${{ jobs.p.output }}"}},
    )
    assert (jobs["a"].needs, jobs["b"].needs) == (("p",), ())


def test_needs_by_template_mean_all_takes_and_by_id_one() -> None:
    jobs = jobs_of(still("s", takes=3), sound("all", needs=["s"]), sound("one", needs=["s-t2"]))
    assert jobs["all"].needs == ("s", "s-t2", "s-t3")
    assert jobs["one"].needs == ("s-t2",)


def test_first_take_alone_cannot_be_needed_by_its_id_because_that_is_the_template() -> None:
    assert jobs_of(still("s", takes=2), sound("c", needs=["s"]))["c"].needs == ("s", "s-t2")


def test_needs_said_twice_or_implied_count_once() -> None:
    child = move("c", "${{ jobs.s.output }}", needs=["s", "s"])
    assert jobs_of(still("s"), child)["c"].needs == ("s",)


def test_needs_alone_do_not_enter_the_key() -> None:
    """What a job waits for does not change what it asks for."""
    with_needs = jobs_of(still("s"), sound("c", needs=["s"]))["c"]
    assert with_needs.key == jobs_of(sound("c"))["c"].key


def test_needs_may_come_from_a_variable() -> None:
    job = sound("c", needs=["${{ vars.p }}"])
    assert jobs_of(still("s"), job, vars={"p": "s"})["c"].needs == ("s",)
    (problem,) = expanded(still("shot"), job, vars={"p": "shto"}).problems
    assert (problem.message, problem.hint) == ("there is no job `shto`", "did you mean `shot`?")


MEDIA = [
    # parent, child's endpoint and field -> what fits
    ("image", "image", True), ("image", "video", False), ("image", "audio", False),
    ("video", "image", False), ("video", "video", True), ("video", "audio", False),
    ("audio", "image", False), ("audio", "video", False), ("audio", "audio", True),
]  # fmt: skip


@pytest.mark.parametrize(("made", "taken", "fits"), MEDIA)
def test_only_media_that_fit_can_be_chained(made: str, taken: str, fits: bool) -> None:
    parent = {
        "image": still("p"),
        "video": move("p", "https://example.com/a.png"),
        "audio": sound("p"),
    }[made]
    isolation = {"model": "eleven_voice_isolation", "audioUri": "${{ jobs.p.output }}"}
    child = {
        "image": move("c", "${{ jobs.p.output }}"),
        "video": upscale("c", "${{ jobs.p.output }}"),
        "audio": {"id": "c", "voice_isolation": isolation},
    }[taken]
    problems = expanded(parent, child).problems
    assert (problems == ()) == fits
    if not fits:
        assert "the output of `p` is" in problems[0].message
        assert problems[0].path.startswith("jobs[1].")


def test_output_of_a_workflow_may_be_of_any_media() -> None:
    flow = {"id": "w", "max_credits": 50, "workflows/0f1a": {"nodeOutputs": {}}}
    assert problems_of(flow, move("c", "${{ jobs.w.output }}")) == []
    assert problems_of(flow, upscale("c", "${{ jobs.w.output }}")) == []


# Keys of chains


def chain(*prompts: str, names: tuple[str, ...] = ("p", "q", "r", "s")) -> dict[str, JobSpec]:
    """A still, a clip of it, and a still with the first one as reference; four generations."""
    p, q, r, s = names
    mixed = {"referenceImages": [{"uri": f"${{{{ jobs.{p}.output }}}}", "tag": "first"}]}
    return jobs_of(
        still(p, {"promptText": prompts[0]}),
        still(q, {**mixed, "promptText": prompts[1]}),
        move(r, f"${{{{ jobs.{q}.output }}}}"),
        upscale(s, f"${{{{ jobs.{r}.output }}}}"),
    )


def keys(jobs: dict[str, JobSpec]) -> list[str]:
    return [spec.key for spec in jobs.values()]


def test_renaming_any_job_of_a_chain_changes_no_key() -> None:
    assert keys(chain("a", "b", names=("w", "x", "y", "z"))) == keys(chain("a", "b"))


def test_editing_a_job_changes_all_its_descendants_and_nothing_above() -> None:
    usual = keys(chain("a", "b"))
    root, middle = keys(chain("A", "b")), keys(chain("a", "B"))
    assert [one == other for one, other in zip(usual, root, strict=True)] == [False] * 4
    assert [one == other for one, other in zip(usual, middle, strict=True)] == [True] + [False] * 3


def test_another_take_of_the_parent_is_another_key() -> None:
    def child(reference: str) -> str:
        return jobs_of(still("s", takes=3), move("c", reference))["c"].key

    found = [child(f"${{{{ jobs.s.outputs[{n}] }}}}") for n in range(3)]
    assert len(set(found)) == 3
    assert found[1] == child("${{ jobs['s-t2'].output }}")


def test_growing_the_takes_of_the_parent_keeps_the_child() -> None:
    written = "${{ jobs.s.outputs[0] }}"
    few, many = (jobs_of(still("s", takes=n), move("c", written))["c"] for n in (1, 4))
    assert few.key == many.key


def test_two_parents_of_equal_content_make_equal_children() -> None:
    jobs = jobs_of(
        still("a"), still("b"), move("c", "${{ jobs.a.output }}"), move("d", "${{ jobs.b.output }}")
    )
    assert jobs["a"].key == jobs["b"].key
    assert jobs["c"].key == jobs["d"].key
    assert (jobs["c"].needs, jobs["d"].needs) == (("a",), ("b",))


def test_no_link_file_or_name_of_a_parent_is_in_the_hashed_content() -> None:
    spec = chain("a", "b")["r"]
    ref = next(iter(refs_in(spec.body)))
    assert isinstance(ref, OutputRef)
    assert ref.key == chain("a", "b")["q"].key
    assert (ref.index, ref.media) == (0, "image")
    assert json.dumps(dict(spec.body))


# Cycles


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_cycle_is_named_once_with_all_its_jobs(size: int) -> None:
    jobs = [sound(f"j{n}", needs=[f"j{(n + 1) % size}"]) for n in range(size)]
    (problem,) = problems_of(*jobs)
    assert problem.startswith("jobs wait for each other: ")
    assert {f"`j{n}`" for n in range(size)} == set(problem.partition(": ")[2].split(" → "))


def test_cycle_through_outputs_is_found_like_one_through_needs() -> None:
    (problem,) = problems_of(
        still("a", {"referenceImages": [{"uri": "${{ jobs.b.output }}"}]}),
        still("b", {"referenceImages": [{"uri": "${{ jobs.a.output }}"}]}),
    )
    assert problem.startswith("jobs wait for each other: ")


def test_job_that_uses_its_own_output_waits_for_itself() -> None:
    (problem,) = problems_of(still("a", {"referenceImages": [{"uri": "${{ jobs.a.output }}"}]}))
    assert problem == "jobs wait for each other: `a` → `a`"


def test_take_that_uses_a_sister_is_a_cycle_of_the_sister_with_itself() -> None:
    images = [{"uri": "${{ jobs.a.outputs[1] }}"}]
    (problem,) = problems_of(still("a", {"referenceImages": images}, takes=2))
    assert problem == "jobs wait for each other: `a-t2` → `a-t2`"


@settings(deadline=None, max_examples=50)
@given(
    st.integers(1, 7).flatmap(
        lambda size: st.tuples(
            st.just(size),
            st.lists(
                st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=2 * size
            ),
            st.permutations(range(size)),
        )
    )
)
def test_any_order_of_any_graph_without_cycles_gives_the_same_jobs(
    graph: tuple[int, list[tuple[int, int]], list[int]],
) -> None:
    size, edges, order = graph
    images: dict[int, list[Raw]] = {n: [] for n in range(size)}
    for one, other in edges:
        if one != other and len(images[max(one, other)]) < 3:
            images[max(one, other)].append({"uri": f"${{{{ jobs.j{min(one, other)}.output }}}}"})
    jobs = [
        still(f"j{n}", {"promptText": str(n), "referenceImages": images[n]}) for n in range(size)
    ]
    found = jobs_of(*(jobs[n] for n in order))
    usual = jobs_of(*jobs)
    places = {name: place for place, name in enumerate(found)}
    assert all(places[need] < places[job] for job, spec in found.items() for need in spec.needs)
    assert {name: spec.key for name, spec in found.items()} == {
        name: spec.key for name, spec in usual.items()
    }
    assert {name: set(spec.needs) for name, spec in found.items()} == {
        name: set(spec.needs) for name, spec in usual.items()
    }
