r"""Read what boxes hold: `\boxed{...}`, `\fbox{...}`, and several boxes that are one answer."""

from __future__ import annotations

import re

import msgspec

from mathstrap.patterns import regex

MAX_TRIES = 200
MAX_BETWEEN = 80  # characters between two boxes that may belong together

_AFTER_COMMAND = re.compile(r"\\(?:[bB]oxed|f(?:rame)?box|box(?![a-z]))\*?[ \t\n]*(?:\[[^\[\]]{0,20}\]){0,2}[ \t\n]*")
_BRACE = re.compile(r"[{}]")
_NOTHING_BETWEEN = regex(
    r"(?:[\s$\\()\[\]{}.,;:*_&|/-]|\\q?quad|\\text\s?\{[^{}]{0,60}\}|and|or|and/or|both){0,60}"
)
# "or", "maybe", "Option 2:" before the next box: the reply lists candidates, it does not conclude.
_CANDIDATE = regex(
    r"\b(?:or|either|alternatively|maybe|perhaps|possibly|could (?:also )?be|might be|another possib\w+"
    r"|(?:option|candidate|possibility|guess|choice|attempt|answer)\s*#?\d{1,2})\b"
    r"|^\s*[\W_]{0,6}\s*[([]?\d{1,2}[.):\]]",
    re.IGNORECASE,
)
_TURN_BACK = regex(
    r"\b(?:wait|actually|no|instead|rather|correct(?:ion|ed|ing)?|sorry|oops|hmm+|but)\b", re.IGNORECASE
)
_NAMED = regex(r"([A-Za-z](?:_\{?[A-Za-z0-9]{1,3}\}?)?'?)\s?=\s?\\?[$(\[]{0,2}$")
_LETTER = regex(r"\\?(?:text|mathrm|textbf)?\s?\{?\(?[A-J][).]?\s?\}?")
_PERCENT = re.compile(r"[\s$\\)\]]{0,4}(?:%|pct\b|percent\b|per cent\b)")


class Box(msgspec.Struct, frozen=True):
    """What one box holds, and where the box starts and ends in the text."""

    content: str
    start: int
    end: int


def last_box(text: str, end: int | None = None) -> Box | None:
    """Return the last box that starts before `end`; its content is empty where the box is not closed."""
    start = _last_start(text, len(text) if end is None else end)
    if start < 0:
        return None
    return box_at(text, start) or Box("", start, len(text))


def _last_start(text: str, end: int) -> int:
    start = max(text.rfind("oxed", 0, end) - 2, text.rfind("box", 0, end) - 1)
    for _ in range(MAX_TRIES):
        if start < 0:
            return -1
        slash = text.rfind("\\", max(0, start - 8), start + 1)
        if slash >= 0 and _AFTER_COMMAND.match(text, slash):
            return slash
        start = max(text.rfind("oxed", 0, start) - 2, text.rfind("box", 0, start) - 1)
    return -1


def box_at(text: str, start: int) -> Box | None:
    """Return the box that starts here: a braced group, or the one token after a space; None if it is not closed."""
    command = _AFTER_COMMAND.match(text, start)
    if command is None:
        return None
    index = command.end()
    if index >= len(text):
        return None
    if text[index] != "{":
        token = [] if text[index] == "}" else text[index : index + 200].partition("$")[0].split(maxsplit=1)
        return Box(token[0].rstrip("."), start, index + len(token[0])) if token else None
    content = braced_group(text, index)
    return None if content is None else Box(content, start, index + len(content) + 2)


def braced_group(text: str, start: int) -> str | None:
    """Return what stands in the braces that open at a place; None where they do not close."""
    depth = 0
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[start + 1 : brace.start()]
    return None


def boxed_answer(text: str) -> Box | None:
    """Return the answer the last box holds, with the boxes before it that belong to the same answer.

    Boxes joined by "and", "or" or a comma are one answer with several parts. Boxes that follow each other with nothing
    between them, or that list candidates ("or", "Option 2:"), are one answer too: a reply that boxes several values has
    not chosen one, and its answer is all of them.
    """
    last = last_box(text)
    if last is None or not last.content.strip():
        return last
    before = _last_start(text, last.start)
    if before < 0:  # the usual case: one box
        return Box(last.content.strip() + _percent_after(text, last), last.start, last.end)
    boxes = [last]
    while len(boxes) <= MAX_TRIES and before >= 0:
        box = box_at(text, before)
        if box is None or not _belongs(text[box.end : boxes[-1].start]):
            break
        boxes.append(box)
        before = _last_start(text, before)
    boxes.reverse()
    parts = _distinct(text, boxes)
    percent = _percent_after(text, last) if len(parts) == 1 else ""
    return Box(", ".join(parts) + percent, last.start, last.end)


def _belongs(between: str) -> bool:
    """Say whether two boxes with these words between them are parts of one answer, or candidates for it."""
    if len(between) > MAX_BETWEEN:
        return False
    plain = _NAMED.sub("", between)
    if _NOTHING_BETWEEN.fullmatch(plain):
        return True
    return bool(_CANDIDATE.search(between)) and not _TURN_BACK.search(between)


def _distinct(text: str, boxes: list[Box]) -> list[str]:
    """Return the contents without repeats, each with the name it is given when every box has one of its own."""
    contents: list[str] = []
    names: list[str] = []
    for box in boxes:
        content = box.content.strip()
        if not content or _key(content) in (_key(each) for each in contents):
            continue
        name = _NAMED.search(text, max(0, box.start - 20), box.start)
        contents.append(content)
        names.append(name[1] if name and "=" not in content else "")
    if len(contents) > 1 and all(names) and len(set(names)) == len(names):
        return [f"{name} = {content}" for name, content in zip(names, contents, strict=True)]
    # A letter in front would be taken for a choice with its option's text.
    return sorted(contents, key=lambda content: _LETTER.fullmatch(content) is not None)


def _key(content: str) -> str:
    """Return a box's content as the other boxes of the reply are compared with it: spacing and `x =` do not count."""
    squeezed = content.replace(" ", "").replace("\\,", "").replace("dfrac", "frac").replace("tfrac", "frac").strip("$.")
    return squeezed[2:] if squeezed[1:2] == "=" and squeezed[:1].isalpha() else squeezed


def _percent_after(text: str, box: Box) -> str:
    """Return ` percent` if the box is followed by a percent sign or word, which belongs to the answer."""
    follows = _PERCENT.match(text, box.end, box.end + 20)
    return " percent" if follows and box.content.strip()[-1:].isdigit() else ""
