"""Extract a question from the prompt around it: instructions before and after it, labels, chat templates.

A prompt that all rows of a set share makes unrelated questions look alike, and its words would be masked, compared and
rephrased. Notes that change the answer's form ("as a common fraction") belong to the question and stay.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mathstrap.patterns import regex

# Tokens of chat templates and the labels of plain prompts, before and after the question.
_OPENING = regex(
    r"\s*(?:<\|im_start\|>\s*system\b.*?<\|im_end\|>\s*|<\|im_start\|>\s*user\s*|<\|start_header_id\|>\s*system\s*"
    r"<\|end_header_id\|>.*?<\|eot_id\|>\s*|<\|start_header_id\|>\s*user\s*<\|end_header_id\|>\s*|"
    r"<\|begin_of_text\|>|"
    r"<[｜|]begin▁of▁sentence[｜|]>|<[｜|]User[｜|]>|<\|user\|>|<bos>|<start_of_turn>user\s*|<s>|"
    r"\[INST\]|<<SYS>>.*?<</SYS>>|"
    r"#+ *(?:Instruction|Question|Problem|Input|Task)s?:?[ \t]*\n|#+ *(?:Instruction|Question|Problem|Input|Task)s?:|"
    r"\**(?:(?:Math(?:ematics)? |Word )?(?:Question|Problem|Exercise|Task|User|Human|Input|Instruction)|Q)\**:\**"
    r"(?=\s)|(?:问题|题目|问)[:：])\s*",
    re.IGNORECASE | re.DOTALL,
)
_CLOSING = regex(
    r"\s*(?:<\|im_end\|>(?:\s*<\|im_start\|>\s*assistant)?|<\|eot_id\|>(?:<\|start_header_id\|>assistant"
    r"<\|end_header_id\|>)?|<[｜|]Assistant[｜|]>|<\|assistant\|>|<end_of_turn>(?:\s*<start_of_turn>model)?|\[/INST\]|"
    r"#+ *(?:Response|Answer|Solution)s?:?|"
    r"\n\s*\**(?:(?:Final |Your )?(?:Answer|Solution|Response)|Assistant|A|Output)\**:\**|\n\s*(?:答案|解答|答)[:：]|"
    r"<think>|</s>)\s*\Z",
    re.IGNORECASE,
)
# A sentence on how to work or where to write the answer, which fits any question.
_INSTRUCTS = regex(
    r"\bstep[- ]by[- ]step\b|\bchain of thought\b|\\boxed\s*\{\s*\}|\banswer\b[^.]*\\?boxed\b|"
    r"\\?boxed\b[^.]*\banswer\b|(?<!\w)####(?!\w)|"
    r"\b(?:last|final) line of (?:your|the)\b|\bon (?:its own|a new|a separate|the last) line\b|"
    r"\bwithout (?:the )?quotes\b|\bof the form\W+Answer:|"
    r"\b(?:solve|answer|consider|here is|given) (?:the following|this|the given|the|a) (?:\w+[ -]){0,3}"
    r"(?:problem|question|task|exercise)s?(?: (?:below|carefully|efficiently and clearly|efficiently|"
    r"correctly))*\s*[.:]?\s*\Z|"
    r"\b(?:put|give|write|output|provide|present|place|enclose|return|state|end with|box)\b[^.]{0,40}"
    r"\b(?:your|the) (?:final )?(?:answer|result)\b[^.]{0,40}\b(?:within|inside|after|at the end|"
    r"in the format|tags?|<answer>)|"
    r"\b(?:you are|act as|as) (?:a|an|the)\b[^.]{0,60}\b(?:assistant|expert|tutor|teacher|mathematician|"
    r"solver|model)\b|"
    r"\bbelow is an instruction\b|\bwrite a response that\b|\b(?:show|explain) (?:all )?(?:of )?your (?:work|"
    r"reasoning)\b|"
    r"\b(?:think|reason) (?:carefully|deeply|step|about it|through|before)\b|<think>|</?answer>|"
    r"\bA conversation between User and Assistant\b|"
    r"\b(?:the|your) (?:final )?answer (?:should|must) be (?:put |placed |written |given )?(?:in|within|"
    r"inside|after)\b|"
    r"(?:一步一步|逐步)(?:地)?(?:思考|推理|解答)|最终答案.{0,12}(?:放|写|填)|请(?:你)?(?:逐步|一步步)",
    re.IGNORECASE,
)
# One of these is in every text that `_INSTRUCTS` finds something in, if its letters are ASCII.
_INSTRUCTING = (
    "step", "thought", "boxed", "####", "line", "quotes", "answer", "problem", "question", "task", "exercise", "result",
    "assistant", "expert", "tutor", "teacher", "mathematician", "solver", "model", "instruction", "response", "work",
    "reason", "think",
)  # fmt: skip
_CHANGES_ANSWER = regex(
    r"\b(?:fraction|decimal|simplest|simplified|radical|nearest|terms of|ordered|interval|degrees|radians|"
    r"percent(?:age)?|"
    r"integer|mixed number|notation|expression|separated|polynomial|units?|factored|modulo|remainder|prime|"
    r"\w+/\w+)\b",
    re.IGNORECASE,
)
_SENTENCE = regex(r"\s*(?:[^\n.!:?]|[.!:](?!\s|\Z)|:(?=[ \t]*\S))*(?:[.!:]+[\"'”’)]*(?=\s|\Z)|\n|\Z)")
_LAST = regex(r"(?:[.!?:。？][\"'”’)$]*\s+|[。？]|\n)(?=\S)")
# A cheap test: without any of these words near an end of the text, there is no wrapper.
_HINTS = (
    "step", "answer", "boxed", "instruct", "respon", "question", "problem", "<|", "[inst", "<s>", "<think", "####",
    "assistant", "reason", "q:", "**", "<bos>", "<start_of", "<｜", "task", "user", "human", "exercise", "think",
    "explain", "show", "逐步", "一步", "问", "题", "答", "请",
)  # fmt: skip
_ASKING = re.compile("[0-9?？]")
# A label does not end in the first, nor an instruction in the second.
_NO_LABEL, _NO_INSTRUCTION = frozenset("0123456789?？.。!$)}"), frozenset("0123456789?？")
_END_CHARS = 600  # the length of a text's ends in which a wrapper's last sentence is searched
# Longer texts are not cached: few recur, and they would fill the cache's memory.
MAX_REMEMBERED = 4_000


def bare_question(text: str) -> str:
    """Return the question of a prompt without its wrapper; the text itself where it has no wrapper or no question."""
    return _bare_question(text) if len(text) <= MAX_REMEMBERED else _bare_question.__wrapped__(text)


# The reader needs the result, and decontamination needs it again a chunk of questions later.
@lru_cache(maxsize=8_192)
def _bare_question(text: str) -> str:
    ends = text if len(text) < 2 * _END_CHARS else text[:_END_CHARS] + text[-_END_CHARS:]
    ends = ends.lower()
    if not any(map(ends.__contains__, _HINTS)):
        return text
    bare = _without_end(_without_beginning(text))
    return bare if len(bare) >= 8 and re.search(r"\w", bare) else text


def wrapper_of(text: str, bare: str) -> str:
    """Return the wrapper that `bare_question` removed, with `[[question]]` in its place; empty without a wrapper."""
    return text.replace(bare, "[[question]]", 1) if bare.strip() != text.strip() else ""


def _without_beginning(text: str) -> str:
    for _ in range(8):
        opening = _OPENING.match(text)
        if opening and opening.end() < len(text):
            text = text[opening.end() :]
            continue
        first = _SENTENCE.match(text)
        if not first or first.end() >= len(text) or not _is_instruction(first[0]):
            break
        text = text[first.end() :]
    return text.strip()


def _without_end(text: str) -> str:
    for _ in range(8):
        # Neither a label nor an instruction ends as most questions do, and both searches take long.
        last = text.rstrip()[-1:]
        closing = None if last in _NO_LABEL else _CLOSING.search(text[-120:])
        if closing and len(closing[0]) < len(text):
            text = text[: len(text) - len(closing[0])].rstrip()
            continue
        if last in _NO_INSTRUCTION:
            break
        tail = text[-_END_CHARS:]
        begin = next((sentence_end.end() for sentence_end in reversed(list(_LAST.finditer(tail)))), None)
        if begin is None or not _is_instruction(tail[begin:]):
            break
        text = text[: len(text) - len(tail) + begin].rstrip()
    return text.strip()


def _is_instruction(sentence: str) -> bool:
    return (
        len(sentence) < _END_CHARS
        and not _ASKING.search(sentence.replace("####", ""))
        and (not sentence.isascii() or any(map(sentence.lower().__contains__, _INSTRUCTING)))
        and _INSTRUCTS.search(sentence) is not None
        and not _CHANGES_ANSWER.search(sentence)
    )
