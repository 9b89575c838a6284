"""Evaluate a model on test problems, and compare two evaluations question by question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mathstrap.called import call_by_name
from mathstrap.evaluate.protocols import PROTOCOLS, Changes, Protocol
from mathstrap.evaluate.record import Evaluation, read_evaluation
from mathstrap.evaluate.run import EvalOptions, EvalResult
from mathstrap.evaluate.run import evaluate as evaluate_options
from mathstrap.evaluate.versus import compare
from mathstrap.problems.benchmarks import BENCHMARKS, Benchmark, load_benchmark

if TYPE_CHECKING:
    from mathstrap.engine.events import Listener
    from mathstrap.engine.interface import Backend
    from mathstrap.evaluate.live import EvalProgress

__all__ = [
    "BENCHMARKS", "PROTOCOLS", "Benchmark", "Changes", "EvalOptions", "EvalResult", "Evaluation", "Protocol", "compare",
    "evaluate", "load_benchmark", "read_evaluation",
]  # fmt: skip


def evaluate(
    model: str | EvalOptions,
    benchmarks: str | Sequence[str] = "gsm8k",
    *,
    backend: Backend | None = None,
    listener: Listener | None = None,
    progress: Callable[[EvalProgress], None] | None = None,
    **settings: Any,
) -> EvalResult:
    """Evaluate a model on test sets and return its numbers; the same call again resumes and pays for no reply twice.

    model        a name at OpenAI, `ollama/qwen3:4b`, `name@http://localhost:8000/v1`, a checkpoint folder, a .gguf,
                 "embedded"; "" for replies of another tool (`outputs=FILE`); or EvalOptions, which has all options
    benchmarks   names, `name=path`, or several of them
    backend      a teacher of your own in place of the model
    listener     takes the engine's events, `progress` the accuracy so far
    settings     any field of EvalOptions: `limit=100`, `draws=4`, `changes={"temperature": 0.7}`

    >>> _ = (folder / "test.jsonl").write_text('{"question": "What is 20 + 22?", "answer": "#### 42"}')
    >>> result = evaluate("fake", f"gsm8k={folder / 'test.jsonl'}", out=str(folder / "eval"))
    >>> result.evaluation.summaries[0].num_problems
    1
    """
    from mathstrap.evaluate.choose import options_for

    options = model if isinstance(model, EvalOptions) else options_for(model, benchmarks, settings)
    return evaluate_options(options, backend=backend, listener=listener, progress=progress)


call_by_name(__name__)
