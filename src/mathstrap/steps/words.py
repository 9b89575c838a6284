"""The English words around a calculation: operations, units, and beginnings of clauses. Knows no syntax."""

from __future__ import annotations

from mathstrap.numerals import SCALES


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COUNTS = {"": 1, "a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}
PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10,
}  # fmt: skip
MULTIPLES = {"twice": 2, "double": 2, "triple": 3, "thrice": 3}
SIGNS = {"plus": "+", "minus": "-", "times": "*"}
# Words before `by`.
SIGNS_BY = {"multiplied": "*", "divided": "/"}
VERBS = _words("is are equals gives makes leaves")
ARTICLES = _words("the these those all only just exactly")
# Names that are part of an expression.
OPERANDS = _words("sqrt binom π pi")
# `a total of 3 + 4 = 7` is 3 + 4; `half of 3 + 4 = 7` and `the square of` are not.
OF_NOUNS = _words(
    "total sum cost price weight amount value number profit volume area distance speed score length height count "
    "earnings revenue quantity income salary balance rate age time average maximum minimum combined gain loss "
    "payment bill"
)
# Next to a calculation, these are an operation that the calculation does not show, or part of one.
OPEN_WORDS = _words(
    "of times plus minus by than and over per squared cubed mod modulo remainder or if sin cos tan cot sec csc log ln "
    "exp gcd lcm max min det floor ceil lim sum product sqrt difference between from percent half third quarter twice "
    "double triple dozen hundred thousand million billion choose"
)
# After a number, these continue its value.
AFTER_WORDS = _words(
    "and remainder r full whole complete with to mod modulo times of over more less percent choose plus minus squared "
    "cubed multiplied divided x per out th st nd rd dozen hundred thousand million billion or"
)
# Those of them that may also begin a new clause.
PROSE_WORDS = _words("and or to with per of more less out full whole complete")
# Words that are never the unit of a number, because they begin a clause.
CLAUSE_WORDS = OPEN_WORDS | _words(
    "so then thus hence therefore total which because since while where when we he she it they i you now for to in on "
    "at as the a an this that these those is are was were be been has have had will would can not also answer left "
    "remaining his her their our its my your how what who let with gives means makes get gets getting yields both "
    "already up each result results equals equal off after before until given"
)
# A number after one of these is a name: day 1, step 2.
INDEX_WORDS = _words(
    "day days week weeks month months year years step steps page problem number question level grade chapter room team "
    "group part case row line type option equation eq figure example section statement item game round"
)
# Units that are written without a space after the number.
TIGHT_UNITS = _words("km cm mm dm kg mg ml cl ft lb lbs oz mph kph hr hrs min mins sec secs yd yds kwh gb mb kb cc sq")
UNIT_LETTERS = frozenset("mgshLlJNWVA")
NOT_BEFORE = (OPEN_WORDS | INDEX_WORDS | ARTICLES | SCALES.keys()) - {"from", "between"}
NOT_AFTER = (AFTER_WORDS | SCALES.keys()) - {"per", "of"}
# Words that may be an operator, a relation or part of a number.
CALCULATING = frozenset((*SIGNS, *VERBS, *SCALES, *ARTICLES, "by", "of", "x", "percent"))
# The words that may stand between two equations of one derivation: they say what is done to the first.
STEP_WORDS = _words(
    "a add adding all an applying as be becomes both by can combine combining compute calculate constant constants "
    "distribute distributing divide dividing each equation expand expanding expression finally find following follows "
    "form formula fraction fractions from gather gathering get gets getting give gives giving have hence i in into is "
    "isolate isolating it its leads left let's like means move moving multiply multiplying negative next now obtain "
    "obtaining of on our out positive quadratic rearrange rearranging reduce reduces result resulting results rewrite "
    "rewriting right root roots side sides simplified simplifies simplify simplifying simply so solution solutions "
    "solve solving square step subtract subtracting take taking term terms that the then therefore this thus to two us "
    "using value values variable we which written yield yielding yields"
)
# Those after which an equation has the same sides in another form.
REWRITING_WORDS = _words("simplify simplifies simplifying combine combining expand expanding")
