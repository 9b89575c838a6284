"""Mathstrap bootstraps mathematical training data from a user's own questions.

    import mathstrap
    run = mathstrap.bootstrap([{"question": "...", "answer": "..."}], teacher="gpt-6-luna", out="runs/mine")

    bootstrap(X, teacher=..., out=...)     training data from a recipe, a file, a list, a DataFrame, a Dataset: a Run
    bootstrap_async(...)                   the same, to be awaited
    Run.open(path)                         a run that was made before
      run.plan(...)                        what it would ask and cost, without asking
      run.samples, run.rejects             its records: .to_pandas(), .to_dataset(), .where(...)
      run.family(id), run.report           everything about one seed; the page
    verify(gold, prediction)               is the answer right? also of two columns
    dedup(rows)                            questions that repeat an earlier one
    decontaminate(rows, against=...)       questions that test sets ask too
    renumber(question, solution, answer)   the same question with other numbers, solved again
    audit(rows)                            what is wrong with a dataset made elsewhere
    train(recipe, data)                    fine-tune a model
    evaluate(model, benchmarks)            its numbers on test sets
    reward(completions, solution)          rewards for reinforcement learning

`help(mathstrap.bootstrap)` and so on say the rest. `verify`, `audit`, `train`, `evaluate` and `reward` are modules that
can be called: `from mathstrap.reward import MathReward` works beside `mathstrap.reward(...)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mathstrap.version import __version__

if TYPE_CHECKING:
    from mathstrap.audit import audit
    from mathstrap.evaluate import evaluate
    from mathstrap.interactive.records import Records
    from mathstrap.interactive.rows import decontaminate, dedup, renumber
    from mathstrap.interactive.run import Run, bootstrap, bootstrap_async
    from mathstrap.pipeline import RunRecipe, RunSummary
    from mathstrap.recipe import load_recipe
    from mathstrap.reward import reward
    from mathstrap.train import train
    from mathstrap.verify import extract_answer, grade, verify

__all__ = [
    "Records", "Run", "RunRecipe", "RunSummary", "__version__", "audit", "bootstrap", "bootstrap_async",
    "decontaminate", "dedup", "evaluate", "extract_answer", "grade", "load_recipe", "renumber", "reward", "train",
    "verify",
]  # fmt: skip

# Where each public name lives; imported at first use, so that `import mathstrap` stays light. A name that is a module
# of this package is that module, which can be called (`called.py` says why).
_HOMES = {
    "Records": "interactive.records",
    "Run": "interactive.run",
    "RunRecipe": "pipeline",
    "RunSummary": "pipeline",
    "bootstrap": "interactive.run",
    "bootstrap_async": "interactive.run",
    "decontaminate": "interactive.rows",
    "dedup": "interactive.rows",
    "extract_answer": "verify",
    "grade": "verify",
    "load_recipe": "recipe",
    "renumber": "interactive.rows",
}
_CALLED = ("audit", "evaluate", "reward", "train", "verify")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _CALLED:
        return import_module(f"mathstrap.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'mathstrap' has no attribute {name!r}")
    return getattr(import_module(f"mathstrap.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Name what is public, for `help` and for the tab key of a notebook."""
    return sorted({*__all__, *globals()})
