"""Split a reply into the thought and the text that follows it. Knows the marks of model families, but no server.

A reasoning model thinks before it writes. Some servers send the thought in a field of its own; others leave it in the
reply, between marks: `<think>...</think>` and its variants, `[THINK]...[/THINK]`, the channels of gpt-oss and Gemma,
two headings in prose. Everything that reads a reply (rewriting, answers, grading, training) reads only the text.

The rules for untidy replies: - a closing mark alone ends a thought that the chat template opened: everything before it
is thought - an opening mark without its closing one, at the start of the reply or of a line, begins an unfinished
thought - marks that are quoted, in code or inside LaTeX are text, and so is a lone opening mark in the middle of a line
- marks inside a thought nest; if they do not pair up, the last closing mark ends the thought In doubt a passage counts
as thought: a thought taken for a solution spoils the data, a solution taken for a thought only loses one reply.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from mathstrap.patterns import regex
from mathstrap.types import Completion

_NAME = (
    r"(?:[a-z][a-z0-9]*[:_-])?(?:think(?:ing)?|thoughts?(?:_process)?|reason(?:ing)?(?:_content|_process)?|reflection"
    r"|scratchpad|analysis|cot(?:_budget_reflect)?|chain_of_thought|inner_(?:monologue|thoughts?))"
)
_MARK = regex(
    rf"<(?P<slash>/?)(?P<name>{_NAME})(?P<attributes>\s[^<>]{{0,120}})?(?P<empty>/?)>"
    rf"|<[|｜](?P<token_slash>/?)(?P<edge>(?:begin|start|end)(?:[_▁]of)?[_▁])?(?P<token>{_NAME})"
    r"(?P<edge_after>[_▁](?:start|end))?[|｜]>"
    r"|(?-i:\[(?P<square_slash>/?)(?P<square>THINK(?:ING)?)\])"
    r"|◁(?P<kimi_slash>/?)think▷"
    r"|(?P<gemma_open><\|channel>thought\n?|<unused94>(?:thought\n?)?|<\|inner_prefix\|>)"
    r"|(?P<gemma_close><channel\|>|<unused95>|<\|inner_suffix\|>)",
    re.IGNORECASE,
)
# The first characters of every mark; searching for the marks themselves is ten times slower.
_OPENING = regex(r"<[A-Za-z/|｜]|\[/?T|◁")
# For replies without square brackets: a pattern that begins with a fixed character is searched three times as fast.
_OPENING_ANGLE = re.compile(r"<[A-Za-z/|｜]")
# gpt-oss (harmony): <|start|>assistant<|channel|>analysis<|message|>...<|end|>
_CHANNEL = regex(
    r"(?:<\|start\|>[^<]{0,80})?<\|channel\|>\s*(?P<name>[a-z_]{1,40})[^<]{0,200}(?:<\|constrain\|>[^<]{0,80})?<\|message\|>"
)
_CHANNEL_END = regex(r"<\|(?:end|return|call|start|channel)\|>")
_PLUMBING = regex(r"(?:\s|<\|(?:end|return|call|start|message|channel)\|>|assistant)*")
# gpt-oss after a server dropped the special tokens and kept the words between them.
_BARE_CHANNELS = regex(r"\s*analysis(?=[A-Z0-9\"'(\\*])")
_BARE_FINAL = "assistantfinal"
# Heading of the thought, heading of the text, optional end of the text (Granite, Apriel).
_SPOKEN = (
    (regex(r"\s*Here is my thought process:"), "Here is my response:", ""),
    (regex(r"\s*Here are my reasoning steps:"), "[BEGIN FINAL RESPONSE]", "[END FINAL RESPONSE]"),
)
_SPOKEN_STARTS = ("analysis", "Here is my thought process:", "Here are my reasoning steps:", "assistant\n")
# Open WebUI folds the thought into a details element, even in its API.
_FOLDED = regex(
    r"\s*<details\s+type=\"reasoning\"[^>]{0,300}>(?:\s*<summary>[^<]{0,200}</summary>)?(?P<thought>.*?)(?P<end></details>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
# The marks around a turn, which some servers let through. Text after the end mark is another turn that the model
# invented, often the next question.
_TURN_START = regex(
    r"\s*(?:<\|im_start\|>\s*assistant\s*|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>|<start_of_turn>model\s*"
    r"|<\|START_RESPONSE\|>|<\|assistant\|>|assistant\s*\n\s*\n)",
)
_TURN_END = regex(
    r"<\|(?:im_end|im_start|eot_id|eom_id|end_of_text|endoftext|start_header_id|END_RESPONSE|END_OF_TURN_TOKEN|user)\|>"
    r"|<｜end▁of▁sentence｜>|<end_of_turn>|</s>"
)
# A stop string that matches inside a thought leaves the rest of the closing mark in the text (vLLM, SGLang).
_TORN_CLOSING = regex(r"\s*/?(?:think(?:ing)?|thought|reasoning)>")
# R1-Zero, Hunyuan and Ernie put the text after a thought between tags of its own.
_WRAPPED = regex(
    r"\s*(?:<(?P<name>answer|response|output|solution|final_answer)>(?P<inner>.*?)(?:</(?P=name)>)?"
    r"|<\|begin_of_(?P<token>solution|answer)\|>(?P<token_inner>.*?)(?:<\|end_of_(?P=token)\|>)?)\s*\Z",
    re.DOTALL,
)
DEFAULT_TAG = "<think>"
_CODE = regex(r"```.*?```|~~~.*?~~~|`[^`\n]+`", re.DOTALL)
_WORD = regex(r"\S")
_QUOTES = frozenset("\"'“”‘’«»„")
_DEFAULT_END = "</think>"
_BEFORE_QUOTED = _QUOTES | {"`", "\\"}
_NEAR = 200  # characters on each side of a mark that are searched for the dollar signs around it
_MONEY = regex(r"\$\s?\d[\d,.]*[^\w$]{0,3}\Z")


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A reply in two: the thought without its marks, and the text, both verbatim.

    `is_finished` is false for an unfinished thought, after which there is no answer. `marks` are the strings before the
    thought and between thought and text; both are empty if the reply cannot be rebuilt from these pieces, or has no
    thought.
    """

    thought: str
    text: str
    is_finished: bool = True
    marks: tuple[str, str] = ("", "")


def split_reply(reply: str) -> Split:
    """Return the thought and the text of a reply; a reply without a thought is all text.

    Marks around the turn are not part of the text, nor is another turn after it.
    """
    split = _parted(reply)
    text = _one_turn(split.text)
    if text == split.text:
        return split
    return Split(thought=split.thought, text=text, is_finished=split.is_finished)


def _one_turn(text: str) -> str:
    """Return the text of the first turn; marks of turns are there only if a server lets them through by mistake."""
    if "<" not in text and not text.lstrip().startswith("assistant"):
        return text
    start = _TURN_START.match(text)
    begin = start.end() if start else 0
    end = _TURN_END.search(text, begin)
    return text[begin : end.start()] if end else text[begin:]


def _parted(reply: str) -> Split:
    if "<|channel|>" in reply or "<|message|>" in reply:
        split = _split_channels(reply)
        if split is not None:
            return split
    if not may_hold_thought(reply):
        return Split(thought="", text=reply)
    if "<" in reply or "[" in reply or "◁" in reply:
        split = _split_plain(reply) or _split_marks(reply)
        if split is not None:
            return split
    return _split_spoken(reply) or Split(thought="", text=reply)


def may_hold_thought(reply: str) -> bool:
    """Say whether a reply may contain a mark; a fast check, because most replies of most models contain none."""
    # `<<2+3=5>>` of GSM8K is not a mark, and is in most replies to its questions.
    if "<" in reply and _OPENING_ANGLE.search(reply):
        return True
    if ("[" in reply and ("[THINK" in reply or "[/THINK" in reply)) or "◁" in reply:
        return True
    return reply[:40].lstrip().startswith(_SPOKEN_STARTS)


def split_completion(completion: Completion) -> Completion:
    """Return a reply with its thought in `reasoning`; one that is split already, or has none, is returned unchanged.

    An unfinished thought changes the finish reason to "length", because there is no answer. If the server does not
    count the thought's tokens, they are estimated by its share of the reply's characters.
    """
    if completion.raw or completion.thought_marks != ("", ""):
        return completion
    if not completion.reasoning and not may_hold_thought(completion.text):
        return completion
    split = split_reply(completion.text)
    if completion.reasoning and not split.thought and (torn := _TORN_CLOSING.match(split.text)):
        split = Split(thought="", text=split.text[torn.end() :])
    has_marks = split.marks != ("", "") or split.text != completion.text
    if not has_marks and not completion.reasoning:
        return completion
    changes: dict[str, object] = {}
    thought, text = completion.reasoning, completion.text
    if has_marks:
        if not thought:
            thought = split.thought
        elif split.thought.strip() not in ("", thought.strip()):  # some servers send it in a field and in the text
            thought = f"{thought}\n{split.thought}"
        text = split.text
        is_rebuilt = split.marks != ("", "") and not completion.reasoning
        changes = {
            "text": text,
            "reasoning": thought,
            "thought_marks": split.marks if is_rebuilt else ("", ""),
            "raw": "" if is_rebuilt else completion.text,
        }
    size = len(thought.strip())
    if size and not completion.tokens_reasoning:
        changes["tokens_reasoning"] = completion.tokens_out * size // (size + len(text.strip()))
    # A thought in a field without a text after it: a stop string matched inside it, or the server lost the text.
    is_finished = split.is_finished if has_marks else bool(text.strip())
    if not is_finished and completion.finish_reason in ("stop", "unknown"):
        changes["finish_reason"] = "length"
        changes["ended"] = completion.ended or completion.finish_reason
    return msgspec.structs.replace(completion, **changes) if changes else completion


def is_unfinished(completion: Completion) -> bool:
    """Say whether a split reply broke off inside a thought, so that its text, if any, is not an answer."""
    if completion.raw:
        return not split_reply(completion.raw).is_finished
    if completion.thought_marks != ("", ""):
        return not completion.thought_marks[1]
    return bool(completion.reasoning.strip()) and not completion.text.strip()


def tag_of(completion: Completion) -> str:
    """Return the mark that opens the thought of a reply, such as `<think>`; empty if it is unknown."""
    opening = completion.thought_marks[0].strip()
    return opening if opening in (DEFAULT_TAG, "<|channel|>analysis<|message|>") or closing_of(opening) else ""


def closing_of(opening: str) -> str:
    """Return the closing mark of an opening mark; empty for any other text."""
    match = _MARK.fullmatch(opening)
    if match is None or (mark := _read_mark(match)) is None or not mark.is_open or mark.is_empty:
        return ""
    if match["name"]:
        return f"</{match['name']}>"
    if match["token"] and match["edge"]:
        return re.sub("begin|start", "end", opening) if opening.islower() else re.sub("BEGIN|START", "END", opening)
    if match["token"]:
        return f"<|/{match['token']}|>"
    if match["square"]:
        return f"[/{match['square']}]"
    if match["gemma_open"]:
        return "<unused95>" if "unused" in opening else "<|inner_suffix|>" if "inner" in opening else "<channel|>"
    return "◁/think▷"


def joined(thought: str, text: str, tag: str = "") -> str:
    """Return thought and text as one reply, with the thought between the marks of a tag, by default `<think>`."""
    if not thought.strip():
        return text
    if "<|channel|>" in tag:
        return f"{tag}{thought.strip()}<|end|><|start|>assistant<|channel|>final<|message|>{text.strip()}"
    opening = tag or DEFAULT_TAG
    return f"{opening}\n{thought.strip()}\n{closing_of(opening)}\n\n{text.strip()}"


def _assemble(reply: str, thoughts: Sequence[tuple[int, int]], texts: Sequence[tuple[int, int]], ended: bool) -> Split:
    """Return the split of a reply into these spans, each kind in order."""
    thought = "\n".join(reply[start:end] for start, end in thoughts)
    text = "".join(reply[start:end] for start, end in texts)
    marks = ("", "")
    kept = [(start, end) for start, end in texts if start < end]
    if len(thoughts) == 1 and len(kept) <= 1:
        start, end = thoughts[0]
        text_start, text_end = kept[0] if kept else (len(reply), len(reply))
        if end <= text_start and text_end == len(reply):
            marks = (reply[:start], reply[end:text_start])
    wrapped = _WRAPPED.match(text) if ended and text.lstrip().startswith("<") else None
    if wrapped is not None:
        text, marks = wrapped["inner"] if wrapped["name"] else wrapped["token_inner"], ("", "")
    return Split(thought=thought, text=text, is_finished=ended, marks=marks)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Mark:
    start: int
    end: int
    family: str
    is_open: bool
    is_empty: bool = False


def _read_mark(match: re.Match[str]) -> _Mark | None:
    """Return the mark of a match; None for a lookalike such as `<think about it>`."""
    family, is_open, is_empty = "", True, False
    if match["name"]:
        attributes = match["attributes"] or ""
        if attributes.strip() and "=" not in attributes:
            return None
        family, is_open = f"<{match['name'].lower()}", not match["slash"]
        is_empty = is_open and bool(match["empty"])
    elif match["token"]:
        edge = f"{match['edge'] or ''}{match['edge_after'] or ''}".lower()
        family, is_open = f"|{match['token'].lower()}", not (match["token_slash"] or "end" in edge)
    elif match["square"]:
        family, is_open = f"[{match['square']}", not match["square_slash"]
    elif match["kimi_slash"] is not None:
        family, is_open = "◁think", not match["kimi_slash"]
    else:
        mark = match["gemma_open"] or match["gemma_close"]
        family = next((name for name in ("unused", "inner") if name in mark.lower()), "channel")
        is_open = match["gemma_open"] is not None
    return _Mark(start=match.start(), end=match.end(), family=family, is_open=is_open, is_empty=is_empty)


class _Reply:
    """A reply with tests for literal marks; code spans are searched once, and only if there is a mark."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def code(self) -> tuple[list[int], list[int]]:
        """The starts and the ends of code spans."""
        spans = [match.span() for match in _CODE.finditer(self.text)] if "`" in self.text or "~~~" in self.text else []
        return [start for start, _ in spans], [end for _, end in spans]

    def next_word(self, position: int) -> int:
        """Return the place of the next character that is not white space; the reply's length if there is none."""
        match = _WORD.search(self.text, position)
        return match.start() if match else len(self.text)

    def is_quoted(self, mark: _Mark) -> bool:
        """Say whether a mark is directly between quotation marks, or escaped."""
        before, after = self.text[mark.start - 1 : mark.start], self.text[mark.end : mark.end + 1]
        return before == "\\" or (before in _QUOTES | {"`"} and after in _QUOTES | {"`"} and bool(before and after))

    def is_literal(self, mark: _Mark) -> bool:
        """Say whether a mark is quoted, in code or inside LaTeX."""
        text = self.text
        if self.is_quoted(mark) or (text[mark.start - 1 : mark.start] == "{" and text[mark.end : mark.end + 1] == "}"):
            return True
        starts, ends = self.code
        index = bisect_right(starts, mark.start) - 1
        if index >= 0 and mark.end <= ends[index]:
            return True
        before = text[max(0, mark.start - _NEAR) : mark.start].rpartition("\n")[2]
        after = text[mark.end : mark.end + _NEAR].partition("\n")[0]
        if before.rfind("\\(") > before.rfind("\\)") and after.find("\\)") >= 0:
            return True
        # An odd number of dollar signs on both sides is mathematics, unless the last one before is a price.
        return before.count("$") % 2 == 1 and after.count("$") % 2 == 1 and not _MONEY.search(before)

    def is_at_line_start(self, mark: _Mark) -> bool:
        """Say whether only white space precedes a mark on its line."""
        line = self.text[max(0, mark.start - _NEAR) : mark.start].rpartition("\n")[2]
        return not line.strip()


def _marks_of(reply: str) -> list[_Mark]:
    """Return the marks of a reply, first to last."""
    marks: list[_Mark] = []
    end = 0
    for opening in _OPENING.finditer(reply):
        match = _MARK.match(reply, opening.start()) if opening.start() >= end else None
        if match is not None:
            end = match.end()
            if (mark := _read_mark(match)) is not None:
                marks.append(mark)
    return marks


def _split_plain(reply: str) -> Split | None:
    """Split a reply with one `<think>` at its start or that of a line, closed once, and no other mark: a fast path.

    Returns None for any other reply, and if a mark may be literal (code, quotation marks).
    """
    opening = reply.find(DEFAULT_TAG)
    start = opening + len(DEFAULT_TAG)
    end = reply.find(_DEFAULT_END, start)
    after = end + len(_DEFAULT_END)
    if opening < 0 or end < 0 or reply[end - 1] in _BEFORE_QUOTED:
        return None
    search = _OPENING.search if "[" in reply or "◁" in reply else _OPENING_ANGLE.search
    if search(reply, after) or search(reply, start, end) or (opening and search(reply, 0, opening)):
        return None
    texts = [(after, len(reply))]
    if opening:
        line = reply.rfind("\n", 0, opening) + 1
        if (line != opening and not reply[line:opening].isspace()) or "`" in reply or "~~~" in reply:
            return None
        if not reply[:opening].isspace():
            texts.insert(0, (0, opening))
    return _assemble(reply, [(start, end)], texts, ended=True)


def _split_marks(reply: str) -> Split | None:
    marks = _marks_of(reply)
    if not marks:
        return None
    parts = _Reply(reply)
    last_close = {mark.family: index for index, mark in enumerate(marks) if not mark.is_open}
    thoughts: list[tuple[int, int]] = []
    texts: list[tuple[int, int]] = []
    position = index = 0
    word = parts.next_word(0)  # the first word from `position` on; between two marks there may be none
    has_text = False
    while index < len(marks):
        mark = marks[index]
        index += 1
        is_blank = word >= mark.start
        if mark.is_open:
            is_leading = is_blank and not has_text
            if not is_leading and parts.is_literal(mark):
                continue
            closing: int | None = index - 1
            if not mark.is_empty:
                closing = _closing(parts, marks, index - 1, last_close, is_leading=is_leading)
            if closing is None and not is_leading and not parts.is_at_line_start(mark):
                continue
            if not is_blank:
                texts.append((position, mark.start))
                has_text = True
            if closing is None:
                thoughts.append((mark.end, len(reply)))
                return _assemble(reply, thoughts, texts, ended=False)
            thoughts.append((mark.end, max(mark.end, marks[closing].start)))
            position, index = marks[closing].end, closing + 1
        elif parts.is_literal(mark):
            continue
        else:
            if thoughts and not is_blank and parts.next_word(mark.end) == len(reply):
                texts.append((position, mark.start))  # a stray mark after the text
            else:
                thoughts = [(thoughts[0][0] if thoughts and not has_text else 0, mark.start)]
                texts, has_text = [], False
            position = mark.end
        word = parts.next_word(position)
    if not thoughts:
        return None
    texts.append((position, len(reply)))
    return _assemble(reply, thoughts, texts, ended=True)


def _closing(
    parts: _Reply, marks: Sequence[_Mark], opening: int, last_close: dict[str, int], *, is_leading: bool
) -> int | None:
    """Return the index of the mark that closes the one at `opening`; None if the thought is unfinished."""
    family = marks[opening].family
    last = last_close.get(family, -1)
    depth, last_closing, doubtful = 1, None, None
    for index in range(opening + 1, last + 1):
        mark = marks[index]
        if mark.family != family or mark.is_empty:
            continue
        if parts.is_literal(mark):
            # An unclosed code fence or dollar sign in the thought makes its closing mark look like code.
            if doubtful is None and not mark.is_open and not parts.is_quoted(mark):
                doubtful = index
            continue
        depth += 1 if mark.is_open else -1
        if not mark.is_open:
            last_closing = index
        if depth == 0:
            return index
    if last_closing is not None or doubtful is not None or not is_leading:
        return last_closing if last_closing is not None else doubtful
    others = (index for index, mark in enumerate(marks) if index > opening and not mark.is_open)
    return next((index for index in others if not parts.is_literal(marks[index])), None)


def _split_channels(reply: str) -> Split | None:
    headers = list(_CHANNEL.finditer(reply))
    if not headers:
        is_cut = reply.lstrip().startswith(("<|channel|>", "<|start|>"))  # cut off in its first header
        return Split(thought=reply, text="", is_finished=False) if is_cut else None
    thoughts: list[tuple[int, int]] = []
    texts: list[tuple[int, int]] = []
    first = headers[0].start()
    if not _PLUMBING.fullmatch(reply, 0, first):  # the chat template opened the channel
        match = _CHANNEL_END.search(reply, 0, first)
        thoughts.append((0, match.start() if match and _PLUMBING.fullmatch(reply, match.start(), first) else first))
    for number, header in enumerate(headers):
        limit = headers[number + 1].start() if number + 1 < len(headers) else len(reply)
        match = _CHANNEL_END.search(reply, header.end(), limit)
        body = (header.end(), match.start() if match else limit)
        (texts if header["name"] == "final" else thoughts).append(body)
        if match and not _PLUMBING.fullmatch(reply, match.start(), limit):
            thoughts.append((match.end(), limit))
    return _assemble(reply, thoughts or [(0, 0)], texts, ended=bool(texts))


def _split_spoken(reply: str) -> Split | None:
    folded = _FOLDED.match(reply)
    if folded is not None:
        is_ended = bool(folded["end"])
        return _assemble(reply, [folded.span("thought")], [(folded.end(), len(reply))], ended=is_ended)
    bare = _BARE_CHANNELS.match(reply)
    if bare is not None:
        start = reply.rfind(_BARE_FINAL)
        if start < 0:
            return Split(thought=reply[bare.end() :], text="", is_finished=False, marks=(bare.group(), ""))
        return _assemble(reply, [(bare.end(), start)], [(start + len(_BARE_FINAL), len(reply))], ended=True)
    for heading, text_heading, end in _SPOKEN:
        match = heading.match(reply)
        middle = reply.find(text_heading, match.end()) if match else -1
        if match is not None and middle >= 0:
            start = middle + len(text_heading)
            stop = reply.find(end, start) if end else -1
            return _assemble(reply, [(match.end(), middle)], [(start, stop if stop >= 0 else len(reply))], ended=True)
    return None
