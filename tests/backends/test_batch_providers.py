"""The Batch APIs of Anthropic and Gemini against fake servers made from their references, and what goes wrong there."""

from __future__ import annotations

import pytest

from fake_batches import FakeAnthropic, FakeGemini
from fake_server import FakeServer, Script
from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.backends.served.batch_shapes import anthropic_params, gemini_request
from mathstrap.engine.ask import Limits, ask_all
from mathstrap.errors import InputError, TeacherError
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request
from mathstrap.types import Message, Sampling


def plan(count, *, draws=1):
    messages = lambda number: (Message("system", "Be brief."), Message("user", f"p{number}"))  # noqa: E731
    return [
        request(
            id=f"s-{number:03}#{draw}", model="gemini-x", messages=messages(number),
            sampling=Sampling(max_tokens=64, stop=("END",)), draw=draw,
        )
        for number in range(count)
        for draw in range(draws)
    ]  # fmt: skip


def ask(url, run, requests, *, api, key="", events=None, **settings):
    options = {"lines": 10, "batches": 2, "poll_seconds": 0.02, "api": api, **settings}
    backend = open_backend(
        TeacherOptions(
            backend="openai_batch", model="gemini-x", base_url=url, settings=options, api_key_command=key
        )
    )
    limits = Limits(backoff_seconds=0.01)
    return ask_all(
        run.todo("solve", requests), run.sink("solve"), backend=backend, limits=limits, events=events, stage="solve"
    )


def ask_anthropic(server, run, requests, **options):
    return ask(server.url, run, requests, api="anthropic", key="echo k-anthropic", **options)


def ask_gemini(server, run, requests, **options):
    return ask(server.base, run, requests, api="gemini", key="echo k-gemini", **options)


@pytest.mark.parametrize("outcome", ["succeeded", "errored", "expired", "canceled"])
def test_anthropic_answers_every_line_and_what_failed_goes_out_again(tmp_path, outcome):
    with FakeAnthropic(Script()).running() as server, RunDir.open(tmp_path / "run") as run:
        server.outcome, server.missing_looks = outcome, 1
        report = ask_anthropic(server, run, plan(12, draws=2))
        replies = {reply.request: reply for reply in run.completions("solve")}
        assert (report.stopped, report.failed, len(replies)) == ("done", 0, 24)
        assert set(server.charged.values()) == {2}
        reply = replies["s-003#1"]
        assert (reply.text, reply.reasoning, reply.finish_reason) == ("So p3.", "Let me see.", "stop")
        assert (reply.tokens_in, reply.tokens_out) == (7, 11)
        assert server.bodies[0]["system"] == "Be brief."
        assert server.bodies[0]["stop_sequences"] == ["END"]


def test_gemini_answers_every_line_and_refuses_a_prompt(tmp_path):
    with FakeGemini(Script()).running() as server, RunDir.open(tmp_path / "run") as run:
        report = ask_gemini(server, run, plan(12))
        replies = {reply.request: reply for reply in run.completions("solve")}
        assert (report.stopped, report.failed, len(replies)) == ("done", 0, 12)
        reply = replies["s-003#0"]
        assert (reply.text, reply.reasoning, reply.finish_reason) == ("So p3.", "Let me see.", "stop")
        assert (reply.tokens_in, reply.tokens_out, reply.tokens_reasoning) == (7, 11, 6)
        assert replies["s-002#0"].finish_reason == "prompt_refused"
        assert replies["s-001#0"].text == "So p1."
        assert server.bodies[0]["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
        assert server.bodies[0]["generationConfig"]["maxOutputTokens"] == 64


@pytest.mark.parametrize(("kind", "asking"), [(FakeAnthropic, ask_anthropic), (FakeGemini, ask_gemini)])
def test_a_batch_whose_creation_got_no_answer_is_found_again_and_not_made_twice(tmp_path, kind, asking):
    with kind(Script(batch_fault="lose_create")).running() as server, RunDir.open(tmp_path / "run") as run:
        report = asking(server, run, [r for r in plan(9) if r.id not in ("s-001#0", "s-002#0")])
        assert (report.stopped, report.answered) == ("done", 7)
        assert len(server.batches) == 1


@pytest.mark.parametrize(("kind", "asking"), [(FakeAnthropic, ask_anthropic), (FakeGemini, ask_gemini)])
def test_an_account_with_too_much_waiting_is_waited_for(tmp_path, kind, asking):
    events = []
    with kind(Script()).running() as server, RunDir.open(tmp_path / "run") as run:
        server.refuse_first = 2
        report = asking(server, run, plan(8), events=events.append, lines=4)
        assert (report.stopped, report.answered + report.refused) == ("done", 8)
    assert {event.reason for event in events if event.kind == "warning"} == {"enqueued"}


@pytest.mark.parametrize("api", ["openai", "anthropic", "gemini"])
def test_a_server_without_a_batch_api_is_told_apart(tmp_path, api):
    with (
        FakeServer(Script(raw=b"{}", status=404)).running() as server,
        RunDir.open(tmp_path / "run") as run,
        pytest.raises(TeacherError, match=r"no\s+Batch API, ask it call by call: teacher.backend=openai"),
    ):
        ask(server.url.removesuffix("/v1") + "/other", run, plan(3), api=api, key="echo k", trial=False)


def test_the_first_request_is_tried_before_a_batch_is_made_of_what_the_server_does_not_take(tmp_path):
    refused = {"max_tokens": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
               "temperature": "Unsupported value: 'temperature' does not support 0.7 with this model."}  # fmt: skip
    with FakeServer(Script(refuses=refused)).running() as server, RunDir.open(tmp_path / "run") as run:
        report = ask(server.url, run, plan(12), api="openai")
        assert (report.stopped, report.answered) == ("done", 12)
        assert server.calls == 3  # two refusals, one reply; the other eleven came in batches
        assert sum(server.charged.values()) == 12
        lines = b"".join(server.files.values())
        assert b"max_completion_tokens" in lines
        assert b"temperature" not in lines


def test_an_unknown_batch_api_is_refused():
    with pytest.raises(InputError, match='no such Batch API "azure"'):
        open_backend(
            TeacherOptions(backend="openai_batch", model="m", base_url="http://h/v1", settings={"api": "azure"})
        )


def test_fields_of_ones_own_go_out_as_they_are():
    body = {"model": "m", "messages": [Message("user", "q")], "max_tokens": 9, "n": 2, "temperature": 1.5,
            "thinking": {"type": "enabled", "budget_tokens": 1024}}  # fmt: skip
    assert anthropic_params(body) == {
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "q"}], "temperature": 1.0,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }  # fmt: skip
    body = {"model": "m", "messages": [Message("user", "q")], "max_tokens": 9, "reasoning_effort": "low"}
    config = gemini_request(body)["generationConfig"]
    assert config == {"maxOutputTokens": 9, "thinkingConfig": {"thinkingLevel": "low"}}
