"""Find the value a sentence states: the span after an anchor, the closing sentence, the last number."""

from __future__ import annotations

import re

MAX_SPAN = 2_000
_LAST_NUMBER = re.compile(r"-?\$?[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?%?")
_STOP = re.compile(r"[.?!](?=\s|$)|,?\s(?:because|since|so that|which means|therefore|thus|hence)\s|\. ?(?=[A-Z][a-z])")
_MATHS = re.compile(
    r"\$\$([^$]{1,1000})\$\$|\$([^$\n]{1,1000})\$"
    r"|\\\(([^\n]{1,1000}?)\\\)|\\\[([^\\]{1,1000})\\\]"
)
_ADVERB = r"(?:about |approximately |only |exactly |a total of |equal to )?$"
_STATES = re.compile(r"(?:\b(?:is|are|be|equals|equal to|to be|find that)|=|:|≈)\s{0,3}" + _ADVERB)
_HOLDS = re.compile(
    r"\b(?:was|were|by|has|have|had|gets?|find|needs?|costs?|of|takes?|took|spends?|spent|earns?|earned|makes?|made|left|leaving"
    r"|totals?|gives?|pays?|paid|sells?|sold)\s{0,3}" + _ADVERB
)
_INTRODUCES = re.compile(r"(?::|\b(?:is|are|equals|get|have|be))\s{0,9}$")
_WORD_NUMBERS = re.compile(r"\b(zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b", re.IGNORECASE)
_HEDGED = re.compile(
    r"\b(?:not|cannot|maybe|perhaps|possibly|or|impossible|but|unclear|assum\w*)\b|n't"
    r"|\bunknown\b(?! (?:variable|value|number|quantity))",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_AFTERTHOUGHT = re.compile(
    r"\s{0,3}[,;:\u2013\u2014-]?\s+(?:and (?:that|this|so|we)|as (?:we|required|desired|needed|shown|seen)|that is"
    r"|because|since|so|which|meaning|given that)\b"
)
_REMARK = re.compile(r"(?<=\S)\s+\([^()\\]{0,200}[A-Za-z]{3}[^()\\]{0,200}\)\s{0,3}$")
_FILLER = re.compile(r"^(?:therefore|thus|hence|simply|just|then|equal to|approximately|about)[,:]? ")
_PROSE = re.compile(r"[A-Za-z]{2,}")
_CONCLUDES = re.compile(
    r"\W{0,3}(?:so|thus|therefore|hence|then|we|the|this|that|it|in|there|now|finally)\b", re.IGNORECASE
)
_OPTION = re.compile(r".{0,200}\b(?:option|choice|answer) is:? \(?([A-J])\)?\.?", re.IGNORECASE | re.DOTALL)
_ENUMERATION = re.compile(r"\s{0,3}V(?:(?:,? (?:and|or) |, )V)+[\s.]{0,4}")
_QUANTITY = re.compile(
    r"(?<![\w.\\^_{])-?\s?\\?[$€£]?\s?-?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)(?:/[0-9]+)?(?:\s?\\?%)?(?![\d.,]*\d)"
)
_UNIT = re.compile(r"\s?(?:percent|pct|%|\\%|million|billion|thousand|hundred|dozen)\b")


def answer_span(text: str, start: int) -> str:
    """Return the text an anchor introduces: to the end of its sentence, line, display formula or environment."""
    rest = text[start : start + MAX_SPAN].lstrip(" \t:")
    if rest[:1] in "\n\r":
        rest = rest.lstrip().lstrip("*")
    opening = rest[:2]
    if opening in ("\\[", "$$"):
        inner, closed, _ = rest[2:].partition("\\]" if opening == "\\[" else "$$")
        return inner.strip() if closed else ""
    if opening == "\\(":
        inner, closed, after = rest[2:].partition("\\)")
        if closed and not after[:1].isalnum():
            rest = inner.replace("\n", " ") + after
    line = rest.partition("\n")[0].partition("</")[0]
    if "\\begin" in line or line.count("{") > line.count("}"):
        line = _balanced(rest)
    span = _BOLD.sub(r"\1", _first_sentence(line))
    if span.count("}") > span.count("{"):
        span = span[: span.rindex("}")]  # the end of a JSON object
    span = _AFTERTHOUGHT.split(span, maxsplit=1)[0] or span
    return _REMARK.sub("", span).strip().strip("*").rstrip("- \u2013\u2014").strip()


def _balanced(rest: str) -> str:
    """Extend a line over the following ones until its braces and environments close."""
    lines = rest.split("\n")
    for count in range(1, min(len(lines), 40) + 1):
        part = "\n".join(lines[:count])
        if part.count("{") <= part.count("}") and part.count("\\begin") <= part.count("\\end"):
            return part
    return lines[0]


def _first_sentence(line: str) -> str:
    for match in _STOP.finditer(line):
        before = line[: match.start()]
        if match[0][0] == "!" and before[-1:].isdigit():
            continue  # a factorial
        if before.count("{") == before.count("}") and before.strip():
            return before
        if match.end() >= len(line):
            return before
    return line


def value_of_sentence(span: str) -> str:
    """Return the value a stated span is about: the span itself, or what its verb introduces when it is a sentence."""
    span = _FILLER.sub("", span)
    words = _PROSE.findall(_MATHS.sub(" ", span))
    if len(words) < 3 or not (span[:1].isalpha() and span[1:2].isalpha()) or not any(char.isdigit() for char in span):
        return span
    if _HEDGED.search(span):
        return span
    return _stated_value(span) or span


def closing_value(text: str) -> str | None:
    """Return the value the last sentence of a text states, or None if it states none or several."""
    text = text.rstrip().replace("\\$", "")
    if not text or text.endswith("```"):
        return None
    for opening, closing in (("\\[", "\\]"), ("$$", "$$")):
        if text.rstrip(".").endswith(closing):
            start = text.rfind(opening, 0, len(text.rstrip(".")) - 2)
            if start >= 0 and len(text) - start < 1_000 and _INTRODUCES.search(text[max(0, start - 40) : start]):
                return text[start + 2 : len(text.rstrip(".")) - 2].strip()
    line = text[-1_000:].rpartition("\n")[2].strip()
    sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s+(?=[A-Z\\$(])", line) if part.strip()]
    if len(sentences) > 1 and not (any(char.isdigit() for char in sentences[-1]) or "$" in sentences[-1]):
        sentences.pop()  # "This completes the solution."
    sentence = sentences[-1] if sentences else ""
    option = _OPTION.fullmatch(sentence)
    if option:
        return option[1]
    if not _PROSE.search(_MATHS.sub(" ", sentence)) or _HEDGED.search(_MATHS.sub(" ", sentence)):
        return None
    return _stated_value(sentence)


def _stated_value(sentence: str) -> str | None:
    formulas = [
        (match.start(), match.end(), str(next(filter(None, match.groups())))) for match in _MATHS.finditer(sentence)
    ]
    plain = _MATHS.sub(lambda match: " " * len(match[0]), sentence)
    values = formulas + [(match.start(), match.end(), match[0].strip()) for match in _QUANTITY.finditer(plain)]
    values.sort()
    if not values:
        words = _WORD_NUMBERS.findall(sentence)
        return str(words[0]) if len(words) == 1 else None
    chosen = values[0] if len(values) == 1 else None
    for value in values:
        before = sentence[max(0, value[0] - 40) : value[0]]
        if _STATES.search(before) or (value is values[-1] and _HOLDS.search(before)):
            chosen = value
    if chosen is None:
        return None
    first = next((value for value in values if _STATES.search(sentence[max(0, value[0] - 40) : value[0]])), None)
    if first is not None and first is not values[-1]:
        several = [value for value in values if value[0] >= first[0]]
        shape = sentence[first[0] :]
        for start, end, _ in reversed(several):
            shape = shape[: start - first[0]] + "V" + shape[end - first[0] :]
        if _ENUMERATION.fullmatch(shape):
            return ", ".join(value[2] for value in several)
    unit = _UNIT.match(sentence, chosen[1])
    return chosen[2] + (unit[0] if unit else "")


def bare_answer(text: str) -> str | None:
    """Return the text itself if it is nothing but an answer: one short line or formula without prose."""
    text = text.strip()
    if not text or len(text) > 300 or "```" in text:
        return None
    text = str(re.sub(r"^Answer\s+(?=[$\\])", "", text))
    if _CONCLUDES.match(text):
        return None
    rest = _PROSE.sub(" ", re.sub(r"\\[A-Za-z]+", " ", text))
    words = _PROSE.findall(re.sub(r"\\(?:text|mbox)\s?\{[^{}]*\}|\\[A-Za-z]+|\{[a-z]*matrix\}", " ", text))
    has_digits = any(char.isdigit() for char in rest)
    allowed = 3 if text[0].isdigit() or text[0] in "$-+\\([{." else 1
    if len(words) > (allowed if has_digits and "\n" not in text else 0) or text.count("\n") > 8:
        return None
    return text


def last_number(text: str) -> str | None:
    """Return the last number written in a text."""
    tail = text[-MAX_SPAN:]
    numbers = _LAST_NUMBER.findall(tail) or _LAST_NUMBER.findall(text[-20_000:])
    return str(numbers[-1]).rstrip(",") if numbers else None
