"""Count what second chances add: rewritings that pass for each 1,000 tokens, with and without them.

    python bench/second_chances.py recipe.yaml seeds.limit=50 [key=value ...]

Rephrasing and self-verification, one rewriting a seed, with the teacher of the recipe; no answers are asked for. The
same command again resumes. A GGUF on this machine is served by `python bench/llama_server.py model.gguf`.
Written to `bench/results/second_chances.json`.
"""

from __future__ import annotations

import argparse
from collections import Counter

from curate_data import write_result

from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.again import AGAIN
from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import load_recipe
from mathstrap.stats import method_of
from mathstrap.types import Problem

METHODS = ("rephrase", "self_verification")


def main() -> None:
    """Run the rewritings and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*")
    args = parser.parse_args()
    chosen = [f"methods.{name}.{key}" for name in METHODS for key in ("count=1", "second_chance=true")]
    off = ["methods.ans_aug.enabled=false", "methods.fobar.enabled=false", "dedup=null"]
    recipe = load_recipe(RunRecipe, args.recipe, [*args.overrides, *chosen, *off])
    summary = bootstrap(recipe, only="rewrite")
    if not summary.is_complete:
        raise SystemExit(f"{summary.path}: requests are left. Give the same command again.")
    run = RunDir.read(summary.path)
    tokens: Counter[tuple[str, bool]] = Counter()
    asked: Counter[tuple[str, bool]] = Counter()
    for reply in run.completions("rewrite"):
        key = method_of(reply.request), reply.request.endswith(AGAIN)
        tokens[key] += reply.tokens_in + reply.tokens_out
        asked[key] += 1
    passed: Counter[tuple[str, bool]] = Counter()
    for problem in run.read_records("problems", Problem):
        if problem.method in METHODS:
            passed[problem.method, "second_chance" in problem.tags] += 1
    rows = {}
    for name in METHODS:
        first, second = (name, False), (name, True)
        both = passed[first] + passed[second]
        rows[name] = {
            "rewritings": asked[first], "passed_at_first": passed[first], "asked_again": asked[second],
            "passed_at_second": passed[second],
            "per_1000_tokens_without": round(1000 * passed[first] / max(1, tokens[first]), 3),
            "per_1000_tokens_with": round(1000 * both / max(1, tokens[first] + tokens[second]), 3),
        }  # fmt: skip
    asked_of = {
        "teacher": recipe.teacher.model or recipe.teacher.backend,
        "source": [seeds.source for seeds in (recipe.seeds if isinstance(recipe.seeds, tuple) else (recipe.seeds,))],
        "shape": recipe.prompts.shape or "chat",
    }
    write_result("second_chances", asked_of | {"seeds": summary.num_seeds, "methods": rows})


if __name__ == "__main__":
    main()
