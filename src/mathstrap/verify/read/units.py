"""Units: which words measure something, what each is worth, and which two can be converted without doubt.

A word may have several readings (a pound is a mass or money, an `m` a metre or a minute); two units agree when one
reading of each does. Only exact conversions are here: nothing that depends on a year's length, a rate or a country's
cup is called equal.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Literal

import msgspec

from mathstrap.patterns import regex
from mathstrap.verify.read.words import UNIT_FILLERS

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
# By dimension, the size of each unit in metres, kilograms, seconds, months, litres or the first money named, and its
# names. The sizes are the legal definitions, which are exact: an inch is 0.0254 metres, a US gallon 231 cubic inches.
_TABLE = {
    "length": """
        0.001 mm millimeter millimetre; 0.01 cm centimeter centimetre 厘米 см; 0.1 dm decimeter decimetre; 1 m meter
        metre 米 м метр; 1000 km kilometer kilometre 千米 公里 км; 0.0254 in inch inches; 0.3048 ft foot feet; 0.9144 yd
        yard; 1609.344 mi mile; 0.000001 μm micrometer micron; 0.000000001 nm nanometer""",
    "mass": """
        0.000001 mg milligram; 0.001 g gram gramme 克 г; 1 kg kilogram kilo 千克 公斤 кг; 0.45359237 lb pound;
        0.028349523125 oz ounce; 907.18474 ton; 1000 ton tonne 吨""",
    "time": """
        1 s sec second 秒 сек; 0.001 ms millisecond; 60 min minute 分钟 мин минут; 3600 h hr hour 小时 時間 час;
        86400 day 天 日; 604800 week wk 周 星期; 1209600 fortnight""",
    "months": "1 month mo; 12 year yr annum 年; 120 decade; 1200 century centuries",
    "volume": """
        0.001 ml mL milliliter millilitre cc; 0.01 cl centiliter centilitre; 0.1 dl deciliter decilitre; 1 l L liter
        litre 升; 1000 kl kiloliter kilolitre; 3.785411784 gal gallon; 0.946352946 qt quart; 0.473176473 pt pint;
        0.2365882365 cup; 0.0295735295625 fl_oz oz ounce; 0.01478676478125 tablespoon tbsp; 0.00492892159375 teaspoon
        tsp""",
    "area": "10000 hectare ha; 4046.8564224 acre; 0.09290304 sqft",
    "dollar": "1 $ dollar buck usd; 0.01 c cent ¢ penny pennies; 0.05 nickel; 0.1 dime",
    "euro": "1 € euro eur; 0.01 cent",
    "sterling": "1 £ pound gbp quid sterling; 0.01 pence penny pennies p",
    "yuan": "1 ¥ yuan rmb cny 元; 0.1 角 jiao",
    "yen": "1 ¥ yen jpy 円",
    "rupee": "1 ₹ rupee rs inr; 0.01 paisa paise",
    "peso": "1 peso",
    "ruble": "1 ₽ ruble rouble рубль рублей рубля",
    "won": "1 ₩ won 원",
    "force": "1 n N newton",
    "energy": "1 j J joule; 1000 kj kJ kilojoule",
    "calorie": "1 cal calorie; 1000 kcal kilocalorie",
    "power": "1 w W watt; 1000 kw kW kilowatt",
    "voltage": "1 v V volt",
    "current": "1 a A amp ampere; 0.001 ma mA milliamp",
    "resistance": "1 ohm Omega",
    "frequency": "1 hz Hz hertz; 1000 khz kHz kilohertz",
    "pressure": "1 pa Pa pascal; 1000 kpa kPa kilopascal",
    "amount": "1 mol mole",
    "rpm": "1 rpm",
    "fps": "1 fps",
    "data": "1 bit; 8 byte",
    "angle": "1 rad radian",
    "degree": "1 degree deg",
}
_COMPOUND: dict[str, tuple[tuple[tuple[str, int], ...], Fraction]] = {
    "mph": ((("length", 1), ("time", -1)), Fraction("0.44704")),
    **dict.fromkeys(("kph", "kmh"), ((("length", 1), ("time", -1)), Fraction(1000, 3600))),
    "mps": ((("length", 1), ("time", -1)), Fraction(1)),
    **dict.fromkeys(("kwh", "kilowatt-hour"), ((("force", 1), ("length", 1)), Fraction(3_600_000))),
}
_TEMPERATURES = {
    "celsius": Measure((("temperature", 1),), Fraction(1), Fraction(27_315, 100)),
    "fahrenheit": Measure((("temperature", 1),), Fraction(5, 9), Fraction(27_315, 100) - 32 * Fraction(5, 9)),
    "kelvin": Measure((("temperature", 1),)),
}
_TEMPERATURE_NAMES = {"c": "celsius", "f": "fahrenheit", "k": "kelvin", "centigrade": "celsius", "kelvins": "kelvin"}
_EXACT_CASE = frozenset("CFKVNJWAMLchgmsp") | {"mA", "MA", "kW", "Pa", "Hz"}
# The base dimensions behind a dimension of the table, and the size of the table's unit in it.
_BASES: dict[str, tuple[tuple[tuple[str, int], ...], Fraction]] = {
    "volume": ((("length", 3),), Fraction(1, 1000)),
    "area": ((("length", 2),), Fraction(1)),
    "energy": ((("force", 1), ("length", 1)), Fraction(1)),
    "power": ((("force", 1), ("length", 1), ("time", -1)), Fraction(1)),
    "pressure": ((("force", 1), ("length", -2)), Fraction(1)),
}


def _known() -> dict[str, tuple[Measure, ...]]:
    known: dict[str, tuple[Measure, ...]] = {}
    for dimension, units in _TABLE.items():
        dimensions, factor = _BASES.get(dimension, (((dimension, 1),), Fraction(1)))
        for size, *names in map(str.split, units.split(";")):
            measure = Measure(dimensions, Fraction(size) * factor)
            for name in names:
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
_EXPONENT = regex(r"(.+?)\^?\(?(-?[0-9])\)?")
_SPLIT = regex(r"[\s*·⋅]+|(?=/)|(?<=/)")
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
            if lowered not in UNIT_FILLERS and word:
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
    measures = _lookup(word)
    if not measures and word[-1:].isdigit():
        match = _EXPONENT.fullmatch(word)
        if match:
            measures, exponent = _lookup(match[1]), int(match[2])
    return measures, exponent


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
