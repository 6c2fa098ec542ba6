"""What goes over the wire and what comes back; the table of product.md, promise 1, walked."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.task import ModelLimits, TaskStatus
from runner.errors import (
    AccountError,
    PermanentApiError,
    SubmitUncertain,
    TransientApiError,
    UsageError,
)
from runner.runway.answers import (
    CREATE_REFUSALS,
    Answer,
    Lost,
    create_error,
    lost_create,
    lost_read,
    read_error,
    retry_after_s,
    task_error,
)
from runner.runway.redact import clean
from runner.runway.shapes import (
    DailyUse,
    created_from_json,
    organization_from_json,
    parse,
    task_from_json,
    upload_from_json,
    usage_from_json,
)
from runner.runway.wire import (
    BASE_URL,
    cancel_request,
    checked_base_url,
    create_request,
    headers,
    task_request,
    usage_request,
)

NOW = datetime(2026, 10, 23, 8, 0, tzinfo=UTC)
DATA = Path(__file__).parents[1] / "data" / "runway"
TASK = "0b5d1f9e-6f3c-4a53-9a0c-3a1f6f2c7d11"
API_ERROR = b'{"error": "Service is overloaded"}'
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def body_of(name: str) -> bytes:
    return (DATA / f"{name}.json").read_bytes()


def answer(status: int, body: bytes = b"", **fields: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return Answer(status=status, headers=named, body=body)


# ---- the table -------------------------------------------------------------------------------

CREATES = [
    (300, b"", AccountError),
    (301, b"", AccountError),
    (307, b"", AccountError),
    (308, b"", AccountError),
    (400, b"", PermanentApiError),
    (400, body_of("error_validation"), PermanentApiError),
    (400, body_of("error_no_credits"), AccountError),
    (401, b"", AccountError),
    (402, b"", AccountError),
    (403, b"", AccountError),
    (404, b"", PermanentApiError),
    (405, b"", PermanentApiError),
    (408, b"", SubmitUncertain),
    (408, API_ERROR, SubmitUncertain),
    (409, API_ERROR, SubmitUncertain),
    (413, b"", PermanentApiError),
    (415, b"", PermanentApiError),
    (418, b"", SubmitUncertain),
    (422, b"", PermanentApiError),
    (429, b"", TransientApiError),
    (500, API_ERROR, SubmitUncertain),
    (502, API_ERROR, SubmitUncertain),
    (503, API_ERROR, TransientApiError),
    (503, b"", SubmitUncertain),
    (503, b"<html>Service Unavailable</html>", SubmitUncertain),
    (503, b'{"message": "no healthy upstream"}', SubmitUncertain),
    (503, b'{"error": {"code": 503}}', SubmitUncertain),
    (503, b'["error"]', SubmitUncertain),
    (504, API_ERROR, SubmitUncertain),
    (520, b"", SubmitUncertain),
    (599, b"", SubmitUncertain),
]

READS = [
    (302, PermanentApiError),
    (400, PermanentApiError),
    (401, AccountError),
    (402, AccountError),
    (403, AccountError),
    (404, PermanentApiError),
    (405, PermanentApiError),
    (408, TransientApiError),
    (429, TransientApiError),
    (500, TransientApiError),
    (502, TransientApiError),
    (503, TransientApiError),
    (504, TransientApiError),
    (529, TransientApiError),
]


@pytest.mark.parametrize(("status", "body", "kind"), CREATES)
def test_create_answer_is_refusal_only_where_nothing_was_created(status, body, kind):
    error = create_error(answer(status, body), now=NOW)
    assert type(error) is kind
    assert error.status == status


def test_every_refusal_of_the_table_is_walked():
    walked = {status for status, _, kind in CREATES if kind is not SubmitUncertain}
    assert set(CREATE_REFUSALS) <= walked


@given(st.integers(min_value=100, max_value=999), st.binary(max_size=60))
def test_unlisted_create_answer_is_in_doubt(status, body):
    listed = set(CREATE_REFUSALS) | set(range(300, 400)) | {503}
    error = create_error(answer(status, body), now=NOW)
    assert isinstance(error, SubmitUncertain) == (status not in listed) or status == 503


@pytest.mark.parametrize(("status", "kind"), READS)
def test_read_answer_is_transient_where_another_try_may_help(status, kind):
    error = read_error(answer(status, API_ERROR), "the task", now=NOW)
    assert type(error) is kind
    assert error.status == status


@pytest.mark.parametrize(
    ("body", "exit_code"), [(body_of("error_no_credits"), 4), (body_of("error_validation"), 3)]
)
def test_only_the_text_tells_missing_credits_from_a_bad_body(body, exit_code):
    assert create_error(answer(400, body), now=NOW).exit_code == exit_code


def test_missing_credits_are_not_read_out_of_a_prompt():
    body = (
        b'{"error": "Validation failed", "issues": [{"message": "a man without enough credits"}]}'
    )
    assert type(create_error(answer(400, body), now=NOW)) is PermanentApiError


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error": "Could not find Task"}', PermanentApiError),
        (b"", TransientApiError),
        (b"<html>404 Not Found</html>", TransientApiError),
        (b"404: Not Found", TransientApiError),
        (b'{"message": "no route"}', TransientApiError),
        (b'{"error": {"code": 404}}', TransientApiError),
        (b'["error"]', TransientApiError),
    ],
)
def test_only_the_api_itself_can_say_that_a_task_is_gone(body, kind):
    error = task_error(answer(404, body), now=NOW)
    assert type(error) is kind
    assert error.status == 404


@pytest.mark.parametrize(("status", "kind"), READS)
def test_task_read_is_answered_as_any_other_read(status, kind):
    assert type(task_error(answer(status, API_ERROR), now=NOW)) is kind


def test_redirect_is_a_matter_of_the_address_and_leaves_with_5():
    error = create_error(answer(307), now=NOW)
    assert error.exit_code == 5
    assert "base URL" in error.hint
    assert PermanentApiError.exit_code == 3


def test_connection_never_made_is_transient_and_a_broken_one_in_doubt():
    assert type(lost_create(Lost(began=False, reason="refused"))) is TransientApiError
    assert type(lost_create(Lost(began=True, reason="reset"))) is SubmitUncertain
    assert type(lost_read(Lost(began=True, reason="reset"))) is TransientApiError


def test_refused_body_names_every_problem_with_its_path():
    error = create_error(answer(400, body_of("error_validation")), now=NOW)
    assert "ratio: expected one of 1280:720, 720:1280" in error.message
    assert "promptImage.0.uri: at most 2048 characters" in error.message


def test_wrong_host_gets_the_right_one_as_hint():
    body = b'{"error": "Incorrect hostname for API key."}'
    assert BASE_URL in create_error(answer(401, body), now=NOW).hint


def test_hints_name_commands_that_exist():
    assert "`runway-batch resolve`" in create_error(answer(500), now=NOW).hint


def test_key_never_shows_in_an_error():
    secret = "s3cret-of-an-odd-form"
    body = json.dumps({"error": f"no such key {secret}, key_{'a1' * 64}"}).encode()
    error = create_error(answer(401, body), now=NOW, secrets=(secret,))
    assert secret not in error.message
    assert "a1a1" not in error.message


# ---- Retry-After -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "99999999"}, 86_400.0),
        ({"retry-after": "Fri, 23 Oct 2026 08:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 23 Oct 2026 07:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 23 Oct 2026 10:00:10 +0200"}, 10.0),
        ({"retry-after": "Fri, 99 Oct 2026 08:00:30 GMT"}, None),
        ({"retry-after-ms": "2500"}, 2.5),
        ({"retry-after-ms": "2500", "retry-after": "60"}, 2.5),
        ({"retry-after-ms": "x", "retry-after": "60"}, 60.0),
    ],
)
def test_retry_after_is_read_in_all_its_forms(fields, seconds):
    assert retry_after_s(fields, NOW) == seconds


@given(st.text(max_size=60))
def test_retry_after_never_breaks_and_stays_within_a_day(text):
    seconds = retry_after_s({"retry-after": text}, NOW)
    assert seconds is None or 0 <= seconds <= 86_400


def test_refusal_carries_the_wish_of_the_server():
    assert create_error(answer(429, retry_after="12"), now=NOW).retry_after_s == 12


# ---- requests --------------------------------------------------------------------------------


def test_create_sends_the_fields_of_the_body_and_nothing_else():
    body = {"model": "gen4_turbo", "promptText": "Über 🌊", "duration": 5}
    request = create_request("image_to_video", body)
    assert (request.method, request.path) == ("POST", "/v1/image_to_video")
    assert json.loads(request.body) == body


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("recipes/product_ad", "/v1/recipes/product_ad"),
        ("generate/video", "/v1/generate/video"),
        ("workflows/9d2b8a44-0000-4000", "/v1/workflows/9d2b8a44-0000-4000"),
        ("workflows/a?b#c", "/v1/workflows/a%3Fb%23c"),
    ],
)
def test_endpoint_names_its_path(endpoint, path):
    assert create_request(endpoint, {}).path == path


def test_number_that_json_does_not_have_is_refused_before_it_is_sent():
    with pytest.raises(PermanentApiError, match="not JSON"):
        create_request("image_to_video", {"seed": float("nan")})


def test_task_id_cannot_leave_its_path():
    assert task_request("../organization").path == "/v1/tasks/..%2Forganization"
    assert cancel_request("a/b?c").path == "/v1/tasks/a%2Fb%3Fc"


def test_run_of_a_workflow_is_read_by_its_marked_id_and_cannot_be_cancelled():
    created = created_from_json({"id": TASK}, "workflows/abc")
    assert created is not None
    assert task_request(created.id).path == f"/v1/workflow_invocations/{TASK}"
    assert created.id.startswith(TASK)
    with pytest.raises(PermanentApiError, match="cannot cancel"):
        cancel_request(created.id)


def test_usage_sends_only_the_dates_it_was_given():
    assert json.loads(usage_request(None, None).body) == {}
    assert json.loads(usage_request(date(2026, 10, 1), None).body) == {"startDate": "2026-10-01"}


def test_every_call_carries_key_version_and_name():
    sent = headers("key_x", "runway-batch/1")
    assert sent["Authorization"] == "Bearer key_x"
    assert sent["X-Runway-Version"] == "2024-11-06"
    assert sent["User-Agent"] == "runway-batch/1"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.dev.runwayml.com",
        "http://127.0.0.1:8080/",
        "http://[::1]:1",
        "http://localhost",
    ],
)
def test_base_url_may_be_https_or_this_machine(url):
    assert checked_base_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.dev.runwayml.com",
        "http://api.dev.runwayml.com",
        "http://127.0.0.1.evil.example",
        "ftp://127.0.0.1",
        "https://user:pass@api.example",
        "https://api.example?key=1",
        "https://api.example:99999",
        "https://",
    ],
)
def test_other_base_urls_are_usage_errors(url):
    with pytest.raises(UsageError) as caught:
        checked_base_url(url)
    assert caught.value.exit_code == 2
    assert "pass@" not in caught.value.message


# ---- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "credits"),
    [("created", 25), ("created_before_august_2026", None), ("created_by_router", 61)],
)
def test_created_task_carries_the_estimate_where_there_is_one(name, credits):
    created = created_from_json(parse(body_of(name)), "image_to_video")
    assert created is not None
    assert created.estimated_credits == credits


@pytest.mark.parametrize(
    "data",
    [
        None, [], "id", {}, {"id": None}, {"id": 5}, {"id": ""}, {"id": "../x"}, {"id": "a b"},
        {"id": "ab\ud800c"}, {"id": "a\x1b[2Jc"}, {"id": "a\u202ec"}, {"id": "aüc"}, {"id": "a\n"},
        {"id": "a\\b"}, {"id": "a\x7f"}, {"id": "a" * 101},
    ],
)  # fmt: skip
def test_create_answer_without_a_usable_id_is_unreadable(data):
    assert created_from_json(data, "image_to_video") is None


@given(st.from_regex(r"[!-.0-\[\]-~]{1,100}", fullmatch=True))
def test_printable_ascii_is_an_id(text):
    created = created_from_json({"id": text}, "image_to_video")
    assert created is not None
    assert created.id == text


@pytest.mark.parametrize("status", list(TaskStatus))
def test_task_is_read_in_every_documented_state(status):
    task = task_from_json(parse(body_of(f"task_{status.value.lower()}")), TASK)
    assert task is not None
    assert (task.id, task.status) == (TASK, status)
    assert task.created_at == datetime(2026, 10, 23, 8, 15, 30, 123_000, tzinfo=UTC)


def test_finished_task_carries_all_outputs_and_its_cost():
    task = task_from_json(parse(body_of("task_succeeded")), TASK)
    assert task is not None
    assert task.cost_credits == 25
    assert [link.partition("?")[0] for link in task.output] == [
        "https://outputs.example/a.mp4",
        "https://outputs.example/b.wav",
    ]
    assert "_jwt" not in repr(task)


def test_failed_task_carries_text_and_code_and_neither_is_needed():
    task = task_from_json(parse(body_of("task_failed")), TASK)
    assert task is not None
    assert (task.failure_code, task.cost_credits) == ("SAFETY.INPUT.IMAGE", 25)
    bare = task_from_json({"status": "FAILED"}, TASK)
    assert bare is not None
    assert (bare.failure, bare.failure_code, bare.cost_credits) == ("", "", None)


def test_failure_that_is_an_object_is_tolerated():
    task = task_from_json({"status": "FAILED", "failure": {"reason": "x"}, "failureCode": 7}, TASK)
    assert task is not None
    assert (task.failure, task.failure_code) == ("", "")


def test_workflow_gives_the_links_of_all_nodes_and_their_errors():
    task = task_from_json(parse(body_of("workflow_invocation")), TASK)
    assert task is not None
    assert len(task.output) == 2
    assert task.failure == "the voice node made nothing"


LINK = "https://outputs.example/1.png"


@pytest.mark.parametrize(
    "output",
    [
        [LINK, None], [None], [{"url": LINK}], [LINK, 5], [[LINK]], 5, True,
        {"n1": [LINK], "n2": [None]}, {"n1": 5}, {"n1": {"url": LINK}},
    ],
)  # fmt: skip
def test_finished_task_with_an_output_that_is_no_link_is_unreadable(output):
    assert task_from_json({"status": "SUCCEEDED", "output": output}, TASK) is None
    running = task_from_json({"status": "RUNNING", "output": output}, TASK)
    assert running is not None


@pytest.mark.parametrize(
    ("output", "links"),
    [
        (None, ()), ([], ()), (LINK, (LINK,)), ([LINK], (LINK,)), ({"n1": None}, ()),
        ({"n1": LINK, "n2": [LINK]}, (LINK, LINK)),
    ],
)  # fmt: skip
def test_links_are_read_in_every_form(output, links):
    task = task_from_json({"status": "SUCCEEDED", "output": output}, TASK)
    assert task is not None
    assert task.output == links


def test_unknown_status_is_named_and_never_taken_for_waiting():
    with pytest.raises(PermanentApiError, match="`PAUSED`"):
        task_from_json({"status": "PAUSED"}, TASK)


@pytest.mark.parametrize(
    ("credits", "whole"),
    [(25, 25), (0, 0), (0.25, 1), (60.5, 61), (114.00000000000001, 114), (-1, None)],
)
def test_fractions_of_credits_round_up(credits, whole):
    task = task_from_json({"status": "SUCCEEDED", "cost": {"credits": credits}}, TASK)
    assert task is not None
    assert task.cost_credits == whole


@pytest.mark.parametrize("credits", ["25", None, True, [], {}, float("nan"), float("inf"), 10**400])
def test_credits_that_are_no_amount_count_as_unsaid(credits):
    task = task_from_json({"status": "SUCCEEDED", "cost": {"credits": credits}}, TASK)
    assert task is not None
    assert task.cost_credits is None


def test_organization_keeps_null_limits_apart_from_absent_models():
    organization = organization_from_json(parse(body_of("organization")))
    assert organization is not None
    assert organization.credit_balance == 5000
    assert organization.max_monthly_credit_spend == 10_000
    assert organization.models == {
        "gen4.5": ModelLimits(max_concurrent=1, max_daily=50, daily_used=12),
        "gen4_turbo": ModelLimits(max_concurrent=None, max_daily=None),
    }


def test_model_whose_limit_cannot_be_read_counts_as_absent():
    models = {"a": {"maxConcurrentGenerations": "many"}, "b": {}, "c": None}
    organization = organization_from_json({"creditBalance": 7.9, "tier": {"models": models}})
    assert organization is not None
    assert (organization.credit_balance, organization.models) == (7, {})


def test_usage_is_read_per_day_and_model_refunds_included():
    assert usage_from_json(parse(body_of("usage"))) == (
        DailyUse(day=date(2026, 10, 22), model="gen4_turbo", credits=75),
        DailyUse(day=date(2026, 10, 22), model="veo3.1", credits=-320),
    )


def test_upload_slot_hides_everything_that_is_secret():
    slot = upload_from_json(parse(body_of("upload")))
    assert slot is not None
    assert slot.fields["key"] == "uploads/1"
    assert repr(slot) == "UploadSlot()"


@pytest.mark.parametrize(
    "change",
    [{"uploadUrl": 5}, {"runwayUri": "https://x"}, {"fields": {"a": 1}}, {"runwayUri": None}],
)
def test_upload_slot_that_cannot_be_used_is_unreadable(change):
    assert upload_from_json({**parse(body_of("upload")), **change}) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe\x00", b"[" * 200_000, b"1" * 5_000])
def test_garbage_parses_to_nothing(body):
    assert parse(body) is None


@given(ANY_JSON)
def test_no_json_breaks_the_readers(data):
    for read in (organization_from_json, usage_from_json, upload_from_json):
        read(data)
    created_from_json(data, "image_to_video")
    task_from_json(data, TASK)
    create_error(answer(503, json.dumps(data).encode()), now=NOW)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "output",
                "cost",
                "progress",
                "createdAt",
                "failure",
                "failureCode",
                "nodeErrors",
                "estimatedCost",
            ]
        ),
        ANY_JSON,
    )
)
def test_odd_fields_of_a_task_are_left_out(fields):
    task = task_from_json({**fields, "status": "RUNNING"}, TASK)
    assert task is not None
    assert task.status is TaskStatus.RUNNING
    assert all(isinstance(link, str) for link in task.output)


# ---- redaction -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("red \x1b[31malert\x1b[0m\x07", "red [31malert[0m"),
        ("two\r\nlines\tand\x00more", "two lines andmore"),
        ("right\u202eto left", "rightto left"),
        (
            "see https://out.example/a.mp4?_jwt=eyJabc.def.ghi now",
            "see https://out.example/a.mp4?… now",
        ),
        ("at https://me:pw@out.example/a", "at https://out.example/a"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("key_0123456789abcdef is wrong", "key_… is wrong"),
        ("uri runway://eyJx.y.z?", "uri runway://…"),
        ("_jwt=abc&x=1", "_jwt=…&x=1"),
        ("data:image/png;base64,AAAA is too long", "data:… is too long"),
        ("lone \ud800 surrogate", "lone surrogate"),
    ],
)
def test_text_of_others_is_made_fit_to_show(text, shown):
    assert clean(text) == shown


@given(st.text(max_size=6_000))
def test_clean_text_is_short_printable_and_one_line(text):
    shown = clean(text)
    assert len(shown) <= 300
    assert shown.isprintable()
    shown.encode()


@given(st.text(alphabet="abc/?&=:.<!-", max_size=40), st.text(alphabet="xyz", max_size=10))
def test_given_secret_never_survives(before, after):
    assert "hunter22" not in clean(f"{before}hunter22{after}", secrets=("hunter22",))
