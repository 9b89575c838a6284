r"""Find the false equations between constants with functions, signs or bars: `\sin 4^\circ = \sin(-4^\circ)`.

The checker's parser reads them and doubles decide. Knows nothing of the plain arithmetic that `steps` judges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import islice, product

from mathstrap.patterns import regex
from mathstrap.steps.algebra import SPAN
from mathstrap.steps.check import TAKEN_BACK
from mathstrap.verify.decide.effort import EffortError, begin
from mathstrap.verify.decide.floats import float_value
from mathstrap.verify.read.nodes import Add, Call, Mul, Node, Num, PlusMinus, Pow, children, rebuild, symbols
from mathstrap.verify.read.parse import parse
from mathstrap.verify.read.words import TRIGONOMETRIC

# Limits on hostile text.
MAX_TEXT = 20_000
MAX_FORMULAS = 60
MAX_SIDE = 160
MAX_READINGS = 16
CACHED = 10_000
# What plain arithmetic has no sign for.
FUNCTION = regex(r"\\(?:sin|cos|tan|cot|sec|csc|arc|log|ln|pm|mp|lvert|vert)(?![a-z]*arrow)|\|")
SPELLED = regex(r"(?<![a-zA-Z\\])(sin|cos|tan)\(")
SPELLED_LINE = regex(r"^(?=[^\n$\\]{0,150}(?<![a-z])(?:sin|cos|tan)\()[^\n$\\]{1,200}$", re.MULTILINE)
# The parts of a formula that are equations of their own.
PART = regex(
    r"\\\\|\\(?:implies|iff|quad|qquad|Rightarrow|Leftrightarrow|Longrightarrow|rightarrow|to|text\{[^{}]{0,40}\}"
    r"|begin\{align\*?\}|end\{align\*?\}|begin\{aligned\}|end\{aligned\})(?![a-zA-Z])|[,;](?![\d!])"
)
RELATION = regex(r"(?<![<>!:=])=(?!=)|\\approx(?![a-z])|≈")
# Other relations and structures; a formula with one is left alone.
OTHER = regex(
    r"\\(?:equiv|neq?|leq?|geq?|lt|gt|in|mid|sum|prod|int|lim|mathbf|vec|begin\{[pbvBV]?matrix"
    r"|begin\{cases)(?![a-z])|[<>≤≥≠]"
)
# Words before a formula that is not stated as true.
SUPPOSED = regex(
    r"\b(?:if|suppose|assum\w*|whether|check|verify|would|want|need|must|should|unless|try|not)\b|\?", re.IGNORECASE
)
# A logarithm without its base is to ten, to two or natural; where its number ends is not clear before a factor.
ANY_BASE = regex(
    r"\\log(?![a-z])(?!\s*_(?:\d|\{\d+\})\s*(?:\d+|\(\d+\)|\{\d+\}|\\left\(\d+\\right\))\s*(?:[-+=}]|\Z))"
)
DIGIT = regex(r"\d")
# A letter of its own is a variable, with which a side has no value.
LETTER = regex(r"(?<![\\A-Za-z])[A-Za-z](?![A-Za-z])")
DECIMAL = regex(r"\.\d")


def false_formulas(text: str) -> list[str]:
    """Return the false equations between constants with functions, as written; each once."""
    if "=" not in text:
        return []
    text = text[:MAX_TEXT]
    if "sin(" in text or "cos(" in text or "tan(" in text:
        # In a line without LaTeX: `1 * sin(45°) = 1`.
        text = SPELLED_LINE.sub(lambda line: "$" + SPELLED.sub(r"\\\1(", line[0]) + "$", text)
    if ("\\" not in text and "|" not in text) or FUNCTION.search(text) is None:
        return []
    false: list[str] = []
    number = 0
    for match in SPAN.finditer(text):
        content = match[match.lastgroup or 0]
        if "=" not in content or FUNCTION.search(content) is None or OTHER.search(content) is not None:
            continue
        number += 1
        if number > MAX_FORMULAS:
            break
        if SUPPOSED.search(text, max(0, match.start() - 40), match.start()) is not None:
            continue
        found = list(_false_in(content))
        if found and TAKEN_BACK.search(text, match.end(), match.end() + 100) is None:
            false += found
    return list(dict.fromkeys(false))


ASKED = regex(
    r"\A(?:\*\*)?\s*(?:(?:Rewrite )?Question:\s*)?(?:Evaluate|Compute|Calculate|Simplify|Find|What is|Determine)"
    r"(?: the (?:value|expression|following expression|product|sum|quotient)(?: of)?:?)?:?\s*"
    r"(?:\$([^$]{3,160})\$|\\\(([^\n]{3,160}?)\\\)|\\\[([^\[\]]{3,160})\\\])\s*[.?]?\s*\Z"
)


def wrong_value(question: str, stated: str) -> str:
    """Return the value of the expression that a question asks for, where the answer states another; else ""."""
    match = ASKED.match(question[:400])
    if match is None or len(question) > 400:
        return ""
    asked = (match[1] or match[2] or match[3]).strip().rstrip(".,?").strip()
    if OTHER.search(asked) is not None or "=" in asked:
        return ""
    values, answers = values_of(asked), values_of(stated.strip().strip("$").rstrip("."))
    slack = 0.02 if DECIMAL.search(stated) else 1e-7
    if not values or not answers or "%" in asked + stated:
        return ""
    differ = all(abs(a - b) > slack * max(abs(a), abs(b)) for a, b in product(values, answers))
    return f"{asked} is {values[0]:.6g}, the answer is {stated}" if differ else ""


def _false_in(content: str) -> Iterator[str]:
    parts: list[str] = []
    for part in PART.split(content.replace("&", "")):
        if part.lstrip().startswith("=") and parts:
            parts[-1] += part
        elif part.strip():
            parts.append(part)
    for part in parts:
        last: tuple[str, tuple[float, ...]] | None = None
        relations = [match[0] for match in RELATION.finditer(part)]
        for number, side in enumerate(RELATION.split(part)):
            values = values_of(side.strip().rstrip(".:").strip())
            if not values:
                continue
            if last is not None:
                is_rough = any(sign != "=" for sign in relations[:number]) or DECIMAL.search(part) is not None
                slack = 0.02 if is_rough else 1e-7
                if all(abs(a - b) > slack * max(abs(a), abs(b)) for a, b in product(values, last[1])):
                    yield f"{last[0]} = {side.strip()}"
            last = side.strip(), values


@lru_cache(maxsize=CACHED)
def values_of(side: str) -> tuple[float, ...]:
    """Return the values of a side without letters, one for each sign and each unit of an angle; none if unknown."""
    if not side or len(side) > MAX_SIDE or DIGIT.search(side) is None or LETTER.search(side) is not None:
        return ()
    if ANY_BASE.search(side) is not None:
        return ()
    begin()
    try:
        node = parse(re.sub(r"\\log_(\d)", r"\\log_{\1} ", side.replace("°", r"^\circ")))
        if symbols(node) - {"pi"}:
            return ()
        readings = [reading for signed in _signed(node) for reading in _in_units(signed)]
        values = [float_value(reading, {}, real=True) for reading in readings[:MAX_READINGS]]
    except (ArithmeticError, ValueError, RecursionError, EffortError):
        return ()
    return tuple(value for value in values if isinstance(value, float))


def _signed(node: Node) -> list[Node]:
    """Return the expression with + and with - for each ±."""
    if isinstance(node, PlusMinus):
        minus = [Mul(factors=(Num(value=Fraction(-1)), part)) for part in _signed(node.right)]
        return [Add(terms=(left, right)) for left in _signed(node.left) for right in (*_signed(node.right), *minus)]
    return _with_parts(node, [_signed(part) for part in _parts(node)])


def _in_units(node: Node) -> list[Node]:
    """Return the expression with the bare angles of its functions in radians, and in degrees."""
    if isinstance(node, Call) and node.name in TRIGONOMETRIC and len(node.args) == 1:
        angle = node.args[0]
        is_bare = not symbols(angle) and not (isinstance(angle, Call) and angle.name == "deg")
        return [node, Call(name=node.name, args=(Call(name="deg", args=node.args),))] if is_bare else [node]
    return _with_parts(node, [_in_units(part) for part in _parts(node)])


def _parts(node: Node) -> tuple[Node, ...]:
    """Return the parts of a calculation; the signs and angles inside other structures are left as they are."""
    return children(node) if isinstance(node, Add | Mul | Pow | Call) else ()


def _with_parts(node: Node, choices: list[list[Node]]) -> list[Node]:
    """Return the expression for every choice of its parts, at most MAX_READINGS."""
    if all(len(choice) == 1 for choice in choices):
        return [node]

    def with_choice(parts: tuple[Node, ...]) -> Node:
        left = iter(parts)
        return rebuild(node, lambda _: next(left))

    return [with_choice(parts) for parts in islice(product(*choices), MAX_READINGS)]
