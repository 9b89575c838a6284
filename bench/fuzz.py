"""Feed random and mutated text to every parser by the million: nothing may raise, hang, or grow.

    python bench/fuzz.py --inputs 1000000 --json fuzz.json
    python bench/fuzz.py --inputs 20000 --only audit

The checker of answers has a fuzz of its own (bench/verify_fuzz.py). Here are audit and the parsers around it: rows,
questions, masks, worked solutions, replies, thoughts, recipes, stored lines, pages. An input may be refused with a
sentence (MathstrapError); any other exception, or more than a second of processor time, is a failure and is printed.
Peak memory is reported after a tenth of the inputs and at the end; the process may take 4 GiB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from verify_common import write_result

from mathstrap.errors import MathstrapError

FRAGMENTS = [
    *"0123456789", *"xyzabn", *"+-*/^_=<>(){}[]|,;:.!?%$&'\"~# \\\n\t", "\\frac", "\\sqrt{", "\\text{",
    "\\begin{array}",
    "\\boxed{", "\\(", "\\)", "\\[", "\\]", "$$", "$", "<<3+4=7>>", "#### 7", "The answer is: ", "The value of x is ",
    "Question: ", "### Instruction\n", "Answer: ", "Tom has 3 red apples and buys 4 more. ", "How many are there?",
    "half of ", "twice as many as ", "1/2", "50%", "1,250.50", "$3.20", "3:45 p.m.", "(A) ", "(B) 7", "A. ", "B) ",
    "<think>", "</think>", "[THINK]", "<|im_end|>", "<answer>", "</answer>", "<b>", "![a](", "](", "```", "---",
    "* * *",
    "\u200b", "\u202e", "\x00", "\x1b[31m", "\ud800", "½", "²", "\u0967\u0968", "三", "百", "\u06f5", "π", "−", " ",
    '{"a": ', '"b"', "}", "[[question]]", "{{", "!!python/object ", "&a [*a]", "1e999", "NaN", "null", "- ", ": ",
]  # fmt: skip
WORDS = (
    "if then so each of the per day he she it and is are in a total more less than left over cost".split()  # noqa: SIM905
)


def text_of(rng: random.Random) -> str:
    """Return a text: a few fragments, words, one fragment many times, or a mutated mix."""
    kind = rng.random()
    if kind < 0.08:
        return (rng.choice(FRAGMENTS) + rng.choice(["", "", rng.choice(FRAGMENTS)])) * rng.randrange(1, 2000)
    size = rng.choice([1, 3, 8, 20, 60])
    parts = [rng.choice(FRAGMENTS) if rng.random() < 0.6 else rng.choice(WORDS) + " " for _ in range(size)]
    text = "".join(parts)
    if kind > 0.8 and text:
        place = rng.randrange(len(text))
        text = text[:place] + chr(rng.randrange(1, 0x3000)) + text[place + rng.randrange(3) :]
    return text


def parsers() -> dict[str, Callable[[random.Random], Any]]:
    """Return name -> what makes an input and feeds it to a parser."""
    import msgspec

    from mathstrap.audit.reader import parse_verdict
    from mathstrap.augment.checks import question_in, same_words
    from mathstrap.augment.languages import language_of
    from mathstrap.augment.latex import find_zones
    from mathstrap.augment.masking import find_masks
    from mathstrap.augment.quantities import count_numbers
    from mathstrap.augment.reference import clean_gsm8k, clean_math, find_token_masks
    from mathstrap.augment.reopen import take_choices_off
    from mathstrap.augment.sentences import find_question, split_sentences
    from mathstrap.augment.sources import find_sources
    from mathstrap.augment.worked import read_worked
    from mathstrap.curate.judge import parse_judgement
    from mathstrap.curate.paths import false_equations, read_reasoning
    from mathstrap.curate.wording import clean_latex, formulas, read, words
    from mathstrap.evaluate.outputs import find_id, find_texts
    from mathstrap.evaluate.score import last_answer, stated_answer
    from mathstrap.files.append_log import decode_reply, key_in, request_in
    from mathstrap.files.text_rows import decoded, row_of
    from mathstrap.pipeline.solve import cut_run_on
    from mathstrap.prompts import parse_prompt
    from mathstrap.recipe import parse_value
    from mathstrap.render import render
    from mathstrap.render.hostile import escape, printable, screened
    from mathstrap.share.export import finish_response
    from mathstrap.share.formats import steps_of
    from mathstrap.share.reward import score
    from mathstrap.stats import count_steps
    from mathstrap.thought import split_reply
    from mathstrap.train.data import to_pairs
    from mathstrap.verify.game24 import check

    def row(rng: random.Random) -> dict[str, Any]:
        names = ["query", "question", "response", "answer", "messages", "choices", "id", "doc_id", text_of(rng)[:20]]
        turns = [{"role": role, "content": text_of(rng)} for role in ("user", "assistant")]
        values = [text_of(rng), rng.randrange(-5, 10**9), None, [text_of(rng)], {"text": text_of(rng)}, 1e308, turns]
        return {rng.choice(names): rng.choice(values) for _ in range(rng.randrange(1, 5))}

    def damaged(rng: random.Random) -> bytes:
        line = msgspec.json.encode(
            {"request": "a#1", "key": "k", "text": text_of(rng).encode("utf-8", "replace").decode(),
             "finish_reason": "stop", "tokens_in": 5}
        )  # fmt: skip
        place = rng.randrange(len(line))
        return line[:place] + bytes([rng.randrange(256)]) + line[place + rng.randrange(2) :]

    def stored(rng: random.Random) -> None:
        line = damaged(rng)
        request_in(line)
        key_in(line)
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            decode_reply(line)

    def with_json(rng: random.Random) -> None:
        with contextlib.suppress(ValueError, RecursionError):
            row_of(decoded(text_of(rng).encode("utf-8", "replace")))

    one: dict[str, Callable[[str], Any]] = {
        "question_in": question_in, "same_words": same_words, "language_of": language_of, "find_zones": find_zones,
        "find_masks": lambda text: (find_masks(text, "gsm8k"), find_masks(text, "math")),
        "count_numbers": count_numbers, "clean_math": clean_math,
        "clean_gsm8k": lambda text: clean_gsm8k(text, "The answer is"),
        "find_token_masks": lambda text: (find_token_masks(text, "gsm8k"), find_token_masks(text, "math")),
        "take_choices_off": take_choices_off,
        "split_sentences": lambda text: (split_sentences(text, "gsm8k"), split_sentences(text, "math")),
        "find_question": lambda text: (find_question(text, "gsm8k"), find_question(text, "math")),
        "find_sources": find_sources, "parse_judgement": parse_judgement, "parse_verdict": parse_verdict,
        "false_equations": false_equations,
        "read_reasoning": read_reasoning, "wording.read": read,
        "clean_latex": clean_latex, "formulas": formulas, "words": words,
        "stated_answer": stated_answer, "last_answer": last_answer, "cut_run_on": cut_run_on,
        "parse_prompt": lambda text: parse_prompt(text, name="fuzz"),
        "parse_value": lambda text: parse_value(text, "x"),
        "render": lambda text: (render(text), render(text, "math")), "escape": escape, "printable": printable,
        "screened": screened, "count_steps": count_steps, "split_reply": split_reply,
        "steps_of": lambda text: (steps_of(text, "gsm8k"), steps_of(text, "math")),
        "finish_response": lambda text: finish_response(text, "7", "gsm8k", "paper"),
    }  # fmt: skip

    def of_text(parse: Callable[[str], Any]) -> Callable[[random.Random], Any]:
        return lambda rng: parse(text_of(rng))

    return {
        "audit": Audit(),
        **{name: of_text(parse) for name, parse in one.items()},
        "read_worked": lambda rng: read_worked(text_of(rng), text_of(rng), text_of(rng)[:20]),
        "score": lambda rng: score(text_of(rng), text_of(rng)[:40]),
        "game24": lambda rng: check(text_of(rng), (1, 2, 3, 4)),
        "find_id": lambda rng: (find_id(row(rng), {"a": {0: "x"}}), find_texts(row(rng))),
        "to_pairs": lambda rng: to_pairs(row(rng), "row 1"),
        "stored line": stored,
        "JSON row": with_json,
    }  # fmt: skip


class Audit:
    """Audits rows a hundred at a time, so that the cost of starting one is shared."""

    SIZE = 100

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def __call__(self, rng: random.Random) -> None:
        """Take another row; audit when there are enough."""
        question, answer = text_of(rng), f"{text_of(rng)}\nThe answer is: {text_of(rng)[:20]}"
        row = {"query": question, "response": answer, "original_question": text_of(rng), "type": "GSM_FOBAR"}
        self.rows.append({name: value.encode("utf-8", "replace").decode() for name, value in row.items()})
        if len(self.rows) >= self.SIZE:
            from mathstrap.audit import AuditOptions, audit

            rows, self.rows = self.rows, []
            audit(rows, AuditOptions(num_workers=1))


class TooLong(BaseException):
    """An input took more processor time than it may."""


def give_up(_number: int, _frame: FrameType | None) -> None:
    """End the input that runs."""
    raise TooLong


def main() -> int:
    """Fuzz; the exit code is 1 where an input failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all parsers together")
    parser.add_argument("--seconds", type=float, default=1.0, help="processor time of an input, a tenth of a batch")
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a parser's name")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    signal.signal(signal.SIGVTALRM, give_up)
    chosen = {name: parse for name, parse in parsers().items() if options.only in ("", name)}
    slowest: dict[str, float] = dict.fromkeys(chosen, 0.0)
    counts: Counter[str] = Counter()
    failures: list[str] = []
    each = max(1, options.inputs // len(chosen))
    peak_early = 0
    for name, parse in chosen.items():
        limit = options.seconds * (10 if isinstance(parse, Audit) else 1)
        for number in range(each):
            rng = random.Random(f"{options.rng_seed} {name} {number}")
            begun = time.process_time()
            signal.setitimer(signal.ITIMER_VIRTUAL, limit)
            try:
                parse(rng)
            except MathstrapError:
                counts["refused"] += 1
            except TooLong:
                failures.append(f"{name} {number}: more than {limit:g} s")
            except Exception as error:  # noqa: BLE001 whatever it raises is what is looked for
                failures.append(f"{name} {number}: {type(error).__name__}: {error}"[:300])
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            slowest[name] = max(slowest[name], time.process_time() - begun)
            counts["inputs"] += 1
            if counts["inputs"] == each * len(chosen) // 10:
                peak_early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"{name}: {each:,} inputs, slowest {slowest[name]:.3f} s, {len(failures)} failures so far", flush=True)
    result = {
        **counts, "failures": len(failures), "examples": failures[:40],
        "slowest_seconds": {name: round(value, 3) for name, value in sorted(slowest.items(), key=lambda x: -x[1])[:8]},
        "peak_mib_after_a_tenth": peak_early, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }  # fmt: skip
    if options.json:
        write_result(options.json, result)
    else:
        print(json.dumps(result, indent=2))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
