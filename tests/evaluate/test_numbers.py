"""Every number of a run, made again by brute force from the replies that its draws.jsonl holds."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy
import pytest

from mathstrap.backends.fake import FakeTeacher
from mathstrap.evaluate import Changes, EvalOptions, EvalResult, evaluate
from mathstrap.stats.estimates import Estimate
from mathstrap.types import Request

DRAWS = 4
SUBJECTS = ("Algebra", "Geometry", "Precalculus")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> EvalResult:
    """Three sets, four draws of every question, at random right, wrong in three ways, or without an answer."""
    folder, rng = tmp_path_factory.mktemp("numbers"), random.Random(7)
    words = [
        {"question": f"Ann has {n} figs, buys {n + 5}{' more' * (n % 7)} and eats {n % 3 + 2}. How many are left?",
         "answer": f"{n}+{n + 5}=<<{n}+{n + 5}={2 * n + 5}>>{2 * n + 5}\n" * (n % 4 + 1) + f"#### {2 * n + 3 - n % 3}"}
        for n in range(10, 40)
    ]  # fmt: skip
    contest = [
        {"problem": "Compute. " * (n % 5) + f"What is ${n}+1$?", "solution": f"We add. It is \\boxed{{{n + 1}}}.",
         "answer": str(n + 1), "level": n % 5 + 1, "subject": SUBJECTS[n % 3], "unique_id": str(n)} for n in range(40)
    ]  # fmt: skip
    for name, rows in (("gsm8k", words), ("math500", contest)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    golds: dict[str, str] = {}

    def answer(request: Request) -> str:
        gold = golds.get(request.id.partition("#")[0], "0")
        said = rng.choice([gold, gold, "1000001", "1000002", "1000003", ""])
        return f"The answer is: {said}" if said else "I cannot tell."

    options = EvalOptions(
        benchmarks=(
            f"gsm8k={folder}/gsm8k.jsonl", f"math500={folder}/math500.jsonl",
            f"gsm8k-backward-full={folder}/gsm8k.jsonl",
        ),
        out=str(folder / "run"), draws=DRAWS, changes=Changes(temperature=0.7),
    )  # fmt: skip
    from mathstrap.evaluate.run import load_sets

    golds |= {problem.id: problem.answer for loaded in load_sets(options) for problem in loaded.problems}
    return evaluate(options, backend=FakeTeacher(answer))


def held(result: EvalResult) -> dict[str, dict[str, list[str]]]:
    """Return set, question, and what its draws say, in order; "right", another number, or "" for none."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in (result.path / "draws.jsonl").read_text().splitlines():
        row = json.loads(line)
        said = re.search(r"is: (\S+)", row["text"])
        answer = "" if said is None else "right" if said[1] == row["expected"] else said[1]
        found.setdefault(row["benchmark"], {}).setdefault(row["problem"], []).append(answer)
    return found


def vote(answers: tuple[str, ...]) -> float:
    """Return the chance that a random tie-break of a majority vote is right."""
    counts = Counter(answer for answer in answers if answer)
    leaders = [answer for answer, count in counts.items() if count == max(counts.values())]
    return leaders.count("right") / len(leaders) if leaders else 0.0


def over_subsets(answers: list[str], k: int, value: Callable[[tuple[str, ...]], float]) -> float:
    return fmean(value(subset) for subset in combinations(answers, k))


def check(found: Estimate, groups: dict[str, list[str]]) -> None:
    """Compare a share and its interval: a sandwich variance over seed questions, and Wilson's quadratic solved."""
    clusters: dict[str, list[int]] = {}
    for problem, answers in groups.items():
        clusters.setdefault(problem.split("/")[0], []).extend(answer == "right" for answer in answers)
    values = numpy.array([value for group in clusters.values() for value in group], float)
    p, n = values.mean(), len(values)
    assert found.value == pytest.approx(p)
    assert (found.num, found.clusters) == (n, len(clusters))
    if not 0 < p < 1 or len(clusters) < 2:
        return
    scores = numpy.array([numpy.sum(numpy.array(group) - p) for group in clusters.values()])
    variance = len(clusters) * scores.var(ddof=1) / n**2
    size = min(n, p * (1 - p) / variance)
    z2 = 1.959963984540054**2
    ends = sorted(numpy.roots([1 + z2 / size, -(2 * p + z2 / size), p * p]))
    assert (found.low, found.high) == (pytest.approx(ends[0]), pytest.approx(ends[1]))


@pytest.mark.parametrize("place", range(3))
def test_accuracy_pass_majority_and_average_are_those_of_the_draws(result: EvalResult, place: int) -> None:
    summary = result.evaluation.summaries[place]
    groups = held(result)[summary.benchmark]
    assert len(groups) == summary.num_problems > 20
    assert {len(answers) for answers in groups.values()} == {DRAWS}
    check(summary.accuracy, groups)
    check(summary.avg_at["4"], groups)
    assert list(summary.pass_at) == list(summary.maj_at) == ["1", "2", "4"]
    for k in (1, 2, 4):
        passed = fmean(over_subsets(a, k, lambda subset: float("right" in subset)) for a in groups.values())
        voted = fmean(over_subsets(a, k, vote) for a in groups.values())
        assert summary.pass_at[str(k)].value == pytest.approx(passed)
        assert summary.maj_at[str(k)].value == pytest.approx(voted)
        assert summary.pass_at[str(k)].low < passed < summary.pass_at[str(k)].high
    silent = fmean(answer == "" for answers in groups.values() for answer in answers)
    assert summary.unparseable.value == pytest.approx(silent)


def test_slices_are_the_shares_of_their_questions(result: EvalResult) -> None:
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for line in (result.path / "problems.jsonl").read_text().splitlines():
        row = json.loads(line)
        rows.setdefault(row["dataset"], {})[row["id"]] = row
    answers = held(result)
    for summary in result.evaluation.summaries:
        problems = rows[summary.benchmark]
        order = sorted(problems, key=lambda key: len(problems[key]["question"]))
        thirds = {key: ("short", "medium", "long")[3 * i // len(order)] for i, key in enumerate(order)}
        labels: dict[str, Callable[[str], str]] = {"question length": lambda key, thirds=thirds: thirds[key]}  # type: ignore[misc]
        tags = {"math500": ("level", "subject"), "gsm8k": (), "gsm8k-backward-full": ("kind", "solvable")}
        for tag in tags[summary.benchmark]:
            labels[tag] = lambda key, tag=tag, problems=problems: str(problems[key]["tags"][tag])  # type: ignore[misc]
        if summary.benchmark == "gsm8k":
            labels["steps"] = lambda key, problems=problems: str(problems[key]["solution"].count("<<"))  # type: ignore[misc]
        for name, label in labels.items():
            found = summary.slices.get(name, {})
            values = {label(key) for key in problems}
            assert set(found) == (values if len(values) > 1 else set())
            for value, score in found.items():
                check(score, {key: answers[summary.benchmark][key] for key in problems if label(key) == value})
    names = [set(summary.slices) for summary in result.evaluation.summaries]
    assert names[0] >= {"question length", "steps"}
    assert names[1] >= {"level", "subject"}
    assert result.evaluation.summaries[2].accuracy.clusters < result.evaluation.summaries[2].num_problems
