"""The words answers are written with: commands of LaTeX, units, number words, magnitudes. Knows no mathematics."""

from __future__ import annotations

import re

from mathstrap import numerals
from mathstrap.patterns import regex


def _words(text: str) -> list[str]:
    return text.split()


# --- LaTeX -----------------------------------------------------------------------------------------------------------

TEXT_COMMANDS = _words(
    r"""text mbox textbf textit textrm textsf texttt textnormal mathrm rm bf operatorname hbox emph textsc textup mathbf
    mathit mathsf mathtt mathnormal bold boldsymbol bm pmb intertext"""
)
STYLES = frozenset(_words("mathrm rm bf operatorname mathbf mathit mathsf mathtt bold boldsymbol bm pmb mathnormal"))
# Spacing, sizing and styling: they carry no meaning.
IGNORED = frozenset(
    _words(r"""left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm displaystyle
    textstyle
    scriptstyle limits nolimits quad qquad , ; : ! / ( ) [ ] > tt it rm bf sf em cal normalsize tiny scriptsize
    footnotesize
    small large Large LARGE huge Huge nonumber notag hfill hline centering noindent strut mathstrut allowbreak
    thinspace medspace thickspace enspace enskip space bigskip medskip smallskip hskip displaylimits boldmath par""")
) | {" ", "\n"}
SPACES = frozenset(_words(r"quad qquad , ; : > enspace thinspace medspace thickspace space enskip hfill")) | {" ", "\n"}
# Commands around one argument that is what is meant.
TRANSPARENT = frozenset(
    _words("""boxed fbox framebox box makebox mathop mathrm text underline ensuremath mathbf mathtt pmb mathord
    mathbin mathrel
    mathclose mathopen uline cancelto hbox mathinner smash mathchoice llap rlap vcenter underbrace overbrace bbox""")
)
# Environments that only set lines, and those that set cells.
FLAT_ENVIRONMENTS = frozenset(
    _words("""equation align aligned gather gathered split multline displaymath math eqnarray flalign alignat alignedat
    center large dcases* IEEEeqnarray subequations""")
)
MATRICES = frozenset(_words("matrix pmatrix bmatrix Bmatrix array smallmatrix psmallmatrix bsmallmatrix tabular"))
RELATIONS = {
    "=": "=", "<": "<", ">": ">", "lt": "<", "gt": ">", "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=",
    "geq": ">=", "geqslant": ">=", "ne": "!=", "neq": "!=", "approx": "~", "in": "in", "simeq": "~", "doteq": "~",
    "leqq": "<=", "geqq": ">=", "coloneqq": "=", "triangleq": "=", "nless": ">=", "ngtr": "<=",
}  # fmt: skip
SET_SIGNS = frozenset(_words("cup cupdot sqcup bigcup cap setminus backslash smallsetminus"))
# Commands that end a product: they stand between values, close a bracket, or come behind the value before them.
NOT_A_FACTOR = SET_SIGNS | frozenset(
    _words(r"""pm mp colon mid } rangle rvert rVert rfloor rceil rbrace rbrack end div \ % circ degree & iff vee wedge
    land lor implies Rightarrow to rightarrow equiv sim cong pmod""")
)
FRACTIONS = frozenset(_words("frac dfrac tfrac cfrac sfrac nicefrac"))
BINOMIALS = frozenset(_words("binom dbinom tbinom"))
TRIGONOMETRIC = ("sin", "cos", "tan", "cot", "sec", "csc")
ARC_NAMES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "arctg": "arctan", "tg": "tan", "ctg": "cot", "cosec": "csc",
    "sgn": "sign", "erf": "erf", "Arcsin": "arcsin", "Arctan": "arctan", "Arccos": "arccos",
}  # fmt: skip
FUNCTIONS = frozenset(
    (*TRIGONOMETRIC, *(f"arc{name}" for name in TRIGONOMETRIC),
     *_words("sinh cosh tanh sech csch coth log ln lg exp sqrt pi infty gcd lcm max min frac abs factorial det cis"),
     "sign")
)  # fmt: skip
ACCENTS = frozenset(
    _words("""overline bar vec hat widehat overrightarrow tilde widetilde mathcal mathfrak mathscr dot ddot
    overleftrightarrow overset overarc wideparen overparen""")
)
# Functions whose values are worked out, exactly or with digits; `f`, `P` or `J_0` have a value that nobody stated.
WORKED_OUT = frozenset(
    _words("""sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh sech csch coth ln abs
    norm sign factorial double_factorial binom permutations percent deg root floor ceil max min gcd lcm det Gamma zeta
    erf residue piecewise cap setminus""")
)
# Signs that stand between or over values: as factors of a product they are not variables.
SIGNS = frozenset(
    _words("star bigstar odot perp parallel partial nabla forall exists mho Re Im spadesuit heartsuit square ...")
)
# Letters that name functions of numbers; `\alpha(3)` and `\pi(4)` are products.
FUNCTION_LETTERS = frozenset(_words("Gamma zeta phi tau sigma mu omega Omega Phi psi Psi beta delta chi eta Lambda"))
# Names of functions that are not worked out; as runs of letters they would be products.
OPERATORS = frozenset(_words("tr rk ord dim adj arg deg div var cov Var Cov Re Im Li li Si Ci ker rad sup inf lub"))
NUMBER_SETS = {"R": "reals", "Z": "integers", "N": "naturals", "Q": "rationals", "C": "complexes"}

# --- units -----------------------------------------------------------------------------------------------------------

# Unit words that may touch the number they measure (`5cm`) or stand before a power (`cm^2`).
UNITS = frozenset(
    _words("""mm cm dm km ft in inch inches foot feet yd yards yard mi mile miles mph kph kmh mps meter meters metre
    metres centimeter centimeters kilometer kilometers millimeter millimeters mg kg lb lbs oz gram grams
    kilogram kilograms pound pounds ounce ounces ton tons ml mL cl dl kl liter liters litre litres gal
    gallon gallons quart quarts pint pints cup cups sec secs second seconds min mins minute minutes hr hrs
    hour hours day days week weeks month months year years yr yrs decade decades century centuries am pm usd
    dollar dollars cent cents euro euros yuan rupees rupee pesos yen bucks unit units sq square cubic cu
    degree degrees deg rad radian radians fps rpm bpm hz kHz Hz kwh kWh kw kW kJ Pa kPa mA watt watts volt volts joule
    joules newton newtons amp amps calorie calories kcal acre acres hectare hectares percent pct times people person
    students USD EUR GBP MPH pence penny pennies
    points sqft cc per each kgs kms cms mms mls lbs. wpm WPM bpm BPM RPM MB GB KB TB Mbps Gbps psi dpi ppm BTU hp HP atm
    cals kcals gms ozs hrs. mins. secs.""")
)
# Words of a unit phrase that neither measure nor name what is counted.
UNIT_FILLERS = frozenset(
    _words("of the a an in total all each exactly more altogether full whole different possible distinct about us")
)
SINGLE_LETTER_UNITS = frozenset("mgsLhNJWVAKCF")
# Things counted whose names are as short as a product of variables.
SHORT_NOUNS = frozenset(
    _words("""men women man boys girls boy girl cats cat dogs dog pens pen cows cow hens hen pigs pig eggs egg boxes
    box bags bag
    toys toy cars car hats hat cans can jars jar pies pie keys key kids kid fans fan bus bats bat bees bee maps map rows
    row sets set ways way tips tip nuts nut red big new old pets pet laps lap runs jobs job ml kg fish lbs pcs pts""")
)

MAGNITUDES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12,
    "lakh": 10**5, "crore": 10**7, "gross": 144, "score": 20, "mn": 10**6, "bn": 10**9,
    "百": 100, "千": 1000, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8,
    "만": 10**4, "억": 10**8, "천": 1000, "백":
    100,
    "тысяч": 1000, "тысячи": 1000, "тыс": 1000, "миллион": 10**6, "миллиона": 10**6, "миллионов": 10**6, "млн": 10**6,
    "mil": 1000, "millón": 10**6, "millones": 10**6, "tausend": 1000, "millionen": 10**6, "mille": 1000,
    "হাজার": 1000, "লক্ষ": 10**5, "লাখ": 10**5, "কোটি": 10**7, "ألف": 1000, "مليون": 10**6, "مئة": 100, "مائة": 100,
    "dutzend": 12, "docena": 12, "douzaine": 12, "mio": 10**6, "milliard": 10**9, "milliards": 10**9,
}  # fmt: skip
MAGNITUDES |= {
    plural: MAGNITUDES[word]
    for word, plural in (("hundred", "hundreds"), ("thousand", "thousands"), ("million", "millions"), ("score",
    "scores"),
                         ("billion", "billions"), ("trillion", "trillions"), ("dozen", "dozens"), ("lakh", "lakhs"),
                         ("crore", "crores"))
} | {"tens": 10, "ten": 10}  # fmt: skip

NUMBER_WORDS = {**numerals.UNITS, **numerals.TENS, "fourty": 40}
PARTS = numerals.ORDINALS | {
    "half": 2, "halve": 2, "quarter": 4, "twentieth": 20, "thirtieth": 30, "fortieth": 40, "fiftieth": 50,
    "sixtieth": 60,
    "hundredth": 100, "thousandth": 1000, "millionth": 10**6,
}  # fmt: skip
PARTS |= {f"{word}s": value for word, value in PARTS.items()} | {"halves": 2}

# Words after a value that make another value of it: the value alone is not what is said.
CHANGES_VALUE = (
    frozenset(
        _words("""squared cubed doubled tripled quadrupled halved inverse inverted reciprocal factorial root times
        plus minus
        divided multiplied mod modulo choose over below above under beneath short shy less fewer greater larger
        smaller negative
        power powers raised exponent degrees-below doubles triples tenfold twofold threefold fold twice thrice
        than point out
        倍 割 成 折 раз раза fois veces vezes volte mal kali lần mara nghìn triệu тысяч тысячи миллионов миллиона mil
        mille mila millones milhões milioni ribu juta rooted 배 গুণ medio medios tercio tercios tiers demi drittel
        viertel hälfte""")
    )
    | (frozenset(PARTS) - {"quarters", "seconds"})
    | frozenset(MAGNITUDES)
)
# A unit phrase with one of these words says more than a unit: the value may not be what is before it.
NOT_A_UNIT = (
    frozenset(
        _words("""and or but not no unknown if else is are was were because since maybe approximately about
        more except only something too this that there however wait wrong false sorry actually oops hmm mistake
        incorrect apologies неверно неправильно falsch faux incorrecto
        open import lambda for where when nor neither either possibly perhaps remainder
        most least to rather instead oder ou und mehr weniger als moins más menos o y et больше меньше более менее
        или не বেশি চেয়ে অধিক अधिक कम नहीं ज़्यादा ज्यादा hơn dưới trên hoặc không zaidi chini atau bukan più meno mais ni
        কম বা أكثر أقل أو ضعف gut knapp quarter quarters versus vs between until as ratio odds""")
    )
    | CHANGES_VALUE
    | frozenset(NUMBER_WORDS) - {"one"}
)

# Of Chinese, Japanese and Korean only words that start with a counter or unit are taken for a unit: in scripts without
# spaces a comparison (以上, 이상) touches the number as a unit does.
_COUNTERS = frozenset(
    "个個箇人名本枚匹頭头台冊册只隻条條件颗顆块塊元円圆角秒小天日周週月年岁歳歲米厘公千克斤吨升度次回页頁題题点點张張辆輛双雙对對层層级級支"
    "包袋箱盒瓶杯碗把朵棵座所间間户戶位種种组組盘盤步句字词道套排行根架羽束株軒时時分명개원권마리장대살시초년월일주번회점킬그"
)
_COMPARISONS = frozenset("以上下未満过過超倍割成折多余約约半強弱前後后之違错誤误이하초미넘")


def is_foreign_unit(word: str) -> bool:
    """Say whether a word of another script may be a unit; words with spaces between them may be any noun."""
    if word[0] < "\u3040":
        return True
    return word[0] in _COUNTERS and _COMPARISONS.isdisjoint(word)


# Words of a task: what follows them is to be worked out, and is not the answer whose name they are.
TASK_WORDS = frozenset(
    _words("""compute evaluate simplify find factor factorise factorize expand express calculate solve determine
    rationalize rationalise reduce write convert what which how when given let suppose consider question
    problem following prove
    show expression equation multiply divide add subtract round estimate list name choose select perform differentiate
    integrate complete graph plot draw if there""")
)
PERCENT_WORDS = frozenset({"percent", "pct", "percentage", "percents", "per-cent"})
DEGREE_WORDS = frozenset({"degree", "degrees", "deg", "градусов", "度"})

# --- phrases ---------------------------------------------------------------------------------------------------------

# Phrases that say the same thing, each mapped to one of them.
SYNONYMS = {
    "no solution": "no solutions", "no real solution": "no solutions", "no real solutions": "no solutions",
    "there are no solutions": "no solutions", "there is no solution": "no solutions", "does not exist": "dne",
    "infinite": "infinitely many", "infinitely many solutions": "infinitely many", "infinity": "infinitely many",
    "none of above": "none", "none of these": "none", "impossible": "not possible", "not exist": "dne",
    "no such number exists": "dne", "there are no real solutions": "no solutions",
    "there is no real solution": "no solutions",
    "it has no solution": "no solutions", "no such x exists": "no solutions", "has no solutions": "no solutions",
    "there is no such number": "dne", "no real roots": "no solutions", "has no real solutions": "no solutions",
    "has no solution": "no solutions", "empty set": "no solutions",
}  # fmt: skip
# Answers in words that are not a number, whatever the question.
NO_NUMBERS = frozenset(
    _words("""yes no true false dne undefined none odd even positive negative increasing decreasing equal unknown
    nan null
    increase decrease prime composite rational irrational left right up down idk""")
) | {
    "no solutions", "not possible", "infinitely many", "i don't know", "i do not know", "cannot be determined",
    "not enough information", "insufficient information", "cannot be solved",
}  # fmt: skip
_SET_PHRASES = {
    "reals": "real numbers|reals|real number|real values|real x|real y|real t|real n|real numbers x|real values of x",
    "integers": "integers|integer|whole integers",
    "naturals": "natural numbers|naturals", "rationals": "rational numbers|rationals", "complexes": "complex numbers",
    "positive integers": "positive integers|positive integer", "reals > 0": "positive real numbers|positive reals",
    "reals >= 0": "nonnegative real numbers|non-negative real numbers|nonnegative reals|non-negative reals",
    "reals < 0": "negative real numbers|negative reals", "integers >= 0": "nonnegative integers|non-negative integers",
}  # fmt: skip
NAMED_SETS = {phrase: name for name, phrases in _SET_PHRASES.items() for phrase in phrases.split("|")}
_TEXT_COMMAND = regex(r"\\text\s?\{([^{}\\]*)\}")
_SET_OPENING = re.compile(r"^(?:the )?(?:set of )?(?:all |any |every |each )?(?:the )?")


def named_set(text: str) -> str | None:
    """Return the set that words name (`all real numbers` is "reals"), or None."""
    if "\\text" in text and len(text) < 100:
        text = " ".join(_TEXT_COMMAND.sub(r"\1", text).split())
    return NAMED_SETS.get(_SET_OPENING.sub("", text.lower().strip().rstrip(".")))


# --- numbers in words ------------------------------------------------------------------------------------------------

_PREFIXES = {
    "minus": "-", "negative": "-", "plus": "+", "half of": r"\frac{1}{2}*", "half": r"\frac{1}{2}", "twice": "2*",
    "square root of": r"\sqrt", "root": r"\sqrt", "square root": r"\sqrt", "cube root of": r"\sqrt[3]",
    "cube root": r"\sqrt[3]",
    "double": "2*", "triple": "3*", "sqrt of": r"\sqrt", "a third of": r"\frac{1}{3}*", "a quarter of": r"\frac{1}{4}*",
}  # fmt: skip
_INFIXES = {
    "plus": "+", "minus": "-", "times": "*", "multiplied by": "*", "divided by": "/", "over": "/",
    "to the power of": "^", "to the power": "^",
}  # fmt: skip
_POSTFIXES = {"squared": "^2", "cubed": "^3", "factorial": "!", "doubled": "*2", "tripled": "*3", "halved": "/2"}
_SMALL = {"a": 1, "an": 1, **NUMBER_WORDS}
_TRIGGERS = (
    frozenset(NUMBER_WORDS) | frozenset(PARTS) | frozenset(MAGNITUDES) | frozenset(_POSTFIXES)
    | frozenset(["minus", "negative", "plus", "half", "root", "twice", "times", "over", "divided", "multiplied",
    "double", "triple"])
)  # fmt: skip
_WORD = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:/[0-9]+)?|[a-z]+|\\?pi")
_SPELLED = regex(r"[A-Za-z0-9 .,/\-]{3,100}")


def expression_from_words(text: str) -> str | None:
    """Return what a text in number words says, as a formula: `minus seven`, `2 square root of 3`, `a dozen`.

    Every word has to be understood; None otherwise, and for a text without number words.
    """
    if not _SPELLED.fullmatch(text):
        return None
    words = _words_of(text)
    if not words or len(words) > 16 or _TRIGGERS.isdisjoint(words):
        return None
    words = [word for word in words if word != "the"]
    formula, index, after_value = "", 0, False
    while index < len(words):
        value, used = _value_from_words(words, index)
        if used and not after_value:
            formula, index, after_value = f"{formula}({value})", index + used, True
            continue
        table = (_INFIXES | _POSTFIXES) if after_value else _PREFIXES
        size = next((size for size in (4, 3, 2, 1) if " ".join(words[index : index + size]) in table), 0)
        phrase = " ".join(words[index : index + size])
        if not size:
            roots = after_value and next((n for n in (3, 2, 1) if " ".join(words[index : index + n]) in _PREFIXES), 0)
            phrase = " ".join(words[index : index + roots]) if roots else ""
            if not roots or "root" not in phrase:
                return None
            formula, index, after_value = f"{formula}*{_PREFIXES[phrase]}", index + roots, False
            continue
        index += size
        if after_value:
            formula += table[phrase]
            after_value = phrase in _POSTFIXES
        else:
            formula += table[phrase]
            after_value = phrase == "half"
    return formula if after_value else None


def _words_of(text: str) -> list[str]:
    """Return the words and numbers of a text in lower case, or nothing if it has anything else."""
    text = text.lower().replace("-", " ").replace(",", " ") if not text.startswith("-") else ""
    words = _WORD.findall(text)
    return words if len("".join(words)) == len(re.sub(r"[ \-]", "", text.rstrip("."))) else []


_ORDINAL = regex(r"([0-9]{1,6})(?:st|nd|rd|th)|(?:([a-z]{3,5}ty)[ -])?([a-z]{4,12})")
_PLACES = {"first": 1, "second": 2, **numerals.ORDINALS}
_ROUND_PLACES = {f"{word[:-1]}ieth": value for word, value in numerals.TENS.items()} | {"hundredth": 100}


def ordinal(text: str) -> int | None:
    """Return the place that `4th`, `fourth` and `twenty-first` name; None for any other text."""
    match = _ORDINAL.fullmatch(text)
    if match is None:
        return None
    digits, tens, word = match.groups()
    if digits:
        return int(digits)
    if tens is None:
        return _PLACES.get(word, _ROUND_PLACES.get(word))
    place = _PLACES.get(word, 10)
    return numerals.TENS[tens] + place if tens in numerals.TENS and place < 10 else None


def counted_in_words(text: str) -> str | None:
    """Return `fifteen dollars` as `15 dollars`; None for a text that does not start with a number word."""
    words = _words_of(text)
    if not words or len(words) > 12 or (words[0] not in NUMBER_WORDS and words[0] not in ("a", "an")):
        return None
    value, used = _value_from_words(words, 0)
    rest = " ".join(words[used:])
    if not used or not rest or words[used] in _INFIXES:
        return None
    if value.isdigit():
        return f"{value} {rest}"
    return f"({value}) {rest}" if words[used] in UNITS else None  # two and a half hours


def _value_from_words(words: list[str], start: int) -> tuple[str, int]:
    """Return the value that starts at a word, as a formula, and how many words it takes; 0 when none starts there."""
    total = group = 0
    index, last = start, ""
    decimal = ""
    while index < len(words):
        word = words[index]
        following = words[index + 1] if index + 1 < len(words) else ""
        if word[0].isdigit():
            if index > start:
                break
            part = (
                PARTS.get(words[index + 3])
                if words[index + 1 : index + 2] == ["and"] and len(words) > index + 3
                else None
            )
            if part is not None and words[index + 2] in ("a", "one", "two", "three") and "/" not in word:
                return rf"{word}+\frac{{{_SMALL[words[index + 2]]}}}{{{part}}}", 4  # 5 and a half
            if following in PARTS and "/" not in word:
                return rf"\frac{{{word}}}{{{PARTS[following]}}}", 2
            if following in MAGNITUDES:
                return f"{word}*{MAGNITUDES[following]}", 2
            return word, 1
        if word in ("pi", "\\pi"):
            return (r"\pi ", 1) if index == start else (str(total + group), index - start)
        if word in ("a", "an") and index == start and following in (PARTS.keys() | MAGNITUDES.keys()):
            group = 1
        elif word in NUMBER_WORDS and last != "ones" and not (last == "tens" and NUMBER_WORDS[word] > 9):
            group += NUMBER_WORDS[word]
            last = "tens" if NUMBER_WORDS[word] >= 20 else "ones"
        elif word == "hundred" and 0 < group < 100:
            group, last = group * 100, ""
        elif word in ("dozen", "dozens") and index > start and group:
            return str((total + group) * 12), index - start + 1
        elif word in MAGNITUDES and MAGNITUDES[word] >= 1000 and group:
            total, group, last = total + group * MAGNITUDES[word], 0, ""
        elif word in PARTS and index > start and following != "of":
            return rf"\frac{{{total + group}}}{{{PARTS[word]}}}", index - start + 1
        elif word == "and" and index > start and following in ("a", "one", "two", "three") and index + 2 < len(words):
            part = PARTS.get(words[index + 2])
            if part is None:
                if following == "a":
                    break
                index += 1
                continue
            value = rf"{total + group}+\frac{{{_SMALL[following]}}}{{{part}}}"
            magnitude = MAGNITUDES.get(words[index + 3], 0) if index + 3 < len(words) else 0
            if magnitude >= 1000:  # one and a half million
                return rf"({value})*{magnitude}", index - start + 4
            return value, index - start + 3
        elif word == "and" and index > start and following in NUMBER_WORDS:
            pass
        elif word == "point" and index > start and following in NUMBER_WORDS:
            for digit in words[index + 1 :]:
                if NUMBER_WORDS.get(digit, 10) > 9:
                    break
                decimal += str(NUMBER_WORDS[digit])
            return f"{total + group}.{decimal}", index - start + 1 + len(decimal)
        else:
            break
        index += 1
    if index == start or words[index - 1] == "and" or (index == start + 1 and words[start] in ("a", "an")):
        return "", 0
    return str(total + group), index - start


_CJK_DIGITS = {char: value for value, char in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "兩": 2}
_CJK_SCALES = {"十": 10, "百": 100, "千": 1000}
_CJK_LARGE = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_CJK_NUMERALS = frozenset(_CJK_DIGITS) | frozenset(_CJK_SCALES) | frozenset(_CJK_LARGE)


def cjk_fraction(text: str) -> str | None:
    """Return `四分之三` as 3/4 and `百分之五十` as 50 percent; None for anything else."""
    bottom, between, top = text.partition("分之")
    numbers = [part if part.isdigit() else _whole_cjk(part) for part in (bottom, top)]
    if not between or None in numbers or len(text) > 40:
        return None
    return f"{numbers[1]}\\%" if numbers[0] == "100" else f"{numbers[1]}/{numbers[0]}"


def _whole_cjk(text: str) -> str | None:
    if text == "百":
        return "100"
    number, rest = cjk_number(text)
    return number if not rest else None


def cjk_number(text: str) -> tuple[str | None, str]:
    """Return the number a Chinese or Japanese text starts with, in digits or None, and the rest of the text."""
    size = next((index for index, char in enumerate(text) if char not in _CJK_NUMERALS), len(text))
    numeral, rest = text[:size], text[size:]
    if not numeral or size > 20 or rest.startswith(("分", "様", "样", "般", "定", "些", "起")):
        return None, text
    if all(char in _CJK_DIGITS for char in numeral) and size > 1:
        return "".join(str(_CJK_DIGITS[char]) for char in numeral), rest
    total = section = digit = 0
    for char in numeral:
        if char in _CJK_DIGITS:
            digit = _CJK_DIGITS[char]
        elif char in _CJK_SCALES:
            section, digit = section + (digit or 1) * _CJK_SCALES[char], 0
        else:
            total, section, digit = (total + section + digit) * _CJK_LARGE[char], 0, 0
    return str(total + section + digit), rest
