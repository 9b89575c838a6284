r"""Read one row of a public test set. A shape is a function from a row to Shaped, or to a text with the fault.

Knows the columns of the published files; knows nothing of their location or of graders.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mathstrap.problems.choices import LETTERS
from mathstrap.problems.golds import last_boxed

# Python refuses to print integers of more than 4,300 digits; no answer is near this.
MOST_INT = 10**100


class Shaped(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a row. `seed` names the original question where several rows are variants of one."""

    question: str
    answer: str
    solution: str = ""
    seed: str = ""
    variant: str = ""
    tags: dict[str, Any] = {}


Shape = Callable[[Mapping[str, Any]], "Shaped | str"]


def text_of(row: Mapping[str, Any], *names: str) -> str:
    """Return the first of the named fields with a value, as text; whole floats lose their `.0`."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, bool) or value is None or value != value:
            continue
        if isinstance(value, int):
            return str(value) if abs(value) < MOST_INT else ""
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() else repr(value)
    return ""


def missing(row: Mapping[str, Any], *names: str) -> str:
    """Return the message for a row without any of the named fields."""
    have = ", ".join(sorted(map(str, row))[:12])
    return f"no {' or '.join(names)} field (the row has: {have})"


def word_problem(row: Mapping[str, Any]) -> Shaped | str:
    """GSM8K and GSM8K-Platinum: question, and answer with `####` before the final number."""
    question, answer = text_of(row, "question", "query"), text_of(row, "answer", "response")
    if not question or not answer:
        return missing(row, "question" if not question else "answer")
    solution, marker, final = answer.rpartition("####")
    if not marker:
        return 'no "####" line, so the gold answer is unknown'
    tags = {"cleaning_status": row["cleaning_status"]} if "cleaning_status" in row else {}
    return Shaped(question=question, answer=final.strip().replace(",", ""), solution=solution.strip(), tags=tags)


def gsm_plus(row: Mapping[str, Any]) -> Shaped | str:
    """GSM-Plus: eight perturbations of every GSM8K test question; one kind removes a fact, so it has no answer."""
    question, answer = text_of(row, "question"), text_of(row, "answer")
    if not question or not answer:
        return missing(row, "question" if not question else "answer")
    if answer == "None":
        return "a fact was removed from the question, so there is no answer to grade"
    seed = text_of(row, "seed_question")
    kind = re.sub(r"[^a-z0-9]+", "-", text_of(row, "perturbation_type").lower()).strip("-") or "variant"
    return Shaped(
        question=question, answer=answer, solution=text_of(row, "solution"), seed=short_hash(seed) if seed else "",
        variant=kind, tags={"perturbation": kind},
    )  # fmt: skip


def input_target(row: Mapping[str, Any]) -> Shaped | str:
    """GSM-Hard and MAWPS: input and a numeric target."""
    question, answer = text_of(row, "input", "question"), text_of(row, "target", "result")
    if not question or not answer:
        return missing(row, "input" if not question else "target")
    return Shaped(question=question, answer=answer, tags={"type": row["type"]} if text_of(row, "type") else {})


def svamp(row: Mapping[str, Any]) -> Shaped | str:
    """SVAMP: Body and Question in separate columns."""
    body, question = text_of(row, "Body", "body"), text_of(row, "Question", "question", "question_concat")
    answer = text_of(row, "Answer", "answer")
    if not question or not answer:
        return missing(row, "Question" if not question else "Answer")
    body = body if not body or body[-1] in ".!?," else f"{body}."
    return Shaped(
        question=f"{body} {question}".strip(), answer=answer, solution=text_of(row, "Equation", "equation"),
        tags={"type": text_of(row, "Type", "type")},
    )  # fmt: skip


def asdiv(row: Mapping[str, Any]) -> Shaped | str:
    """ASDiv: body and question in separate columns, the answer with its unit in brackets; some are words or times."""
    body, question, answer = text_of(row, "body"), text_of(row, "question"), text_of(row, "answer")
    if not question or not answer:
        return missing(row, "question" if not question else "answer")
    bare = re.sub(r"\s*\([^()]*\)\s*$", "", answer).strip() or answer
    is_number = re.fullmatch(r"-?[\d,]*\.?\d+(?:/\d+)?", bare) is not None
    tags = {"type": text_of(row, "solution_type"), "numeric": is_number}
    return Shaped(
        question=f"{body} {question}".strip(), answer=bare, solution=text_of(row, "formula"), tags=tags
    )  # fmt: skip


def competition(row: Mapping[str, Any]) -> Shaped | str:
    r"""MATH and MATH-500: problem, solution with `\boxed`, level and subject."""
    question, solution = text_of(row, "problem", "question"), text_of(row, "solution")
    if not question:
        return missing(row, "problem")
    answer = text_of(row, "answer") or (last_boxed(solution) or "").strip()
    if not answer:
        return r"neither an answer field nor \boxed{} in the solution"
    level = re.search(r"\d{1,9}", text_of(row, "level"))
    tags: dict[str, Any] = {"level": int(level[0])} if level else {}
    if subject := text_of(row, "subject", "type"):
        tags["subject"] = subject
    return Shaped(question=question, answer=answer, solution=solution, tags=tags)


def contest_integer(row: Mapping[str, Any]) -> Shaped | str:
    """AIME and AMC: problem and an answer that is a whole number, written as text, int or float."""
    question, answer = text_of(row, "problem", "question"), text_of(row, "answer")
    if not question or not answer:
        return missing(row, "problem" if not question else "answer")
    if not re.fullmatch(r"-?[0-9]{1,30}(?:\.0+)?", answer):
        return f'the answer "{answer[:40]}" is not a whole number'
    tags = {name: row[name] for name in ("year", "url") if text_of(row, name)}
    return Shaped(
        question=question, answer=str(int(answer.partition(".")[0])), solution=text_of(row, "solution"), tags=tags
    )  # fmt: skip


def perturbed_pair(row: Mapping[str, Any]) -> Shaped | str:
    """MATH-Perturb: a changed MATH question; the simple and the hard change of one question share its number."""
    shaped = competition(row)
    number = text_of(row, "problem_id")
    if isinstance(shaped, str) or not number:
        return shaped
    return msgspec.structs.replace(shaped, tags={**shaped.tags, "original": number})


def olympiad(row: Mapping[str, Any]) -> Shaped | str:
    """OlympiadBench: question, perhaps with a context before it, and a list with one final answer and its unit."""
    question, context = text_of(row, "question"), text_of(row, "context")
    if not question:
        return missing(row, "question")
    finals = row.get("final_answer")
    if not isinstance(finals, list) or len(finals) != 1 or not isinstance(finals[0], str) or not finals[0].strip():
        return "no single final answer, so there is nothing to grade"
    if text_of(row, "error"):
        return "the answer is given with a tolerance, which no grader here takes"
    solutions = row.get("solution")
    solution = solutions[0] if isinstance(solutions, list) and solutions and isinstance(solutions[0], str) else ""
    tags = {"subject": text_of(row, "subfield"), "type": text_of(row, "answer_type"), "unit": text_of(row, "unit")}
    return Shaped(
        question=f"{context}\n\n{question}" if context else question, answer=finals[0].strip(), solution=solution,
        tags=tags,
    )  # fmt: skip


def choices(row: Mapping[str, Any]) -> Shaped | str:
    """Questions with choices: GPQA's columns, or a question, a list of choices and the right one's letter or place.

    GPQA lists the right answer first; the choices are sorted by a hash with the question, so their order is stable.
    """
    question = text_of(row, "Question", "question")
    right = text_of(row, "Correct Answer")
    if not question:
        return missing(row, "question")
    if right:
        options = [right, *(text_of(row, f"Incorrect Answer {number}") for number in (1, 2, 3))]
        options = sorted((option for option in options if option), key=lambda text: short_hash(f"{question}\0{text}"))
        place = options.index(right)
    else:
        listed = row.get("choices", row.get("options"))
        if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
            return missing(row, "choices", "options")
        options, right_choice = listed, row.get("answer", row.get("target"))
        letter = text_of(row, "answer", "target").strip("()").upper()
        is_place = isinstance(right_choice, int) and not isinstance(right_choice, bool)
        place = right_choice if is_place else LETTERS.find(letter) if len(letter) == 1 else -1
    if not 2 <= len(options) <= len(LETTERS) or not 0 <= place < len(options):
        return "the right choice is not among the choices"
    lines = [f"({LETTERS[number]}) {option}" for number, option in enumerate(options)]
    asked = "\n".join([question, "", *lines, "", "Answer with the letter of the right choice."])
    subject = text_of(row, "Subdomain", "subject", "category")
    solution = text_of(row, "Explanation")
    return Shaped(question=asked, answer=LETTERS[place], solution=solution, tags={"subject": subject})


def drop_number(row: Mapping[str, Any]) -> Shaped | str:
    """DROP, questions whose answer is one number: the passage, then the question."""
    passage, question, spans = text_of(row, "passage"), text_of(row, "question"), row.get("answers_spans")
    if not passage or not question or not isinstance(spans, Mapping):
        return missing(row, "passage" if not passage else "question" if not question else "answers_spans")
    kinds, values = spans.get("types"), spans.get("spans")
    if not isinstance(kinds, list) or not isinstance(values, list) or not values or any(k != "number" for k in kinds):
        return "not a numeric question"
    value = str(values[0]).replace(",", "").strip()
    if not re.fullmatch(r"-?(?:\d+\.?\d*|\.\d+)", value):
        return f'the answer "{value[:40]}" is not a number'
    seed = short_hash(passage)  # questions of one passage share a root, because their outcomes are correlated
    return Shaped(question=f"{passage}\n\n{question}", answer=value, seed=seed, variant="q")


def backward(row: Mapping[str, Any]) -> Shaped | str:
    """GSM8K-Backward as published, in both of its shapes; golds that its masking bug made wrong are flagged."""
    question, answer = text_of(row, "question"), text_of(row, "answer")
    if not question or not answer:
        return missing(row, "question" if not question else "answer")
    original = text_of(row, "original_question")
    tags: dict[str, Any] = {"kind": "fobar" if "If we know the answer of" in question else "sv"}
    hidden = hidden_token(original, question) if original else None
    if hidden is not None:
        tags["hidden"] = hidden
        if re.match(r"[^\w\s]*\.\d", hidden):
            # The published number pattern drops a leading point: `$.1` became the gold 1.
            tags["gold_is_wrong"] = True
            tags["true_answer"] = "0" + re.sub(r"^[^\d.]+", "", hidden).rstrip(".,;:!?%)")
    return Shaped(question=question, answer=answer.replace(",", ""), tags=tags)


def hidden_token(original: str, masked: str) -> str | None:
    """Return the token of `original` that `masked` replaced by x; None where the texts do not align."""
    for before, after in zip(original.split(" "), masked.split(" "), strict=False):
        if before != after:
            return before if re.fullmatch(r"\W*x\W*", after) else None
    return None


def short_hash(text: str) -> str:
    """Return a hash of a text as ten hexadecimal digits."""
    return hashlib.blake2b(" ".join(text.split()).encode(), digest_size=5).hexdigest()
