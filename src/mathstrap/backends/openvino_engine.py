"""Generate with openvino-genai in one thread: continuous batching, prefix caching, one seed per draw. No event loop.

The library holds Python's lock during a step (one token for every sequence, or up to 256 prompt tokens), so other
threads, an event loop's among them, run between steps: every 50 to 400 ms.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mathstrap.backends.generation import Draw, EngineOptions, Generation, cut_at_stop
from mathstrap.errors import InputError, TeacherError, TransientError, missing_extra

# What openvino-genai can build a model from.
ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3"})
# Tokens that end a reply, whatever the file names as its one end token.
_END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>", "</s>")


@dataclass(kw_only=True)
class _Running:
    draw: Draw
    handle: Any
    tokens_in: int
    started: float
    followers: list[Draw]
    tokens: list[int] = field(default_factory=list)
    reason: Any = None


class OpenVinoEngine:
    """A model and the thread that steps it. `submit` may be called from any thread."""

    def __init__(self, model_path: Path, options: EngineOptions) -> None:
        try:
            import openvino_genai as genai
        except ModuleNotFoundError as error:
            raise missing_extra("openvino-genai", "local") from error
        self._genai = genai
        self._context_tokens = options.context_tokens
        schedule = genai.SchedulerConfig()
        schedule.max_num_seqs = options.num_sequences
        schedule.cache_size = options.cache_gib
        schedule.enable_prefix_caching = True
        properties: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": options.precision,
            "KV_CACHE_PRECISION": options.precision,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",  # activations stay floating-point numbers
        }
        if options.num_threads:
            properties["INFERENCE_NUM_THREADS"] = options.num_threads
        try:
            self._pipeline = genai.ContinuousBatchingPipeline(str(model_path), schedule, "CPU", properties)
        except RuntimeError as error:
            raise InputError(
                f"{model_path}: openvino-genai cannot load this model: {_first_line(error)}. "
                'Set teacher.settings.engine to "llama.cpp", which reads every GGUF.'
            ) from error
        self._tokenizer = self._pipeline.get_tokenizer()
        vocabulary = self._tokenizer.get_vocab()
        known = (vocabulary.get(name.encode(), vocabulary.get(name)) for name in _END_TOKENS)
        self._end_tokens = {int(token) for token in known if token is not None}
        self._end_tokens.add(int(self._tokenizer.get_eos_token_id()))
        self._inbox: queue.SimpleQueue[Sequence[Draw] | None] = queue.SimpleQueue()
        self._running: list[_Running] = []
        self._ids = itertools.count()
        self._thread = threading.Thread(target=self._run, name="mathstrap-openvino", daemon=True)
        self._thread.start()

    def submit(self, draws: Sequence[Draw]) -> None:
        """Take the draws of one prompt; each future gets its Generation. A cancelled future stops its draw."""
        self._inbox.put(draws)

    def close(self) -> None:
        """Drop what runs, end the thread and give the memory back."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        while self._receive():
            try:
                self._pipeline.step()
            except RuntimeError as error:
                self._fail(TransientError(f"the embedded engine failed: {_first_line(error)}", kind="engine"))
                continue
            self._running = [running for running in self._running if not self._is_over(running)]
        for running in self._running:
            running.handle.cancel()
            for draw in (running.draw, *running.followers):
                draw.future.cancel()
        self._running.clear()
        del self._pipeline, self._tokenizer

    def _receive(self) -> bool:
        """Start what has been submitted, waiting for it if nothing runs; False when closed."""
        while True:
            try:
                draws = self._inbox.get(block=not self._running)
            except queue.Empty:
                return True
            if draws is None:
                return False
            # The first draw computes the prompt; the others wait for it and find it in the prefix cache.
            self._start(draws[0], list(draws[1:]))

    def _start(self, draw: Draw, followers: list[Draw]) -> None:
        if draw.future.cancelled():
            if followers:
                self._start(followers[0], followers[1:])
            return
        try:
            ids = self._tokenizer.encode(self._prompt_of(draw), add_special_tokens=draw.raw is not None).input_ids
            tokens_in = int(ids.shape[1])
            room = self._context_tokens - tokens_in
            if room <= 0:
                for each in (draw, *followers):
                    _finish(each.future, Generation(text="", finish_reason="length", tokens_in=tokens_in))
                return
            handle = self._pipeline.add_request(next(self._ids), ids, self._config(draw, room))
        except RuntimeError as error:
            refusal = TeacherError(f"The embedded engine refuses a request: {_first_line(error)}. Check its sampling.")
            for each in (draw, *followers):
                _refuse(each.future, refusal)
            return
        self._running.append(
            _Running(draw=draw, handle=handle, tokens_in=tokens_in, started=time.monotonic(), followers=followers)
        )

    def _prompt_of(self, draw: Draw) -> str:
        if draw.raw is not None:
            return draw.raw
        return str(self._tokenizer.apply_chat_template(list(draw.messages), add_generation_prompt=True))

    def _config(self, draw: Draw, room: int) -> Any:
        sampling = draw.sampling
        config = self._genai.GenerationConfig()
        config.apply_chat_template = False
        config.max_new_tokens = min(sampling.max_tokens, room)
        config.stop_token_ids = self._end_tokens
        config.eos_token_id = min(self._end_tokens)
        config.do_sample = sampling.temperature > 0
        if config.do_sample:
            config.temperature = sampling.temperature
            config.top_p = sampling.top_p
            config.rng_seed = draw.seed
        if sampling.stop:
            config.stop_strings = set(sampling.stop)
            config.include_stop_str_in_output = True  # without it, text before the stop in the same token is lost
        return config

    def _is_over(self, running: _Running) -> bool:
        if running.draw.future.cancelled():
            running.handle.cancel()
            if running.followers:
                self._start_later(running)
            return True
        finished = bool(running.handle.get_status() != self._genai.GenerationStatus.RUNNING)
        while running.handle.can_read():
            for piece in running.handle.read().values():
                running.tokens += piece.generated_ids
                running.reason = piece.finish_reason
        if running.followers and (running.tokens or finished):
            self._start_later(running)
        if finished:
            self._settle(running)
        return finished

    def _start_later(self, running: _Running) -> None:
        for draw in running.followers:
            self._inbox.put([draw])
        running.followers = []

    def _settle(self, running: _Running) -> None:
        reasons = self._genai.GenerationFinishReason
        ids = running.tokens
        text = self._tokenizer.decode(ids) if ids else ""
        text, was_cut = cut_at_stop(text, running.draw.sampling.stop)
        stopped = was_cut or running.reason == reasons.STOP
        _finish(
            running.draw.future,
            Generation(
                text=text,
                finish_reason="stop" if stopped else "length",
                tokens_in=running.tokens_in,
                tokens_out=len(ids),
                seconds=time.monotonic() - running.started,
            ),
        )

    def _fail(self, error: Exception) -> None:
        for running in self._running:
            running.handle.cancel()
            for draw in (running.draw, *running.followers):
                _refuse(draw.future, error)
        self._running.clear()


def _finish(future: Future[Generation], generation: Generation) -> None:
    # Cancelled between the check and here: nobody waits for it.
    if future.set_running_or_notify_cancel():
        future.set_result(generation)


def _refuse(future: Future[Generation], error: Exception) -> None:
    if future.set_running_or_notify_cancel():
        future.set_exception(error)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
