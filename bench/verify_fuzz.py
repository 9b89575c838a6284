"""Grade random and mutated answers by the million: nothing may raise, hang, execute, or grow.

    python bench/verify_fuzz.py --inputs 1000000

Each input is a gold and a prediction: well-formed expressions, LaTeX fragments, digits, Unicode, attacks, and mutations
of each other; a tenth are whole completions. Checked: no exception, no verdict over a second, a gold in dollar signs is
still that gold, no file appears in the working directory (the run moves to an empty one). Peak memory is reported after
a tenth of the inputs and at the end. Times are processor seconds, so that other work on the machine does not count.
Runs with different seeds are added up with `--merge a.json b.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from verify_common import write_result

from mathstrap.verify import GRADERS, extract_answer, grade

FRAGMENTS = [
    *"0123456789", *"0123456789", *"xyzabnkie", *"+-*/^_=<>(){}[]|,;:.!%$&'\"~ \\\n\t", "\\frac", "\\dfrac", "\\sqrt",
    "\\frac{1}{2}", "\\sqrt{2}", "\\sqrt[3]{", "\\left(", "\\right)", "\\pm", "\\cdot", "\\times", "\\pi", "\\infty",
    "\\cup", "\\in", "\\le", "\\text{", "\\text{ and }", "\\text{cm}", "\\mathrm{", "\\begin{pmatrix}",
    "\\end{pmatrix}",
    "\\\\", "\\{", "\\}", "^\\circ", "\\%", "\\boxed{", "\\sin", "\\log_", "\\ln", "\\binom{", "\\overline{", "\\ldots",
    "sqrt(", "sin(", "log", " and ", " or ", " percent", " million", " cm", "apples", "1,000", "1/2", "e10", "9^9^9",
    "\\emptyset", "\\mathbb{R}", "\\setminus", "π", "√", "²", "½", "−", "５", "°", "\u200b", "б", "∞", "\U0001d7d3",
    "\x00", "\\pmod{5}", "\\equiv ", "\\int_0^1 ", "dx", "\\mathrm{d}x", "\\frac{dx}{x}", "\\frac{d}{dx}",
    "①", "③", "]0,1[",
    "\\begin{cases}", "\\end{cases}", " & ", "\\bbox[", "\\answer{", "k\\pi", ", n \\in Z", " mod ",
    " except ", "no, wait, ", "\\Gamma(", "\\zeta(5)", "\\operatorname{tr}", "erf(", "J_0(2)", "XIV", "Just kidding.",
    "nCr(9,4)",
    "Actually, it is ", "I misread it. ", "10^{-70}", "3 to 2",
    "\ud800", "The answer is: ", "#### ", "</think>", "<|im_end|>", "__import__('os').system('touch CANARY_fuzz')",
    "open('CANARY_fuzz','w')", "eval(", "lambda:0", "1e999999999", "99999999999999999999", "f(x)", "x_{1}", "!",
]  # fmt: skip
SHAPES = [
    "A + B", "A - B", "A B", "A \\cdot B", "\\frac{A}{B}", "(A)^{B}", "\\sqrt{A}", "\\sqrt[3]{A}", "-(A)", "(A, B)",
    "[A, B)", "A, B",
    "\\{A, B\\}", "x = A", "A = B", "x < A", "A \\pm B", "\\sin A", "\\cos(A)", "\\ln A", "\\log_A B", "(A)!",
    "\\binom{A}{B}",
    "|A|", "f(A)", "A^\\circ", "A\\%", "A \\text{ cm}^2", "\\begin{pmatrix} A \\\\ B \\end{pmatrix}",
    "(-\\infty, A] \\cup (B, \\infty)",
    "A : B", "\\text{A}", "A \\text{ and } B", "\\arctan A", "e^{A}", "(A)(B)", "A / B", "\\lfloor A \\rfloor",
]  # fmt: skip
REPEATED = [
    "{",
    "(",
    "[",
    "\\frac{",
    "\\sqrt{",
    "9^",
    "-",
    "1+",
    "5,",
    "\\boxed{",
    "$",
    "x^{",
    "\\text{",
    "!",
    "1 ",
    "\\left(",
]


def random_expression(rng: random.Random, depth: int = 0) -> str:
    """Return a well-formed LaTeX expression."""
    if depth > 3 or rng.random() < 0.3:
        return rng.choice(
            ("x", "y", "n", "a_1", "i", "\\pi", "e", str(rng.randrange(100)), str(rng.randrange(10**6)), "0.25")
        )
    inner = [random_expression(rng, depth + 1) for _ in range(2)]
    shape = rng.choice(SHAPES)
    return shape.replace("A", inner[0]).replace("B", inner[1])


def random_text(rng: random.Random) -> str:
    """Return an expression, a run of fragments, or one fragment repeated very often."""
    kind = rng.random()
    if kind > 0.6:
        return random_expression(rng)
    if kind < 0.02:
        return rng.choice(REPEATED) * rng.choice((10, 60, 300, 5_000)) + rng.choice(("", "5", "}" * 50))
    return "".join(rng.choice(FRAGMENTS) for _ in range(rng.choice((1, 2, 3, 5, 8, 13, 30))))


def mutate(text: str, rng: random.Random) -> str:
    """Return the text with one character dropped or one fragment put in."""
    where = rng.randrange(len(text) + 1)
    if rng.random() < 0.5 and text:
        return text[:where] + text[where + 1 :]
    return text[:where] + rng.choice(FRAGMENTS) + text[where:]


def merged(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return several runs as one: counts added, the worst of times and memory."""
    inputs = sum(each["inputs"] for each in results)
    worst = max(results, key=lambda each: float(each["worst_seconds"]))
    return {
        "inputs": inputs, "seeds": [each["seed"] for each in results],
        "crashes": sum(each["crashes"] for each in results),
        "files_created": [name for each in results for name in each["files_created"]],
        "outcomes": dict(sum((Counter(each["outcomes"]) for each in results), Counter())),
        "worst_seconds": worst["worst_seconds"], "worst_input": worst["worst_input"],
        "over_10_ms": sum(each["over_10_ms"] for each in results),
        "per_second": round(inputs / sum(each["inputs"] / each["per_second"] for each in results)),
        "peak_mib_after_a_tenth": max(each["peak_mib_after_a_tenth"] for each in results),
        "peak_mib": max(each["peak_mib"] for each in results),
        "golds_not_themselves": [gold for each in results for gold in each["golds_not_themselves"]][:20],
    }  # fmt: skip


def main() -> None:
    """Grade, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "verify_fuzz.json")
    parser.add_argument("--merge", type=Path, nargs="*", help="add up the results of earlier runs instead of running")
    options = parser.parse_args()
    if options.merge:
        write_result(options.out, merged([json.loads(path.read_text()) for path in options.merge]))
        return
    out = options.out.resolve()
    rng = random.Random(options.seed)
    names = sorted(GRADERS)
    worst, worst_input, slow = 0.0, "", 0
    outcomes: dict[str, int] = {}
    not_itself: list[str] = []
    early_memory = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        began = time.process_time()
        for index in range(options.inputs):
            gold = random_text(rng)
            got = gold if rng.random() < 0.3 else random_text(rng)
            for _ in range(rng.randrange(3)):
                got = mutate(got, rng)
            whole = rng.random() < 0.1
            name = "math" if rng.random() < 0.8 else rng.choice(names)
            start = time.process_time()
            verdict = grade(gold, got, grader=name, form="completion" if whole else "answer", mode="flexible")
            seconds = time.process_time() - start
            if seconds > worst:
                worst, worst_input = seconds, f"{gold[:200]!r} | {got[:200]!r}"
            slow += seconds > 0.01
            outcomes[verdict.outcome] = outcomes.get(verdict.outcome, 0) + 1
            if index % 50 == 0:
                again = grade(gold, f"${gold}$")
                if gold.strip(" .$\n\t,;:") and again.outcome == "wrong" and extract_answer(gold) is None:
                    not_itself.append(gold[:100])
            if index == options.inputs // 10:
                early_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = time.process_time() - began
        files = [path.name for path in Path(folder).iterdir()]
        os.chdir("/")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {
        "inputs": options.inputs, "seed": options.seed, "crashes": 0, "files_created": files, "outcomes": outcomes,
        "worst_seconds": round(worst, 4), "worst_input": worst_input, "over_10_ms": slow,
        "per_second": round(options.inputs / seconds), "peak_mib_after_a_tenth": early_memory // 1024,
        "peak_mib": memory // 1024, "golds_not_themselves": not_itself[:20],
    }  # fmt: skip
    write_result(out, result)
    if files or worst > 1:
        raise SystemExit("a check failed")


if __name__ == "__main__":
    main()
