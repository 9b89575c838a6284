"""The vLLM teacher's settings; the engine itself is tried where vLLM is installed."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

import pytest

from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.backends.vllm import read_settings
from mathstrap.errors import InputError, MissingExtraError
from mathstrap.types import Message, Request, Sampling


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


@pytest.mark.slow
@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
def test_it_answers_from_two_event_loops() -> None:
    from mathstrap.train.model import resolve_model

    backend = open_backend(TeacherOptions(backend="vllm", model=resolve_model("embedded"), n_ctx=512))
    question = Request(
        id="p#0", key="k", model="", messages=(Message(role="user", content="What is 2+2?"),),
        sampling=Sampling(temperature=0, max_tokens=16),
    )  # fmt: skip
    first = asyncio.run(backend.ask([question]))[0]
    second = asyncio.run(backend.ask([question]))[0]
    assert first.text == second.text
    assert "4" in first.text
    asyncio.run(backend.close())
