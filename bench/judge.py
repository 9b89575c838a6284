"""Compare votes with votes and FOBAR's checks together, at equal tokens, on questions whose golds the run is not given.

    python bench/judge.py recipe.yaml --draws 8 --most 24 [key=value ...]

The recipe names the teacher and the seeds (with golds; GSM8K's training questions, `seeds.limit=200`). The run asks for
`--draws` draws a question, puts the leading answers back, and asks for further draws up to `--most`: plain votes then
get as many draws as the tokens of the checks would have paid for. Written to `bench/results/judge.json`:

    precision   of the half of the questions with the highest confidence, the share whose label is the gold
    p           paired permutation test over questions of the difference between the two precisions
    calibration for `vote.calibration`, fitted on every second question, and its calibration error on the others beside
                that of the share of votes alone
"""

from __future__ import annotations

import argparse
import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from curate_data import write_result

from mathstrap.curate.vote import PutBack, Vote, VoteOptions, confidence_of, log_odds, vote
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.check import backward_questions, counted
from mathstrap.pipeline.label import question_of
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.seeds import load_seeds
from mathstrap.pipeline.solve import parse_solution
from mathstrap.recipe import load_recipe
from mathstrap.types import Candidate, Completion, Problem, problem_of
from mathstrap.verify import answers_agree, grade

OFF = [f"methods.{name}.enabled=false" for name in ("rephrase", "self_verification", "fobar")]
SHUFFLES = 10_000
BINS = 10


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question under one rule: how sure the rule is of its label, and whether the label is the gold."""

    name: str
    confidence: float
    right: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """A label that was checked: its case, its share of the votes, and what putting it back came to."""

    case: Case
    votes: float
    checked: PutBack


def stated(problem: Problem, reply: Completion) -> str:
    """Return the answer of a reply, empty where it states none."""
    parsed = parse_solution(problem, reply)
    return parsed.answer if isinstance(parsed, Candidate) else ""


def case(name: str, found: Vote, gold: str) -> Case:
    """Return a vote as a case; one without a label is wrong."""
    right = found.answer is not None and grade(gold, found.answer, form="answer").outcome == "correct"
    return Case(name=name, confidence=found.confidence, right=right)


def precision(cases: Sequence[Case]) -> float:
    """Return the share of right labels in the half of the cases that is most confident; ties in an order of hashes."""
    ranked = sorted(cases, key=lambda one: (-one.confidence, hashlib.blake2b(one.name.encode()).digest()))
    half = ranked[: max(1, len(ranked) // 2)]
    return sum(one.right for one in half) / len(half)


def p_of(judged: Sequence[Case], plain: Sequence[Case]) -> float:
    """Return how often the difference is as large when the two rules are swapped at random, question by question."""
    rng = random.Random(0)
    seen = abs(precision(judged) - precision(plain))
    hits = 0
    for _ in range(SHUFFLES):
        swapped = [(b, a) if rng.random() < 0.5 else (a, b) for a, b in zip(judged, plain, strict=True)]
        first, second = ([pair[side] for pair in swapped] for side in (0, 1))
        hits += abs(precision(first) - precision(second)) >= seen - 1e-12
    return (hits + 1) / (SHUFFLES + 1)


def accuracy(cases: Sequence[Case]) -> float:
    """Return the share of right labels."""
    return sum(one.right for one in cases) / len(cases)


def calibrate(rows: Sequence[Row]) -> tuple[float, float, float]:
    """Return intercept and weights of a logistic regression of right on the log-odds of votes and checks (ridge 1)."""
    weights = [0.0, 0.0, 0.0]
    features = [(1.0, log_odds(row.votes), log_odds(row.checked.share)) for row in rows]
    for _ in range(20_000):  # plain gradient steps: three weights, a few hundred rows
        slope = [-weight for weight in weights]
        for values, row in zip(features, rows, strict=True):
            sum_of = sum(weight * value for weight, value in zip(weights, values, strict=True))
            miss = row.case.right - 1 / (1 + math.exp(-max(-50.0, min(50.0, sum_of))))
            slope = [one + miss * value for one, value in zip(slope, values, strict=True)]
        weights = [weight + 0.3 * one / len(rows) / 10 for weight, one in zip(weights, slope, strict=True)]
        if max(map(abs, slope)) < 1e-3 * len(rows):
            break
    return weights[0], weights[1], weights[2]


def calibration_error(cases: Sequence[Case]) -> float:
    """Return the mean distance of confidence and accuracy over ten bins of confidence, weighted by their size."""
    bins: dict[int, list[Case]] = {}
    for one in cases:
        bins.setdefault(min(BINS - 1, int(one.confidence * BINS)), []).append(one)
    gaps = (abs(sum(one.confidence - one.right for one in members)) for members in bins.values())
    return sum(gaps) / len(cases)


def compare(
    questions: Sequence[Problem], golds: Mapping[str, str], replies: Mapping[str, Completion], recipe: RunRecipe,
    most: int,
) -> dict[str, object]:
    """Return the comparison of the two rules on questions of which every reply is there."""
    options = VoteOptions(
        draws=recipe.vote.draws, min_agreement=0.0, min_votes=1, ties="first", judge="fobar",
        judge_answers=recipe.vote.judge_answers, judge_numbers=recipe.vote.judge_numbers,
        judge_draws=recipe.vote.judge_draws,
    )  # fmt: skip
    tokens = {name: reply.tokens_in + reply.tokens_out for name, reply in replies.items()}
    answers = {
        question.id: [stated(question, replies[f"{question.id}#{draw}"]) for draw in range(most)]
        for question in questions
    }
    checks: dict[str, dict[str, PutBack]] = {}
    spent = 0
    for question in questions:
        backward = list(backward_questions(question, answers[question.id][: options.draws], recipe))
        given = {
            problem.id: [
                answers_agree(problem.answer, stated(problem, replies[f"{problem.id}#{draw}"])) == "correct"
                for draw in range(options.judge_draws)
            ]
            for _, problem in backward
        }
        spent += sum(tokens[f"{question.id}#{draw}"] for draw in range(options.draws))
        spent += sum(tokens[f"{name}#{draw}"] for name in given for draw in range(options.judge_draws))
        checks[question.id] = counted(backward, given)
    costs = [sum(tokens[f"{question.id}#{draw}"] for question in questions) for draw in range(most)]
    draws = next((number for number in range(1, most + 1) if sum(costs[:number]) > spent), most + 1) - 1
    judged: list[Case] = []
    plain: list[Case] = []
    rows: list[Row] = []
    for question in questions:
        gold, said = golds[question.parent or question.id], answers[question.id]
        found = vote(said[: options.draws], options, checks=checks[question.id])
        judged.append(case(question.id, found, gold))
        plain.append(case(question.id, vote(said[:draws], options), gold))
        if checked := checks[question.id].get(found.answer or ""):
            rows.append(Row(case=judged[-1], votes=found.num_votes / found.num_draws, checked=checked))
    fitted = calibrate(rows[::2])
    calibrated = replace(options, calibration=fitted)
    odd = [
        replace(row.case, confidence=confidence_of(row.votes, row.checked, calibrated)) for row in rows[1::2]
    ]  # fmt: skip
    return {
        "questions": len(questions), "tokens": spent, "draws_of_plain_votes": draws,
        "plain_ran_out_of_draws": draws == most,
        "precision": {"votes": precision(plain), "votes and checks": precision(judged)},
        "accuracy": {"votes": accuracy(plain), "votes and checks": accuracy(judged)},
        "p": p_of(judged, plain),
        "calibration": [round(weight, 3) for weight in fitted],
        "checked": len(rows),
        "calibration_error": {"votes": calibration_error(plain[1::2]), "calibrated": calibration_error(odd)},
    }  # fmt: skip


def main() -> None:
    """Run both rules and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--most", type=int, default=24)
    args = parser.parse_args()
    common = [*args.overrides, *OFF, "methods.ans_aug.draws=1", "export.formats=[]"]
    golds = {seed.id: seed.answer for seed in load_seeds(load_recipe(RunRecipe, args.recipe, common)).problems}
    common += ["seeds.gold=voted", "vote.min_agreement=0", "vote.min_votes=1", "vote.ties=first"]
    recipe = load_recipe(RunRecipe, args.recipe, [*common, f"vote.draws={args.draws}", "vote.judge=fobar"])
    for one in (recipe, load_recipe(RunRecipe, args.recipe, [*common, f"vote.draws={args.most}"])):
        summary = bootstrap(one)
        if not summary.is_complete:
            raise SystemExit(f"{summary.path}: requests are left. Give the same command again.")
    replies = {reply.request: reply for reply in RunDir.read(recipe.path).completions("solve")}
    questions = [question for seed in load_seeds(recipe).problems for question in question_of(seed, recipe)]
    asked = {problem_of(name) for name in replies}
    questions = [question for question in questions if question.id in asked and question.parent in golds]
    write_result("judge", compare(questions, golds, replies, recipe, args.most))


if __name__ == "__main__":
    main()
