"""Grade one reply of a test problem, by every score side by side. Pure; knows nothing of files or models.

strict      the answer must be stated (`The answer is`, `####`, a box); equal as a number (word problems) or as the
            normalised text of the published MATH scorer
flexible    the same equality; without a stated answer the last number or formula counts
symbolic    extracted as flexible, equal in value by our own grader
reference   the scorer of the released MetaMath evaluation, bit for bit
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from mathstrap.evaluate.protocols import ScoreName
from mathstrap.patterns import regex
from mathstrap.thought import split_completion
from mathstrap.types import Completion, FinishReason, Outcome, Problem, Style, root_of
from mathstrap.verify import Extraction, Grade, extract_answer, grade
from mathstrap.verify.find.extract import extract_all
from mathstrap.verify.find.reply import only_repeats

DrawReason = Literal["correct", "wrong_answer", "no_answer", "truncated", "empty", "refused", "undecided"]
SCORES: tuple[ScoreName, ...] = ("strict", "flexible", "symbolic", "reference")
# The page's text for each reason.
REASON_TEXT: dict[DrawReason, str] = {
    "correct": "the answer equals the gold",
    "wrong_answer": "an answer was found and it differs from the gold",
    "no_answer": "no final answer could be found",
    "truncated": "the reply hit the token limit before it stated an answer",
    "empty": "the reply is empty",
    "refused": "the server's content filter ended the reply",
    "undecided": "the grader could not decide",
}
UNPARSEABLE: tuple[DrawReason, ...] = ("no_answer", "empty")
# Extraction rules that read a stated answer; the other rules guess by a number's position.
STATED = ("hash", "stated", "boxed", "value_of")
_SENTENCE = regex(r"(?<![\\A-Za-z])[A-Za-z]{2,}[ ,.:]+(?:\S+ )*\S")
TEXT_GRADER: dict[Style, str] = {"gsm8k": "gsm8k", "math": "hendrycks"}
REFERENCE_GRADER: dict[Style, str] = {"gsm8k": "metamath-2024-gsm8k", "math": "metamath-2024-math"}


class ScoredDraw(msgspec.Struct, frozen=True, kw_only=True):
    """A graded reply with question, gold, prompt, text, verdict and cost."""

    id: str
    problem: str
    benchmark: str
    cluster: str
    draw: int
    outcome: Outcome
    reason: DrawReason
    is_correct: bool
    strict: bool
    flexible: bool
    symbolic: bool
    reference: bool
    got: str
    expected: str
    extractor: str
    grader: str
    tier: str
    detail: str
    finish_reason: FinishReason
    tokens_in: int
    tokens_out: int
    seconds: float
    style: Style
    question: str
    solution: str
    prompt: str
    text: str


def score_draw(
    problem: Problem, completion: Completion, *, headline: ScoreName, draw: int
) -> ScoredDraw:  # fmt: skip
    """Return the graded reply; `headline` names the score that decides `is_correct`. Its prompt is left empty."""
    # An answer inside a thought does not count: an unfinished thought leaves no text and so no answer.
    completion = split_completion(completion)
    text, gold, style = completion.text, problem.answer, problem.style
    stated = stated_answer(text, problem.question)
    # A reply that was cut off before it stated an answer ends in a number only by chance, so that is not its answer.
    cut = completion.finish_reason == "length" and stated is None
    extracted = stated if cut else stated or last_answer(text, problem.question)
    grades: dict[ScoreName, Grade] = {"reference": grade(gold, text, grader=REFERENCE_GRADER[style], form="completion")}
    nothing = Grade("wrong", "extraction", "no final answer is stated", "", gold)
    by_text = TEXT_GRADER[style]
    grades["strict"] = grade(gold, undelimited(stated.answer), grader=by_text) if stated else nothing
    grades["flexible"] = grade(gold, undelimited(extracted.answer), grader=by_text) if extracted else nothing
    # A formula of the question that nobody worked out is not an answer, unless the reply says that it is.
    asked = "" if stated else problem.question
    grades["symbolic"] = grade(gold, extracted.answer, question=asked) if extracted else nothing
    chosen = grades[headline]
    extraction = stated if headline == "strict" else extracted
    has_answer = bool(chosen.got) if headline == "reference" else extraction is not None
    return ScoredDraw(
        id=completion.request,
        problem=problem.id,
        benchmark=problem.dataset,
        cluster=root_of(problem.id),
        draw=draw,
        outcome=chosen.outcome,
        reason=reason_of(chosen, completion, has_answer),
        is_correct=chosen.outcome == "correct",
        strict=grades["strict"].outcome == "correct",
        flexible=grades["flexible"].outcome == "correct",
        symbolic=grades["symbolic"].outcome == "correct",
        reference=grades["reference"].outcome == "correct",
        got=chosen.got[:500],
        expected=gold,
        extractor="reference" if headline == "reference" else extraction.extractor if extraction else "",
        grader=grader_name(headline, style),
        tier=chosen.tier,
        detail=chosen.reason[:300],
        finish_reason=completion.finish_reason,
        tokens_in=completion.tokens_in,
        tokens_out=completion.tokens_out,
        seconds=completion.seconds,
        style=style,
        question=problem.question,
        solution=problem.solution,
        prompt="",
        text=text,
    )


def stated_answer(text: str, question: str = "") -> Extraction | None:
    """Return the answer that the reply states as its answer; None where it merely ends in a number."""
    answer = extract_answer(text, "strict", question=question)
    return answer if answer is not None and answer.extractor in STATED else None


def last_answer(text: str, question: str = "") -> Extraction | None:
    """Return the likeliest answer of a reply that states none: the whole reply, its closing value or last number.

    A reply that only repeats sentences of its question, where that is given, has none.
    """
    rules = {rule.extractor: rule for rule in extract_all(text)}
    bare = rules.pop("bare", None)
    if bare is not None and not _SENTENCE.search(bare.answer):
        return bare
    if question and only_repeats(text, question):
        return None
    return rules.get("closing") or rules.get("last_number") or bare


def undelimited(answer: str) -> str:
    r"""Return an answer without dollar signs or `\( \)` around the whole of it, which text scorers would compare."""
    bare = answer.strip()
    for opening, closing in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
        inside = bare[len(opening) : -len(closing)]
        if len(bare) > 2 * len(opening) and bare.startswith(opening) and bare.endswith(closing) and "$" not in inside:
            return inside.strip()
    return bare


def reason_of(chosen: Grade, completion: Completion, has_answer: bool) -> DrawReason:
    """Return the reason under which a draw is listed."""
    if chosen.outcome == "correct":
        return "correct"
    if completion.finish_reason in ("content_filter", "prompt_refused"):
        return "refused"
    if not completion.text.strip():
        return "truncated" if completion.finish_reason == "length" else "empty"
    if chosen.outcome == "undecided":
        return "undecided"
    if not has_answer:
        return "truncated" if completion.finish_reason == "length" else "no_answer"
    return "wrong_answer"


def grader_name(headline: ScoreName, style: Style) -> str:
    """Return the grader behind a score."""
    return {"symbolic": "math", "reference": REFERENCE_GRADER[style]}.get(headline, TEXT_GRADER[style])


def num_steps(problem: Problem) -> int | None:
    """Return the number of steps of the gold solution: calculator marks, else lines or sentences; None without one."""
    if not problem.solution.strip():
        return None
    marks = problem.solution.count("<<")
    if marks:
        return marks
    if problem.style == "gsm8k":
        return len([line for line in problem.solution.splitlines() if line.strip()])
    return max(1, len(re.findall(r"[.!?](?:\s|$)", problem.solution)))
