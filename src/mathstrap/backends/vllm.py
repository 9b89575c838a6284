"""Generate with vLLM in this process: its AsyncLLM engine, with prefix caching, in an event loop of its own.

vLLM's engine belongs to one event loop, but a run asks from several, one after the other. So the engine lives in a
thread with its own loop, and `ask` may be called from any loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

from mathstrap.backends import TeacherOptions, checked_settings
from mathstrap.backends.local.embedded import EmbeddedTeacher
from mathstrap.backends.local.generation import Generation, GenerationRequest, cut_at_stop, prompt_tokens
from mathstrap.backends.reaper import Reaper
from mathstrap.errors import InputError, TeacherError, TransientError, missing_extra


@dataclass(frozen=True, kw_only=True)
class VllmSettings:
    """The keys of `teacher.settings`.

    tensor_parallel_size   GPUs that one copy of the model is spread over
    data_parallel_size     copies of the model, each with its own GPUs; vLLM distributes the requests
    num_sequences          replies generated at once per copy
    engine_args            other arguments of AsyncEngineArgs, by name, for example {"dtype": "bfloat16"}
    """

    tensor_parallel_size: int = 1
    data_parallel_size: int = 1
    num_sequences: int = 256
    engine_args: dict[str, Any] = field(default_factory=dict)


class VllmEngine:
    """An AsyncLLM and the thread its event loop runs in."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        try:
            import vllm  # noqa: F401
        except ModuleNotFoundError as error:
            raise missing_extra("vllm", "vllm") from error
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mathstrap-vllm", daemon=True)
        self._thread.start()
        self._tasks: set[asyncio.Task[Generation]] = set()
        self._requests = 0
        # vLLM's processes do not watch this one: after a SIGKILL, they would keep the GPU's memory.
        self._reaper = Reaper()
        opening = asyncio.run_coroutine_threadsafe(self._open(arguments), self._loop)
        while not wait([opening], timeout=0.5).done:
            self._reaper.watch(child.pid for child in active_children() if child.pid)
        try:
            opening.result()
        except (OSError, ValueError, RuntimeError) as error:
            self._end_loop()
            raise InputError(f"{arguments['model']}: vLLM cannot load this model: {error}") from error

    def submit(self, draws: Sequence[GenerationRequest]) -> None:
        """Take the draws of one prompt; each future gets its Generation. A cancelled future stops its draw."""
        for draw in draws:
            self._loop.call_soon_threadsafe(self._start, draw)

    def close(self) -> None:
        """Stop what runs, end vLLM's processes and its loop."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        del self._engine  # here, because its finaliser needs modules that are unloaded when the interpreter ends
        self._end_loop()

    async def _open(self, arguments: dict[str, Any]) -> None:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self._engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        tokenizer = self._engine.get_tokenizer()
        self._tokenizer: Any = await tokenizer if asyncio.iscoroutine(tokenizer) else tokenizer
        self._context_tokens = int(self._engine.model_config.max_model_len)

    async def _shut(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._engine.shutdown()

    def _start(self, draw: GenerationRequest) -> None:
        if draw.future.cancelled():
            return
        task = self._loop.create_task(self._generate(draw))
        self._tasks.add(task)
        task.add_done_callback(partial(self._finish, draw))
        draw.future.add_done_callback(
            lambda future: self._loop.call_soon_threadsafe(task.cancel) if future.cancelled() else None
        )

    async def _generate(self, draw: GenerationRequest) -> Generation:
        started = time.monotonic()
        self._requests += 1
        ids, opening = prompt_tokens(draw, self._tokenizer)
        if len(ids) >= self._context_tokens:
            return Generation(text="", finish_reason="length", tokens_in=len(ids))
        stream = self._engine.generate(
            {"prompt_token_ids": ids}, self._params(draw), request_id=f"mathstrap-{self._requests}"
        )
        last: Any = None
        async for output in stream:
            last = output
        reply = last.outputs[0]
        return Generation(
            text=opening + cut_at_stop(reply.text, draw.sampling.stop)[0],
            finish_reason="stop" if reply.finish_reason == "stop" else "length",
            tokens_in=len(ids),
            tokens_out=len(reply.token_ids),
            seconds=time.monotonic() - started,
        )

    def _finish(self, draw: GenerationRequest, task: asyncio.Task[Generation]) -> None:
        """Set the future's result, or its error of any type: vLLM's errors have no common base."""
        self._tasks.discard(task)
        if task.cancelled():
            draw.future.cancel()
            return
        error = task.exception()
        draw.settle(task.result() if error is None else self._error_for(error))

    def _error_for(self, error: BaseException) -> TeacherError | TransientError:
        """Return the error for the future: a bad request, a dead engine, or a failure that may pass."""
        if isinstance(error, TeacherError):
            return error
        if isinstance(error, ValueError | TypeError) or "VLLMClientError" in [
            base.__name__ for base in type(error).__mro__
        ]:
            return TeacherError(f"vLLM refuses a request: {error}")
        if self._engine.errored:
            return TeacherError(
                f"vLLM's engine has died: {error} Every reply is kept: if it ran out of memory, lower "
                "engine_args.gpu_memory_utilization or num_sequences, and run the same command to go on."
            )
        return TransientError(f"vLLM failed: {error}", kind="engine")

    def _params(self, draw: GenerationRequest) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling = draw.sampling
        return SamplingParams(
            temperature=sampling.temperature, top_p=sampling.top_p, max_tokens=sampling.max_tokens,
            stop=list(sampling.stop) or None, seed=draw.seed, output_kind=RequestOutputKind.FINAL_ONLY,
            top_k=sampling.top_k, min_p=sampling.min_p, repetition_penalty=sampling.repetition_penalty,
        )  # fmt: skip

    def _end_loop(self) -> None:
        self._reaper.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def check_options(options: TeacherOptions) -> None:
    """Raise InputError for a wrong setting, and where no model is named."""
    read_settings(options.settings)
    if not (options.model_path or options.model):
        raise InputError("teacher.model: the vllm teacher needs a model: a Hugging Face name or a folder.")


def open_teacher(options: TeacherOptions) -> EmbeddedTeacher:
    """Load the model that `options` names, a hub name or a folder; raises InputError if vLLM cannot."""
    check_options(options)
    settings = read_settings(options.settings)
    name = options.model_path or options.model
    arguments: dict[str, Any] = {
        "model": name,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "data_parallel_size": settings.data_parallel_size,
        "max_num_seqs": settings.num_sequences,
        "enable_prefix_caching": True,  # few-shot prompts share most of their tokens
        "disable_log_stats": True,
    }
    if options.n_ctx:
        arguments["max_model_len"] = options.n_ctx
    engine = VllmEngine(arguments | settings.engine_args)
    at_once = settings.num_sequences * settings.data_parallel_size
    return EmbeddedTeacher(
        engine, model=options.model or Path(name).name, max_in_flight=options.max_in_flight or at_once
    )


def read_settings(settings: dict[str, Any]) -> VllmSettings:
    """Return the checked settings; raises InputError with the key that is wrong."""
    hint = " Other arguments of vLLM's engine go under engine_args."
    return checked_settings(VllmSettings, settings, least=1, hint=hint)
