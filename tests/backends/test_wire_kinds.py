"""More of what servers send: bodies in odd wrappings, choices in odd shapes, errors in odd words."""

from __future__ import annotations

import gzip

import pytest

from fake_server import FakeServer, Script, Wire
from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.backends.served.chat import read_reply
from mathstrap.backends.served.fault import error_for, status_of
from mathstrap.backends.served.loose import encode_json
from mathstrap.backends.served.unpack import unpacked
from mathstrap.engine.ask import Limits, ask_all
from mathstrap.errors import TeacherError, TransientError
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request
from mathstrap.types import Message, Sampling
from wire_rows import ENDS, FAULTS, ROWS, body, choice

FAST = Limits(backoff_seconds=0.01, backoff_max_seconds=0.05, adapt=False)
TOGETHER = {name: row for name, row in ROWS.items() if row.does != "ends" and row.wait is None}
WIRED = {name: row for name, row in TOGETHER.items() if isinstance(row.sent, Wire)}  # each closes its connection
ALONE = {name: row for name, row in ROWS.items() if row.does == "ends"}


def asked(prompt):
    return request(id=f"{prompt}#0", model="thinker", messages=(Message("user", prompt),), sampling=Sampling())


def run(rows, path):
    """Ask for rows in one run, each of them a prompt; return replies, calls and events by prompt."""
    script = Script(answers={name: [row.sent] for name, row in rows.items()})
    with FakeServer(script).running() as server, RunDir.open(path / "run") as folder:
        teacher = open_backend(TeacherOptions(model="thinker", base_url=server.url, timeout_seconds=60.0))
        events = []
        plan = [asked(name) for name in (*rows, *(f"plain {number}" for number in range(len(rows) // 2)))]
        ask_all(plan, folder.sink("solve"), backend=teacher, limits=FAST, events=events.append)
    with RunDir.read(path / "run") as held:
        replies = {reply.request.removesuffix("#0"): reply for reply in held.completions("solve")}
    details = {event.id.removesuffix("#0"): event for event in events if event.kind in ("retried", "refused")}
    return replies, server.attempts, details


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    return run({name: row for name, row in TOGETHER.items() if name not in WIRED}, tmp_path_factory.mktemp("wire"))


@pytest.mark.parametrize("name", TOGETHER)
def test_what_comes_over_the_wire_is_taken_for_what_it_is(name, together, tmp_path):
    row = TOGETHER[name]
    replies, attempts, details = run({name: row}, tmp_path) if name in WIRED else together
    reply = replies[name]
    assert attempts[name] == (2 if row.does == "asks again" else 1)
    if row.does == "stores":
        assert name not in details
        assert (reply.text.strip(), reply.reasoning.strip(), reply.finish_reason) == (row.text, row.thought, row.finish)
        assert row.reads in reply.ended
        if row.tokens is not None:
            assert (reply.tokens_in, reply.tokens_out, reply.tokens_reasoning) == row.tokens
        return
    assert row.reads in details[name].detail
    if row.does == "refuses":
        assert (details[name].kind, reply.finish_reason, reply.text) == ("refused", "prompt_refused", "")
    else:
        assert (details[name].kind, reply.text[:12]) == ("retried", "Step by step")


@pytest.mark.parametrize("name", ALONE)
def test_a_fault_that_stays_ends_the_run_at_once_and_says_what_to_do(name, tmp_path):
    with FakeServer(Script(always=ALONE[name].sent)).running() as server, RunDir.open(tmp_path / "run") as run:
        teacher = open_backend(TeacherOptions(model="thinker", base_url=server.url, timeout_seconds=60.0))
        with pytest.raises(TeacherError) as caught:
            ask_all([asked("a")], run.sink("solve"), backend=teacher, limits=FAST)
    assert ALONE[name].reads in str(caught.value)
    assert server.calls == 1


@pytest.mark.parametrize("name", [name for name, row in FAULTS.items() if row.wait is not None])
def test_a_wait_is_read_wherever_it_is_said(name):
    sent = FAULTS[name].sent
    status, data, *rest = sent if isinstance(sent, tuple) else (200, sent)
    raw = data if isinstance(data, bytes) else encode_json(data)
    headers = {key.lower(): value for key, value in (rest[0] if rest else {}).items()}
    error = error_for(status_of(status, raw), raw, headers, where="w", request=asked("a"), key_from="k")
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds == pytest.approx(FAULTS[name].wait)


@pytest.mark.parametrize("word", ENDS)
def test_a_servers_word_for_the_end_is_read_however_it_is_written(word):
    data = encode_json(body(choice(finish=word)))
    if ENDS[word] is None:
        with pytest.raises(TransientError, match="finish_reason"):
            read_reply([asked("a")], data, 0.0)
        return
    [reply] = read_reply([asked("a")], data, 0.0).completions
    assert reply.finish_reason == ENDS[word]
    assert reply.ended in (word, "")


@pytest.mark.parametrize(
    ("more", "finish"),
    [
        ({"native_finish_reason": "MAX_TOKENS"}, "length"), ({"native_finish_reason": "SAFETY"}, "content_filter"),
        ({"native_finish_reason": "completed"}, "stop"), ({"finish_reason": {"type": "stop"}}, "stop"),
        ({"finish_reason": ["stop"]}, "stop"), ({"stop_reason": 151645}, "stop"),
        ({"finish_reason": "length", "native_finish_reason": "stop"}, "length"),
    ],
)  # fmt: skip
def test_the_end_is_read_from_where_a_gateway_left_it(more, finish):
    [reply] = read_reply([asked("a")], encode_json(body({**choice(), **more})), 0.0).completions
    assert reply.finish_reason == finish


def test_a_small_body_that_unpacks_to_a_large_one_is_refused_before_it_fills_the_memory():
    with pytest.raises(TransientError, match="longer than 1,000 bytes"):
        unpacked(gzip.compress(b" " * 1_000_000), most=1000)
    assert unpacked(gzip.compress(b" " * 1000), most=1000) == b" " * 1000
