r"""Check gold answers before any request is paid for: extract the value, or say why there is none.

A gold that no answer can match wastes all its draws. Certain cases are repaired and counted (the value after `####`,
the last `\boxed`, the text of a choice, a unit in brackets); all others are refused with a reason.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from mathstrap.augment.languages import language_of, uses_decimal_comma
from mathstrap.patterns import regex
from mathstrap.problems.choices import choices_in
from mathstrap.verify.find.boxes import boxed_answer
from mathstrap.verify.record import Extraction

# A longer text without a marked answer is a solution.
MAX_GOLD_CHARS = 300
# The texts of an answer column that mean "no answer".
_NOTHING = regex(
    r"[\W_]*(?:none|n\s*[./]?\s*a|null|nil|nan|proofs?|(?:answer )?not ?found|"
    r"no (?:final )?(?:answer|solution (?:given|provided|available|found))(?: (?:given|provided|available|found))?|"
    r"unknown|undefined answer|(?:see|refer to|check) (?:the )?(?:\w+ )?"
    r"(?:solution|explanation|answer|proof|above|below|figure|graph|diagram|attached|attachment|image|"
    r"picture|comments?|link|text|book|video)s?(?: (?:above|below))?|"
    r"tbd|tba|todo|missing|omitted|deleted|removed|redacted|placeholder|x{3,}|blank|"
    r"not (?:available|applicable|given|provided|specified)|error|unanswerable|(?:the )?proof (?:is )?complete[d]?|"
    r"answers? (?:may|will|can|could|might) (?:vary|differ)|(?:answers? )?var(?:y|ies)|click (?:here|to) .{0,40}|"
    r"(?:your |the |final |insert |enter )*(?:answer|solution|value|result)(?: here)?|"
    r"ref|div/0|value|name|num|spill|q\.?e\.?d\.?|无答案|暂无|未知|略|图略|见解析|见答案|证明略|证明见解析|"
    r"(?:答案)?不唯一|无)?[\W_]*",
    re.IGNORECASE,
)
# Noise beside the value in a cell: marks of chat templates, invisible characters, GSM8K's calculations.
_TOKENS = regex(r"<\|[^<>|]{1,30}\|>|</?s>|<(?:eos|bos|pad)>|\[(?:EOS|BOS|PAD)\]")
_UNSEEN = regex("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_CALCULATION = regex(r"<<[^<>]*>>")
_ENTITY = regex(
    r"&(?:nbsp|lt|gt|le|ge|amp|quot|apos|times|divide|deg|minus|[np]dash|frac\d\d|#\d{1,6}|#x[0-9a-f]{1,5});"
)
_WRAPPED = regex(r"(\*\*|\*|__|`+|\"|')(?P<inner>[^*_`\"'\n]+)\1[.,;]?|[“”](?P<quoted>[^“”\n]+)[“”]")
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SUM = regex(
    r"[$\\(\[]{0,3}(?=[^=]*\d\s*(?:[-+*/×÷^:]|\\(?:times|cdot|div)))(?:[\d\s.,+\-*/×÷^:()%]|\\(?:times|cdot|div)\b)+"
    r"=\s*(-?[$€£]?\d[\d,]*(?:\.\d+)?%?)[$\\)\]]{0,3}\.?"
)
_PROVES = regex(
    r"\A\W*(?:proof\b|证明|(?:see|left) .{0,20}\bproof\b|we (?:shall |will )?prove\b|q\.?e\.?d)", re.IGNORECASE
)
_REFUSES = regex(
    r"\A\W*(?:i['’]?m sorry|sorry,|i (?:cannot|can['’]?t|am unable)|as an? (?:ai|language model)|抱歉)", re.IGNORECASE
)
_THOUGHT = regex(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)|\A.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_TAGGED = regex(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_HTML = regex(
    r"</?(?:a|b|i|p|br|span|div|strong|em|sub|sup|u|td|tr)\b[^<>]*>|\[([^\[\]]*)\]\(#?[^()\s]*\)|<!--.*?-->",
    re.IGNORECASE,
)
_LABEL = regex(
    r"\A[\s>*_#-]*(?:(?:so|thus|hence|therefore),? )?(?:the |my |our )?(?:final |correct |right )?(?:answers?|"
    r"ans|result|solution)"
    r"(?: (?:is|are|equals)|\s*[:：=]|\.(?=\s)|[*_]*\n)[\s:*]*(?P<value>\S.*)\Z|"
    r"\A\s*(?:答案|答|解)\s*[:：是为]?\s*(?P<other>\S.*)\Z|"
    r"\A\s*A:\s+(?P<short>\S.*)\Z|\A\s*(?:it|this|that|which) (?:is|was|equals)\s+(?P<said>\S{1,20})\Z",
    re.IGNORECASE | re.DOTALL,
)
_ROUNDING_NOTE = regex(r"\((?:correct|rounded|to|approx)[^()]*\)\Z")
_UNIT_IN_BRACKETS = regex(r"\s*+([-+]?[\d,]*+(?:\.\d++|(?<=\d))(?:[:/]\d++)*+)\s*+\(([^()\d]++)\)\s*+")
_WHOLE_FLOAT = regex(r"([-+]?\d+)\.0+")
_NUMBER = regex(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?")
_CONCLUDES = regex(r"####|boxed|[Aa]nswers? (?:is|are)\b|[Aa]nswer ?[:：=]|答案[是为:：]")
_LETTER = regex(r"\W*+(?:option |choice |answer )?\W*+([A-J])\W*+", re.IGNORECASE)
# A sentence, unlike a value, has a verb and ends with a full stop.
_VERB = regex(
    r"\b(?:is|are|was|were|has|have|had|will|can|does|do|we|he|she|they|it|there|so|because|since|therefore|"
    r"thus|then)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Gold:
    """A gold answer that can be graded, the worked solution, and the repair that produced it (empty: none)."""

    answer: str
    solution: str = ""
    mended: str = ""


@dataclass(frozen=True, kw_only=True)
class BadGold:
    """Why a row has no gold answer to grade against."""

    reason: str


@dataclass(kw_only=True)
class GoldShapes:
    """The counts of golds by kind, and of repairs."""

    kinds: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, answer: str, mended: str = "") -> None:
        """Count one gold."""
        kind = kind_of_gold(answer)
        self.kinds[kind] += 1
        self.examples.setdefault(kind, answer)
        if mended:
            self.mended[mended] += 1

    def lines(self) -> list[str]:
        """Return the lines to print: shares of the kinds, then the repairs, commonest first."""
        total = sum(self.kinds.values())
        if not total:
            return []
        shares = ", ".join(f"{kind} {share(count, total)}" for kind, count in self.kinds.most_common())
        rare = [
            f'{kind} like "{shorten(self.examples[kind])}"'
            for kind in ("letters", "words", "lists")
            if self.kinds[kind]
        ]
        lines = [f"golds: {shares}" + (f" ({'; '.join(rare)})" if rare else "")]
        if self.mended:
            lines.append("mended: " + ", ".join(f"{what} ({count:,})" for what, count in self.mended.most_common()))
        return lines


def share(count: int, total: int) -> str:
    """Return a share in percent; a positive share is never printed as 0 %."""
    percent = 100 * count / total
    return "under 1 %" if 0 < percent < 0.5 else f"{percent:.0f} %"


@lru_cache(maxsize=4096)
def kind_of_gold(answer: str) -> str:
    """Return the kind of a gold: numbers, choices, letters, yes or no, lists, expressions or words."""
    text = answer.strip().strip("$").strip()
    bare = re.sub(r"\\(?:text|mathrm|textbf)\{\s*([^{}]*)\}|\\[,!;% ]|[\s$€£¥%°]", r"\1", text)
    if (_NUMBER.fullmatch(bare) and any(letter.isdigit() for letter in bare)) or re.fullmatch(r"-?\d+/\d+", bare):
        return "numbers"
    if re.match(r"\([A-J]\)\s*\S", text):
        return "choices"
    if re.fullmatch(r"\(?[A-Ja-j]\)?", bare):
        return "letters"
    if bare.lower().strip(".") in ("yes", "no", "true", "false"):
        return "yes or no"
    if re.search(r"[\\^_=+*/<>|{}]|\d\s*[a-z]\b", text) and not re.fullmatch(r"\\text\{[^{}]*\}", text):
        return (
            "lists"
            if re.search(r"(?<!\d),|,(?!\d{3})", text) and "\\" not in text and "(" not in text
            else "expressions"
        )
    if re.fullmatch(r"[-+\d.,;:()\[\] ]+(?: (?:and|or) [-+\d.]+)?", text):
        return "lists" if re.search(r"[,;( ]", text) else "expressions"
    return "words" if re.search(r"[^\W\d_]{2}", bare) else "expressions"


def read_gold(
    answer: str, solution: str = "", *, question: str = "", choices: Mapping[str, str] | None = None
) -> Gold | BadGold:
    """Return the gold of an answer and its solution, or the reason why there is none.

    `choices` are the options by letter; an answer that names one becomes `(C) its text`. An empty answer is read from
    the solution. An answer that differs from the final answer of the solution is refused.
    """
    original, solution = _seen(answer), solution.strip()
    if len(original) > 200_000 or len(solution) > 400_000:
        return BadGold(reason=f"the answer has {max(len(original), len(solution)):,} characters, expected a value")
    if choices:
        return _choice_gold(original, solution, choices)
    if _NOTHING.fullmatch(original):
        read = _from_solution(original, solution)
        return read if isinstance(read, BadGold) else _chosen_inside(read, question) or read
    gold = _value_in(original, solution)
    if isinstance(gold, BadGold):
        return gold
    if (chosen := _chosen_inside(gold, question)) is not None:
        return chosen
    if re.fullmatch(r"-?[1-9]\d{0,14}", gold.answer) and (gold.solution != solution or not solution):
        return gold  # a shortcut for nearly all golds of word problems
    value, mended = _tidy(gold.answer, question)
    if not value:
        return BadGold(reason="the gold answer is empty")
    if _NOTHING.fullmatch(value):
        return BadGold(reason=f'the gold answer is "{shorten(value)}", which is not an answer')
    fault = _fault_of_value(value)
    if fault:
        return BadGold(reason=fault)
    if gold.solution == solution and (other := _disagreement(value, solution)):
        return BadGold(reason=f'the gold answer is "{shorten(value)}", the solution ends in "{shorten(other)}"')
    return Gold(answer=value, solution=gold.solution, mended=gold.mended or mended)


def _chosen_inside(gold: Gold, question: str) -> Gold | None:
    """Return `(C) its text` for a gold that is one of the choices in the question itself; else None.

    Also None for a choice that is a sentence or a table: no reply repeats its text, so the letter alone is the gold.
    """
    if len(gold.answer) > 80 or not (inside := choices_in(question)):
        return None
    chosen = _choice_gold(gold.answer, gold.solution, inside)
    if isinstance(chosen, BadGold) or len(chosen.answer) > 80 or "\n" in chosen.answer or _is_prose(chosen.answer[4:]):
        return None
    return chosen


def _from_solution(original: str, solution: str) -> Gold | BadGold:
    """Return the gold that a solution states, for a row without an answer."""
    from mathstrap.verify.find.extract import extract_answer

    shown = shorten(original)
    said = f'the gold answer is "{shown}", which is not an answer' if original else "the gold answer is empty"
    if _PROVES.search(original):
        return BadGold(reason=f'the gold answer is "{shorten(original)}": a proof, nothing to grade')
    if not solution:
        return BadGold(reason=said)
    solution = _without_thought(solution)
    marked = _marked(solution, joined=True)
    if marked is None:
        stated = extract_answer(solution, "strict")
        is_value = stated is not None and not _fault_of_value(stated.answer) and not _is_prose(stated.answer)
        marked = stated.answer if stated is not None and is_value else None
    if not marked:
        if not original:
            return BadGold(
                reason='no answer field, and the solution has neither "####" nor \\boxed{}, '
                "so the gold answer is unknown"
            )
        return BadGold(reason=said)
    value, _ = _tidy(marked, "")
    if fault := _fault_of_value(value):
        return BadGold(reason=fault)
    return Gold(answer=value, solution=_before_marker(solution), mended="read from the solution" if original else "")


def _value_in(answer: str, solution: str) -> Gold | BadGold:
    """Return the value of an answer column, which may hold a whole solution."""
    from mathstrap.verify.find.extract import extract_answer

    text, mended = answer, ""
    if (bare := _without_thought(text)) != text:
        text, mended = bare, "thoughts taken off"
    if "<answer>" in text.lower() and (tagged := _TAGGED.findall(text)):
        text, mended = tagged[-1].strip(), "taken out of <answer>"
    if ("<" in text or "](" in text) and (bare := _HTML.sub(r"\1", text).strip()) != text and bare:
        text, mended = bare, "links and tags taken off"
    if not text:
        return BadGold(reason="the gold answer holds a thought and nothing after it")
    if text.startswith(('{"', "[{")):
        return BadGold(reason=f'the gold answer is JSON in a text ("{shorten(text)}"), expected a value')
    if _REFUSES.search(text):
        return BadGold(reason=f'the gold answer is a refusal: "{shorten(text)}"')
    marked = _marked(text)
    if marked is not None:
        behind = text.rpartition("####")[2].strip().partition("\n")[2].strip() if "####" in text else ""
        stated = extract_answer(behind, "strict") if behind else None
        if stated and _numbers_differ(marked, stated.answer) and _differ(marked, stated.answer):
            return BadGold(reason=f'the answer says "{shorten(marked)}" and "{shorten(stated.answer)}"')
        is_wrapped = len(text) - len(marked) > 12 + len("\\boxed{}") or "####" in text
        whole = _before_marker(text) if is_wrapped else ""
        how = "the value behind ####" if "####" in text else "the value in \\boxed"
        if not marked.strip():
            return BadGold(reason=f"nothing stands in the answer's {'####' if '####' in text else 'box'}")
        # GSM8K's own column is a solution with its marker; that is its format and not a repair.
        is_format = how.endswith("####") and whole != "" and text.rstrip().endswith(marked.strip())
        return Gold(answer=marked, solution=whole or solution, mended=mended or ("" if is_format else how))
    label = _LABEL.match(text)
    value = next((part for part in label.groups() if part), "").strip() if label else ""
    if value and len(value) <= 120 and "\n" not in value and not _is_prose(value):
        return Gold(answer=_without_stop(value), solution=solution, mended="the label before the value taken off")
    if not value and label is None and (not _is_prose(text) or re.match(r"-?[$€£]?\d\S* (?:[a-z]+ ){1,2}are\b", text)):
        return Gold(answer=text, solution=solution, mended=mended)
    stated = extract_answer(text, "strict")
    if (
        stated is not None
        and not _fault_of_value(stated.answer)
        and not _is_prose(stated.answer)
        and (re.search(r"[\d\\]", stated.answer) or _states_words(text, stated))
    ):
        return Gold(answer=stated.answer, solution=solution or text, mended="the value that its sentence states")
    if len(text) > MAX_GOLD_CHARS or text.count(".") > 2 or "\n" in text:
        return BadGold(
            reason=f'the answer "{shorten(text)}" reads like a solution without a final answer; if it is one, name it: '
            "seeds.fields.solution=COLUMN, and the column of the bare answers: seeds.fields.answer=COLUMN"
        )
    return BadGold(reason=f'the gold answer "{shorten(text)}" is a sentence, not a value that can be graded')


def _states_words(text: str, stated: Extraction) -> bool:
    """Say whether a sentence states a word or two as its answer: "So the answer is Thursday."."""
    return stated.extractor == "stated" and len(stated.answer.split()) <= 3 and "nswer" in text[-200:]


def _seen(text: str) -> str:
    """Return a cell without invisible characters, template marks and quotes around the whole."""
    text = text.strip()
    if not text or (text.isascii() and text.isalnum()):
        return text
    if len(text) > MAX_GOLD_CHARS or "####" in text or "\n" in text:  # a solution, kept as it is
        return _TOKENS.sub("", _UNSEEN.sub("", text)).strip()
    text = _CALCULATION.sub("", _TOKENS.sub("", _UNSEEN.sub("", text)))
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text).replace("\u00a0", " ")
    if re.search(r"[\uff10-\uff19]|\A[\uff0d\uff0b]", text):  # full-width digits, as Chinese and Japanese type them
        text = text.translate(_WIDE)
    text = re.sub(r"(?:\\n|\s)+\Z", "", text).strip()
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped and not (wrapped[1] == '"' and wrapped["inner"].startswith("[")):
        text = (wrapped["inner"] or wrapped["quoted"]).strip()
    if re.fullmatch(r"#{1,3}\s*[^#\s][^#]*", text) or re.fullmatch(r"[^#]*[^#\s]\s*#{1,3}", text):
        text = text.strip("# ")
    return text


def _is_prose(text: str) -> bool:
    r"""Say whether a text is sentences rather than a value; `\text{...}` and names of a few words are values."""
    if text.isdecimal():
        return False
    if len(text) > MAX_GOLD_CHARS and len(text.split()) > 12:
        return True
    outside = re.sub(
        r"\$[^$]*\$|\\\(.*?\\\)|\\\[.*?\\\]|\\(?:text|mbox|mathrm|textbf)\s*\{[^{}]*\}|\\[A-Za-z]+", " ", text
    )
    words = re.findall(r"[^\W\d_]{2,}", outside)
    if re.search(r"[\u3040-\u30ff\u4e00-\u9fff]{8,}", outside):
        return True
    if "\n" in text.strip() and len(words) > 3:
        return True
    ends = re.search(r"[.!。]\W*\Z", text.strip()) is not None
    if re.search(r"[\u4e00-\u9fff]", outside):
        return ends and re.search(r"[有是为共了]", outside) is not None
    if len(words) < 4:
        return ends and len(words) == 3 and _VERB.search(outside) is not None
    return (
        len(words) >= 7
        or (ends and _VERB.search(outside) is not None)
        or (len(words) >= 5 and _VERB.search(outside) is not None)
    )


def _without_thought(text: str) -> str:
    return _THOUGHT.sub("", text).strip() if "think" in text else text


def _marked(text: str, *, joined: bool = False) -> str | None:
    """Return the text after the last `####`, up to the end of its line, or in the last box; None without either.

    With `joined`, different boxes of one answer ("x = [2] and x = [-2]") are joined.
    """
    if "####" in text:
        behind = text.rpartition("####")[2]
        line = next((line.strip() for line in behind.splitlines() if line.strip()), "")
        inner = last_boxed(line)
        return (inner if inner is not None else line).strip()
    box = last_boxed(text)
    if box is None:
        return None
    if joined and text.count("boxed") > 1:
        boxes = boxed_answer(text)
        last = box.strip()
        if boxes and boxes.content != last:
            first, other = _two_of(boxes.content)
            if _numbers_differ(first, other) and _differ(first, other):
                return boxes.content
    return box.strip()


def _two_of(values: str) -> tuple[str, str]:
    """Return the first and the last of several listed values without their names."""
    first, _, last = values.partition(", ")
    return first.rpartition("=")[2].strip(), last.rpartition(", ")[2].rpartition("=")[2].strip()


def _before_marker(text: str) -> str:
    return text.rpartition("####")[0].strip() if "####" in text else text


def last_boxed(text: str) -> str | None:
    r"""Return the content of the last `\boxed{}`, braces balanced; None where there is none."""
    from mathstrap.verify.find.extract import extract_boxed

    box = extract_boxed(text) if "boxed" in text or "\\fbox" in text else None
    return box.answer if box else None


def _tidy(value: str, question: str) -> tuple[str, str]:
    """Return a value without what a grader, or the sentence that quotes it, cannot use, and what was done."""
    value = value.strip()
    if value.isdecimal() and value.isascii():  # nearly all golds of word problems
        return value, ""
    if unit := _UNIT_IN_BRACKETS.fullmatch(value.replace("（", " (").replace("）", ")") if "（" in value else value):
        return unit[1], "the unit in brackets taken off"
    if note := _ROUNDING_NOTE.search(value):
        stated = value[: note.start()].rstrip()
        if "\n" not in stated and re.search(r"\d\S*\Z", stated):  # the note stands behind a number
            return stated, "the note on rounding taken off"
    if total := _SUM.fullmatch(value):
        return total[1], "what its calculation comes to"
    if left := re.fullmatch(
        r"(-?[$€£]?\d[\d,]*(?:\.\d+)?) (?:[a-z]+ ){1,3}(?:is|are|was|were|remain)\b[^.]*\.?", value
    ):
        return left[1], "the number that its sentence begins with"
    if re.match(r"=\s*[-\d$\\]", value):
        value = value.lstrip("= ")
    if re.match(r"\u2212\s?[\d.$\\]", value):
        value = "-" + value[1:].lstrip()
    plain = value.replace("\u00a0", " ").replace("\u202f", " ").replace("\u2212", "-")
    if (
        re.search(r"[,.]", plain)
        and re.fullmatch(r"[-+]?[\d.,' ]+(?:\s*[€%]|\s*[A-Za-zÄäÖöÜü°]{1,12})?", plain)
        and question
    ):
        read = _local_number(plain, question)
        if read is not None and read != plain:
            return read, "a decimal comma written as a point"
    if whole := _WHOLE_FLOAT.fullmatch(value):
        return whole[1], "7.0 written as 7"
    spaced = re.fullmatch(r"([-+]?\d{1,3}(?: \d{3})+)((?:[.,]\d+)?)", plain)
    if spaced:
        return spaced[1].replace(" ", "") + spaced[2].replace(",", "."), "spaces taken out of the number"
    return _without_stop(value), ""


def _local_number(value: str, question: str) -> str | None:
    """Return a number of a language with a decimal comma in the graders' spelling; None where it is ambiguous.

    `1,250` stays unchanged: collections translated from English keep the English separators (MGSM does).
    """
    if not uses_decimal_comma(language_of(question)):
        return None
    number = re.match(r"[-+]?[\d.,' ]*\d", value)
    if number is None:
        return None
    text, rest = number[0], value[number.end() :]
    if re.fullmatch(r"[-+]?\d{1,3}(?:[. ]\d{3})+,\d+|[-+]?\d+,(?:\d{1,2}|\d{4,})", text):
        plain = text.replace(".", "").replace(" ", "").replace(",", ".")
        whole = _WHOLE_FLOAT.fullmatch(plain)
        return (whole[1] if whole else plain) + rest
    if re.fullmatch(r"[-+]?\d{1,3}(?:\.\d{3}){2,}", text) or (
        re.fullmatch(r"[-+]?[1-9]\d{0,2}\.\d{3}", text) and re.search(r"(?<!\d)\d{1,3}\.\d{3}(?!\d)", question)
    ):
        return text.replace(".", "") + rest
    return None


def _without_stop(value: str) -> str:
    value = value.rstrip(" ,;。；，") or value
    if value.endswith(" .") and "$" not in value[-3:]:
        return value[:-2].rstrip()
    if re.search(r"[\w)}\]$%]\.\Z", value) and not re.search(
        r"\b[A-Za-z]\.[A-Za-z]?\.\Z|\b(?:ft|in|hr|min|lb|oz|yd|sq|cu|mi)\.\Z", value
    ):
        return value[:-1].rstrip()
    return value


def _fault_of_value(value: str) -> str:
    if len(value) > MAX_GOLD_CHARS and _is_prose(value):
        return f"the gold answer has {len(value):,} characters, expected a value"
    if _is_prose(value) and re.search(r"[.。]\W*\Z", value):
        return f'the gold answer "{shorten(value)}" is a sentence, not a value that can be graded'
    if _PROVES.search(value):
        return f'the gold answer is "{shorten(value)}": a proof, nothing to grade'
    return ""


def _disagreement(value: str, solution: str) -> str:
    """Return a solution's marked final answer where it certainly differs from the value; else empty."""
    if not solution or not _CONCLUDES.search(solution):
        return ""
    solution = _without_thought(solution)
    marked = _marked(solution)
    if marked is None:
        marked = _concluded(solution)
    if not marked or not _differ(value, marked):
        return ""
    if solution.count("boxed") > 1 and any(not _differ(value, part) for part in _all_boxes(solution)):
        return ""
    return marked if solution.count("boxed") <= 1 and _numbers_differ(value, marked) else ""


def _concluded(solution: str) -> str | None:
    """Return the number that the last sentence of a solution states as its answer, or None."""
    from mathstrap.verify.find.extract import extract_answer

    stated = extract_answer(solution[-2_000:], "strict")
    return stated.answer if stated and stated.extractor == "stated" else None


def _all_boxes(solution: str) -> Iterable[str]:
    from mathstrap.verify.find.extract import extract_boxed

    parts = solution.split("\\boxed")
    boxes = [box.answer for part in parts[1:] if (box := extract_boxed("\\boxed" + part))]
    return [*boxes, ", ".join(boxes)]


def _differ(left: str, right: str) -> bool:
    from mathstrap.verify import grade

    if "".join(left.split()) == "".join(right.split()):
        return False
    return all(grade(*pair, form="answer").outcome == "wrong" for pair in ((left, right), (right, left)))


def _numbers_differ(left: str, right: str) -> bool:
    """Say whether two different values are both numbers, so that spelling cannot explain the difference."""
    from mathstrap.verify.decide.equal import is_number

    return is_number(left) and is_number(right)


def _choice_gold(answer: str, solution: str, choices: Mapping[str, str]) -> Gold | BadGold:
    """Return `(C) text` for an answer that names a choice by letter, by its text or by its place."""
    labels = ", ".join(choices)
    text = _without_thought(answer)
    text = (_TAGGED.findall(text) or [text])[-1].strip()
    if "####" in text or "boxed" in text:
        text = _marked(text) or text
    label = _LABEL.match(text)
    text = next((part for part in label.groups() if part), text).strip() if label else text
    text = re.sub(r"\\(?:text|mathrm|mathbf|textbf)\{\s*([^{}]*)\}", r"\1", text).strip("$ *`")
    wanted = _plain(text)
    by_text = [letter for letter, choice in choices.items() if _plain(choice) == wanted]
    letter = _LETTER.fullmatch(text) or re.match(r"\W*([A-J])\s*[).:、．]\s*\S", text)
    chosen = ""
    if letter and letter[1].upper() in choices:
        chosen = letter[1].upper()
    elif len(by_text) == 1:
        chosen = by_text[0]
    if not chosen:
        if not text:
            return BadGold(reason="the gold answer is empty")
        return BadGold(reason=f'the gold answer "{shorten(text)}" is none of the choices {labels}')
    value = choices[chosen].strip()
    mended = "a choice: its letter or its text counts"
    return Gold(answer=f"({chosen}) {value}" if value else chosen, solution=solution, mended=mended)


def _plain(text: str) -> str:
    return re.sub(r"[\s$]+|\\[,;! ]", "", text).casefold().rstrip(".")


def shorten(text: str, length: int = 60) -> str:
    """Return a text on one line, cut to a length for a message, with an ellipsis."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
