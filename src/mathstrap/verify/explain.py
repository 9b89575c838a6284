"""Say in words what the checker saw in a pair: where the answer stands, what was read on each side, who decided."""

from __future__ import annotations

from mathstrap.verify.decide.equal import decide
from mathstrap.verify.decide.exact import rational
from mathstrap.verify.decide.identity import strip_marks
from mathstrap.verify.describe import describe
from mathstrap.verify.find.extract import (
    extract_all,
    extract_answer,
    gold_answer,
    looks_like_completion,
    why_no_answer,
)
from mathstrap.verify.graders import GRADERS, grade
from mathstrap.verify.read.nodes import Add, Call, Mul, NotMathError, Pow
from mathstrap.verify.read.normalize import clean
from mathstrap.verify.read.parse import parse
from mathstrap.verify.record import Form, Grade, Mode

MAX_SHOWN = 200
_RULES = {
    "hash": 'the line after "####"',
    "stated": 'a sentence such as "the answer is X"',
    "boxed": "the last box",
    "value_of": '"the value of x is X"',
    "bare": "the text is nothing but an answer",
    "closing": "what the last line or sentence states",
    "last_number": "the last number (flexible mode only)",
}
# In the order they are tried, with what it means that one of them did not decide.
_TIERS = {
    "empty": "both sides hold something",
    "number": "they are not two plain numbers",
    "text": "the texts differ",
    "structure": "they are not two lists, sets, intervals or the like",
    "expression": "their values could not be compared",
}


def explain(
    gold: str,
    prediction: str,
    *,
    form: Form = "auto",
    grader: str = "math",
    mode: Mode = "strict",
    question: str = "",
) -> list[str]:
    """Return the lines that explain a verdict, top down."""
    verdict = grade(gold, prediction, grader=grader, form=form, mode=mode, question=question)
    wanted = gold_answer(gold)
    lines = [f"gold        {_short(gold)}"]
    if wanted != gold:
        lines.append(f"            the line after its last #### is the answer: {_short(wanted)}")
    lines += _reading(wanted)
    lines.append(f"prediction  {_short(prediction)}")
    answer = prediction
    if form == "completion" or (form == "auto" and looks_like_completion(prediction)):
        lines.append(f"            taken for a worked solution ({_because(form)}), so its answer is looked for:")
        rules, answer = _finding(prediction, mode, question)
        lines += rules
    else:
        lines.append(f"            taken for a bare answer ({_because(form)})")
    if answer:
        lines += _reading(answer)
    lines += [f"verdict     {verdict.outcome}: {verdict.reason}", *_steps(verdict)]
    lines.append("other graders")
    for name in sorted(GRADERS):
        if name != grader:
            other = grade(gold, prediction, grader=name, form=form, mode=mode, question=question)
            lines.append(f"  {name:<20}{other.outcome}: {other.reason}")
    return lines


def _because(form: Form) -> str:
    return "by its looks; --form says otherwise" if form == "auto" else f"--form {form}"


def _finding(prediction: str, mode: Mode, question: str) -> tuple[list[str], str]:
    """Return what each rule finds in a completion, and the answer that is taken; empty where there is none."""
    chosen = extract_answer(prediction, mode, question=question)
    lines = []
    for each in extract_all(prediction):
        line = f"  {_short(each.answer)}  - {_RULES.get(each.extractor, each.extractor)}"
        if chosen is not None and decide(chosen.answer, each.answer).outcome != "correct":
            line += "; says something else"
        lines.append(line)
    if chosen is None:
        return [*lines, f"            no answer is taken: {why_no_answer(prediction, mode, question=question)}"], ""
    rule = _RULES.get(chosen.extractor, chosen.extractor)
    return [*lines, f"answer      {_short(chosen.answer)}", f"            found by {rule}"], chosen.answer


def _reading(text: str) -> list[str]:
    """Return what a bare answer is read as."""
    cleaned = clean(text)
    if not cleaned:
        return ["            read as nothing"]
    try:
        node = parse(cleaned)
    except (NotMathError, RecursionError) as error:
        return [f"            read as text: {_short(cleaned)} ({error})"]
    lines = [f"            read as {_short(describe(node))}"]
    value = rational(strip_marks(node))
    if value is not None and isinstance(node, Add | Mul | Pow | Call) and value.numerator.bit_length() < 200:
        lines.append(f"            its exact value is {value}")
    return lines


def _steps(verdict: Grade) -> list[str]:
    """Return the steps up to the one that decided."""
    if verdict.tier == "extraction":
        return ["            decided before any comparison"]
    lines: list[str] = []
    for name, passed in _TIERS.items():
        if name == verdict.tier:
            return [*lines, f"  {name:<12}decided"]
        lines.append(f"  {name:<12}passed on: {passed}")
    return [*lines, "            no step could decide"]


def _short(text: str) -> str:
    text = text.encode("unicode_escape", "backslashreplace").decode() if not text.isprintable() else text
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text):,} characters)"
