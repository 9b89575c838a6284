"""The whole method in one flat file: seeds in, verified samples out.

The package does the same with everything a real run needs (resume, budgets, a careful grader, lineage); read this
first, use that.

Needs only Python and an OpenAI-compatible server:

    OPENAI_BASE_URL=http://localhost:8000/v1 python examples/tiny.py MODEL
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.request
from fractions import Fraction

SEEDS = [
    ("A baker packs 6 rolls in a bag. How many rolls are in 7 bags?", "42"),
    ("Noor had 53 beads and gave 18 away. How many beads are left?", "35"),
]
UNKNOWN = "What is the value of unknown variable x?"


def chat(model: str, text: str, temperature: float = 0.7) -> str:
    """Ask the teacher one question and return its reply."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "temperature": temperature,
        "max_completion_tokens": 300,
        "reasoning_effort": "none",  # a teacher that thinks spends its 300 tokens on the thought
    }
    request = urllib.request.Request(
        os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1") + "/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"},
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]


def solve(model: str, question: str) -> str:
    """Answer augmentation (paper, 3.1): a sampled chain of thought."""
    return chat(model, f"Solve step by step. End with a line `The answer is: N`.\n\n{question}")


def rephrase(model: str, question: str) -> str:
    """Rephrasing (3.2): the same problem in other words."""
    return chat(
        model, f"Say this problem in other words. Keep every number. Reply with the problem alone.\n\n{question}"
    )


def masks(question: str) -> list[tuple[str, str]]:
    """Return (question with one number hidden behind x, that number) for every number."""
    return [
        (question[: match.start()] + "x" + question[match.end() :], match.group().replace(",", ""))
        for match in re.finditer(r"\d[\d,]*(?:\.\d+)?", question)
    ]


def self_verification(model: str, masked: str, answer: str) -> str:
    """SV (3.3): the question sentence becomes a statement that holds the answer; then ask for x."""
    story, _, asked = masked.rpartition(". ")
    statement = chat(model, f"Turn the question into one statement that holds the answer {answer}.\n\n{asked}", 0.0)
    return f"{story}. {statement.strip()} {UNKNOWN}"


def fobar(masked: str, answer: str) -> str:
    """FOBAR (3.3): append the known answer and ask for x; no rewrite is needed."""
    return (
        f"{masked}\nIf we know the answer to the above question is {answer}, what is the value of unknown variable x?"
    )


def final_answer(reply: str) -> str | None:
    """Return the number after the last `The answer is:`."""
    found = re.findall(r"[Tt]he answer is:?\s*\$?(-?\d[\d,]*(?:\.\d+)?)", reply)
    return found[-1].replace(",", "") if found else None


def main(model: str) -> None:
    """Bootstrap every seed with all four methods and print what survives, one JSON line each."""
    for question, gold in SEEDS:
        problems = [("GSM_AnsAug", question, gold), ("GSM_Rephrased", rephrase(model, question), gold)]
        for masked, hidden in masks(question):
            problems.append(("GSM_FOBAR", fobar(masked, gold), hidden))
            problems.append(("GSM_SV", self_verification(model, masked, gold), hidden))
        for kind, query, expected in problems:
            reply = solve(model, query)
            answer = final_answer(reply)
            if answer is not None and Fraction(answer) == Fraction(expected):
                print(json.dumps({"type": kind, "query": query, "original_question": question, "response": reply}))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "gpt-6-luna")
