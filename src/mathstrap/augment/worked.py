"""Read a worked solution as a computation over the numbers of its question, and compute it again for other numbers.

GSM8K's solutions have marks, `<<48/2=24>>`; SVAMP and ASDiv have an equation. Every number of the solution, in marks
and prose, needs an explanation: a number of the question, a result, or a constant that a word of the question implies
(a dozen, half, an hour). A solution with an unexplained number is refused, because its author did a step in their head
that other numbers would change. A number with two explanations keeps both, and values for which they disagree are not
used, so nothing is guessed. Nothing is executed: expressions are parsed into trees.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mathstrap.augment.quantities import PERCENT, WrittenNumber, find_quantities
from mathstrap.patterns import regex
from mathstrap.steps.expression import Node, Number, Operation, evaluate, numbers_in, parse_expression, plain_number

MARK = regex(r"<<([^<>=]{1,200})=([^<>=]{1,60})>>")
_DIGITS = regex(r"(?<![\d.])(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\d.])\.\d+")
# Word problems have no larger numbers, and exact fractions of larger ones would be slow.
_LARGEST = 10**15
_MAX_STEPS = 40

# Values that units and words imply: the solution may use them if the question has one of the words.
_FROM_WORDS: dict[str, str] = {
    r"minutes?|seconds?|hours?|hourly|mph|o'clock|[ap]\.?m\b": "60 3600 30 15 0.5",
    r"days?|daily|nights?|morning|evening|afternoon": "24 7",
    r"weeks?|weekly|weekdays?|weekends?|monday|tuesday|wednesday|thursday|friday|saturday|sunday|fortnight":
        "7 52 5 2 4 14",
    r"years?|yearly|annual(?:ly)?": "12 365 52 4 10",
    r"months?|monthly|january|february|march|april|june|july|august|september|october|november|december":
        "12 30 31 28 4",
    r"decades?": "10",
    r"centur(?:y|ies)": "100",
    r"percent|per cent|%|cents?|dollars?|\$|dimes?|nickels?|quarters?|penn(?:y|ies)|pennies":
        "100 0.01 0.1 10 0.05 5 0.25 25 1",
    r"dozens?": "12",
    r"scores?": "20",
    r"gross": "144",
    r"f(?:oot|eet)|inch(?:es)?|yards?|miles?": "12 3 36 5280 1760",
    r"pounds?|ounces?|tons?": "16 2000",
    r"gallons?|quarts?|pints?|cups?": "4 2 8 16",
    r"kg|kilograms?|grams?|km|kilometers?|kilometres?|meters?|metres?|liters?|litres?|ml|milliliters?|cm|centimeters?"
    r"|millimeters?": "1000 100 10",
    r"half|halves|halved|twice|doubles?|doubled|pairs?|couples?|both|two|second|other|each other|either|round trip|back"
    r"|average|perimeter|rectang\w+|twins?": "2 0.5 1.5",
    r"triples?|tripled|thrice|three|thirds?|triangle|triplets": "3",
    r"quarters?|fourths?|quadruple[ds]?|four|squares?": "4 0.25 0.75",
    r"fifths?": "5 0.2",
    r"sixths?": "6",
    r"sevenths?": "7",
    r"eighths?": "8",
    r"ninths?": "9",
    r"tenths?": "10 0.1",
    r"thousands?": "1000",
    r"millions?": "1000000",
    r"hundreds?": "100",
}
_WORD_VALUES = tuple(
    (regex(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])", re.IGNORECASE), frozenset(map(Fraction, values.split())))
    for words, values in _FROM_WORDS.items()
)
# Part of the shape of a calculation rather than a number of the story: one whole, and both of two.
_STRUCTURE = frozenset({Fraction(1), Fraction(2), Fraction(0)})


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A number of the question that may change: its value and every place where the question writes it."""

    value: Fraction
    spots: tuple[WrittenNumber, ...]
    is_percent: bool


@dataclass(frozen=True)
class NumberSource:
    """The origin of a number of the solution: a variable through `form`, an earlier `step`, or a constant.

    form   "as it is", "share" (v / 100), "more" (1 + v / 100), "less" (1 - v / 100), "rest" (100 - v),
           "whole" (100 + v)
    """

    value: Fraction
    variable: int = -1
    step: int = -1
    form: str = "as it is"


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A number as the solution writes it, from `start` to `end`, with all its possible origins."""

    start: int
    end: int
    text: str
    sources: tuple[NumberSource, ...]


@dataclass(frozen=True, kw_only=True)
class WorkedStep:
    """One calculation: its tree, the possible origins of each number in it, and its value with the seed's numbers."""

    expression: Node
    leaves: tuple[tuple[NumberSource, ...], ...]
    result: Fraction


@dataclass(frozen=True, kw_only=True)
class Worked:
    """A question and its solution as a computation; `spots` are the solution's numbers from the left."""

    question: str
    solution: str
    variables: tuple[Variable, ...]
    steps: tuple[WorkedStep, ...]
    spots: tuple[Spot, ...]

    def run(self, values: Sequence[Fraction]) -> list[Fraction] | None:
        """Return every step's result for these values of the variables.

        None if a number with two origins would get two values, if a step divides by zero, or if a value is huge.
        """
        results: list[Fraction] = []
        for step in self.steps:
            numbers = []
            for sources in step.leaves:
                value = _agreed(sources, values, results)
                if value is None:
                    return None
                numbers.append(value)
            result = evaluate(step.expression, numbers)
            if result is None or max(abs(result.numerator), result.denominator) > _LARGEST:
                return None
            results.append(result)
        return results

    def write(self, values: Sequence[Fraction], results: Sequence[Fraction]) -> list[tuple[Spot, Fraction]] | None:
        """Return the value of every number of the solution; None if one with two origins would get two values."""
        written = []
        for spot in self.spots:
            value = _agreed(spot.sources, values, results)
            if value is None:
                return None
            written.append((spot, value))
        return written


def _agreed(
    sources: Sequence[NumberSource], values: Sequence[Fraction], results: Sequence[Fraction]
) -> Fraction | None:
    first: Fraction | None = None
    for source in sources:
        value = _value(source, values, results)
        if first is None:
            first = value
        elif value != first:
            return None
    return first


def _value(source: NumberSource, values: Sequence[Fraction], results: Sequence[Fraction]) -> Fraction:
    if source.step >= 0:
        return results[source.step]
    if source.variable < 0:
        return source.value
    value = values[source.variable]
    if source.form == "as it is":
        return value
    if source.form == "share":
        return value / 100
    if source.form == "rest":
        return 100 - value
    if source.form == "whole":
        return 100 + value
    return 1 + value / 100 if source.form == "more" else 1 - value / 100


def read_worked(question: str, solution: str, answer: str) -> Worked | str:
    """Return a seed as a computation, or the reason why its solution cannot be computed again.

    Reasons: `no_solution`, `unreadable_step`, `wrong_step`, `misses_the_gold`, `number_from_nowhere`.
    """
    gold = plain_number(answer)
    marks = list(MARK.finditer(solution))
    if gold is None or not solution.strip():
        return "no_solution"
    if not marks or len(marks) > _MAX_STEPS:
        return "no_solution"
    quantities = [quantity for quantity in find_quantities(question) if quantity.text.lower() != "one"]
    variables = _variables(question, quantities)
    constants = _constants(question, solution, quantities)
    steps: list[WorkedStep] = []
    for mark in marks:
        expression, result = parse_expression(mark[1]), plain_number(mark[2])
        if expression is None or result is None:
            return "unreadable_step"
        numbers = numbers_in(expression)
        if evaluate(expression, numbers) != result:
            return "wrong_step"
        leaves = tuple(_sources(value, variables, steps, constants) for value in numbers)
        if not all(leaves):
            return "number_from_nowhere"
        steps.append(WorkedStep(expression=expression, leaves=leaves, result=result))
    if steps[-1].result != gold:
        return "misses_the_gold"
    spots = []
    for number in _numbers_of_solution(solution):
        sources = _sources(number.value, variables, steps, constants)
        if not sources:
            return "number_from_nowhere"
        spots.append(Spot(start=number.start, end=number.end, text=number.text, sources=sources))
    return Worked(
        question=question, solution=solution, variables=variables, steps=tuple(steps), spots=tuple(spots)
    )


def worked_from_equation(equation: str, answer: str) -> str:
    """Return the worked solution of an equation such as `( 290.0 / 2.0 )` or `7+2=9`; "" for any other text.

    One line per operation, innermost first, in GSM8K's form.
    """
    gold, text = plain_number(answer), equation.partition("=")[0]
    tree = parse_expression(text)
    if gold is None or not isinstance(tree, Operation) or "=" in equation.partition("=")[2]:
        return ""
    lines: list[str] = []
    value = _write_steps(tree, lines)
    if value != gold or not lines or len(lines) > _MAX_STEPS:
        return ""
    return "\n".join(lines) + f"\n#### {plain_text(gold)}"


def _write_steps(node: Node, lines: list[str]) -> Fraction | None:
    if isinstance(node, Number):
        return node.value
    if not isinstance(node, Operation):
        return None
    left, right = _write_steps(node.left, lines), _write_steps(node.right, lines)
    if left is None or right is None or (node.sign == "/" and right == 0):
        return None
    value = {"+": left + right, "-": left - right, "*": left * right}.get(node.sign)
    if value is None:
        value = left / right
    texts = [finite_text(part) for part in (left, right, value)]
    if None in texts:
        return None
    calculation = f"{texts[0]}{node.sign}{texts[1]}"
    lines.append(f"{texts[0]} {node.sign} {texts[1]} = <<{calculation}={texts[2]}>>{texts[2]}")
    return value


def _variables(question: str, quantities: Sequence[WrittenNumber]) -> tuple[Variable, ...]:
    """Return the numbers of the question by value; equal ones change together, because a solution may mean either."""
    by_value: dict[Fraction, list[WrittenNumber]] = {}
    for quantity in quantities:
        if quantity.form in ("digits", "words"):
            by_value.setdefault(quantity.value, []).append(quantity)
    return tuple(
        Variable(
            value=value, spots=tuple(spots),
            is_percent=any(PERCENT.match(question, spot.end) is not None for spot in spots),
        )
        for value, spots in by_value.items()
    )  # fmt: skip


def _constants(question: str, solution: str, quantities: Sequence[WrittenNumber]) -> set[Fraction]:
    """Return the numbers that may occur in the solution as constants."""
    constants: set[Fraction] = set()
    text = f"{question}\n{solution}"
    for pattern, values in _WORD_VALUES:
        if pattern.search(text):
            constants |= values
    for quantity in quantities:
        if quantity.form in ("digits", "words"):
            continue
        value = quantity.value
        constants |= {value, 1 - value, 1 + value, Fraction(value.numerator), Fraction(value.denominator)}
        constants |= {Fraction(abs(value.denominator - value.numerator)), Fraction(value.denominator + value.numerator)}
        above, _, below = quantity.text.partition("/")
        if above.strip().isdigit() and below.strip().isdigit():  # 2/4 is written with its own 2 and 4
            constants |= {Fraction(above), Fraction(below), Fraction(abs(int(below) - int(above)))}
    return constants


def _sources(
    value: Fraction, variables: Sequence[Variable], steps: Sequence[WorkedStep], constants: set[Fraction]
) -> tuple[NumberSource, ...]:
    """Return all possible origins of a number of the solution; empty if nothing explains it."""
    sources: list[NumberSource] = []
    for place, variable in enumerate(variables):
        if variable.value == value:
            sources.append(NumberSource(value, variable=place))
        if variable.is_percent:
            forms = {
                "share": variable.value / 100, "more": 1 + variable.value / 100, "less": 1 - variable.value / 100,
                "rest": 100 - variable.value, "whole": 100 + variable.value,
            }  # fmt: skip
            fitting = (form for form, other in forms.items() if other == value)
            sources += [NumberSource(value, variable=place, form=form) for form in fitting]
    sources += [NumberSource(value, step=place) for place, step in enumerate(steps) if step.result == value]
    # A number next to one of the question may be that number with or without one person ("Brad is not joining, so the 5
    # friends ..."). If a constant explains it too, its meaning is unclear.
    neighbours = {variable.value + step for variable in variables for step in (-1, 1) if variable.value < 50}
    if value in constants and not (not sources and value > 2 and value in neighbours):
        sources.append(NumberSource(value))
    elif not sources and value in _STRUCTURE:
        # A bare 2 may be one less than a number of the question ("the other two of the three"): if the question has
        # such a number, the seed is refused rather than read in one way.
        near = {variable.value - 1 for variable in variables} | {variable.value / 2 for variable in variables}
        if value == 1 or value == 0 or value not in near:
            sources.append(NumberSource(value))
    return tuple(sources)


def _numbers_of_solution(solution: str) -> list[WrittenNumber]:
    """Return the numbers that the solution writes, in marks and prose, digits and words."""
    digits = []
    for match in _DIGITS.finditer(solution):
        value = plain_number(match[0])
        if value is not None:
            start, end = match.span()
            digits.append(WrittenNumber(start=start, end=end, text=match[0], form="digits", value=value))
    words = [
        quantity
        for quantity in find_quantities(solution)
        if quantity.form == "words" and quantity.text.lower() not in ("one", "a", "zero")
    ]
    return sorted(digits + words, key=lambda quantity: quantity.start)


def finite_text(value: Fraction) -> str | None:
    """Write an exact number as a decimal of at most six places; None if it needs more."""
    scaled = value * 10**6
    return plain_text(value) if scaled.denominator == 1 else None


def plain_text(value: Fraction) -> str:
    """Write an exact number of at most six decimal places without trailing zeros."""
    if value.denominator == 1:
        return str(value.numerator)
    sign, scaled = ("-" if value < 0 else ""), abs(value * 10**6)
    digits = f"{int(scaled):07d}"
    return f"{sign}{digits[:-6]}.{digits[-6:]}".rstrip("0")


def recheck(solution: str, answer: str) -> str:
    """Compute a finished solution again from its text alone; return "" or the fault.

    Shares no code with `Worked`, so that a mistake there shows: a stack machine evaluates the expressions, every result
    is compared with the number after its mark, and the last one with the gold. Faults: `mark`, `value`, `written`,
    `gold`.
    """
    last: Fraction | None = None
    for mark in MARK.finditer(solution):
        stated = plain_number(mark[2])
        value = _stack_machine(mark[1])
        if stated is None or value is None:
            return "mark"
        if value != stated:
            return "value"
        behind = _DIGITS.match(solution, mark.end())
        if behind is not None and plain_number(behind[0]) != stated:
            return "written"
        last = value
    return "" if last is not None and last == plain_number(answer) else "gold"


_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3}
_LEXEME = regex(r"\s*(?:(?P<number>\d[\d,]*\.?\d*|\.\d+)|(?P<sign>[-+*/x×÷·()%]))")


def _stack_machine(text: str) -> Fraction | None:
    """Evaluate an expression by Dijkstra's shunting-yard algorithm; None if it is not one or divides by zero."""
    numbers: list[Fraction] = []
    signs: list[str] = []

    def apply() -> bool:
        sign = signs.pop()
        if sign == "neg":
            if not numbers:
                return False
            numbers[-1] = -numbers[-1]
            return True
        if len(numbers) < 2:
            return False
        right, left = numbers.pop(), numbers.pop()
        if sign == "/" and right == 0:
            return False
        numbers.append({"+": left + right, "-": left - right, "*": left * right}.get(sign, Fraction(0)))
        if sign == "/":
            numbers[-1] = left / right
        return True

    place, after_value = 0, False
    text = text.replace("$", "").strip()
    while place < len(text):
        match = _LEXEME.match(text, place)
        if match is None:
            return None
        place = match.end()
        if match["number"]:
            if after_value:
                return None
            numbers.append(Fraction(match["number"].replace(",", "")))
            after_value = True
            continue
        sign = {"x": "*", "×": "*", "÷": "/", "·": "*"}.get(match["sign"], match["sign"])
        if sign == "%":
            if not after_value:
                return None
            numbers[-1] /= 100
        elif sign == "(":
            if after_value:
                while signs and signs[-1] != "(" and _PRECEDENCE[signs[-1]] >= 2:
                    if not apply():
                        return None
                signs.append("*")
            signs.append("(")
            after_value = False
        elif sign == ")":
            while signs and signs[-1] != "(":
                if not apply():
                    return None
            if not signs or not after_value:
                return None
            signs.pop()
        elif not after_value:
            if sign != "-":
                return None
            signs.append("neg")
        else:
            while signs and signs[-1] != "(" and _PRECEDENCE[signs[-1]] >= _PRECEDENCE[sign]:
                if not apply():
                    return None
            signs.append(sign)
            after_value = False
    while signs:
        if signs[-1] == "(" or not apply():
            return None
    return numbers[0] if len(numbers) == 1 else None
