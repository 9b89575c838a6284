"""A dataset with every defect planted in known rows, and how well an audit finds them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.audit import DEFECTS, AuditOptions, Seed, audit, seed_map
from mathstrap.augment.masking import find_masks, hide
from mathstrap.curate.decontaminate import TestSetIndex


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Rows, the lines (from 1) that hold each defect, the seeds, and an index of a test set."""

    rows: list[dict[str, Any]]
    truth: dict[str, set[int]]
    seeds: dict[bytes, Seed]
    index: TestSetIndex


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well one defect is found."""

    defect: str
    planted: int
    found: int
    precision: float
    recall: float


def score_planted(made: Planted, folder: Path) -> list[Score]:
    """Audit the planted rows and return the precision and recall of each defect."""
    source, dropped = folder / "planted.jsonl", folder / "dropped.jsonl"
    source.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in made.rows))
    options = AuditOptions(drop=tuple(DEFECTS))
    audit(str(source), options, seeds=made.seeds, index=made.index, dropped_path=dropped)
    got: dict[str, set[int]] = {name: set() for name in DEFECTS}
    for line in dropped.open():
        row = json.loads(line)
        for reason in row["reasons"]:
            got[reason.partition(":")[0]].add(row["line"])
    scores = []
    for name, lines in made.truth.items():
        if not lines:
            continue
        # A response that breaks off has no final answer or a wrong one as well; that is not a false alarm.
        found = got[name] - (made.truth["truncated"] if name in ("no_answer", "wrong_answer") else set())
        # A wrong answer behind right steps contradicts them as well.
        found -= made.truth["wrong_answer"] if name == "contradicts_steps" else set()
        hits = len(found & lines)
        scores.append(
            Score(
                defect=name, planted=len(lines), found=len(found), precision=hits / max(len(found), 1),
                recall=hits / len(lines),
            )
        )  # fmt: skip
    return scores


def plant(data_path: Path, *, rng_seed: int) -> Planted:
    """Return 3,400 sound rows made from GSM8K and MATH, and 40 with each defect."""
    rng = random.Random(rng_seed)
    train = [json.loads(line) for line in (data_path / "gsm8k_train.jsonl").open()]
    tests = [json.loads(line) for line in (data_path / "gsm8k_test.jsonl").open()]
    math = [json.loads(line) for line in (data_path / "math_test.jsonl").open()]
    seeds = seed_map([(r["question"], r["answer"].rpartition("#### ")[2], r["answer"]) for r in train])
    rows: list[dict[str, Any]] = []
    truth: dict[str, set[int]] = {name: set() for name in DEFECTS}

    def add(row: dict[str, Any], defect: str = "") -> None:
        rows.append(row)
        if defect:
            truth[defect].add(len(rows))

    def forward(row: dict[str, str], kind: str = "GSM_AnsAug") -> dict[str, Any]:
        body, _, answer = row["answer"].rpartition("\n#### ")
        response = f"{body.rstrip('.')}.\nThe answer is: {answer}"
        return {"type": kind, "query": row["question"], "original_question": row["question"], "response": response}

    def backward(row: dict[str, str]) -> dict[str, Any] | None:
        masks = [mask for mask in find_masks(row["question"], "gsm8k") if mask.kind in ("int", "money")]
        if not masks:
            return None
        mask, answer = rng.choice(masks), row["answer"].rpartition("#### ")[2]
        query = f"{hide(row['question'], mask, 'x')}\nIf we know the answer to the above question is {answer}, what is "
        response = f"Working back from {answer}, we find x.\nThe answer is: {mask.answer}"
        return {
            "type": "GSM_FOBAR", "query": query + "the value of unknown variable x?",
            "original_question": row["question"], "response": response, "hidden": mask.answer,
        }  # fmt: skip

    sound = [r for r in train if "=" in r["answer"] and r["answer"].count("<<") > 1]
    rng.shuffle(sound)
    pool = iter(sound)
    for _ in range(2000):
        add(forward(next(pool)))
    for row in math[:600]:
        answer = row["solution"]
        add({"type": "MATH_AnsAug", "query": row["problem"], "original_question": row["problem"], "response": answer})
    made = 0
    while made < 800:
        row = backward(next(pool))
        if row is not None:
            add(row)
            made += 1
    for _ in range(40):
        add(forward(next(pool)) | {"response": "Let us think about how it could be done."}, "no_answer")
        row = forward(next(pool))
        head, _, answer = row["response"].rpartition(": ")
        add(row | {"response": f"{head}: {answer}7"}, "wrong_answer")
        row = forward(next(pool))
        head, _, answer = row["response"].rpartition("\n")
        wrong = "13579" + answer.rpartition(": ")[2].replace(",", "")
        add(row | {"response": f"{head}\n#### {wrong}\n{answer}"}, "conflicting_answers")
        row = forward(next(pool))
        add(
            row | {"response": row["response"].replace("\nThe", f"\n#### {row['response'].rpartition(': ')[2]}\nThe")},
            "double_answer",
        )
        row = forward(next(pool))
        cut = row["response"].rfind(">>") + 2
        add(row | {"response": row["response"][:cut]}, "truncated")
        row = forward(next(pool))
        head, mark, tail = row["response"].partition(">>")
        left, _, _ = head.rpartition("=")
        add(row | {"response": f"{left}=987654{mark}{tail}"}, "false_arithmetic")
        row = forward(next(pool))
        claimed = f"```python\nprint({len(rows)} * 3)\n```\n```output\n{len(rows) * 3 + 1}\n```\n"
        add(row | {"response": f"{claimed}{row['response']}"}, "wrong_output")
        row = forward(next(pool))
        head, _, answer = row["response"].rpartition(": ")
        # The question is not a seed's, so that only the steps can tell.
        add(row | {"original_question": "lost", "query": f"Indeed: {row['query']}",
                   "response": f"{head}: 9753{answer.replace(',', '')}"}, "contradicts_steps")
        row = forward(next(pool)) | {"original_question": "lost"}
        number = len(rows)
        for defect, query in (
            ("asks_nothing", f"I'm sorry, but I cannot rephrase this question. {row['query']}"),
            ("lacks_figure", f"The prices are shown in the chart below. {row['query']}"),
            ("lacks_number", f"If $n + {number} = {number + 7}$, what is the value of $m$?"),
            ("impossible_count", f"In a town live {number}.5 people. {row['query']}"),
            ("asks_proof", f"Prove that $n^2 + {number}n$ is even for every even $n$."),
            ("asks_twice", f"{row['query']} And how many would it be with {number} more of each?"),
        ):
            response = forward(next(pool))["response"]
            add(row | {"query": query, "response": response}, defect)
            row = forward(next(pool)) | {"original_question": "lost"}
        add(dict(rows[rng.randrange(2000)]), "duplicate")
        add(forward(tests[rng.randrange(1319)]) | {"original_question": "lost"}, "contaminated")
    for number, row in enumerate(m for m in math[600:1200] if "$" in m["problem"]):
        if number == 40:
            break
        broken = row["problem"].replace("$", "", 1)
        response = row["solution"]
        add(
            {"type": "MATH_AnsAug", "query": broken, "original_question": row["problem"], "response": response},
            "broken_math",
        )
    made = 0
    while made < 40:
        row = backward(next(pool))
        if row is not None and " $x " in row["query"]:
            add(row | {"query": row["query"].replace(" $x ", " x ")}, "lost_dollar")
            made += 1
    for _ in range(40):
        row = rows[rng.randrange(2000)]
        first, _, rest = row["response"].partition("\n")
        add(row | {"response": f"First of all, we see this: {first}\nThen it goes on.\n{rest}"}, "same_path")
        row = forward(next(pool))
        add(row)
        words = row["query"].split(" ")
        place = rng.randrange(len(words) // 2)
        changed = " ".join([*words[:place], "indeed", *words[place:]])
        add(row | {"query": changed, "original_question": "lost"}, "near_duplicate")
    made = 0
    while made < 40:
        row = backward(next(pool))
        if row is None or not row["hidden"].isdigit():
            continue
        wrong = str(int(row["hidden"]) + 1000)
        add(row | {"response": f"We find x.\nThe answer is: {wrong}"}, "wrong_backward_gold")
        made += 1
    made = 0
    while made < 40:
        row = forward(next(pool))
        original = row["query"]
        start = original.find(" ", rng.randrange(10, 40))
        question = f"{original[:start]} (one of {rng.randint(150, 950)} people in town){original[start:]}"
        number = question[question.index("(one of ") + 8 :].split()[0]
        answer = row["response"].rpartition(": ")[2]
        seeds.update(seed_map([(question, answer, row["response"].rpartition("\n")[0] + f"\n#### {answer}")]))
        query = (
            question.replace(f"(one of {number} ", "(one of x ")
            + f"\nIf we know the answer to the above question is {answer}, what is the value of unknown variable x?"
        )
        add(
            {
                "type": "GSM_FOBAR",
                "query": query,
                "original_question": question,
                "response": f"So it is.\nThe answer is: {number}",
            },
            "irrelevant_mask",
        )
        made += 1
    for row in rows:
        row.pop("hidden", None)
    index = TestSetIndex.build({"gsm8k": [(str(n), r["question"]) for n, r in enumerate(tests)]})
    return Planted(rows=rows, truth=truth, seeds=seeds, index=index)
