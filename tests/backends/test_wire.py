"""What servers of reasoning models send, row by row: what is stored, what is asked again, what the user reads."""

from __future__ import annotations

from typing import Any

import pytest

from fake_server import FakeServer, Script
from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.ask import Limits, ask_all
from mathstrap.engine.ledger import LARGEST_REPLY
from mathstrap.errors import TeacherError
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request
from mathstrap.types import Message, Sampling

FAST = Limits(backoff_seconds=0.01, backoff_max_seconds=0.05)
TEXT = "The answer is: 4"


def choice(content: Any = TEXT, finish: Any = "stop", **message: Any) -> dict[str, Any]:
    return {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}


def body(*choices: dict[str, Any], **rest: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
    return {"id": "x", "model": "thinker-2026", "choices": list(choices), "usage": usage, **rest}


def refusal(message: str, code: str = "", status: int = 400) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"message": message, "type": "invalid_request_error", "code": code}}


def parts(*found: Any) -> dict[str, Any]:
    return choice(list(found))


def plan(*prompts: str, draws: int = 1, **sampling: Any) -> list[Any]:
    return [
        request(
            id=f"{prompt}#{draw}", model="thinker", messages=(Message("user", prompt),), sampling=Sampling(**sampling),
            draw=draw,
        )
        for prompt in prompts
        for draw in range(draws)
    ]  # fmt: skip


def run(
    answers: dict[str, list[Any]], path: Any, *prompts: str, backend: str = "openai", draws: int = 1, **sampling: Any
) -> tuple[dict[str, Any], FakeServer, Any, list[Any]]:
    """Ask for these prompts, the scripted one among them; returns the replies by prompt, the server and the report."""
    with FakeServer(Script(answers=answers, batch_seconds=0.05)).running() as server, RunDir.open(path / "run") as run:
        settings = {"poll_seconds": 0.05} if backend == "openai_batch" else {}
        teacher = open_backend(
            TeacherOptions(
                backend=backend, model="thinker", base_url=server.url, timeout_seconds=5.0, settings=settings
            )
        )
        events: list[Any] = []
        report = ask_all(
            plan(*prompts, draws=draws, **sampling), run.sink("solve"), backend=teacher, limits=FAST, stage="solve",
            events=events.append,
        )  # fmt: skip
    with RunDir.read(path / "run") as held:
        return {reply.request: reply for reply in held.completions("solve")}, server, report, events


# What the server sends -> text, thought, finish reason, the server's own word.
STORED = {
    "a plain reply": (choice(), TEXT, "", "stop", ""),
    "think tags in the text": (choice(f"<think>2+2</think>\n{TEXT}"), f"\n{TEXT}", "2+2", "stop", ""),
    "a field reasoning_content": (choice(reasoning_content="2+2"), TEXT, "2+2", "stop", ""),
    "a field reasoning": (choice(reasoning="2+2"), TEXT, "2+2", "stop", ""),
    "the same in two fields": (choice(reasoning="2+2", reasoning_content="2+2"), TEXT, "2+2", "stop", ""),
    "reasoning_details": (
        choice(reasoning_details=[
            {"type": "reasoning.text", "text": "2"}, {"type": "reasoning.summary", "summary": "+2"},
            {"type": "reasoning.encrypted", "data": "xx"},
        ]),
        TEXT, "2+2", "stop", "",
    ),
    "a field thinking (Ollama)": (choice(thinking="2+2"), TEXT, "2+2", "stop", ""),
    "thinking parts (Magistral)": (
        parts({"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]}, {"type": "text", "text": TEXT}),
        TEXT, "2+2", "stop", "",
    ),
    "thinking parts (Anthropic)": (
        parts({"type": "thinking", "thinking": "2+2", "signature": "x"}, {"type": "redacted_thinking", "data": "y"},
              {"type": "text", "text": TEXT}),
        TEXT, "2+2", "stop", "",
    ),
    "thought parts (Gemini)": (parts({"text": "2+2", "thought": True}, {"text": TEXT}), TEXT, "2+2", "stop", ""),
    "output_text parts": (parts({"type": "output_text", "text": TEXT}), TEXT, "", "stop", ""),
    "fields of no use": (choice(reasoning_content=None, reasoning={}, thinking=[]), TEXT, "", "stop", ""),
    "harmony channels": (
        choice(f"<|channel|>analysis<|message|>2+2<|end|><|start|>assistant<|channel|>final<|message|>{TEXT}"),
        TEXT, "2+2", "stop", "",
    ),
    "a thought that never ended, said to have stopped": (choice("<think>It is 4"), "", "It is 4", "length", "stop"),
    "a thought that never ended, cut off": (choice("<think>It is 4", "length"), "", "It is 4", "length", ""),
    "a thought in its field and no text": (choice("", reasoning="It is 4"), "", "It is 4", "length", "stop"),
    "no content at all, cut off": (choice(None, "length"), "", "", "length", ""),
    "a refusal": (choice(None, refusal="I cannot."), "", "", "content_filter", "refusal: I cannot."),
    "a refusal with its own word": (choice("I cannot.", "refusal"), "I cannot.", "", "content_filter", "refusal"),
    "SAFETY": (choice("", "SAFETY"), "", "", "content_filter", "SAFETY"),
    "sensitive": (choice("", "sensitive"), "", "", "content_filter", "sensitive"),
    "eos": (choice(finish="eos"), TEXT, "", "stop", "eos"),
    "stop_sequence": (choice(finish="stop_sequence"), TEXT, "", "stop", "stop_sequence"),
    "end_turn": (choice(finish="end_turn"), TEXT, "", "stop", "end_turn"),
    "STOP": (choice(finish="STOP"), TEXT, "", "stop", "STOP"),
    "model_length": (choice(finish="model_length"), TEXT, "", "length", "model_length"),
    "max_output_tokens": (choice(finish="max_output_tokens"), TEXT, "", "length", "max_output_tokens"),
    "MAX_TOKENS": (choice(finish="MAX_TOKENS"), TEXT, "", "length", "MAX_TOKENS"),
    "a word nobody knows": (choice(finish="tired"), TEXT, "", "unknown", "tired"),
    "a word that is a number": (choice(finish=3), TEXT, "", "unknown", "3"),
    "no word at all": ({"message": {"content": TEXT}}, TEXT, "", "unknown", ""),
    "tool calls in place of a text": (choice(None, "tool_calls", tool_calls=[]), "", "", "unknown", "tool_calls"),
    "more than is ever stored": (
        choice("\x07" * (LARGEST_REPLY + 1)), "\x07" * LARGEST_REPLY, "", "length",
        f"longer than {LARGEST_REPLY:,} characters; the rest was dropped",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STORED)
def test_a_reply_is_stored_for_what_it_is(name, tmp_path):
    sent, text, thought, finish, ended = STORED[name]
    replies, server, report, _ = run({"odd": [body(sent)]}, tmp_path, "odd")
    reply = replies["odd#0"]
    assert (reply.text, reply.reasoning, reply.finish_reason, reply.ended) == (text, thought, finish, ended)
    assert (reply.model, reply.tokens_in, reply.tokens_out) == ("thinker-2026", 10, 20)
    assert (server.calls, report.answered, report.retried) == (1, 1, 0)
    assert bool(reply.tokens_reasoning) == bool(thought)


# What the server sends first -> what the user reads of it in the log; the second reply is stored.
ASKED_AGAIN = {
    "finish_reason error": (body(choice("The ans", "error")), 'with finish_reason "error"'),
    "insufficient_system_resource": (
        body(choice("The", "insufficient_system_resource")), 'finish_reason "insufficient_system_resource"',
    ),
    "network_error": (body(choice("", "network_error")), 'finish_reason "network_error"'),
    "an error in the choice": (
        body({"error": {"code": 502, "message": "upstream died"}, **choice("", "stop")}), "upstream died",
    ),
    "an error in the choice that is a text": (body({"error": "died", **choice()}), "died"),
    "no finish reason": (body(choice(finish=None)), "has no finish_reason"),
    "the word null": (body(choice(finish="null")), "has no finish_reason"),
    "an empty finish reason": (body(choice(finish="")), "has no finish_reason"),
    "empty content": (body(choice("")), "the reply is empty"),
    "no content": (body(choice(None)), "the reply is empty"),
    "no message": (body({"finish_reason": "stop"}), "the reply is empty"),
    "no choices": (body(), "the reply holds no choices"),
    "choices that are null": ({"choices": None}, "not what a chat server sends"),
    "an error of status 200": ({"id": "x", "error": {"code": 524, "message": "Provider returned error"}}, "Provider"),
    "an error of status 200 that is a text": ({"error": "oops"}, "oops"),
    "an error of status 200, no number": ({"error": {"code": "rate_limit_exceeded", "message": "slow"}}, "429 slow"),
    "an error of status 200 that refuses nobody": ({"error": {"status": "RESOURCE_EXHAUSTED"}}, "429"),
    "content that is no text": (body(choice({"a": 1})), "its content is not text"),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED_AGAIN)
def test_a_failure_is_asked_again_and_never_stored(name, tmp_path):
    sent, sentence = ASKED_AGAIN[name]
    replies, server, report, events = run({"odd": [sent]}, tmp_path, "odd")
    assert replies["odd#0"].text.startswith("Step by step")
    assert (server.calls, report.answered, report.failed) == (2, 1, 0)
    assert [sentence in event.detail for event in events if event.kind == "retried"] == [True]


def test_a_failure_that_stays_is_left_to_the_next_run(tmp_path):
    replies, _, report, _ = run({"odd": [body(choice("", "error"))] * 20}, tmp_path, "odd", "even")
    assert list(replies) == ["even#0"]
    assert (report.answered, report.failed) == (1, 1)


def test_an_empty_reply_that_a_stop_string_explains_is_a_reply(tmp_path):
    replies, server, _, _ = run({"odd": [body(choice(""))]}, tmp_path, "odd", stop=("\n",))
    assert (replies["odd#0"].text, server.calls) == ("", 1)


@pytest.mark.parametrize("broken", [choice("", "error"), None])
def test_a_broken_choice_among_good_ones_is_asked_again_alone(broken, tmp_path):
    sent = body(choice("a"), broken, choice("c"))
    replies, server, report, _ = run({"odd": [sent]}, tmp_path, "odd", draws=3)
    assert [replies[f"odd#{draw}"].text[:4] for draw in range(3)] == ["a", "c", "Step"]
    assert (server.calls, report.answered, report.tokens_out) == (2, 3, 40)


# A prompt of its own fault -> what the Reject says.
REFUSED = {
    "invalid_prompt": (refusal("Invalid prompt: limited access", "invalid_prompt"), "refuses the prompt"),
    "content filter (Azure)": (
        refusal("The response was filtered due to the prompt triggering Azure OpenAI's content management policy",
                "content_filter"),
        "refuses the prompt",
    ),
    "inappropriate content (Alibaba)": (
        refusal("Input data may contain inappropriate content.", "data_inspection_failed"), "refuses the prompt",
    ),
    "flagged (OpenRouter)": (refusal("Your input was flagged", "", 403), "refuses the prompt"),
    "too long": (
        refusal("This model's maximum context length is 8192 tokens", "context_length_exceeded"), "lower max_tokens",
    ),
    "too long (Anthropic)": (refusal("prompt is too long: 210000 tokens > 200000 maximum"), "lower max_tokens"),
    "a 400 that says nothing": (refusal("Bad Request"), "refuses the request as it is"),
    "a 422": (refusal("unprocessable", "", 422), "refuses the request as it is"),
    "too large": (refusal("Payload Too Large", "", 413), "client_max_body_size"),
    "a filter behind a status of 200": (
        {"error": {"code": 400, "message": "blocked by the content filter"}}, "refuses the prompt",
    ),
}  # fmt: skip


@pytest.mark.parametrize("backend", ["openai", "openai_batch"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_prompts_own_refusal_is_final_and_the_others_go_on(name, backend, tmp_path):
    sent, sentence = REFUSED[name]
    if backend == "openai_batch" and not isinstance(sent, tuple):
        sent = (400, sent)
    prompts = ["odd", *(f"even {number}" for number in range(12))]
    replies, server, report, events = run({"odd": [sent] * 20}, tmp_path, *prompts, backend=backend)
    assert len(replies) == 13
    reply = replies["odd#0"]
    assert (reply.text, reply.finish_reason, reply.tokens_out) == ("", "prompt_refused", 0)
    assert sentence in reply.ended
    assert (report.answered, report.refused, report.failed) == (12, 1, 0)
    assert server.attempts["odd"] == (2 if backend == "openai_batch" else 1)  # a trial call comes before a batch
    assert [event.id for event in events if event.kind == "refused"] == ["odd#0"]


@pytest.mark.parametrize("backend", ["openai", "openai_batch"])
@pytest.mark.parametrize("name", ["invalid_prompt", "too long", "a 400 that says nothing"])
def test_a_server_that_refuses_the_first_calls_ends_the_run_and_nothing_is_final(name, backend, tmp_path):
    sent, sentence = REFUSED[name]
    prompts = [f"odd {number}" for number in range(40)]
    with pytest.raises(TeacherError, match=rf"{sentence}.*refused every request so far"):
        run({prompt: [sent] * 3 for prompt in prompts}, tmp_path, *prompts, backend=backend)
    with RunDir.read(tmp_path / "run") as held:
        assert not list(held.completions("solve"))


def test_many_refused_prompts_do_not_end_a_run_that_others_of_it_pass(tmp_path):
    odd = [f"odd {number}" for number in range(60)]
    sent, _ = REFUSED["invalid_prompt"]
    replies, _, report, _ = run({prompt: [sent] for prompt in odd}, tmp_path, "even", *odd)
    assert (len(replies), report.refused) == (61, 60)


def test_an_account_that_closes_on_the_way_makes_no_prompt_final(tmp_path):
    odd = [f"odd {number}" for number in range(400)]
    sent, _ = REFUSED["a 400 that says nothing"]
    with pytest.raises(TeacherError, match="refused since then every request"):
        run({prompt: [sent] for prompt in odd}, tmp_path, "even", *odd)
    with RunDir.read(tmp_path / "run") as held:
        assert [reply.request for reply in held.completions("solve")] == ["even#0"]


def test_a_400_about_money_ends_the_run(tmp_path):
    sent = refusal("You have reached your specified API usage limits.")
    with pytest.raises(TeacherError, match="no credit left"):
        run({"odd": [sent]}, tmp_path, "odd")
