"""Generate with openvino-genai in one thread: continuous batching, prefix caching, one seed per draw. No event loop.

The library holds the GIL during a step (one token for every sequence, or up to 256 prompt tokens), so other threads,
event loops included, run only between steps: every 50 to 400 ms.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mathstrap.backends.local.generation import EngineOptions, Generation, GenerationRequest, Precision, cut_at_stop
from mathstrap.backends.local.int8 import int8_model
from mathstrap.errors import InputError, TeacherError, TransientError, missing_extra

# The architectures that openvino-genai can read from a GGUF file.
ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3"})
# Tokens that end a reply, because a file names only one end token.
_END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>", "</s>")
# Prompts that share this many tokens share a prefix worth waiting for: few-shot examples, a long system message.
_HEAD_TOKENS = 64


@dataclass(kw_only=True)
class _Running:
    draw: GenerationRequest
    handle: Any
    tokens_in: int
    started: float
    followers: list[Sequence[GenerationRequest]]
    head: bytes
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
        precision = usable_precision(options.precision, options.num_threads)
        properties: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": precision,
            "KV_CACHE_PRECISION": precision,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",  # rounding activations to 8 bits would change greedy replies
        }
        if options.num_threads:
            properties["INFERENCE_NUM_THREADS"] = options.num_threads
        try:
            if options.weights == "int8":
                tokenizer = genai.Tokenizer(str(model_path))
                folder = str(int8_model(model_path))
                self._pipeline = genai.ContinuousBatchingPipeline(folder, tokenizer, schedule, "CPU", **properties)
            else:
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
        self._inbox: queue.SimpleQueue[Sequence[GenerationRequest] | None] = queue.SimpleQueue()
        self._running: list[_Running] = []
        # Heads whose first prompt is being computed, with the prompts that wait for it; and finished heads.
        self._waiting: dict[bytes, list[Sequence[GenerationRequest]]] = {}
        self._computed: set[bytes] = set()
        self._ids = itertools.count()
        self._thread = threading.Thread(target=self._run, name="mathstrap-openvino", daemon=True)
        self._thread.start()

    def submit(self, draws: Sequence[GenerationRequest]) -> None:
        """Take the draws of one prompt; each future gets its Generation. A cancelled future stops its draw."""
        self._inbox.put(draws)

    def close(self) -> None:
        """Stop the running draws, end the thread and free the memory."""
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
        self._give_up()

    def _receive(self) -> bool:
        """Start the submitted draws, and wait for some if nothing runs; False when closed."""
        while True:
            try:
                draws = self._inbox.get(block=not self._running)
            except queue.Empty:
                return True
            if draws is None:
                return False
            self._start(draws)

    def _start(self, draws: Sequence[GenerationRequest]) -> None:
        """Start the first draw that was not cancelled; the others wait until its prompt is in the prefix cache."""
        draws = [draw for draw in draws if not draw.future.cancelled()]
        if not draws:
            return
        draw = draws[0]
        try:
            ids = self._tokenizer.encode(self._prompt_of(draw), add_special_tokens=draw.raw is not None).input_ids
            head = ids.data[0, :_HEAD_TOKENS].tobytes()
            if head in self._waiting:
                self._waiting[head].append(draws)
                return
            tokens_in = int(ids.shape[1])
            room = self._context_tokens - tokens_in
            if room <= 0:
                for each in draws:
                    each.settle(Generation(text="", finish_reason="length", tokens_in=tokens_in))
                return
            handle = self._pipeline.add_request(next(self._ids), ids, self._config(draw, room))
        except RuntimeError as error:
            refusal = TeacherError(f"The embedded engine refuses a request: {_first_line(error)}. Check its sampling.")
            for each in draws:
                each.settle(refusal)
            return
        if head not in self._computed:
            self._waiting[head] = []
        running = _Running(
            draw=draw, handle=handle, tokens_in=tokens_in, started=time.monotonic(), head=head,
            followers=[[each] for each in draws[1:]],
        )  # fmt: skip
        self._running.append(running)

    def _prompt_of(self, draw: GenerationRequest) -> str:
        if draw.raw is not None:
            return draw.raw
        return str(self._tokenizer.apply_chat_template(list(draw.messages), add_generation_prompt=True))

    def _config(self, draw: GenerationRequest, room: int) -> Any:
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
            if sampling.top_k:
                config.top_k = sampling.top_k
            if sampling.min_p:
                config.min_p = sampling.min_p
            config.rng_seed = draw.seed
        if sampling.repetition_penalty != 1.0:
            config.repetition_penalty = sampling.repetition_penalty
        if sampling.stop:
            config.stop_strings = set(sampling.stop)
            config.include_stop_str_in_output = True  # without it, text before the stop in the same token is lost
        return config

    def _is_over(self, running: _Running) -> bool:
        if running.draw.future.cancelled():
            running.handle.cancel()
            self._release(running, is_computed=False)
            return True
        finished = bool(running.handle.get_status() != self._genai.GenerationStatus.RUNNING)
        while running.handle.can_read():
            for piece in running.handle.read().values():
                running.tokens += piece.generated_ids
                running.reason = piece.finish_reason
        if running.tokens or finished:
            self._release(running, is_computed=bool(running.tokens))
        if finished:
            self._settle(running)
        return finished

    def _release(self, running: _Running, *, is_computed: bool) -> None:
        """Start the draws that waited for this prompt or for its head."""
        if is_computed:
            self._computed.add(running.head)
        for draws in (*running.followers, *self._waiting.pop(running.head, ())):
            self._inbox.put(draws)
        running.followers = []

    def _settle(self, running: _Running) -> None:
        reasons = self._genai.GenerationFinishReason
        ids = running.tokens
        text = self._tokenizer.decode(ids) if ids else ""
        text, was_cut = cut_at_stop(text, running.draw.sampling.stop)
        stopped = was_cut or running.reason == reasons.STOP
        running.draw.settle(
            Generation(
                text=text,
                finish_reason="stop" if stopped else "length",
                tokens_in=running.tokens_in,
                tokens_out=len(ids),
                seconds=time.monotonic() - running.started,
            ),
        )

    def _fail(self, error: Exception) -> None:
        for draw in self._drop_all():
            draw.settle(error)

    def _give_up(self) -> None:
        for draw in self._drop_all():
            draw.future.cancel()
        if self._pipeline.has_non_finished_requests():
            self._pipeline.step()  # frees the cancelled requests, or the library complains on stderr
        del self._pipeline, self._tokenizer

    def _drop_all(self) -> list[GenerationRequest]:
        """Cancel the running draws and return every draw without a reply."""
        left: list[GenerationRequest] = []
        for running in self._running:
            running.handle.cancel()
            left += [running.draw, *itertools.chain(*running.followers)]
        for draws in itertools.chain(*self._waiting.values()):
            left += draws
        self._running.clear()
        self._waiting.clear()
        return left


def usable_precision(wanted: Precision, num_threads: int) -> Precision:
    """Return f32 where bf16 would be slower or crash the process; `num_threads` 0 is one for each core.

    In bf16, the library's fused feed-forward layer divides its work by half the number of threads, which is zero for
    one thread: a SIGFPE (openvinotoolkit/openvino issues 28550 and 33300, open).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return "bf16" if wanted == "bf16" and min(num_threads or cores, cores) >= 2 and has_bf16() else "f32"


def has_bf16() -> bool:
    """Say whether this CPU multiplies bf16 natively; emulated bf16 is slower than f32."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
