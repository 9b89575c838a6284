"""Make a run directory of any size with all four methods, every kind of reject, and texts that attack the page."""
# ruff: noqa: E501

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mathstrap.files.rundir import RunDir
from mathstrap.types import (
    REASONS,
    Candidate,
    Completion,
    Failure,
    Problem,
    Reject,
    Sample,
    Stage,
    Verdict,
    type_of,
)

NAMES = ["Noor", "Ivo", "Mira", "Tariq", "Lena", "Odell", "Suki", "Bram"]
GOODS = ["rolls", "beads", "tiles", "pears", "stamps", "candles", "ropes", "maps"]
SUBJECTS = ["Algebra", "Geometry", "Number Theory", "Precalculus"]
HOSTILE = [
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "$\\text{<img src=x onerror=\"document.title='owned'\">}$ and \\href{javascript:alert(1)}{x}",
    "\x1b[31mred\x1b[0m \u202egnirts desrever\u202c \x00 null",
    "$" + "{" * 500 + "x" + "}" * 500 + "$ \\def\\a{\\a\\a}\\a $\\newcommand{\\b}{\\b\\b}\\b$",
    "'\"><svg onload=\"document.title='owned'\"> {{ 7*7 }} {% raw %} ../../etc/passwd",
]
TEACHER = "gpt-4o-mini"


@dataclass
class Made:
    """Everything a synthetic run consists of, before it is written."""

    problems: list[Problem] = field(default_factory=list)
    rewrites: list[Completion] = field(default_factory=list)
    replies: list[Completion] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


def seed_problem(number: int, rng: random.Random, *, hostile: bool) -> Problem:
    name, goods = rng.choice(NAMES), rng.choice(GOODS)
    a, b, price = rng.randint(3, 60), rng.randint(2, 12), rng.randint(2, 9)
    tags: dict[str, object] = {}
    attack = f" {HOSTILE[number % len(HOSTILE)]}" if hostile and number % 7 == 3 else ""
    if number % 3:
        question = (
            f"{name} packs {a} {goods} in a box and fills {b} boxes. Each of the {goods} sells for ${price}. "
            f"How many dollars does {name} take for all of them?{attack}"
        )
        solution = f"{name} has {a}*{b}=<<{a}*{b}={a * b}>>{a * b} {goods}.\nThey sell for {a * b}*{price}=<<{a * b}*{price}={a * b * price}>>{a * b * price} dollars.\n#### {a * b * price}"
        return Problem(
            id=f"gsm8k-train-{number:05d}",
            dataset="gsm8k",
            style="gsm8k",
            question=question,
            answer=str(a * b * price),
            solution=solution,
        )
    tags = {"level": f"Level {number % 5 + 1}", "subject": rng.choice(SUBJECTS)}
    question = f"Let $f(x) = \\frac{{{a}}}{{x}} + {b}$. What is $f\\left({price}\\right)$? Write the value as a common fraction.{attack}"
    top = a + b * price
    return Problem(
        id=f"math-train-{number:05d}", dataset="math", style="math", question=question, answer=f"\\frac{{{top}}}{{{price}}}",
        solution=f"We have $f({price}) = \\frac{{{a}}}{{{price}}} + {b} = \\boxed{{\\frac{{{top}}}{{{price}}}}}$.", tags=tags,
    )  # fmt: skip


def reply_text(problem: Problem, answer: str, rng: random.Random) -> str:
    steps = [
        f"First, we read the numbers off the question and call the unknown value {rng.choice('abcxyz')}.",
        f"Next, we work out {rng.randint(2, 90)} * {rng.randint(2, 9)} and keep the result.",
        "Then we add the parts and compare with what was asked.",
        f"So the value is {rng.randint(2, 900)} + {rng.randint(2, 90)}, which we simplify.",
    ]
    body = "\n".join(steps[: rng.randint(2, 4)])
    return f"{body}\nThe answer is: {answer}"


def children(seed: Problem, rng: random.Random) -> Iterator[Problem]:
    masked = seed.question
    for word in seed.question.replace("$", " ").replace("{", " ").replace("}", " ").split():
        if word.isdigit():
            masked = seed.question.replace(word, "x" if seed.style == "gsm8k" else "X", 1)
            hidden = word
            break
    common = {"dataset": seed.dataset, "style": seed.style, "parent": seed.id}
    for count in (1, 2):
        opening = "In total, " if count == 1 else "Please find: "
        question = opening + seed.question.replace("How many dollars does", "what sum in dollars does").replace(
            "packs", "puts"
        )
        yield Problem(
            id=f"{seed.id}/rephrase.{count}", question=question, answer=seed.answer, method="rephrase", **common
        )  # type: ignore[arg-type]
    ask = "x" if seed.style == "gsm8k" else "$X$"
    tags = {"masked": hidden}
    yield Problem(
        id=f"{seed.id}/self_verification.1", answer=hidden, method="self_verification", tags=tags,
        question=f"{masked} The result is {seed.answer}. What is the value of unknown variable {ask}?", **common,  # type: ignore[arg-type]
    )  # fmt: skip
    yield Problem(
        id=f"{seed.id}/fobar.1", answer=hidden, method="fobar", tags=tags,
        question=f"{masked}\nIf we know the answer to the above question is {seed.answer}, what is the value of unknown variable {ask}?", **common,  # type: ignore[arg-type]
    )  # fmt: skip


def make(num_seeds: int, *, draws: int = 2, rng_seed: int = 0, hostile: bool = False, right: float = 0.7) -> Made:
    """Return a run over `num_seeds` seeds; `right` is the share of replies with the gold answer."""
    rng = random.Random(rng_seed)
    made = Made()
    reasons = [reason for reason in REASONS if reason not in ("bad_row", "no_answer", "flagged", "gold_fails_grader")]
    made.rejects.append(Reject(id="gsm8k-99999", stage="seeds", reason="bad_row", detail="seeds.jsonl:9: no question"))
    for number in range(num_seeds):
        seed = seed_problem(number, rng, hostile=hostile)
        made.problems.append(seed)
        for problem in [seed, *children(seed, rng)]:
            if problem.method not in ("seed", "fobar"):
                made.rewrites.append(
                    Completion(
                        request=problem.id,
                        key="k1",
                        text=problem.question,
                        finish_reason="stop",
                        model=TEACHER,
                        tokens_in=420,
                        tokens_out=55,
                        seconds=0.8,
                    )
                )
            if problem.method != "seed" and rng.random() < 0.08:
                reason = rng.choice(reasons)
                stage: Stage = "filter" if reason in ("duplicate", "contaminated") else "rewrite"
                made.rejects.append(
                    Reject(
                        id=problem.id, stage=stage, reason=reason, detail=f"found {number % 9}, expected {number % 7}"
                    )
                )
                continue
            if problem.method != "seed":
                made.problems.append(problem)
            for draw in range(draws * 2 if problem.method == "seed" else draws):
                answer_one(made, seed, problem, draw, rng, hostile=hostile, right=right)
    return made


def answer_one(
    made: Made, seed: Problem, problem: Problem, draw: int, rng: random.Random, *, hostile: bool, right: float
) -> None:
    request = f"{problem.id}#{draw}"
    fate = rng.random()
    if fate < 0.01:
        made.failures.append(Failure(id=request, key="k2", error="read timed out"))
        return
    method = "ans_aug" if problem.method == "seed" else problem.method
    answer = problem.answer if rng.random() < right else str(rng.randint(1, 999))
    text = reply_text(problem, answer, rng)
    if hostile and rng.random() < 0.2:
        text = f"{rng.choice(HOSTILE)}\n{text}"
    if fate < 0.03:
        text = text.rpartition("The answer is")[0]
    made.replies.append(
        Completion(
            request=request,
            key="k2",
            text=text,
            finish_reason="stop",
            model=TEACHER,
            tokens_in=180 if not draw else 0,
            tokens_out=len(text) // 4,
            seconds=1.3,
        )
    )
    if fate < 0.03:
        made.rejects.append(Reject(id=request, stage="solve", reason="no_answer", detail="no final answer"))
        return
    made.candidates.append(Candidate(id=request, problem=problem.id, text=text, answer=answer))
    is_right = answer == problem.answer
    outcome = "correct" if is_right else ("undecided" if fate > 0.99 else "wrong")
    made.verdicts.append(
        Verdict(
            candidate=request,
            outcome=outcome,
            got=answer,
            expected=problem.answer,
            grader="math",
            tier="number",
            reason="" if is_right else "values differ",
        )  # type: ignore[arg-type]
    )
    if not is_right:
        return
    if fate > 0.97:
        made.rejects.append(
            Reject(id=request, stage="curate", reason="duplicate", detail="same steps as another reply")
        )
        return
    made.samples.append(
        Sample(
            id=request, type=type_of(problem.style, method), query=problem.question, original_question=seed.question,  # type: ignore[arg-type]
            response=f"{text.rpartition('The answer is')[0]}#### {answer}\nThe answer is: {answer}", problem=problem.id, seed=seed.id,
            dataset=seed.dataset, method=method, answer=answer, teacher=TEACHER, prompt_hash="abcd1234", draw=draw,  # type: ignore[arg-type]
        )
    )  # fmt: skip


def write(made: Made, path: Path) -> Path:
    """Write `made` as a finished run directory and return its path."""
    with RunDir.open(path) as run:
        for stage, completions in (("rewrite", made.rewrites), ("solve", made.replies)):
            sink = run.sink(stage)
            for completion in completions:
                sink.completion(completion)
        for failure in made.failures:
            run.sink("solve").failure(failure)
        for name in ("problems", "candidates", "verdicts", "rejects", "samples"):
            run.write_records(
                name, sorted(getattr(made, name), key=lambda row: getattr(row, "id", None) or row.candidate)
            )
        run.write_text("recipe.yaml", "name: synthetic\nteacher:\n  model: gpt-4o-mini\n")
        run.update_manifest(name=path.name, version="0.1.0", started_at="2026-01-02T03:04:05Z")
    return path


def synthetic_run(path: Path, num_seeds: int = 24, **options: object) -> Path:
    """Make and write a run; the options are those of `make`."""
    return write(make(num_seeds, **options), path)  # type: ignore[arg-type]
