"""Make any number of questions and training rows out of the real sets, by seeded variation."""

from __future__ import annotations

import json
import platform
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathstrap.curate.wording import NUMBER_WORDS, TURNING

NAMES = (
    "Ava", "Ben", "Carla", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jamal", "Kira", "Liam", "Mona", "Nils",
    "Olga", "Pablo", "Quinn", "Rosa", "Samir",
)  # fmt: skip
FIRST = re.compile(r"\b(?:Tom|John|James|Mary|Jack|Sarah|Mike|Anna|Sam|Lisa|David|Emily|Peter|Julia|Mark|Tim|Jerry)\b")
NUMBER = re.compile(r"(?<![\d.,/^_{])\d{1,4}(?![\d.,/}])")
SETS = (
    ("gsm8k_train.jsonl", ("question",)), ("math_test.jsonl", ("problem",)), ("asdiv_test.jsonl", ("body", "question")),
    ("svamp_test.jsonl", ("Body", "Question")), ("mawps_test.jsonl", ("input",)),
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A question; `twin` is the index of the earlier one it repeats, `kind` how: exact, near, or "" for its own."""

    text: str
    twin: int = -1
    kind: str = ""


def real_questions(data: Path) -> list[str]:
    """Return the questions of the public sets, in file order."""
    return [
        " ".join(str(row[name]) for name in names)
        for file, names in SETS
        for row in map(json.loads, (data / file).open(encoding="utf-8"))
    ]


def vary(text: str, rng: random.Random) -> str:
    """Return the question with other numbers and other names."""
    names = rng.sample(NAMES, len(NAMES))
    text = FIRST.sub(lambda match: names[hash_of(match[0]) % len(names)], text)
    return NUMBER.sub(lambda match: str(max(2, int(int(match[0]) * rng.uniform(0.5, 2)))), text)


def hash_of(word: str) -> int:
    """Return a small number that is the same in every process."""
    return sum(map(ord, word))


def reword(text: str, rng: random.Random) -> str:
    """Return the question with one word of its prose exchanged: a near-duplicate."""
    words = text.split(" ")
    places = [
        place
        for place, word in enumerate(words)
        if word.isalpha() and word.islower() and len(word) > 3 and word not in TURNING and word not in NUMBER_WORDS
    ]
    if places:
        words[rng.choice(places)] = rng.choice(["some", "certain", "given", "various"])
    return " ".join(words)


def make_questions(data: Path, count: int, *, rng_seed: int = 0) -> Iterator[Made]:
    """Yield `count` questions: nine in ten are their own, one in twenty an exact, one in twenty a near copy of one."""
    rng = random.Random(rng_seed)
    base = real_questions(data)
    recent: list[tuple[int, str]] = []
    for number in range(count):
        draw = rng.random()
        if draw < 0.1 and recent:
            twin, text = rng.choice(recent)
            exact = draw < 0.05
            yield Made(
                text.replace(". ", ".  ") + " " if exact else reword(text, rng), twin, "exact" if exact else "near"
            )
            continue
        text = base[number] if number < len(base) else vary(base[number % len(base)], rng)
        if len(recent) < 5000:
            recent.append((number, text))
        else:
            recent[rng.randrange(5000)] = (number, text)
        yield Made(text)


def make_rows(data: Path, count: int, *, rng_seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield training rows in MetaMathQA's columns: answers, rewordings and backward questions of varied problems."""
    rng = random.Random(rng_seed)
    seeds = [json.loads(line) for line in (data / "gsm8k_train.jsonl").open(encoding="utf-8")]
    math = [json.loads(line) for line in (data / "math_test.jsonl").open(encoding="utf-8")]
    for number in range(count):
        row = rng.choice(seeds)
        question, solution, answer = row["question"], *row["answer"].rpartition("\n#### ")[::2]
        draw = rng.random()
        if draw < 0.3:
            problem = rng.choice(math)
            yield {"type": "MATH_AnsAug", "query": vary(problem["problem"], rng),
                   "original_question": problem["problem"], "response": problem["solution"]}  # fmt: skip
            continue
        numbers = list(NUMBER.finditer(question))
        if draw < 0.55 and numbers:
            hidden = rng.choice(numbers)
            query = f"{question[: hidden.start()]}x{question[hidden.end() :]}\nIf we know the answer to the above "
            query += f"question is {answer}, what is the value of unknown variable x?"
            yield {"type": "GSM_FOBAR", "query": query, "original_question": question,
                   "response": f"{solution}\nSo x is {hidden[0]}.\nThe answer is: {hidden[0]}"}  # fmt: skip
            continue
        kind = "GSM_Rephrased" if draw < 0.8 else "GSM_AnsAug"
        query = vary(question, rng) if kind == "GSM_Rephrased" else question
        opening = f"Let us see, step {number % 97}: "
        yield {"type": kind, "query": query, "original_question": question,
               "response": f"{opening}{solution}\n#### {answer}\nThe answer is: {answer}"}  # fmt: skip


def facts() -> dict[str, Any]:
    """Return where and when a bench ran."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "commit": revision.stdout.strip(),
    }


def earlier_parts(name: str, key: str, count: tuple[str, int]) -> dict[str, dict[str, Any]]:
    """Return the parts of the last result of a bench, each with where and when it ran; none of another count."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    where = {fact: before.get(fact) for fact in facts()}
    return {part: where | made for part, made in before[key].items()} if before.get(count[0]) == count[1] else {}


def peak_bytes() -> int:
    """Return the peak resident memory of this process so far, and of its children if they used more."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * unit


def write_result(name: str, result: dict[str, Any]) -> None:
    """Write and print a result."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts() | result, indent=2) + "\n"
    path.write_text(text)
    print(text)
