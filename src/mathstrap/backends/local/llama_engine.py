"""Generate with llama.cpp through xllamacpp: every GGUF it supports, continuous batching in slots. No event loop.

Its wheel uses AVX2 at most, and rounds activations to 8 bits where weights are quantised, so greedy replies differ from
those of floating-point engines (docs/teachers.md has the numbers).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mathstrap.backends.local.generation import EngineOptions, Generation, GenerationRequest
from mathstrap.errors import InputError, TransientError, missing_extra

_TOO_LONG = "exceed_context_size_error"
_SEED_BITS = 0x7FFFFFFF  # llama.cpp reads 32 bits and the highest value asks it for a random seed


class LlamaEngine:
    """A model in llama.cpp's server, called in process; one thread waits for each reply."""

    def __init__(self, model_path: Path, options: EngineOptions) -> None:
        try:
            import xllamacpp
        except ModuleNotFoundError as error:
            raise missing_extra("xllamacpp", "local") from error
        params = xllamacpp.CommonParams()
        params.model.path = str(model_path)
        params.n_parallel = options.num_sequences
        params.n_ctx = options.context_tokens * options.num_sequences
        if options.num_threads:
            params.cpuparams.n_threads = options.num_threads
            params.cpuparams_batch.n_threads = options.num_threads
        params.verbosity = -1
        params.warmup = False
        params.fit_params = False
        params.cache_ram_mib = 0  # idle prompts stay in their slots, so copies in memory bring nothing
        try:
            self._server = xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{model_path}: llama.cpp cannot load this model: {error}.") from error
        self._context_tokens = options.context_tokens
        self._threads = ThreadPoolExecutor(options.num_sequences, thread_name_prefix="mathstrap-llama")
        self._closed = False

    def submit(self, draws: Sequence[GenerationRequest]) -> None:
        """Take the draws of one prompt; each future gets its Generation. A cancelled future stops its draw."""
        for draw in draws:
            self._threads.submit(self._generate, draw)

    def close(self) -> None:
        """Stop the running draws, end the threads and unload the model."""
        self._closed = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        del self._server

    def _generate(self, draw: GenerationRequest) -> None:
        if draw.future.cancelled():
            return
        started = time.monotonic()
        chunks: list[dict[str, Any]] = []
        error: dict[str, Any] = {}

        def take(chunk: dict[str, Any]) -> bool:
            if "error" in chunk:
                error.update(chunk["error"])
            else:
                chunks.append(chunk)
            return self._closed or draw.future.cancelled()

        call = self._server.handle_completions if draw.raw is not None else self._server.handle_chat_completions
        try:
            call(_body(draw, self._context_tokens), take)
        except (RuntimeError, ValueError) as failure:
            error["message"] = str(failure)
        if self._closed:
            draw.future.cancel()
        if error.get("type") == _TOO_LONG:
            draw.settle(Generation(text="", finish_reason="length", tokens_in=int(error.get("n_prompt_tokens", 0))))
        elif error:
            draw.settle(TransientError(f"llama.cpp: {error.get('message', error)}", kind="engine"))
        else:
            draw.settle(_read(chunks, time.monotonic() - started))


def _body(draw: GenerationRequest, context_tokens: int) -> dict[str, Any]:
    sampling = draw.sampling
    prompt: dict[str, Any] = {"prompt": draw.raw} if draw.raw is not None else {"messages": list(draw.messages)}
    return prompt | {
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repetition_penalty,
        # The whole context, as in the other engines, not the last 64 tokens; -1 says so only to older llama.cpp.
        "repeat_last_n": context_tokens,
        # Named explicitly, because llama.cpp's defaults also apply top_k 40 and min_p, which no request asked for.
        "samplers": [
            *(["penalties"] if sampling.repetition_penalty != 1.0 else []),
            *(["top_k"] if sampling.top_k else []),
            "temperature",
            "top_p",
            *(["min_p"] if sampling.min_p else []),
        ],
        "seed": draw.seed & _SEED_BITS,
        "stop": list(sampling.stop),
        "cache_prompt": True,
    }


def _read(chunks: Sequence[dict[str, Any]], seconds: float) -> Generation:
    parts: list[str] = []
    thoughts: list[str] = []
    reason = ""
    usage: dict[str, Any] = {}
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices", []):
            delta = choice.get("delta") or {}
            parts.append(choice.get("text") or delta.get("content") or "")
            thoughts.append(delta.get("reasoning_content") or "")
            reason = choice.get("finish_reason") or reason
    return Generation(
        text="".join(parts),
        thought="".join(thoughts),
        finish_reason="stop" if reason == "stop" else "length",
        tokens_in=int(usage.get("prompt_tokens", 0)),
        tokens_out=int(usage.get("completion_tokens", 0)),
        seconds=seconds,
    )
