"""Which questions cannot be answered, by their words alone, and which look like it and can."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mathstrap.audit import AuditOptions, audit
from mathstrap.audit.questions import (
    asks_for_proof,
    asks_nothing,
    asks_twice,
    counts_in_fractions,
    lacks_figure,
    lacks_number,
)

DETECTORS = {
    "nothing": asks_nothing, "proof": asks_for_proof, "figure": lacks_figure, "count": counts_in_fractions,
    "number": lacks_number, "twice": asks_twice,
}  # fmt: skip


@pytest.mark.parametrize(
    ("question", "want"),
    [
        ("Lena buys p pizzas, each cut into q slices. How much would s slices cost?", set()),
        ("I'm sorry, but I cannot rephrase this question.", {"nothing"}),
        ("The weather in the old town was fine that day.", {"nothing"}),
        ("Ed has 2.5 dogs and 3 cats. How many pets has he?", {"count"}),
        ("He divides the rest among 3 friends, but each gets -2 marbles. How many are left?", {"count"}),
        ("How many chords are there if each point joins 2.5 other students?", {"count"}),
        ("Mira jogs at 5 miles per hour. The chart below shows her hours. How far does she jog?", {"figure"}),
        ("What percent of the 300 students own cats? (No pie chart provided.)", {"figure"}),
        ("In the figure below, what is angle $x$ if $y = 30$?", {"figure"}),
        ("Lily has some gallons of milk and gives a portion to James. What fraction does she have left?", {"number"}),
        (r"If $\sqrt{5+n}=7$, what is the value of $m$?", {"number"}),
        (r"What is the value of $\sqrt{x^2 + y^2} - \sqrt{z^2 - w^2}$?", {"number"}),
        ("Prove that the sum of two odd numbers is even.", {"proof"}),
        ("Let $n$ be odd. Show that $n^2 - 1$ is divisible by 8.", {"proof"}),
        ("How many pens has he? How many pencils has he after he buys 3?", {"twice"}),
        ("There are 12 pens.\n(a) How many are red\n(b) How many are blue", {"twice"}),
        # sound
        ("Ed has 2 dogs and 3 cats. How many pets has he?", set()),
        ("A family has 2.5 children on average. How many children have 40 families?", set()),
        ("The pie chart says: cats 40 %, dogs 60 %. How many of 50 students own cats?", set()),
        ("The table below gives the prices:\n| item | price |\n| pen | 3 |\nWhat do 4 pens cost?", set()),
        ("The graph of $y = 2x$ passes through $(3, k)$. What is $k$?", set()),
        ("The parabola $y=ax^2+bx+c$ has vertex $(p,p)$. What is $b$?", set()),
        (r"What is the value of $(7+5)^2-(7-5)^2$?", set()),
        ("How many distinct arrangements are there of PAPA?", set()),
        ("How many sides has a hexagon?", set()),
        (r"Rationalize the denominator: $\frac{5}{\sqrt{3}}$.", set()),
        ("Simplify $2x + 3x$.", set()),
        ("Bank: 3.5 million people. How many are 10 %?", set()),
        ("Each show lasts 1.5 hours. How long do 4 shows last?", set()),
        ("Show how many marbles 5 boys with 3 each have.", set()),
        ("", {"nothing"}),
    ],
)
def test_questions(question: str, want: set[str]) -> None:
    assert {name for name, find in DETECTORS.items() if find(question)} == want


@pytest.mark.parametrize("name", ["gsm8k_train", "math_test"])
def test_published_questions_are_almost_never_flagged(name: str, data_path: Path) -> None:
    rows = [json.loads(line) for line in (data_path / f"{name}.jsonl").open()]
    questions = [row.get("question") or row["problem"] for row in rows]
    flagged = {name: sum(bool(find(text)) for text in questions) for name, find in DETECTORS.items() if name != "twice"}
    assert max(flagged.values()) <= 2, flagged


def test_questions_alone_need_no_responses(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    asked = ["Ed has 2.5 dogs. How many legs have they?", "What is 2 + 3?", "What is  2 + 3?"]
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in asked))
    report = audit(path, AuditOptions(questions_only=True))
    assert {name for name, count in report.found().items() if count} == {"impossible_count", "duplicate"}
    assert "no_answer" not in report.found()
    assert report.kept == 1


def test_hostile_questions_are_quick() -> None:
    for text in ("? " * 50_000, "$" * 100_000, "\\(" * 50_000, "(a) " * 50_000, "-1 " * 50_000, "what is " * 20_000):
        for find in DETECTORS.values():
            find(text)
