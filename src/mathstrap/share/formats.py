"""Turn a question with its graded draws into the rows of reward and preference formats. Reads and writes no file.

`export.py` has the formats that need samples alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from mathstrap.augment.sentences import split_sentences
from mathstrap.curate.difficulty import DifficultyOptions, place_in_window
from mathstrap.curate.paths import false_equations
from mathstrap.errors import RecipeError, check_least, check_name
from mathstrap.share.export import FORMATS, Ending, Reasoning, Row, finish_response
from mathstrap.share.groups import Draw, DrawGroup, Instruction, ask_in
from mathstrap.types import Style

MAX_PER_SIDE = 64  # right and wrong draws of one question that are paired: their product is compared


@dataclass(frozen=True, kw_only=True)
class FormatOptions:
    r"""The shape of the rows of the reward and preference formats.

    instruction   how the prompt asks for the final answer: "boxed" (`\boxed{X}`), "answer" (`The answer is: X`), "hash"
                  (`#### X`), or "none"; "auto" = boxed where the model is to write the reply, and the layout that
                  `ending` gives where the row holds the reply
    system        a system message before the question; empty = none
    turns         prompts and replies as chat turns, or as plain texts
    ending        how a reply ends, as in `export.ending`; "keep" = as the teacher wrote it
    gold_in_dollars  put a LaTeX gold in dollar signs, without which TRL's own reward parses few of them
    data_source   the value of verl's column data_source; empty = `mathstrap/` and the name of the seeds
    pairs         "length-matched": right and wrong replies of a question that are nearest in length, or "first": in
                  the order they were drawn
    max_pairs     most pairs of one question
    order         "run", or "hardest-first": the questions with the lowest pass rate come first
    window        only questions whose pass rate lies in it; null = all
    reasoning     what becomes of thoughts in the formats of samples, as in `export.reasoning`
    """

    instruction: Instruction | Literal["auto"] = "auto"
    system: str = ""
    turns: Literal["chat", "plain"] = "chat"
    ending: Ending = "keep"
    gold_in_dollars: bool = True
    data_source: str = ""
    pairs: Literal["length-matched", "first"] = "length-matched"
    max_pairs: int = 1
    order: Literal["run", "hardest-first"] = "run"
    window: DifficultyOptions | None = None
    reasoning: Reasoning = "drop"

    def __post_init__(self) -> None:
        check_least(self, max_pairs=1)


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    r"""The files to write beside samples.jsonl.

    formats   any of metamathqa, alpaca, chat, openai, sharegpt, prompt-completion, and for rewards and preferences
              verl, grpo, dpo, kto, orm, steps
    ending    how a response ends: "paper" = MetaMathQA's (`#### a` and `The answer is: a` for GSM8K-like, the latter
              for MATH-like), "answer" = `The answer is: a` alone, "boxed" = `The answer is $\boxed{a}$.`, "keep" = as
              the teacher wrote it
    reasoning   "drop" leaves the teacher's thoughts out, "keep" puts each in front of its response in the model's own
              marks (`chat`: in the field `reasoning_content`), "column" writes them beside it
    validation_share   this share of the seeds, with all that descends from them, goes to a separate file
    rewards   the shape of the rows of the reward and preference formats
    """

    formats: tuple[str, ...] = ("metamathqa",)
    ending: Ending = "paper"
    reasoning: Reasoning = "drop"
    validation_share: float = 0.0
    rewards: FormatOptions = field(default_factory=FormatOptions)

    def __post_init__(self) -> None:
        known = [*FORMATS, *GROUP_FORMATS]
        for name in self.formats:
            check_name("formats: ", "format", name, known)
        if "openai" in self.formats and self.reasoning == "column":
            raise RecipeError(
                "reasoning: the format openai takes messages and no other column. Use drop or keep, or take chat."
            )
        if not 0 <= self.validation_share < 1:
            raise RecipeError(f"validation_share: found {self.validation_share}, expected 0 or more, below 1.")

    @property
    def keeps_thoughts(self) -> bool:
        """Say whether any format has a place for thoughts."""
        return self.reasoning != "drop" or self.rewards.reasoning != "drop"

    @property
    def format_options(self) -> FormatOptions:
        """Return the row options, with this class's `reasoning` where it is set."""
        return self.rewards if self.reasoning == "drop" else replace(self.rewards, reasoning=self.reasoning)


# Why questions and draws gave no row: reason -> count.
LeftOut = Counter[str]

WINDOW_REASONS = {
    "too_hard": "question solved less often than the window allows",
    "too_easy": "question solved more often than the window allows",
    "too_few_draws": "question with too few graded draws to know its pass rate",
}


def is_wanted(group: DrawGroup, options: FormatOptions, left_out: LeftOut) -> bool:
    """Say whether a question's pass rate lies in the window of the options, if there is one."""
    if options.window is None:
        return True
    decided = group.num_decided or group.known_draws or (options.window.min_draws if group.pass_rate is not None else 0)
    num_correct = (group.pass_rate or 0.0) * decided
    place = place_in_window(round(num_correct), decided, options.window)
    if place != "inside":
        left_out[WINDOW_REASONS[place]] += 1
    return place == "inside"


def turn(role: str, text: str, options: FormatOptions) -> Any:
    """Return a text as one chat turn in a list, or as it is."""
    return [{"role": role, "content": text}] if options.turns == "chat" else text


# The instruction that matches each ending, for rows that already hold the reply.
_ENDING_ASKS: dict[Ending, Instruction] = {"paper": "answer", "answer": "answer", "boxed": "boxed", "keep": "none"}


def asked(group: DrawGroup, options: FormatOptions, *, has_reply: bool) -> str:
    """Return the question with the instruction of the options; it never asks for a layout that its reply lacks."""
    chosen = options.instruction
    if chosen == "auto":
        chosen = _ENDING_ASKS[options.ending] if has_reply else "boxed"
    return ask_in(chosen, group.question)


def prompt_of(group: DrawGroup, options: FormatOptions, *, has_reply: bool = True, always_chat: bool = False) -> Any:
    """Return the prompt of a question; `has_reply` says that the row holds the reply too."""
    text = asked(group, options, has_reply=has_reply)
    if options.turns == "plain" and not always_chat:
        return f"{options.system}\n\n{text}" if options.system else text
    system = [{"role": "system", "content": options.system}] if options.system else []
    return [*system, {"role": "user", "content": text}]


def reply_of(draw: Draw, group: DrawGroup, options: FormatOptions) -> str:
    """Return a draw's text with the ending of the options; a wrong draw ends with its own wrong answer."""
    if options.ending == "keep" or not draw.answer:
        return draw.text
    answer = group.gold if draw.outcome == "correct" and group.gold else draw.answer
    return finish_response(draw.text, answer, group.style, options.ending)


def gold_for_trl(gold: str, options: FormatOptions) -> str:
    """Return a gold for TRL's column `solution`: LaTeX in dollar signs, plain numbers and words unchanged."""
    is_latex = any(sign in gold for sign in "\\^_{(=+*/") and "$" not in gold and "\n" not in gold
    return f"${gold}$" if options.gold_in_dollars and is_latex else gold


def verl_rows(group: DrawGroup, options: FormatOptions, left_out: LeftOut) -> Iterator[Row]:
    """Yield verl's row of a question: its rule and gold, and the question's columns in `extra_info`."""
    if not has_gold(group, left_out):
        return
    columns = group.columns()
    extra = {"split": "train", "index": group.id, "question": group.question, **columns}
    yield {
        "data_source": options.data_source or f"mathstrap/{group.dataset}",
        "prompt": prompt_of(group, options, has_reply=False, always_chat=True), "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": group.gold}, "extra_info": extra,
    }  # fmt: skip


def grpo_rows(group: DrawGroup, options: FormatOptions, left_out: LeftOut) -> Iterator[Row]:
    """Yield TRL's row of a question: the prompt, the gold as `solution`, and the question's columns."""
    if has_gold(group, left_out):
        solution = gold_for_trl(group.gold, options)
        yield {"prompt": prompt_of(group, options, has_reply=False), "solution": solution, **group.columns()}


def has_gold(group: DrawGroup, left_out: LeftOut) -> bool:
    """Say whether a question has a gold, and count it where it has none."""
    if not group.gold:
        left_out["question without a gold answer"] += 1
    return bool(group.gold)


def dpo_rows(group: DrawGroup, options: FormatOptions, left_out: LeftOut) -> Iterator[Row]:
    """Yield pairs of a right and a wrong reply to one question; no reply is in two pairs."""
    right, wrong = replies(group, "correct", left_out), replies(group, "wrong", left_out)
    count_undecided(group, left_out)
    if not right or not wrong:
        left_out["question without a right reply" if not right else "question without a wrong reply"] += 1
        return
    columns = group.columns()
    for chosen, rejected in pair_up(right[:MAX_PER_SIDE], wrong[:MAX_PER_SIDE], options):
        yield {
            "prompt": prompt_of(group, options),
            "chosen": turn("assistant", reply_of(chosen, group, options), options),
            "rejected": turn("assistant", reply_of(rejected, group, options), options),
            "chosen_id": chosen.id, "rejected_id": rejected.id, "rejected_answer": rejected.answer,
            "chosen_tokens": chosen.tokens, "rejected_tokens": rejected.tokens,
            "chosen_reasoning": chosen.reasoning, "rejected_reasoning": rejected.reasoning,
            **columns,
        }  # fmt: skip


def pair_up(right: list[Draw], wrong: list[Draw], options: FormatOptions) -> list[tuple[Draw, Draw]]:
    """Return up to `max_pairs` pairs, each draw used once: those nearest in length first, or in the order drawn."""
    most = min(options.max_pairs, len(right), len(wrong))
    if options.pairs == "first":
        return list(zip(right, wrong, strict=False))[:most]
    if most == 1:  # the default; the minimum spares a sort of up to 4,096 pairs
        return [min(((r, w) for r in right for w in wrong), key=_distance)]
    pairs: list[tuple[Draw, Draw]] = []
    used: set[str] = set()
    for first, second in sorted(((r, w) for r in right for w in wrong), key=_distance):
        if first.id not in used and second.id not in used:
            pairs.append((first, second))
            used |= {first.id, second.id}
            if len(pairs) == most:
                break
    return pairs


def _distance(pair: tuple[Draw, Draw]) -> int:
    return abs(len(pair[0].text) - len(pair[1].text))


def replies(group: DrawGroup, outcome: str, left_out: LeftOut) -> list[Draw]:
    """Return the draws of an outcome, each text once."""
    seen: dict[str, Draw] = {}
    for draw in group.draws:
        if draw.outcome == outcome:
            if draw.text in seen:
                left_out["reply that repeats another draw of its question"] += 1
            seen.setdefault(draw.text, draw)
    return list(seen.values())


def count_undecided(group: DrawGroup, left_out: LeftOut) -> None:
    """Count the draws that are neither right nor wrong."""
    if number := sum(draw.outcome == "undecided" for draw in group.draws):
        left_out["reply that could not be decided"] += number


def labelled(group: DrawGroup, left_out: LeftOut) -> Iterator[Draw]:
    """Yield the right and the wrong draws of a question in the order drawn, each text once."""
    count_undecided(group, left_out)
    keep = {d.id for outcome in ("correct", "wrong") for d in replies(group, outcome, left_out)}
    yield from (draw for draw in group.draws if draw.id in keep)


def draw_columns(draw: Draw) -> Row:
    """Return the columns that describe a draw."""
    return {
        "draw_id": draw.id, "answer": draw.answer, "tokens": draw.tokens, "reasoning": draw.reasoning,
        "draw_teacher": draw.teacher,
    }  # fmt: skip


def kto_rows(group: DrawGroup, options: FormatOptions, left_out: LeftOut) -> Iterator[Row]:
    """Yield every right and wrong reply with its label, for KTO, which needs no pairs."""
    columns = group.columns()
    for draw in labelled(group, left_out):
        yield {
            "prompt": prompt_of(group, options),
            "completion": turn("assistant", reply_of(draw, group, options), options),
            "label": draw.outcome == "correct", **draw_columns(draw), **columns,
        }  # fmt: skip


def orm_rows(group: DrawGroup, options: FormatOptions, left_out: LeftOut) -> Iterator[Row]:
    """Yield every right and wrong path as text with its label, for an outcome reward model."""
    columns = group.columns()
    for draw in labelled(group, left_out):
        yield {
            "question": group.question, "path": reply_of(draw, group, options),
            "label": int(draw.outcome == "correct"), **draw_columns(draw), **columns,
        }  # fmt: skip


def step_rows(group: DrawGroup, options: FormatOptions, left_out: LeftOut) -> Iterator[Row]:
    """Yield paths as steps: labelled true before the first false equation, false at it; later steps are cut off.

    A path without a false equation is labelled all true if its answer is right. If its answer is wrong, nothing shows
    which step is wrong, so it gives no row.
    """
    columns = group.columns()
    for draw in labelled(group, left_out):
        steps = steps_of(draw.text, group.style)
        place, equation = (None, "") if draw.is_true else first_false(steps, draw.text)
        if place is None and draw.outcome == "wrong":
            left_out["wrong path in which no false equation is proven"] += 1
            continue
        shown = steps if place is None else steps[: place + 1]
        yield {
            "prompt": asked(group, options, has_reply=True), "completions": shown,
            "labels": [number != place for number in range(len(shown))], "first_false": place,
            "false_equation": equation, "is_correct": draw.outcome == "correct", "num_steps": len(steps),
            **draw_columns(draw), **columns,
        }  # fmt: skip


def steps_of(text: str, style: Style) -> list[str]:
    """Return the steps of a path: its lines, or the sentences of one that is a single line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        return lines
    return [sentence.text for sentence in split_sentences(text, style)] or lines


def first_false(steps: list[str], text: str) -> tuple[int | None, str]:
    """Return the first step with an equation that is false, and that equation; None and "" where none is proven."""
    # The whole text is checked first: few paths hold a false equation, so few need a check of every step.
    if "=" not in text or not false_equations(text):
        return None, ""
    for place, step in enumerate(steps):
        if "=" in step and (false := false_equations(step)):
            return place, false[0]
    return None, ""


GROUP_FORMATS: dict[str, Callable[[DrawGroup, FormatOptions, LeftOut], Iterator[Row]]] = {
    "verl": verl_rows,
    "grpo": grpo_rows,
    "dpo": dpo_rows,
    "kto": kto_rows,
    "orm": orm_rows,
    "steps": step_rows,
}

# The data card's sentence on each format.
ABOUT = {
    "metamathqa": "the four published columns of MetaMathQA",
    "alpaca": "instruction, empty input, output",
    "chat": "one user and one assistant message",
    "openai": "OpenAI fine-tuning: messages and nothing else",
    "sharegpt": "the two turns in the older field names",
    "prompt-completion": "prompt and completion as texts",
    "verl": "one row a question for verl: prompt, rule and ground truth, difficulty in `extra_info`",
    "grpo": "one row a question for TRL's GRPO and RLOO trainers: prompt, solution, pass rate",
    "dpo": "a right and a wrong reply to one question; also for TRL's reward trainer",
    "kto": "one reply a row with a label: true = right",
    "orm": "one path a row with a label, 1 = right, for an outcome reward model",
    "steps": "paths cut in steps, labelled false at the first equation that is proven false",
}


def example_group() -> DrawGroup:
    """Return a group whose rows define the columns of each format and their types."""
    reply = {"answer": "2", "tokens": 1, "reasoning": "r", "teacher": "t"}
    draws = (
        Draw(id="a#0", text="1+1=2.\nSo 2.", outcome="correct", **reply),  # type: ignore[arg-type]
        Draw(id="a#1", text="1+1=3.\nSo 3.", outcome="wrong", **reply),  # type: ignore[arg-type]
    )
    return DrawGroup(id="a", question="What?", gold="2", dataset="d", seed="a", original_question="What?", draws=draws)


def example_row(name: str, options: FormatOptions) -> Row:
    """Return a row of a format with a value in every column."""
    rows = list(GROUP_FORMATS[name](example_group(), options, LeftOut()))
    return msgspec.to_builtins(rows[-1])  # type: ignore[no-any-return]
