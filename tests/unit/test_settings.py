"""Settings: who wins, what is refused, and that the key never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import AccountError, UsageError
from runner.settings import (
    DEFAULT_BASE_URL,
    VARIABLES,
    check_base_url,
    is_loopback,
    make_settings,
    read_key,
    state_path,
)

KEY = "key_" + "ab12" * 32


def test_nothing_said_means_the_real_service_and_a_polite_interval() -> None:
    settings = make_settings({})
    assert settings.base_url == settings.service == DEFAULT_BASE_URL
    assert settings.poll_interval_s == 5
    assert settings.key is None


def test_a_flag_wins_over_the_variable() -> None:
    environment = {"RUNWAY_BATCH_BASE_URL": "https://variable.example"}
    settings = make_settings(environment, base_url="https://flag.example/")
    assert settings.base_url == "https://flag.example"


def test_our_variable_wins_over_the_sdks() -> None:
    both = {
        "RUNWAYML_BASE_URL": "https://sdk.example",
        "RUNWAY_BATCH_BASE_URL": "https://ours.example",
    }
    assert make_settings(both).base_url == "https://ours.example"
    del both["RUNWAY_BATCH_BASE_URL"]
    assert make_settings(both).base_url == "https://sdk.example"


def test_a_misspelt_variable_is_refused_with_what_was_meant() -> None:
    with pytest.raises(UsageError) as caught:
        make_settings({"RUNWAY_BATCH_MAX_CREDIT": "5"})
    assert "RUNWAY_BATCH_MAX_CREDIT" in caught.value.message
    assert caught.value.hint == "did you mean RUNWAY_BATCH_MAX_CREDITS?"


def test_a_variable_nobody_could_have_meant_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        make_settings({"RUNWAY_BATCH_" + "Q" * 40: "5"})
    for name in VARIABLES:
        assert f"RUNWAY_BATCH_{name}" in caught.value.hint


def test_a_misspelt_policy_is_never_passed_over() -> None:
    with pytest.raises(UsageError) as caught:
        make_settings({"RUNWAY_BATCH_POLICI": "p.yaml"})
    assert caught.value.hint == "did you mean RUNWAY_BATCH_POLICY?"


def test_other_variables_are_nobodys_business() -> None:
    make_settings({"PATH": "/bin", "RUNWAY_SOMETHING": "1"})


@pytest.mark.parametrize(
    "url",
    [
        "https://api.dev.runwayml.com",
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "http://[::1]:9",
    ],
)
def test_base_urls_that_keep_the_key_safe(url: str) -> None:
    check_base_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.dev.runwayml.com",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "api.dev.runwayml.com",
        "https://",
        "https://user:secret@example.com",
        "https://example.com/?key=1",
        "",
    ],
)
def test_base_urls_that_do_not_are_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_base_url(url)
    assert "secret" not in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("seconds", [0, -1, 4.9, float("nan")])
def test_the_real_service_is_not_polled_too_often(seconds: float) -> None:
    with pytest.raises(UsageError):
        make_settings({}, poll_interval_s=seconds)


@pytest.mark.parametrize("seconds", [3601, 1e9, float("inf")])
def test_a_task_that_would_never_be_read_again_is_not_waited_for(seconds: float) -> None:
    for url in (None, "http://127.0.0.1:1"):
        with pytest.raises(UsageError, match="too long"):
            make_settings({}, base_url=url, poll_interval_s=seconds)


def test_a_loopback_host_may_be_polled_often() -> None:
    settings = make_settings({}, base_url="http://127.0.0.1:1", poll_interval_s=0.05)
    assert settings.poll_interval_s == 0.05


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1", True),
        ("http://127.8.8.8", True),
        ("http://localhost", True),
        ("https://localhost.example", False),
        ("https://128.0.0.1", False),
    ],
)
def test_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_the_sdks_name_of_the_key_comes_first() -> None:
    assert read_key({"RUNWAYML_API_SECRET": KEY, "RUNWAY_API_KEY": "old"}) == KEY
    assert read_key({"RUNWAYML_API_SECRET": "  ", "RUNWAY_API_KEY": " old\n"}) == "old"
    assert read_key({}) is None


def test_a_key_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    assert read_key({"RUNWAYML_API_SECRET_FILE": str(file)}) == KEY
    assert read_key({"RUNWAY_API_KEY_FILE": str(file)}) == KEY
    file.write_text("")
    assert read_key({"RUNWAYML_API_SECRET_FILE": str(file)}) is None


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="RUNWAYML_API_SECRET_FILE"):
        read_key({"RUNWAYML_API_SECRET_FILE": str(tmp_path / "none")})
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError):
        read_key({"RUNWAYML_API_SECRET_FILE": str(binary)})


@pytest.mark.parametrize("key", [f"{KEY}\nX-Other: 1", f"{KEY}\r\n{KEY}", f"{KEY}\x00", "a\x1bb"])
def test_a_key_of_two_lines_is_refused_and_never_shown(key: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(key)
    for environment in ({"RUNWAYML_API_SECRET": key}, {"RUNWAY_API_KEY_FILE": str(file)}):
        with pytest.raises(UsageError, match="RUNWAY") as caught:
            read_key(environment)
        assert KEY not in caught.value.message + caught.value.hint


def test_the_key_never_shows() -> None:
    settings = make_settings({"RUNWAYML_API_SECRET": KEY})
    assert settings.need_key() == KEY
    assert KEY not in repr(settings)
    assert KEY not in str(settings)


def test_without_a_key_the_account_is_refused() -> None:
    with pytest.raises(AccountError) as caught:
        make_settings({}).need_key()
    assert caught.value.exit_code == 4
    assert "RUNWAYML_API_SECRET" in caught.value.hint


def test_the_state_file_is_the_nearest_one_upward(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    settings = make_settings({})
    assert state_path(deep, settings) == deep.resolve() / ".runway-batch" / "state.db"
    shared = tmp_path / ".runway-batch"
    shared.mkdir()
    (shared / "state.db").touch()
    assert state_path(deep, settings) == shared.resolve() / "state.db"


def test_a_state_file_that_was_named_is_taken_as_it_is(tmp_path: Path) -> None:
    settings = make_settings({}, state=Path("elsewhere.db"))
    assert state_path(tmp_path, settings) == Path("elsewhere.db")
