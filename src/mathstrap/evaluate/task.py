"""Write a benchmark as a task of lm-evaluation-harness with our scores: a YAML, the questions, a short module.

The module imports Mathstrap to grade, so that a number has the same meaning in both tools.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.errors import InputError
from mathstrap.evaluate.protocols import Protocol, messages_for, prompt_hash, sampling_for
from mathstrap.evaluate.score import SCORES, score_draw
from mathstrap.files.tables import write_atomically
from mathstrap.problems.benchmarks import LoadedBenchmark
from mathstrap.types import Completion, Problem
from mathstrap.version import __version__

MODULE = '''"""The questions and the scores of {name}. Needs: pip install mathstrap=={version}"""

from pathlib import Path

import datasets

from mathstrap.evaluate.task import harness_scores


def documents(**_):
    """Return the questions that lie beside this file."""
    path = Path(__file__).with_name("{name}.jsonl")
    return datasets.load_dataset("json", data_files={{"test": str(path)}})


def process_results(doc, results):
    """Return every score of one reply."""
    return harness_scores(doc, results[0])
'''


@dataclass(frozen=True, kw_only=True)
class EmittedTask:
    """The task that was written: its name, folder and number of questions, and the command that runs it."""

    name: str
    folder: Path
    num_questions: int
    command: str


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A question of the task; `prompt` is the text that the model gets."""

    id: str
    dataset: str
    style: str
    question: str
    answer: str
    solution: str
    prompt: str


def write_task(folder: Path, loaded: LoadedBenchmark, protocol: Protocol) -> EmittedTask:
    """Write the task of one benchmark under one protocol.

    Raises InputError for a protocol with more than one turn: the harness joins turns in its own way, so the number
    would differ.
    """
    name = "mathstrap_" + re.sub(r"\W", "_", loaded.name)
    documents = [document(problem, protocol) for problem in loaded.problems]
    style = loaded.problems[0].style
    sampling = sampling_for(protocol, style)
    is_chat = protocol.template == "chat"
    config: dict[str, Any] = {
        "task": name,
        "custom_dataset": f"!function {name}_scores.documents",
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "answer",
        "process_results": f"!function {name}_scores.process_results",
        "num_fewshot": 0,
        "generation_kwargs": {
            "until": list(sampling.stop),
            "max_gen_toks": sampling.max_tokens,
            "do_sample": sampling.temperature > 0,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        },
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": True}
            for metric in (protocol.headline, *(score for score in SCORES if score != protocol.headline))
        ],
        "metadata": {
            "version": 1.0,
            "mathstrap": __version__,
            "benchmark": loaded.name,
            "protocol": protocol.name,
            "template": protocol.template,
            "prompt_hash": prompt_hash(protocol, style),
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    encode = msgspec.json.Encoder().encode
    write_atomically(folder / f"{name}.jsonl", (encode(row) + b"\n" for row in documents))
    write_atomically(folder / f"{name}_scores.py", [MODULE.format(name=name, version=__version__).encode()])
    write_atomically(folder / f"{name}.yaml", [task_yaml(config).encode()])
    chat = " --apply_chat_template" if is_chat else ""
    return EmittedTask(
        name=name,
        folder=folder,
        num_questions=len(documents),
        command=f"lm-eval run --model hf --model_args pretrained=MODEL --include_path {folder} --tasks {name}{chat}",
    )


def document(problem: Problem, protocol: Protocol) -> Document:
    """Return a problem as a document of the task."""
    messages = messages_for(protocol, problem)
    if len(messages) != 1:
        raise InputError(
            f"protocol {protocol.name}: has {len(messages)} turns, and a task can have one. "
            "Add --template raw, or --shots 0."
        )
    return Document(
        id=problem.id, dataset=problem.dataset, style=problem.style, question=problem.question, answer=problem.answer,
        solution=problem.solution, prompt=messages[0].content,
    )  # fmt: skip


def task_yaml(config: Mapping[str, Any]) -> str:
    """Return a task as YAML, with the harness's own tag `!function`."""
    import yaml

    text: str = yaml.safe_dump(dict(config), sort_keys=False, width=120)
    return re.sub(r"'!function ([\w.]+)'", r"!function \1", text)


def harness_scores(doc: Mapping[str, Any], text: str) -> dict[str, float]:
    """Return every score of one reply to a document, the same as `mathstrap eval --outputs`.

    The harness does not say whether a reply was cut off, so a reply counts as complete.
    """
    problem = Problem(
        id=doc["id"], dataset=doc["dataset"], style=doc["style"], question=doc["question"], answer=doc["answer"],
        solution=doc["solution"],
    )  # fmt: skip
    completion = Completion(request=f"{problem.id}#0", key="", text=text, finish_reason="stop")
    draw = score_draw(problem, completion, headline="symbolic", draw=0)
    return {name: float(getattr(draw, name)) for name in SCORES}
