"""A command line in the ledger says what was asked for, and no secret."""

from __future__ import annotations

import pytest

from runner.store.caller import MOST_CHARACTERS, spoken, this_caller


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], ""),
        (["/usr/bin/runway-batch", "run", "m.yaml"], "runway-batch run m.yaml"),
        (["x", "--base-url", "https://ada:pw@api.example:8/v1?key=1#a"], "x --base-url https://api.example:8"),
        (["x", "--set", "promptImage=https://cdn.example/a.png?_jwt=abc"], "x --set promptImage=https://cdn.example"),
        (["x", "--note", "key_0123abc"], "x --note key_***"),
        (["x", "a" * 2000], "x " + "a" * (MOST_CHARACTERS - 2)),
    ],
)  # fmt: skip
def test_links_are_cut_to_their_host_and_keys_masked(words: list[str], said: str) -> None:
    assert spoken(words) == said


def test_whoever_started_this_process_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.setattr("sys.argv", ["/bin/runway-batch", "run"])
    assert (this_caller().user, this_caller().command) == ("ada", "runway-batch run")
