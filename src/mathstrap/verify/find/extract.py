r"""Find the final answer a completion states. Knows nothing of equality.

The last explicit statement wins: `#### X`, `The answer is X`, `\boxed{X}`, `The value of x is X`. What follows the
`</think>` mark outranks what stands before it. Only without any of these is the closing sentence read, and only in
flexible mode the last number. Every search starts from the end of the text and is linear in its length.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from mathstrap.verify.find.sentence import answer_span, bare_answer, closing_value, last_number, value_of_sentence
from mathstrap.verify.record import Extraction, Mode

MAX_CHARS = 200_000  # the end of a text; what stands before is not searched
MAX_TRIES = 50
Name = Literal["hash", "stated", "boxed", "value_of"]

_STATED = re.compile(
    r"(?i:nswers?)\"?\*{0,2}\s{0,3}"
    r"(?:(?:is|are|should be|would be|must be|equals|will be|comes out to(?: be)?)\b\s{0,3}(?:\*{0,2}:)?"
    r"|\*{0,2}[:：=]|\*{0,2}(?=\n\s{0,9}[^\s\w]{0,4}[\d\\$-]))(?:\*\*(?=\s))?"
)
_VALUE_OF = re.compile(
    r"(?i:value of )(?:the )?(?:unknown )?(?:variable )?[$\\(]{0,3}[A-Za-z][$\\)]{0,3} (?:is|=|equals):? "
)
_NO_STATEMENT = re.compile(
    r"\s{0,3}(?:not|n't|never|(?:in)?correct|right|wrong|valid|reasonable|as follows|given by|found|obtained|clear)\b"
)
_HEADING = re.compile(r"(?i:(?:the )?(?:final )?(?:answer|solution|result))[:*]{0,3}")
_SHORT_ANCHOR = re.compile(r"\s{0,3}[Aa]ns\s{0,3}[:=.]\s{0,3}")
_CHECKED = re.compile(r"(?:check|verify|confirm)\s+(?:our|the|your|this|my)?\s*a$")
_TURN = re.compile(r"<\|[a-z_]{1,20}\|>|</s>|<eos>|\[/?INST\]")
_POLITE = re.compile(r"\s*I hope (?:it|this|that) is correct\.?\s*$")
_BETWEEN_BOXES = re.compile(r"(?:[\s$\\()\[\].,;]|\\quad|\\text\s?\{[^{}]{0,60}\}|and|or){0,40}")
_CONNECTED = re.compile(r"\b(?:and|or)\b|,")


class Found(msgspec.Struct, frozen=True):
    """An answer, where its statement starts, and the rule that found it."""

    position: int
    answer: str
    extractor: Name


def extract_answer(text: str, mode: Mode = "strict") -> Extraction | None:
    """Return the answer a completion states, or None. Flexible mode falls back to the last number of the text."""
    text = _own_words(text)
    thought, marker, rest = text.rpartition("</think>")
    if marker:
        extraction = _extract(rest, "strict")
        if extraction is not None:
            return extraction
        text = thought if not rest.strip() else text
    return _extract(text, mode)


def extract_all(text: str) -> tuple[Extraction, ...]:
    """Return what each rule alone would find, best rule first; rules that find nothing are left out."""
    text = _own_words(text).rpartition("</think>")[2]
    found = sorted(_explicit(text), key=lambda each: -each.position)
    rules = [Extraction(each.answer, each.extractor) for each in found]
    for name, answer in (
        ("bare", None if found else bare_answer(text)),
        ("closing", closing_value(text)),
        ("last_number", last_number(text)),
    ):
        if answer:
            rules.append(Extraction(answer, name))
    return tuple(rules)


def extract_boxed(text: str, mode: Mode = "strict") -> Extraction | None:
    """Return what the last box holds, as the MATH release does; None if there is no closed box."""
    del mode
    start = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    answer = _box_content(text, start) if start >= 0 else None
    return None if answer is None else Extraction(answer, "boxed")


def extract_minerva(text: str, mode: Mode = "strict") -> Extraction | None:
    """Return what stands between Minerva's closing phrases, else the last box."""
    _, anchor, rest = text.rpartition("The final answer is ")
    if anchor:
        return Extraction(rest.partition("I hope it is correct")[0].strip().removesuffix(".").strip(), "stated")
    return extract_boxed(text, mode)


def looks_like_completion(text: str) -> bool:
    """Say whether a text is a worked solution rather than a bare answer: several lines, an anchor, or a sentence."""
    if "####" in text or _STATED.search(text[-2_000:]) or "</think>" in text:
        return True
    stripped = text.strip()
    if stripped.startswith("\\begin") or (stripped.startswith("\\boxed") and stripped.endswith("}")):
        return False
    return "\n" in stripped or "\\boxed" in stripped or bare_answer(stripped) is None


def _own_words(text: str) -> str:
    """Return the completion without what follows a chat marker and without the closing politeness."""
    text = text[-MAX_CHARS:]
    if "<|" in text or "</s>" in text or "<eos>" in text or "INST]" in text:
        marker = _TURN.search(text)
        if marker and text[: marker.start()].strip():
            text = text[: marker.start()]
    text = text.rstrip()
    return _POLITE.sub("", text[-200:]).join((text[:-200], "")) if text.endswith(("correct.", "correct")) else text


def _extract(text: str, mode: Mode) -> Extraction | None:
    found = _explicit(text)
    if found:
        last = max(found, key=lambda each: each.position)
        box = next((each for each in found if each.extractor == "boxed" and each.answer), None)
        if box and last.extractor == "stated" and _is_remark(last.answer) and not _is_remark(box.answer):
            last = box
        return Extraction(last.answer, last.extractor) if last.answer else None
    bare = bare_answer(text)
    if bare:
        return Extraction(bare, "bare")
    closing = closing_value(text)
    if closing:
        return Extraction(closing, "closing")
    number = last_number(text) if mode == "flexible" else None
    return Extraction(number, "last_number") if number else None


def _is_remark(answer: str) -> bool:
    """Say whether a stated answer is only lower-case words, as in `the answer is positive`."""
    return answer[:1].islower() and not any(char.isdigit() or char in "\\$=^" for char in answer) and len(answer) > 3


def _explicit(text: str) -> list[Found]:
    """Return the last statement of each kind."""
    found = (_hash(text), _stated(text), _tagged(text), _boxed(text), _value_of(text))
    return [each for each in found if each is not None]


def _hash(text: str) -> Found | None:
    start = text.rfind("####")
    if start < 0:
        return None
    line = text[start + 4 :].lstrip("# \t*:").partition("\n")[0].strip()
    if _HEADING.fullmatch(line):
        line = text[start + 4 :].partition("\n")[2].strip().partition("\n")[0].strip()
    return Found(start, line, "hash") if line else None


def _stated(text: str) -> Found | None:
    end = len(text)
    for _ in range(MAX_TRIES):
        end = max(text.rfind("nswer", 0, end), text.rfind("NSWER", 0, end))
        if end < 0:
            return None
        match = None if _CHECKED.search(text, max(0, end - 24), end) else _STATED.match(text, end)
        if match and not _NO_STATEMENT.match(text, match.end()):
            span = answer_span(text, match.end())
            if span and "\\boxed" not in span:
                return Found(end, value_of_sentence(span), "stated")
    return None


def _tagged(text: str) -> Found | None:
    """Read `<answer>5</answer>`, and `Ans: 5` at the start of a line."""
    start = text.rfind("<answer>")
    if start >= 0:
        content = text[start + 8 : start + 1_000].partition("</answer>")[0].strip()
        return Found(start, content, "stated") if content and "\\boxed" not in content else None
    start = max(text.rfind("\nAns"), text.rfind("\nans"), 0 if text[:3] in ("Ans", "ans") else -1)
    match = _SHORT_ANCHOR.match(text, start) if start >= 0 else None
    span = answer_span(text, match.end()) if match else ""
    return Found(start, span, "stated") if span and "\\boxed" not in span else None


def _value_of(text: str) -> Found | None:
    end = len(text)
    for _ in range(MAX_TRIES):
        end = text.rfind("alue of", 0, end)
        if end < 1:
            return None
        match = _VALUE_OF.match(text, end - 1)
        if match:
            span = answer_span(text, match.end())
            if span and "\\boxed" not in span:
                return Found(end, value_of_sentence(span), "value_of")
    return None


def _boxed(text: str) -> Found | None:
    start = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    if start < 0:
        return None
    answer = _box_content(text, start)
    if answer is None:
        return Found(start, "", "boxed")
    answers = [answer]
    connectors: list[str] = []
    first = start
    for _ in range(MAX_TRIES):  # boxes joined by "and" are one answer
        before = text.rfind("\\boxed", 0, first)
        content = _box_content(text, before) if before >= 0 else None
        if content is None:
            break
        after = text.index(content, before) + len(content) + 1
        between = text[after:first]
        if len(between) > 80 or not _BETWEEN_BOXES.fullmatch(between) or not _CONNECTED.search(between):
            break
        if content.strip() not in (each.strip() for each in answers):
            answers.append(content)
        connectors.append(between)
        first = before
    joined = ", ".join(reversed(answers))
    if len(answers) == 1:
        joined += _unit_after(text, start)
    return Found(start, joined.strip(), "boxed")


def _unit_after(text: str, start: int) -> str:
    """Return ` percent` if the box is followed by a percent sign or word, which belongs to the answer."""
    content = _box_content(text, start) or ""
    end = text.index(content, start) + len(content) + 1
    match = re.match(r"[\s$\\)]{0,4}(?:%|pct\b|percent\b)", text[end : end + 16])
    return " percent" if match and content.strip()[-1:].isdigit() else ""


def _box_content(text: str, start: int) -> str | None:
    """Return what a box holds: a braced group, or the one token after a space; None if it is not closed."""
    index = start + (6 if text.startswith("\\boxed", start) else 5)
    while index < len(text) and text[index] in " \t\n":
        index += 1
    if index >= len(text):
        return None
    if text[index] != "{":
        token = [] if text[index] == "}" else text[index : index + 200].partition("$")[0].split(maxsplit=1)
        return token[0].rstrip(".") if token else None
    depth = 0
    for end in range(index, len(text)):
        char = text[end]
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return text[index + 1 : end]
    return None
