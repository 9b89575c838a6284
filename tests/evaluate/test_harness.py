"""Our copy of lm-evaluation-harness's rules gives its verdicts, and every difference to ours has a named cause."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness_replies import OURS, harness_python
from mathstrap.evaluate.harness import RULES, differences, harness_answer, harness_correct
from mathstrap.evaluate.score import score_draw
from mathstrap.types import Completion, Problem

REPLIES = Path(__file__).parents[1] / "data" / "eval_replies.jsonl"
# (style, gold, reply)
def problem_of(style: str, gold: str) -> Problem:
    solution = "9*2=<<9*2=18>>18" if style == "gsm8k" else ""
    return Problem(id="q", dataset="d", style=style, question="?", answer=gold, solution=solution)  # type: ignore[arg-type]


def all_replies(cases: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Ours, the labelled completions of the shared cases, and replies of a real model."""
    replies = list(OURS)
    for case in cases:
        if (
            case.get("form") == "completion"
            and len(case.get("prediction", "")) < 20_000
            and "prediction_rle" not in case
        ):
            gold = str(case.get("gold", ""))
            style = "gsm8k" if gold.replace(",", "").replace(".", "", 1).lstrip("-").isdigit() else "math"
            replies.append((style, gold, case["prediction"]))
    if REPLIES.exists():
        rows = [json.loads(line) for line in REPLIES.read_text().splitlines()]
        replies += [(row["style"], row["gold"], row["text"]) for row in rows]
    return replies


@pytest.mark.parametrize(
    ("rule", "text", "answer"),
    [
        ("strict-match", "#### 18", "18"),
        ("strict-match", "#### 1\n#### 2", "1"),
        ("strict-match", "#### $18", "[invalid]"),
        ("flexible-extract", "3 figs, $1,200.", "$1,200."),
        ("flexible-extract", "7 or 8", "8"),
        ("flexible-extract", "none", "[invalid]"),
        ("hendrycks_math", "so $x=1$ and $y=2$.", "x=1$ and $y=2"),
        ("hendrycks_math", "no dollars", "no dollars"),
    ],
)
def test_what_the_harness_reads(rule: str, text: str, answer: str) -> None:
    assert harness_answer(text, rule) == answer  # type: ignore[arg-type]


def test_every_difference_has_one_cause() -> None:
    causes: Counter[str] = Counter()
    for style, gold, text in OURS:
        completion = Completion(request="q#0", key="k", text=text, finish_reason="stop")
        draw = score_draw(problem_of(style, gold), completion, headline="symbolic", draw=0)
        for found in differences(draw):
            assert found.ours != found.theirs
            causes[found.cause.partition(":")[0]] += 1
    assert causes["stated in another form than `#### number`"] >= 3
    assert causes["the same number in another spelling"] >= 1
    assert causes["a stated answer is followed by another number"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_our_copy_of_its_rules_gives_its_verdicts(cases_path: Path) -> None:
    python = harness_python()
    cases = [json.loads(line) for line in (cases_path / "dev.jsonl").read_text(encoding="utf-8").splitlines()]
    replies = all_replies(cases)
    rows = [{"style": s, "gold": g, "text": t, "solution": problem_of(s, g).solution} for s, g, t in replies]
    script = Path(__file__).parents[1] / "support" / "lm_eval_verdicts.py"
    done = subprocess.run(
        [python, str(script)], input="\n".join(map(json.dumps, rows)), capture_output=True, text=True, timeout=870,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    verdicts = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(verdicts) == len(replies) > 300
    unlike = [
        (rule, gold, text[-200:], theirs[rule])
        for (style, gold, text), theirs in zip(replies, verdicts, strict=True)
        for rule in RULES[style]  # type: ignore[index]
        if harness_correct(text, gold, rule) != theirs[rule]
    ]
    assert unlike == []
