"""Show what a rewrite changed: words and numbers that it removed or added. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from fractions import Fraction
from typing import Literal

from mathstrap.augment.quantities import count_numbers, describe_numbers
from mathstrap.patterns import regex
from mathstrap.render import MAX_TEXT_CHARS, TimeBudget, render
from mathstrap.render.hostile import escape
from mathstrap.types import Style

# The comparison takes quadratic time in the worst case.
MAX_WORDS = 1_500

# A formula is one word, because half a formula would not render. GSM8K's dollar signs are money and not formulas.
_WORDS: dict[Style, re.Pattern[str]] = {
    "math": regex(r"\$\$.{1,2000}?\$\$|\$[^$\n]{1,1000}\$|\\\[.{1,2000}?\\\]|\s+|[^\s$]+|\$", re.DOTALL),
    "gsm8k": regex(r"\s+|\S+"),
}


@dataclass(frozen=True, kw_only=True)
class DiffSpan:
    """A stretch of the new text that is `same` or `added`, or of the old text that is `gone`."""

    kind: Literal["same", "added", "gone"]
    text: str


@dataclass(frozen=True, kw_only=True)
class NumberDiff:
    """The numbers, as multisets of values, that a rewrite lost and gained; both empty where it kept them all."""

    lost: str
    gained: str

    @property
    def is_same(self) -> bool:
        """Whether every number is kept, equally often."""
        return not self.lost and not self.gained


def word_diff(old: str, new: str, style: Style = "gsm8k") -> list[DiffSpan]:
    """Return the runs that turn `old` into `new`, word by word; a text too long to compare is all added."""
    before, after = _WORDS[style].findall(old[:MAX_TEXT_CHARS]), _WORDS[style].findall(new[:MAX_TEXT_CHARS])
    if len(before) > MAX_WORDS or len(after) > MAX_WORDS:
        return [DiffSpan(kind="added", text=new)]
    runs: list[DiffSpan] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            runs.append(DiffSpan(kind="same", text="".join(after[j1:j2])))
            continue
        if i2 > i1:
            runs.append(DiffSpan(kind="gone", text="".join(before[i1:i2])))
        if j2 > j1:
            runs.append(DiffSpan(kind="added", text="".join(after[j1:j2])))
    return runs


def diff_html(old: str, new: str, style: Style = "gsm8k", *, budget: TimeBudget | None = None) -> str:
    """Return `new` as HTML with additions in `<ins>` and removals in `<del>`, formulas rendered."""
    tags = {"same": "", "added": "ins", "gone": "del"}
    pieces = []
    for run in word_diff(old, new, style):
        html = render(run.text, style, budget=budget)
        tag = tags[run.kind]
        pieces.append(f"<{tag}>{html}</{tag}>" if tag and run.text.strip() else html if run.kind != "gone" else "")
    return "".join(pieces)


def number_diff(old: str, new: str) -> NumberDiff:
    """Return the numbers that `new` lost and gained against `old`; `half`, `1/2` and `50%` are one value."""
    before, after = count_numbers(old[:MAX_TEXT_CHARS]), count_numbers(new[:MAX_TEXT_CHARS])
    lost: Counter[Fraction] = before - after
    gained: Counter[Fraction] = after - before
    return NumberDiff(lost=describe_numbers(lost), gained=describe_numbers(gained))


def masked_html(
    seed: str, mask_start: int, mask_end: int, style: Style = "gsm8k", *, budget: TimeBudget | None = None
) -> str:
    """Return the seed question as HTML with the hidden number marked; unmarked where the place is outside the text.

    A mark inside a formula would break it, so the whole formula is marked.
    """
    if not 0 <= mask_start < mask_end <= len(seed):
        return render(seed, style, budget=budget)
    start, end = mask_start, mask_end
    if style == "math":
        place = 0
        for word in _WORDS["math"].findall(seed):
            if place <= start < place + len(word) and word.startswith(("$", "\\[")) and len(word) > 1:
                start, end = place, max(end, place + len(word))
            place += len(word)
    marked = render(seed[start:end], style, budget=budget) if style == "math" else escape(seed[start:end])
    before, after = render(seed[:start], style, budget=budget), render(seed[end:], style, budget=budget)
    return f"{before}<mark>{marked}</mark>{after}"


def unknown_html(question: str, variable: str, style: Style = "gsm8k", *, budget: TimeBudget | None = None) -> str:
    """Return a backward question as HTML with every stand-alone occurrence of its unknown marked.

    In a question with LaTeX the unknown is a formula of its own, `$X$`.
    """
    html = render(question, style, budget=budget)
    if not re.fullmatch(r"[A-Za-z]", variable or ""):
        return html
    if style == "math":
        return re.sub(rf'<math [^>]*alttext="{variable}">.*?</math>', r"<mark>\g<0></mark>", html)
    return re.sub(rf"(?<![\w&#;<>\"/=]){variable}(?![\w;=\"])(?![^<]*>)", f"<mark>{variable}</mark>", html)
