"""Problems per second of an evaluation, beside lm-evaluation-harness driving the same weights on the same questions.

    python bench/evaluate.py --hf-model PATH --lm-eval-python PATH --problems 24 --fresh
    python bench/evaluate.py --hf-model PATH --lm-eval-python PATH --problems 24           # again: adds to the result

Both sides get the same questions, demonstrations, stop string, greedy decoding and token limit, one after the other on
this machine, their models loaded and used once before the clock starts. lm-evaluation-harness runs with its `hf`
backend in every precision at every batch size given. f32 is compared with its fastest round in float32, bf16 (where
the CPU has units for it) with its fastest in bfloat16. Grading counts on both sides. Processor seconds are given beside
wall seconds: on a machine that does other work too, they are the fairer measure. How many replies are alike is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from verify_common import DATA, machine

RESULTS = Path(__file__).parent / "results" / "evaluate.json"
PRECISIONS = {"f32": "float32", "bf16": "bfloat16"}
# The thread ends the harness with the bench, however that ends.
HARNESS = """
import json, os, sys, threading, time
parent = os.getppid()
def watch():
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
threading.Thread(target=watch, daemon=True).start()
import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
arguments = json.loads(sys.argv[1])
manager = TaskManager(include_path=arguments["folder"])
for dtype in arguments["dtypes"]:
    for size in arguments["batch_sizes"]:
        model = HFLM(pretrained=arguments["model"], device="cpu", dtype=dtype, batch_size=size)
        model.model.generate(**model.tokenizer("Question:", return_tensors="pt"), max_new_tokens=8)
        started, busy = time.perf_counter(), time.process_time()
        found = lm_eval.simple_evaluate(
            model=model, tasks=["bench_gsm8k"], task_manager=manager, log_samples=True, bootstrap_iters=0,
        )
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
        samples = sorted(found["samples"]["bench_gsm8k"], key=lambda row: row["doc_id"])
        replies = [row["resps"][0][0] for row in samples]
        given = samples[0]["arguments"]
        prompt = given["gen_args_0"]["arg_0"] if isinstance(given, dict) else given[0][0]
        print("RESULT " + json.dumps({
            "dtype": dtype, "batch_size": size, "seconds": seconds, "cpu_seconds": busy, "problems": len(samples),
            "tokens_in_first": len(model.tok_encode(prompt)),
            "tokens_out": sum(len(model.tok_encode(reply)) for reply in replies),
            "flexible": found["results"]["bench_gsm8k"]["exact_match,flexible-extract"],
            "prompt": prompt, "replies": replies,
        }), flush=True)
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


def run_harness(
    chosen: argparse.Namespace, folder: Path, rows: list[dict[str, str]], dtypes: list[str]
) -> list[dict[str, Any]]:
    """Return a result per precision and batch size."""
    from mathstrap.evaluate.protocols import demonstrations

    shots = [{"question": q, "answer": a} for q, a in demonstrations("gsm8k", chosen.shots)]
    for name, table in (("train", shots), ("test", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    task = TASK.format(folder=folder, shots=chosen.shots, max_tokens=chosen.max_tokens)
    (folder / "bench_gsm8k.yaml").write_text(task, encoding="utf-8")
    model = str(Path(chosen.hf_model).expanduser().resolve())
    given = {"folder": str(folder), "model": model, "batch_sizes": chosen.batch_sizes, "dtypes": dtypes}
    rounds = []
    said = folder / "stderr"
    with said.open("w") as log:
        harness = subprocess.Popen(
            [chosen.lm_eval_python, "-c", HARNESS, json.dumps(given)], stdout=subprocess.PIPE, stderr=log, text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HOME": str(folder / "hf")},
            cwd=folder,
        )  # fmt: skip
        for line in harness.stdout or ():
            if line.startswith("RESULT "):
                rounds.append(json.loads(line.removeprefix("RESULT ")))
                tell(rounds[-1])
    if harness.wait() or not rounds:
        sys.exit(f"lm-evaluation-harness failed:\n{said.read_text()[-3000:]}")
    return rounds


def tell(found: dict[str, Any]) -> None:
    """Print a round as it ends."""
    name = f"harness {found['dtype']} {found['batch_size']}" if "dtype" in found else f"ours {found['precision']}"
    print(f"{name}: {found['seconds']:.1f} s, {found['cpu_seconds']:.1f} CPU s", flush=True)


def run_ours(chosen: argparse.Namespace, folder: Path, rows: list[dict[str, str]], precision: str) -> dict[str, Any]:
    """Return our result with the embedded engine on the packaged weights, or those given."""
    from mathstrap.backends import TeacherOptions, open_backend
    from mathstrap.evaluate import Changes, EvalOptions, evaluate

    path = folder / "gsm8k_test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    teacher = TeacherOptions(backend="embedded", model_path=chosen.gguf, settings={"precision": precision})
    backend = open_backend(teacher)

    def run(name: str, limit: int | None, changes: Changes) -> Any:
        options = EvalOptions(
            benchmarks=(f"gsm8k={path}",), out=str(folder / f"{name}-{precision}"), protocol="few-shot", limit=limit,
            teacher=teacher, changes=changes,
        )  # fmt: skip
        return evaluate(options, backend=backend)

    run("warm", 1, Changes(max_tokens=8, shots=0))
    started, busy = time.perf_counter(), time.process_time()
    result = run("run", None, Changes(max_tokens=chosen.max_tokens, shots=chosen.shots))
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    summary = result.evaluation.summaries[0]
    asked = {draw.problem: draw for draw in result.draws}
    draws = [asked[name] for name in sorted(asked)]
    found = {
        "precision": precision, "seconds": seconds, "cpu_seconds": busy, "problems": len(draws),
        "tokens_in_first": draws[0].tokens_in, "tokens_out": sum(draw.tokens_out for draw in draws),
        "flexible": summary.scores["flexible"].value,
        "seconds_outside_asking": seconds - (result.asked.seconds if result.asked else 0.0),
        "prompt": draws[0].prompt.partition("\n")[2], "replies": [draw.text for draw in draws],
    }  # fmt: skip
    tell(found)
    return found


def compare(ours: dict[str, Any], rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return our throughput over that of the harness's fastest round, and how alike the replies are."""
    from mathstrap.evaluate.harness import harness_answer

    best = min(rounds, key=lambda found: found["seconds"])
    pairs = [(a.strip(), b.strip()) for a, b in zip(ours["replies"], best["replies"], strict=True)]
    answers = [tuple(harness_answer(text, "flexible-extract") for text in pair) for pair in pairs]
    return {
        "batch_size": best["batch_size"],
        "times_problems_per_second": round(best["seconds"] / ours["seconds"], 2),
        "times_problems_per_cpu_second": round(best["cpu_seconds"] / ours["cpu_seconds"], 2),
        "same_first_prompt": ours["prompt"] == best["prompt"] and ours["tokens_in_first"] == best["tokens_in_first"],
        "same_replies": sum(a == b for a, b in pairs),
        "same_answers": sum(a == b for a, b in answers),
        "of": len(pairs),
    }


def main() -> None:
    """Run both sides and add the comparison to the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hf-model", required=True, help="the weights as a transformers folder")
    parser.add_argument("--gguf", default="", help="the same weights as GGUF; left out: the packaged 135M model")
    parser.add_argument("--lm-eval-python", default=sys.executable)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--problems", type=int, default=24)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--batch-sizes", type=lambda text: [int(size) for size in text.split(",")], default=[1, 8])
    parser.add_argument("--precisions", type=lambda text: text.split(","), default=list(PRECISIONS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--fresh", action="store_true", help="forget earlier calls")
    chosen = parser.parse_args()

    from mathstrap.backends.local.openvino_engine import usable_precision

    precisions = [name for name in chosen.precisions if usable_precision(name, 0) == name]
    lines = (chosen.data / "gsm8k_test.jsonl").read_text(encoding="utf-8").splitlines()[: chosen.problems]
    rows = [json.loads(line) for line in lines]
    load = [round(one, 1) for one in os.getloadavg()]
    folder = Path(tempfile.mkdtemp())
    try:
        ours = {name: run_ours(chosen, folder, rows, name) for name in precisions}
        theirs = run_harness(chosen, folder, rows, [PRECISIONS[name] for name in precisions])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    compared = {
        name: compare(ours[name], [found for found in theirs if found["dtype"] == PRECISIONS[name]])
        for name in precisions
    }
    sides = [*ours.values(), *theirs]
    for found in sides:
        found["problems_per_second"] = found["problems"] / found["seconds"]
        found["tokens_per_second"] = found["tokens_out"] / found["seconds"]
        for key in ("prompt", "replies"):
            del found[key]
    sides = [{k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()} for found in sides]
    call = {
        "date": machine()["date"], "commit": machine()["commit"], "load": load,
        "problems": len(rows), "shots": chosen.shots, "max_tokens": chosen.max_tokens, "compared": compared,
        "mathstrap": sides[: len(ours)], "lm_evaluation_harness": sides[len(ours) :],
    }  # fmt: skip
    kept = json.loads(chosen.out.read_text())["calls"] if chosen.out.exists() and not chosen.fresh else []
    result = {"machine": machine(), "calls": [*kept, call]}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(call, indent=2))


if __name__ == "__main__":
    main()
