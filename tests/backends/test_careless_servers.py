"""Replies of careless servers are read for what they hold: what was paid for is kept, and not bought again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bounded import examples
from fake_server import FakeServer, Script
from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.backends.served.chat import read_reply
from mathstrap.backends.served.fault import error_detail, error_for, status_of
from mathstrap.backends.served.loose import loose_object
from mathstrap.backends.served.openai_batch import result_of
from mathstrap.engine.ask import Limits, ask_all
from mathstrap.errors import TeacherError, TransientError
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request
from mathstrap.types import Completion, Message, Request, Sampling

TEXT = "It is 7 \ud83d\nThe answer is: 7"  # an emoji cut in two
KEPT = "It is 7 ?\nThe answer is: 7"
FAST = Limits(backoff_seconds=0.01, backoff_max_seconds=0.1)


class Careless(FakeServer):
    """Answers with what a test wants, byte for byte."""

    def __init__(self, body: bytes, script: Script | None = None) -> None:
        super().__init__(script)
        self.body = body

    def reply(self, prompt: str, body: dict[str, Any], draws: int) -> bytes:
        return self.body


def reply(**changes: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "The answer is: 7"}}
    usage = {"prompt_tokens": 3, "completion_tokens": 20}
    return {"id": "x", "model": "m", "choices": [choice], "usage": usage} | changes


def with_text(text: str) -> dict[str, Any]:
    return reply(choices=[{"finish_reason": "stop", "message": {"content": text}}])


def plan(count: int) -> list[Request]:
    return [
        request(id=f"s-{n}#0", model="m", messages=(Message("user", f"p{n}"),), sampling=Sampling())
        for n in range(count)
    ]


# A body of a paid reply, and the text that is in it.
BODIES = {
    "half a pair": (json.dumps(with_text(TEXT)).encode(), KEPT),
    "half a pair in the model's name": (json.dumps(reply(model="m\udc00")).encode(), "The answer is: 7"),
    "NaN": (json.dumps(reply(logprobs=[float("nan"), float("-inf")])).encode(), "The answer is: 7"),
    "a number out of range": (json.dumps(reply()).encode().replace(b'"x"', b"1e999"), "The answer is: 7"),
    "a control character": (json.dumps(with_text("a\x07b")).encode().replace(b"\\u0007", b"\x07"), "a\x07b"),
    "Latin-1": (json.dumps(with_text("caf@")).encode().replace(b"@", b"\xe9"), "caf\ufffd"),
    "a byte-order mark": (b"\xef\xbb\xbf" + json.dumps(reply()).encode(), "The answer is: 7"),
    "no counts": (json.dumps(reply(usage={"prompt_tokens": None, "completion_tokens": "many"})).encode(), None),
    "counts that are no numbers": (json.dumps(reply(usage=[1])).encode(), "The answer is: 7"),
    "counts below nothing": (
        json.dumps(reply(usage={"prompt_tokens": -9, "completion_tokens": 2**70})).encode(), None,
    ),
    "a reason that is no text": (
        json.dumps(reply(choices=[{"finish_reason": 3, "message": {"content": "a"}}])).encode(), "a",
    ),
    "no model": (json.dumps(reply(model=None)).encode(), "The answer is: 7"),
    "parts": (
        json.dumps(reply(choices=[{"message": {"content": [{"text": None}, {"text": "a"}, "b"]}}])).encode(), "ab",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_reply_that_is_not_quite_one_is_stored_and_paid_once(name: str, tmp_path):
    body, text = BODIES[name]
    server = Careless(body)
    with server.running(), RunDir.open(tmp_path / "run") as run:
        backend = open_backend(TeacherOptions(model="m", base_url=server.url, timeout_seconds=5.0))
        report = ask_all(plan(2), run.sink("solve"), backend=backend, limits=FAST)
    assert (report.answered, report.retried, report.failed) == (2, 0, 0)
    assert set(server.charged.values()) == {1}
    with RunDir.read(tmp_path / "run") as run:
        held = list(run.completions("solve"))
    assert [completion.text for completion in held] == [text or "The answer is: 7"] * 2
    assert {completion.tokens_in for completion in held} == {0 if "count" in name else 3}


def test_a_whole_pair_is_kept_as_it_is():
    [found] = read_reply(plan(1), json.dumps(with_text("\U0001f600 \ud83d")).encode(), 0.0).completions
    assert found.text == "\U0001f600 ?"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"choices": 3}', b'{"choices": [{"text": {"a": 1}}]}', b"[" * 9999]
)
def test_what_holds_no_text_is_asked_for_again(body):
    with pytest.raises(TransientError, match="not what a chat server sends"):
        read_reply(plan(1), body, 0.0)


def test_a_line_of_a_batch_with_half_a_pair_is_stored_and_paid_once(tmp_path):
    server = Careless(json.dumps(with_text(TEXT)).encode(), Script(batch_seconds=0.05))
    with server.running(), RunDir.open(tmp_path / "run") as run:
        options = {"lines": 10, "batches": 2, "poll_seconds": 0.05}
        backend = open_backend(
            TeacherOptions(backend="openai_batch", model="m", base_url=server.url, settings=options)
        )
        report = ask_all(plan(5), run.sink("solve"), backend=backend, limits=FAST, stage="solve")
        assert (report.stopped, report.answered, report.retried) == ("done", 5, 0)
        assert [held.text for held in run.completions("solve")] == [KEPT] * 5
    assert set(server.charged.values()) == {1}


def test_a_result_file_with_a_broken_line_is_fetched_again_before_anything_is_asked_again(tmp_path):
    class Torn(Careless):
        downloads = 0

        async def content(self, request):
            self.downloads += 1
            response = await super().content(request)
            if self.downloads == 1:
                response.body = response.body[:-40]
            return response

    server = Torn(json.dumps(reply()).encode(), Script(batch_seconds=0.05))
    with server.running(), RunDir.open(tmp_path / "run") as run:
        backend = open_backend(
            TeacherOptions(backend="openai_batch", model="m", base_url=server.url, settings={"poll_seconds": 0.05})
        )
        report = ask_all(plan(5), run.sink("solve"), backend=backend, limits=FAST, stage="solve")
    assert (server.downloads, report.answered, report.retried) == (2, 5, 0)
    assert set(server.charged.values()) == {1}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
choices = st.fixed_dictionaries(
    {}, optional={"message": anything | st.fixed_dictionaries({"content": anything}), "text": anything,
                  "finish_reason": anything},
)  # fmt: skip
replies = st.fixed_dictionaries(
    {}, optional={"choices": anything | st.lists(choices, max_size=3), "model": anything, "usage": anything,
                  "error": anything},
)  # fmt: skip
GOOD = json.dumps(with_text(TEXT)).encode()


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A reply of any shape, a good one with bytes changed or cut off, or noise."""
    kind = draw(st.sampled_from(["shape", "changed", "cut", "noise"]))
    if kind == "shape":
        return json.dumps(draw(replies)).encode()
    if kind == "cut":
        return GOOD[: draw(st.integers(0, len(GOOD)))]
    if kind == "noise":
        return draw(st.binary(max_size=40))
    body = bytearray(GOOD)
    for place, byte in draw(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4)):
        body[place] = byte
    return bytes(body)


@examples(200)
@given(bodies())
@example(b'{"choices": [{"text": "a"}], "usage": {"prompt_tokens": 1e400}}')
def test_any_body_is_a_reply_that_can_be_stored_or_a_fault(body: bytes) -> None:
    assert isinstance(status_of(200, body), int)
    assert len(error_detail(body)) < 400
    try:
        found = read_reply(plan(2), body, 0.0).completions
    except TransientError:
        return
    for completion in found:
        assert msgspec.json.decode(msgspec.json.encode(completion), type=Completion) == completion
        assert completion.tokens_in >= 0


@examples(100)
@given(bodies(), st.sampled_from(["response", "body", "whole"]))
def test_any_line_of_a_result_file_is_a_reply_or_a_fault(body: bytes, place: str) -> None:
    inner = loose_object(body)
    shapes = {"response": {"response": inner}, "body": {"response": {"status_code": 200, "body": inner}}}
    status, data = result_of(shapes.get(place) or inner or {})
    try:
        if status != 200:
            raise error_for(status, data, {}, where="w", request=plan(1)[0], key_from="k")
        read_reply(plan(1), data, 0.0)
    except (TransientError, TeacherError):
        return
