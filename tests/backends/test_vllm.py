"""The vLLM teacher's settings; the engine itself is tried where vLLM is installed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

import mathstrap
from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.backends.vllm import read_settings
from mathstrap.errors import InputError, MissingExtraError, TeacherError
from mathstrap.problems.load import SeedsOptions, load_problems


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"dtype": "bfloat16"}, "go under engine_args"),
        ({"tensor_parallel_size": 0}, "whole number of at least 1"),
        ({"data_parallel_size": "two"}, "whole number of at least 1"),
        ({"engine_args": ["dtype"]}, "expected names with values"),
    ],
)
def test_wrong_settings_are_refused_with_a_sentence(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        read_settings(settings)
    assert sentence in str(caught.value)


def test_a_teacher_without_a_model_is_refused() -> None:
    with pytest.raises(InputError, match="needs a model"):
        open_backend(TeacherOptions(backend="vllm"))


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_the_error_names_the_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"mathstrap\[vllm\]"):
        open_backend(TeacherOptions(backend="vllm", model="some/model"))


class Dying:
    """As much of vLLM as a teacher calls; it refuses the second request and dies at the third."""

    errored = False
    model_config = SimpleNamespace(max_model_len=100)

    @classmethod
    def from_engine_args(cls, arguments):
        cls.arguments = arguments
        return cls()

    def get_tokenizer(self):
        def tokenizer(text, add_special_tokens=True):
            return SimpleNamespace(input_ids=list(text.encode()))

        tokenizer.apply_chat_template = lambda messages, **_: messages[0]["content"]
        return tokenizer

    async def generate(self, prompt, params, request_id):
        if request_id.endswith("-2"):
            raise type("VLLMValidationError", (type("VLLMClientError", (Exception,), {}),), {})("no such thing")
        if request_id.endswith("-3"):
            type(self).errored = True
            raise type("EngineDeadError", (Exception,), {})("EngineCore encountered an issue.")
        yield SimpleNamespace(outputs=[SimpleNamespace(text="4", token_ids=[0], finish_reason="stop")])

    def shutdown(self):
        pass


def test_sizes_are_passed_through_and_what_vllm_raises_reaches_who_waits(monkeypatch):
    from vllm_asks import ask, requests_for

    modules = {
        "vllm": {"SamplingParams": dict},
        "vllm.sampling_params": {"RequestOutputKind": SimpleNamespace(FINAL_ONLY=1)},
        "vllm.engine.arg_utils": {"AsyncEngineArgs": dict},
        "vllm.v1.engine.async_llm": {"AsyncLLM": Dying},
    }
    for name, values in modules.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    settings = {"tensor_parallel_size": 2, "data_parallel_size": 4, "engine_args": {"dtype": "bfloat16"}}
    backend = open_backend(TeacherOptions(backend="vllm", model="some/model", settings=settings))
    assert Dying.arguments.items() >= {"tensor_parallel_size": 2, "data_parallel_size": 4, "dtype": "bfloat16"}.items()
    assert backend.max_in_flight == 4 * 256
    assert [reply.text for reply in asyncio.run(ask(backend, requests_for(["2 + 2?"], {}, "a")))] == ["4"]
    with pytest.raises(TeacherError, match="refuses a request: no such thing"):
        asyncio.run(asyncio.wait_for(ask(backend, requests_for(["2 + 2?"], {}, "b")), 20))
    with pytest.raises(TeacherError, match=r"engine has died: EngineCore .* run the same command"):
        asyncio.run(asyncio.wait_for(ask(backend, requests_for(["3 + 3?"], {}, "c")), 20))
    asyncio.run(backend.close())


# The engine itself, in a Python that has it

PYTHON = os.environ.get("MATHSTRAP_VLLM_PYTHON", "")
with_vllm = pytest.mark.skipif(
    not PYTHON, reason="needs MATHSTRAP_VLLM_PYTHON: a Python with vllm or vllm-cpu, and what Mathstrap's base needs"
)
# On a CPU the "GPU memory" is the machine's; vLLM takes 92 % of it unless told otherwise.
ENGINE_ARGS = {"dtype": "float32", "enforce_eager": True, "gpu_memory_utilization": 0.12}
QUESTIONS = [problem.question for problem in load_problems(SeedsOptions(source="bundled:gsm8k", limit=8)).problems]
SOURCES = str(Path(mathstrap.__file__).parents[1])
ASKS = Path(__file__).parents[1] / "support" / "vllm_asks.py"


def environment() -> dict[str, str]:
    # vLLM would keep one of two cores for itself.
    return {"VLLM_CPU_NUM_OF_RESERVED_CPU": "0", **os.environ, "PYTHONPATH": SOURCES}


@pytest.fixture(scope="module")
def folder() -> str:
    pytest.importorskip("transformers", reason="writes the embedded model out for vLLM")
    from mathstrap.train.model import resolve_model

    return resolve_model("embedded")


def asked(folder: str, **changes: Any) -> dict[str, Any]:
    """Ask the questions greedily in a process with vLLM and return what it printed."""
    task = {"backend": "vllm", "model_path": folder, "n_ctx": 512, "questions": QUESTIONS} | changes
    task.setdefault("settings", {"engine_args": ENGINE_ARGS})
    ended = subprocess.run(
        [PYTHON, ASKS, json.dumps(task)], env=environment(), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-3000:]
    return dict(json.loads(ended.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def greedy(folder: str) -> list[str]:
    return list(asked(folder)["texts"])


def of_transformers(folder: str) -> list[str]:
    """Ask the questions greedily with transformers, in this process."""
    from vllm_asks import ask, requests_for

    backend = open_backend(TeacherOptions(backend="hf", model_path=folder, settings={"dtype": "float32"}))
    replies = asyncio.run(ask(backend, requests_for(QUESTIONS, {}, "question")))
    asyncio.run(backend.close())
    return [reply.text for reply in replies]


def num_equal(some: list[str], others: list[str]) -> int:
    return sum(one == other for one, other in zip(some, others, strict=True))


@pytest.mark.slow
@pytest.mark.timeout(900)
@with_vllm
def test_greedy_replies_are_those_of_transformers(folder, greedy):
    assert num_equal(greedy, of_transformers(folder)) >= len(QUESTIONS) - 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@with_vllm
def test_its_server_says_the_same_through_the_openai_backend(folder, greedy):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--model", folder, "--served-model-name", "small", "--port", str(port), "--max-model-len", "512"]
    arguments += ["--dtype", "float32", "--enforce-eager", "--gpu-memory-utilization", "0.12"]
    server = subprocess.Popen(
        [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", *arguments],
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 600
        while not answers(f"{url}/health"):
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < until
            time.sleep(1)
        served = asked("", backend="openai", model="small", model_path="", n_ctx=0, base_url=f"{url}/v1", settings={})
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
    assert num_equal(greedy, served["texts"]) >= len(QUESTIONS) - 1


@pytest.mark.slow
@pytest.mark.timeout(1200)
@with_vllm
@pytest.mark.parametrize("size", ["tensor_parallel_size", "data_parallel_size"])
def test_two_processes_say_what_transformers_says(tmp_path, size, monkeypatch):
    pytest.importorskip("transformers", reason="writes a model for vLLM")
    from tiny_llama import save_llama

    # Four heads of 64, which two processes can share, and weights so large that no two next tokens are close.
    folder = str(save_llama(tmp_path, hidden=256, initializer_range=0.3, tie_word_embeddings=False))
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0|1")  # else each process wants a NUMA node of its own
    texts = asked(folder, settings={size: 2, "engine_args": ENGINE_ARGS})["texts"]
    assert len(set(texts)) == len(QUESTIONS)
    assert num_equal(texts, of_transformers(folder)) >= len(QUESTIONS) - 1


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def of_session(leader: int) -> list[int]:
    """Return the processes, other than zombies, of the session that `leader` began."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
            found += [int(path.parent.name)] if int(session) == leader and state != "Z" else []
    return found


@pytest.mark.slow
@pytest.mark.timeout(3600)
@with_vllm
def test_a_run_is_killed_and_ends_with_every_reply_paid_once(folder, tmp_path):
    values = {
        "out": str(tmp_path),
        "seeds": {"source": "bundled:gsm8k", "limit": 8},
        "teacher": {
            "backend": "vllm", "model_path": folder, "n_ctx": 1024,
            "settings": {"num_sequences": 4, "engine_args": ENGINE_ARGS},
        },
        "prompts": {"shape": "tiny"},
        "methods": {"ans_aug": {"draws": 4}, "rephrase": {"count": 1}, "fobar": {"count": 1}},
        "rewriting": {"temperature": 0.6, "max_tokens": 60, "stop": ["\n"]},
        "solving": {"temperature": 0.6, "max_tokens": 60},
    }  # fmt: skip
    recipe = tmp_path / "run.yaml"
    recipe.write_text(yaml.safe_dump(values))
    command = [PYTHON, "-m", "mathstrap", "run", str(recipe), "--quiet"]
    replies = tmp_path / "run" / "completions-solve.jsonl"
    first = subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until = time.monotonic() + 1800
        while not (replies.exists() and replies.read_bytes().count(b"\n") >= 6):
            assert first.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.05)
        assert len(of_session(first.pid)) > 1  # the run, vLLM's engine, and on a CPU its worker
        first.kill()
        first.wait()
        until = time.monotonic() + 60
        while of_session(first.pid):
            assert time.monotonic() < until, "vLLM's processes outlive a run that is killed"
            time.sleep(0.2)
    finally:
        for pid in of_session(first.pid):
            os.kill(pid, signal.SIGKILL)
        first.wait()
    before = replies.read_bytes()
    before = before[: before.rfind(b"\n") + 1]
    second = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr[-3000:]
    assert replies.read_bytes().startswith(before)
    ids = [json.loads(line)["request"] for line in replies.read_text().splitlines()]
    assert len(ids) == len(set(ids)) > 30
    assert (tmp_path / "run" / "report.html").exists()
    third = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert third.returncode == 0
    assert len(replies.read_text().splitlines()) == len(ids)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@with_vllm
def test_a_run_with_vllm_as_an_actor_says_what_it_says_without_ray(folder, tmp_path):
    if subprocess.run([PYTHON, "-c", "import ray"], capture_output=True, check=False).returncode != 0:
        pytest.skip("the Python of MATHSTRAP_VLLM_PYTHON has no ray")
    values = {
        "out": str(tmp_path),
        "seeds": {"source": "bundled:gsm8k", "limit": 4},
        "teacher": {
            "backend": "vllm", "model_path": folder, "n_ctx": 512,
            # One at a time: the sums of a batch round otherwise, which can change even a greedy reply.
            "settings": {"num_sequences": 1, "engine_args": ENGINE_ARGS},
        },
        "prompts": {"shape": "tiny"},
        "methods": {"ans_aug": {"draws": 1}, "rephrase": {"count": 1}, "fobar": {"count": 1}},
        "rewriting": {"temperature": 0.0, "max_tokens": 24, "stop": ["\n"]},
        "solving": {"temperature": 0.0, "max_tokens": 24},
    }  # fmt: skip
    recipe = tmp_path / "run.yaml"
    recipe.write_text(yaml.safe_dump(values))

    def replies(name: str, engine: str) -> dict[str, str]:
        command = [PYTHON, "-m", "mathstrap", "run", str(recipe), "--quiet", f"name={name}", f"engine={engine}"]
        # Ray makes its workers nice, and then they do not get on beside other work.
        settings = environment() | {"RAY_worker_niceness": "0"}
        ended = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, (ended.stdout + ended.stderr)[-3000:]
        files = (tmp_path / name).glob("completions-*.jsonl")
        rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return {row["request"]: row["text"] for row in rows}

    alone = replies("alone", "local")
    assert len(alone) > 20
    assert replies("on-ray", "{teacher_gpus: 0}") == alone
