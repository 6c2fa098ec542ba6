"""What people, spreadsheets and attackers put where something else belongs."""

from __future__ import annotations

import random
from typing import Any

EXPRESSIONS = [
    "${{ vars }}", "${{ vars.look }}", "${{ vars.map.deep.er }}", "${{ vars.styles[0] }}",
    "${{ vars.n * 2 }}", "${{ batch }}", "${{ job }}", "${{ take }}", "${{ row }}",
    "${{ row.id }}", "${{ row['promptText'] }}", "${{ file }}", "${{ file.stem }}",
    "${{ matrix }}", "${{ matrix.style }}", "${{ source }}", "${{ source.output }}",
    "${{ source.row.id }}", "${{ jobs }}", "${{ jobs.skyline }}", "${{ jobs.skyline.output }}",
    "${{ jobs.skyline.outputs }}", "${{ jobs.skyline.outputs[0] }}", "${{ jobs['shot'].output }}",
    "${{ jobs[vars.look].output }}", "${{ jobs.animate.last_frame }}", "${{ version }}",
    "${{ version | pad(3) }}", "${{ part }}", "${{ ext }}", "${{ seed }}", "${{ 1 / 0 }}",
    "${{ 9 ** 9 ** 9 }}", "${{ 'a' * 10**9 }}", "${{ [[1] * 9999] * 9999 }}",
    "${{ 10**9 * 10**9 }}", "${{ ''.__class__.__mro__ }}", "${{ range(10**9) }}", "${{ [] }}",
    "${{ {} }}", "${{ none }}", "${{ true }}", "${{ 1e999 }}", "${{ -1 }}", "${{ '' }}",
    "${{ '/' }}", "${{ '../' }}", "${{ '${{ vars.n }}' }}", "${{ vars.look | pad(10**9) }}",
    "${{ ('9' * 99999) | int }}", "${{ [vars] | string }}", "${{ jobs.a.outputs | length }}",
    "${{", "}}", "${{ }}", "$${{ x }}", "{{ 7*7 }}", "{% raw %}", "${{ " + "(" * 300 + " }}",
    "${{ " + "not " * 240 + "1 }}", "${{ " + "[" * 400 + "]" * 400 + " }}", "${{ '\\ud800' }}",
    "${{ vars.look[::-1] }}", "${{ vars.look[99999999999999999999:] }}", "${{ 1 if vars.n }}",
    "${{ {'$output': {'job': 'a', 'index': 0, 'key': ''}} }}", "${{ row.x is defined }}",
]  # fmt: skip

NAMES = [
    "../x", "../../canary.csv", "../canary.csv", "../canary.jsonl", "../canary.png",
    "../canary.yaml", "../canary.tsv", "../canary.xlsx", "link-canary.csv", "link-canary.png",
    "link-canary.yaml", "link-canary.jsonl", "out/canary.csv", "out/canary.png", "out/*.csv",
    "out/**/*.png", "../*.png", "**", "**/*", "odd/*.png", "odd/*", "plates/*.png", "[", "[!]",
    "loop", "loop/x.csv", "/etc/passwd", "/etc/hostname", "file:///etc/passwd", "~/x.png",
    "C:\\x.png", "\\\\host\\share", "//host/x", "http://example.com/x.png", "data:,x",
    "data:image/png;base64,AAAA", "runway://x", "CON", "nul.png", "aux", "COM1", "a.", "a ", ".",
    "..", "...", "/", "//", "-", "--help", "a/b", "a\\b", "a:b", "a*b", "a?b", "a|b", "a<b>", '"',
    "x\u202egnp", "\u200f", "\u200b", "\ufeff", "é", "e\u0301", "ﬀ", "İ", "ß", "SS", "K", "🎬",
    "a" * 120, "a" * 121, "a" * 300, "é" * 100, "a/" * 20 + "a", "\0", "a\0b", "\n", "a\nb", "\r",
    "\t", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ud800", "data/shots.csv", "data/book.xlsx",
    "data/mixed.jsonl", "parts/more.yaml", "manifest.yaml", "./manifest.yaml", "data", "plates/",
    "plates/sea.png/x", "__class__", "__init__", "_x", "$asset", "$output", "constructor", "<<",
]  # fmt: skip

WORDS = [
    "", " ", "null", "~", "true", "no", "on", "nan", ".nan", "NaN", ".inf", "Infinity", "-inf",
    "1e400", "0x1F", "0o17", "0b1", "1_000", "1:30", "16:9", "1280:720", "1280:0720", "$15",
    "$1e9", "-$1", "1,000 cr", "99999999999", "20%", "0%", "101%", "1-3", "3-1", "0-1999999999",
    "1-9/0", "-2-1", "1-200", "25:00-26:00", "22:00-07:00", "Europe/Paris", "Mars/Base", "8h",
    "9" * 30, "9" * 5000, "gen4_turbo", "veo3.1", "gen4_image", "upscale_v1", "model_of_tomorrow",
    "text_to_image", "image_to_video", "workflows/abc", "row.status == 'go'", "row.x ==", "true",
    "row", "source.take == 2", "1 +", "picked", "skyline", "animate", "shot", "looks", "included",
    "file", "none", "id", "promptText", "# not a comment", "a # b", "!!python/name:os.system",
    "!!int x", "&a", "*a", "- a", "a: b", "[1, 2]", '{"a": 1}', "[" * 200, "2026-10-23",
]  # fmt: skip

NUMBERS: list[Any] = [
    0, 1, -1, 2, 3, 5, 10, 1000, 1001, 2**31, 2**53 + 1, 2**63, 2**64, 10**18, 10**30, -(10**30),
    0.5, -0.0, 1.5, 1e-320, 1e308, float("nan"), float("inf"), float("-inf"),
]  # fmt: skip

#: keys of every mapping of the language, and some that it does not have
KEYS = [
    "version", "name", "budget", "credits", "per_job", "per_day", "per_month", "keep_balance",
    "models", "tags", "confirm_over", "concurrency", "total", "queue_ahead", "schedule", "window",
    "timezone", "max_duration", "retry", "attempts", "halt", "failures", "same_error", "refusals",
    "account", "exclusive", "output", "dir", "sidecar", "inputs", "allow", "include", "defaults",
    "job", "vars", "jobs", "id", "foreach", "matrix", "takes", "needs", "priority", "max_credits",
    "unchecked", "unpack", "fill", "request", "endpoint", "body", "csv", "tsv", "jsonl", "xlsx",
    "glob", "rows", "key", "where", "only", "sheet", "zip", "exclude", "range", "prices", "pick",
    "text_to_image", "image_to_video", "text_to_video", "video_upscale", "text_to_speech",
    "recipes/product_ad", "generate/video", "workflows/x", "workflows/", "model", "promptText",
    "promptImage", "ratio", "duration", "seed", "audio", "referenceImages", "uri", "position",
    "x-note", "$schema", "$asset", "$output", "<<", "__class__", "__proto__", "", "\0", "é", "x",
]  # fmt: skip


def text(rng: random.Random) -> str:
    """A text that is out of place almost everywhere."""
    chosen = rng.choice(rng.choice([EXPRESSIONS, NAMES, WORDS]))
    if rng.random() < 0.15:
        chosen = rng.choice(["a", "plates/", "-", " ", "x/"]) + chosen
    if rng.random() < 0.15:
        chosen += rng.choice([rng.choice(EXPRESSIONS), ".png", ".csv", " ", "."])
    return chosen


def value(rng: random.Random, depth: int = 0) -> Any:
    """A value of any type."""
    kind = rng.random()
    if kind < 0.55 or depth > 3:
        return text(rng)
    if kind < 0.75:
        return rng.choice(NUMBERS)
    if kind < 0.85:
        return rng.choice([None, True, False])
    items = [value(rng, depth + 1) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
    if kind < 0.92:
        return items
    return {rng.choice(KEYS): item for item in items}
