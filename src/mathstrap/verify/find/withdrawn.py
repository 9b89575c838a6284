"""Say whether a reply takes back the answer it stated. Knows no answers, only the words that follow one."""

from __future__ import annotations

import re

from mathstrap.patterns import regex

MAX_CHARS = 3_000  # behind the answer; a reply that goes on for longer says what it means early
NEAR = 60  # "but this is impossible" further on is about a case of the proof, not about the answer

_THE_ANSWER = (
    r"(?:(?:my|the|our|this|that)\s+(?:(?:final|previous|above|boxed|initial|earlier|last|first|stated|whole)\s+)?"
    r"(?:answer|result|solution|calculation|computation|value|conclusion|reasoning|work|working|number|total"
    r"|approach)"
    r"(?:\s+(?:above|given|of\s+\S{1,12}|I\s+gave))?|the above)"
)
_THAT = rf"(?:that|this|it|{_THE_ANSWER})"
_NOT_RIGHT = (
    r"(?:wrong|incorrect|mistaken|erroneous|false|nonsense|(?:a|an|my)\s+(?:\w+\s+)?(?:mistake|error|miscalculation)"
    r"|not\s+(?:quite\s+|actually\s+|really\s+)?(?:right|correct|the\s+(?:(?:right|correct|final|actual)\s+)?"
    r"(?:answer|result|value)))"
)
_DOUBTFUL = (
    r"(?:impossible|invalid|inconsistent|absurd|unreasonable|not\s+(?:possible|valid|consistent|allowed|an\s+integer"
    r"|reasonable)|too\s+(?:large|small|high|low|big))"
)
_BEING = (
    r"(?:['’]s|\s+(?:is|was|are|were|looks|seems|appears|must\s+be|has\s+to\s+be))(?:\s+to\s+be)?"
    r"(?:\s+(?:actually|clearly|obviously|definitely|completely|totally|also|simply|just|probably|likely|all"
    r"|of\s+course))*"
)
# Tried at the starts of words with one of these letters alone, not at every place of a long text.
_WITHDRAWS = regex(
    r"\b(?=[acdefijklmnostvw])(?:"
    rf"{_THAT}{_BEING}\s+{_NOT_RIGHT}\b(?!\s+(?:to|that|if|for|when)\b)"
    rf"|{_THAT}\s+(?:isn|wasn)['’]t\s+(?:quite\s+)?(?:right|correct)\b"
    rf"|{_THAT}\s+(?:does(?:\s+not|n['’]t)|can(?:not|['’]t))\s+(?:really\s+|quite\s+)?(?:seem|look|sound|feel)"
    r"(?:\s+to\s+be)?\s+(?:quite\s+)?(?:right|correct)\b"
    rf"|{_THAT}\s+can(?:not|['’]t)\s+be\s+(?:right|correct|true)\b"
    r"|(?:I|we)\s+(?:(?:have|must\s+have|seem\s+to\s+have|may\s+have|think\s+I)\s+)?(?:made|make|found|see"
    r"|notice[d]?|spot(?:ted)?)"
    r"\s+(?:a|an|my|the|some)\s+(?:\w+\s+)?(?:mistake|error|miscalculation|slip)\b"
    r"|correction\b\s{0,2}[:,–—-]|no,?\s+(?:wait|sorry)\b,?|I\s+meant\b|make\s+that\b"
    r"|there(?:['’]s|\s+is|\s+was|\s+must\s+be)\s+an?\s+(?:\w+\s+)?(?:mistake|error)\s+in\s+(?:my|the\s+above|this|that)\b"
    r"|something\s+(?:is|was|went|must\s+be|seems|looks)\s+(?:wrong|off|amiss)\b"
    r"|(?:I|we)\s+(?:got|did|had)\s+(?:it|this|that)\s+(?:all\s+)?wrong\b|(?:just\s+)?kidding\b|nope\b"
    r"|check\w*:?[^.!?\n]{0,80}\b(?:this|that|it)\s+fails\b"
    r"|(?:check|verif|substitut)\w*:?[^.!?\n]{0,80},\s+which\s+is\s+(?:false|not\s+true|wrong|a\s+contradiction|impossible)\b"
    r"|(?:scratch|strike)\s+that\b|I\s+take\s+(?:that|it|this)\s+back\b"
    r"|(?:I\s+(?:was|am)|I['’]m)\s+(?:wrong|mistaken)\b|I\s+(?:retract|withdraw|revise|need\s+to\s+revise)\b"
    r"|(?:I|we)\s+(?:have\s+|must\s+have\s+|may\s+have\s+)?(?:miscounted|misread|miscalculated|misinterpreted"
    r"|misunderstood|misapplied|overlooked|mistyped|messed\s+up|forgot(?!\s+to\s+(?:mention|say|add\s+that)))\b"
    r"(?![^.!?\n]{0,80}\b(?:at\s+first|initially|earlier|before)\b)"
    r"|on\s+(?:second|further|closer)\s+(?:thoughts?|reflection|inspection|examination)\b,?"
    r"|(?:sorry|apologi[sz]e|apologies)\s+for\s+(?:the|my|this|that|any)\s+(?:\w+\s+)?(?:confusion|mistakes?|errors?"
    r"|oversight|misunderstanding|miscalculation|slip|mix-?up)\b"
    r"|[Mm]y\s+(?:mistake|bad)\b"
    r"|(?:disregard|ignore|forget)\s+(?:that|this|the\s+above|my|the\s+(?:previous|last|boxed))\b"
    r"|(?:[Ll]et\s+me|[Ll]et['’]s|I(?:\s+need|['’]ll|\s+will|\s+have)?(?:\s+to)?)\s+(?:redo|re-?do|recompute"
    r"|recalculate|start\s+over|try\s+again"
    r"|fix\s+(?:this|that|it)|correct\s+(?:this|that|it|my))\b"
    r"|(?:eso|esto)\s+es\s+(?:incorrecto|un\s+error)\b"
    r"|(?:me\s+equivoqué|das\s+(?:ist\s+(?:falsch|nicht\s+richtig)|stimmt\s+nicht)|c['’]est\s+(?:faux|incorrect)"
    r"|je\s+me\s+suis\s+trompée?)\b"
    r")",
    re.IGNORECASE,
)
_WITHDRAWS_ELSEWHERE = regex(
    r"(?:不对|不正确|是错的|错了|有误|搞错|算错)|(?:まちがい|間違い|間違え|誤り)(?:です|だ|まし)|(?:틀렸|잘못\s?계산)"
    r"|\b(?:неверно|ошибся|ошиблась|не\s?правильно)\b",
    re.IGNORECASE,
)
# Another value behind one: "No, it is 7", "the correct result is 8". Without one before, that is the statement.
_CORRECTS = regex(
    r"\b(?=[amoti])(?:(?:the|my|our|a)\s+(?:correct(?:ed)?|right|actual|true|revised|updated|real)\s+(?:result"
    r"|value|solution"
    r"|number|total|count|sum|amount|choice|option)\s+(?:is|should\s+be|would\s+be|must\s+be|was)\b(?!\s+(?:clear|obvious|unique|correct|as\s))"
    r"|(?:(?:the|my|our)\s+(?:\w+\s+)?(?:answer|result|value|solution|total|number|count)|it|that|this)"
    r"\s+should(?:\s+actually|\s+really)?\s+(?:be|have\s+been)\s+(?=[$\\(*]{0,3}-?[0-9]))"
    r"|(?:^[ \t.*$)\]}]{0,6}|[.!?\n–—]\s*)"
    r"(?:wait|no|actually|oh|oops|hmm+|rather|instead|kidding|never\s?mind|edit|update)[,.:!]?\s+(?:(?:no|wait|so|then)[,.:!]?\s+)?"
    r"(?:it|that|this)(?:['’]s|\s+(?:is|should\s+be|would\s+be|must\s+be|has\s+to\s+be))\s+(?:actually\s+)?"
    r"(?=[$\\(*]{0,3}-?[0-9])",
    re.IGNORECASE,
)
# Right behind the value: "6 (wrong)", "6, which is wrong".
_AT_ONCE = regex(
    r"[ \t,;:(–—*$.})\]]{0,6}(?:(?:(?:which|that|this|it|(?:but|and)\s+(?:that|this|it))\s+)?(?:is|was"
    r"|(?:turn(?:s|ed)\s+out|proved|proves)\s+to\s+be)\s+)?(?:\w+ly\s+)?"
    r"(?:wrong|incorrect|mistaken|false|untrue|not\s+(?:right|correct))\b(?!\s+(?:to|that|if|for|when)\b)",
    re.IGNORECASE,
)
# Weaker words withdraw only where the sentence turns against what was said, and not where it drops another root.
_TURNS = regex(
    rf"(?:^[ \t.*$)\]}}]{{0,6}}|[.!?\n]\s*+)"
    rf"(?:but|however|wait|hmm+|actually|oh|oops|no|unfortunately|yet)\b[^.!?\n]{{0,160}}?"
    rf"(?:\b{_THAT}{_BEING}\s+{_DOUBTFUL}|\b{_THAT}\s+does(?:\s+not|n['’]t)\s+(?:match|work|satisfy|fit"
    rf"|make\s+sense|add\s+up|agree|hold)"
    rf"|\b{_THAT}\s+(?:violates|contradicts|fails|exceeds)\b|\b{_THAT}\s+would\s+(?:violate|contradict))",
    re.IGNORECASE,
)
# "So 6 is wrong", "but 6 is too large", "x = 6 does not work": said of the very value.
_CALLED_WRONG = (
    rf"[$)\]*}}]{{0,3}}(?:{_BEING}\s+(?:{_NOT_RIGHT}\b(?!\s+(?:to|that|if|for|when)\b)"
    r"|(?:impossible|invalid|extraneous|excluded|rejected|inadmissible|too\s+(?:large|small|high|low|big|many|few)"
    r"|not\s+(?:possible|valid|allowed|permitted|admissible|acceptable|in\s+the\s+domain"
    r"|an?\s+(?:valid\s+|real\s+)?(?:solution|root|answer)))\b)"
    r"|\s+(?:does(?:\s+not|n['’]t)\s+(?:work|satisfy|fit)|fails|violates|contradicts)\b)"
)
# "We reject x = 6", "discard 6": the words before the value.
_DROPPED = r"\b(?:reject|discard|exclude|rule\s+out|throw\s+out|eliminate)(?:s|ed)?\s+(?:[A-Za-z]\s?=\s?)?[$(*]{0,2}"
# A sentence of its own right behind the statement that finds it at odds with the question.
_FAILS = regex(
    rf"[ \t.*$)\]}}]{{0,6}}\s{{0,4}}(?:(?:verif\w+|check\w*)[:,]?\s+)?{_THAT}\s+(?:(?:does(?:\s+not|n['’]t)"
    r"\s+(?:satisfy|work|make\s+sense|hold|add\s+up)|contradicts|violates)\b|makes\s+no\s+sense\b)",
    re.IGNORECASE,
)
# "Tell me if I made a mistake" takes nothing back.
_SUPPOSED = regex(r"\b(?:if|whether|unless|in case)\s+(?:\w+\s+)?$", re.IGNORECASE)
# A sentence of its own right behind the statement, and not the reply to a question.
_REFUSES = regex(
    r"[ \t.!*$)\]}]{0,6}\s{0,4}(?:no|nope|wrong|false|incorrect|not\s+(?:really|quite))[.!](?:\s|$)", re.IGNORECASE
)
# "Rather, 7." and "Instead: 7": another value and nothing else.
_REPLACES = regex(
    r"(?:^[ \t.*$)\]}]{0,6}|[.!\n–—]\s*)"
    r"(?:rather|instead|actually|correction|no|wait|oops|sorry)[,:]\s+(?:(?:no|wait)[,:]\s+)?"
    r"(?=[$\\(*]{0,3}-?[0-9][0-9.,]*[$)*]{0,3}[.!]?\s*(?:\n|$))",
    re.IGNORECASE,
)
_OTHER_ROOT = regex(r"\b(?:other|negative|extraneous|reject|discard|second|also)\b", re.IGNORECASE)
_TRAILS_OFF = regex(
    r"(?:^|[.!?\n…]\s*)\W{0,3}(?:(?:but|hmm+|oh|no)\W{1,3})?(?:wait|hold on|hmm+|actually)\W{0,6}$", re.IGNORECASE
)
_KEEPS = regex(
    r"\b(?:is|was|are)\s+(?:indeed|actually|in\s+fact|still|therefore|thus|definitely)?\s*(?:correct|right)\b"
    r"|\bconfirm(?:s|ed)\b|\b(?:answer|result)\s+(?:stands|remains|holds|is\s+still)\b",
    re.IGNORECASE,
)


_HAS_WORD = regex(r"[^\W\d_]{2}")


def withdrawn_at(text: str, start: int, answer: str = "") -> int | None:
    """Return where, behind `start`, the words end that withdraw an answer stated before it; None if it stands.

    Without `answer` nothing was stated, and only words that take something back count.
    """
    if len(text) - start < 4:
        return None
    rest = text[start : start + MAX_CHARS]
    if _HAS_WORD.search(rest) is None:  # nothing but a full stop, as nearly always
        return None
    at_once = _AT_ONCE.match(rest) or _REFUSES.match(rest) or _FAILS.match(rest)
    last: int | None = at_once.end() if at_once else None
    for match in _WITHDRAWS.finditer(rest):
        if _SUPPOSED.search(rest, max(0, match.start() - 24), match.start()) is None:
            last = match.end()
    if not rest.isascii():
        for match in _WITHDRAWS_ELSEWHERE.finditer(rest):
            last = max(last or 0, match.end())
    for match in _TURNS.finditer(rest, 0, NEAR + 400):
        if match.start() <= NEAR and not _OTHER_ROOT.search(match[0]):
            last = max(last or 0, match.end())
    if answer:
        for pattern in (_CORRECTS, _REPLACES):
            for match in pattern.finditer(rest):
                last = max(last or 0, match.end())
    if 0 < len(answer) <= 40 and answer.rpartition("=")[2].strip("$ ") in rest:
        value = re.escape(answer.rpartition("=")[2].strip("$ ") or answer)
        for match in re.finditer(rf"(?<![\w./−-]){value}{_CALLED_WRONG}|{_DROPPED}{value}(?![\w.]*\w)", rest):
            last = max(last or 0, match.end())
    if last is None:
        match_end = _TRAILS_OFF.search(rest[-80:])
        return len(text) if match_end else None
    if any(match.start() >= last for match in _KEEPS.finditer(rest)):
        return None
    return start + last
