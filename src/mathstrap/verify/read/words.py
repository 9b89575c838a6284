"""The words answers are written with: units, number words, magnitudes, connectives. Knows no mathematics."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


# Unit words that may touch the number they measure (`5cm`) or stand before a power (`cm^2`).
UNITS = frozenset(
    _words("""mm cm dm km ft in inch inches foot feet yd yards yard mi mile miles mph kph kmh mps meter meters metre
    metres centimeter centimeters kilometer kilometers millimeter millimeters mg kg lb lbs oz gram grams
    kilogram kilograms pound pounds ounce ounces ton tons ml mL cl dl kl liter liters litre litres gal
    gallon gallons quart quarts pint pints cup cups sec secs second seconds min mins minute minutes hr hrs
    hour hours day days week weeks month months year years yr yrs decade decades century centuries am pm usd
    dollar dollars cent cents euro euros yuan rupees rupee pesos yen bucks unit units sq square cubic cu
    degree degrees deg rad radian radians fps rpm bpm hz kwh kw watt watts volt volts joule joules newton
    newtons amp amps calorie calories kcal acre acres hectare hectares percent pct times people person
    students USD EUR GBP MPH
    points sqft cc per each""")
)
SINGLE_LETTER_UNITS = frozenset("mgsLhNJWVAKCF")

MAGNITUDES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}

NUMBER_WORDS = {
    word: value
    for value, word in enumerate(
        _words("""zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen twenty""")
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}

# A unit phrase with one of these words says more than a unit: the value may not be what is before it.
NOT_A_UNIT = frozenset(
    _words("""and or but not no half quarter third thirds quarters remainder unknown if else is are was were
    because since maybe approximately about plus minus point more less than except only open import lambda for where
    when nor neither either possibly perhaps""")
) | frozenset(MAGNITUDES)

PERCENT_WORDS = frozenset({"percent", "pct", "percentage", "percents"})
DEGREE_WORDS = frozenset({"degree", "degrees", "deg"})

# Phrases that say the same thing, each mapped to one of them.
SYNONYMS = {
    "no solution": "no solutions", "no real solution": "no solutions", "no real solutions": "no solutions",
    "there are no solutions": "no solutions", "there is no solution": "no solutions", "does not exist": "dne",
    "infinite": "infinitely many", "infinitely many solutions": "infinitely many", "infinity": "infinitely many",
    "none of the above": "none", "impossible": "not possible",
}  # fmt: skip

# Length, mass, volume and time units with one base unit each, for answers whose units differ.
_SCALES: dict[str, dict[str, int]] = {
    "length": {"mm": 1, "cm": 10, "dm": 100, "m": 1000, "km": 1_000_000},
    "mass": {"mg": 1, "g": 1000, "kg": 1_000_000},
    "volume": {"ml": 1, "cl": 10, "l": 1000},
    "time": {"seconds": 1, "minutes": 60, "hours": 3600},
}
_ALIASES = {
    "millimeter": "mm", "centimeter": "cm", "meter": "m", "metre": "m", "kilometer": "km", "gram": "g",
    "kilogram": "kg", "liter": "l", "litre": "l", "second": "seconds", "sec": "seconds", "s": "seconds",
    "minute": "minutes", "min": "minutes", "hour": "hours", "hr": "hours", "h": "hours", "hrs": "hours",
}  # fmt: skip


def unit_scale(unit: str) -> tuple[str, int] | None:
    """Return the dimension and the size in base units of a metric or time unit; None if the unit is not known."""
    unit = unit.strip().lower()
    unit = _ALIASES.get(unit.removesuffix("s"), _ALIASES.get(unit, unit))
    for dimension, scales in _SCALES.items():
        if unit in scales:
            return dimension, scales[unit]
    return None


def unit_power(unit: str) -> int:
    """Return the power a unit states: 2 for `cm^2` and `square feet`, 0 when it states none."""
    words = unit.split()
    for word in words:
        digits = word.partition("^")[2]
        if digits.isdigit():
            return int(digits[:3])
    if "square" in words or "sq" in words:
        return 2
    return 3 if "cubic" in words or "cu" in words else 0


_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4, "fifth": 5,
    "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10,
}  # fmt: skip


def number_from_words(text: str) -> str | None:
    """Return the number below a million that `text` spells, in digits (`two thirds` is 2/3), or None."""
    words = text.lower().replace("-", " ").split()
    if len(words) == 2 and words[0] in NUMBER_WORDS and words[1] in _PARTS:
        return f"{NUMBER_WORDS[words[0]]}/{_PARTS[words[1]]}"
    whole = _whole_from_words(words)
    return None if whole is None else str(whole)


def _whole_from_words(words: list[str]) -> int | None:
    total = group = 0
    if not words or len(words) > 12:
        return None
    for word in words:
        if word in NUMBER_WORDS:
            group += NUMBER_WORDS[word]
        elif word == "hundred" and group:
            group *= 100
        elif word == "thousand" and group:
            total, group = total + group * 1000, 0
        elif word != "and" or not (group or total):
            return None
    return total + group
