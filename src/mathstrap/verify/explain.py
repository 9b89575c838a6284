"""Say in words what each step sees in a pair: the extraction rules, the cleaned texts, the trees, the deciding tier."""

from __future__ import annotations

from mathstrap.verify.decide.equal import decide
from mathstrap.verify.decide.exact import rational
from mathstrap.verify.decide.identity import strip_marks
from mathstrap.verify.find.extract import extract_all, extract_answer, looks_like_completion
from mathstrap.verify.graders import GRADERS, grade
from mathstrap.verify.read.nodes import NotMathError
from mathstrap.verify.read.normalize import clean, plain_number, words_key
from mathstrap.verify.read.parse import parse
from mathstrap.verify.record import Form, Mode

MAX_SHOWN = 200


def explain(
    gold: str, prediction: str, *, form: Form = "auto", grader: str = "math", mode: Mode = "strict"
) -> list[str]:
    """Return the lines that explain a verdict, top down."""
    lines = [f"gold        {_short(gold)}", f"prediction  {_short(prediction)}"]
    answer = prediction
    if form == "completion" or (form == "auto" and looks_like_completion(prediction)):
        lines.append("extraction  the prediction is read as a completion")
        answers = extract_all(prediction)
        chosen = extract_answer(prediction, mode)
        for each in answers:
            agrees = (
                "" if chosen is None or decide(chosen.answer, each.answer).outcome == "correct" else "  (disagrees)"
            )
            lines.append(f"  {each.extractor:<12}{_short(each.answer)}{agrees}")
        lines.append(f"  chosen      {_short(chosen.answer)} by {chosen.extractor}" if chosen else "  no final answer")
        answer = chosen.answer if chosen else ""
    lines += _view("gold", gold) + _view("answer", answer)
    verdict = grade(gold, prediction, grader=grader, form=form, mode=mode)
    lines.append(f"verdict     {verdict.outcome}, tier {verdict.tier}: {verdict.reason}")
    for name in sorted(GRADERS):
        if name != grader:
            other = grade(gold, prediction, grader=name, form=form, mode=mode)
            lines.append(f"  {name:<20}{other.outcome}: {other.reason}")
    return lines


def _view(label: str, text: str) -> list[str]:
    cleaned = clean(text)
    lines = [f"{label:<12}text        {_short(cleaned)}"]
    number = plain_number(cleaned)
    if number is not None:
        lines.append(f"            number      {_short(number)}")
    key = words_key(cleaned)
    if key is not None:
        lines.append(f"            words       {_short(key)}")
    try:
        node = parse(cleaned)
    except (NotMathError, RecursionError) as error:
        lines.append(f"            tree        none: {error}")
        return lines
    lines.append(f"            tree        {_short(repr(node))}")
    value = rational(strip_marks(node))
    if value is not None and value.numerator.bit_length() < 500:
        lines.append(f"            exact       {value}")
    return lines


def _short(text: str) -> str:
    text = text.encode("unicode_escape", "backslashreplace").decode() if not text.isprintable() else text
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text):,} characters)"
