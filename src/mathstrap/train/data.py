"""Read training rows of every known shape as question and response. Knows nothing of tokens or models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError
from mathstrap.files.rows import iter_rows
from mathstrap.hub.rows import hub_rows
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
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One training text: what is asked, what is to be learnt, and the seed problem it descends from.

    `gold` is the final answer where the row carries one; `where` names the row in messages.
    """

    question: str
    response: str
    seed: str
    where: str
    system: str = ""
    gold: str = ""


@dataclass(frozen=True)
class Pairs:
    """The training and the held-out pairs, and how many rows were skipped for which reason."""

    train: list[Pair]
    held_out: list[Pair]
    skipped: dict[str, int]


def load_pairs(options: DataOptions, *, rng_seed: int) -> Pairs:
    """Read all rows of the recipe's data and split off the validation seeds.

    Raises InputError naming file and row for the first bad row unless on_bad is "skip", and for data without a row.
    """
    paths = (options.path,) if isinstance(options.path, str) else options.path
    if not any(paths):
        raise InputError("data.path: found nothing, expected a .jsonl, .csv or .parquet file. Set data.path=FILE.")
    skipped: dict[str, int] = {}
    pairs: list[Pair] = []
    for path in paths:
        for where, row in numbered_rows(path):
            if options.limit and len(pairs) >= options.limit:
                break
            found = to_pair(row, where)
            if isinstance(found, Pair):
                pairs.append(found)
                continue
            if options.on_bad == "stop":
                raise InputError(f"{where}: {found}. Fix the row or set data.on_bad=skip.")
            reason = found.partition(":")[0].partition(" (")[0]
            skipped[reason] = skipped.get(reason, 0) + 1
    if not pairs:
        reasons = "; ".join(f"{count:,} skipped: {reason}" for reason, count in skipped.items())
        found = f"{', '.join(paths)}: no usable row ({reasons or 'empty'})"
        raise InputError(f"{found}. Expected columns query and response.")
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


def to_pair(row: Row, where: str) -> Pair | str:
    """Return the pair a row holds, or the sentence that says what is wrong with it."""
    turns = row.get("messages") or row.get("conversations")
    if isinstance(turns, list):
        found = from_turns(turns)
    elif "instruction" in row and "output" in row:
        # Alpaca: the two parts of the prompt were one question that a newline divides.
        parts = [row["instruction"], row.get("input")]
        found = ("", "\n".join(part for part in parts if isinstance(part, str) and part.strip()), row["output"])
    else:
        names = next((names for names in COLUMNS if names[0] in row and names[1] in row), None)
        if names is None:
            have = ", ".join(map(str, row)) or "none"
            return f"no question and response columns (the row has: {have}), expected query and response"
        found = ("", row[names[0]], row[names[1]])
    if isinstance(found, str):
        return found
    system, question, response = found
    for name, value in (("question", question), ("response", response)):
        if not isinstance(value, str):
            return f"the {name} is no text: found {type(value).__name__}"
        if not value.strip():
            return f"the {name} is empty"
    assert isinstance(question, str), "checked above"
    assert isinstance(response, str), "checked above"
    gold = row.get("answer")
    is_bare = isinstance(gold, str) and gold != response
    return Pair(
        question=question, response=response, seed=seed_of(row, question), where=where, system=str(system or ""),
        gold=str(gold) if is_bare else "",
    )  # fmt: skip


def from_turns(turns: list[Any]) -> tuple[str, Any, Any] | str:
    """Return (system, question, response) of one exchange in chat or ShareGPT form, or what is wrong with it."""
    spoken: list[tuple[str, Any]] = []
    for turn in turns:
        if not isinstance(turn, Mapping):
            return f"a turn is no object: found {type(turn).__name__}"
        role = TURN_ROLES.get(str(turn.get("role", turn.get("from", ""))))
        if role is None:
            return f'a turn has no known role: found "{turn.get("role", turn.get("from"))}", expected user or assistant'
        spoken.append((role, turn.get("content", turn.get("value"))))
    system = spoken.pop(0)[1] if spoken and spoken[0][0] == "system" else ""
    if [role for role, _ in spoken] != ["user", "assistant"]:
        found = ", ".join(role for role, _ in spoken)
        return f"not one question and one answer: found the turns {found or 'none'}"
    return system, spoken[0][1], spoken[1][1]


def seed_of(row: Row, question: str) -> str:
    """Return what groups a row with its siblings: its seed's id, else the original question, else its own question."""
    for name in ("seed", "problem", "id"):
        value = row.get(name)
        # MATH calls its question "problem": an id carries no spaces.
        if isinstance(value, str) and value and " " not in value:
            return root_of(value)
    original = row.get("original_question")
    return original if isinstance(original, str) and original.strip() else question


def split_by_seed(pairs: list[Pair], share: float, rng_seed: int) -> tuple[list[Pair], list[Pair]]:
    """Return (train, held out): whole seeds move together, decided by a hash, so that more rows move no seed."""
    if not share:
        return pairs, []
    train: list[Pair] = []
    held_out: list[Pair] = []
    for pair in pairs:
        digest = hashlib.blake2b(f"{rng_seed}\n{pair.seed}".encode(), digest_size=8).digest()
        (held_out if int.from_bytes(digest) < share * 2**64 else train).append(pair)
    if not held_out or not train:
        side = "validation" if not held_out else "training"
        raise InputError(
            f"data.validation={share:g}: none of {len(pairs)} samples is left for {side}. "
            "Expected enough seed problems for both; change the share (0 = none) or add data."
        )
    return train, held_out
