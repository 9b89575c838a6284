"""Problems per second of an evaluation, beside lm-evaluation-harness driving the same weights on the same questions.

    python bench/evaluate.py --hf-model PATH --lm-eval-python PATH --problems 32

Both sides get the same questions, demonstrations, stop string, greedy decoding and token limit, one after the other on
this machine, their models loaded before the clock starts. lm-evaluation-harness runs with its `hf` backend at every
batch size given, and its best one is the one compared with. Grading counts on both sides. Processor seconds are given
beside wall seconds: on a machine that does other work too, they are the fairer measure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HARNESS = """
import json, sys, time
import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
arguments = json.loads(sys.argv[1])
manager = TaskManager(include_path=arguments["folder"])
rounds = []
for size in arguments["batch_sizes"]:
    model = HFLM(pretrained=arguments["model"], device="cpu", dtype="float32", batch_size=size)
    started, busy = time.perf_counter(), time.process_time()
    found = lm_eval.simple_evaluate(
        model=model, tasks=["bench_gsm8k"], task_manager=manager, log_samples=True, bootstrap_iters=0,
    )
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    samples = [row for row in found["samples"]["bench_gsm8k"] if row["filter"] == "flexible-extract"]
    tokens = sum(len(model.tok_encode(row["resps"][0][0])) for row in samples)
    rounds.append({"batch_size": size, "seconds": seconds, "cpu_seconds": busy,
                   "problems": len(samples), "tokens_out": tokens,
                   "prompt": samples[0]["arguments"][0][0] if isinstance(samples[0]["arguments"], (list, tuple))
                   else samples[0]["arguments"]["gen_args_0"]["arg_0"],
                   "flexible": found["results"]["bench_gsm8k"]["exact_match,flexible-extract"]})
print("RESULT " + json.dumps(rounds))
"""
TASK = """
task: bench_gsm8k
dataset_path: json
dataset_kwargs:
  data_files: {{train: {folder}/train.jsonl, test: {folder}/test.jsonl}}
output_type: generate_until
training_split: train
fewshot_split: train
test_split: test
fewshot_config: {{sampler: first_n}}
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: "{{{{answer}}}}"
num_fewshot: {shots}
generation_kwargs: {{until: ["\\nQuestion:"], do_sample: false, max_gen_toks: {max_tokens}}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true,
      regexes_to_ignore: [",", "\\\\$", "(?s).*#### ", "\\\\.$"]}}
filter_list:
  - name: flexible-extract
    filter:
      - {{function: regex, group_select: -1, regex_pattern: "(-?[$0-9.,]{{2,}})|(-?[0-9]+)"}}
      - {{function: take_first}}
"""


def run_harness(arguments: argparse.Namespace, folder: Path, rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return a result per batch size."""
    from mathstrap.evaluate.protocols import demonstrations

    shots = [{"question": q, "answer": a} for q, a in demonstrations("gsm8k", arguments.shots)]
    for name, table in (("train", shots), ("test", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    task = TASK.format(folder=folder, shots=arguments.shots, max_tokens=arguments.max_tokens)
    (folder / "bench_gsm8k.yaml").write_text(task, encoding="utf-8")
    given = {"folder": str(folder), "model": arguments.hf_model, "batch_sizes": arguments.batch_sizes}
    done = subprocess.run(
        [arguments.lm_eval_python, "-c", HARNESS, json.dumps(given)], capture_output=True, text=True, check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}, cwd=folder,
    )  # fmt: skip
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        sys.exit(f"lm-evaluation-harness failed:\n{done.stderr[-3000:]}")
    rounds: list[dict[str, Any]] = json.loads(line.removeprefix("RESULT "))
    return rounds


def run_ours(arguments: argparse.Namespace, folder: Path, rows: list[dict[str, str]]) -> dict[str, Any]:
    """Return our result with the embedded engine on the packaged weights, or those given."""
    from mathstrap.backends import TeacherOptions, open_backend
    from mathstrap.evaluate import Changes, EvalOptions, evaluate

    path = folder / "gsm8k_test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    teacher = TeacherOptions(backend="embedded", model_path=arguments.gguf)
    backend = open_backend(teacher)
    warm = EvalOptions(
        benchmarks=(f"gsm8k={path}",), out=str(folder / "warm"), protocol="few-shot", limit=1, teacher=teacher,
        changes=Changes(max_tokens=8, shots=0),
    )  # fmt: skip
    evaluate(warm, backend=backend)  # loads the model
    options = EvalOptions(
        benchmarks=(f"gsm8k={path}",), out=str(folder / "run"), protocol="few-shot", teacher=teacher,
        changes=Changes(max_tokens=arguments.max_tokens, shots=arguments.shots),
    )  # fmt: skip
    started, busy = time.perf_counter(), time.process_time()
    result = evaluate(options, backend=backend)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    summary = result.evaluation.summaries[0]
    return {
        "seconds": seconds, "cpu_seconds": busy, "problems": len(result.draws),
        "tokens_out": sum(d.tokens_out for d in result.draws),
        "prompt": result.draws[0].prompt, "flexible": summary.scores["flexible"].value,
        "asking_seconds": result.asked.seconds if result.asked else 0.0,
    }  # fmt: skip


def main() -> None:
    """Run both sides and write the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hf-model", required=True, help="the weights as a transformers folder")
    parser.add_argument("--gguf", default="", help="the same weights as GGUF; left out: the packaged 135M model")
    parser.add_argument("--lm-eval-python", default=sys.executable)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATHSTRAP_DATA", "../shared/data")))
    parser.add_argument("--problems", type=int, default=32)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--batch-sizes", type=lambda text: [int(size) for size in text.split(",")], default=[1, 8])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "evaluate.json")
    arguments = parser.parse_args()
    lines = (arguments.data / "gsm8k_test.jsonl").read_text(encoding="utf-8").splitlines()[: arguments.problems]
    rows = [json.loads(line) for line in lines]
    folder = Path(tempfile.mkdtemp())
    try:
        ours = run_ours(arguments, folder, rows)
        theirs = run_harness(arguments, folder, rows)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    best = min(theirs, key=lambda found: found["seconds"] / found["problems"])
    for found in (ours, *theirs):
        found["problems_per_second"] = found["problems"] / found["seconds"]
        found["tokens_per_second"] = found["tokens_out"] / found["seconds"]
    same = best["prompt"] in [ours["prompt"].partition("\n")[2]] or None
    for found in (ours, *theirs):
        found.pop("prompt")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    result = {
        "machine": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"), "commit": commit.stdout.strip(), "questions": len(rows),
        "shots": arguments.shots, "max_tokens": arguments.max_tokens, "same_first_prompt": same,
        "mathstrap": ours, "lm_evaluation_harness": theirs,
        "times_problems_per_second": ours["problems_per_second"] / best["problems_per_second"],
        "times_problems_per_cpu_second": (ours["problems"] / ours["cpu_seconds"])
        / (best["problems"] / best["cpu_seconds"]),
        "times_tokens_per_second": ours["tokens_per_second"] / best["tokens_per_second"],
    }  # fmt: skip
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
