"""Check and repair questions before requests are paid: not a question, a picture needed, spaces missing, markup."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from mathstrap.patterns import regex

_REFUSAL = regex(
    r"\A\W*(?:i['’]?m (?:really |very |so )?sorry\b|i am (?:really |very )?sorry\b|sorry,? (?:but )?i\b|"
    r"(?:unfortunately,? )?i (?:can(?:no|['’])t|cannot|am unable to|am not able to|won['’]t|will not)\b"
    r"(?=[^?]{0,80}\b(?:rephrase|help|assist|provide|answer|fulfil|complete|comply|do that|generate|rewrite|"
    r"create|solve)\b)|"
    r"as an? (?:ai|artificial intelligence|(?:large )?language model)\b|i apologi[sz]e\b|"
    r"i don['’]t (?:understand|have enough)\b|"
    r"(?:error|exception|traceback|internal server error|rate limit)\b[^?]{0,200}\Z|"
    r"(?:很)?抱歉|对不起[，,]我)",
    re.IGNORECASE,
)
# The texts of a question column that mean "no question".
_NOTHING = regex(
    r"[\W_]*(?:none|n/?a|null|nan|nil|tbd|todo|deleted|removed|redacted|placeholder|empty|blank|missing|undefined|test|"
    r"question|problem|prompt|无)?[\W_]*",
    re.IGNORECASE,
)
_ENTITY = regex(
    r"&(?:nbsp|lt|gt|le|ge|amp|quot|apos|times|divide|deg|minus|[np]dash|[lr][sd]quo|frac\d\d|#\d{1,6}|#x[0-9a-f]{1,5});"
)
# HTML tags, with attributes in HTML's form: `a<b and b>c` is not a tag.
_TAG = regex(
    r"</?(?:p|br|div|span|strong|em|b|i|u|ul|ol|li|font|h[1-6]|center|small)(?:\s+[a-z-]+=(?:\"[^\"<>]*\"|'[^'<>]*'))*\s*/?>",
    re.IGNORECASE,
)
_PICTURE = regex(
    r"!\[[^\]]*+\]\([^)\s][^)]*+\)|<img\b|\\includegraphics\b|\[(?:image|figure|img|图)\d*\]|<image>|<image_\d+>|"
    r"https?://\S+\.(?:png|jpe?g|gif|svg|webp)\b",
    re.IGNORECASE,
)
_POINTS_AT_PICTURE = regex(
    r"\b(?:in|from) the (?:(?:following|accompanying|adjacent|adjoining|attached|given) )?(?:figure|diagram)s?,|"
    r"\b(?:in|from|on|see|of|to) the (?:(?:following|accompanying|adjacent|adjoining|attached|given) )?"
    r"(?:figure|diagram|picture|image|drawing|illustration)s?(?: (?:below|above|at (?:the )?(?:right|left)|"
    r"to the (?:right|left)|shown|provided|given)\b)|"
    r"\bas (?:shown|seen|depicted|illustrated|pictured) (?:in the (?:\w+ )?(?:figure|diagram|picture|graph|image|"
    r"drawing)|below\b|above in)|"
    r"\b(?:figure|diagram|picture|image|drawing) (?:below|above|to the (?:right|left)|on the (?:right|left))\b|"
    r"\b(?:the|this) (?:figure|diagram|picture|image|drawing) (?:shows|shown|depicts|illustrates)\b|"
    r"如(?:下|右|左|上)?图(?:所示|\d|，|,|中)|(?:下|右|左|上)图(?:是|中|所示|为)|图中的?|看图",
    re.IGNORECASE,
)
_DRAWING_CODE = regex(
    r"\[asy\]|\\begin\{(?:asy|tikzpicture|picture|tabular|array|figure)\}|<asy>|\bsize\(\d|\|\s*-{2,}|\bdraw\(",
    re.IGNORECASE,
)
_PICTURE_COLUMNS = (
    "image",
    "images",
    "picture",
    "pictures",
    "figure",
    "figures",
    "img",
    "image_path",
    "decoded_image",
    "image_1",
)
_PICTURE_WORDS = (
    "![", "<im", "\\includegraphics", "[im", "[fig", "[图", "http", "figure", "diagram", "picture", "image", "drawing",
    "illustrat", "shown", "seen", "depicted", "图",
)  # fmt: skip
_GLUED = regex(
    r"(?<=[a-z]{2}[.?!])(?=[A-Z][a-z]*\b)|(?<=\d{2}[.?!])(?=(?:How|What|If|Find|Each|The|She|He|They|When)\b)"
)
_TOUCHING = regex(r"[.?!][A-Z]")  # where a question has none of these, nothing is glued, and this is found much faster
# A capital "How many" in the middle of a sentence begins the next one: SVAMP's bodies often lack their full stop.
_RUN_ON = regex(
    r"(?<=[a-z0-9%])(?=[ ]+(?:How (?:many|much|long|far|old|big|tall|fast|often)|What (?:is|was|are|were|will|"
    r"would)) )"
)
_ENDS = regex(r"[.?!:;,。？！：；，…][\"'”’)\]」]*\Z|\$\$\Z|\\\]\Z")


def join_context(body: str, question: str) -> str:
    """Return a body and its question as one text: a full stop where the body has no end, and a space."""
    body, question = body.strip(), question.strip()
    if not body or question.startswith(body):
        return question
    is_spaceless = re.search(r"[\u3040-\u30ff\u4e00-\u9fff]\Z", body) is not None
    if not _ENDS.search(body):
        body += "。" if is_spaceless else "."
    return body + ("" if is_spaceless or body[-1] in "。？！" else " ") + question


def without_markup(question: str) -> str:
    """Return a question without HTML tags and entities; superscripts and subscripts become `^2` and `_1`."""
    if "&" in question and ";" in question:
        question = _ENTITY.sub(lambda entity: html.unescape(entity[0]), question).replace("\u00a0", " ")
    if "</" in question or re.search(r"<(?:br|p)\b", question, re.IGNORECASE):
        question = re.sub(r"<sup>\s*([^<>]{1,20})\s*</sup>", r"^\1", question, flags=re.IGNORECASE)
        question = re.sub(r"<sub>\s*([^<>]{1,20})\s*</sub>", r"_\1", question, flags=re.IGNORECASE)
        question = re.sub(r"<br\s*/?>|</(?:p|div|li|h[1-6])>", "\n", question, flags=re.IGNORECASE)
        question = re.sub(r"\n{3,}", "\n\n", _TAG.sub("", question)).strip()
    return question


def mend_gaps(question: str) -> str:
    """Return a question with missing spaces and full stops between its sentences restored."""
    if "\\" in question or ("$" in question and "$" in question.replace("$", "", 1)):
        return question  # a formula may look like two glued sentences
    spaced = _GLUED.sub(" ", question) if _TOUCHING.search(question) else question
    return _RUN_ON.sub(".", spaced) if " How " in spaced or " What " in spaced else spaced


def question_fault(question: str, row: Mapping[str, Any]) -> str:
    """Return why a text model cannot be asked a question, or an empty text."""
    if not question.strip():
        return "the question is empty"
    if _REFUSAL.search(question):
        return f'the question is a refusal or an error message: "{" ".join(question.split())[:60]}"'
    if picture := needs_picture(question, row):
        return picture
    if not re.search(r"\w", question):
        return "the question has no word and no number"
    if len(question) < 40 and _NOTHING.fullmatch(question):
        return f'the question is "{question.strip()}", which asks nothing'
    return ""


def needs_picture(question: str, row: Mapping[str, Any]) -> str:
    """Return why a question needs a picture, or an empty text; a drawing in code is text."""
    if not any(map(question.lower().__contains__, _PICTURE_WORDS)) and not any(
        row.get(name) for name in _PICTURE_COLUMNS
    ):
        return ""
    shown = _PICTURE.search(question)
    if shown and not _DRAWING_CODE.search(question):
        return f'the question needs a picture ("{shown[0][:40]}")'
    for name in _PICTURE_COLUMNS:
        value = row.get(name)
        if (
            value
            and not isinstance(value, bool)
            and not (isinstance(value, str) and value.strip().lower() in ("none", "null"))
        ):
            return f'the question needs a picture (column "{name}")'
    points = _POINTS_AT_PICTURE.search(question)
    if points and not _DRAWING_CODE.search(question):
        return f'the question needs a picture that is not there ("{points[0].strip()[:40]}")'
    return ""
