r"""Find the final answer a completion states. Knows nothing of equality.

The last explicit statement wins: `#### X`, `The answer is X`, `\boxed{X}`, `The value of x is X`. A thought is not
read, an invented next question and what follows it neither, and a statement that is withdrawn is none. Only without any
statement are the marked last line and the closing sentence read, and only in flexible mode the last number. Every
search starts from the end of the text and is linear in its length.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from mathstrap.numerals import UNITS
from mathstrap.patterns import regex
from mathstrap.verify.find.boxes import boxed_answer, braced_group, last_box
from mathstrap.verify.find.languages import foreign_closing, foreign_statement, is_foreign_prose
from mathstrap.verify.find.remarks import split_remarks
from mathstrap.verify.find.reply import next_question_starts, only_repeats, reply_text
from mathstrap.verify.find.sentence import (
    answer_span,
    bare_answer,
    closing_value,
    is_marked,
    last_line_value,
    last_number,
    several_letters,
    value_of_sentence,
    value_of_span,
)
from mathstrap.verify.find.withdrawn import withdrawn_at
from mathstrap.verify.record import Extraction, Mode

MAX_TRIES = 50
MAX_CANDIDATES = 8
Name = Literal["hash", "stated", "boxed", "value_of"]
NOT_STATED = "no final answer is stated"
UNFINISHED = "the reply is a thought that never ended"
UNANSWERED = "nothing follows the thought"
WITHDRAWN = "the stated answer is withdrawn"
REPEATED = "the reply only repeats its question"

_STATED = re.compile(
    r"(?i:nswers?)\"?\*{0,2}\s{0,3}"
    r"(?:(?:is|are|should be|would be|must be|equals|will be|comes out to(?: be)?)\b\s{0,3}(?:\*{0,2}:)?"
    r"|(?:#?\d{1,2})?\*{0,2}\s?(?:[-=]+>|[:：=]|→|⇒)|\*{0,2}(?=\n\s{0,9}(?:[^\s\w]{0,4}[\d\\$-]|[(*]{0,3}[A-J][)*.]{0,3}\s*(?:\n|$))))(?:\*\*(?=\s))?"
)
_TAG = re.compile(r"(?i:nswer)(?P<closing>[\]>])")
_TAG_END = regex(r"[\[<]/(?:final[_ ]?)?answer[\]>]", re.IGNORECASE)
_TAG_BEFORE = regex(r"[\]>]([^\[\]<>\n]{1,60})[\[<]/(?:final[_ ]?)?answer[\]>]\s*(?:or|,|/)?\s*\Z", re.IGNORECASE)
_IS_THE_ANSWER = regex(
    r"(?:is|are|=)\s+(?:(?:the|our|my|your)\s+)(?:(?:final|correct|right|required|desired)\s+)?[aA]$"
)
_ENDS = regex(
    r"(?i:nswers?)(?:\s+(?:to|for|of)\s+(?:the|this|your)\s+(?:question|problem|puzzle"
    r"|exercise))?\*{0,2}\s{0,3}(?:[.!,;\n]|$)"
)
_REFERS_BACK = regex(r",?\s+(?:which|that|this|and that)$", re.IGNORECASE)
_LEADS = regex(
    r"^(?:[\s*#>]|-\s){0,4}(?:(?:so|thus|hence|therefore|then|and|finally|clearly|now|we (?:see|find|get|conclude|know)"
    r"|it follows|I (?:think|believe|conclude)"
    r"|this (?:means|shows)|that)[,:]?\s+(?:that\s+)?){0,3}",
    re.IGNORECASE,
)
_VALUE_OF = regex(
    r"(?i:value of )(?:the )?(?:unknown )?(?:variable )?[$\\(]{0,3}[A-Za-z][$\\)]{0,3} (?:is|=|equals):? "
)
_NO_STATEMENT = regex(
    r"\s{0,3}(?:(?:indeed|actually|in fact|still|definitely|therefore|thus|also|probably|clearly)\s+)*(?:not|n't"
    r"|never|(?:in)?correct|right|wrong|valid|reasonable|verified|confirmed|checked|consistent|plausible|sensible"
    r"|complete|final|justified|supported|as expected|in (?:its |the )?(?:simplest|lowest)"
    r"|as follows|given by|found|obtained|clear|unknown|below"
    r"|above"
    r"|to (?:the|this|your|find)\b)\b"
)
_PLAIN_HASH = regex(r"\n#### ?(-?\$?[0-9][0-9,.]{0,30}[0-9]|[0-9])")
_PLAIN_STATED = re.compile(
    r"(?:(?:So|Thus|Therefore|Hence),? )?[Tt]he (?:final )?answer is:? (-?\$?[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?)\.?"
)
_PLAIN_BOX = regex(r"\\boxed\{([^{}\\%]{1,40})\}[$.\s)*]{0,4}\Z")
_I_THINK = regex(
    r"\b(?:I|we)(?:['’]d)?\s+(?:(?:do|would)\s+)?(?:think|thought|say|said|claim|guess"
    r"|believe)(?:\s+that)?\s+(?:the|my"
    r"|our)\s+(?:\w+\s+)?a$"
)
_HEADING = regex(r"(?i:(?:the )?(?:final )?(?:answer|solution|result))[:*]{0,3}")
_SHORT_ANCHOR = regex(r"\s{0,3}[*_]{0,2}[Aa]ns[*_]{0,2}\s{0,3}[:=.][*_]{0,2}\s{0,3}")
# The last line of a reply in the form of few-shot examples, "A: 8"; behind it nothing, and no other choice anywhere.
_A_LINE = regex(r"\n\s{0,3}\*{0,2}A\*{0,2}:\*{0,2}[ \t]{1,3}(?=[^\n]{1,200}\s*\Z)")
_OTHER_CHOICE = regex(r"(?:\A|\n)\s{0,3}\*{0,2}\(?[B-E]\*{0,2}[:).]", re.IGNORECASE)
_ANNOUNCES = regex(r"[\[<](?:final[_ ]?)?answer[\]>]|\b[Aa]nswer\s+[$\\\d-]", re.IGNORECASE)
_SENTENCE = regex(
    r"\b(?:is|are|was|were|has|have|had|be|equals?|we|so|thus|therefore|hence|she|he|they|it|there|i|let|choose"
    r"|answer|get"
    r"|find|gives?|needs?|takes?|makes?|costs?)\b|[.!?]$|=>|[^\x00-\u024f]{4}",
    re.IGNORECASE,
)
# What makes "the answer is 6" no statement of its own: it is checked, wrong, supposed, or somebody else's.
_NOT_MINE = regex(
    r"(?:check|verify|confirm)\s+(?:our|the|your|this|my)?\s*a$"
    r"|\b(?:wrong|incorrect|false|mistaken|tempting|naive|common|obvious)\s+[aA]$"
    r"|\b(?:incorrect|wrong|false|untrue|not true|not the case|doubt|deny|think|thought|say|said|claim(?:s|ed)?"
    r"|guess(?:ed)?"
    r"|believe)"
    r"(?:\s+that)?\s+(?:the|my|our)\s+(?:\w+\s+)?a$"
    r"|\b(?:if|whether|suppose|assuming|assume|unless)\s+(?:that\s+)?(?:the|my|our)\s+(?:\w+\s+)?a$",
    re.IGNORECASE,
)


# "The answer is option 7 is wrong": said of an answer, not stated as one.
_REFUTED = regex(
    r"(?:[0-9)}\]$%]|\b[A-J])\*{0,2}['\"]?\s+(?:is|was|would be|seems|looks)\s+(?:\w+ly\s+)?"
    r"(?:wrong|incorrect|mistaken|not\s+(?:right|correct))\b",
    re.IGNORECASE,
)
# A part of every word that _NOT_MINE begins with, in any case.
_NOT_MINE_HINTS = (
    "heck", "erify", " case", "onfirm", "rong", "correct", "alse", "istaken", "empting", "aive", "ommon", "bvious",
    "rue ",
    "doubt", "deny", "hink", "hought", "say ", "aid", "laim", "guess", "believe", "if", "If", "hether", "uppose",
    "ssum", "nless",
)  # fmt: skip


# `a total of #### 366 downloads over the three months`: the anchor marks a number within a sentence. The number alone
# is the answer unless the sentence adds to it ("3 hours and 20 minutes", "3 dozen", "3 to 5", "3 - 1 = 2").
_IN_SENTENCE = regex(
    r"(?P<value>-?\$?\d[\d,]*(?:\.\d+)?%?)(?= [A-Za-z])"
    r"(?! (?:and|or|to \$?\d|(?<!% )of|out|x|times \$?\d|plus|minus|divided|multiplied|over|by|half"
    r"|halves|thirds?|quarters?|dozens?|hundreds?|thousands?|millions?|billions?|[ap]\.?m)\b)"
    r"(?: (?!(?:and|or|plus|minus|to \$?\d)\b)[A-Za-z&'’-]+){0,8}?"
    r"(?:\.?|,? (?:in|over|for|to|from|than|with|if|of|on|at|by|during|after|before|when|who|that|per|left)\b"
    r"(?! \$?\d[\d.,]* [a-z]+ (?:and|or) )"
    r"(?:(?! (?:and|or|plus|minus) \$?\d|[=+*/<>:;?!]|, \$?\d| (?:not|but|wrong|instead)\b).)*)"
)
_BEFORE_ANCHOR = regex(r"(?:[A-Za-z]{2}[:,]?|=)[$ ]*\Z")
# A program's only output, and the sentence after it.
_PRINTED = regex(r"```output\n\s*(?P<whole>-?\d+)(?P<part>\.\d+)?\s*\n```\n(?P<sentence>[^\n`]{1,300})\s*\Z")


class Statement(msgspec.Struct, frozen=True):
    """An answer, where its statement starts and ends, and the rule that read it."""

    position: int
    end: int
    answer: str
    extractor: Name


def extract_answer(text: str, mode: Mode = "strict", *, question: str = "") -> Extraction | None:
    """Return the answer a completion states, or None. Flexible mode falls back to the last number of the text.

    With the question at hand, a reply that only repeats sentences of it states nothing: the value of its last
    sentence is a given one.
    """
    answer = _find_answer(text, mode, question)
    return answer if isinstance(answer, Extraction) else None


def why_no_answer(text: str, mode: Mode = "strict", *, question: str = "") -> str:
    """Return in one short sentence why a completion holds no answer; empty where it holds one."""
    answer = _find_answer(text, mode, question)
    return "" if isinstance(answer, Extraction) else answer


def _find_answer(text: str, mode: Mode, question: str = "") -> Extraction | str:
    reply = _own_reply(text)
    if reply is None:
        return UNFINISHED
    if not reply or reply.isspace():
        return UNANSWERED if text.strip() else NOT_STATED
    answer = _find(reply, mode)
    is_weak = isinstance(answer, Extraction) and answer.extractor in ("closing", "last_number", "value_of")
    return REPEATED if question and is_weak and only_repeats(reply, question) else answer


def extract_all(text: str) -> tuple[Extraction, ...]:
    """Return what each rule alone would find, best rule first; rules that find nothing are left out."""
    reply = _own_reply(text) or ""
    statements = sorted(_explicit(reply), key=lambda each: -each.position)
    rules = [Extraction(each.answer, each.extractor) for each in statements]
    text, _ = split_remarks(reply)
    for name, answer in (
        ("bare", None if statements else bare_answer(text)),
        ("closing", _closing(reply)),
        ("last_number", last_number(text)),
    ):
        if answer:
            rules.append(Extraction(answer, name))
    return tuple(rules)


def extract_boxed(text: str, mode: Mode = "strict") -> Extraction | None:
    """Return what the last box holds, as the MATH release does; None where no box is closed."""
    del mode
    box = last_box(text)
    return (
        None if box is None or not text[box.start :].strip() or box.content == "" else Extraction(box.content, "boxed")
    )


def extract_minerva(text: str, mode: Mode = "strict") -> Extraction | None:
    """Return what stands between Minerva's closing phrases, else the last box."""
    _, anchor, rest = text.rpartition("The final answer is ")
    if anchor:
        return Extraction(rest.partition("I hope it is correct")[0].strip().removesuffix(".").strip(), "stated")
    return extract_boxed(text, mode)


def gold_answer(gold: str) -> str:
    r"""Return the answer of a gold that is a whole solution: what follows its last `####`, else the gold as it is."""
    start = gold.rfind("####")
    if start >= 0:
        answer = gold[start:].lstrip("#").strip()
        return answer or gold
    return gold


def looks_like_completion(text: str) -> bool:
    """Say whether a text is a worked solution rather than a bare answer: several lines, an anchor, or a sentence.

    A few words without a verb, such as `two-thirds` or `red and blue`, are an answer in words.
    """
    if "####" in text or "</think" in text or text.lstrip().startswith("<think"):
        return True
    stripped = text.strip()
    if "box" in stripped or "oxed" in stripped:
        box = last_box(stripped)
        if box is not None and box.content:
            return not (box.start == 0 and box.end == len(stripped) and stripped.startswith("\\boxed"))
    if _ANNOUNCES.search(text[-2_000:]) or _STATED.search(text[-2_000:]):
        return True
    if stripped.startswith("\\begin"):
        return False
    if "\n" in stripped or is_marked(stripped) or is_foreign_prose(stripped):
        return True
    return bare_answer(stripped) is None and (len(stripped.split()) > 6 or _SENTENCE.search(stripped) is not None)


def _own_reply(completion: str) -> str | None:
    """Return the reply up to an invented next question; None for a thought that never ended."""
    text = reply_text(completion)
    if text is None:
        return None
    for start in next_question_starts(text):
        before = text[:start].rstrip()
        if before.strip() and isinstance(_find(before, "strict"), Extraction):
            return before
    return text


def _find(text: str, mode: Mode) -> Extraction | str:
    start = text.rfind("\n####")
    if start >= 0:  # GSM8K's own form: nothing can follow a plain number that ends the text
        plain = _PLAIN_HASH.fullmatch(text, start)
        if plain and not text.endswith("####", 0, start) and "####" not in text[max(0, start - 80) : start]:
            return Extraction(plain[1], "hash")
    last = _plain_ending(text)
    if last is not None:
        return last
    statements = _explicit(text)
    if not statements:
        foreign = foreign_statement(text)
        statements = [Statement(foreign[0], foreign[1], foreign[2], "stated")] if foreign else []
    if statements:
        return _last_statement(text, statements)
    before, remarks = split_remarks(text)
    bare = None if "\n" in before.strip() and last_line_value(before) else bare_answer(before)
    if bare and remarks and withdrawn_at(text, len(before), bare) is not None:
        bare = None
    if bare:
        return Extraction(bare, "bare")
    closing = _closing(text)
    if closing and withdrawn_at(text, max(0, text.rfind("\n\n"))) is None:
        return Extraction(closing, "closing")
    number = last_number(before) if mode == "flexible" else None
    return Extraction(number, "last_number") if number else NOT_STATED


def _plain_ending(text: str) -> Extraction | None:
    """Return the answer of a text whose last line states a number or boxes a plain value, the only box of the text.

    Nothing can follow such a line, so nothing can replace or withdraw it. Most replies of trained models end so, and
    reading them costs a fraction of the whole search.
    """
    line = text[text.rfind("\n") + 1 :]
    if len(line) > 200:
        return None
    stated = _PLAIN_STATED.fullmatch(line)
    if stated:
        return Extraction(stated[1], "stated")
    if "boxed" not in line:
        return None
    box = _PLAIN_BOX.search(line)
    if box is None or text.find("oxed") != len(text) - len(line) + box.start() + 2 or "\\fbox" in text:
        return None
    return Extraction(several_letters(box[1].strip()), "boxed")


def _closing(text: str) -> str | None:
    """Return what the end of a text concludes, read without the remarks that follow the conclusion."""
    before, remarks = split_remarks(text)
    value = _conclusion(before)
    if remarks and value is None:
        return _conclusion(text)  # a remark may be all that is said: "This is the number 12."
    return None if value and remarks and withdrawn_at(text, len(before), value) is not None else value


def _conclusion(text: str) -> str | None:
    printed = _printed(text) if "```output" in text else None
    if printed:
        return printed
    marked = last_line_value(text)
    if marked:
        return marked
    return foreign_closing(text) if is_foreign_prose(text[-300:]) else closing_value(text)


def _printed(text: str) -> str | None:
    """Return the only number that a program printed, where the closing sentence repeats it, in digits or as a word."""
    match = _PRINTED.search(text[-1_000:])
    if match is None:
        return None
    part = (match["part"] or "").rstrip("0").rstrip(".")
    value = match["whole"] + part
    words = [word for word, number in UNITS.items() if str(number) == value]
    written = "|".join(map(re.escape, [value, *words]))
    sentence = match["sentence"].replace(",", "")
    repeated = re.search(rf"(?i:(?<![\w.-])(?:{written})(?!\w|\.\d))", sentence)
    return repeated[0] if repeated else None


def _last_statement(text: str, statements: list[Statement]) -> Extraction | str:
    """Return the last of the statements, or what replaces it where the reply takes it back."""
    last = statements[0] if len(statements) == 1 else max(statements, key=lambda each: each.position)
    box = next((each for each in statements if each.extractor == "boxed" and each.answer), None)
    if box and last.extractor == "stated" and _is_remark(last.answer) and not _is_remark(box.answer):
        last = box
    withdrawn = withdrawn_at(text, last.end, last.answer)
    if withdrawn is not None:
        rest = text[withdrawn:].lstrip(" .,;:!-–—，。：；！")
        replaced = bare_answer(value_of_span(rest.rstrip())) or _closing(rest) if rest else None
        return Extraction(replaced, "closing") if replaced else WITHDRAWN
    return Extraction(last.answer, last.extractor) if last.answer else NOT_STATED


def _is_remark(answer: str) -> bool:
    """Say whether a stated answer is only lower-case words, as in `the answer is positive`."""
    return answer[:1].islower() and not any(char.isdigit() or char in "\\$=^" for char in answer) and len(answer) > 3


def _explicit(text: str) -> list[Statement]:
    """Return the last statement of each kind."""
    statements = (_hash(text), _stated(text), _short(text), _boxed(text) if "ox" in text else None, _value_of(text))
    return [each for each in statements if each is not None]


def _hash(text: str) -> Statement | None:
    start = text.rfind("####")
    if start < 0:
        return None
    line = _hash_line(text[start + 4 :].lstrip("# \t:").partition("\n")[0])
    if not line or _HEADING.fullmatch(line):
        line = _hash_line(text[start + 4 :].partition("\n")[2].strip().partition("\n")[0])
    if not line:
        return None
    # Words on the same line may take the value back, so the statement ends behind the first of them.
    end = text.find(line, start) + len(line.partition(" ")[0])
    if text.find("####") == start:  # the usual case: one such line
        counted = _IN_SENTENCE.fullmatch(line) if _follows_words(text, start) else None
        return Statement(start, end, counted["value"] if counted else _hash_value(line), "hash")
    lines = [line]
    for _ in range(MAX_CANDIDATES):  # such lines one after another list candidates: the answer is all of them
        head = text[:start].rstrip()
        before = head.rpartition("\n")[2]
        if not before.startswith("####"):
            break
        start = len(head) - len(before)
        lines.append(_hash_line(before.lstrip("# \t:")))
    answers = list(dict.fromkeys(_hash_value(each) for each in reversed(lines) if each))
    return Statement(start, end, ", ".join(answers), "hash")


def _follows_words(text: str, start: int) -> bool:
    """Say whether the anchor at `start` stands within a sentence, behind words or an equals sign on its line."""
    return _BEFORE_ANCHOR.search(text, max(0, start - 40), start) is not None


def _hash_line(line: str) -> str:
    """Return a line without the marks of emphasis around it."""
    line = line.strip()
    return line.strip("*").strip() if line.startswith("*") else line


def _hash_value(line: str) -> str:
    return line if " " not in line else value_of_span(line.rstrip("."))


def _stated(text: str) -> Statement | None:
    """Return the last `The answer is X`, `<answer>X</answer>`, `[ANSWER]X[/ANSWER]` or `X is the answer`."""
    end = len(text)
    has_capitals = "NSWER" in text
    for _ in range(MAX_TRIES):
        before, end = end, text.rfind("nswer", 0, end)
        if has_capitals:
            end = max(end, text.rfind("NSWER", 0, before))
        if end < 0:
            return None
        if text.startswith("nswer{", end) and text.startswith("\\a", end - 2):  # \answer{15}
            braced = braced_group(text, end + 5)
            if braced:
                return Statement(end - 2, end + 5 + len(braced) + 2, braced.strip(), "stated")
            continue
        tag = _TAG.match(text, end)
        if tag:
            tagged = _tagged(text, tag)
            if tagged is not None:
                return tagged
            continue
        match = None if _is_not_mine(text[max(0, end - 60) : end]) else _STATED.match(text, end)
        start = match.end() if match else end
        if match and not _NO_STATEMENT.match(text, start):
            span = answer_span(text, start)
            if span and "\\boxed" not in span and not _is_asked(text, span, start):
                if span.startswith("[") and _TAG_END.search(span):
                    continue
                if " " in span and _REFUTED.search(span):
                    continue
                return Statement(end, _end_of(text, span, start), value_of_sentence(span), "stated")
        elif match is None and _IS_THE_ANSWER.search(text, max(0, end - 40), end) and _ENDS.match(text, end):
            value = _value_before(text, end)
            if value:
                return Statement(end, end + 5, value, "stated")
    return None


def _is_asked(text: str, span: str, start: int) -> bool:
    """Say whether a span is the end of a question, as in "for which value of c is f(c) = 0?"."""
    end = _end_of(text, span, start)
    return text[end : end + 4].lstrip("$*)] ").startswith("?")


def _is_not_mine(head: str) -> bool:
    """Say whether the words before "answer" make it somebody else's, or no more than a supposition."""
    if head[-6:-1] in ("\nThe ", "\nthe ") and head[-7:-6] in (".", ":", "!", "\n"):
        return False
    if not any(hint in head for hint in _NOT_MINE_HINTS):
        return False  # as nearly always: "The final a"
    other = _NOT_MINE.search(head)
    return other is not None and not _I_THINK.search(head)


def _end_of(text: str, span: str, start: int) -> int:
    """Return where a span ends in the text; near its start when the span was trimmed out of recognition."""
    place = text.find(span, start, start + len(span) + 40)
    return place + len(span) if place >= 0 else start


def _tagged(text: str, tag: re.Match[str]) -> Statement | None:
    """Read what stands between an opening answer tag and its closing one, or the end of the line."""
    opening = "[" if tag["closing"] == "]" else "<"
    start = text.rfind(opening, max(0, tag.start() - 12), tag.start())
    if start < 0 or text[start + 1 : start + 2] == "/":
        return None
    rest = text[tag.end() : tag.end() + 1_000]
    closed = _TAG_END.search(rest)
    content = (rest[: closed.start()] if closed else rest.partition("\n")[0]).strip()
    if not content or "\\boxed" in content or "nswer" in content:
        return None
    end = tag.end() + (closed.end() if closed else len(content))
    value = value_of_sentence(value_of_span(content))
    other = _TAG_BEFORE.search(text, max(0, start - 120), start)
    if other and other[1].strip() != content:  # candidates, as several boxes are
        value = f"{other[1].strip()} or {value}"
    return Statement(start, end, value, "stated")


def _value_before(text: str, end: int) -> str | None:
    """Return the value of `15 is the answer`; None where more than a value stands before the verb."""
    head = text[max(0, end - 240) : end]
    verb = _IS_THE_ANSWER.search(head)
    if verb is None:
        return None
    sentence = re.split(r"(?<=[.!?])\s+|\n", head[: verb.start()].rstrip())[-1]
    value = _REFERS_BACK.sub("", _LEADS.sub("", sentence)).strip().strip("*,").strip()
    if (
        not value
        or "\\boxed" in value
        or "nswer" in value.replace("NSWER", "nswer")  # "Answer: 5. This is our answer": the statement stands before
        or len(value) > 120
        or value.lower() in ("this", "that", "it", "which", "here", "what", "below", "above")
    ):
        return None
    bare = bare_answer(value)
    if bare is None or not (any(char.isdigit() for char in bare) or len(bare) <= 3 or bare[0] in "\\$("):
        return None
    return bare


def _short(text: str) -> Statement | None:
    """Read `Ans: 5` at the start of a line, and `A: 5` on the last one."""
    start = max(
        text.rfind("\nAns"),
        text.rfind("\nans"),
        text.rfind("\n**Ans"),
        0 if text[:5].lstrip("*")[:3] in ("Ans", "ans") else -1,
    )
    match = _SHORT_ANCHOR.match(text, start) if start >= 0 else None
    if match is None:
        start = max(text.rfind("\nA:"), text.rfind("\n**A"))
        match = _A_LINE.match(text, start) if start >= 0 and not _OTHER_CHOICE.search(text) else None
    span = answer_span(text, match.end()) if match else ""
    if match is None or not span or "\\boxed" in span:
        return None
    return Statement(start, _end_of(text, span, match.end()), value_of_sentence(span), "stated")


def _value_of(text: str) -> Statement | None:
    end = len(text)
    for _ in range(MAX_TRIES):
        end = text.rfind("alue of", 0, end)
        if end < 1:
            return None
        match = _VALUE_OF.match(text, end - 1)
        if match:
            span = answer_span(text, match.end())
            if span and "\\boxed" not in span and not _is_asked(text, span, match.end()):
                return Statement(end, _end_of(text, span, match.end()), value_of_sentence(span), "value_of")
    return None


def _boxed(text: str) -> Statement | None:
    box = boxed_answer(text)
    return None if box is None else Statement(box.start, box.end, several_letters(box.content), "boxed")
