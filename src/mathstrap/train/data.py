"""Read training rows of every known shape as question and response. Knows nothing of tokens or models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError, counted
from mathstrap.files.rows import files_of, iter_rows
from mathstrap.hub.rows import hub_rows
from mathstrap.train.calls import CALL_ROLES, RESULT_ROLES, answered, read_calls, read_tools, result_text
from mathstrap.train.chat import CLOSE, OPEN, REASONING, Turn
from mathstrap.train.options import DataOptions
from mathstrap.types import root_of

Row = Mapping[str, Any]

# Two columns, question first; the earlier pair wins. GSM8K's and MATH's own columns come last.
COLUMNS = (
    ("query", "response"), ("prompt", "completion"), ("prompt", "response"), ("question", "response"),
    ("question", "answer"), ("problem", "solution"),
)  # fmt: skip
TURN_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    **dict.fromkeys(CALL_ROLES, "assistant"),
    **dict.fromkeys(RESULT_ROLES, "tool"),
}

# Which roles may follow a role; "" is the beginning.
FOLLOWS = {"": {"user"}, "user": {"assistant"}, "assistant": {"user", "tool"}, "tool": {"tool", "assistant"}}


@dataclass(frozen=True, kw_only=True)
class TrainingPair:
    """One training text: what is asked, what is to be learnt, and the seed problem it descends from.

    `gold` is the final answer where the row carries one; `where` names the row in messages. `reasoning` is the thought
    before the response, `earlier` the turns before the question. `calls` are the response's tool calls and `tools` what
    may be called, both in OpenAI's shape. After a tool's result, `result` is that turn and `question` the user's last.
    """

    question: str
    response: str
    seed: str
    where: str
    system: str = ""
    gold: str = ""
    reasoning: str = ""
    earlier: tuple[Turn, ...] = ()
    result: Turn | None = None
    calls: tuple[Turn, ...] = ()
    tools: tuple[Turn, ...] = ()

    @property
    def turns(self) -> list[Turn]:
        """The turns that the response follows, without the system turn."""
        return [*self.earlier, self.result or {"role": "user", "content": self.question}]

    @property
    def has_calls(self) -> bool:
        """Whether a tool is called, or has answered."""
        return bool(self.calls) or any("tool_calls" in turn or turn["role"] == "tool" for turn in self.turns)

    @property
    def uses_tools(self) -> bool:
        """Whether tools are offered, called, or have answered."""
        return bool(self.tools) or self.has_calls


@dataclass(frozen=True)
class Pairs:
    """The training and the held-out pairs, and how many rows were skipped for which reason."""

    train: list[TrainingPair]
    held_out: list[TrainingPair]
    skipped: dict[str, int]


def data_paths(options: DataOptions) -> tuple[str, ...]:
    """Return the recipe's data files; raises InputError where it names none, or one that is not there."""
    paths = (options.path,) if isinstance(options.path, str) else tuple(options.path)
    if not any(paths):
        raise InputError("data.path: found nothing, expected a .jsonl, .csv or .parquet file. Set data.path=FILE.")
    for path in paths:
        if not path.startswith("hf:") and not Path(path).exists():
            files_of(path)
    return paths


def load_pairs(options: DataOptions, *, rng_seed: int) -> Pairs:
    """Read all rows of the recipe's data and split off the validation seeds.

    Raises InputError naming file and row for the first bad row unless on_bad is "skip", and for data without a row.
    """
    paths = data_paths(options)
    skipped: dict[str, int] = {}
    pairs: list[TrainingPair] = []
    for path in paths:
        for where, row in numbered_rows(path):
            if options.limit and len(pairs) >= options.limit:
                break
            row_pairs = to_pairs(row, where)
            if not isinstance(row_pairs, str):
                pairs += row_pairs
                continue
            if options.on_bad == "stop":
                raise InputError(f"{where}: {row_pairs}. Fix the row or set data.on_bad=skip.")
            reason = row_pairs.partition(":")[0].partition(" (")[0]
            skipped[reason] = skipped.get(reason, 0) + 1
    if not pairs:
        reasons = "; ".join(f"{count:,} skipped: {reason}" for reason, count in skipped.items())
        raise InputError(
            f"{', '.join(paths)}: no usable row ({reasons or 'empty'}). Expected columns query and response."
        )
    train, held_out = split_by_seed(pairs, options.validation, rng_seed)
    return Pairs(train, held_out, skipped)


def numbered_rows(path: str) -> Iterator[tuple[str, Row]]:
    """Yield ("file:line", row) of a file or of a dataset on the Hugging Face hub."""
    if path.startswith("hf:"):
        help_text = "Check the name, the network or your token."
        for number, row in enumerate(hub_rows(path.removeprefix("hf:"), None, "train", help_text=help_text), 1):
            yield f"{path}:{number}", row
        return
    for number, row in iter_rows(Path(path)):
        yield f"{path}:{number}", row


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """One turn of a conversation: the role, the text, the thought before it, and whether the model learns it.

    `calls` are the tools that the turn calls; `answers` says which call a tool's result belongs to.
    """

    role: str
    content: Any
    reasoning: Any = ""
    is_learnt: bool = True
    calls: tuple[Turn, ...] = ()
    answers: Turn = field(default_factory=dict)


def to_pairs(row: Row, where: str) -> list[TrainingPair] | str:
    """Return the pairs a row holds, one for every answer of its conversation, or what is wrong with the row.

    Each answer of a conversation is learnt once, after the turns before it, in the form in which it will be asked for:
    templates take the reasoning out of earlier turns.
    """
    turns = row.get("messages") or row.get("conversations")
    if isinstance(turns, list):
        spoken = from_turns(turns)
    elif isinstance(turns, str):
        return "the turns are text, expected a list of objects with role and content"
    elif "instruction" in row and "output" in row:
        # Alpaca splits one question into instruction and input at a newline; joining them restores it.
        parts = [row["instruction"], row.get("input")]
        question = "\n".join(part for part in parts if isinstance(part, str) and part.strip())
        spoken = exchange(question, row["output"], row)
        if row.get("history"):
            earlier = from_history(row["history"])
            spoken = earlier if isinstance(earlier, str) else [*earlier, *spoken]
    else:
        names = next((names for names in COLUMNS if names[0] in row and names[1] in row), None)
        if names is None:
            have = ", ".join(map(str, row)) or "none"
            return f"no question and response columns (the row has: {have}), expected query and response"
        # TRL's prompt and completion may each be a list of turns.
        asked, answered = (row[name] for name in names)
        if isinstance(asked, list) and isinstance(answered, list):
            spoken = from_turns([*asked, *answered])
        else:
            spoken = exchange(asked, answered, row)
    if isinstance(spoken, str):
        return spoken
    for turn in spoken:
        name = {"user": "question", "assistant": "response", "tool": "tool's result"}.get(turn.role, "system turn")
        if not isinstance(turn.content, str):
            return f"the {name} is not text: found {type(turn.content).__name__}"
        if not turn.content.strip() and turn.role in ("user", "assistant") and not turn.calls:
            return f"the {name} is empty"
        if not isinstance(turn.reasoning, str):
            return f"the reasoning is not text: found {type(turn.reasoning).__name__}"
        if turn.role == "assistant" and not turn.calls and is_cut_off(turn.content):
            return "the response ends in its thought: found <think> and no answer behind </think>"
    if isinstance(row.get("system"), str) and row["system"].strip() and spoken[0].role != "system":
        spoken = [Spoken(role="system", content=row["system"]), *spoken]
    if not any(turn.is_learnt for turn in spoken if turn.role == "assistant"):
        return "no response is trained on: every turn has weight 0 or train false"
    tools = read_tools(row)
    return tools if isinstance(tools, str) else pairs_of(spoken, row, where, tools)


def is_cut_off(response: str) -> bool:
    """Say whether a response breaks off inside its thought or right after it."""
    _, opened, inside = response.rpartition(OPEN)
    _, closed, answer = response.rpartition(CLOSE)
    return bool(opened and CLOSE not in inside) or bool(closed and not answer.strip())


def from_history(history: Any) -> list[Spoken] | str:
    """Return the turns of Alpaca's history, a list of (question, response), or what is wrong with it."""
    if not isinstance(history, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in history):
        return "history is not a list of questions with their responses"
    return [
        Spoken(role=role, content=content)
        for pair in history
        for role, content in zip(("user", "assistant"), pair, strict=True)
    ]


def exchange(question: Any, response: Any, row: Row) -> list[Spoken]:
    """Return the two turns of a row that has a question column and a response column."""
    thought = row.get("reasoning_content")
    return [Spoken(role="user", content=question), Spoken(role="assistant", content=response, reasoning=thought or "")]


def pairs_of(turns: list[Spoken], row: Row, where: str, tools: tuple[Turn, ...] = ()) -> list[TrainingPair]:
    """Return one pair for every answer among checked turns; the row's gold answer belongs to the last pair."""
    system = turns.pop(0).content if turns[0].role == "system" else ""
    gold, last = row.get("answer"), turns[-1].content
    seed = seed_of(row, turns[0].content)
    pairs = []
    for place, turn in enumerate(turns):
        is_last = place == len(turns) - 1
        if turn.role != "assistant" or not turn.is_learnt:
            continue
        asked = max(before for before in range(place) if turns[before].role == "user")
        before = written_turns(turns[:place], asked)
        pairs.append(TrainingPair(
            question=turns[asked].content, response=turn.content, reasoning=turn.reasoning, seed=seed, where=where,
            system=system, gold=gold if is_last and isinstance(gold, str) and gold != last else "",
            earlier=tuple(before[:-1]), result=before[-1] if asked < place - 1 else None, calls=turn.calls, tools=tools,
        ))  # fmt: skip
    return pairs


def written_turns(turns: list[Spoken], asked: int) -> list[Turn]:
    """Return turns as a chat template reads them; `asked` is the place of the user's last.

    Calls made since then keep the thought before them: templates show it until the user speaks again.
    """
    written: list[Turn] = []
    calls: tuple[Turn, ...] = ()
    results: list[Turn] = []
    for place, turn in enumerate(turns):
        here: Turn = {"role": turn.role, "content": turn.content, **turn.answers}
        if turn.role == "tool":
            results.append(here)
        else:
            answered(calls, results)
            calls, results = turn.calls, []
        if turn.calls:
            here["tool_calls"] = list(turn.calls)
            if turn.reasoning and place > asked:
                here |= dict.fromkeys(REASONING, turn.reasoning)
        written.append(here)
    answered(calls, results)
    return written


def from_turns(turns: list[Any]) -> list[Spoken] | str:
    """Return the turns of a conversation in chat or ShareGPT form, or what is wrong with them."""
    spoken: list[Spoken] = []
    for turn in turns:
        if not isinstance(turn, Mapping):
            return f"a turn is not an object: found {type(turn).__name__}"
        named = str(turn.get("role", turn.get("from", "")))
        role = TURN_ROLES.get(named)
        if role is None:
            return f'a turn has no known role: found "{named[:40]}", expected user, assistant, system or tool'
        num_calls = sum(len(before.calls) for before in spoken)
        calls = read_calls(turn, num_calls) if role == "assistant" else ()
        if isinstance(calls, str):
            return calls
        thought = next((turn[name] for name in REASONING if turn.get(name)), "")
        content = turn.get("content", turn.get("value"))
        if role == "tool":
            content = result_text(content)
        elif calls and (content is None or named in CALL_ROLES):
            content = ""
        if isinstance(content, list):
            parts = from_parts(content)
            if isinstance(parts, str):
                return parts
            content, thought = parts[0], thought or parts[1]
        # OpenAI writes weight 0, Axolotl train: false, for an answer that is context and not a target.
        is_learnt = turn.get("weight") not in (0, "0") and turn.get("train") is not False
        reasoning = thought if role == "assistant" else ""
        answered_call = ("tool_call_id", "name") if role == "tool" else ()
        spoken.append(Spoken(
            role=role, content=content, reasoning=reasoning, is_learnt=is_learnt, calls=calls,
            answers={key: turn[key] for key in answered_call if isinstance(turn.get(key), str)},
        ))  # fmt: skip
    roles = [turn.role for turn in spoken]
    asked = roles[1:] if roles[:1] == ["system"] else roles
    if not asked or asked[-1] != "assistant" or any(b not in FOLLOWS[a] for a, b in pairwise(["", *asked])):
        return f"not questions and answers in turn: found the turns {', '.join(asked) or 'none'}"
    return spoken


def from_parts(parts: list[Any]) -> tuple[str, str] | str:
    """Return the text and the thought of a turn whose content comes in parts, or what is wrong with them."""
    texts: dict[str, list[str]] = {"text": [], "thought": []}
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else "text"
        value = part if isinstance(part, str) else None
        if isinstance(part, Mapping):
            value = part.get("text", part.get(str(kind)))
        if kind not in ("text", *REASONING) or not isinstance(value, str):
            return f'a turn holds a part that is not text: found "{str(kind)[:40]}". Only text is trained on'
        texts["text" if kind == "text" else "thought"].append(value)
    return "".join(texts["text"]), "\n".join(texts["thought"])


def seed_of(row: Row, question: str) -> str:
    """Return what groups a row with its siblings: its seed's id, else the original question, else its own question."""
    for name in ("seed", "problem", "id"):
        value = row.get(name)
        # MATH's question column is called "problem" too; a value with a space is a question, not an id.
        if isinstance(value, str) and value and " " not in value:
            return root_of(value)
    original = row.get("original_question")
    return original if isinstance(original, str) and original.strip() else question


def split_by_seed(
    pairs: list[TrainingPair], share: float, rng_seed: int
) -> tuple[list[TrainingPair], list[TrainingPair]]:
    """Return (train, held out); all samples of a seed go to one side, and rows added later never move a seed."""
    if not share:
        return pairs, []
    train: list[TrainingPair] = []
    held_out: list[TrainingPair] = []
    for pair in pairs:
        digest = hashlib.blake2b(f"{rng_seed}\n{pair.seed}".encode(), digest_size=8).digest()
        (held_out if int.from_bytes(digest) < share * 2**64 else train).append(pair)
    if not held_out or not train:
        side = "validation" if not held_out else "training"
        raise InputError(
            f"data.validation={share:g}: of {counted(len(pairs), 'sample')} none is left for {side}. "
            "Expected enough seed problems for both; change the share (0 = none) or add data."
        )
    return train, held_out
