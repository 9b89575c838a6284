"""Turn samples into the rows of training formats, and describe them on a data card. Reads and writes no file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from mathstrap.patterns import regex
from mathstrap.thought import joined
from mathstrap.types import Sample, Style

Row = dict[str, Any]
Ending = Literal["paper", "answer", "boxed", "keep"]
Reasoning = Literal["drop", "keep", "column"]

# A final answer that the teacher already stated at the very end. The lengths are bounded against backtracking.
STATED_ENDING = regex(
    r"(?:^|\s)(?:####[ \t]*[^\n]{1,200}"
    r"|(?:[Tt]herefore, |[Ss]o,? |[Tt]hus, )?[Tt]he (?:final )?answer is:?[ \t]*[^\n]{1,200})\s*\Z"
)


def finish_response(text: str, answer: str, style: Style, ending: Ending) -> str:
    """Return the solution with exactly one final answer in the chosen form (paper, App. B and the released rows).

    The teacher's own closing statement of the answer is removed first, so that the answer is not stated twice.
    """
    if ending == "keep":
        return text.strip()
    body = text.strip()
    for _ in range(2):
        # The statement is on the last line, since nothing but it is at the end; earlier lines need no look.
        match = STATED_ENDING.search(body, max(0, len(body) - 600, body.rfind("\n")))
        if match is None or match.start() == 0:
            break
        body = body[: match.start()].rstrip()
    if ending == "boxed":
        return f"{body}\nThe answer is $\\boxed{{{answer}}}$."
    stated = f"The answer is: {answer}"
    if ending == "paper" and style == "gsm8k":
        return f"{body}\n#### {answer}\n{stated}"
    return f"{body}\n{stated}" if style == "gsm8k" else f"{body} {stated}"


def metamathqa_row(sample: Sample) -> Row:
    """Return the four published columns."""
    return {
        "type": sample.type, "query": sample.query,
        "original_question": sample.original_question, "response": sample.response,
    }  # fmt: skip


def alpaca_row(sample: Sample) -> Row:
    """Return the row of an Alpaca file: instruction, empty input, output."""
    return {"instruction": sample.query, "input": "", "output": sample.response}


def chat_row(sample: Sample) -> Row:
    """Return the row of a chat file: one user and one assistant message."""
    return {"messages": [{"role": "user", "content": sample.query}, {"role": "assistant", "content": sample.response}]}


def sharegpt_row(sample: Sample) -> Row:
    """Return the row of a ShareGPT file: the same two turns in its older field names."""
    return {"conversations": [{"from": "human", "value": sample.query}, {"from": "gpt", "value": sample.response}]}


def prompt_completion_row(sample: Sample) -> Row:
    """Return the row of a prompt/completion file."""
    return {"prompt": sample.query, "completion": sample.response}


FORMATS: dict[str, Callable[[Sample], Row]] = {
    "metamathqa": metamathqa_row,
    "alpaca": alpaca_row,
    "chat": chat_row,
    "openai": chat_row,  # OpenAI's upload refuses every field but messages, see sample_row
    "sharegpt": sharegpt_row,
    "prompt-completion": prompt_completion_row,
}


def sample_row(name: str, sample: Sample, reasoning: Reasoning = "drop", *, with_votes: bool = False) -> Row:
    """Return a sample's row in a format; its thought is dropped, kept before the response, or put in its own column.

    A kept thought stands before the response in the model's own marks; in `chat` it goes to the message's
    `reasoning_content`, for the chat template to place. `with_votes` adds the columns `gold_source` and `confidence`,
    so that a reader of the file can tell a vote from a given gold; `openai` takes no further column.
    """
    if reasoning == "keep" and name != "chat":
        sample = msgspec.structs.replace(
            sample, response=joined(sample.reasoning, sample.response, sample.thought_tag)
        )
    row = FORMATS[name](sample)
    if with_votes and name != "openai":
        row |= {"gold_source": sample.gold_source, "confidence": sample.confidence}
    if reasoning == "keep" and name == "chat":
        row["messages"][1]["reasoning_content"] = sample.reasoning
    elif reasoning == "column":
        row["reasoning"] = sample.reasoning
    return row


# Defines the columns of a format, also for a run without samples.
EXAMPLE = Sample(
    id="", type="", query="", original_question="", response="", problem="", seed="", dataset="", method="seed",
    answer="",
)  # fmt: skip


# The card's sentence on the answers, by the outcome of the samples.
OUTCOMES = {
    "correct": "Every sample's final answer was compared with the gold answer of its question and agreed; wrong and"
    " undecided answers are kept apart in `candidates.jsonl` and `verdicts.jsonl`.",
    "wrong": "**Every sample's final answer is wrong, on purpose**: it was compared with the gold answer of its"
    " question and differed (the paper's section 4.7). Correct and undecided answers are kept apart in"
    " `candidates.jsonl` and `verdicts.jsonl`.",
}


VOTED = (
    "**{voted:,} of the {total:,} samples have a voted gold**: nobody stated the answer of their question, the majority"
    " of the teacher's draws did, and the majority can be wrong. They carry `gold_source: voted`, and the share of the"
    " draws that agreed as `confidence`."
)


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """The facts of a data card; the run counts every value, so none is typed by hand."""

    name: str
    mode: str
    seeds_source: str
    num_seeds: int
    teacher: str
    backend: str
    num_samples_by_type: dict[str, int]
    funnel: str
    reject_counts: dict[str, int]
    prompt_hashes: dict[str, str]
    rng_seed: int
    version: str
    cost: str
    outcome: Literal["correct", "wrong"] = "correct"
    short: tuple[str, ...] = ()
    contamination: str = ""
    other: str = ""
    num_voted: int = 0


def data_card(facts: CardFacts) -> str:
    """Return the data card as Markdown with the hub's YAML header."""
    total = sum(facts.num_samples_by_type.values())
    size = next((f"n<{limit}" if limit == "1K" else limit for bound, limit in SIZE_CLASSES if total < bound), "n>1M")
    lines = [
        "---",
        "language: [en]",
        "task_categories: [text-generation]",
        "tags: [math, synthetic, mathstrap]",
        f"size_categories: ['{size}']",
        "configs:",
        "- config_name: default",
        "  data_files: samples.parquet",
        "---",
        "",
        f"# {facts.name}",
        "",
        f"{total:,} question and answer pairs bootstrapped by Mathstrap {facts.version} from {facts.num_seeds:,} seed "
        f"questions (`{facts.seeds_source}`), rules `{facts.mode}`.",
        "",
        "## What it holds",
        "",
        *count_table("type", facts.num_samples_by_type),
        "",
        OUTCOMES[facts.outcome],
        "",
        *([VOTED.format(voted=facts.num_voted, total=total), ""] if facts.num_voted else []),
        "## How much survived",
        "",
        facts.funnel,
        "",
        *(f"Fewer than planned: {sentence}\n" for sentence in facts.short),
        "## What was rejected",
        "",
        *count_table("reason", facts.reject_counts),
        "",
        "## How it was made",
        "",
        f"- Teacher: `{facts.teacher}` through the `{facts.backend}` backend.",
        f"- Cost: {facts.cost}.",
        *([f"- {facts.other[0].upper()}{facts.other[1:]}."] if facts.other else []),
        f"- rng_seed: {facts.rng_seed}.",
        *(f"- Prompt `{name}`: hash `{digest}`." for name, digest in sorted(facts.prompt_hashes.items())),
        "",
        "## Contamination",
        "",
        facts.contamination or "Not checked in this run. Set `decontaminate.against` in the recipe.",
        "",
        "## Licence and terms",
        "",
        "The questions derive from the seeds, so the seeds' licence carries over. The responses were written by the"
        f" teacher model `{facts.teacher}`: its licence or its provider's terms decide what they may be used for"
        " (some providers forbid training competing models on their output). Check both before you publish.",
        "",
    ]
    return "\n".join(lines)


def count_table(heading: str, counts: dict[str, int]) -> list[str]:
    """Return the lines of a two-column Markdown table, sorted by name; "None." for no counts."""
    if not counts:
        return ["None."]
    rows = [f"| {name} | {count:,} |" for name, count in sorted(counts.items())]
    return [f"| {heading} | count |", "| --- | ---: |", *rows]


SIZE_CLASSES = ((1_000, "1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
