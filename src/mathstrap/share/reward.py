r"""Turn a reply and a gold answer into a reward. Never raises for any reply or gold; starts no process.

A right answer is worth 1, a wrong answer 0, and an undecided one None, with a reason. `adapters.py` has the functions
with each trainer's signature.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal, get_args

import msgspec

from mathstrap.errors import InputError, counted, suggest
from mathstrap.render.hostile import printable
from mathstrap.share.foreign import Raised, call_foreign
from mathstrap.thought import may_hold_thought, split_reply
from mathstrap.types import Outcome
from mathstrap.verify import Mode, extract_answer, grade, grader_named

log = logging.getLogger("mathstrap.reward")

Code = Literal[
    "correct", "wrong", "no_answer", "unfinished_thought", "undecided", "gold_unreadable", "no_gold", "no_reply",
    "no_text", "grader_failed",
]  # fmt: skip
Layout = Literal["stated", "boxed", "hash", "think", "any"]

# The columns in which datasets keep gold answers, likeliest first.
GOLD_COLUMNS = (
    "solution", "answer", "ground_truth", "gold", "expected_answer", "final_answer", "target", "label", "reward_model",
)  # fmt: skip
# Of a longer reply only the end, where the answer is, and the beginning, where a thought opens, are read: the thought
# marks of a megabyte take a second to match.
MAX_CHARS = 100_000
HEAD_CHARS = 1_000
# A trainer's row may hold anything; these bounds keep one call short.
MAX_GOLD_CHARS = 20_000
MAX_PROMPT_CHARS = 20_000
MAX_TURNS = 50
MAX_SHOWN = 200
MAX_GOLDS = 50
MAX_PARTS = 100_000  # the last parts of a reply: even parts of one character fill MAX_CHARS
ASSISTANT = ("assistant", "gpt", "model", "ai")


@dataclass(frozen=True, kw_only=True)
class RewardOptions:
    """The reward of each outcome, and how a reply is graded.

    correct         the reward of a right answer
    wrong           the reward of a wrong answer, and of a reply that states none
    undecided       the reward where neither right nor wrong is proven; None leaves the row out where the trainer can
    grader          a name of `mathstrap verify --grader`, or a Grader of your own as `path/to/file.py:object`
    mode            "strict", or "flexible": the last number of a reply that states no answer may count
    gold_column     the column of the gold answers; empty = the first of the usual names that the data has
    length_penalty  the share of a right answer's reward that a long reply loses, from 0 (off) to 1
    length_start    the length from which a reply loses reward
    length_end      the length at which the whole `length_penalty` is lost; linear between the two
    length_unit     the unit of lengths; "tokens" needs a trainer that passes `completion_ids`, else nothing is lost
    """

    correct: float = 1.0
    wrong: float = 0.0
    undecided: float | None = None
    grader: str = "math"
    mode: Mode = "strict"
    gold_column: str = ""
    length_penalty: float = 0.0
    length_start: int = 4_000
    length_end: int = 16_000
    length_unit: Literal["characters", "tokens"] = "characters"


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """The reward of one reply: `code` is the outcome in detail, `reason` a sentence for a log.

    `reward` is None where the reply is undecided; `got` and `expected` are the answers that were compared, printable
    and cut to 200 characters.
    """

    reward: float | None
    code: Code
    reason: str
    got: str = ""
    expected: str = ""

    @property
    def outcome(self) -> Outcome:
        """The outcome: correct, wrong or undecided."""
        if self.code == "correct":
            return "correct"
        return "wrong" if self.code in ("wrong", "no_answer", "unfinished_thought") else "undecided"


def check_reward_options(options: RewardOptions) -> None:
    """Raise InputError for invalid options; called when a reward is created, never inside a training loop."""
    if options.mode not in get_args(Mode):
        raise InputError(f'mode: found "{options.mode}", expected strict or flexible.')
    if not 0 <= options.length_penalty <= 1:
        raise InputError(f"length_penalty: found {options.length_penalty}, expected 0 (off) to 1.")
    if options.length_penalty and not 0 <= options.length_start < options.length_end:
        raise InputError(
            f"length_start, length_end: found {options.length_start} and {options.length_end}, "
            "expected 0 <= start < end."
        )
    if options.length_unit not in ("characters", "tokens"):
        raise InputError(f'length_unit: found "{options.length_unit}", expected characters or tokens.')
    for name in ("correct", "wrong", "undecided"):
        value = getattr(options, name)
        if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
            raise InputError(f"{name}: found {value!r}, expected a finite number.")
    grader_named(options.grader)


@lru_cache(maxsize=64)
def options_of(items: tuple[tuple[str, Any], ...]) -> RewardOptions:
    """Return the options of keyword arguments, checked and cached per combination. Raises InputError."""
    known = [field.name for field in fields(RewardOptions)]
    for name, _ in items:
        if name not in known:
            raise InputError(f'no reward option is called "{name}".{suggest(name, known)}')
    options = RewardOptions(**dict(items))
    check_reward_options(options)
    return options


def score(
    reply: Any, gold: Any, options: RewardOptions | None = None, *, num_tokens: int | None = None, prompt: Any = None
) -> Scored:
    """Return the reward of a reply against its gold answer, and count it. Never raises for any reply or gold.

    `reply` is a text, a message, or a list of messages or content parts: the last assistant message counts. `gold` is a
    text, a number, a whole solution, or a list of answers of which any is right. With the `prompt`, a text or messages,
    an answer that only repeats a sentence of the prompt does not count. Takes milliseconds for any length.
    """
    scored = assess(reply, gold, options, num_tokens=num_tokens, prompt=prompt)
    _count(scored.code)
    return scored


def assess(
    reply: Any, gold: Any, options: RewardOptions | None = None, *, num_tokens: int | None = None, prompt: Any = None
) -> Scored:
    """Return what `score` returns without counting it: for checks of files, not for replies in a training."""
    options = options or DEFAULT
    scored = call_foreign(_score, reply, gold, options, num_tokens, prompt)
    if isinstance(scored, Raised):
        return _nothing(options, "grader_failed", f"the grader failed: {scored.reason}")
    return scored


def _score(reply: Any, gold: Any, options: RewardOptions, num_tokens: int | None, prompt: Any = None) -> Scored:
    golds = golds_of(gold)
    if isinstance(golds, Missing):
        return _nothing(options, golds.code, golds.reason)
    text = text_of_reply(reply)
    if isinstance(text, Missing):
        return _nothing(options, text.code, text.reason)
    length = len(text)
    text = ends_of(text)
    split = split_reply(text) if may_hold_thought(text) else None
    if split is not None:
        text = split.text
    if split is not None and not split.is_finished:
        reason = "the thought never ends, so no answer is stated"
        return Scored(reward=options.wrong, code="unfinished_thought", reason=reason, expected=_shown(golds[0]))
    asked = text_of_prompt(prompt)
    best = grade(golds[0], text, grader=options.grader, form="completion", mode=options.mode, question=asked)
    if len(golds) > 1:
        # Any of several golds may match. "undecided" beats "wrong": that gold may be the one that matches.
        mode, grader = options.mode, options.grader
        more = (grade(each, text, grader=grader, form="completion", mode=mode, question=asked) for each in golds[1:])
        verdicts = [best, *more]
        best = next(v for outcome in ("correct", "undecided", "wrong") for v in verdicts if v.outcome == outcome)
    got, expected = _shown(best.got), _shown(best.expected)
    if best.outcome == "correct":
        reward, reason = _shortened(options, length, num_tokens, best.reason)
        return Scored(reward=reward, code="correct", reason=reason, got=got, expected=expected)
    if best.outcome == "wrong":
        code: Code = "no_answer" if best.tier == "extraction" else "wrong"
        return Scored(reward=options.wrong, code=code, reason=best.reason, got=got, expected=expected)
    code = "undecided" if gold_is_readable(best.expected, options.grader) else "gold_unreadable"
    return Scored(reward=options.undecided, code=code, reason=_shown(best.reason), got=got, expected=expected)


def _nothing(options: RewardOptions, code: Code, reason: str) -> Scored:
    return Scored(reward=options.undecided, code=code, reason=_shown(reason))


def _shown(text: str) -> str:
    if len(text) <= MAX_SHOWN and text.isascii() and text.isprintable():
        return text
    return printable(text[: MAX_SHOWN + 1]) if len(text) <= MAX_SHOWN else printable(text[:MAX_SHOWN]) + "..."


def _shortened(options: RewardOptions, length: int, num_tokens: int | None, reason: str) -> tuple[float, str]:
    """Return the reward of a right answer less its length penalty, and the reason with that penalty."""
    if not options.length_penalty:
        return options.correct, reason
    if options.length_unit == "tokens":
        if num_tokens is None:
            return options.correct, f"{reason}; the trainer passes no tokens, so length costs nothing"
        length = num_tokens
    share = (length - options.length_start) / (options.length_end - options.length_start)
    lost = options.length_penalty * min(max(share, 0.0), 1.0)
    if not lost:
        return options.correct, reason
    return options.correct * (1 - lost), f"{reason}; {length:,} {options.length_unit} cost {lost:.0%}"


_OTHER = "7919.25"  # hardly any question has this answer, so a readable gold must grade it as wrong


@lru_cache(maxsize=20_000)
def gold_is_readable(gold: str, grader: str = "math") -> bool:
    """Say whether the checker can tell right from wrong by this gold; else only a literal copy of it can be right."""
    is_itself = grade(gold, gold, grader=grader).outcome == "correct"
    return is_itself and grade(gold, _OTHER, grader=grader).outcome != "undecided"


class Missing(msgspec.Struct, frozen=True):
    """The reason why there is no text or no gold to compare."""

    code: Code
    reason: str


def text_of_reply(reply: Any) -> str | Missing:
    """Return the text of a reply: itself, or the last assistant message of a list, its text parts joined."""
    if isinstance(reply, str):
        return reply
    if type(reply) is list:
        return _text_of_list(reply)
    if reply is None:
        return Missing("no_reply", "the reply is None")
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "replace")
    if isinstance(reply, Sequence) and not isinstance(reply, bytearray):
        return _text_of_list(reply)
    if isinstance(reply, Mapping) or hasattr(reply, "content") or hasattr(reply, "text"):
        return _text_of_message(reply)
    return Missing("no_text", f"the reply is a {type(reply).__name__}, expected text or messages")


def text_of_prompt(prompt: Any) -> str:
    """Return a prompt's text: itself, or the last message of a list that is not the assistant's; else ""."""
    if isinstance(prompt, str):
        return prompt[-MAX_PROMPT_CHARS:]
    if isinstance(prompt, list | tuple) or type(prompt).__name__ == "ndarray":
        for message in reversed(prompt[-MAX_TURNS:]):
            if str(_field(message, "role", "from") or "user").lower() not in ASSISTANT:
                text = _text_of_message(message)
                return text[-MAX_PROMPT_CHARS:] if isinstance(text, str) else ""
    return ""


def _text_of_list(items: Sequence[Any]) -> str | Missing:
    if len(items) == 1 and type(items[0]) is dict:  # a shortcut for what TRL nearly always passes
        content = items[0].get("content")
        if type(content) is str and content and items[0].get("role") == "assistant":
            return content
    if not items:
        return Missing("no_reply", "the reply holds no message")
    has_message = False
    for item in reversed(items[-MAX_PARTS:]):
        if is_message(item):
            has_message = True
            if str(_field(item, "role", "from") or "assistant").lower() in ASSISTANT:
                return _text_of_message(item)
    if has_message:
        return Missing("no_reply", "no message of the reply is the assistant's")
    return _joined(items)  # content parts, or plain texts


def is_message(item: Any) -> bool:
    """Say whether an item of a list is a message; one without a role is taken for the assistant's."""
    if _field(item, "role", "from") is not None:
        return True
    return _field(item, "content", "tool_calls") is not None and _field(item, "type") is None


def _text_of_message(message: Any) -> str | Missing:
    content = _field(message, "content", "value", "text")
    if isinstance(content, str):
        if content.strip() or not _field(message, "tool_calls"):
            return content
    elif isinstance(content, Sequence) and content and not isinstance(content, bytes | bytearray):
        text = _joined(content)
        if not isinstance(text, Missing):
            return text
    if _field(message, "tool_calls", "function_call"):
        return Missing("no_text", "the reply ends in a tool call and states nothing")
    if content is None:
        return Missing("no_reply", "the message has no content")
    return Missing("no_text", f"the message's content is a {type(content).__name__} without text")


def _joined(parts: Sequence[Any]) -> str | Missing:
    texts = []
    if len(parts) > MAX_PARTS + HEAD_CHARS:
        parts = [*parts[:HEAD_CHARS], *parts[-MAX_PARTS:]]
    for part in parts:
        kind = _field(part, "type")
        text = part if isinstance(part, str) else _field(part, "text", "content")
        if isinstance(text, str) and kind in (None, "text", "output_text", "input_text"):
            texts.append(text)
    return "".join(texts) if texts else Missing("no_text", "no part of the reply is text")


def _field(item: Any, *names: str) -> Any:
    """Return the first of several fields of a mapping or object that is not None."""
    for name in names:
        is_mapping = type(item) is dict or isinstance(item, Mapping)
        value = item.get(name) if is_mapping else getattr(item, name, None)
        if value is not None and not callable(value):
            return value
    return None


def ends_of(text: str) -> str:
    """Return a reply; one that is far too long loses its middle."""
    return text if len(text) <= MAX_CHARS else f"{text[:HEAD_CHARS]}\n{text[HEAD_CHARS:][-MAX_CHARS:]}"


def golds_of(gold: Any) -> tuple[str, ...] | Missing:
    """Return the gold answers of a row as bare answers; a whole solution counts as the answer it states."""
    if isinstance(gold, str):
        text = _bare_gold(gold if len(gold) <= MAX_GOLD_CHARS else gold[-MAX_GOLD_CHARS:])
        if len(gold) > MAX_GOLD_CHARS and len(text) > MAX_GOLD_CHARS // 2:
            return Missing("gold_unreadable", f"the ground truth has {len(gold):,} characters and states no answer")
        return (text,) if text else Missing("no_gold", "the ground truth is empty")
    if gold is None:
        return Missing("no_gold", "the row has no ground truth")
    if isinstance(gold, bool):
        return ("true", "yes") if gold else ("false", "no")
    if isinstance(gold, float):
        if not math.isfinite(gold):
            return Missing("no_gold", f"the ground truth is {gold}")
        return (str(int(gold)) if gold.is_integer() and abs(gold) < 1e15 else repr(gold),)
    if isinstance(gold, int):
        # str() of thousands of digits raises; a gold of that length is a broken row.
        return (str(gold),) if gold.bit_length() < 10_000 else Missing("no_gold", "the ground truth has no end")
    if isinstance(gold, bytes | bytearray | memoryview):
        return golds_of(bytes(gold).decode("utf-8", "replace"))
    if isinstance(gold, Mapping):
        inner = next((gold[name] for name in ("ground_truth", *GOLD_COLUMNS) if gold.get(name) is not None), None)
        if inner is None or isinstance(inner, Mapping):
            return Missing("no_gold", "the ground truth is a mapping without an answer")
        return golds_of(inner)
    if hasattr(gold, "tolist"):  # an array or a scalar of numpy, torch or pyarrow
        return golds_of(gold.tolist())
    if isinstance(gold, Sequence | set | frozenset):
        return _any_gold(list(gold)[:MAX_GOLDS])
    text = str(gold).strip() if type(gold).__name__ in ("Decimal", "Fraction") else ""
    if text.lower().lstrip("-s") in ("nan", "infinity"):
        return Missing("no_gold", f"the ground truth is {text}")
    return (text,) if text else Missing("no_gold", f"the ground truth is a {type(gold).__name__}, expected text")


def _any_gold(golds: list[Any]) -> tuple[str, ...] | Missing:
    answers: list[str] = []
    for gold in golds:
        inner = golds_of(gold) if not isinstance(gold, list | tuple) else Missing("no_gold", "")
        if not isinstance(inner, Missing):
            answers += inner
    return tuple(answers) or Missing("no_gold", "the list of ground truths is empty")


@lru_cache(maxsize=20_000)
def _bare_gold(gold: str) -> str:
    """Return a gold as a bare answer: GSM8K's column is a whole solution, MATH's a text with a boxed answer."""
    text = gold.strip()
    if "\n" in text or "####" in text or "\\boxed" in text or "nswer" in text:
        stated = extract_answer(text)
        if stated is not None:
            return stated.answer.strip()
    return text


# Each thread has its own counter: a shared lock could be copied in its locked state by a fork.
_tallies: list[Counter[str]] = []
_own = threading.local()


def _count(code: Code) -> None:
    tally = getattr(_own, "tally", None)
    if tally is None:
        tally = _own.tally = Counter()
        _tallies.append(tally)
    tally[code] += 1


def counts() -> dict[str, int]:
    """Return how many replies all threads of this process scored, by code."""
    total: Counter[str] = Counter()
    for tally in _tallies:
        total.update(dict(tally))
    return dict(total)


def reset_counts() -> None:
    """Set all counts to zero, as a child process does after a fork."""
    for tally in _tallies:
        tally.clear()


def count_sentence(tally: Mapping[str, int] | None = None) -> str:
    """Return the counts as one sentence, with the reasons for missing rewards; empty where nothing was scored."""
    tally = counts() if tally is None else tally
    total = sum(tally.values())
    if not total:
        return ""
    graded = {"correct": "right", "wrong": "wrong", "no_answer": "without an answer", "unfinished_thought": "cut off"}
    parts = [f"{tally[code]:,} {words}" for code, words in graded.items() if tally.get(code)]
    rest = {code: number for code, number in sorted(tally.items()) if code not in graded}
    if rest:
        reasons = ", ".join(f"{code} {number:,}" for code, number in rest.items())
        parts.append(f"{sum(rest.values()):,} without a reward ({reasons})")
    return f"{counted(total, 'reply', 'replies')} scored: {', '.join(parts)}"


def _say_at_the_end() -> None:
    tally = counts()
    if any(Scored(reward=None, code=code, reason="").outcome == "undecided" for code in tally):  # type: ignore[arg-type]
        log.warning("%s", count_sentence(tally))


os.register_at_fork(after_in_child=reset_counts)
atexit.register(_say_at_the_end)
DEFAULT = RewardOptions()


def layout_of(text: str, layout: Layout) -> bool:
    """Say whether a reply states its answer in a layout: after one thought, in a box, by `####`, `The answer is`."""
    split = split_reply(ends_of(text))
    if not split.is_finished or (layout == "think" and not (split.thought.strip() and split.text.strip())):
        return False
    stated = extract_answer(split.text)
    if layout == "think":
        return stated is not None
    if stated is None or not stated.answer:
        return False
    rules = {"stated": ("stated", "value_of"), "boxed": ("boxed",), "hash": ("hash",)}
    return stated.extractor in rules.get(layout, ("stated", "value_of", "boxed", "hash"))
