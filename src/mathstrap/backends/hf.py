"""Generate with transformers in this process: for measuring a local checkpoint or adapter, not for speed.

Prompts are batched by length, longest first. Every draw has its own random numbers, so a reply depends neither on its
neighbours in the batch (except for rounding) nor on the order of the requests.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mathstrap.backends import TeacherOptions, checked_settings
from mathstrap.backends.local.embedded import EmbeddedTeacher
from mathstrap.backends.local.generation import Generation, GenerationRequest, cut_at_stop, prompt_tokens
from mathstrap.errors import InputError, TeacherError, TransientError, missing_extra
from mathstrap.types import Sampling

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
CHANNEL = "<|channel|>"
_POOL_BATCHES = 8  # batches' worth of prompts in flight, so that a batch finds prompts of similar length


@dataclass(frozen=True, kw_only=True)
class HfSettings:
    """The keys of `teacher.settings`.

    adapter      folder of a PEFT adapter, merged into the model
    batch_size   prompts per batch; 0 is 16 on a CPU and 64 on a GPU; halved when memory runs out
    dtype        auto is bfloat16 on a GPU and float32 on a CPU
    device       "cpu", "cuda", "cuda:1"; empty takes a GPU if there is one
    """

    adapter: str = ""
    batch_size: int = 0
    dtype: Dtype = "auto"
    device: str = ""


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    draw: GenerationRequest
    ids: list[int]
    opening: str = ""  # the mark of a thought that the chat template opens


class HfEngine:
    """A transformers model and the thread that runs its batches."""

    def __init__(self, model: Any, tokenizer: Any, *, batch_size: int, context_tokens: int) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._context_tokens = context_tokens
        self._inbox: queue.SimpleQueue[Sequence[GenerationRequest] | None] = queue.SimpleQueue()
        self._waiting: list[_Waiting] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="mathstrap-hf", daemon=True)
        self._thread.start()

    def submit(self, draws: Sequence[GenerationRequest]) -> None:
        """Take the draws of one prompt; each future gets its Generation. A cancelled future is skipped."""
        self._inbox.put(draws)

    def close(self) -> None:
        """Stop after the current step, end the thread and free the memory."""
        self._closed = True
        self._inbox.put(None)
        self._thread.join()
        for waiting in self._waiting:
            waiting.draw.future.cancel()
        del self._model

    def _run(self) -> None:
        import torch

        while self._receive():
            batch = self._take_batch()
            if not batch:
                continue
            try:
                with torch.inference_mode():
                    self._generate(batch)
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                self._smaller(batch)
            except RuntimeError as error:
                for waiting in batch:
                    waiting.draw.settle(TransientError(f"transformers failed: {error}", kind="engine"))

    def _receive(self) -> bool:
        """Collect the submitted draws; waits if there is nothing to do. False when closed."""
        wait: float | None = None if not self._waiting else 0.0
        while True:
            try:
                draws = self._inbox.get(timeout=wait) if wait != 0.0 else self._inbox.get_nowait()
            except queue.Empty:
                return not self._closed
            if draws is None:
                return False
            for draw in draws:
                self._accept(draw)
            # The first prompts of a burst wait a moment for their neighbours.
            wait = 0.02 if len(self._waiting) < self._batch_size * _POOL_BATCHES else 0.0

    def _accept(self, draw: GenerationRequest) -> None:
        if draw.raw is None and not getattr(self._tokenizer, "chat_template", None):
            draw.settle(
                TeacherError(
                    "This model has no chat template, and the prompt is a chat. Choose prompts that are plain text, "
                    "or save a chat template with the model's tokenizer."
                )
            )
            return
        try:
            ids, opening = prompt_tokens(draw, self._tokenizer)
        except TeacherError as error:
            draw.settle(error)
            return
        if len(ids) >= self._context_tokens:
            draw.settle(Generation(text="", finish_reason="length", tokens_in=len(ids)))
        else:
            self._waiting.append(_Waiting(draw=draw, ids=ids, opening=opening))

    def _take_batch(self) -> list[_Waiting]:
        """Return the longest prompts that share their sampling settings."""
        self._waiting = [waiting for waiting in self._waiting if not waiting.draw.future.cancelled()]
        self._waiting.sort(key=lambda waiting: len(waiting.ids), reverse=True)
        if not self._waiting:
            return []
        sampling = self._waiting[0].draw.sampling
        batch = [waiting for waiting in self._waiting if waiting.draw.sampling == sampling][: self._batch_size]
        taken = {id(waiting) for waiting in batch}
        self._waiting = [waiting for waiting in self._waiting if id(waiting) not in taken]
        return batch

    def _smaller(self, batch: list[_Waiting]) -> None:
        if len(batch) == 1:
            batch[0].draw.settle(
                TeacherError(
                    f"The memory does not hold one prompt of {len(batch[0].ids)} tokens. Use a smaller model, "
                    "a lower max_tokens or teacher.settings.dtype=bfloat16."
                )
            )
            return
        self._batch_size = max(1, len(batch) // 2)
        self._waiting += batch

    def _generate(self, batch: list[_Waiting]) -> None:
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        started = time.monotonic()
        sampling = batch[0].draw.sampling
        device = self._model.device
        longest = max(len(waiting.ids) for waiting in batch)
        pad = self._tokenizer.pad_token_id
        pad = self._tokenizer.eos_token_id if pad is None else pad
        rows = [[pad] * (longest - len(waiting.ids)) + waiting.ids for waiting in batch]
        mask = [[0] * (longest - len(waiting.ids)) + [1] * len(waiting.ids) for waiting in batch]
        num_tokens = min(sampling.max_tokens, self._context_tokens - longest)
        more: dict[str, Any] = {}
        if sampling.temperature > 0:
            seeds = [waiting.draw.seed for waiting in batch]
            chosen = draw_by_row(seeds, num_tokens, sampling)
            more["logits_processor"] = LogitsProcessorList([chosen])
        if sampling.repetition_penalty != 1.0:
            more["repetition_penalty"] = sampling.repetition_penalty
        if sampling.stop:
            more |= {"stop_strings": list(sampling.stop), "tokenizer": self._tokenizer}

        def is_abandoned(ids: Any, _: Any) -> Any:
            over = self._closed or all(waiting.draw.future.cancelled() for waiting in batch)
            return torch.full((ids.shape[0],), over, dtype=torch.bool, device=ids.device)

        # do_sample=False even when sampling: the logits processor has drawn the token, by the row's own seed.
        output = self._model.generate(
            torch.tensor(rows, device=device), attention_mask=torch.tensor(mask, device=device),
            max_new_tokens=num_tokens, do_sample=False, num_beams=1,
            temperature=None, top_p=None, top_k=None, pad_token_id=pad, **more,
            stopping_criteria=StoppingCriteriaList([is_abandoned]),
        )[:, longest:].tolist()  # fmt: skip
        seconds = time.monotonic() - started
        ends = self._model.generation_config.eos_token_id
        ends = set(ends) if isinstance(ends, list) else {ends}
        for waiting, ids in zip(batch, output, strict=True):
            waiting.draw.settle(self._read(waiting, ids, ends, seconds))

    def _read(self, waiting: _Waiting, ids: list[int], ends: set[int], seconds: float) -> Generation:
        last = next((place for place, token in enumerate(ids) if token in ends), None)
        tokens = ids if last is None else ids[: last + 1]
        # The channels of gpt-oss are special tokens, and they alone separate its thought from the text that follows.
        has_channels = self._tokenizer.convert_tokens_to_ids(CHANNEL) in tokens
        shown = tokens[:-1] if has_channels and last is not None else tokens
        text = self._tokenizer.decode(shown, skip_special_tokens=not has_channels)
        text, was_cut = cut_at_stop(text, waiting.draw.sampling.stop)
        return Generation(
            text=waiting.opening + text,
            finish_reason="stop" if was_cut or last is not None else "length",
            tokens_in=len(waiting.ids),
            # Rows that reached a stop string are padded with the end token.
            tokens_out=len(tokens) - (was_cut and last is not None),
            seconds=seconds,
        )


def draw_by_row(seeds: Sequence[int], num_tokens: int, sampling: Sampling) -> Any:
    """Return a logits processor that leaves each row one token, drawn by the row's own seed; scores (B, V).

    It can be called `num_tokens` times. The token is where the cumulative probability passes a uniform number: one
    number per row and token, because noise for the whole vocabulary would cost more than the model.
    """
    import torch

    rows = [torch.rand(num_tokens, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    columns = iter(torch.stack(rows, dim=1).unsqueeze(2))

    def process(_: Any, scores: Any) -> Any:
        chances = (scores.float() / sampling.temperature).softmax(-1)
        if 0 < sampling.top_k < chances.shape[-1]:
            least = chances.topk(sampling.top_k, dim=-1).values[:, -1:]
            chances = chances.masked_fill(chances < least, 0.0)
        if sampling.min_p > 0:
            least = sampling.min_p * chances.max(dim=-1, keepdim=True).values
            chances = chances.masked_fill(chances < least, 0.0)
        if sampling.top_p < 1:
            if sampling.top_k or sampling.min_p:
                chances = chances / chances.sum(dim=-1, keepdim=True)
            ordered, places = chances.sort(dim=-1, descending=True)
            beyond = ordered.cumsum(-1) - ordered >= sampling.top_p
            chances = chances.masked_fill(beyond.scatter(1, places, beyond), 0.0)
        # In double precision, a number below 1 stays below the sum, so a token of probability 0 is never drawn.
        sums = chances.cumsum(-1, dtype=torch.float64)
        drawn = torch.searchsorted(sums, next(columns).to(sums.device) * sums[:, -1:], right=True)
        return torch.full_like(scores, -torch.inf).scatter(1, drawn, 0.0)

    return process


def check_options(options: TeacherOptions) -> None:
    """Raise InputError for a wrong setting."""
    checked_settings(HfSettings, options.settings)


def open_teacher(options: TeacherOptions) -> EmbeddedTeacher:
    """Load the checkpoint that `options` names: a folder, a hub name, a GGUF file, or the embedded model ("")."""
    settings = checked_settings(HfSettings, options.settings)
    try:
        import torch
        import transformers  # noqa: F401 - named where it is missing

        from mathstrap.hub.weights import load_causal_model, load_generation_config_of, load_tokenizer_of
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "train") from error
    name = options.model_path or options.model
    where: dict[str, Any] = {}
    if name in {"", "embedded"} or name.endswith(".gguf"):
        from mathstrap.backends.local.gguf import find_model

        path = find_model(name)
        name, where = str(path.parent), {"gguf_file": path.name}
    device = settings.device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = settings.dtype if settings.dtype != "auto" else ("float32" if device == "cpu" else "bfloat16")
    try:
        tokenizer = load_tokenizer_of(name, **where)
        model = load_causal_model(name, dtype=getattr(torch, dtype), **where)
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: transformers cannot load this model: {error}") from error
    if settings.adapter:
        model = with_adapter(model, settings.adapter)
        if (Path(settings.adapter) / "generation_config.json").is_file():
            # An adapter trained with a chat template ends its turns with another token than its base model.
            model.generation_config = load_generation_config_of(settings.adapter)
    if options.threads:
        torch.set_num_threads(options.threads)
    if where and tokenizer.eos_token_id is not None:
        model.generation_config.eos_token_id = tokenizer.eos_token_id
    model = model.to(device).eval()
    batch_size = settings.batch_size or (16 if device == "cpu" else 64)
    context = options.n_ctx or int(getattr(model.config, "max_position_embeddings", 0) or 4096)
    engine = HfEngine(model, tokenizer, batch_size=batch_size, context_tokens=context)
    label = options.model or Path(name).name
    return EmbeddedTeacher(engine, model=label, max_in_flight=options.max_in_flight or batch_size * _POOL_BATCHES)


def with_adapter(model: Any, folder: str) -> Any:
    """Return the model with a PEFT adapter merged into its weights; raises InputError if there is none."""
    try:
        import peft  # noqa: F401 - named where it is missing
    except ModuleNotFoundError as error:
        raise missing_extra("peft", "train") from error
    if not (Path(folder) / "adapter_config.json").is_file():
        raise InputError(
            f"teacher.settings.adapter: {folder} holds no adapter_config.json. Give a PEFT adapter's folder."
        )
    from mathstrap.hub.weights import load_merged_adapter

    return load_merged_adapter(model, folder)
