"""Write an evaluation in formats that other tools open: Inspect's `.eval` logs, lm-evaluation-harness samples.

The files are plain zip and JSON; neither tool must be installed. `inspect_ai.log` would write the same fields but
installs 80 packages (boto3, fastapi, textual); tests/evaluate/test_logs.py reads our files with it.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mathstrap.evaluate.harness import RULES, harness_answer, harness_correct
from mathstrap.evaluate.score import SCORES, ScoredDraw
from mathstrap.evaluate.summary import Summary
from mathstrap.files.private import plain_folder
from mathstrap.files.tables import replacing, write_atomically
from mathstrap.problems.benchmarks import LoadedBenchmark

if TYPE_CHECKING:
    from mathstrap.evaluate.record import Evaluation

# The version of Inspect's log format, which its viewer checks.
INSPECT_VERSION = 2
# A fixed time, so that the same run writes the same bytes.
EPOCH = "2024-01-01T00:00:00+00:00"
# The fields of a sample in Inspect's list of samples.
SUMMARY_KEYS = (
    "id", "epoch", "input", "target", "scores", "metadata", "uuid", "model_usage", "total_time", "working_time",
)  # fmt: skip
_STOP_REASONS = {
    "stop": "stop", "length": "max_tokens", "content_filter": "content_filter", "prompt_refused": "content_filter",
    "unknown": "unknown",
}  # fmt: skip


def write_inspect(
    path: Path, evaluation: Evaluation, draws: Sequence[ScoredDraw], sets: Sequence[LoadedBenchmark]
) -> list[Path]:
    """Write `logs/<benchmark>.eval` for every test set; `inspect view --log-dir <run>/logs` opens them."""
    folder = plain_folder(path / "logs")
    written = []
    for summary, loaded in zip(evaluation.summaries, sets, strict=True):
        rows = [draw for draw in draws if draw.benchmark == summary.benchmark]
        target = folder / f"{summary.benchmark}.eval"
        with (
            replacing(target, is_private=True) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as log,
        ):
            for name, value in inspect_files(evaluation, summary, loaded, rows):
                member = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
                log.writestr(member, msgspec.json.encode(value), zipfile.ZIP_DEFLATED)
        written.append(target)
    return written


def inspect_files(
    evaluation: Evaluation, summary: Summary, loaded: LoadedBenchmark, rows: Sequence[ScoredDraw]
) -> Iterator[tuple[str, Any]]:  # fmt: skip
    """Yield (name, value) of the files inside one `.eval` log."""
    provenance = evaluation.provenance[loaded.problems[0].style]
    samples = list(loaded.places)
    spec = {
        "eval_id": ident(evaluation.model, summary.benchmark, "eval"), "run_id": ident(evaluation.model, "run"),
        "created": EPOCH, "task": summary.benchmark, "task_id": ident(summary.benchmark), "task_version": 0,
        "dataset": {
            "name": summary.benchmark, "location": summary.source, "samples": len(samples), "sample_ids": samples,
        },
        "model": f"{evaluation.backend}/{evaluation.model}",
        "model_generate_config": {
            "temperature": provenance.temperature, "top_p": provenance.top_p, "max_tokens": provenance.max_tokens,
        },
        "config": {"epochs": summary.num_draws}, "packages": evaluation.versions,
        "metadata": {style: msgspec.to_builtins(value) for style, value in evaluation.provenance.items()},
        "scorers": [{"name": name} for name in SCORES],
    }  # fmt: skip
    start = {"version": INSPECT_VERSION, "eval": spec, "plan": {"name": "plan", "steps": [], "config": {}}}
    yield "_journal/start.json", start
    summaries = []
    for row in rows:
        sample = inspect_sample(row, evaluation.model)
        yield f"samples/{row.problem}_epoch_{row.draw + 1}.json", sample
        summaries.append(
            {key: sample[key] for key in SUMMARY_KEYS} | {"completed": True, "message_count": len(sample["messages"])}
        )
    yield "_journal/summaries/1.json", summaries
    yield "summaries.json", summaries
    results = {
        "total_samples": len(rows) + summary.num_unanswered, "completed_samples": len(rows),
        "scores": [
            {
                "name": name, "scorer": name, "params": {}, "scored_samples": score.num, "unscored_samples": 0,
                "metrics": {
                    "accuracy": {"name": "accuracy", "value": score.value},
                    "low": {"name": "low", "value": score.low}, "high": {"name": "high", "value": score.high},
                },
            }
            for name, score in summary.scores.items()
        ],
    }  # fmt: skip
    usage = {
        evaluation.model: {
            "input_tokens": sum(row.tokens_in for row in rows), "output_tokens": sum(row.tokens_out for row in rows),
            "total_tokens": sum(row.tokens_in + row.tokens_out for row in rows),
        }
    }  # fmt: skip
    stats = {"started_at": EPOCH, "completed_at": EPOCH, "model_usage": usage}
    yield "header.json", {**start, "status": "success", "results": results, "stats": stats}


def inspect_sample(row: ScoredDraw, model: str) -> dict[str, Any]:
    """Return a draw as an Inspect sample; epochs count from 1, our draws from 0."""
    reply = {"role": "assistant", "content": row.text, "source": "generate", "id": ident(row.id, "reply")}
    asked = {"role": "user", "content": row.prompt or row.question, "source": "input", "id": ident(row.id, "prompt")}
    explanation = f"{row.reason}: {row.detail}"
    scores = {
        name: {
            "value": "C" if getattr(row, name) else "I", "answer": row.got, "explanation": explanation,
            "metadata": {"tier": row.tier, "extractor": row.extractor, "grader": row.grader},
        }
        for name in SCORES
    }  # fmt: skip
    usage = {
        "input_tokens": row.tokens_in, "output_tokens": row.tokens_out, "total_tokens": row.tokens_in + row.tokens_out,
    }  # fmt: skip
    return {
        "id": row.problem, "epoch": row.draw + 1, "input": row.question, "target": row.expected,
        "messages": [asked, reply],
        "output": {
            "model": model, "completion": row.text, "usage": usage, "time": row.seconds,
            "choices": [{"message": reply, "stop_reason": _STOP_REASONS[row.finish_reason]}],
        },
        "scores": scores,
        "metadata": {"reason": row.reason, "cluster": row.cluster, "style": row.style, "request": row.id},
        "store": {}, "events": [], "attachments": {}, "model_usage": {model: usage},
        "total_time": row.seconds, "working_time": row.seconds, "uuid": ident(row.id),
    }  # fmt: skip


def write_lm_eval(
    path: Path, evaluation: Evaluation, draws: Sequence[ScoredDraw], sets: Sequence[LoadedBenchmark]
) -> list[Path]:
    """Write `logs/samples_<benchmark>.jsonl` as lm-evaluation-harness logs samples, one row per reply and filter."""
    folder = plain_folder(path / "logs")
    written = []
    for summary, loaded in zip(evaluation.summaries, sets, strict=True):
        rows = [draw for draw in draws if draw.benchmark == summary.benchmark]
        target = folder / f"samples_{summary.benchmark}.jsonl"
        lines = lm_eval_rows(evaluation, rows, loaded.places)
        write_atomically(target, (msgspec.json.encode(row) + b"\n" for row in lines), is_private=True)
        written.append(target)
    return written


def lm_eval_rows(
    evaluation: Evaluation, rows: Sequence[ScoredDraw], places: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    """Yield rows with the harness's own field names; `exact_match` is its verdict, `mathstrap` ours.

    A `doc_id` is the question's place in its set, even where other questions have no reply.
    """
    for rule in RULES[rows[0].style] if rows else ():
        for row in rows:
            target = f"{row.solution}\n#### {row.expected}" if row.style == "gsm8k" else row.expected
            doc = {"question" if row.style == "gsm8k" else "problem": row.question, "answer": target, "id": row.problem}
            provenance = evaluation.provenance[row.style]
            decoding = {
                "until": list(provenance.stop or ()),
                "temperature": provenance.temperature,
                "max_gen_toks": provenance.max_tokens,
            }
            yield {
                "doc_id": places[row.problem], "doc": doc, "target": target,
                "arguments": {"gen_args_0": {"arg_0": row.prompt, "arg_1": decoding}},
                "resps": [[row.text]], "filtered_resps": [harness_answer(row.text, rule)],
                "filter": "none" if rule == "hendrycks_math" else rule, "metrics": ["exact_match"],
                "doc_hash": sha(msgspec.json.encode(doc)), "prompt_hash": sha(row.prompt.encode()),
                "target_hash": sha(target.encode()),
                "exact_match": float(harness_correct(row.text, row.expected, rule)),
                "mathstrap": {"id": row.id, "outcome": row.outcome, "reason": row.reason, "got": row.got},
            }  # fmt: skip


def ident(*parts: str) -> str:
    """Return a hash of some texts as 22 hexadecimal digits."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=11).hexdigest()


def sha(data: bytes) -> str:
    """Return SHA-256 in hexadecimal, the harness's hash."""
    return hashlib.sha256(data).hexdigest()


LOGS: dict[str, Callable[[Path, Any, Sequence[ScoredDraw], Sequence[LoadedBenchmark]], list[Path]]] = {
    "inspect": write_inspect,
    "lm-eval": write_lm_eval,
}
