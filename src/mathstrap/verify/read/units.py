"""Units: which words measure something, what each is worth, and which two can be converted without doubt.

A word may have several readings (a pound is a mass or money, an `m` a metre or a minute); two units agree when one
reading of each does. Only exact conversions are here: nothing that depends on a year's length, a rate or a country's
cup is called equal.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import msgspec

Match = Literal["same", "convert", "unclear", "different"]


class Measure(msgspec.Struct, frozen=True):
    """One reading of a unit: powers of dimensions, sorted; its size, and where its zero lies, in base units."""

    dimensions: tuple[tuple[str, int], ...]
    scale: Fraction = Fraction(1)
    zero: Fraction = Fraction(0)


class Unit(msgspec.Struct, frozen=True):
    """A unit phrase as read: its readings, empty for things counted; the words that name what is counted."""

    measures: tuple[Measure, ...]
    noun: frozenset[str] = frozenset()


MAX_PHRASE = 200  # characters; more is a sentence
_INCH = Fraction(254, 10_000)
_POUND = Fraction(45_359_237, 100_000_000)
_GALLON = 231 * _INCH**3 * 1000  # US, in litres
_SQUARE_FOOT = (12 * _INCH) ** 2

# Names of one unit, its dimension and its size: metres, kilograms, seconds, litres, dollars.
_TABLE: list[tuple[str, str, Fraction | int]] = [
    ("mm millimeter millimetre", "length", Fraction(1, 1000)),
    ("cm centimeter centimetre", "length", Fraction(1, 100)),
    ("dm decimeter decimetre", "length", Fraction(1, 10)),
    ("m meter metre 米 м метр", "length", 1),
    ("km kilometer kilometre 千米 公里 км", "length", 1000),
    ("厘米 см", "length", Fraction(1, 100)),
    ("in inch inches", "length", _INCH),
    ("ft foot feet", "length", 12 * _INCH),
    ("yd yard", "length", 36 * _INCH),
    ("mi mile", "length", 63_360 * _INCH),
    ("μm micrometer micron", "length", Fraction(1, 10**6)),
    ("nm nanometer", "length", Fraction(1, 10**9)),
    ("mg milligram", "mass", Fraction(1, 10**6)),
    ("g gram gramme 克 г", "mass", Fraction(1, 1000)),
    ("kg kilogram kilo 千克 公斤 кг", "mass", 1),
    ("lb pound", "mass", _POUND),
    ("oz ounce", "mass", _POUND / 16),
    ("ton", "mass", 2000 * _POUND),
    ("ton tonne 吨", "mass", 1000),
    ("s sec second 秒 сек", "time", 1),
    ("ms millisecond", "time", Fraction(1, 1000)),
    ("min minute 分钟 мин минут", "time", 60),
    ("h hr hour 小时 時間 час", "time", 3600),
    ("day 天 日", "time", 86_400),
    ("week wk 周 星期", "time", 7 * 86_400),
    ("fortnight", "time", 14 * 86_400),
    ("month mo", "months", 1),
    ("year yr annum 年", "months", 12),
    ("decade", "months", 120),
    ("century centuries", "months", 1200),
    ("ml mL milliliter millilitre cc", "volume", Fraction(1, 1000)),
    ("cl centiliter centilitre", "volume", Fraction(1, 100)),
    ("dl deciliter decilitre", "volume", Fraction(1, 10)),
    ("l L liter litre 升", "volume", 1),
    ("kl kiloliter kilolitre", "volume", 1000),
    ("gal gallon", "volume", _GALLON),
    ("qt quart", "volume", _GALLON / 4),
    ("pt pint", "volume", _GALLON / 8),
    ("cup", "volume", _GALLON / 16),
    ("fl_oz oz ounce", "volume", _GALLON / 128),
    ("tablespoon tbsp", "volume", _GALLON / 256),
    ("teaspoon tsp", "volume", _GALLON / 768),
    ("hectare ha", "area", 10_000),
    ("acre", "area", 43_560 * _SQUARE_FOOT),
    ("sqft", "area", _SQUARE_FOOT),
    ("$ dollar buck usd", "dollar", 1),
    ("c cent ¢ penny pennies", "dollar", Fraction(1, 100)),
    ("nickel", "dollar", Fraction(5, 100)),
    ("dime", "dollar", Fraction(10, 100)),
    ("€ euro eur", "euro", 1),
    ("cent", "euro", Fraction(1, 100)),
    ("£ pound gbp quid sterling", "sterling", 1),
    ("pence penny pennies p", "sterling", Fraction(1, 100)),
    ("¥ yuan rmb cny 元", "yuan", 1),
    ("角 jiao", "yuan", Fraction(1, 10)),
    ("¥ yen jpy 円", "yen", 1),
    ("₹ rupee rs inr", "rupee", 1),
    ("paisa paise", "rupee", Fraction(1, 100)),
    ("peso", "peso", 1),
    ("₽ ruble rouble рубль рублей рубля", "ruble", 1),
    ("₩ won 원", "won", 1),
    ("n N newton", "force", 1),
    ("j J joule", "energy", 1),
    ("kj kJ kilojoule", "energy", 1000),
    ("cal calorie", "calorie", 1),
    ("kcal kilocalorie", "calorie", 1000),
    ("w W watt", "power", 1),
    ("kw kW kilowatt", "power", 1000),
    ("v V volt", "voltage", 1),
    ("a A amp ampere", "current", 1),
    ("ma mA milliamp", "current", Fraction(1, 1000)),
    ("ohm Omega", "resistance", 1),
    ("hz Hz hertz", "frequency", 1),
    ("khz kHz kilohertz", "frequency", 1000),
    ("pa Pa pascal", "pressure", 1),
    ("kpa kPa kilopascal", "pressure", 1000),
    ("mol mole", "amount", 1),
    ("rpm", "rpm", 1),
    ("fps", "fps", 1),
    ("bit", "data", 1),
    ("byte", "data", 8),
    ("rad radian", "angle", 1),
    ("degree deg", "degree", 1),
]  # fmt: skip
_COMPOUND: dict[str, tuple[tuple[tuple[str, int], ...], Fraction]] = {
    "mph": ((("length", 1), ("time", -1)), 63_360 * _INCH / 3600),
    "kph": ((("length", 1), ("time", -1)), Fraction(1000, 3600)),
    "kmh": ((("length", 1), ("time", -1)), Fraction(1000, 3600)),
    "mps": ((("length", 1), ("time", -1)), Fraction(1)),
    "kwh": ((("force", 1), ("length", 1)), Fraction(3_600_000)),
    "kilowatt-hour": ((("force", 1), ("length", 1)), Fraction(3_600_000)),
}
_TEMPERATURES = {
    "celsius": Measure((("temperature", 1),), Fraction(1), Fraction(27_315, 100)),
    "fahrenheit": Measure((("temperature", 1),), Fraction(5, 9), Fraction(27_315, 100) - 32 * Fraction(5, 9)),
    "kelvin": Measure((("temperature", 1),)),
}
_TEMPERATURE_NAMES = {"c": "celsius", "f": "fahrenheit", "k": "kelvin", "centigrade": "celsius", "kelvins": "kelvin"}
_EXACT_CASE = frozenset("CFKVNJWAMLchgmsp") | {"mA", "MA", "kW", "Pa", "Hz"}
# What a dimension of the table is made of, and the size of the table's unit in it.
_BASES: dict[str, tuple[tuple[tuple[str, int], ...], Fraction]] = {
    "volume": ((("length", 3),), Fraction(1, 1000)),
    "area": ((("length", 2),), Fraction(1)),
    "energy": ((("force", 1), ("length", 1)), Fraction(1)),
    "power": ((("force", 1), ("length", 1), ("time", -1)), Fraction(1)),
    "pressure": ((("force", 1), ("length", -2)), Fraction(1)),
}


def _known() -> dict[str, tuple[Measure, ...]]:
    known: dict[str, tuple[Measure, ...]] = {}
    for names, dimension, size in _TABLE:
        dimensions, factor = _BASES.get(dimension, (((dimension, 1),), Fraction(1)))
        measure = Measure(dimensions, size * factor)
        for name in names.split():
            plural = (f"{name}s",) if len(name) > 1 and name.isascii() and not name.endswith("s") else ()
            for form in (name, *plural):
                known[form] = (*known.get(form, ()), measure)
    for name, (dimensions, scale) in _COMPOUND.items():
        known[name] = known[f"{name}s"] = (Measure(dimensions, scale),)
    for name, measure in _TEMPERATURES.items():
        known[name] = (measure,)
    return known


_KNOWN = _known()
_GENERIC = frozenset({"unit", "units"})
_FILLERS = frozenset(
    [
        "of",
        "the",
        "a",
        "an",
        "in",
        "total",
        "all",
        "each",
        "exactly",
        "more",
        "altogether",
        "full",
        "whole",
        "different",
        "possible",
        "distinct",
        "about",
        "us",
    ]
)
_EXPONENT = re.compile(r"(.+?)\^?\(?(-?[0-9])\)?")
_SPLIT = re.compile(r"[\s*·⋅]+|(?=/)|(?<=/)")
_SQUARES = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}


@lru_cache(maxsize=4096)
def read_unit(phrase: str) -> Unit:
    """Return what a unit phrase measures: `km / h`, `square feet`, `m s^-2`, `dollars per day`, `red blocks`."""
    readings: list[Measure] = [Measure(())]
    noun: list[str] = []
    sign, power, seen = 1, 1, False
    words = [word for word in _SPLIT.split(phrase[:MAX_PHRASE]) if word][:12]
    index = 0
    while index < len(words):
        word = words[index].strip("-.,;:()")
        index += 1
        lowered = word.lower()
        if lowered in ("/", "per") or (lowered in ("a", "an", "every") and seen and index < len(words)):
            sign = -1
            continue
        if lowered in _SQUARES and not lowered.endswith("ed"):
            power = _SQUARES[lowered]
            continue
        following = _SQUARES.get(words[index].lower(), 0) if index < len(words) else 0
        if following and words[index].lower().endswith("ed"):
            power, index = following, index + 1
        measures, exponent = _measures(word)
        if not measures or noun:
            if lowered not in _FILLERS and word:
                noun.append(_stem(lowered))
                if lowered in _GENERIC and power > 1:
                    readings = [Measure((("unit", power * sign),))]
                    seen = True
            continue
        readings = [_times(left, right, sign * power * exponent) for left in readings for right in measures][:8]
        sign, power, seen = 1, 1, True
    return Unit(tuple(readings) if seen else (), frozenset(noun))


def _measures(word: str) -> tuple[tuple[Measure, ...], int]:
    """Return the readings of one word and the power written after it."""
    exponent = 1
    found = _lookup(word)
    if not found and word[-1:].isdigit():
        match = _EXPONENT.fullmatch(word)
        if match:
            found, exponent = _lookup(match[1]), int(match[2])
    return found, exponent


def _lookup(word: str) -> tuple[Measure, ...]:
    known = _KNOWN.get(word)
    lowered = word.lower()
    if known is None and word not in _EXACT_CASE:
        known = _KNOWN.get(lowered)
    name = _TEMPERATURE_NAMES.get(lowered) if word in ("C", "F", "K") or len(word) > 1 else None
    return (*(known or ()), _TEMPERATURES[name]) if name else known or ()


def _stem(word: str) -> str:
    word = {"person": "people", "persons": "people", "child": "children", "mice": "mouse"}.get(word, word)
    for ending, kept in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 1 and not word.endswith(("ss", "us")):
            return word[: -len(ending)] + kept
    return word


def _times(left: Measure, right: Measure, power: int) -> Measure:
    total = dict(left.dimensions)
    for name, exponent in right.dimensions:
        total[name] = total.get(name, 0) + exponent * power
    zero = right.zero if power == 1 and not left.dimensions else Fraction(0)
    return Measure(tuple(sorted(item for item in total.items() if item[1])), left.scale * right.scale**power, zero)


def is_unit_word(word: str) -> bool:
    """Say whether a word names a unit of measure."""
    return bool(_measures(word)[0])


def is_smaller(unit: str, than: str) -> bool:
    """Say whether one unit continues another in a compound value: the minutes of `1 hour 30 minutes`."""
    return any(
        small.dimensions == large.dimensions and small.scale < large.scale
        for small in read_unit(unit).measures
        for large in read_unit(than).measures
    )


def conversions(gold: str, got: str) -> list[tuple[Measure, Measure]]:
    """Return the pairs of readings of two units that measure the same thing."""
    return [
        (mine, theirs)
        for mine in read_unit(gold).measures
        for theirs in read_unit(got).measures
        if mine.dimensions == theirs.dimensions
    ]


def match_units(gold: str, got: str) -> Match:
    """Say how two stated units relate: the same thing, convertible, possibly the same, or different."""
    left, right = read_unit(gold), read_unit(got)
    if left.measures and right.measures:
        if conversions(gold, got):
            return "convert"
        if _is_generic(left, right) or _is_generic(right, left):
            return "same"
        names = [{name for name, _ in (*measure.dimensions,)} for measure in (left.measures[0], right.measures[0])]
        if names in ([{"months"}, {"time"}], [{"time"}, {"months"}]):
            return "unclear"  # 52 weeks are nearly a year
        shared = names[0] & names[1] & _MONEY
        return "same" if shared and (_is_rate(left) != _is_rate(right)) else "different"
    if not left.noun or not right.noun or left.noun & right.noun:
        return "same" if not (left.measures or right.measures) else "unclear"
    if "unit" in left.noun | right.noun:
        return "same"
    return "unclear"


_MONEY = frozenset({"dollar", "euro", "sterling", "yuan", "yen", "rupee", "peso", "ruble", "won"})


def _is_rate(unit: Unit) -> bool:
    """Say whether an amount of money is per something."""
    return any(power < 0 for _, power in unit.measures[0].dimensions)


def _is_generic(unit: Unit, other: Unit) -> bool:
    """Say whether `square units` may stand for what the other unit measures."""
    powers = {power for name, power in unit.measures[0].dimensions if name == "unit"}
    return bool(powers) and any(
        len(measure.dimensions) == 1 and measure.dimensions[0][1] in powers for measure in other.measures
    )
