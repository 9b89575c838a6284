"""The defects a training row can have, each a pure function of the row. A new defect is an entry of DEFECTS."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import wraps

import msgspec

from mathstrap.audit import questions
from mathstrap.audit.unmask import Hidden
from mathstrap.curate.formulas import wrong_value
from mathstrap.curate.paths import ANNOTATION, Reasoning
from mathstrap.curate.wording import NUMBER_WORDS
from mathstrap.patterns import regex
from mathstrap.steps.check import RATIOS
from mathstrap.steps.expression import as_fraction, plain_number
from mathstrap.types import Style

# A final answer is at the end, so the patterns need not run over a whole long response.
TAIL = 2_000
STATEMENT = regex(
    r"(?:####[ \t]*|[Tt]he (?:final )?answer is(?:,? (?:therefore|thus|then|hence|simply|just|now|indeed),?)?:?[ \t]*)"
    r"([^\n]{1,200})"
)
OPEN_STATEMENT = regex(r"(?:####|[Tt]he (?:final )?answer is:?)\s*\Z")
# Characters in which a complete text may end.
ENDINGS = tuple(".!?)]}\"'”’$%。*")
COMMAND = regex(r"\\[A-Za-z]+")
# The last statements of a response; earlier ones belong to repeated or quoted text.
MAX_STATEMENTS = 6
# Longer than a last sentence.
CLOSING = 400
# Where one sentence ends and the next begins; not in `No. 5` or `3.5`.
SENTENCE = regex(r"(?<=[a-z\d)$%}\]\"*][.!?。])\s+(?=[A-Z\"(*])|\n+")
# A last line `Answer: 115`, `- Vanilla: 0`, `**Final answer:** 168 cm` is whole.
NAMED_VALUE = regex(r"[A-Za-z*][:：][*\s]*[-$£€]?\s?\d[\d,./]*(?:\s?[A-Za-z°²³/]{1,15}){0,3}\**\Z")
# The last word is the unit: `648 square meters`.
UNIT_BEHIND = regex(r"\d\s+(?:[A-Za-z]{2,12}\s){0,2}([A-Za-z]{3,})\W*\Z")
CODE_BLOCK = regex(r"```[^`]*(?:```|\Z)")
ESCAPED = regex(r"\\[\\${}]")
# An amount of money; the group catches a sign with which a formula would go on after the number.
AMOUNT = regex(r"\$ ?(?:\d[\d,]*(?:\.\d+)?|\.\d+)([\\^_{A-Za-z(+*/=-]?)")
OPENING_MONEY = regex(r"(?<![^\s(])\$(?=\d|[A-Za-z](?![A-Za-z\d_^\\{]))")
# A dollar sign without a number beside it: it can only be half of a formula.
FORMULA_SIGN = regex(r"(?<![\d\s])\$(?!\s?\.?\d)|\$[A-Za-z\\(]")
NUMBER = regex(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+")
SPACED_THOUSANDS = regex(r"(?<=\d) (?=\d{3}\b)")
WORDS = regex(r"[A-Za-z]{2,}[ ,.;:]+[A-Za-z]{2,}|[a-z]{3,}")
NO_REASONING = Reasoning(path=(), false=())
PAIRS = ((r"\left", r"\right"), (r"\begin", r"\end"), (r"\[", r"\]"), (r"\(", r"\)"))


class AuditRow(msgspec.Struct, kw_only=True):
    """One row of a dataset with its derived fields; detectors only read it.

    `key` is the same for two questions that differ only in case and layout. `stated` is the response's final answer,
    `statements` are all answers stated at its end. `gold` is the row's own gold, or its seed's for a question that
    asks the same thing. `hidden` is the number a backward question hides, `reasoning` the response's arithmetic. `twin`
    is the line of an earlier row with the same texts, `near_twin` of one with nearly the same question.
    """

    line: int
    query: str
    response: str
    key: bytes = b""
    original: str = ""
    type: str = ""
    style: Style = "gsm8k"
    is_backward: bool = False
    gold: str = ""
    seed_answer: str = ""
    seed_solution: str = ""
    stated: str | None = None
    statements: list[str] = []
    hidden: Hidden | None = None
    twin: int = 0
    near_twin: int = 0
    reasoning: Reasoning = NO_REASONING
    is_mask_irrelevant: bool = False
    contamination: str = ""
    checks_contamination: bool = False
    checks_near: bool = False


def always(row: AuditRow) -> bool:  # noqa: ARG001 - the shape of `applies`
    """Say that a detector can judge every row."""
    return True


@dataclass(frozen=True, kw_only=True)
class Defect:
    """A defect: its sentence, whether it drops rows by default, its detector, and which rows can be judged.

    `find` returns what is wrong in a few words, or None. `needs` names the input without which no row can be judged.
    `of_question` marks defects of the question alone, `of_answer` those that contradict the answer, as a second reader
    does too.
    """

    sentence: str
    drops: bool
    find: Callable[[AuditRow], str | None]
    applies: Callable[[AuditRow], bool] = always
    needs: str = ""
    of_question: bool = False
    of_answer: bool = False


def no_answer(row: AuditRow) -> str | None:
    """Find responses without a final answer and without a number at the end (`So 15 litres must be added.` has one)."""
    if row.stated is not None or NUMBER.search(SENTENCE.split(row.response.rstrip()[-CLOSING:])[-1]):
        return None
    return "no final answer is stated"


def wrong_answer(row: AuditRow) -> str | None:
    """Find responses whose final answer the grader calls wrong; undecided is not wrong."""
    if row.stated is None or _outcome(row.gold, row.stated) != "wrong":
        return None
    return f"states {_short(row.stated)}, the gold is {_short(row.gold)}"


def statements(response: str) -> list[str]:
    """Return the final answers stated at the end of a response, in order."""
    ending = response[-TAIL:]
    if "####" not in ending and "nswer is" not in ending:
        return []
    endings = STATEMENT.findall(ANNOTATION.sub("", ending) if "<<" in ending else ending)[-MAX_STATEMENTS:]
    stated = [SENTENCE.split(text.strip().strip('"').lstrip(":* "))[0].strip().rstrip(".") for text in endings]
    return [text for text in stated if any(map(str.isalnum, text))]


def conflicting_answers(row: AuditRow) -> str | None:
    """Find responses that state two final answers that differ."""
    stated = row.statements
    *earlier_answers, last = stated or [""]
    for earlier in earlier_answers:
        if earlier != last and not _answers_parts(earlier, last) and _outcome(last, earlier) == "wrong":
            return f"states {_short(earlier)} and {_short(last)}"
    return None


def _answers_parts(first: str, second: str) -> bool:
    """Say whether two statements count different things, as the answers to two parts do: `130 candies`, `8 cups`."""
    units = [UNIT_BEHIND.search(text) for text in (first, second)]
    return all(units) and len({unit[1].lower().rstrip("s") for unit in units if unit}) == 2


def double_answer(row: AuditRow) -> str | None:
    """Find responses that state the same final answer twice, as MetaMathQA's GSM8K rows do on purpose."""
    stated = row.statements
    is_repeated = any(not _answers_parts(earlier, stated[-1]) for earlier in stated[:-1])
    if is_repeated and conflicting_answers(row) is None:
        return f"states {_short(stated[-1])} {len(stated)} times"
    return None


def truncated(row: AuditRow) -> str | None:
    """Find responses that break off: in a statement of the answer, in a formula, or without any ending."""
    text = row.response.rstrip()
    if not text:
        return "the response is empty"
    if OPEN_STATEMENT.search(text[-60:]):
        return f'ends in "{_short(text[-30:])}"'
    last_line = text[text.rfind("\n") + 1 :]
    if _depth(last_line) > 0 and _depth(text[-TAIL:]) > 0:
        return f'ends inside brackets: "{_short(text[-30:])}"'
    if text.endswith(ENDINGS) or STATEMENT.search(last_line) or _is_display(text):
        return None
    if NAMED_VALUE.search(last_line) or (text.endswith("```") and text.count("```") % 2 == 0):
        return None
    if row.stated and last_line.endswith(row.stated) and last_line[-len(row.stated) - 2 :][:1] in "=: ":
        return None
    return f'ends in "{_short(text[-30:])}"'


def _is_display(text: str) -> bool:
    return text.endswith(("\\]", "\\)")) or re.search(r"\\end\{[a-z*]{1,20}\}\Z", text[-30:]) is not None


def _depth(text: str) -> int:
    plain = text.replace("\\{", "").replace("\\}", "")
    return plain.count("{") - plain.count("}")


def broken_math(row: AuditRow) -> str | None:
    """Find formulas that do not close: dollar signs, braces, environments, `<<` without `>>`."""
    # Formulas in \\( \\) or \\[ \\]: a dollar sign beside them is money, also before a letter.
    has_brackets = any(mark in text for mark in ("\\(", "\\[") for text in (row.query, row.response))
    for name, text in (("question", row.query), ("response", row.response)):
        is_math = row.style == "math" or COMMAND.search(text) is not None
        if has_brackets and text.count("$") == len(OPENING_MONEY.findall(text)):
            text = text.replace("$", " ")
        problem = broken_formula(text, is_math=is_math, writes_formulas=row.type.upper().startswith("MATH"))
        if problem:
            return f"{name}: {problem}"
    return None


def broken_formula(text: str, *, is_math: bool, writes_formulas: bool = False) -> str | None:
    """Return which formula of a text does not close; single dollar signs are money unless `is_math`.

    A sign that can be read as money, or as an operator of code (`1 << 3`), is never taken for an open formula.
    `writes_formulas` says that the text sets its formulas in dollar signs; otherwise the signs decide.
    """
    if text.count("<<") != text.count(">>") and _num_tight(text, "<<") != _num_tight(text, ">>"):
        return "<< and >> do not pair up"
    if not is_math:
        return None
    plain = ESCAPED.sub(" ", ANNOTATION.sub("", CODE_BLOCK.sub("", text)))
    writes_formulas = writes_formulas or FORMULA_SIGN.search(plain) is not None
    if writes_formulas and plain.count("$") % 2 and not _is_money_explained(plain):
        return "an odd number of $"
    if plain.count("{") != plain.count("}"):
        return "{ and } do not pair up"
    for opening, closing in PAIRS:
        if (opening in plain or closing in plain) and _num_commands(plain, opening) != _num_commands(plain, closing):
            return f"{opening} and {closing} do not pair up"
    return None


def _num_tight(text: str, mark: str) -> int:
    """Count the `<<` or `>>` of annotations, which have no space on their inner side."""
    return len(re.findall(r"<<(?=[^\s<])" if mark == "<<" else r"(?<=[^\s>])>>", text))


def _is_money_explained(text: str) -> bool:
    """Say whether every dollar sign is half of a formula or an amount of money, read from the left."""
    signs = [match.start() for match in re.finditer(r"\$", text)]
    place = 0
    while place < len(signs):
        start = signs[place]
        end = signs[place + 1] if place + 1 < len(signs) else -1
        if is_amount(text, start, end):
            place += 1
        elif end < 0:
            return False
        else:
            place += 2
    return True


def is_amount(text: str, start: int, end: int) -> bool:
    """Say whether the dollar sign at `start` is money, not the start of a formula up to the next sign at `end`.

    `$5 + $6 = $11` and `$5 for the two` are amounts, `$5 + 6$` and `$5x$` begin a formula.
    """
    amount = AMOUNT.match(text, start)
    if amount is None or amount[1]:
        return False
    if end < 0 or text[end + 1 : end + 2].isdigit():
        return True
    between = text[amount.end() : end]
    return "\n\n" in between or WORDS.search(COMMAND.sub(" ", between[:400])) is not None


def _num_commands(text: str, command: str) -> int:
    r"""Count a command in a text; `\leftarrow` does not count as `\left`."""
    return len(re.findall(re.escape(command) + (r"(?![a-zA-Z])" if command[-1].isalpha() else ""), text))


def lost_dollar(row: AuditRow) -> str | None:
    """Find backward questions whose hidden number took a dollar sign with it: `$100.` became `x.`."""
    return f"${row.hidden.answer} became x" if row.hidden is not None and row.hidden.lost_dollar else None


def wrong_backward_gold(row: AuditRow) -> str | None:
    """Find backward rows whose gold, or without one their stated answer, is not the number that was hidden."""
    claimed = row.gold or row.stated
    if row.hidden is None or claimed is None:
        return None
    if any(_outcome(value, claimed) != "wrong" for value in (row.hidden.answer, *row.hidden.also)):
        return None
    return f"hides {row.hidden.answer}, the gold is {_short(claimed)}"


def false_arithmetic(row: AuditRow) -> str | None:
    """Find responses with an equation that is false, or with another answer than the value that is asked for."""
    if row.reasoning.false:
        return _short("; ".join(row.reasoning.false[:3]))
    return _short(wrong_value(row.query, row.stated)) or None if row.stated else None


def wrong_output(row: AuditRow) -> str | None:
    """Find responses with a program whose output is not the output they show."""
    return row.reasoning.outputs[0] if row.reasoning.outputs else None


def contradicts_steps(row: AuditRow) -> str | None:
    """Find responses that end in a number their calculations never reach.

    Only responses with `<<...>>` marks are judged, because there every step is marked. A step done in the head, a
    converted unit or a count in words is not a contradiction, so the stated number must differ by at least 1 from the
    last result and occur nowhere else.
    """
    result = row.reasoning.last_result
    text = row.stated or ""
    # A whole number by a short way: most answers are one, and equal to the last result.
    stated = Fraction(int(text)) if text.isdecimal() and len(text) < 20 else as_fraction(text) if text else None
    if result == stated:
        return None
    if result is None or stated is None or stated <= 0 or result <= 0 or abs(result - stated) < 1:
        return None
    ratio = max(result / stated, stated / result)
    if ratio in RATIOS:
        return None
    # What precedes the first statement is mostly all that has to be read.
    marks = [place for place in (row.response.find("####"), row.response.find("nswer is")) if place >= 0]
    if _holds_number(row.response[: min(marks, default=0)], row.stated or ""):
        return None
    text = SPACED_THOUSANDS.sub("", STATEMENT.sub(" ", row.response))
    if any(plain_number(number) == stated for number in set(NUMBER.findall(text))):
        return None
    spelled = next((word for word, value in NUMBER_WORDS.items() if value == str(stated)), "")
    if spelled and re.search(rf"\b{spelled}\b", text, re.IGNORECASE):
        return None
    return f"the steps end in {float(result):g}, the answer is {_short(row.stated or '')}"


NUMERAL = frozenset("0123456789.,")
NUMERAL_OR_END = NUMERAL | {""}


def _holds_number(text: str, number: str) -> bool:
    """Say whether a text has a number as it is written; cheaper than reading all its numbers."""
    place = text.find(number) if number.isdigit() else -1
    while place >= 0:
        end = place + len(number)
        if text[max(place - 1, 0)] not in NUMERAL and text[end : end + 1] not in NUMERAL_OR_END:
            return True
        place = text.find(number, place + 1)
    return False


def irrelevant_mask(row: AuditRow) -> str | None:
    """Find backward questions whose hidden number the seed's worked solution never needs."""
    assert row.hidden is not None, "applies only to rows whose hidden number is known"
    return f"the answer does not depend on {row.hidden.answer}" if row.is_mask_irrelevant else None


def is_mask_irrelevant(row: AuditRow) -> bool:
    """Say whether the seed's worked solution shows that the hidden number does not matter."""
    from mathstrap.augment.relevance import is_unneeded
    from mathstrap.types import Problem

    assert row.hidden is not None, "asked only about a mask"
    seed = Problem(
        id="seed", dataset="audit", style=row.style, question=row.original, answer=row.seed_answer,
        solution=row.seed_solution,
    )  # fmt: skip
    return is_unneeded(seed, row.hidden.answer, is_percent=row.hidden.is_percent)


def duplicate(row: AuditRow) -> str | None:
    """Find rows whose question and response repeat an earlier row's, layout and case aside."""
    return f"repeats line {row.twin}" if row.twin else None


def near_duplicate(row: AuditRow) -> str | None:
    """Find rows whose question nearly repeats that of an earlier row."""
    return f"nearly the question of line {row.near_twin}" if row.near_twin else None


def contaminated(row: AuditRow) -> str | None:
    """Find rows whose question a test set asks."""
    return row.contamination or None


def in_question(detect: Callable[[str], str]) -> Callable[[AuditRow], str | None]:
    """Return a detector of rows from a detector of question texts."""

    @wraps(detect)
    def find(row: AuditRow) -> str | None:
        return detect(row.query) or None

    return find


def same_path(row: AuditRow) -> str | None:  # noqa: ARG001 - the shape of `find`
    """Find nothing in a row alone: the audit itself compares every row's equations with those of earlier rows."""
    return None


def is_forward(row: AuditRow) -> bool:
    """Say whether a row asks its question forward: a backward one repeats the original asking."""
    return not row.is_backward


def _outcome(gold: str, answer: str) -> str:
    from mathstrap.verify import answers_agree

    return answers_agree(gold, answer)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"


DEFECTS: dict[str, Defect] = {
    "asks_nothing": Defect(
        sentence="the question is a refusal, or asks nothing", drops=True, find=in_question(questions.asks_nothing),
        of_question=True,
    ),
    "lacks_figure": Defect(
        sentence="the question needs a figure that is not there", drops=True, find=in_question(questions.lacks_figure),
        of_question=True,
    ),
    "lacks_number": Defect(
        sentence="a number or a condition is missing", drops=True, find=in_question(questions.lacks_number),
        of_question=True,
    ),
    "impossible_count": Defect(
        sentence="half a person, or fewer than none", drops=True, find=in_question(questions.counts_in_fractions),
        of_question=True,
    ),
    "asks_proof": Defect(
        sentence="the question asks for a proof", drops=False, find=in_question(questions.asks_for_proof),
        of_question=True,
    ),
    "asks_twice": Defect(
        sentence="the question asks for two things", drops=False, find=in_question(questions.asks_twice),
        applies=is_forward, of_question=True,
    ),
    "no_answer": Defect(sentence="no final answer can be extracted", drops=True, find=no_answer),
    "wrong_answer": Defect(
        sentence="the final answer disagrees with the gold", drops=True, find=wrong_answer,
        applies=lambda row: bool(row.gold), needs="a gold column, or the seeds", of_answer=True,
    ),
    "conflicting_answers": Defect(
        sentence="two final answers that differ", drops=True, find=conflicting_answers, of_answer=True,
    ),
    "double_answer": Defect(sentence="the same final answer stated twice", drops=False, find=double_answer),
    "truncated": Defect(sentence="the response breaks off", drops=True, find=truncated),
    "broken_math": Defect(sentence="a formula does not close", drops=True, find=broken_math),
    "lost_dollar": Defect(
        sentence="masking took a dollar sign away", drops=False, find=lost_dollar,
        applies=lambda row: row.hidden is not None, needs="original questions of backward rows",
    ),
    "wrong_backward_gold": Defect(
        sentence="the gold of a backward question is not the hidden number", drops=True, find=wrong_backward_gold,
        applies=lambda row: row.hidden is not None, needs="original questions of backward rows",
    ),
    "false_arithmetic": Defect(sentence="an equation is false", drops=True, find=false_arithmetic, of_answer=True),
    "wrong_output": Defect(
        sentence="a program would print something else", drops=True, find=wrong_output, of_answer=True,
    ),
    "contradicts_steps": Defect(
        sentence="the answer is not what the steps come to", drops=True, find=contradicts_steps,
        applies=lambda row: row.reasoning.last_result is not None, needs="responses with <<...>> calculations",
        of_answer=True,
    ),
    "irrelevant_mask": Defect(
        sentence="the hidden number does not matter", drops=True, find=irrelevant_mask,
        applies=lambda row: row.hidden is not None and bool(row.seed_solution), needs="the seeds with their solutions",
    ),
    "duplicate": Defect(
        sentence="question and response repeat an earlier row", drops=True, find=duplicate, of_question=True,
    ),
    "same_path": Defect(sentence="the same equations for the same question", drops=False, find=same_path),
    "near_duplicate": Defect(
        sentence="the question nearly repeats another", drops=False, find=near_duplicate,
        applies=lambda row: row.checks_near, needs="near-duplicate search", of_question=True,
    ),
    "contaminated": Defect(
        sentence="a test set asks the question", drops=True, find=contaminated,
        applies=lambda row: row.checks_contamination, needs="test sets", of_question=True,
    ),
}  # fmt: skip
