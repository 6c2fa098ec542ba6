"""Damage to the bytes of a file: bits, encodings, line ends, pieces of other files, bombs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.fuzz import hostile
from tests.fuzz.seeds import bundles

Damage = Callable[[bytes, random.Random], bytes]

#: what means something to a YAML parser, and what no text may hold
PIECES = [
    b":", b"-", b" ", b"  ", b"\t", b"\n", b"\r\n", b"\r", b"#", b"'", b'"', b"{", b"}", b"[", b"]",
    b",", b"|", b">", b"&", b"*", b"!", b"%", b"@", b"`", b"~", b"$", b"?", b"\\", b"/", b"..",
    b"<<:", b"---", b"\n---\n", b"\n...\n", b"? ", b"- ", b": ", b"- - - ", b"&a ", b"*a",
    b"!!str ", b"!!python/object/apply:os.system ", b"!<x> ", b"%YAML 1.1\n---\n", b"%TAG ! x\n",
    b"\0", b"\x1b[2J", b"\xff", b"\xfe\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\x85", b"\xc2\xa0", b"\xe2\x80\xae",
    b"\xf0\x9f\x8e\xac", b"${{", b"}}", b"$${{", b"${{ vars }}", b"\\x", b"\\u12", b"\\ud800",
    b"\\0", b"|+9\n", b">-\n", b"0o7", b"1:2:3",
]  # fmt: skip


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The same bytes, not quite."""
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        damage = rng.choices(_ALL, weights=_WEIGHTS)[0]
        data = damage(data, rng)
    return data


def _span(data: bytes, rng: random.Random, most: int = 40) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.randint(1, most))


def _flip(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at, _ = _span(data, rng)
    return data[:at] + rng.choice(PIECES) + data[at:]


def _hostile(data: bytes, rng: random.Random) -> bytes:
    at, end = _span(data, rng, 12)
    piece = hostile.text(rng).encode("utf-8", "surrogatepass")
    return data[:at] + piece + data[rng.choice([at, end]) :]


def _delete(data: bytes, rng: random.Random) -> bytes:
    at, end = _span(data, rng)
    return data[:at] + data[end:]


def _double(data: bytes, rng: random.Random) -> bytes:
    at, end = _span(data, rng, 400)
    return data[:end] + data[at:]


def _splice(data: bytes, rng: random.Random) -> bytes:
    """A piece of some other file of any seed."""
    other = rng.choice(list(rng.choice(bundles()).files.values()))
    start, end = _span(other, rng, 400)
    at, _ = _span(data, rng)
    return data[:at] + other[start:end] + data[at:]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def _lines(data: bytes, rng: random.Random) -> bytes:
    """A line taken away, doubled, moved, or indented."""
    lines = data.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randint(0, 3):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines.insert(other, lines.pop(at))
        case _:
            lines[at] = lines[at][1:] if rng.random() < 0.5 else b" " + lines[at]
    return b"\n".join(lines)


def _recode(data: bytes, rng: random.Random) -> bytes:
    """In another encoding, with its mark or without."""
    code = rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp1252"])
    return data.decode("utf-8", "replace").encode(code, "replace")


def _line_ends(data: bytes, rng: random.Random) -> bytes:
    return data.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\r", b"\xc2\x85", b"\n\n", b"\0\n"]))


def _separators(data: bytes, rng: random.Random) -> bytes:
    """Of a table."""
    return data.replace(rng.choice([b",", b";", b"\t"]), rng.choice([b",", b";", b"\t", b"|", b""]))


def _large(data: bytes, rng: random.Random) -> bytes:
    """One scalar, comment or line of many characters."""
    size = rng.choice([10**4, 10**5, 10**6])
    size = 10**7 if rng.random() < 0.1 else size
    at = data.find(b"\n", rng.randint(0, len(data))) + 1
    shape = rng.choice([b"x: %s\n", b"# %s\n", b"'%s'", b"%s", b"x: |\n  %s\n", b'"%s'])
    return (
        data[:at]
        + shape % (rng.choice([b"a", b"9", b" ", b"\n", b"\xf0\x9f\x8e\xac"]) * size)
        + data[at:]
    )


def _deep(data: bytes, rng: random.Random) -> bytes:
    depth = rng.choice([50, 70, 1000, 100_000])
    opening = rng.choice([b"[", b"{a: ", b'{"a":', b"- ", b"? ", b"!a [", b"&a [", b"{? "])
    at, _ = _span(data, rng)
    return data[:at] + opening * depth + rng.choice([b"", b"]" * depth, b"1"]) + data[at:]


def _bomb(data: bytes, rng: random.Random) -> bytes:
    """Aliases of aliases of aliases."""
    shape = rng.choice(["[{}]", "{{{}}}"])
    lines = ["x-0: &x0 [a, a, a, a, a, a, a, a, a, a]"]
    for level in range(1, rng.choice([3, 9, 40])):
        parts = [f"*x{level - 1}" if shape == "[{}]" else f"k{n}: *x{level - 1}" for n in range(9)]
        lines.append(f"x-{level}: &x{level} {shape.format(', '.join(parts))}")
    lines.append(rng.choice(["vars: {a: *x2}", "x-merge: {<<: [*x1, *x1]}", "x-last: *x2"]))
    return data + b"\n" + "\n".join(lines).encode() + b"\n"


def _many(data: bytes, rng: random.Random) -> bytes:
    """A great many small things."""
    count = rng.choice([100, 1000, 20_000])
    line = rng.choice(["- {n}", "k{n}: {n}", "# {n}", "- &a{n} x", "- *a", "x-{n}: {n}", ",{n}"])
    return data + b"\n" + "\n".join(line.format(n=n) for n in range(count)).encode() + b"\n"


_DAMAGES: Sequence[tuple[Damage, int]] = (
    (_flip, 20), (_insert, 30), (_hostile, 30), (_delete, 12), (_double, 8), (_splice, 12),
    (_cut, 4), (_lines, 25), (_recode, 3), (_line_ends, 4), (_separators, 4), (_large, 2),
    (_deep, 3), (_bomb, 2), (_many, 2),
)  # fmt: skip
_ALL = [damage for damage, _ in _DAMAGES]
_WEIGHTS = [weight for _, weight in _DAMAGES]
