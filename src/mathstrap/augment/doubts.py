"""Find reasons not to hide a number of a question: it names a thing, repeats another number, or stands in a note.

Doubts come from the wording alone, so they are rules of thumb, while a `Judgement` is a proof. A firm doubt holds even
for a number that the worked solution uses: the 3 of "these 3 scores" enters an average, but the scores can be counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from mathstrap.augment.latex import find_zones
from mathstrap.augment.masking import Mask
from mathstrap.augment.quantities import WrittenNumber, find_quantities
from mathstrap.augment.sentences import find_question, is_format_note, split_sentences
from mathstrap.patterns import regex


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A reason not to hide a number, as a code of DOUBTS; a firm one outweighs a solution that uses the number."""

    code: str
    firm: bool = False


# The codes in words, for the detail of a Reject.
DOUBTS = {
    "refers_back": "repeats what the question says elsewhere (these 3 scores, the other two)",
    "counts_a_list": "counts things that the question lists one by one",
    "stated_twice": "stands in the question a second time",
    "other_half": "is given away by the other half",
    "label": "names a thing (day 3, house 2, route 66)",
    "date": "is part of a date",
    "year": "is a year",
    "time_ago": "only places the story in time",
    "list_number": "numbers an item of a list",
    "option": "stands in the options of a multiple choice question",
    "note": "stands in a note on the form of the answer, or in an explanation",
    "number_of_answers": "says how many answers there are",
    "shape": "belongs to the form of an expression",
    "pattern": "is given away by the pattern it stands in",
    "drawn": "is written in the drawing too",
    "bound": "is a bound, which many numbers could be",
    "many_numbers_fit": "other numbers have the same answer: a count, a rounded value, an extreme",
    "answer_is_no_number": "the answer is a word, a letter or a range",
    "not_used": "the solution does not mention it",
}

# Characters around a number that are searched: a question is a few sentences, and longer texts would take too long.
WINDOW = 2000


def words(*alternatives: str, before: str = r"\b", after: str = r"\b") -> re.Pattern[str]:
    """Return a pattern for any of the alternatives as whole words, in capitals or not."""
    return regex(f"{before}(?:{'|'.join(alternatives)}){after}", re.IGNORECASE | re.DOTALL)


def spaced(alternatives: str) -> list[str]:
    """Return the alternatives in a text, which are separated by spaces."""
    return alternatives.split()


_NOUN = regex(r"[ -]+(?:(?:more|other|different|new|same|full|extra|additional) )?([A-Za-z]{3,})")
_REFERS_FIRMLY = words("these", "those", "both", "all(?: of)?(?: the)?", after=r"\s+\$?\Z")
_OTHERS = words(r"(?:the|his|her|their|its) (?:other|remaining|last|first|final|next)", after=r"\s+\Z")
_THE = words("the", "his", "her", "their", "its", "my", "our", after=r"\s+\Z")
_LABEL_NOUN = words(
    *spaced(
        "house day week month year grade chapter room numbers? no\\. level step question problem exercise figure "
        "part round quarter game quiz test class period pages? channel route highway interstate floor lane player "
        "team group box store type size row column train bus flight phase stage season volume apartment gate "
        "platform exit section unit line lesson act scene episode scenario option choice plan station zone area "
        "table item trial lap hour car truck machine tank container bag jar shelf school version model position "
        "rank theorem example equation case"
    ),
    before=r"(?:\b(each|every|an?|one|per|this|that|last|next|the|any|by|his|her|their|first|second|third)\s+)?\b",
    after=r"\s+#?\Z",
)
_ENDS_LABEL = regex(
    r"\s*(?:\Z|[.,;:!?)]|['’]s\b|(?:is|was|are|were|has|had|have|will|can|and|or|to|through|than|he|she|they|it|on|in|"
    r"at|for|of|with|if|when|but|then|there|does|did|do|costs?|contains?|holds?|sold|got|gets?|received)\b)",
    re.IGNORECASE,
)
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?)"
)
_AFTER_MONTH = regex(rf"\b{_MONTH}\s+(?:the\s+)?\Z|\b{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\Z")
_BEFORE_MONTH = regex(rf"(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?![a-z])")
_BEFORE_YEAR = words(
    *spaced("in since until till by from to between and years? before after during of spring summer fall"),
    *spaced("autumn winter"),
    _MONTH,
    after=r"\s+\Z",
)
_AFTER_YEAR = regex(
    r"\s*(?:\Z|[.,;:!?)'’]|(?:and|to|until|through|was|were|is|he|she|they|the|when|there|if|it|his|her|season|election|"
    r"olympics)\b)",
    re.IGNORECASE,
)
_AGO = regex(r"\s+(?:more\s+)?(?:second|minute|hour|day|night|week|month|year)s?\s+(?:ago|earlier|later)\b")
_OPTION = regex(r"(?:^|[\s$,;])(?:\\text(?:bf)?\{\s*)?\(?([A-E])(?:\)|\.(?=\s)|:)\}?")
_LIST_NUMBER = regex(r"(?:^|\n)\s*\(?\Z")
_AFTER_LIST_NUMBER = regex(r"[.)](?:\s|\Z)")
_NOTE = regex(
    r"\A\W*(?:note|recall|hint|remember|reminder|assume|here|for (?:example|instance)|e\.g\.|"
    r"two \w+ are (?:considered|the same)|"
    r"(?:express|write|give|enter|round|leave|put|state) (?:your|the|each) answer)\b",
    re.IGNORECASE,
)
_ASIDE = regex(r"\([A-Z][^()]{20,}\)?")
_ANSWERS = regex(
    r"\s+(?:\w+\s+)?(?:(?:real|distinct|different|possible|complex|integer|positive|negative|unique|rational|such|"
    r"correct)\s+)*(?:solutions?|roots?|answers?|intersections?|zeros?|zeroes|possibilities)\b",
    re.IGNORECASE,
)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_LISTED = regex(r":\s*([^.?!:]{3,200})|\(([^()]{3,200})\)")
_OTHER_HALF = words("other", "remaining", "second", "latter", "last", after=r" (?:one[- ])?half\b")


def doubt_place(question: str, mask: Mask) -> Doubt | None:
    """Return a doubt about the place of a number: in an option, a date, a label, a note."""
    before, after = question[max(mask.start - 60, 0) : mask.start], question[mask.end : mask.end + 80]
    if (first := options_start(question)) is not None and mask.start >= first:
        return Doubt(code="option", firm=True)
    if _LIST_NUMBER.search(before) and _AFTER_LIST_NUMBER.match(after):
        return Doubt(code="list_number", firm=True)
    if _is_date(mask, before, after):
        return Doubt(code="date", firm=True)
    if _is_year(mask, before, after):
        return Doubt(code="year")
    label = _LABEL_NOUN.search(before)
    if label and label[1] is None and mask.kind in ("int", "word") and _ENDS_LABEL.match(after):
        return Doubt(code="label", firm=True)
    if _AGO.match(after):
        return Doubt(code="time_ago")
    if any(start <= mask.start < end for start, end in _notes(question)):
        return Doubt(code="note", firm=True)
    if mask.kind in ("int", "word") and _ANSWERS.match(after):
        return Doubt(code="number_of_answers", firm=True)
    return None


@lru_cache(maxsize=64)
def options_start(question: str) -> int | None:
    """Return the place where the options of a multiple-choice question begin, None for other questions."""
    first = None
    letters = ""
    for match in _OPTION.finditer(question):
        if match[1] == "A":
            first, letters = match.start(), "A"
        elif letters and ord(match[1]) == ord(letters[-1]) + 1:
            letters += match[1]
    return first if len(letters) > 1 else None


def _is_date(mask: Mask, before: str, after: str) -> bool:
    if mask.kind != "int":
        return False
    is_day = len(mask.text) <= 2 and int(mask.answer) <= 31
    if _AFTER_MONTH.search(before):
        return is_day or len(mask.text) == 4
    return is_day and _BEFORE_MONTH.match(after) is not None


def _is_year(mask: Mask, before: str, after: str) -> bool:
    is_four_digits = mask.kind == "int" and len(mask.text) == 4 and 1000 <= int(mask.answer) <= 2200
    return is_four_digits and _BEFORE_YEAR.search(before) is not None and _AFTER_YEAR.match(after) is not None


@lru_cache(maxsize=64)
def _notes(question: str) -> tuple[tuple[int, int], ...]:
    """Return the spans of a question that explain something, or say how to write the answer."""
    is_latex = ("\\" in question or question.count("$") > 1) and find_zones(question) is not None
    spans = []
    for sentence in split_sentences(question, "math" if is_latex else "gsm8k"):
        inner = sentence.text.lstrip("([ ")
        if is_format_note(inner) or _NOTE.match(inner):
            spans.append((sentence.start, sentence.end))
    asked = question.rfind("?")
    spans += [match.span() for match in _ASIDE.finditer(question) if match.start() > asked > 0]
    return tuple(spans)


def doubt_reference(question: str, mask: Mask) -> Doubt | None:
    """Return a doubt about a number that the question also states elsewhere in words."""
    if not re.fullmatch(r"-?\d+(?:\.\d+|/\d+)?", mask.answer):
        return None
    value = Fraction(mask.answer)
    before, rest = question[max(mask.start - 60, 0) : mask.start], question[mask.end : mask.end + WINDOW]
    if value == Fraction(1, 2) and _OTHER_HALF.search(rest):
        return Doubt(code="other_half", firm=True)
    if mask.kind not in ("int", "word") or value.denominator > 1:
        return _repeated(question, mask, value)
    if _REFERS_FIRMLY.search(before):
        return Doubt(code="refers_back", firm=True)
    if 2 <= value <= 10 and _is_counted(rest, int(value)):
        return Doubt(code="counts_a_list")
    if value <= 20 and (_OTHERS.search(before) or _THE.search(before)):
        return Doubt(code="refers_back")
    return _repeated(question, mask, value)


def _is_counted(rest: str, value: int) -> bool:
    """Say whether the question goes on to name this many things one by one."""
    if value == 2 and re.search(r"\b[Oo]ne\b.*\b(?:the other|another|the second)\b", rest, re.DOTALL):
        return True
    article = "the " if value == 2 else ""
    if all(re.search(rf"\b{article}{word}\b", rest, re.IGNORECASE) for word in _ORDINALS[:value]):
        return True
    for listed in _LISTED.finditer(rest):
        items = re.split(r",\s*(?:and\s+)?|\s+and\s+", (listed[1] or listed[2]).strip(" ,"))
        if len([item for item in items if item.strip()]) == value:
            return True
    return False


@lru_cache(maxsize=64)
def _quantities(question: str) -> tuple[WrittenNumber, ...]:
    return tuple(find_quantities(question))


@lru_cache(maxsize=64)
def _stems(question: str) -> dict[tuple[Fraction, str], int]:
    """Return how often each value occurs before each noun."""
    counts: dict[tuple[Fraction, str], int] = {}
    for quantity in _quantities(question):
        noun = _NOUN.match(question, quantity.end)
        if noun:
            key = quantity.value, noun[1].lower().rstrip("s")
            counts[key] = counts.get(key, 0) + 1
    return counts


def _repeated(question: str, mask: Mask, value: Fraction) -> Doubt | None:
    """Return a doubt if the same value occurs before the same noun elsewhere in the question."""
    noun = _NOUN.match(question, mask.end)
    is_twice = noun is not None and _stems(question).get((value, noun[1].lower().rstrip("s")), 0) > 1
    return Doubt(code="stated_twice") if is_twice else None


ROUNDS = regex(r"\bnearest\b|\bround(?:ed|ing)?\b|\bapproximat|\bestimate", re.IGNORECASE)
_AS_MANY = words(r"as (?:many|much)\b[^.?!]{0,40}\bas (?:\w+ ){0,2}(?:can|could|possible|possibly)")


@lru_cache(maxsize=64)
def doubt_rounding(question: str) -> Doubt | None:
    """Return a doubt about every number of a word problem whose answer is rounded, or the remainder of a division."""
    if _AS_MANY.search(question):
        return Doubt(code="many_numbers_fit", firm=True)
    sentence = find_question(question, "gsm8k")
    return Doubt(code="many_numbers_fit") if sentence is not None and ROUNDS.search(sentence.text) else None
