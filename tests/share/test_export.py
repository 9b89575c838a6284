"""Formats and endings: the published columns, one final answer, and a card that counts."""

from __future__ import annotations

import pytest

from mathstrap.share.export import FORMATS, CardFacts, data_card, finish_response
from mathstrap.types import Sample

SAMPLE = Sample(
    id="q1/fobar.1#0", type="GSM_FOBAR", query="What is x?", original_question="What?", response="3\nThe answer is: 3",
    problem="q1/fobar.1", seed="q1", dataset="q", method="fobar", answer="3",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "answer", "style", "ending", "want"),
    [
        ("2+2=4.", "4", "gsm8k", "paper", "2+2=4.\n#### 4\nThe answer is: 4"),
        ("2+2=4.\nThe answer is: 4", "4", "gsm8k", "paper", "2+2=4.\n#### 4\nThe answer is: 4"),
        ("2+2=4.\n#### 4\nThe answer is: 4", "4", "gsm8k", "paper", "2+2=4.\n#### 4\nThe answer is: 4"),
        ("2+2=4. The answer is $4.00.", "4", "gsm8k", "paper", "2+2=4.\n#### 4\nThe answer is: 4"),
        ("So $x=\\frac12$.", "\\frac{1}{2}", "math", "paper", "So $x=\\frac12$. The answer is: \\frac{1}{2}"),
        ("2+2=4.\n#### 4", "4", "gsm8k", "answer", "2+2=4.\nThe answer is: 4"),
        ("2+2=4.\nThe answer is: 4", "4", "math", "boxed", "2+2=4.\nThe answer is $\\boxed{4}$."),
        (" 2+2=4. The answer is 4. ", "4", "gsm8k", "keep", "2+2=4. The answer is 4."),
        ("The answer is: 4", "4", "gsm8k", "paper", "The answer is: 4\n#### 4\nThe answer is: 4"),
        ("The answer is 4 for A.\nB: 5.", "5", "gsm8k", "answer", "The answer is 4 for A.\nB: 5.\nThe answer is: 5"),
    ],
)  # fmt: skip
def test_a_response_ends_with_one_final_answer(text, answer, style, ending, want):
    assert finish_response(text, answer, style, ending) == want


def test_a_huge_reply_is_finished_at_once():
    text = "The answer is: " * 100_000
    assert finish_response(text, "4", "gsm8k", "paper").endswith("The answer is: 4")


def test_metamathqa_rows_have_exactly_the_published_columns():
    assert set(FORMATS["metamathqa"](SAMPLE)) == {"type", "query", "original_question", "response"}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_carries_question_and_response(name):
    row = str(FORMATS[name](SAMPLE))
    assert "What is x?" in row
    assert "The answer is: 3" in row


def test_the_card_counts_and_names_the_teacher():
    card = data_card(
        CardFacts(
            name="mine", mode="default", seeds_source="a.jsonl", num_seeds=10, teacher="llama", backend="openai",
            num_samples_by_type={"GSM_SV": 1200, "GSM_FOBAR": 300}, funnel="| funnel |", reject_counts={"truncated": 4},
            prompt_hashes={"solve.chat.gsm8k": "abc"}, rng_seed=7, version="0.1.0", cost="$1.00",
        )
    )  # fmt: skip
    assert "gold answer of its question and agreed" in card
    for part in ("1,500 question", "| GSM_SV | 1,200 |", "| truncated | 4 |", "`llama`", "1K<n<10K", "rng_seed: 7"):
        assert part in card
