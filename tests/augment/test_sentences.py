"""Sentences: where one ends, and which one asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mathstrap.augment.sentences import find_question, split_sentences
from mathstrap.types import Style


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One fare is $3.50 each way. How much?", ["One fare is $3.50 each way.", "How much?"]),
        ("Mr. Lee has $40,000 worth of goods. How many?", ["Mr. Lee has $40,000 worth of goods.", "How many?"]),
        ("He ran 5 mi. in an hour. Then he slept.", ["He ran 5 mi. in an hour.", "Then he slept."]),
        ("It opens at 8 a.m. and closes late. When?", ["It opens at 8 a.m. and closes late.", "When?"]),
        ("They drive a car, e.g. Fiat. How far?", ["They drive a car, e.g. Fiat.", "How far?"]),
        ("He left.Then he came back.", ["He left.", "Then he came back."]),
        ('"Is it?" he asked. Yes!', ['"Is it?"', "he asked.", "Yes!"]),
        ("First line.\n\nSecond line", ["First line.", "Second line"]),
        ("In 2 hours, how far, in km?", ["In 2 hours, how far, in km?"]),
        ("J. R. Ewing has 3 hats. Why?", ["J. R. Ewing has 3 hats.", "Why?"]),
        ("", []),
    ],
)
def test_plain_text_is_split_into_sentences(text: str, sentences: list[str]) -> None:
    assert [sentence.text for sentence in split_sentences(text, "gsm8k")] == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Let $x=3.5. Y$ be. Find it.", ["Let $x=3.5. Y$ be.", "Find it."]),
        ("Let $x = 3.$ Find $y$.", ["Let $x = 3.$", "Find $y$."]),
        ("Let \\[x = 3.\\]Find $y$.", ["Let \\[x = 3.\\]", "Find $y$."]),
        ("Let $f(x)=2x$. What is $f(1)$?", ["Let $f(x)=2x$.", "What is $f(1)$?"]),
    ],
)
def test_formulas_are_never_cut(text: str, sentences: list[str]) -> None:
    assert [sentence.text for sentence in split_sentences(text, "math")] == sentences


@pytest.mark.parametrize(
    ("text", "style", "asking"),
    [
        ("Ann has 3 cats. How many, in pairs?", "gsm8k", "How many, in pairs?"),
        ("How many cats has Ann? She has 3 pairs.", "gsm8k", "How many cats has Ann?"),
        ("She rides on a $3.50 subway fare. How much does she pay for the $3.50 ride, back and forth?", "gsm8k",
         "How much does she pay for the $3.50 ride, back and forth?"),
        ("Ann has 3 cats. Calculate their legs.", "gsm8k", "Calculate their legs."),
        ("Solve $x=3$. Express your answer as a common fraction.", "math", "Solve $x=3$."),
        ("What is $x$? Round to the nearest tenth.", "math", "What is $x$?"),
        ("Ann has 3 cats. They have legs.", "gsm8k", "They have legs."),
    ],
)  # fmt: skip
def test_the_sentence_that_asks_is_found(text: str, style: Style, asking: str) -> None:
    found = find_question(text, style)
    assert found is not None
    assert found.text == asking
    assert text[found.start : found.end] == asking


def test_most_gsm8k_questions_have_a_real_question_sentence(data_path: Path) -> None:
    with open(data_path / "gsm8k_train.jsonl", encoding="utf-8") as lines:
        questions = [json.loads(line)["question"] for line in lines]
    asking = [find_question(question, "gsm8k") for question in questions]
    assert all(asking)
    with_mark = sum(sentence.text.rstrip("\"'”’)").endswith("?") for sentence in asking if sentence)
    assert with_mark / len(questions) > 0.96
