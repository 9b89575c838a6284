r"""Check a training file before a training: every gold is graded in the layout that the prompt asks the model for.

Reports rewards that can never be 1, golds that cannot be read, prompts that are too long, and questions that all draws
solve or none. Works for any file with the columns of a format of `mathstrap export`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Literal

from mathstrap.errors import InputError, counted, missing_extra, suggest
from mathstrap.files.rows import Row, iter_rows
from mathstrap.patterns import regex
from mathstrap.plugins import is_own, own_path, run_file
from mathstrap.render.hostile import printable
from mathstrap.share.adapters import score_all
from mathstrap.share.foreign import Raised, call_foreign
from mathstrap.share.reward import (
    GOLD_COLUMNS,
    Layout,
    Missing,
    RewardOptions,
    assess,
    gold_is_readable,
    golds_of,
    layout_of,
    text_of_reply,
)

Format = Literal["grpo", "verl", "dpo", "kto", "orm", "steps", "openai"]
FORMATS_CHECKED: tuple[Format, ...] = ("grpo", "verl", "dpo", "kto", "orm", "steps", "openai")
ROWS_PER_BATCH = 256
MAX_EXAMPLES = 5
# OpenAI's fine-tuning rejects a smaller file.
MIN_OPENAI_ROWS = 10

# Code -> (is an error, sentence). Errors stop a training run or make it learn nothing; the others are notes.
FINDINGS: dict[str, tuple[bool, str]] = {
    "no_prompt": (True, "the row has no prompt"),
    "other_column": (True, "the trainer reads the column `prompt`, and the question is in another column"),
    "no_gold": (True, "the row has no gold answer, so it never gets a reward"),
    "gold_unreadable": (True, "the checker cannot read the gold, so only a literal copy of it can be right"),
    "never_one": (True, "the gold itself, written as the prompt asks, gets no reward of 1"),
    "reward_raised": (True, "the reward raised an exception on the gold itself"),
    "conflicting_golds": (True, "an earlier row asks the same with another gold"),
    "broken_row": (True, "the row cannot be read, or a column has another type than the trainer needs"),
    "chosen_wrong": (True, "the chosen reply is wrong by the row's own gold"),
    "rejected_right": (True, "the rejected reply is right by the row's own gold"),
    "label_wrong": (True, "the label contradicts the row's own gold"),
    "same_reply": (True, "chosen and rejected are the same text"),
    "one_label": (True, "all labels are the same, so there is nothing to learn"),
    "too_few_rows": (True, f"the service takes no file of fewer than {MIN_OPENAI_ROWS} rows"),
    "prompt_too_long": (True, "the prompt is longer than the limit"),
    "fewshot_unreadable": (True, "an example in the prompt states no answer that the checker can read"),
    "fewshot_other_layout": (False, "an example in the prompt has its answer in another layout than the prompt asks"),
    "no_layout": (False, "the prompt does not say how to write the final answer"),
    "always_solved": (False, "every draw solved the question: all rewards of its group will be equal"),
    "never_solved": (False, "no draw solved the question: all rewards of its group will be equal"),
    "repeated_prompt": (False, "an earlier row asks the same"),
    "labels_unbalanced": (False, "one label is more than ten times as frequent as the other"),
    "kto_weights": (False, "right and wrong replies weigh the same, and KTO wants 1 to 4/3 of right ones"),
}  # fmt: skip

# The layouts a prompt can ask for, and the words that ask.
_ASKS: tuple[tuple[Layout, re.Pattern[str]], ...] = (
    ("boxed", regex(r"\\boxed|\bbox(?:ed)?\b")),
    ("hash", regex(r"####")),
    ("stated", regex(r"(?i:answer is|answer:|final answer|<answer>)")),
)
WRITTEN: dict[Layout, str] = {
    "boxed": "Some reasoning.\nThe result is \\boxed{{{gold}}}.",
    "hash": "Some reasoning.\n#### {gold}",
    "stated": "Some reasoning.\nThe answer is: {gold}",
}
_TURN = regex(r"(?:^|\n)\s{0,4}(?:\*\*)?(?:A|Answer|Solution|Response|Assistant|### Response)(?:\*\*)?\s?:")
_NEXT = regex(r"\n\s{0,4}(?:\*\*)?(?:Q|Question|Problem|User|Human|### Instruction|Instruction)(?:\*\*)?\s?:")


@dataclass(frozen=True, kw_only=True)
class PreflightOptions:
    """The file's format and the checks.

    format      the format of the file
    reward      "mathstrap", or another reward to try, called as the trainer calls it: `path/to/file.py:function` or
                `package.module:function`
    prompt      the column of the prompts; empty = the one that the trainer reads
    gold        the column of the gold answers; empty = the usual names
    max_prompt  longest prompt, null = any; in tokens of `tokenizer`, in characters without one
    tokenizer   a tokenizer's folder or name
    limit       read this many rows, null = all
    """

    format: Format = "grpo"
    reward: str = "mathstrap"
    prompt: str = ""
    gold: str = ""
    max_prompt: int | None = None
    tokenizer: str = ""
    limit: int | None = None


@dataclass(kw_only=True)
class Preflight:
    """The findings of a check: the count of each, and the first rows that have it with a detail."""

    num_rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    num_rated: int = 0
    unit: str = "characters"

    def add(self, code: str, row: int, detail: str = "") -> None:
        """Count a finding of a row."""
        self.counts[code] += 1
        shown = self.examples.setdefault(code, [])
        if len(shown) < MAX_EXAMPLES:
            shown.append((row, printable(detail[:160])))

    @property
    def num_errors(self) -> int:
        """Findings that stop a training run or make it learn nothing."""
        return sum(number for code, number in self.counts.items() if FINDINGS[code][0])


def preflight(path: Path, options: PreflightOptions) -> Preflight:
    """Check every row of a file, streaming; raises InputError for a file or an option that cannot be used."""
    if options.format not in FORMATS_CHECKED:
        raise InputError(f'--format: found "{options.format}".{suggest(options.format, list(FORMATS_CHECKED))}')
    result = Preflight()
    measure, result.unit = length_measure(options)
    check = CHECKS[options.format](options, result, measure)

    def bad(number: int, reason: str) -> None:
        result.num_rows += 1
        result.add("broken_row", number, reason)

    rows = islice(iter_rows(path, bad=bad), options.limit)
    while batch := list(islice(rows, ROWS_PER_BATCH)):
        result.num_rows += len(batch)
        check.rows(batch)
    check.end()
    if not result.num_rows:
        raise InputError(f"{path}: holds no rows.")
    return result


def length_measure(options: PreflightOptions) -> tuple[Callable[[Any], int], str]:
    """Return the function that measures a prompt, and its unit."""
    if not options.tokenizer:
        return lambda prompt: len(prompt_text(prompt)), "characters"
    from mathstrap.hub.weights import load_tokenizer_of

    try:
        tokenizer = load_tokenizer_of(options.tokenizer)
    except ImportError:
        raise missing_extra("transformers", "train") from None
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(f"--tokenizer {options.tokenizer}: cannot be loaded: {reason}") from None

    def tokens(prompt: Any) -> int:
        if isinstance(prompt, list) and getattr(tokenizer, "chat_template", None):
            text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
            return len(tokenizer(text, add_special_tokens=False)["input_ids"])
        return len(tokenizer(prompt_text(prompt))["input_ids"])

    return tokens, "tokens"


# Columns that may hold the question of a file whose prompt column is missing.
_QUESTIONS = ("question", "problem", "query", "instruction", "input")


def prompt_in(number: int, row: Row, options: PreflightOptions, result: Preflight) -> Any:
    """Return a row's prompt unchanged, or None, and report a prompt that a trainer would not find."""
    name = options.prompt or ("question" if options.format == "orm" else "prompt")
    prompt = row.get(name)
    if prompt is None and options.format == "dpo":
        prompt = shared_turns(row.get("chosen"), row.get("rejected"))
    if prompt is None and not options.prompt:
        other = next((each for each in _QUESTIONS if isinstance(row.get(each), str) and row[each].strip()), "")
        if other:
            result.add("other_column", number, f"in `{other}`; once it is mapped: --prompt {other}")
            return row[other]
    if not prompt_text(prompt).strip():
        columns = ", ".join(map(str, list(row)[:12]))
        is_there = name in row and prompt is not None
        result.add("no_prompt", number, f"{name}: a {type(prompt).__name__}" if is_there else f"the row has: {columns}")
        return None
    return prompt


def shared_turns(chosen: Any, rejected: Any) -> list[Any] | None:
    """Return the turns that two conversations begin with, which TRL takes for the prompt; None where there are none."""
    if not isinstance(chosen, list) or not isinstance(rejected, list):
        return None
    pairs = zip(chosen, rejected, strict=False)
    shared = [first for first, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    return shared or None


def prompt_text(prompt: Any) -> str:
    """Return a prompt's text, or the joined texts of its turns."""
    if isinstance(prompt, str):
        return prompt
    turns = prompt if isinstance(prompt, list) else []
    texts = (text_of_reply({"content": turn.get("content")}) for turn in turns if isinstance(turn, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def asked_layouts(prompt: Any) -> list[Layout]:
    """Return the layouts that a prompt asks for, else those of its worked examples; empty where none."""
    own = prompt
    if isinstance(prompt, list):
        own = [turn for turn in prompt if isinstance(turn, dict) and turn.get("role") != "assistant"]
    text = prompt_text(own)
    asked = [layout for layout, pattern in _ASKS if pattern.search(text)]
    return asked or [layout for layout, _ in _ASKS if any(layout_of(shot, layout) for shot in shots_of(prompt))]


def shots_of(prompt: Any) -> Iterator[str]:
    """Yield the worked examples of a prompt: its assistant turns, or the answers between questions of a text."""
    if isinstance(prompt, list):
        for turn in prompt:
            if isinstance(turn, dict) and turn.get("role") == "assistant":
                text = text_of_reply([turn])
                yield text if isinstance(text, str) else ""
        return
    starts = list(_TURN.finditer(prompt))
    for match in starts:
        after = _NEXT.search(prompt, match.end())
        if after is not None:  # the last answer has no question after it: the model is to write that one
            yield prompt[match.end() : after.start()]


def load_reward(name: str) -> Callable[..., Any]:
    """Return a reward by `path/to/file.py:function` or `package.module:function`; raises InputError."""
    import importlib

    module_name, _, attribute = name.rpartition(":")
    if is_own(name):
        module = run_file(own_path(name).absolute(), "--reward")
    else:
        try:
            module = importlib.import_module(module_name)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"--reward {name}: cannot be imported ({error}). Expected file.py:function or package.module:function."
            ) from None
    function = getattr(module, attribute, None)
    if not callable(function):
        raise InputError(f"--reward {name}: {module_name} has no function {attribute}.")
    return function  # type: ignore[no-any-return]


def tried_as_trl(**arguments: Any) -> list[float | None]:
    """Return what `mathstrap.reward.reward` returns, without counting: no model wrote these replies."""
    completions, solution = arguments.pop("completions"), arguments.pop("solution", None)
    return [each.reward for each in score_all(completions, solution, RewardOptions(), scorer=assess, **arguments)]


def tried_as_verl(*, solution_str: Any, ground_truth: Any, **_: Any) -> float:
    """Return what `mathstrap.reward.compute_score` returns, without counting."""
    return assess(solution_str, ground_truth).reward or 0.0


class RowCheck:
    """What the checks of all formats share: the options, the findings, and the length of a prompt."""

    def __init__(self, options: PreflightOptions, result: Preflight, measure: Callable[[Any], int]) -> None:
        self.options, self.result, self.measure = options, result, measure

    def length(self, number: int, prompt: Any) -> None:
        """Report a prompt that is longer than the limit."""
        if self.options.max_prompt is not None and (length := self.measure(prompt)) > self.options.max_prompt:
            self.result.add("prompt_too_long", number, f"{length:,} {self.result.unit}")

    def end(self) -> None:
        """Report what only the whole file shows; nothing by default."""


class RewardRows(RowCheck):
    """The rows of a format whose replies are rewarded in training: grpo, verl."""

    def __init__(self, options: PreflightOptions, result: Preflight, measure: Callable[[Any], int]) -> None:
        super().__init__(options, result, measure)
        self.is_verl = options.format == "verl"
        self.golds: dict[bytes, str] = {}
        own = tried_as_verl if self.is_verl else tried_as_trl
        self.call: Callable[..., Any] = own if options.reward == "mathstrap" else load_reward(options.reward)

    def rows(self, batch: Sequence[tuple[int, Row]]) -> None:
        """Check some rows."""
        by_layout: dict[Layout, list[tuple[int, Row, Any, str]]] = {}
        for number, row in batch:
            prompt = prompt_in(number, row, self.options, self.result)
            if prompt is None:
                continue
            if self.is_verl and not isinstance(prompt, list):
                self.result.add("broken_row", number, "prompt: a text, expected a list of chat turns for the template")
            text = prompt_text(prompt)
            self.difficulty(number, row)
            layouts = asked_layouts(prompt)
            self.prompt(number, prompt, layouts)
            gold = self.gold(number, row)
            if gold is None:
                continue
            self.repeats(number, text, gold)
            if not layouts:
                self.result.add("no_layout", number, text[-80:])
            for layout in layouts or tuple(WRITTEN):
                by_layout.setdefault(layout, []).append((number, row, prompt, gold))
        missed: dict[int, str] = {}
        for layout, rows in by_layout.items():
            written = [WRITTEN[layout].format(gold=gold) for *_, gold in rows]
            for (number, *_), text, value in zip(rows, written, self.values(rows, written), strict=True):
                if isinstance(value, str):
                    self.result.add("reward_raised", number, value)
                elif value is None or value < 1:
                    missed.setdefault(number, f"{value!r} for {text.splitlines()[-1]}")
        for number, detail in sorted(missed.items()):
            self.result.add("never_one", number, detail)

    def values(self, rows: Sequence[tuple[int, Row, Any, str]], written: Sequence[str]) -> list[float | str | None]:
        """Return the reward of each written gold, called as the trainer calls it; a text is an exception's message."""
        if self.is_verl:
            return [self.verl_value(row, text) for (_, row, _, _), text in zip(rows, written, strict=True)]
        rewards = call_foreign(self.trl_values, rows, written)
        if not isinstance(rewards, Raised):
            return rewards
        values: list[float | str | None] = []
        for each, text in zip(rows, written, strict=True):  # one bad row fails a whole batch, so each is tried alone
            reward = call_foreign(self.trl_values, [each], [text])
            values += [reward.reason] if isinstance(reward, Raised) else reward
        return values

    def trl_values(self, rows: Sequence[tuple[int, Row, Any, str]], written: Sequence[str]) -> list[float | str | None]:
        """Call a reward as TRL does: prompts, completions, and every other column of the rows as a list."""
        names = dict.fromkeys(name for _, row, _, _ in rows for name in row)
        columns = {name: [row.get(name) for _, row, _, _ in rows] for name in names if name != "prompt"}
        completions = [
            [{"role": "assistant", "content": text}] if isinstance(prompt, list) else text
            for (_, _, prompt, _), text in zip(rows, written, strict=True)
        ]
        if self.options.gold and self.options.reward == "mathstrap":
            columns = {"solution": columns[self.options.gold]} if self.options.gold in columns else {}
        values = self.call(
            prompts=[prompt for _, _, prompt, _ in rows], completions=completions,
            completion_ids=[[0] * len(text.split()) for text in written], **columns,
        )  # fmt: skip
        rewards: list[float | str | None] = [None if value is None else float(value) for value in values]
        if len(rewards) != len(written):
            raise ValueError(f"{len(written)} completions got {len(rewards)} rewards")
        return rewards

    def verl_value(self, row: Row, text: str) -> float | str | None:
        """Call a reward as verl does."""
        extra = row.get("extra_info")

        def call() -> float:
            value = self.call(
                data_source=row.get("data_source"), solution_str=text, ground_truth=self.gold_value(row),
                extra_info=dict(extra) if isinstance(extra, dict) else {},
            )  # fmt: skip
            return float(value["score"] if isinstance(value, dict) else value)

        value = call_foreign(call)
        return value.reason if isinstance(value, Raised) else value

    def gold_value(self, row: Row) -> Any:
        """Return a row's gold unchanged."""
        if self.options.gold:
            return row.get(self.options.gold)
        if self.is_verl:
            model = row.get("reward_model")
            return model.get("ground_truth") if isinstance(model, dict) else None
        return next((row[name] for name in GOLD_COLUMNS if row.get(name) is not None), None)

    def gold(self, number: int, row: Row) -> str | None:
        """Return a row's gold as a bare answer, and report a gold that is missing or cannot be read."""
        golds = golds_of(self.gold_value(row))
        if isinstance(golds, Missing):
            self.result.add("no_gold", number, golds.reason)
            return None
        bare = golds[0]
        if not any(map(gold_is_readable, golds)):
            self.result.add("gold_unreadable", number, bare)
        return bare

    def prompt(self, number: int, prompt: Any, layouts: Sequence[Layout]) -> None:
        """Check the length of a prompt and its worked examples."""
        self.length(number, prompt)
        for shot in shots_of(prompt):
            if not layout_of(shot, "any"):
                self.result.add("fewshot_unreadable", number, shot.strip()[-80:])
            elif layouts and not any(layout_of(shot, layout) for layout in layouts):
                self.result.add("fewshot_other_layout", number, shot.strip()[-80:])

    def difficulty(self, number: int, row: Row) -> None:
        """Report a question that all draws solve, or none, where the row has a pass rate."""
        extra = row.get("extra_info")
        rate = row.get("pass_rate", extra.get("pass_rate") if isinstance(extra, dict) else None)
        if isinstance(rate, int | float) and not isinstance(rate, bool):
            self.result.num_rated += 1
            if rate >= 1:
                self.result.add("always_solved", number)
            elif rate <= 0:
                self.result.add("never_solved", number)

    def repeats(self, number: int, text: str, gold: str) -> None:
        """Report a prompt that an earlier row has, with the same gold or another."""
        key = hashlib.blake2b(" ".join(text.split()).encode("utf-8", "replace"), digest_size=12).digest()
        before = self.golds.get(key)
        if before is None:
            self.golds[key] = gold
        else:
            is_same = assess(f"The answer is: {gold}", before).outcome != "wrong"
            code = "repeated_prompt" if is_same else "conflicting_golds"
            self.result.add(code, number, f"{before} and {gold}")

class LabelledRows(RowCheck):
    """The rows of a format whose replies carry labels: dpo, kto, orm, steps."""

    def __init__(self, options: PreflightOptions, result: Preflight, measure: Callable[[Any], int]) -> None:
        super().__init__(options, result, measure)
        self.labels: Counter[bool] = Counter()

    def rows(self, batch: Sequence[tuple[int, Row]]) -> None:
        """Check some rows."""
        checks: dict[str, Callable[[int, Row], None]] = {
            "dpo": self.pair, "steps": self.steps, "kto": partial(self.labelled, column="completion", kind=bool),
            "orm": partial(self.labelled, column="path", kind=int),
        }  # fmt: skip
        check = checks[self.options.format]
        for number, row in batch:
            prompt = prompt_in(number, row, self.options, self.result)
            if prompt is None:
                continue
            self.length(number, prompt)
            check(number, row)

    def outcome(self, row: Row, reply: str) -> str:
        """Return a reply's outcome by the row's own gold; "undecided" where the row has none."""
        gold = next((row[name] for name in (self.options.gold, "gold", "ground_truth") if row.get(name)), None)
        return assess(reply, gold, RewardOptions()).outcome if gold is not None else "undecided"

    def text(self, number: int, row: Row, column: str) -> str | None:
        """Return a reply's text, and report a missing one."""
        text = text_of_reply(row.get(column))
        if isinstance(text, Missing) or not text.strip():
            reason = text.reason if isinstance(text, Missing) else "it is empty"
            self.result.add("broken_row", number, f"{column}: {reason}")
            return None
        return text

    def pair(self, number: int, row: Row) -> None:
        """Check a row of pairs."""
        chosen, rejected = self.text(number, row, "chosen"), self.text(number, row, "rejected")
        if chosen is None or rejected is None:
            return
        if chosen.strip() == rejected.strip():
            self.result.add("same_reply", number)
        if self.outcome(row, chosen) == "wrong":
            self.result.add("chosen_wrong", number, chosen[-80:])
        if self.outcome(row, rejected) == "correct":
            self.result.add("rejected_right", number, rejected[-80:])

    def labelled(self, number: int, row: Row, column: str, kind: type) -> None:
        """Check a reply against its label."""
        text, label = self.text(number, row, column), row.get("label")
        if not isinstance(label, bool | int) or (kind is bool and not isinstance(label, bool)):
            self.result.add("broken_row", number, f"label: a {type(label).__name__}, expected a {kind.__name__}")
            return
        self.labels[bool(label)] += 1
        if text is not None and self.outcome(row, text) == ("wrong" if label else "correct"):
            self.result.add("label_wrong", number, text[-80:])

    def steps(self, number: int, row: Row) -> None:
        """Check a row of steps: as many labels as steps, all of them true or false."""
        steps, labels = row.get("completions"), row.get("labels")
        if not isinstance(steps, list) or not isinstance(labels, list) or len(steps) != len(labels) or not steps:
            self.result.add("broken_row", number, "completions and labels: expected two lists of one length")
        elif not all(isinstance(step, str) for step in steps) or not all(isinstance(each, bool) for each in labels):
            self.result.add("broken_row", number, "completions and labels: expected texts, and true or false")
        else:
            self.labels.update(labels)

    def end(self) -> None:
        """Report labels that are all alike, or nearly."""
        if self.options.format == "dpo" or not self.labels:
            return
        few, many = sorted((self.labels[True], self.labels[False]))
        if not few:
            self.result.add("one_label", 0, f"{many:,} of {many:,}")
        elif self.options.format != "steps" and many > 10 * few:
            self.result.add("labels_unbalanced", 0, f"{many:,} and {few:,}")
        if self.options.format == "kto" and few:
            self.weights(self.labels[True], self.labels[False])

    def weights(self, right: int, wrong: int) -> None:
        """Report the weight that balances right and wrong replies as TRL's KTO trainer recommends, 1:1 to 4:3."""
        if right < wrong:
            low, high, name = wrong / right, wrong / right * 4 / 3, "desirable_weight"
        elif right > wrong * 4 / 3:
            low, high, name = right / wrong * 3 / 4, right / wrong, "undesirable_weight"
        else:
            return
        self.result.add("kto_weights", 0, f"{right:,} true, {wrong:,} false: set {name} to {low:.2f} to {high:.2f}")


class ChatRows(RowCheck):
    """The rows of an OpenAI fine-tuning file."""

    def rows(self, batch: Sequence[tuple[int, Row]]) -> None:
        """Check some rows."""
        for number, row in batch:
            reason = self.fault(row)
            if reason:
                self.result.add("broken_row", number, reason)
            else:
                self.length(number, row["messages"][:-1])

    @staticmethod
    def fault(row: Row) -> str:
        """Return why the service would refuse a row; empty where it would not."""
        turns = row.get("messages")
        if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns) or len(turns) < 2:
            return "messages: expected a list of at least two turns"
        if extra := set(row) - {"messages", "tools", "parallel_tool_calls"}:
            return f"the service knows no field {', '.join(sorted(map(str, extra)))}"
        if any(turn.get("role") not in ("system", "developer", "user", "assistant", "tool") for turn in turns):
            return "a turn has a role that the service does not know"
        if turns[-1].get("role") != "assistant":
            return "the last turn is not the assistant's"
        for turn in turns:
            content = turn.get("content")
            has_text = bool(content.strip() if isinstance(content, str) else isinstance(content, list) and content)
            calls = turn.get("role") == "assistant" and (turn.get("tool_calls") or turn.get("function_call"))
            if not has_text and not (content is None and calls):
                return "a turn has no text"
        return ""

    def end(self) -> None:
        """Report a file that is too small."""
        if 0 < self.result.num_rows < MIN_OPENAI_ROWS:
            self.result.add("too_few_rows", 0, f"{self.result.num_rows} rows")


CHECKS: dict[str, Callable[[PreflightOptions, Preflight, Callable[[Any], int]], Any]] = {
    "grpo": RewardRows, "verl": RewardRows, "dpo": LabelledRows, "kto": LabelledRows, "orm": LabelledRows,
    "steps": LabelledRows, "openai": ChatRows,
}  # fmt: skip


def report_lines(result: Preflight) -> list[str]:
    """Return the findings as lines for a terminal, errors first."""
    lines = [counted(result.num_rows, "row")]
    order = sorted(result.counts.items(), key=lambda item: (not FINDINGS[item[0]][0], -item[1]))
    for code, number in order:
        is_error, sentence = FINDINGS[code]
        lines.append(f"{'error' if is_error else 'note':<6}{number:>9,}  {code}: {sentence}")
        for row, detail in result.examples[code]:
            where = f"row {row:,}" if row else "the file"
            lines.append(f"{'':17}{where}{f': {detail}' if detail else ''}")
    if not result.counts:
        lines.append("Nothing found.")
    return lines
