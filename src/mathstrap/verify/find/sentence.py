"""Find the value a sentence states: the span after an anchor, the closing sentence, the last number."""

from __future__ import annotations

import re

from mathstrap.patterns import regex
from mathstrap.verify.find.languages import is_foreign_prose
from mathstrap.verify.read.words import UNITS

MAX_SPAN = 2_000
_LAST_NUMBER = regex(r"-?\$?[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?%?")
_FORMULA = regex(r"[$\\=+*/^<>]|[0-9A-Za-z)]!.*!")
_FACTORIAL = regex(r"[0-9a-z)}]!(?!\s*\n)\s?[^\sA-Z\"'*]|factorial|permutation")
_STOP = regex(r"[.?!](?=\s|$)|,?\s(?:because|since|so that|which means|therefore|thus|hence)\s|\. ?(?=[A-Z][a-z])")
_MATHS = regex(
    r"\$\$([^$]{1,1000})\$\$|\$([^$\n]{1,1000})\$"
    r"|\\\(([^\n]{1,1000}?)\\\)|\\\[([^\\]{1,1000})\\\]"
)
_ADVERB = r"(?:about |approximately |only |exactly |a total of |equal to )?$"
_STATES = regex(r"(?:\b(?:is|are|be|equals|equal to|to be|find that)|=|:|≈)\s{0,3}" + _ADVERB)
_HOLDS = regex(
    r"\b(?:was|were|by|has|have|had|gets?"
    r"|(?<=I )(?:got|found)|(?<=[Ww]e )(?:got|found)"
    r"|find|needs?|costs?|of|takes?|took|spends?|spent|earns?|earned|makes?"
    r"|made|left|leaving"
    r"|totals?|gives?|pays?|paid|sells?|sold)\s{0,3}" + _ADVERB
)
_INTRODUCES = regex(
    r"(?::|\b(?:is|are|equals|get|have|be|obtain|find|gives|yields|thus|therefore|hence|so|finally|that|as"
    r"|then))[,:]?\s{0,9}$",
    re.IGNORECASE,
)
_WORD = (
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh"
    r"|nine)teen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundred|thousand|million)"
)
_WORD_NUMBERS = regex(
    rf"\b({_WORD}(?:(?: and |[ -]){_WORD})*(?: and a (?:half|quarter|third)|[ -](?:half|halves|thirds?|quarters?"
    rf"|fourths?|fifths?|tenths?))?)\b(?![ -](?:and )?{_WORD}\b)(?!\s(?:of|another|by)\b)",
    re.IGNORECASE,
)
_HEDGED = regex(
    r"\b(?:wrong|incorrect|false|mistaken) (?:answer|result|value|solution|number)\b"
    r"|\b(?:first|initially|originally|at first) (?:thought|said|believed|guessed)\b"
    r"|\b(?:al menos|como m[aá]ximo|como m[ií]nimo|a lo sumo|mindestens|h[öo]chstens|au moins|au plus|almeno"
    r"|al massimo"
    r"|pelo menos|no m[aá]ximo|angalau|sekurang-kurangnya|plus de|moins de|m[aá]s de|menos de|mehr als|weniger als)\b"
    r"|\b(?:turn(?:s|ed) out|proved) to be (?:wrong|false|incorrect)\b"
    r"|\b(?:incorrect|wrong|false|untrue) that\b"
    r"|\b(?:option|answer|choice|result|value) \S{1,12} (?:is|was) (?:\w+ly )?(?:wrong|incorrect|mistaken|not)\b"
    r"|\b(?:might|may|could)(?: also| well| possibly)? be\b"
    r"|\b(?:might|may|could|would|people|others|some) (?:think|say|believe|guess|claim)\b"
    r"|\b(?:one of|any of|some of|not|cannot|maybe|perhaps|possibly|or|impossible|but|unclear|doubt|unlikely"
    r"|hardly|assum\w*)\b|n['’]t"
    r"|\bunknown\b(?! (?:variable|value|number|quantity))",
    re.IGNORECASE,
)
_REFUSED = regex(r"\W*+(?:no|nope|wrong|false|incorrect|(?:not|just)\s++\w++)\W*+", re.IGNORECASE)
_AT_ODDS = regex(
    r"\b(?:not sure|unsure|not certain|doubt|half|twice|double|a third|a quarter|need to|in other words"
    r"|(?:now|next|then|still),? (?:we|I|let)|remains? to|makes? no sense|contradicts|violates|fails|but"
    r"|however|(?:does not|doesn['’]t|do not|don['’]t)"
    r" (?:make sense|satisfy|work|hold|fit|match))\b",
    re.IGNORECASE,
)
_REFUTED = regex(
    r"[0-9)}\]$%]\*{0,2}\s+(?:is|was)\s+(?:\w+ly\s+)?(?:wrong|incorrect|mistaken|not\s+(?:right|correct|the\b)"
    r"|too\s+(?:small|large|big|high|low|many|few)\b)",
    re.IGNORECASE,
)
_LETTERS = re.compile(
    r"(?:both |either |all of |options? |choices? )?\(?[A-J][).]?(?:(?:\s*[,;/&]\s*|\s+)(?:(?:and"
    r"|or)\s+)?\(?[A-J][).]?)+"
)
# A lone `>` on the line of the anchor compares; at the start of the next line Markdown quotes with it.
_ARROW = regex(r"^(?:[-=]+>+|→|⇒)\s*")
_QUOTE = regex(r"^>\s+(?=\S)")
_BOLD = regex(r"\*\*([^*\n]{1,200})\*\*")
_HTML = regex(
    r"</?(?:b|strong|i|em|u|p|span|div|code|mark|font|h[1-6]|br|center|big|sup)\b[^<>\n]{0,80}>", re.IGNORECASE
)
_AFTERTHOUGHT = regex(
    r"(?:\s{0,3}[,;:\u2013\u2014-])?\s++(?:and (?:that|this|so|we|I|it|you|he|she|they|no|not|nothing|here|there|with"
    r"|the (?:final|answer))"
    r"|as (?:we|I|required|desired|needed|shown|seen|stated|given|expected|claimed|requested|asked|above|before)"
    r"|i\.e|or equivalently|that is|that['’]s|because|since|so|which|where as|meaning|given that|after|thanks to"
    r"|due to|based on|if my"
    r"|if I|I (?:think|believe|hope|am)"
    r"|rather than|instead of|and not|(?<=[,;\u2013\u2014-] )(?:not|for|by|obtained|found|using|or in other words"
    r"|namely|respectively|in order|where (?:we|I)|no more and no less))\b"
    r"|\s+(?:altogether|in total|in all)\s+(?:in|on|over|for|during|by|between|from)\s"
    r"|\s{0,3}[,;:\u2013\u2014-]?\s+as (?=\$?[0-9(\\x])"
)
# "9, no wait, 6": the value behind the correction is the one that is meant.
_CORRECTED = regex(
    r"[\s,;.\u2013\u2014-]+(?:(?:no|oh|oops|sorry|hmm|well)[,.]?\s+)?(?:(?:no|wait|sorry|actually|correction"
    r"|scratch that|make that"
    r"|I mean|I meant|rather(?! than)|or rather|instead)[,:.]?\s+){1,3}(?:it(?:['’]s| is"
    r"| should be) )?(?=[$\\(*]{0,3}-?[0-9])",
    re.IGNORECASE,
)
# "5, altogether", "72, in total", "5 – the number of apples": the words behind the comma do not change the value.
_REMARK_AFTER_COMMA = regex(
    r"(?<=[0-9a-zA-Z$)}\]%])(?:\s?[,;]|\s?[\u2013\u2014]|\s-{1,2})\s+([^0-9\\$=<>^_{}+*/|;]{3,160})$"
)
_CHANGES_VALUE = regex(
    r"\b(?:or|maybe|perhaps|possibly|unless|if|but|except|plus|minus|times|more|less|fewer|at least|at most|and"
    r"|half|not sure|none|never"
    r"|both|either|remainder|depending|otherwise|when|where|for|in|no (?:more|less|fewer)|squared|cubed|each way"
    r"|million|thousand|hundred|billion|dozen|percent"
    r"|approximately|about|roughly|nearly|almost|mod|modulo|inclusive|exclusive|bc|ad|am|pm|east|west|north|south)\b",
    re.IGNORECASE,
)
_IN_TOTAL = regex(r"(?:\s{0,3},)?\s++(?:in (?:total|all)|all together|altogether|overall|respectively)$")
_REMARK = regex(r"(?<=\S)\s+\([^()\\]{0,200}[A-Za-z]{3}[^()\\]{0,200}\)\s{0,3}$")
# "20 red blocks in the tower": where the things are is not part of how many they are.
_PLACE = regex(
    r"^(?:\\?[$€£]\s?)?-?[0-9][0-9,]*(?:\.[0-9]+)?(?:\s?%)?(?:\s+[A-Za-z][A-Za-z'’-]*){0,4}?"
    r"(\s+(?:in|on|at|for|from|during|by|inside|under|after|before|to|with|that|who|which|because|left|remaining"
    r"|available|needed|required"
    r"|he|she|they|it|we|you|was|were|are|is|will|can|has|have|had)\s+(?:the|a|an|his|her|their|its|our|your|my"
    r"|this|that|each|every|all|both|end|start"
    r"|be|been|to|total|order|[a-z]{3,})\b[A-Za-z '’,-]{0,80})$"
)
# "20 red blocks": a number and at least two words that are not units of measure.
_COUNTED = regex(r"((?:\\?[$€£]\s?)?-?[0-9][0-9,]*+(?:\.[0-9]++)?)((?:\s+[A-Za-z][A-Za-z'’-]+){2,6})")
_SAYS_MORE = regex(
    r"\b(?:times|more|less|fewer|than|half|halves|thirds?|quarters?|below|above|per|percent|out|of|and|or|not|no"
    r"|minus|plus|hundred|thousand"
    r"|million|billion|dozen|lakhs?|crores?|score|tens|ones|squared|cubed|degrees?|doubled|tripled|inverse"
    r"|factorial|pm|am|to|o['’]clock|remainder|to the|by)\b",
    re.IGNORECASE,
)
_FILLER = regex(
    r"^(?:therefore|thus|hence|simply|just|clearly|indeed|obviously|then|equal to|approximately|about)[,:]? "
)
_PROSE = regex(r"[A-Za-z]{2,}")
_CONCLUDES = regex(
    r"\W{0,3}(?:so|thus|therefore|hence|then|we|the|this|that|it|in|there|now|finally|I (?:got|get|found|find"
    r"|have))\b",
    re.IGNORECASE,
)
# A question or an instruction states nothing: a reply that repeats its question must not be read as an answer.
_ASKS = regex(
    r"\W{0,4}(?:(?:[a-z]+ly|without [^,.]{1,60},|in [^,.]{1,60},|for [^,.]{1,60},|using [^,.]{1,60},|now|then"
    r"|also|and|please)\s+)?"
    r"(?:rationalize|rationalise|reduce|multiply|add|subtract|divide|perform|estimate|complete|list|identify"
    r"|combine|rewrite"
    r"|approximate|order|arrange|name|select|count|define|graph|what|how|which|who|where|why|find|compute"
    r"|evaluate|determine|calculate|simplify|solve|express"
    r"|factor|expand"
    r"|convert|write|give|enter|let|let['’]s|suppose|assume|consider|prove|show|round|state|choose|given|if"
    r"|please|note|step|first"
    r"|next|recall|remember|answer the|question|problem|hint|repeat|pretend|ignore"
    r"|score|grade|rating|reward|confidence|final judge?ment|judge?ment|verdict|evaluation)\b",
    re.IGNORECASE,
)
# "After 5 days, how many hours is that": a clause that asks, wherever it stands in the sentence.
_ASKS_WITHIN = regex(
    r"(?:^|[,;:.]\s{1,3}|\b(?:and|then|but|of|is|for)\s)(?:how (?:many|much|old|long|far|tall|fast|often|big|large)\b"
    r"|what (?:is|are|was|were|will|would|does|did|do|percent|percentage|fraction|number|value)\b|(?:in|for|at"
    r"|by|to) (?:what|which)\b"
    r"|which (?:is|are|of)\b)",
    re.IGNORECASE,
)
# A formula behind one of these words, and no verb between, is to be worked out: "we note that: evaluate $i^5 + i$".
_TASK = regex(
    r"(?<!we )(?<!I )(?<!you )(?<!they )\b(?:evaluat(?:e|ing)|simplify|simplifying|comput(?:e|ing)|calculat(?:e"
    r"|ing)|expand(?:ing)?|factor(?:ing|ize)?"
    r"|find|determine|solve|express(?:ion)?|rationali[sz]e|convert|multiply|reduce|write)\b",
    re.IGNORECASE,
)
_VERB = regex(
    r"\b(?:is|are|was|equals?|be|gets?|gives?|obtain|have|has|yields?|becomes?|find that)\b|=", re.IGNORECASE
)
_SENTENCE_END = regex(
    r"(?:[.!?]['\"$*)\]]{0,3}|(?<!:)\n[ \t]*)\s*\n|[.!?]['\"$*)\]]{0,3}\s+(?=[A-Z])|[.!?]['\"$*)\]]{0,3} $"
)
_OPTION = regex(
    r".{0,200}\b(?:(?:correct |right |best |final )?(?:option|choice|answer|letter) (?:is|would be|must be):?"
    r"|(?:I|we)(?:['’]d| would|['’]ll| will)? "
    r"(?:choose|pick|select|go with)|(?:choose|select|pick))(?: (?:option|choice|answer|letter))?:? "
    r"[*(]{0,3}(?P<letter>[A-J])(?:[*)]{0,3}\.?(?:,? (?:because|since|as)\b.*)?"
    r"|(?P<text>[).:]\*{0,2}\s\$?[^\s.].{0,80}))",
    re.IGNORECASE | re.DOTALL,
)
_LETTER = regex(
    r"(?:(?:so|thus|hence|therefore|then)[,:]? )?(?:it is|it['’]s|that is|that['’]s|(?:I|we)(?:['’]m| am|['’]re"
    r"| are) going with"
    r"|(?:my|our|the) (?:final |best |correct )?(?:choice|option|selection|pick) ?[:=]|(?:so|thus|hence"
    r"|therefore)[,:]?) ?"
    r"[*(]{0,3}([A-J])[*)]{0,3}\.?",
    re.IGNORECASE,
)
_OPTION_FIRST = regex(
    r"(?:(?:so|thus|therefore|hence|then|and),? )?(?:the )?(?:(?:correct |right |best )?(?:option|choice|answer"
    r"|letter) )?\(?([A-J])\)? (?:is|must be|would be) "
    r"(?:(?:the|our|my) )?(?:correct|right|best|true)(?: (?:answer|option|choice|one|letter))?[.!]?",
    re.IGNORECASE,
)
_ENUMERATION = regex(r"\s{0,3}V(?:(?:,? (?:and|or) |, )V)+[\s.]{0,4}")
_QUANTITY = regex(
    r"(?<![\w.\\^_{])-?\s?\\?[$€£]?\s?-?(?:[0-9][0-9,]*(?:\.[0-9]+)?"
    r"|\.[0-9]+)(?:/[0-9]+)?(?:\s?\\?%)?(?![\d.,]*\d)(?!\s?\^|[xyz](?![a-z]))"
)
_UNIT = regex(r"\s?(?:percent|pct|%|\\%|million|billion|thousand|hundred|dozen)\b")
_ORDER = (
    r"(?:less|more|fewer|greater|larger|smaller|higher|lower|bigger|older|younger|longer|shorter|taller|heavier"
    r"|lighter|faster"
    r"|slower|better|worse|later|earlier|farther|further|closer|nearer|other)"
)
_COMPARED_BEFORE = regex(
    rf"\b((?:at least|at most|no {_ORDER} than|{_ORDER} than(?: or equal to)?|(?<!left )over|under|above|below"
    rf"|beyond|up to|nearly|almost"
    r"|close to|just (?:over|under)|(?:a |one |two |three )?(?:half|halves|thirds?|quarters?|fourths?|fifths?"
    r"|tenths?|hundredths?)(?: of)?|twice|double|triple"
    r"|quadruple|thrice|(?:[0-9.]+|one|two|three|four|five|six|seven|eight|nine|ten) times|exceed(?:s|ed|ing)?"
    r"|within|between|outside|not|never|anything but"
    r"|(?:a |the )?(?:minimum|maximum) of|min(?:imum)?|max(?:imum)?|minus|plus|negative|modulo|mod|divisible by"
    r"|divided by|multiplied by|multiples? of"
    r"|factors? of|divisors? of|powers? of|(?:square |cube |)roots? of|squares? of|cubes? of|log(?:arithm)? of"
    r"|base|[0-9.]+\s?(?:%|percent) of"
    r"|(?:multiple|power|square|cube|double|inverse|reciprocal|negative|opposite|factorial|complement) of))\s{1,3}"
    r"(?:a total of |about |approximately |exactly |the number )?$",
    re.IGNORECASE,
)
_SIGN_BEFORE = regex(r"(?<![=-])([<>≤≥≠]=?|!=)\s{0,2}$")
_NAME_EQUALS = regex(r"[A-Za-z]\w{0,2}\s?=\s?$")
_COMPARED_AFTER = regex(
    rf"\s?[A-Za-z]{{0,14}}\s?((?:,? or (?:{_ORDER}|above|below|over|under|so)|and (?:above|below|over|under|up)"
    rf"|at (?:least|most)|or so|at (?:a )?minimum"
    r"|at (?:a )?maximum|minimum|maximum)\b)"
    rf"|\s?(squared|cubed|factorial|inverse|doubled|tripled|halved|tens|tenths?|hundredths?|thousandths?|thirds?"
    rf"|quarters?|fourths?|fifths?|sixths?|sevenths?"
    r"|eighths?|ninths?|halves|score|lakhs?|crores?|(?:degrees )?below(?: zero| freezing)?"
    r"|and a half|and a quarter|and a third"
    r"|-?fold|st|nd|rd|th)\b"
    rf"|\s?((?:{_ORDER}) than\b|times (?!as\b|more\b|larger\b|bigger\b|faster\b|greater\b|longer\b|older\b|a\b"
    rf"|per\b|each\b|in\b|before\b|that\b|because\b|to\b|and\b|on\b|for\b)[A-Za-z0-9]+"
    r"|to the power(?: of)?|plus\b|minus\b|multiplied by|divided by|of the\b|out of\b|or\b)",
    re.IGNORECASE,
)


_PLAIN_SPAN = re.compile(r"[ \t]*(-?\$?[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?(?:/[0-9]+)?)\.?[ \t]*(?:\n|\Z)")


def answer_span(text: str, start: int) -> str:
    """Return the text an anchor introduces: to the end of its sentence, line, display formula or environment."""
    plain = _PLAIN_SPAN.match(text, start)
    if plain:  # as nearly always
        return plain[1]
    rest = text[start : start + MAX_SPAN].lstrip(" \t:")
    if rest[:1] in "\n\r":
        rest = _QUOTE.sub("", rest.lstrip()).lstrip("*")
    if rest[:1] in "-=→⇒":
        rest = _ARROW.sub("", rest)
    if rest.startswith("```"):
        rest = rest.partition("\n")[2]
    if rest.startswith("<"):
        rest = _HTML.sub("", rest).lstrip()
    above = text[max(0, start - MAX_SPAN) : start]
    if "**" in rest[:200] and above.rpartition("\n")[2].count("**") % 2:
        rest = rest.partition("**")[0]  # **Answer: 5** and more
    opening = rest[:2]
    if opening in ("\\[", "$$"):
        inner, closed, _ = rest[2:].partition("\\]" if opening == "\\[" else "$$")
        return inner.strip() if closed else ""
    if opening == "\\(":
        inner, closed, after = rest[2:].partition("\\)")
        if closed and not after[:1].isalnum():
            rest, above = inner.replace("\n", " ") + after, "factorial"  # a mark in a formula is one
    line = rest.partition("\n")[0]
    if "<" in line:
        line = _HTML.sub("", line).partition("</")[0]
    if "\\begin" in line or line.count("{") > line.count("}"):
        line = _balanced(rest)
    span = _BOLD.sub(r"\1", _first_sentence(line, above))
    if span.count("}") > span.count("{"):
        span = span[: span.rindex("}")]  # the end of a JSON object
    return value_of_span(span)


def value_of_span(span: str) -> str:
    """Return a stated span without the remarks behind its value: "5, as required", "72, in total", "7 (seven)"."""
    span = several_letters(span)
    if " " in span:
        if "," in span or "\u2014" in span or "\u2013" in span:
            span = _CORRECTED.split(span)[-1] or span
        span = _AFTERTHOUGHT.split(span, maxsplit=1)[0] or span
        span = _REMARK.sub("", span)
        span = _IN_TOTAL.sub("", span)
        remark = _REMARK_AFTER_COMMA.search(span)
        if (
            remark
            and _PROSE.search(remark[1])
            and not _CHANGES_VALUE.search(remark[1])
            and _is_value(span[: remark.start()])
        ):
            span = span[: remark.start()]
        place = _PLACE.match(span)
        if place and not _SAYS_MORE.search(span):
            span = span[: place.start(1)]
        counted = _COUNTED.fullmatch(span)
        if counted and not _SAYS_MORE.search(span) and UNITS.isdisjoint(counted[2].lower().split()):
            span = counted[1]
    return _last_side(span.strip().rstrip("# ").strip("*_").rstrip("- \u2013\u2014").strip())


def several_letters(span: str) -> str:
    """Return `A, B` for `(A), (B)`: several options, which must not be read as the first one with its text."""
    return ", ".join(re.findall(r"[A-J]", span)) if _LETTERS.fullmatch(span) else span


_CHAIN = regex(r"[^=<>]{1,80}=\s?(?=[^=]*[0-9])[0-9+*/ ().,\\{}$-]{1,80}=\s?(-?[0-9][0-9,.]*(?:/[0-9]+)?\$?)")


def _last_side(span: str) -> str:
    """Return `293` of `m+n = 256+37 = 293`: where the middle is arithmetic, the last side is the value."""
    chain = _CHAIN.fullmatch(span) if span.count("=") >= 2 else None
    return chain[1].strip("$") if chain else span


def _is_value(text: str) -> bool:
    """Say whether a text is one value rather than a list of words: it holds a digit or a formula and little prose."""
    return (any(char.isdigit() for char in text) or "\\" in text or "$" in text) and len(_PROSE.findall(text)) <= 4


def _balanced(rest: str) -> str:
    """Extend a line over the following ones until its braces and environments close."""
    lines = rest.split("\n")
    for count in range(1, min(len(lines), 40) + 1):
        part = "\n".join(lines[:count])
        if part.count("{") <= part.count("}") and part.count("\\begin") <= part.count("\\end"):
            return part
    return lines[0]


def _first_sentence(line: str, above: str = "") -> str:
    """Return the first sentence of a line; `above` is what stands before it, where factorials may be met."""
    for match in _STOP.finditer(line):
        before = line[: match.start()]
        if match[0][0] == "!" and before[-1:].isdigit() and not _exclaims(line, match.end(), above):
            continue  # a factorial
        if before.count("{") == before.count("}") and before.strip():
            return before
        if match.end() >= len(line):
            return before
    return line


def _exclaims(line: str, end: int, above: str) -> bool:
    """Say whether the mark behind a number ends a sentence: "The answer is 5!" in a reply without factorials."""
    rest = line[end:]
    if rest.strip() and not (rest[0].isspace() and rest.strip()[0].isupper()):
        return False
    return _FORMULA.search(line[:end].replace("\\$", "")) is None and _FACTORIAL.search(above) is None


def value_of_sentence(span: str) -> str:
    """Return the value a stated span is about: the span itself, or what its verb introduces when it is a sentence."""
    if not span[:1].isalpha():
        return span
    span = _FILLER.sub("", span)
    words = _PROSE.findall(_MATHS.sub(" ", span))
    if len(words) < 3 or not (span[:1].isalpha() and span[1:2].isalpha()) or not any(char.isdigit() for char in span):
        return span
    if _HEDGED.search(span) or _COMPARED_BEFORE.match(span[:24] + " "):
        return span
    return _stated_value(span) or span


def closing_value(text: str) -> str | None:
    """Return the value the last sentence of a text states, or None if it states none or several.

    A comparison stays with its value ("at least 5"), and a question or an instruction states nothing.
    """
    text = text.rstrip()
    if not text or text.endswith("```"):
        return None
    text = text.replace("\\$", "")
    for opening, closing in (("\\[", "\\]"), ("$$", "$$")):
        if text.rstrip(".").endswith(closing):
            start = text.rfind(opening, 0, len(text.rstrip(".")) - 2)
            if (
                start >= 0
                and len(text) - start < 1_000
                and not _is_asked(text, start)
                and not _is_task(text[max(0, start - 200) : start], 200)
                and not _is_restated(text, text[start + 2 : len(text.rstrip(".")) - 2].strip(" \n.,"), start)
                and _INTRODUCES.search(text[max(0, start - 40) : start])
            ):
                return text[start + 2 : len(text.rstrip(".")) - 2].strip().rstrip(".,").strip()
    line = text[-1_000:].rpartition("\n")[2].strip().replace("**", "")
    sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s+(?=[A-Z\\$(])", line) if part.strip()]
    letter = _LETTER.fullmatch(sentences[-1]) if sentences else None
    if letter and not _HEDGED.search(sentences[-1]):
        return letter[1].upper()
    if sentences and _is_question(sentences[-1]) and not _OPTION.fullmatch(sentences[-1]):
        return None
    if len(sentences) > 1 and not (any(char.isdigit() for char in sentences[-1]) or "$" in sentences[-1]):
        if _REFUSED.fullmatch(sentences[-1]) or _AT_ODDS.search(sentences[-1]):
            return None
        sentences.pop()  # "This completes the solution."
    sentence = sentences[-1] if sentences else ""
    if len(sentences) == 1 and "\n" in text and _is_asked(text, len(text) - len(line)):
        return None
    option = _OPTION.fullmatch(sentence) or _OPTION_FIRST.fullmatch(sentence)
    if option and not _HEDGED.search(sentence):
        option_text = option.groupdict().get("text")  # only the first of the two patterns has it
        return f"({option[1].upper()}) {option_text[1:].strip(' *')}" if option_text else option[1].upper()
    if _is_question(sentence) or _REFUTED.search(sentence):
        return None
    if not _PROSE.search(_MATHS.sub(" ", sentence)) or _HEDGED.search(_MATHS.sub(" ", sentence)):
        return None
    return _stated_value(sentence)


def _is_question(sentence: str) -> bool:
    """Say whether a sentence asks or instructs, and so states nothing."""
    if sentence.rstrip("\"'”’*_`) ").endswith("?") or _ASKS.match(sentence):
        return True
    return _ASKS_WITHIN.search(sentence) is not None


def _is_task(sentence: str, start: int) -> bool:
    """Say whether what starts at a place of the sentence is to be worked out, rather than what came out."""
    head = sentence[:start]
    task = None
    for match in _TASK.finditer(head):
        task = match
    return task is not None and _VERB.search(head, task.end()) is None


def _is_restated(text: str, formula: str, start: int) -> bool:
    """Say whether a formula stands further up in a question or an instruction: a reply that only repeats its task."""
    first = text.find(formula)
    return 0 <= first < start and len(formula) > 3 and _is_asked(text, first)


def _is_asked(text: str, position: int) -> bool:
    """Say whether the sentence that goes on at a position began, a line or more above, as a question or instruction."""
    head = text[max(0, position - 400) : position]
    ends = list(_SENTENCE_END.finditer(head.rstrip() + " "))
    start = ends[-1].end() if ends else 0
    return start < len(head.rstrip()) and _ASKS.match(head[start:].lstrip()) is not None


def _stated_value(sentence: str) -> str | None:
    formulas = [
        (match.start(), match.end(), str(next(filter(None, match.groups())))) for match in _MATHS.finditer(sentence)
    ]
    plain = _MATHS.sub(lambda match: " " * len(match[0]), sentence)
    values = formulas + [(match.start(), match.end(), match[0].strip()) for match in _QUANTITY.finditer(plain)]
    values.sort()
    if not values:
        words = _WORD_NUMBERS.findall(sentence)
        return str(words[0]) if len(words) == 1 else None
    chosen = values[0] if len(values) == 1 else None
    for value in values:
        before = sentence[max(0, value[0] - 40) : value[0]]
        if _STATES.search(before) or (value is values[-1] and _HOLDS.search(before)):
            chosen = value
    if _is_task(sentence, (chosen or values[-1])[0]):
        return None
    compared = _COMPARED_BEFORE.search(_NAME_EQUALS.sub("", sentence[max(0, values[-1][0] - 60) : values[-1][0]]))
    if chosen is None and compared is None:
        return None
    if chosen is None or compared is not None:
        chosen = values[-1]
    first = next((value for value in values if _STATES.search(sentence[max(0, value[0] - 40) : value[0]])), None)
    if first is not None and first is not values[-1]:
        several = [value for value in values if value[0] >= first[0]]
        shape = sentence[first[0] :]
        for start, end, _ in reversed(several):
            shape = shape[: start - first[0]] + "V" + shape[end - first[0] :]
        if _ENUMERATION.fullmatch(shape):
            return ", ".join(value[2] for value in several)
    return _with_comparison(sentence, chosen)


def _with_comparison(sentence: str, value: tuple[int, int, str]) -> str:
    """Return a value with its unit, and with the words that make it another value: "at least 5", "5 or more"."""
    start, end, text = value
    unit = _UNIT.match(sentence, end)
    if unit:
        text, end = text + unit[0], unit.end()
    head = sentence[max(0, start - 60) : start]
    before = _COMPARED_BEFORE.search(_NAME_EQUALS.sub("", head)) or _SIGN_BEFORE.search(head)
    after = _COMPARED_AFTER.match(sentence, end)
    if after:
        text += sentence[end : after.start(1) if after[1] else after.end()]
    if before:
        return f"{before[1]} {text}"
    return f"{after[1]} {text}" if after and after[1] else text  # "at least 5 dollars", never 5 with words behind


_FENCE = regex(
    r"\s*```(?:text|txt|plaintext|plain|latex|tex|math|markdown|md|output|answer)?[ \t]*\n([^\n`]{1,200})\n```\s*"
)
_LEAD = regex(
    r"(?:(?:[=-]+>|⇒|→|⟹|➜|➡|∴|\\(?:therefore|Rightarrow|implies|rightarrow|to)(?![A-Za-z])"
    r"|[✅✔☑🎯👉★☆●•🔥💡🏁]️?)\s*)+"
)
_LABEL = regex(
    r"[*_]{0,3}(?:(?:the|my|our|so|thus|hence|therefore|and),?\s)?(?:final |correct |total |overall |end "
    r"|numerical )?(?:answer|solution|result|output|total|conclusion|value|sum|soln|sol|ans"
    r"|ANSWER|SOLUTION|RESULT)\b[*_]{0,3}\s{0,3}(?:[:：=]\s{0,3}[*_]{0,3}|[-–—]\s+(?=[$\\0-9])|(?=[$\\0-9-]))\s{0,3}",
    re.IGNORECASE,
)
_EQUATION = regex(r"\$?\\?\(?\s?[A-Za-z](?:_\{?\w{1,3}\}?)?\s?=\s?[^=<>\n]{1,80}$")
_BOLD_LINE = regex(r"(\*\*|__)(?P<inner>[^*_\n]{1,200})\1[.!]?")


def bare_answer(text: str) -> str | None:
    """Return the text itself if it is nothing but an answer: one short line or formula without prose."""
    text = text.strip()
    fence = _FENCE.fullmatch(text) if text.startswith("```") else None
    if fence:
        text = fence[1].strip()
    if not text or len(text) > 300 or "```" in text or (not text.isascii() and is_foreign_prose(text)):
        return None
    lead = _LEAD.match(text)
    if lead:
        text = text[lead.end() :].strip()
    if not text:
        return None
    text = str(re.sub(r"^Answer\s+(?:[-–—]\s+)?(?=[$\\0-9-])", "", text))
    label = _LABEL.match(text)
    if label and label.end() < len(text) and "\n" not in text:
        return value_of_sentence(value_of_span(_first_sentence(_BOLD.sub(r"\1", text[label.end() :]))))
    if _CONCLUDES.match(text) or (_ASKS.match(text) and " " in text) or text.endswith("?"):
        return None
    rest = _PROSE.sub(" ", re.sub(r"\\[A-Za-z]+", " ", text))
    words = _PROSE.findall(re.sub(r"\\(?:text|mbox)\s?\{[^{}]*\}|\\[A-Za-z]+|\{[a-z]*matrix\}", " ", text))
    has_digits = any(char.isdigit() for char in rest)
    allowed = 3 if text[0].isdigit() or text[0] in "$-+\\([{." else 1
    if len(words) > (allowed if has_digits and "\n" not in text else 0) or text.count("\n") > 8:
        return None
    return text


def is_marked(text: str) -> bool:
    """Say whether an arrow, a tick, a label such as "Result:" or a code fence announces what a text is."""
    label = _LABEL.match(text)
    return text.startswith("```") or _LEAD.match(text) is not None or bool(label and label.end() < len(text))


def last_line_value(text: str) -> str | None:
    """Return what the last line says when it is set apart as the answer: in bold, behind an arrow or a label, `x = 5`.

    The last line of several; a line of its own that is nothing but prose or a plain number among others is not marked.
    """
    head, newline, line = text.rstrip().rpartition("\n")
    line = line.strip()
    if not newline or not line or len(line) > 300:
        return None
    bold = _BOLD_LINE.fullmatch(line)
    if bold:
        line = bold["inner"].strip()
    lead = _LEAD.match(line)
    if lead:
        line = line[lead.end() :].strip()
    label = _LABEL.match(line)
    if label and label.end() < len(line):
        return value_of_sentence(value_of_span(_first_sentence(_BOLD.sub(r"\1", line[label.end() :]))))
    if _EQUATION.fullmatch(line) and not (bold or lead):
        above = head.rstrip().rpartition("\n")[2].strip()
        if _EQUATION.fullmatch(above) and above.lstrip("$\\( ")[:1] != line.lstrip("$\\( ")[:1]:
            return None  # `x = 1` above `y = 2`: both lines are the answer
    introduced = _INTRODUCES.search(head[-40:].rstrip() + " ") is not None
    if introduced and not (bold or lead) and _is_asked(text, len(text.rstrip()) - len(line)):
        return None
    if (
        not (bold or lead or introduced or _EQUATION.fullmatch(line))
        or line.endswith((":", "?"))
        or line.startswith("|")
    ):
        return None
    if introduced and _is_task(head[-200:], 200):
        return None
    if introduced and _is_restated(text, line.strip("$\\[]() ."), len(text.rstrip()) - len(line)):
        return None
    return bare_answer(line)


def last_number(text: str) -> str | None:
    """Return the last number written in a text."""
    tail = text[-MAX_SPAN:]
    numbers = _LAST_NUMBER.findall(tail) or _LAST_NUMBER.findall(text[-20_000:])
    return str(numbers[-1]).rstrip(",") if numbers else None
