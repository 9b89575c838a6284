"""The reward over HTTP, as OpenRLHF and NeMo-Gym ask for it, and what a careless client gets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys

import pytest

aiohttp = pytest.importorskip("aiohttp")
from aiohttp.test_utils import TestClient, TestServer  # noqa: E402

from mathstrap.share.serve import ServeOptions, make_app  # noqa: E402

RIGHT = "So \\boxed{18}."


def ask(*calls: tuple[str, object], options: ServeOptions | None = None) -> list[tuple[int, dict]]:
    """Post each body (None: a GET) to its path, in order, and return status and JSON."""

    async def go() -> list[tuple[int, dict]]:
        found = []
        async with TestClient(TestServer(make_app(options or ServeOptions()))) as client:
            for path, body in calls:
                if body is None:
                    answer = await client.get(path)
                else:
                    data = body if isinstance(body, bytes) else json.dumps(body).encode()
                    answer = await client.post(path, data=data)
                found.append((answer.status, json.loads(await answer.read())))
        return found

    return asyncio.run(go())


def test_openrlhf_gets_rewards_scores_and_logs():
    body = {
        "query": ["<user>9*2? say \\boxed{18}<assistant>\\boxed{17}", f"Q{RIGHT}", "Q3"],
        "prompts": ["<user>9*2? say \\boxed{18}<assistant>", "Q", "Q"], "labels": ["18", "18", None],
    }  # fmt: skip
    want = {"rewards": [0.0, 1.0, 0.0], "scores": [0.0, 1.0, 0.0], "extra_logs": {"reward_missing": [0.0, 0.0, 1.0]}}
    assert ask(("/get_reward", body), ("/reward", body)) == [(200, want), (200, want)]


@pytest.mark.parametrize(
    ("sent", "rewards", "missing"),
    [
        ({"query": ["Q \\boxed{18}"] * 2, "prompts": "Q", "labels": "18"}, [1.0, 1.0], [0.0, 0.0]),
        ({"query": ["Q \\boxed{18}"], "prompts": None, "labels": 18}, [1.0], [0.0]),
        ({"query": "Q \\boxed{18}", "labels": ["18"]}, [1.0], [0.0]),
        ({"query": ["\\boxed{18}"] * 2, "prompts": [""], "labels": ["18"]}, [1.0, 0.0], [0.0, 1.0]),
        ({"query": [1, None, {}, [[]]], "prompts": [None, 1, 2, 3], "labels": [1, 2, 3, 4]}, [0.0] * 4, [1.0] * 4),
        ({"query": [], "prompts": [], "labels": []}, [], []),
    ],
)  # fmt: skip
def test_openrlhf_columns_of_any_shape(sent, rewards, missing):
    ((status, found),) = ask(("/get_reward", sent))
    assert (status, found["rewards"], found["extra_logs"]["reward_missing"]) == (200, rewards, missing)


def test_json_as_python_writes_it_is_taken():
    nan = b'{"completions": ["The answer is: 4", "The answer is: 4"], "golds": [NaN, 4]}'
    half = b'{"completion": "\\ud800 The answer is: 4", "gold": "4"}'
    gym = b'{"response": "The answer is: \\ud800", "expected_answer": "4"}'
    (_, first), (_, second), (status, third) = ask(("/reward", nan), ("/reward", half), ("/verify", gym))
    assert first["rewards"] == [None, 1.0]
    assert second["reward"] == 1.0
    assert (status, third["response"]) == (200, "The answer is: \ud800")


def test_a_body_that_is_not_packed_as_it_says_is_refused():
    async def go() -> tuple[int, dict]:
        async with TestClient(TestServer(make_app(ServeOptions()))) as client:
            answer = await client.post("/reward", data=b"x" * 20, headers={"Content-Encoding": "gzip"})
            return answer.status, json.loads(await answer.read())

    status, found = asyncio.run(go())
    assert status == 400
    assert "cannot be received" in found["error"]


def test_nemo_gym_gets_its_request_back_with_a_reward():
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": RIGHT}]}
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "\\boxed{17}"}]}
    body = {"responses_create_params": {"input": []}, "response": {"output": [thought, message], "id": "r"},
            "question": "9*2?", "expected_answer": "18"}  # fmt: skip
    call = {"type": "function_call", "name": "python", "arguments": "{}"}
    (_, right), (_, called), (_, bare) = ask(
        ("/verify", body), ("/verify", body | {"response": {"output": [call]}}), ("/verify", {"response": None})
    )
    assert right == body | {
        "reward": 1.0, "extracted_answer": "18", "outcome": "correct", "reason": "the same number"
    }  # fmt: skip
    assert (called["reward"], called["outcome"]) == (0.0, "undecided")
    assert bare["reason"] == "the row has no ground truth"
    rest = ask(
        ("/seed_session", {}), ("/aggregate_metrics", {"verify_responses": [right, called]}), ("/reverify_mode", None)
    )
    assert rest[0] == (200, {})
    assert rest[1][1]["agent_metrics"] == {"mean/reward": 0.5}
    assert rest[2] == (200, "stateless")


def test_a_batch_a_pair_and_the_health_check():
    batch = {"completions": [RIGHT, "hm", None], "golds": ["18", "18", "18"]}
    (_, many), (_, one), (_, health) = ask(
        ("/reward", batch), ("/reward", {"completion": RIGHT, "gold": 18}), ("/health", None)
    )
    assert many["rewards"] == [1.0, 0.0, None]
    assert many["codes"] == ["correct", "no_answer", "no_reply"]
    assert one == {"reward": 1.0, "outcome": "correct", "code": "correct", "got": "18", "reason": "the same number"}
    assert health["status"] == "ok"
    assert health["scored"]["correct"] >= 2


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "not JSON"), (b"[1]", 400, "expected an object"), (b"\xff", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"), ({}, 400, 'expected "completions"'),
        ({"completions": ["a"], "golds": ["1", "2"]}, 400, "1 completions came with 2 golds"),
        ({"query": None}, 400, '"query" is missing'), (b"x" * 2_000_000, 413, "larger than 1 MiB"),
    ],
)  # fmt: skip
def test_a_careless_client_gets_a_sentence(body, status, message):
    ((found, answer),) = ask(("/reward", body), options=ServeOptions(max_mib=1))
    assert found == status
    assert message in answer["error"]


def test_the_verb_serves_until_it_is_stopped_and_counts():
    command = [sys.executable, "-m", "mathstrap", "serve-reward", "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        url = re.match(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert url

        async def go() -> dict:
            body = {"completion": RIGHT, "gold": "18"}
            async with aiohttp.ClientSession() as session, session.post(f"{url[0]}/reward", json=body) as answer:
                return await answer.json()

        assert asyncio.run(go())["reward"] == 1.0
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert "1 reply scored: 1 right" in said
