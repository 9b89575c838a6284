"""The OpenAI-compatible teacher against a server that fails in every way it can."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest

from fake_server import FAULTS, FakeServer, Script
from mathstrap.backends import EndpointOptions, TeacherOptions, open_backend
from mathstrap.backends.served.chat import read_reply
from mathstrap.backends.served.fault import error_detail, retry_after, span_seconds
from mathstrap.backends.served.keys import read_key
from mathstrap.engine.ask import Budget, Limits, Meter, ask_all
from mathstrap.engine.prices import Price
from mathstrap.errors import InputError, TeacherError
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request
from mathstrap.redact import bare_url, redact
from mathstrap.types import Completion, Message, Request, Sampling

MODEL = "gpt-4o-mini"
KEY = "sk-planted-0123456789abcdef"
FAST = Limits(backoff_seconds=0.01, backoff_max_seconds=0.1)


class Kept:
    """A sink that keeps everything in memory."""

    def __init__(self) -> None:
        self.completions: list[Completion] = []
        self.failures = []

    def completion(self, completion):
        self.completions.append(completion)

    def failure(self, failure):
        self.failures.append(failure)

    @property
    def ids(self):
        return sorted(completion.request for completion in self.completions)


def plan(count: int, draws: int = 1, *, role="user", **sampling) -> list[Request]:
    return [
        request(
            id=f"s-{number:04}#{draw}",
            model=MODEL,
            messages=(Message(role, f"prompt {number}"),),
            sampling=Sampling(**sampling),
            draw=draw,
        )
        for number in range(count)
        for draw in range(draws)
    ]


def teacher(*urls: str, **options):
    return open_backend(TeacherOptions(model=MODEL, base_url=urls, **{"timeout_seconds": 5.0, **options}))


@pytest.fixture
def server():
    with FakeServer().running() as running:
        yield running


def test_a_reply_is_kept_verbatim_with_the_servers_token_counts(server):
    kept = Kept()
    report = ask_all(plan(1), kept, backend=teacher(server.url))
    [completion] = kept.completions
    assert completion.text.startswith("Step by step")
    assert (completion.finish_reason, completion.model) == ("stop", MODEL)
    assert (completion.tokens_in, completion.tokens_out) == (report.tokens_in, report.tokens_out) == (3, 20)
    assert completion.seconds > 0


def test_sampling_reaches_the_server_and_raw_prompts_go_to_the_completions_endpoint(server):
    server.keep_bodies = True
    backend = teacher(server.url, extra_body={"seed": 7})
    ask_all(plan(1, temperature=0.2, top_p=0.9, max_tokens=33, stop=("Q:",)), Kept(), backend=backend)
    ask_all(plan(1, role="raw"), Kept(), backend=backend)
    chat, raw = server.bodies
    assert chat == {
        "model": MODEL,
        "messages": [{"role": "user", "content": "prompt 0"}],
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 33,
        "stop": ["Q:"],
        "seed": 7,
    }
    assert raw["prompt"] == "prompt 0"
    assert "messages" not in raw


def test_draws_of_one_prompt_are_one_call_that_pays_for_the_prompt_once(server):
    kept = Kept()
    report = ask_all(plan(5, draws=4), kept, backend=teacher(server.url))
    assert server.calls == report.asked == 5
    assert len(set(kept.ids)) == 20
    assert [completion.tokens_in > 0 for completion in kept.completions[:4]] == [True, False, False, False]
    assert sum(completion.tokens_in + completion.tokens_out for completion in kept.completions) == server.tokens


@pytest.mark.parametrize("supports_n", ["ignore", "refuse"])
def test_draws_fall_back_to_single_calls_and_lose_none_that_was_paid(server, supports_n):
    server.script.supports_n = supports_n
    kept = Kept()
    ask_all(plan(30, draws=4), kept, backend=teacher(server.url, max_in_flight=8), limits=FAST)
    assert kept.ids == [request.id for request in plan(30, draws=4)]
    assert set(server.charged.values()) == {4}


def test_greedy_draws_are_asked_one_by_one(server):
    ask_all(plan(1, draws=3, temperature=0.0), Kept(), backend=teacher(server.url))
    assert server.calls == 3


def test_a_server_that_wants_max_completion_tokens_gets_it(server):
    server.script.wants = "max_completion_tokens"
    kept = Kept()
    ask_all(plan(40), kept, backend=teacher(server.url), limits=FAST)
    assert len(kept.completions) == 40


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (400, "bad temperature", "check the model, its sampling settings"),
        (400, "This model's maximum context length is 8192 tokens", "lower max_tokens"),
        (401, "no", "check the environment variable OPENAI_API_KEY"),
        (402, "pay", "no credit left"),
        (403, "no", "may not use this model"),
        (404, "no such model", "usually ends in /v1"),
        (429, "insufficient_quota", "no credit left"),
        (301, "moved", "check teacher.base_url"),
    ],
)
def test_what_cannot_succeed_stops_at_once_and_says_what_to_fix(server, status, message, advice):
    server.script.status, server.script.error = status, {"error": {"message": message}}
    server.script.latency = 0.05
    with pytest.raises(TeacherError, match=advice):
        ask_all(plan(500), Kept(), backend=teacher(server.url, max_in_flight=8))
    assert server.calls <= 16


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_asked_again_until_all_are_answered(server, fault):
    server.script.faults = {fault: 0.2}
    kept = Kept()
    patience = 0.3 if fault == "slow" else 1.5  # only the slow reply has to be too slow
    backend = teacher(server.url, timeout_seconds=patience, max_in_flight=30)
    report = ask_all(plan(60), kept, backend=backend, limits=FAST)
    assert kept.ids == [request.id for request in plan(60)]
    assert not kept.failures
    assert report.retried > 0


def test_a_slow_stream_within_the_time_limit_is_a_reply(server):
    server.script.faults = {"slow": 1.0}
    kept = Kept()
    report = ask_all(plan(5), kept, backend=teacher(server.url))
    assert (len(kept.completions), report.retried) == (5, 0)


def test_calls_per_minute_of_the_recipe_are_kept(server):
    kept = Kept()
    budget = Budget(max_seconds=1.0)
    ask_all(plan(500), kept, backend=teacher(server.url), limits=Limits(requests_per_minute=600), budget=budget)
    assert 6 <= server.calls <= 11
    server.calls = 0
    limits = Limits(tokens_per_minute=60 * 1000)  # a call holds about 113 tokens until the reply says it was 23
    ask_all(plan(500, max_tokens=100), kept, backend=teacher(server.url), limits=limits, budget=budget)
    assert 20 <= server.calls <= 60


def test_retry_after_is_waited_for(server):
    server.script.faults = {"rate_limit_after": 0.999}
    server.script.retry_after = "0.4"
    started = time.monotonic()
    limits = Limits(backoff_seconds=0.01, max_attempts=1, deadline_seconds=1.0)
    kept = Kept()
    report = ask_all(plan(1), kept, backend=teacher(server.url), limits=limits)
    assert time.monotonic() - started >= 0.8
    assert server.calls == 3  # a refusal is no failed try: the deadline ends it
    assert (report.failed, kept.failures[0].kind) == (1, "rate_limit")


def test_rate_limit_headers_hold_the_next_call_back(server):
    server.script.headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "300ms"}
    kept = Kept()
    started = time.monotonic()
    ask_all(plan(3), kept, backend=teacher(server.url, max_in_flight=1), limits=FAST)
    assert len(kept.completions) == 3
    assert server.calls == 3
    assert time.monotonic() - started >= 0.6


def test_a_server_that_takes_a_few_at_once_is_found_out(server):
    server.script.at_once, server.script.latency = 8, 0.02
    kept = Kept()
    report = ask_all(plan(600), kept, backend=teacher(server.url, max_in_flight=128), limits=FAST)
    assert len(kept.completions) == 600
    assert server.calls < 1800, report


def test_another_models_name_is_told_once_and_recorded(server):
    server.script.model = "cheaper-model"
    events, kept = [], Kept()
    ask_all(plan(5), kept, backend=teacher(server.url), events=events.append)
    warnings = [event.detail for event in events if event.kind == "warning"]
    assert len(warnings) == 1
    assert '"cheaper-model"' in warnings[0]
    assert {completion.model for completion in kept.completions} == {"cheaper-model"}


def test_without_token_counts_a_budget_counts_each_call_at_its_most(server):
    server.script.usage = False
    events, kept = [], Kept()
    report = ask_all(
        plan(50, max_tokens=100),
        kept,
        backend=teacher(server.url),
        budget=Budget(max_tokens=2000),
        events=events.append,
    )
    assert report.stopped == "budget"
    assert 10 <= len(kept.completions) <= 14
    assert [event.reason for event in events if event.kind == "warning"] == ["no_usage"]


@pytest.mark.parametrize(("code", "kind"), [(429, "rate_limit"), (502, "server"), ("oops", "server")])
def test_an_error_inside_a_reply_of_status_200_is_that_error(server, code, kind):
    server.script.status, server.script.error = 200, {"error": {"code": code, "message": "later"}}
    report = ask_all(plan(1), Kept(), backend=teacher(server.url), limits=Limits(max_attempts=1, deadline_seconds=0.1))
    assert (report.failed, list(report.errors)) == (1, [kind])


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"message": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}}, "ab"),
        ({"message": {"content": None}, "finish_reason": "length"}, ""),
        ({"message": {"content": "x", "reasoning_content": "y"}}, "x"),
        ({"text": "raw"}, "raw"),
    ],
)
def test_the_shapes_servers_give_a_reply_are_read(choice, text):
    [completion] = read_reply(plan(1), json.dumps({"choices": [choice]}).encode(), 0.1).completions
    assert completion.text == text


# Keys


@pytest.fixture
def planted_key():
    os.environ["PLANTED_KEY"] = KEY
    yield KEY
    del os.environ["PLANTED_KEY"]


@pytest.mark.usefixtures("planted_key")
def test_a_planted_key_appears_nowhere(server, tmp_path):
    server.script.key = KEY
    server.script.faults = {"server": 0.2, "reset": 0.1}
    events = []
    backend = teacher(server.url, api_key_env="PLANTED_KEY")
    with RunDir.open(tmp_path / "run") as run:
        report = ask_all(plan(30), run.sink("solve"), backend=backend, limits=FAST, events=events.append, stage="solve")
        run.update_manifest(teacher=repr(TeacherOptions(model=MODEL, base_url=server.url, api_key_env="PLANTED_KEY")))
        assert len(list(run.completions("solve"))) == 30
    server.script.key = "another"  # now the server repeats the key in its refusal
    with pytest.raises(TeacherError) as caught:
        ask_all(plan(1), Kept(), backend=backend, events=events.append)
    shown = [str(caught.value), repr(caught.value), repr(report), *map(repr, events), repr(backend)]
    shown += [path.read_text() for path in (tmp_path / "run").iterdir()]
    assert "Incorrect API key provided: Bearer [key]" in shown[0]
    assert not [text for text in shown if KEY in text or KEY[3:15] in text]


def test_a_key_comes_from_a_command(server):
    server.script.key = KEY
    command = f"{sys.executable} -c \"print('{KEY}')\""
    kept = Kept()
    ask_all(plan(1), kept, backend=teacher(server.url, api_key_command=command))
    assert len(kept.completions) == 1


@pytest.mark.parametrize(
    ("env", "command"),
    [("sk-0123456789", ""), ("", "false"), ("", "no-such-program-here"), ("", f"{sys.executable} -c pass"), ("", '"')],
)
def test_a_key_that_cannot_be_had_is_a_sentence_without_it(env, command):
    with pytest.raises(InputError, match=r"teacher\.api_key") as caught:
        read_key(env=env, command=command)
    assert "0123456789" not in str(caught.value)


def test_headers_that_would_carry_a_key_are_refused():
    with pytest.raises(InputError, match="api_key_env"):
        teacher("http://localhost:1/v1", extra_headers={"Authorization": "Bearer x"})


def test_addresses_are_shown_without_their_passwords():
    assert bare_url("https://user:secret@host:8000/v1?key=1") == "https://host:8000/v1"
    assert redact("a sk-12345 b", ["sk-12345", ""]) == "a [key] b"


# Several endpoints


def test_several_endpoints_share_the_work():
    with FakeServer(Script(latency=0.01)).running() as first, FakeServer(Script(latency=0.01)).running() as second:
        kept = Kept()
        ask_all(plan(200), kept, backend=teacher(first.url, second.url, max_in_flight=16))
        assert len(kept.completions) == 200
        assert min(first.calls, second.calls) >= 70


def test_the_slower_endpoint_gets_less():
    with FakeServer(Script(latency=0.3)).running() as slow, FakeServer(Script(latency=0.01)).running() as quick:
        ask_all(plan(300), Kept(), backend=teacher(slow.url, quick.url, max_in_flight=16))
        assert quick.calls > 2 * slow.calls


def test_an_endpoint_that_fails_is_set_aside_and_comes_back():
    with FakeServer(Script(latency=0.01)).running() as well, FakeServer(Script(down=True)).running() as ill:
        kept, events = Kept(), []

        def listen(event):
            events.append(event)
            if event.kind == "answered" and len(kept.completions) == 300:
                ill.script.down = False

        limits = Limits(backoff_seconds=0.01)
        ask_all(plan(2000), kept, backend=teacher(ill.url, well.url, max_in_flight=16), limits=limits, events=listen)
        assert len(kept.completions) == 2000
        assert not kept.failures
        assert not [event for event in events if event.kind == "paused"]
        failed = sum(event.kind == "retried" for event in events)
        assert failed <= 30  # set aside after three in a row, and what was in flight
        assert ill.calls > failed + 250  # and back in use


def test_azures_classic_address_gets_its_version_and_its_own_header(monkeypatch):
    monkeypatch.setenv("AZURE_KEY", "a-key-of-azure")
    with FakeServer().running() as server:
        server.keep_bodies = True
        url = server.url.removesuffix("/v1") + "/openai/deployments/gpt-6-luna?api-version=2026-10-01"
        kept = Kept()
        backend = open_backend(TeacherOptions(model=MODEL, base_url=url, api_key_env="AZURE_KEY"))
        ask_all(plan(3), kept, backend=backend)
    assert len(kept.completions) == 3
    assert set(server.addresses) == {"/openai/deployments/gpt-6-luna/chat/completions?api-version=2026-10-01"}
    assert {headers.get("api-key") for headers in server.sent_headers} == {"a-key-of-azure"}
    assert not any("Authorization" in headers for headers in server.sent_headers)


def test_each_endpoint_may_call_the_model_by_its_own_name():
    with FakeServer().running() as one, FakeServer().running() as other:
        one.keep_bodies = other.keep_bodies = True
        endpoints = (EndpointOptions(url=one.url), EndpointOptions(url=other.url, model="vendor/the-model"))
        kept = Kept()
        ask_all(plan(40), kept, backend=open_backend(TeacherOptions(model=MODEL, endpoints=endpoints)))
    assert len(kept.completions) == 40
    assert {body["model"] for body in one.bodies} == {MODEL}
    assert {body["model"] for body in other.bodies} == {"vendor/the-model"}


def test_each_endpoint_keeps_its_own_limit():
    with FakeServer(Script(latency=0.02)).running() as small, FakeServer(Script(latency=0.02)).running() as large:
        endpoints = (
            EndpointOptions(url=small.url, max_in_flight=2),
            EndpointOptions(url=large.url, max_in_flight=10),
        )
        kept = Kept()
        ask_all(plan(300), kept, backend=open_backend(TeacherOptions(model=MODEL, endpoints=endpoints)))
        assert len(kept.completions) == 300
        assert small.most_in_flight <= 2
        assert 5 <= large.most_in_flight <= 10


def test_an_endpoints_calls_per_minute_are_kept():
    with FakeServer().running() as paced, FakeServer(Script(latency=0.005)).running() as free:
        endpoints = (EndpointOptions(url=paced.url, requests_per_minute=120), EndpointOptions(url=free.url))
        kept = Kept()
        ask_all(plan(200), kept, backend=open_backend(TeacherOptions(model=MODEL, endpoints=endpoints)), limits=FAST)
        assert len(kept.completions) == 200
        assert paced.calls <= 6


# Money


def test_money_is_never_overspent_on_a_faulty_server(server):
    server.script.faults = {"malformed": 0.1, "truncated": 0.1, "server": 0.1}
    server.script.tokens_out = 50
    price = Price(usd_per_million_in=1000.0, usd_per_million_out=1000.0, source="test")
    for limit in (0.5, 2.0):
        server.charged.clear()
        server.tokens = 0
        meter = Meter(Budget(max_usd=limit), price=price)
        report = ask_all(plan(200, max_tokens=50), Kept(), backend=teacher(server.url), limits=FAST, budget=meter)
        assert report.stopped == "budget"
        assert "raise budget.max_usd" in report.message
        assert limit * 0.5 < price.usd(0, server.tokens) <= limit


# Reading headers and errors


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360), ("20ms", 0.02), ("1.5", 1.5), ("1h2m", 3720), ("", 0), ("soon", 0), ("\u00b2", 0),
        ("9" * 400 + "h", 86_400), ("2 minutes", 120), ("1m0.36s", 60.36), ("250 milliseconds", 0.25),
    ],
)
def test_spans_are_read(text, seconds):
    assert span_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2), ({"retry-after-ms": "150"}, 0.15), ({}, None), ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "\u00b2"}, None), ({"retry-after": "9" * 400}, 86_400), ({"retry-after-ms": "\u00b3"}, None),
        ({"retry-after": "0"}, 0), ({"retry-after": "-1"}, None), ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "30s"}, 30), ({"retry-after": "2 minutes"}, 120), ({"retry-after": "7, 7"}, None),
        ({"retry-after": "soon", "retry-after-ms": "20"}, 0.02), ({"retry-after-ms": "1e9", "retry-after": "3"}, 3),
        # dates that were over long ago, in seconds and milliseconds since 1970, in ISO form, without a weekday
        ({"retry-after": "1445412480"}, 0), ({"retry-after": "1445412480000"}, 0),
        ({"retry-after": "2015-10-21T07:28:00Z"}, 0), ({"retry-after": "21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "Wednesday, 21-Oct-15 07:28:00 GMT"}, 0), ({"retry-after": "2015-10-21T07:28"}, 0),
    ],
)
def test_retry_after_is_read(headers, seconds):
    assert retry_after(headers) == seconds
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"error": {"message": "m", "code": "c"}}', "m c"),
        (b'{"error": "m"}', "m"),
        (b'{"detail": [{"msg": "x"}]}', "x"),
        (b'{"detail": [{"loc": ["body", "min_p"], "msg": "Extra inputs"}]}', "min_p: Extra inputs"),
        (b'{"error": {"message": "Provider returned error", "metadata": {"raw": "slow down"}}}', "slow down"),
        (b'{"message": {"detail": [{"loc": ["body", "top_k"], "msg": "no"}]}, "type": "t"}', "top_k: no t"),
        (b'{"success": false, "errors": [{"code": 7, "message": "No such model"}]}', "No such model"),
        (b'{"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}', "insufficient balance"),
        (b"<html><title>502\n Bad   Gateway</title>", 'an HTML page ("502 Bad Gateway")'),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"null", "None"),
    ],
)
def test_any_error_body_becomes_one_line(body, detail):
    assert error_detail(body) == detail
