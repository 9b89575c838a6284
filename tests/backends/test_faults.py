"""Faults that last end in seconds with what came back; what a server does not take is left out; usage is judged."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fake_server import FakeServer, Script, Wire
from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.backends.served.adapt import Adaptation
from mathstrap.backends.served.fault import error_for
from mathstrap.backends.served.openai import allow_sockets
from mathstrap.backends.served.usage import read_usage
from mathstrap.engine.ask import ask_all
from mathstrap.engine.limits import Limits
from mathstrap.errors import PromptRefused, TeacherError, TransientError
from mathstrap.types import Message, Request, Sampling


class Kept:
    def __init__(self):
        self.completions, self.failures = [], []

    def completion(self, completion):
        self.completions.append(completion)

    def failure(self, failure):
        self.failures.append(failure)


def plan(count, *, role="user", system="", max_tokens=50, temperature=0.7, effort="", stop=()):
    first = (Message("system", system),) if system else ()
    return [
        Request(
            id=f"s-{number:05}#0", key=f"k{number}", model="m", messages=(*first, Message(role, f"p{number}")),
            sampling=Sampling(max_tokens=max_tokens, temperature=temperature, reasoning_effort=effort, stop=stop),
        )
        for number in range(count)
    ]  # fmt: skip


def ask(url, requests, *, events=None, watched="", timeout_seconds=5.0, **limits):
    kept = Kept()
    backend = open_backend(TeacherOptions(model="m", base_url=url, timeout_seconds=timeout_seconds))
    report = ask_all(
        requests, kept, backend=backend, limits=Limits(backoff_seconds=0.02, backoff_max_seconds=0.2, **limits),
        events=events, watched=watched,
    )  # fmt: skip
    return report, kept


PAGE = b"<!DOCTYPE html><html><head><title>Welcome to\n Open WebUI</title></head></html>"
LASTING = [
    (Script(raw=PAGE), "user", r'an HTML page \("Welcome to Open WebUI"\).*usually ends in /v1'),
    (Script(raw=PAGE, status=404), "user", r"an HTML page.*usually ends in /v1"),
    (Script(raw=b"pong"), "user", r"'pong' came back.*All of the first 8 replies"),
    (Script(raw=b""), "user", "an empty body came back.*All of the first 8"),
    (Script(always=Wire((b"SSH-2.0-OpenSSH_9.2\r\n",))), "user", "is not HTTP.*SSH-2.0.*All of the first 8"),
    (Script(says=""), "user", "the reply is empty.*The first 20 replies were all unusable, and paid for"),
    (Script(status=308, headers={"Location": "https://api.x.ai/v1/chat/completions?a=b"}), "user",
     r"308, the server redirects to https://api.x.ai/v1: set teacher.base_url"),
    (Script(status=404, error={"error": "not found"}), "raw", "no /completions.*prompts.shape=chat"),
    (Script(status=501, error={"error": "Not Implemented"}), "raw", "no /completions.*prompts.shape=chat"),
    (Script(status=405, error={"detail": "Method Not Allowed"}), "user", "usually ends in /v1"),
    (Script(status=400, error={"error": {"message": "Your credit balance is too low"}}), "user", "no credit left"),
    (Script(status=429, headers={"Retry-After": "3600"}), "user", "asks to wait 60 minutes: run the same command"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "role", "sentence"), LASTING, ids=lambda value: str(value)[:40])
def test_a_fault_that_lasts_ends_the_run_in_seconds_with_what_came_back(script, role, sentence):
    with FakeServer(script).running() as server:
        started = time.monotonic()
        with pytest.raises(TeacherError, match=f"(?s){sentence}"):
            ask(server.url, plan(100, role=role))
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("count", [1, 300])
def test_a_refused_connection_ends_within_ten_seconds(count):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    started = time.monotonic()
    with pytest.raises(TeacherError, match=r"no server listens there.*start the server.*limits.connect_seconds"):
        ask(url, plan(count), connect_seconds=1.0, breaker_seconds=0.5)
    assert time.monotonic() - started < 10


def test_a_server_that_answers_nothing_in_time_names_the_timeout():
    with (
        FakeServer(Script(latency=20.0)).running() as server,
        pytest.raises(TeacherError, match=r"None of the first 20 calls.*teacher.timeout_seconds"),
    ):
        ask(server.url, plan(100), timeout_seconds=1.0)


def test_a_certificate_nobody_trusts_and_a_server_without_tls_are_named(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", "/CN=127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                    context.wrap_socket(connection, server_side=True).close()
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(TeacherError, match=r"certificate is not trusted.*SSL_CERT_FILE"):
            ask(f"https://127.0.0.1:{listener.getsockname()[1]}/v1", plan(20))
    with FakeServer(Script()).running() as server, pytest.raises(TeacherError, match=r"no TLS. Write http://"):
        ask(server.url.replace("http://", "https://"), plan(20))


def problem(status, body, role="user"):
    return error_for(status, body, {}, where="there", request=plan(1, role=role)[0], key_from="K")


MINUTE = b"""[{"error": {"code": 429, "message": "You exceeded your current quota, please check your plan and billing
details.", "status": "RESOURCE_EXHAUSTED", "details": [{"violations": [{"quotaId":
"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]}, {"@type": "RetryInfo", "retryDelay": "34.5s"}]}}]"""


def test_geminis_429_of_a_minute_is_a_rate_limit_and_that_of_a_day_ends_the_run():
    error = problem(429, MINUTE)
    assert isinstance(error, TransientError)
    assert (error.kind, error.retry_after_seconds) == ("rate_limit", 34.5)
    bare = problem(429, b'{"error": {"message": "Resource has been exhausted", "status": "RESOURCE_EXHAUSTED"}}')
    assert isinstance(bare, TransientError)
    day = problem(429, MINUTE.replace(b"PerMinute", b"PerDay"))
    assert isinstance(day, TeacherError)
    assert "tomorrow" in str(day)
    empty = problem(429, b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}')
    assert isinstance(empty, TeacherError)
    assert "no credit left" in str(empty)


def test_a_request_too_large_for_a_proxy_is_one_refused_prompt_with_its_size():
    error = problem(413, b"<html><head><title>413 Request Entity Too Large</title></head></html>")
    assert isinstance(error, PromptRefused)
    assert "2 bytes" in str(error)
    assert "client_max_body_size" in str(error)


def test_an_error_that_a_gateway_put_into_a_string_is_unpacked():
    error = problem(500, b'{"error": {"message": "{\\"error\\": {\\"code\\": 429, \\"message\\": \\"too many\\"}}"}}')
    assert "500 too many" in str(error)


# Adapting

REFUSALS = [
    ("max_tokens", "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
    ("temperature", "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1)."),
    ("temperature", "`temperature` is deprecated for this model."),
    ("system", "Unsupported value: 'messages[0].role' does not support 'system' with this model."),
    ("system", "Developer instruction is not enabled for models/gemma-3-27b-it"),
    ("system", "System role not supported"),
    ("temperature", "invalid temperature: only 1 is allowed for this model"),
    ("temperature", "`temperature` may only be set to 1 when thinking is enabled."),
    ("temperature", "temperature: Input should be equal to 1"),
    ("temperature", "Invalid 'temperature': must be 1.0 for reasoning models"),
    ("system", "Only user and assistant roles are supported!"),
    ("system", "messages.0.role: Input should be 'user' or 'assistant'"),
    ("system", "Invalid value: 'system'. Supported values are: 'assistant' and 'user'."),
    ("reasoning_effort", "Argument not supported on this model: reasoningEffort"),
    ("stop", "Unsupported parameter: 'stop' is not supported with this model."),
    ("stop", "Argument not supported on this model: stop"),
    ("reasoning_effort", "Unrecognized request argument supplied: reasoning_effort"),
    ("reasoning_effort", '{"loc": ["body", "reasoning_effort"], "msg": "Extra inputs are not permitted"}'),
]


@pytest.mark.parametrize(("field", "message"), REFUSALS)
def test_what_a_server_does_not_take_is_left_out_once_and_said_once(field, message):
    events = []
    requests = plan(60, system="Be brief.", effort="none", stop=("\n",))
    with FakeServer(Script(refuses={field: message})).running() as server:
        server.keep_bodies = True
        report, kept = ask(server.url, requests, events=events.append, max_in_flight=8)
    assert (report.answered, report.failed) == (60, 0)
    assert report.errors["adapted"] <= 8  # those that were in flight together
    assert [event.reason for event in events if event.kind == "warning"] == ["adapted"]
    last = server.bodies[-1]
    assert field not in last
    if field == "system":
        assert last["messages"][0] == {"role": "user", "content": f"Be brief.\n\n{last['messages'][0]['content'][11:]}"}
    if field == "max_tokens":
        assert last["max_completion_tokens"] == 50
    if field == "stop":  # what the server does not cut is cut here
        assert {reply.finish_reason for reply in kept.completions} == {"stop"}
        assert not any("\n" in reply.text for reply in kept.completions)


def test_a_server_that_cannot_stop_thinking_is_not_asked_without_the_effort():
    body = {"reasoning_effort": "none", "messages": []}
    said = "Unsupported value: 'reasoning_effort' does not support 'none' with this model."
    assert not Adaptation().learn(said, dict(body))
    assert not Adaptation().learn("Unrecognized request argument: reasoning_effort", {"reasoning_effort": "low"})


def test_both_of_temperature_and_top_p_lose_top_p_and_the_users_own_fields_stay():
    adaptation = Adaptation()
    body = {"temperature": 0.5, "top_p": 0.9, "messages": []}
    said = "`temperature` and `top_p` cannot both be specified for this model."
    assert adaptation.learn(said, dict(body))
    assert adaptation.apply(dict(body)) == {"temperature": 0.5, "messages": []}
    assert adaptation.apply(dict(body), kept=("top_p",)) == body
    assert not Adaptation().learn("temperature must be between 0 and 2", dict(body))
    assert not Adaptation().learn("temperature must be 1 to 2", dict(body))
    assert not Adaptation().learn("unknown model: temperature-1b", {"messages": []})


# Usage

USAGE = [
    ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}, (5, 7, 0, None)),
    ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 512}, (5, 507, 500, None)),  # Gemini's thinking
    ({"prompt_tokens": 5, "completion_tokens": 700,
      "completion_tokens_details": {"reasoning_tokens": 600}}, (5, 700, 600, None)),  # OpenAI's
    ({"prompt_tokens": 5, "completion_tokens": 7, "reasoning_tokens": 600}, (5, 607, 600, None)),  # counted apart
    ({"prompt_tokens": 5, "completion_tokens": 7, "cost": 0.25}, (5, 7, 0, 0.25)),  # OpenRouter
    ({"prompt_tokens": 5, "completion_tokens": 7, "cost": 0.01, "is_byok": True,
      "cost_details": {"upstream_inference_cost": 0.2}}, (5, 7, 0, 0.21)),
    ({"prompt_tokens": 5, "completion_tokens": 7, "cost_in_usd_ticks": 10**8}, (5, 7, 0, 0.01)),  # xAI
    ({"prompt_tokens": 5, "completion_tokens": 7, "cost": {"total_cost": 0.5}}, (5, 7, 0, 0.5)),  # Perplexity
    ({"prompt_tokens": "5", "completion_tokens": 7.0}, (5, 7, 0, None)),
    ({"prompt_tokens": 5, "completion_tokens": 7, "cost": -1}, (5, 7, 0, None)),
    ({"prompt_tokens": 5, "completion_tokens": 7, "cost": 10**400}, (5, 7, 0, None)),
    ({"input_tokens": 5, "output_tokens": 7}, (5, 7, 0, None)),
    (None, (0, 0, 0, None)),
]  # fmt: skip


@pytest.mark.parametrize(("usage", "want"), USAGE)
def test_usage_is_read_as_it_is_charged(usage, want):
    found = read_usage(usage, prompts=["What is it?"], texts=["Six."])
    assert (found.tokens_in, found.tokens_out, found.tokens_reasoning) == want[:3]
    assert found.usd == (pytest.approx(want[3]) if want[3] is not None else None)
    assert not found.complaint


IMPOSSIBLE = [
    ({"prompt_tokens": -5, "completion_tokens": 7}, "prompt_tokens is -5"),
    ({"prompt_tokens": 5, "completion_tokens": "a few"}, "completion_tokens is 'a few'"),
    ({"prompt_tokens": 5, "completion_tokens": 10**400}, "completion_tokens is 1000"),
    ({"prompt_tokens": 5, "completion_tokens": float("nan")}, "completion_tokens is nan"),
    ({"prompt_tokens": 5, "completion_tokens": True}, "completion_tokens is True"),
    ({"prompt_tokens": 5, "completion_tokens": {"a": 1}}, "completion_tokens is a dict"),
    ({"prompt_tokens": 5, "completion_tokens": 2.5}, "completion_tokens is 2.5"),
    ({"prompt_tokens": 5, "completion_tokens": 1}, "completion_tokens is 1 for completions of more than 20 words"),
    ([1], "usage is a list"),
]


@pytest.mark.parametrize(("usage", "complaint"), IMPOSSIBLE)
def test_usage_that_cannot_be_true_is_not_believed(usage, complaint):
    found = read_usage(usage, prompts=["What is it?"], texts=["one two three four " * 5])
    assert (found.tokens_in, found.tokens_out) == (0, 0)
    assert complaint in found.complaint


def test_impossible_usage_is_said_once():
    events = []
    with FakeServer(Script(usage_says="negative")).running() as server:
        ask(server.url, plan(20), events=events.append)
    told = [event.detail for event in events if event.reason == "bad_usage"]
    assert len(told) == 1
    assert "prompt_tokens is -5, completion_tokens is -20" in told[0]


# The first replies

WASTE = [
    (Script(says=""), "length", r"were cut off at the token limit: raise solving.max_tokens"),
    (Script(says="I cannot help with that."), "content_filter", "were refused by the server"),
    (Script(says="The answer is always the same: 42"), "stop", "the same text. The server repeats itself: a cache"),
]


@pytest.mark.parametrize(("script", "ends", "sentence"), WASTE)
def test_a_stage_whose_first_replies_are_worthless_pauses_and_names_the_key(script, ends, sentence):
    script.ends = ends
    with FakeServer(script).running() as server:
        report, kept = ask(server.url, plan(1000), watched="solving", max_in_flight=16)
        assert report.stopped == "paused"
        assert sentence in report.message
        assert len(kept.completions) == server.calls <= 26 + 16
        report, _ = ask(server.url, plan(60), watched="solving", watch_replies=0)
        assert report.stopped == "done"


def test_good_replies_short_ones_and_greedy_ones_do_not_pause():
    with FakeServer(Script()).running() as server:
        assert ask(server.url, plan(100), watched="solving")[0].stopped == "done"
    with FakeServer(Script(says="no")).running() as server:
        assert ask(server.url, plan(100), watched="solving")[0].stopped == "done"
    with FakeServer(Script(says="The answer is always the same: 42")).running() as server:
        assert ask(server.url, plan(100, temperature=0.0), watched="solving")[0].stopped == "done"


# Open files


def test_a_low_limit_of_open_files_is_raised_or_named(tmp_path):
    code = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[1])))
from mathstrap.backends.served.openai import allow_sockets
print(allow_sockets(256), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""

    def tried(hard):
        done = subprocess.run([sys.executable, "-c", code, str(hard)], capture_output=True, text=True, check=True)
        return tuple(int(word) for word in done.stdout.split())

    assert tried(4096) == (256, 512)
    assert tried(128) == (96, 128)
    assert allow_sockets(1) == 1


def test_with_few_files_a_run_goes_on_with_fewer_calls_at_once_and_says_so():
    code = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (90, 90))
sys.path.insert(0, sys.argv[2])
from test_faults import ask, plan
events = []
report, kept = ask(sys.argv[1], plan(400), events=events.append, max_in_flight=256)
print(report.answered, report.most_in_flight, sorted(report.errors))
print([event.detail for event in events if event.reason == "open_files"])
"""
    here = Path(__file__).parent
    with FakeServer(Script(latency=0.02)).running() as server:
        done = subprocess.run(
            [sys.executable, "-c", code, server.url, str(here)], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": f"{here.parents[1] / 'src'}:{here.parent / 'support'}"},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("400 6")
    assert "ulimit -n" in done.stdout
