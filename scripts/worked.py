"""Write the worked examples of docs/methods.md: one seed through each method, made by a run.

    python scripts/worked.py            # runs the pipeline and writes the examples between their markers
    python scripts/worked.py --check    # leaves with 1 where the page says something else

The teacher is scripted: it says what stands in REPLIES. Everything else (prompts, derived questions, golds, verdicts,
samples) is what the code makes of it.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

from pages import ROOT, write

from mathstrap.backends import TeacherOptions
from mathstrap.backends.fake import FakeTeacher
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.options import RunRecipe
from mathstrap.problems.load import SeedsOptions, load_problems
from mathstrap.recipe import build_recipe
from mathstrap.types import PAPER_METHODS, Candidate, Completion, Problem, Reject, Sample, Verdict, root_of

PAGE = ROOT / "docs" / "methods.md"
SEED = "mini-gsm-031"
OTHERS = ("mini-gsm-007", "mini-gsm-043")
QUIZ = {
    "id": "quiz-7", "question": "A jacket costs $60 and is sold with 25% off. Its price in dollars is now",
    "choices": ["15", "35", "45", "75"], "answer": "C",
}  # fmt: skip
SAMPLE_OF = "ans_aug"  # the samples of the others have the same columns
OFF = {name: {"enabled": False} for name in PAPER_METHODS}
ON = {"enabled": True}
REPLIES = {
    "rephrase.1": "If a jacket whose price is $60 is offered with a discount of 25%, what does one pay for it, "
    "in dollars?",
    "rephrase.2": "A jacket is on sale for $60. How many dollars does it cost?",
    "self_verification.2": "It costs $45 now.",
    "ans_aug.1#0": "The discount is 25% of $60, which is 0.25 * 60 = $15.\nThe jacket now costs 60 - 15 = $45.\n"
    "The answer is: 45",
    "ans_aug.1#1": "25% off means that 75% is paid.\n0.75 * 60 = 50, so it costs $50.\nThe answer is: 50",
    "rephrase.1#0": "One pays 100% - 25% = 75% of the price.\n60 * 0.75 = 45 dollars.\nThe answer is: 45",
    "fobar.2#0": "The price falls from $60 to $45, by 60 - 45 = $15.\n15 / 60 = 0.25, so x = 25.\nThe answer is: 25",
    "self_verification.2#0": "60 - 45 = 15 dollars are taken off.\n15 is 25% of 60, so x is 25.\nThe answer is: 25",
    "evolve.1": "A jacket costs $60 and is sold with 25% off. A member of the club pays $5 less than that. How many "
    "dollars does it cost a member now?",
    "evolve.1#0": "The discount is 60 * 0.25 = $15, so the price is 60 - 15 = $45.\nA member pays 45 - 5 = $40.\n"
    "The answer is: 40",
    "evolve.1#1": "60 - 5 = 55, and 75% of that is 41.25.\nThe answer is: 41.25",
    "evolve.1#2": "Three quarters of $60 are $45. Less $5 that makes $40.\nThe answer is: 40",
    "compose.1": "A jacket costs $60 and is sold with 25% off. Finn has as many dollars as the jacket costs now. He "
    "buys 2 "
    "shirts for $12.50 each and a cap for $8. How many dollars does he have left?",
    "compose.1#0": "The jacket costs 60 - 0.25 * 60 = $45 now, so Finn has $45.\nThe shirts cost 2 * 12.50 = $25.\n"
    "He has 45 - 25 - 8 = $12 left.\nThe answer is: 12",
    "new_problem.1": "A tent costs $180, and members of a hiking club get 10% off. Rosa, who is a member, buys two "
    "tents and "
    "pays with four $100 bills. How many dollars does she get back?",
    "new_problem.1#0": "A member pays 180 * 0.9 = $162 for a tent.\nTwo tents cost 2 * 162 = $324.\nShe gets 400 - "
    "324 = "
    "$76 back.\nThe answer is: 76",
    "new_problem.1#1": "2 * 180 = 360, less 10% is 324.\n400 - 324 = 76.\nThe answer is: 76",
    "new_problem.1#2": "400 - 2 * 180 = 40.\nThe answer is: 40",
    "reopen.1": "A jacket costs $60 and is sold with 25% off. What is its price in dollars now?",
    "reopen.1#0": "25% of 60 is 15, and 60 - 15 = 45.\nThe answer is: 45",
}  # fmt: skip


def open_scripted(options: TeacherOptions) -> FakeTeacher:  # noqa: ARG001
    """Return the teacher that says what the table holds; where another seed is asked about, it says nothing of use."""
    return FakeTeacher(lambda request: REPLIES.get(re.sub(rf"^(?:{SEED}|{QUIZ['id']})/", "", request.id), "-"))


def make_run(folder: Path, name: str, seeds: list[dict[str, object]], methods: dict[str, object]) -> RunDir:
    """Run seeds through methods and return the run."""
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(seed) + "\n" for seed in seeds), encoding="utf-8")
    values = {
        "name": name, "out": str(folder), "rng_seed": 3, "seeds": {"source": str(path)},
        "teacher": {"backend": f"{Path(__file__).resolve()}:open_scripted"}, "methods": methods, "vote": {"draws": 3},
    }  # fmt: skip
    return RunDir.read(bootstrap(build_recipe(RunRecipe, values, "worked")).path)


def make_examples(folder: Path) -> dict[str, str]:
    """Return the example of every method that is shown: of one seed, of several, of a multiple-choice question."""
    bundled = {seed.id: seed for seed in load_problems(SeedsOptions(source="bundled:gsm8k")).problems}
    rows = [
        {"id": name, "question": bundled[name].question, "answer": bundled[name].answer,
         "solution": bundled[name].solution}
        for name in (SEED, *OTHERS)
    ]  # fmt: skip
    one = {
        "ans_aug": {"draws": 2}, "rephrase": {"count": 2}, "self_verification": {"count": 1}, "fobar": {"count": 1},
        "evolve": ON,
    }  # fmt: skip
    runs = {
        make_run(folder, "one", rows[:1], one): tuple(one),
        make_run(folder, "several", rows, OFF | {"compose": ON, "new_problem": ON}): ("compose", "new_problem"),
        make_run(folder, "quiz", [QUIZ], OFF | {"reopen": ON}): ("reopen",),
    }
    return {method: example(run, method) for run, methods in runs.items() for method in methods}


def example(run: RunDir, method: str) -> str:
    """Return one method's example as Markdown: what is said, and what is made of it; of `SAMPLE_OF` a whole sample."""
    problems = {
        problem.id: problem for problem in run.read_records("problems", Problem)
        if problem.method == method and root_of(problem.id) in (SEED, QUIZ["id"])
    }  # fmt: skip
    rejects = {reject.id: reject for reject in run.read_records("rejects", Reject)}
    lines = ["```text"]
    written = [(name, text) for name, text in rewrites(run, method) if root_of(name) in (SEED, QUIZ["id"])]
    for name, text in written:
        lines += [f"{name}   the teacher writes", *indent(text)]
        if name in rejects:
            lines += [f"    => {rejects[name].reason}: {rejects[name].detail}"]
        elif problems[name].question == text:
            lines += [f"    => {gold_of(problems[name])}"]
        else:
            lines += [*indent("=> " + problems[name].question), f"       {gold_of(problems[name])}"]
    for problem in problems.values():
        if problem.id not in dict(written):
            shown = [] if method == "ans_aug" else indent(problem.question)  # the seed's, which the page has quoted
            lines += [f"{problem.id}   {gold_of(problem)}", *shown]
        lines += answers(run, problem.id, in_full=not written)
    lines = [*lines, "```"]
    return "\n".join([*lines, "", *sample(run, method)] if method == SAMPLE_OF else lines)


def answers(run: RunDir, problem: str, *, in_full: bool) -> list[str]:
    """Return the answers to a problem with their verdicts; not `in_full`, what they come to, where they differ."""
    verdicts = {verdict.candidate: verdict for verdict in run.read_records("verdicts", Verdict)}
    found = [candidate for candidate in run.read_records("candidates", Candidate) if candidate.problem == problem]
    if not in_full:
        got = [verdicts[candidate.id].got for candidate in found]
        return [f"       the draws say {', '.join(got)}"] if len(set(got)) > 1 else []
    lines = []
    for candidate in found:
        verdict = verdicts[candidate.id]
        lines += [f"{candidate.id}   the teacher answers", *indent(candidate.text)]
        lines += [f"    => {verdict.outcome}"]
    return lines


def sample(run: RunDir, method: str) -> list[str]:
    """Return the published columns of a method's first sample as a block of JSON."""
    row = next(sample for sample in run.read_records("samples", Sample) if sample.method == method)
    pairs = {
        "type": row.type, "query": row.query, "original_question": row.original_question, "response": row.response,
    }  # fmt: skip
    shown = ",\n".join(f'  "{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in pairs.items())
    return [f"Its sample `{row.id}`:", "", "```json", "{", shown, "}", "```"]


def gold_of(problem: Problem) -> str:
    """Return the gold of a problem, and where it is a vote how many of the draws agreed."""
    if problem.tags.get("gold") != "voted":
        return f"gold {problem.answer}"
    return f"gold {problem.answer}, voted by {100 * float(problem.tags['confidence']):.0f} % of the draws"


def rewrites(run: RunDir, method: str) -> list[tuple[str, str]]:
    """Return (id, reply) of a method's rewriting requests."""
    found: list[Completion] = list(run.completions("rewrite"))
    return [(reply.request, reply.text) for reply in found if f"/{method}." in reply.request]


def indent(text: str) -> list[str]:
    """Return the lines of a text, each set in."""
    return [f"    {line}" for line in text.splitlines()]


def made_page(text: str) -> str:
    """Return the page with every example between its markers made anew."""
    with tempfile.TemporaryDirectory() as folder:
        for method, shown in make_examples(Path(folder)).items():
            marks = f"<!-- made by scripts/worked.py: {method} -->", f"<!-- end {method} -->"
            pattern = re.compile(f"{re.escape(marks[0])}\n.*?{re.escape(marks[1])}", re.DOTALL)
            if not pattern.search(text):
                raise SystemExit(f"docs/methods.md has no markers for {method}")
            found = f"{marks[0]}\n{shown}\n{marks[1]}"
            text = pattern.sub(lambda _, found=found: found, text)
    return text


if __name__ == "__main__":
    sys.exit(write({PAGE: made_page(PAGE.read_text(encoding="utf-8"))}))
