"""Cut a completion down to the words that may hold its answer: no thought, no chat markers.

Knows nothing of answers; where an invented next question begins is said here, whether to cut there is not.
"""

from __future__ import annotations

import re

from mathstrap import numerals
from mathstrap.patterns import regex
from mathstrap.thought import may_hold_thought, split_reply

MAX_CHARS = 200_000  # the end of a text; what stands before is not searched
MAX_HEADINGS = 40
MAX_REPEATED = 4_000  # characters of a reply that are looked for in its question

_TURN = regex(r"<\|[a-z_]{1,20}\|>|</s>|<eos>|\[/?INST\]")
# The prompt, repeated in front of the reply by a server that does not cut it off.
_ECHO = regex(
    r"\s*(?:<s>\s*)?\[INST\].*?\[/INST\]|\s*<\|im_start\|>(?:system|user)\b.*?<\|im_start\|>assistant\b", re.DOTALL
)
_POLITE = regex(r"\s*I hope (?:it|this|that) is correct\.?\s*$")
_NEXT = re.compile(
    r"\n[#>*_=~ \t-]*+"  # possessive: a rule of many dashes must not be tried in every way it can be cut
    r"(?:(?:(?:here(?:['’]s|\s+is)|now|next|try|let['’]s\s+(?:try|do|solve))\s+(?:an?\s+|one\s+)?"
    r"(?=(?:next|new|another|similar|practice|extra|bonus|more)\s))?"
    r"(?:(?:next|new|another|follow-?up|similar|practice|extra|bonus|more)\s+)?"
    r"(?:question|problem|exercise|example|q|instruction|input|human|user|student|prompt|task)s?"
    r"|问题|題目|题目|質問|問題|문제|질문|Вопрос|Задача|প্রশ্ন|Pregunta|Problema|Frage|Aufgabe|Exercice|السؤال|سؤال)"
    r"(?:[ \t]*+[#(]?(?P<number>\d{1,3})[.)]?)?[*_]{0,3}[ \t]*"
    r"(?:[:：]|(?<=[0-9][.)])\s|(?<=[0-9][.)]\*\*)\s)",
    re.IGNORECASE,
)
_NUMBERED = regex(r"\n[#*_ \t]{0,6}(?:problem|question|exercise|example|task)s? \d", re.IGNORECASE)
_NEXT_LETTER = re.compile(r"\bqs?(?![a-z])")
# `### Instruction` on a line of its own, without a colon, as the Alpaca template writes it.
_NEXT_HEADING = regex(
    r"\n(?:#{1,6}[ \t]*+|\[)(?:instruction|input|question|problem|human|user|exercise|example"
    r"|task)s?[ \t]*+\d{0,3}[ \t]*+\]?[ \t]*+(?=\n)",
    re.IGNORECASE,
)


def reply_text(completion: str) -> str | None:
    """Return the reply itself, empty where nothing follows the thought; None for a thought that never ended."""
    text = completion[-MAX_CHARS:]
    if may_hold_thought(text):
        split = split_reply(text)
        if not split.is_finished and not split.text.strip():
            return None
        text = split.text
    if ("<" in text and ("<|" in text or "</s>" in text or "<eos>" in text)) or "INST]" in text:
        echo = _ECHO.match(text)
        text = text[echo.end() :] if echo else text
        marker = _TURN.search(text)
        if marker and text[: marker.start()].strip():
            text = text[: marker.start()]
    text = text.rstrip()
    return _POLITE.sub("", text[-200:]).join((text[:-200], "")) if text.endswith(("correct.", "correct")) else text


def _names_question(text: str) -> bool:
    """Say whether a text holds any word that begins a question; looking at every line for one costs far more."""
    if not text.isascii():
        return True
    lower = text.lower()
    return (
        # In a row of `or`, not a loop over a tuple: every reply with a colon comes by here.
        "problem" in lower or "exerci" in lower or "example" in lower or "instruction" in lower or "input" in lower
        or "human" in lower or "user" in lower or "student" in lower or "prompt" in lower or "task" in lower
        or "pregunta" in lower or "frage" in lower or "aufgabe" in lower
        or ("q" in lower and ("question" in lower or _NEXT_LETTER.search(lower) is not None))
    )  # fmt: skip


def next_question_starts(text: str) -> list[int]:
    """Return where a next question may begin, first to last: a line that starts with "Question:", "Human:" or alike.

    A reply that numbers its own questions answers them one after another: "Question 2:" behind "Question 1:" is a step.
    """
    if "\n" not in text:
        return []
    if ":" not in text and "：" not in text and _NUMBERED.search(text) is None:
        # Most replies name no question, and reading every line costs the most.
        heading = text.find("\n#") if "\n[" not in text else text.find("\n[")
        if heading < 0 or (text.startswith("\n####", heading) and text.find("\n#", heading + 2) < 0):
            return []
        return [match.start() for match in _NEXT_HEADING.finditer(text)][:MAX_HEADINGS]
    starts: list[int] = []
    is_named = _names_question(text)
    opening = _NEXT.match("\n" + text[:80].lstrip()) if is_named else None
    seen = {int(opening["number"])} if opening and opening["number"] else set()
    for match in _NEXT.finditer(text) if is_named else ():
        number = int(match["number"]) if match["number"] else None
        if number is None or number - 1 not in seen:
            starts.append(match.start())
        if number is not None:
            seen.add(number)
        if len(starts) >= MAX_HEADINGS:
            break
    if "\n#" in text or "\n[" in text:
        starts += [match.start() for match in _NEXT_HEADING.finditer(text)][:MAX_HEADINGS]
    return sorted(starts)


_PARTS = regex(r"(?<=[.!?:;])\s+|\n+")
_NO_WORDS = regex(r"[^\w+/%.,=<>-]+|[.,](?!\d)")
_SPELLED = regex(rf"\d|[$\\]|\b(?:{'|'.join((*numerals.UNITS, *numerals.TENS, 'hundred', 'thousand', 'half'))})\b")
# A given number must not count as an answer: 262 of 36,147 sentences of GSM8K's and MATH's questions, repeated as a
# reply, were read as one without this check, and 8 are with it.
MIN_WORDS = 3  # of a sentence that is taken for a repeated one; "72" and "72 apples" are answers


def only_repeats(reply: str, question: str) -> bool:
    """Say whether every sentence of a reply that holds a number or a formula stands in its question word for word."""
    asked = f" {_bare_words(question)} "
    parts = [_bare_words(part) for part in _PARTS.split(reply[-MAX_REPEATED:]) if _SPELLED.search(part.lower())]
    return bool(parts) and all(len(part.split()) >= MIN_WORDS and f" {part} " in asked for part in parts)


def _bare_words(text: str) -> str:
    return " ".join(_NO_WORDS.sub(" ", text.lower()).split())
