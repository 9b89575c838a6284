"""Detect questions that cannot be answered: nothing asked, a number or a figure missing, half a person.

Each detector returns what is wrong in a few words, or an empty text. The rules read words alone: none of them sees a
contradiction between two conditions.
"""

from __future__ import annotations

import re

from mathstrap.patterns import regex
from mathstrap.problems.questions import needs_picture, question_fault

_NUMBER_WORD = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
    "|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|dozen|half|halves|third|thirds"
    "|quarter|quarters|fourth|fifth|sixth|seventh|eighth|ninth|tenth|twice|double|triple|thrice|couple|pair|both|single|once"
)
_ASKS = regex(
    r"\?|？|\b(?:find|determine|calculate|compute|evaluate|express|solve|simplify|factor|prove|show|give|state|list|write|name"
    r"|convert|round|estimate|expand|graph|sketch|draw|explain|describe|identify|derive|verify|what|how|which|who|when|where"
    r"|why|is|are|does|do|can|let|enter|answer|select|choose|count|complete|fill|order|arrange|rewrite|reduce|add|subtract"
    r"|multiply|divide|construct|classify|compare|minimize|maximize|tell|decide|obtain|work out|justify|establish|prime"
    r"|represent|provide|help|rationali[sz]e)\b|=\s*\Z|_{2,}|[\u3040-\u30ff\u4e00-\u9fff]|\\boxed",
    re.IGNORECASE,
)
_PROOF = regex(
    r"(?:\A|[.?!;:,)\n]\s*|\b(?:then|and|to|please|now) )(?:\(?[a-z0-9]{1,2}[.)] )?"
    r"(?:prove|show|verify|demonstrate|justify) (?:that|the following|this|why)\b|\bgive a proof\b",
    re.IGNORECASE,
)
_QUANTITY_ASKED = regex(
    r"\b(?:how (?:many|much|long|far|old|tall)|what (?:fraction|percent|percentage))\b", re.IGNORECASE
)
_HAS_QUANTITY = regex(rf"\d|\b(?:{_NUMBER_WORD})s?\b|\$[^$]*[a-z][^$]*\$|\\\(|\\\[", re.IGNORECASE)
# `p pizzas`, `$r`: a letter stands for the number.
_LETTER_AMOUNT = regex(r"(?<![A-Za-z'’.])[b-hj-z](?= [a-z]{2})|\$[a-z]\b")
_ABSTRACT = regex(
    r"triangle|square|cube|polygon|prime|digit|letter|alphabet|word|integer|angle|sides|vert|faces|edges|diagonal|dice|die\b"
    r"|coin|deck|card|week|year|day|month|hour|minute|chess|octa|hexa|penta|tetra|dodeca|icosa|prism|pyramid|sphere|circle"
    r"|ways|solution|root|factor|divis|multiple|perfect|rectang|rhomb|trapez|graph|set|zero|inch|feet|foot|meter|even|odd|arrange|rearrange|permut|subset|path",
    re.IGNORECASE,
)
# Things that come whole, and a decimal or a minus sign before them.
_WHOLE = (
    "people|persons?|students?|children|kids|boys|girls|men|women|teachers|workers|friends|players|passengers|guests"
    "|customers|members|adults|babies|dogs|cats|puppies|kittens|horses|cows|chickens|birds|fish|sheep|goats|pets|animals|rabbits"
    "|cars|books|marbles|coins|dimes|nickels|pennies|eggs|balloons|chairs|houses|tickets|stickers|vertices|sides"
    "|prime numbers|primes|siblings|brothers|sisters|cards|balls|toys|dolls"
)
_BROKEN_COUNT = regex(
    rf"(?<![\w.$-])(?P<count>\d++\.0*+[1-9]\d*+|-\d++|negative (?:\d+|one|two|three|four|five))"
    rf"(?: (?:other|more|fewer|new|different|real|whole|additional|exact))? (?P<thing>{_WHOLE})\b(?!['’-])"
    r"(?! (?:per|worth|long|tall|high|each way))",
    re.IGNORECASE,
)
_MEAN = regex(
    r"averag|\bmean\b|expect|\bper\b|\bmedian\b|\brate\b|million|thousand|billion|approximat|about|estimat|cups?|pounds?",
    re.IGNORECASE,
)
_MISSING_PICTURE = regex(
    r"\(?\bno (?:pie |bar |line |circle )?(?:chart|graph|diagram|figure|table|histogram|picture|image|data)s? "
    r"(?:is |was |are )?(?:provided|given|shown|included|attached|available)\b"
    r"|\b(?:chart|graph|diagram|figure|table|histogram|plot|map|picture)s? (?:below|above)\b"
    r"|\b(?:the|this) following (?:chart|graph|diagram|figure|histogram|table)s?\b"
    r"|\b(?:shown|displayed|summarized|represented|given|listed|presented|depicted|recorded|illustrated) "
    r"(?:in|on|by|as) (?:the|a|this) (?:pie chart|bar graph|bar chart|line graph|circle graph|histogram"
    r"|pictograph|double-bar graph|scatter plot)\b"
    r"|\b(?:according to|using|based on) the (?:(?:pie|bar|line|circle|conversion) )?"
    r"(?:chart|graph|histogram|diagram)\b",
    re.IGNORECASE,
)
_TABLE = regex(r"\[asy\]|\\begin\{|\|[^|\n]*+\|.*\n|&.*\\\\|```|<table|\t.*\n.*\t|:\s*\n", re.IGNORECASE)
_ASKED_NAME = regex(
    r"(?:value of|find|determine|compute|solve for|what is) (?:the value of )?(?:\$|\\\()\s*"
    r"(?P<name>[a-zA-Z])\s*(?:\$|\\\))[?.]?\s*\Z",
    re.IGNORECASE,
)
_BARE_EXPRESSION = regex(
    r"\A\s*(?:what is|find|evaluate|compute|calculate) the value of "
    r"(?:\$|\\\()(?P<formula>[^$=<>]{3,200}?)(?:\$|\\\))\s*[?.]?\s*\Z",
    re.IGNORECASE,
)
_BOUND_NAMES = regex(r"!|_|\\(?:sum|prod|int|lim|log|binom|det|infty)")
_FORMULA = regex(r"\$[^$]{1,2000}\$|\\\(.{1,2000}?\\\)|\\\[.{1,2000}?\\\]", re.DOTALL)
_FREE_NAME = regex(r"(?<![A-Za-z\\])[abcmnp-zA-DF-HJ-Z](?![A-Za-z])")
_COMMAND = regex(r"\\[A-Za-z]+")
_SECOND_ASKING = regex(r"[?？]")
_PARTS = regex(r"(?:\A|\n)\s*\(?(?:[a-dA-D]|i{1,3}|[1-4])[).:]\s+\S")


# How refusals and error messages begin, in lower case; any other text with a question mark asks something.
_SUSPECT = (
    "i ", "i'", "i’", "sorry", "unfortunately", "as a", "error", "exception", "traceback", "internal", "rate limit",
    "很抱歉", "抱歉", "对不起",
)  # fmt: skip
_PICTURES = ("chart", "graph", "diagram", "figure", "table", "histogram", "picture", "image", "plot", "map", "no data")
_PROOF_WORDS = ("rove", "how t", "how w", "HOW T", "erify", "emonstrate", "ustify", "proof")
_DIGIT = regex(r"\d")
_ODD_NUMBER = regex(r"\d\.\d|-\d|[Nn]egative")


def asks_nothing(question: str) -> str:
    """Find refusals, error messages, empty questions and texts that ask for nothing."""
    if "?" in question and not question[:40].lstrip(" \n\t\"'*#.,!-:").lower().startswith(_SUSPECT):
        return ""
    fault = question_fault(question, {})
    if fault and "picture" not in fault:
        return fault
    is_formula = "$" in question or "\\" in question or "=" in question
    return "" if is_formula or _ASKS.search(question) else "no question and no request"


def asks_for_proof(question: str) -> str:
    """Find questions whose answer is a proof, which no final answer can be compared with."""
    if not any(map(question.__contains__, _PROOF_WORDS)):
        return ""
    match = _PROOF.search(question)
    if match is None or _SECOND_ASKING.search(question, match.end()):
        return ""
    return f'asks for a proof: "{" ".join(question[match.start() :].split())[:60]}"'


def lacks_figure(question: str) -> str:
    """Find questions that point at a figure, chart or table that is not in the text."""
    fault = needs_picture(question, {})
    if fault:
        return fault
    if not any(map(question.lower().__contains__, _PICTURES)):
        return ""
    match = _MISSING_PICTURE.search(question)
    if match is None or _TABLE.search(question):
        return ""
    if "table" in match[0].lower() and len(re.findall(r"\d", question)) > 12:
        return ""  # this many numbers are a table that was flattened into the text
    return f'what it points at is not there ("{match[0].strip("( ")[:50]}")'


def counts_in_fractions(question: str) -> str:
    """Find impossible counts: `2.5 people`, `-2 marbles`; averages and rates may have any value."""
    if _ODD_NUMBER.search(question) is None:
        return ""
    for match in _BROKEN_COUNT.finditer(question):
        around = question[max(0, match.start() - 60) : match.end() + 25]
        if not _MEAN.search(around):
            return f"{match['count']} {match['thing']}"
    return ""


def lacks_number(question: str) -> str:
    """Find questions that ask for an amount and give none, or for a letter or formula that is never defined."""
    is_bare_of_digits = _DIGIT.search(question) is None
    if is_bare_of_digits and _QUANTITY_ASKED.search(question) and not (
        _HAS_QUANTITY.search(question) or _ABSTRACT.search(question) or _LETTER_AMOUNT.search(question)
    ):  # fmt: skip
        return "asks for an amount and gives no number"
    bare = _BARE_EXPRESSION.match(question)
    if bare is not None:
        plain = _COMMAND.sub(" ", bare["formula"])
        if _FREE_NAME.search(plain) and _BOUND_NAMES.search(bare["formula"]) is None:
            return "nothing is said of the letters in what is asked"
    ending = question[-12:].rstrip(" .?\n")[-1:]
    asked = _ASKED_NAME.search(question, max(0, len(question) - 80)) if ending in ("$", ")") else None
    if asked is not None and "\\begin" not in question:
        formulas = " ".join(match[0] for match in _FORMULA.finditer(question, 0, asked.start("name")))
        if asked["name"] not in _COMMAND.sub(" ", formulas):
            return f"nothing is said of {asked['name']}"
    return ""


def asks_twice(question: str) -> str:
    """Find questions that ask for two things, of which one final answer can give only one."""
    num = len(_SECOND_ASKING.findall(question))
    if num > 1:
        return f"{num} question marks"
    if len(_PARTS.findall(question)) > 1 and "choice" not in question.lower() and num == 0:
        return "several parts"
    return ""
