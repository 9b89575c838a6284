"""Evaluate a model on test problems, and compare two evaluations question by question."""

from __future__ import annotations

from mathstrap.evaluate.protocols import PROTOCOLS, Changes, Protocol
from mathstrap.evaluate.record import Evaluation, read_evaluation
from mathstrap.evaluate.run import EvalOptions, EvalResult, evaluate
from mathstrap.evaluate.versus import compare
from mathstrap.problems.benchmarks import BENCHMARKS, Benchmark, load_benchmark

__all__ = [
    "BENCHMARKS", "PROTOCOLS", "Benchmark", "Changes", "EvalOptions", "EvalResult", "Evaluation", "Protocol", "compare",
    "evaluate", "load_benchmark", "read_evaluation",
]  # fmt: skip
