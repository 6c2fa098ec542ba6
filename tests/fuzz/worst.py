"""Manifests that make a careless reader work with the square of their size.

    python -m tests.fuzz.worst FOLDER

Judges them one after the other, in a process that ends when one takes long, and writes a line of
JSON for each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from runner.errors import ManifestError
from tests.fuzz.bounds import bound_memory, end_when_late, limited
from tests.language_rig import STILL, Folder

LIMIT_S = 2.0
LIMIT_BYTES = 300 * 1024**2
ROWS, MANY = 3000, 1500

Maker = Callable[[Folder], str]
X = STILL % "x"
HEAD = "jobs:\n"
OVER_ROWS = "- id: a\n  foreach: rows.csv\n  "
REFERENCE = "text_to_image: {model: gen4_image, ratio: '1920:1080', promptText: x, %s}\n"
PLATE = "image_to_video: {model: gen4_turbo, ratio: '1280:720', duration: 5, promptImage: '%s'}\n"


def rows(folder: Folder, columns: str, row: Callable[[int], str]) -> None:
    folder.write("rows.csv", f"{columns}\n" + "".join(f"{row(n)}\n" for n in range(ROWS)))


def one_typo(folder: Folder) -> str:
    """A column that does not exist, in every row."""
    rows(
        folder, ",".join(["id", *(f"column{n}" for n in range(60))]), lambda n: f"s{n}" + ",x" * 60
    )
    return HEAD + OVER_ROWS + STILL % "'${{ row.colunm7 }}'" + "\n"


def absent_with_default(folder: Folder) -> str:
    """Nothing is wrong, and nobody asks what was meant."""
    rows(folder, "id,x", lambda n: f"s{n},v{n}")
    names = ",".join(f"name_{n}: 1" for n in range(200))
    prompt = "'${{ vars[row.x] | default(1) }}${{ vars.gone | default(2) }}'"
    return f"vars: {{{names}}}\n{HEAD}{OVER_ROWS}{STILL % prompt}\n"


def names_nobody_has(folder: Folder) -> str:
    rows(folder, "id,x", lambda n: f"s{n},name{n}")
    names = ",".join(f"name_{n}: 1" for n in range(2000))
    prompt = "'${{ vars[row.x] }}'"
    return f"vars: {{{names}}}\n{HEAD}{OVER_ROWS}{STILL % prompt}\n"


def missing_files(folder: Folder) -> str:
    rows(folder, "id,plate", lambda n: f"s{n},plates/{n}.png")
    for n in range(1000):
        folder.write(f"plates/plate_{n}.png", b"")
    return HEAD + OVER_ROWS + PLATE % "${{ row.plate }}"


def the_same_missing_file(folder: Folder) -> str:
    rows(folder, "id,x", lambda n: f"s{n},1")
    return HEAD + OVER_ROWS + PLATE % "plates/gone.png"


def needs_nobody_has(folder: Folder) -> str:
    return HEAD + "".join(f"- id: job{n}\n  needs: [jo{n}]\n  {X}\n" for n in range(MANY))


def first_of_many_outputs(folder: Folder) -> str:
    """For each of many jobs."""
    rows(folder, "id,x", lambda n: f"s{n},1")
    reference = REFERENCE % "referenceImages: [{uri: '${{ jobs.c.outputs[0] }}'}]"
    many = f"- id: c\n  matrix: {{n: {{range: 1-{MANY}}}}}\n  {X}\n"
    return HEAD + OVER_ROWS + reference + many


def all_of_many_outputs(folder: Folder) -> str:
    rows(folder, "id,x", lambda n: f"s{n},1")
    reference = REFERENCE % "referenceImages: '${{ jobs.c.outputs }}'"
    many = f"- id: c\n  matrix: {{n: {{range: 1-{MANY}}}}}\n  {X}\n"
    return HEAD + OVER_ROWS + reference + many


def many_cells_left_out(folder: Folder) -> str:
    out = ",".join(f"{{n: {n % 200 + 1}, m: {n // 200 + 1}}}" for n in range(3000))  # of 3200
    matrix = f"{{n: {{range: 1-200}}, m: {{range: 1-16}}, exclude: [{out}]}}"
    return f"{HEAD}- id: a\n  matrix: {matrix}\n  {X}\n"


def pairs_that_wait_for_each_other(folder: Folder) -> str:
    rows(folder, "id,after", lambda n: f"s{n},s{n ^ 1}")
    return f"{HEAD}{OVER_ROWS}needs: ['a-${{{{ row.after }}}}']\n  {X}\n"


def a_ring(folder: Folder) -> str:
    return HEAD + "".join(f"- id: j{n}\n  needs: [j{(n + 1) % MANY}]\n  {X}\n" for n in range(MANY))


def a_chain(folder: Folder) -> str:
    return HEAD + "".join(
        f"- id: j{n}\n  needs: [j{min(n + 1, MANY - 1)}]\n  {X}\n" for n in range(MANY - 1)
    ) + f"- id: j{MANY - 1}\n  {X}\n"  # fmt: skip


def needs_worked_out(folder: Folder) -> str:
    jobs = f"- id: a%d\n  needs: ['${{{{ vars.x }}}}']\n  {X}\n"
    return (
        "vars: {x: root}\n" + HEAD + "".join(jobs % n for n in range(MANY)) + f"- id: root\n  {X}\n"
    )


def one_id_for_all(folder: Folder) -> str:
    rows(folder, "id", lambda n: "same")
    return HEAD + OVER_ROWS + X + "\n"


def every_cell_wrong(folder: Folder) -> str:
    rows(folder, "id,ratio,seed", lambda n: f"s{n},1:{n},x{n}")
    return HEAD + OVER_ROWS + "text_to_image: {model: gen4_image, promptText: x}\n"


def one_list_of_many_wrong_items(folder: Folder) -> str:
    items = ", ".join(["{uri: 'https://example.com/a.png', tog: x}"] * MANY)
    return f"{HEAD}- id: a\n  " + REFERENCE % f"referenceImages: [{items}]"


def a_body_of_unknown_fields(folder: Folder) -> str:
    return f"{HEAD}- id: a\n  " + REFERENCE % ", ".join(f"k{n}: 1" for n in range(MANY))


def many_unknown_keys(folder: Folder) -> str:
    return HEAD + f"- id: a\n  {X}\n" + "".join(f"k{n}: 1\n" for n in range(10 * MANY))


def many_columns(folder: Folder) -> str:
    count = 10 * MANY
    names, cells = ",".join(f"c{n}" for n in range(count)), ",".join(["1"] * count)
    folder.write("rows.csv", f"id,{names}\na,{cells}\nb,{cells}\n")
    return HEAD + OVER_ROWS + X + "\n"


def a_wide_variable_in_every_row(folder: Folder) -> str:
    rows(folder, "id", lambda n: f"s{n}")
    wide = ",".join(f"k{n}: x" for n in range(20 * MANY))
    prompt = "'${{ vars.wide.k7 }}'"
    return f"vars: {{wide: {{{wide}}}}}\n{HEAD}{OVER_ROWS}{STILL % prompt}\n"


WORST: Mapping[str, Maker] = {
    maker.__name__: maker
    for maker in (
        one_typo, absent_with_default, names_nobody_has, missing_files, the_same_missing_file,
        needs_nobody_has, first_of_many_outputs, all_of_many_outputs, many_cells_left_out,
        pairs_that_wait_for_each_other, a_ring, a_chain, needs_worked_out, one_id_for_all,
        every_cell_wrong, one_list_of_many_wrong_items, a_body_of_unknown_fields,
        many_unknown_keys, many_columns, a_wide_variable_in_every_row,
    )
}  # fmt: skip


def main(folder: Path) -> None:
    bound_memory(LIMIT_BYTES)
    end_when_late()
    for name, maker in WORST.items():
        (folder / name).mkdir()
        inside = Folder(folder / name)
        text = maker(inside)
        with limited(LIMIT_S):
            jobs, problems = _outcome(inside, text)
        told = {"name": name, "jobs": jobs, "problems": problems}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _outcome(folder: Folder, text: str) -> tuple[int, int]:
    """How many jobs and problems it makes."""
    try:
        expander = folder.expander(text)
    except ManifestError as error:
        return 0, len(error.problems)
    jobs = sum(1 for _ in expander.specs())
    return jobs, sum(problem.count for problem in expander.problems)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
