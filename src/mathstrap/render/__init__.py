"""Turn a question or a reply into safe HTML with MathML. Knows nothing of runs, pages or files.

Text comes from a model, so it is hostile: everything is escaped, control and direction characters are made visible,
and only known MathML elements and attributes of the formula converter's output pass. Only mathematics is interpreted: a
star stays a star, so that the page shows the text a trainer would read.

A dollar sign is money unless it is plainly mathematics: `$5 and $7` is money, `$x^2$` is not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mathstrap.patterns import regex
from mathstrap.render.hostile import escape
from mathstrap.render.mathml import to_mathml
from mathstrap.types import Style

# What a page shows of one text; nobody reads further, and formulas are slow.
MAX_TEXT_CHARS = 20_000
# An unpaired `$` must not search the whole text for its partner, again for every `$`.
MAX_DOLLAR_SPAN = 1_000

# Each alternative opens something that is not plain text; the order matters (`$$` before `$`).
_OPENERS = regex(
    r"(?P<escaped>\\\$)"
    r"|(?P<paren>\\\()"
    r"|(?P<bracket>\\\[)"
    r"|(?P<begin>\\begin\{(?P<name>(?:align|aligned|equation|gather|eqnarray|array|cases|[pbvBV]?matrix)\*?)\})"
    r"|(?P<double>\$\$)"
    r"|(?P<single>\$)"
    r"|(?P<calculator><<[^<>\n]{1,200}>>)"
    r"|(?P<boxed>\\boxed\{)"
    r"|(?P<stated>[Tt]he answer is:?[ \t]+)(?=[^\n$]*\\[a-zA-Z])"
)
_WORD = regex(r"[A-Za-z]{3,}")
_COMMAND = regex(r"\\(?:text|mathrm|mbox|textbf|textit|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+")
_NUMBER = regex(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?\\?%?")
_FUNCTIONS = frozenset(
    ["sin", "cos", "tan", "log", "exp", "gcd", "lcm", "mod", "max", "min", "det", "lim", "deg", "arg"]
)
_SPACES = ("\\,", "\\;", "\\:")  # LaTeX's small spaces, whose last character is not punctuation
_MARKERS = regex(r"[\\^_={}]")


@dataclass
class TimeBudget:
    """The seconds one page may spend on formulas; later formulas are shown as source."""

    seconds: float = 2.0
    clock: Callable[[], float] = time.monotonic
    spent: float = field(default=0.0, init=False)

    def convert(self, source: str, *, display: bool) -> str | None:
        """Return MathML, or None where the converter fails or the budget is spent."""
        if self.spent >= self.seconds:
            return None
        started = self.clock()
        result = to_mathml(source, display=display)
        self.spent += self.clock() - started
        return result


def render(text: str, style: Style = "gsm8k", *, budget: TimeBudget | None = None) -> str:
    """Return `text` as HTML in which mathematics is MathML; line breaks are kept for `white-space: pre-wrap`.

    `style` decides on dollar signs: "math" takes `$...$` as a formula, "gsm8k" only with mathematics between them.
    A text longer than MAX_TEXT_CHARS is cut, with a note.
    """
    budget = budget or TimeBudget()
    left_out = len(text) - MAX_TEXT_CHARS
    if left_out > 0:
        text = text[:MAX_TEXT_CHARS]
    html = "".join(_pieces(text, style, budget))
    return html + (f'<span class="cut">… {left_out:,} more characters</span>' if left_out > 0 else "")


def render_answer(answer: str, style: Style = "gsm8k", *, budget: TimeBudget | None = None) -> str:
    """Return a bare final answer as HTML: one formula if it has LaTeX, else text."""
    answer = answer[:MAX_TEXT_CHARS].strip()
    if "$" not in answer and re.search(r"\\[A-Za-z]|\^|_\{", answer):
        return _formula(answer, answer, False, budget or TimeBudget())
    return render(answer, style, budget=budget)


def _pieces(text: str, style: Style, budget: TimeBudget) -> list[str]:
    pieces: list[str] = []
    done = position = 0
    while match := _OPENERS.search(text, position):
        html, end = _open(match, text, style, budget)
        if html is None:
            position = match.end()
            continue
        pieces += [escape(text[done : match.start()]), html]
        done = position = end
    return [*pieces, escape(text[done:])]


def _open(match: re.Match[str], text: str, style: Style, budget: TimeBudget) -> tuple[str | None, int]:
    """Return the HTML of the element that opens at `match` and its end; None where it is plain text after all."""
    start, after, kind = match.start(), match.end(), match.lastgroup
    if match["begin"]:
        kind = "begin"
    if kind == "escaped":
        return "$", after
    if kind == "calculator":
        return f'<span class="calculator">{escape(match[0])}</span>', after
    if kind == "boxed":
        end = _closing_brace(text, after)
        return (None, after) if end is None else (_formula(text[start:end], text[start:end], False, budget), end)
    if kind == "stated":
        line_end = text.find("\n", after)
        line_end = len(text) if line_end < 0 else line_end
        source = text[after:line_end].rstrip().removesuffix(".")
        return escape(match[0]) + _formula(source, source, False, budget), after + len(source)
    if kind == "single":
        stop = _closing_dollar(text, after, style)
        if stop is None:
            return None, after
        return _formula(text[after:stop], text[start : stop + 1], False, budget), stop + 1
    closer = {"paren": r"\)", "bracket": r"\]", "double": "$$", "begin": rf"\end{{{match['name']}}}"}[kind or ""]
    stop = text.find(closer, after)
    if stop < 0 or not text[after:stop].strip():
        return None, after
    end = stop + len(closer)
    source = text[start:end] if kind == "begin" else text[after:stop]
    return _formula(source, text[start:end], kind != "paren", budget), end


def _formula(source: str, shown: str, display: bool, budget: TimeBudget) -> str:
    mathml = budget.convert(source, display=display)
    return mathml if mathml is not None else f'<code class="tex">{escape(shown)}</code>'


def _closing_dollar(text: str, start: int, style: Style) -> int | None:
    """Return the end of the formula that opens before `start`, or None where the dollar sign is money."""
    if start >= len(text) or text[start] == "$" or (text[start].isspace() and style == "gsm8k"):
        return None
    stop = start
    while (stop := text.find("$", stop, start + MAX_DOLLAR_SPAN)) >= 0 and text[stop - 1] == "\\":
        stop += 1
    if stop < 0:
        return None
    source, following = text[start:stop], text[stop + 1 : stop + 2]
    if "\n\n" in source or "<<" in source or following.isdigit() or not source.strip():
        return None
    if source[-1].isspace() != source[0].isspace():
        return None
    if _NUMBER.fullmatch(source):  # `$12$`: an amount has no dollar sign after it
        return stop
    # `$5 + 3=$8`: the second dollar opens an amount. MATH puts commas inside: `$(1, 2),$ $(2, 1),$`.
    if re.search(r"[-=+*/(<]$" if style == "math" else r"[-=+*/(,<>:;]$", source) and not source.endswith(_SPACES):
        return None
    words = [word for word in _WORD.findall(_COMMAND.sub(" ", source)) if word.lower() not in _FUNCTIONS]
    if len(words) >= (2 if style == "gsm8k" else 4):
        return None
    if style == "gsm8k" and not _MARKERS.search(source) and (source[0].isdigit() or " " in source):
        return None
    return stop


def _closing_brace(text: str, start: int) -> int | None:
    depth = 1
    for index in range(start, min(len(text), start + MAX_DOLLAR_SPAN)):
        if text[index] == "\\":
            continue
        if text[index] in "{}" and text[index - 1] != "\\":
            depth += 1 if text[index] == "{" else -1
            if depth == 0:
                return index + 1
    return None
