"""Find the possible origins of a number of a worked solution: stated in the question, in a fraction, or implied."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from mathstrap.augment.quantities import count_numbers, find_quantities
from mathstrap.patterns import regex


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The numbers of a question: its stated values, the parts of its fractions, and implied constants."""

    whole: Counter[Fraction]
    parts: Counter[Fraction]
    implied: frozenset[Fraction]

    def offers(self, number: Fraction) -> bool:
        """Say whether the question has the number in some form; 25 % is offered as 0.25 and as 25."""
        is_stated = number in self.whole or number / 100 in self.whole or 100 * number in self.whole
        return is_stated or number in self.parts or number in self.implied


# Numbers that words imply: a week has 7 days, "both" means 2.
_IMPLIED: dict[str, tuple[int, ...]] = {
    r"\b(?:halves|both|pairs?|couples?|twins?|round[- ]trip|and back|each way|sides?|equally|diameter)\b": (2,),
    r"\bdozens?\b|\byears?\b|\byearly\b|\bmonth|\binch|\bfeet\b|\bfoot\b|\bannual": (12,),
    r"\bweek|\bdaily\b|\bevery ?day\b": (5, 7, 52),
    r"\bmonth": (4, 30, 31),
    r"\byear|\bannual": (4, 52, 365),
    r"\bdays?\b|\bhour": (24,),
    r"\bhour|\bminute|\bsecond|\bspeed": (60, 3600),
    r"\bcents?\b|\bpenn|%|\bpercent|\bcentimeter|\bcm\b": (100,),
    r"\bdimes?\b": (10,),
    r"\bquarters?\b": (4, 25),
    r"\bnickels?\b": (5, 20),
    r"\byard|\btriang": (3,),
    r"\bkilo|\bkm\b|\bliter|\bmilli|\bgram": (1000,),
    r"\bpound|\bounce": (16,),
    r"\bsquare|\bquart|\bgallon|\blegs?\b|\bwheels?\b|\bcars?\b|\brectang|\bcups?\b": (2, 4, 8, 16),
    r"\bleap\b": (366, 29),
}
_COMPILED = [(regex(pattern), numbers) for pattern, numbers in _IMPLIED.items()]


@lru_cache(maxsize=4096)
def find_sources(question: str) -> Sources:
    """Return the numbers of a question, stated and implied."""
    text = question.lower()
    whole = Counter(count_numbers(question))
    whole[Fraction(1)] += len(re.findall(r"\bone\b", text))
    parts: Counter[Fraction] = Counter()
    for quantity in find_quantities(question):
        if quantity.value.denominator > 1 and quantity.form != "digits":
            parts.update(parts_of(quantity.value))
    implied = frozenset(
        Fraction(number) for pattern, numbers in _COMPILED if pattern.search(text) for number in numbers
    )
    return Sources(whole=whole, parts=parts, implied=implied)


def parts_of(value: Fraction) -> set[Fraction]:
    """Return the numbers that a solution may write for a fraction: numerator, denominator and their difference."""
    above, below = value.numerator, value.denominator
    return {Fraction(number) for number in (above, below, abs(below - above)) if number != 1}


_UNITS = (3, 4, 7, 12, 16, 24, 52, 60, 100, 365, 1000)


def related_to(value: Fraction, *, is_percent: bool) -> set[Fraction]:
    """Return the numbers that a solution may write for this one: other forms, other units, one more or less."""
    base = {value, value + 1, value - 1, 1 / value}
    for unit in _UNITS:
        base |= {value * unit, value / unit}
    if is_percent:
        base |= {100 - value, 100 + value, 1 - value / 100, 1 + value / 100, 100 / value}
        base |= parts_of(value / 100)
    if value.denominator > 1:
        base |= {1 - value, 1 + value, *parts_of(value)}
    return base
