"""Whether a hidden number matters: what the worked solution proves, and what it leaves open."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from mathstrap.augment.calculations import read_steps
from mathstrap.augment.relevance import judge_mask
from mathstrap.augment.selection import find_hidden
from mathstrap.steps.expression import as_fraction, evaluate, numbers_in, parse_expression
from mathstrap.types import Problem


def judge(question: str, solution: str, gold: str, hidden: str, *, is_percent: bool = False) -> tuple[str, str]:
    parent = Problem(id="s", dataset="s", style="gsm8k", question=question, answer=gold, solution=solution)
    judgement = judge_mask(parent, hidden, is_percent=is_percent)
    return judgement.relevant, judgement.unique


PENS = "Sam buys 3 pens for $4 each and pays with a $50 bill. He owns 17 rulers. How much change does he get?"
PENS_SOLVED = "The pens cost 3*4=$<<3*4=12>>12. He gets 50-12=$<<50-12=38>>38."


@pytest.mark.parametrize(
    ("hidden", "verdict"),
    [
        ("3", ("yes", "yes")),
        ("4", ("yes", "yes")),
        ("50", ("yes", "yes")),
        ("17", ("no", "no")),  # every input is another number
    ],
)
def test_a_number_matters_if_changing_it_changes_the_answer(hidden: str, verdict: tuple[str, str]) -> None:
    assert judge(PENS, PENS_SOLVED, "38", hidden) == verdict


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        # the hidden number cancels: 80 cars, 13 leave, 13 + 5 come
        (("There are 80 cars, 13 leave and 5 more than that come. How many?",
          "<<80-13=67>> <<13+5=18>> <<67+18=85>>", "85", "13"), ("no", "no")),
        # a percentage enters as a fraction of 100
        (("A coat of $80 is sold at 25% off. What is the price?", "<<80*.25=20>> <<80-20=60>>", "60", "25"), None),
        # a square: two areas, one positive side
        (("A field is 9 m long and as wide. What is its area?", "<<9*9=81>>", "81", "9"), ("yes", "yes")),
        # not one to one: 8 wide and 12 long, or 12 wide and 8 long
        (("A floor of 96 tiles is 8 tiles wide. It grows by 2 rows each way. How many tiles is it?",
          "<<96/8=12>> <<12+2=14>> <<8+2=10>> <<14*10=140>>", "140", "8"), ("yes", "no")),
        # two equal numbers, one of them used: which one, nobody can tell
        (("He has 6 cats and 6 dogs and buys 9 cats. How many cats?", "<<6+9=15>>", "15", "6"), ("unknown", "unknown")),
        # the same two, both used
        (("He has 6 cats and 6 dogs. How many?", "<<6+6=12>>", "12", "6"), ("yes", "yes")),
        # 7 may be the days of a week
        (("He eats 7 plums a day. How many a week?", "<<7*7=49>>", "49", "7"), ("unknown", "unknown")),
        # a rounded step
        (("7 bikes in 3 boxes each of 2. How many?", "<<7/2=4>> <<4*3=12>>", "12", "7"), ("unknown", "unknown")),
        # a comparison is outside the arithmetic
        (("Ann has 4 of 100 and Bob 5 of 80. What has the winner?", "<<4*100=400>> <<5*80=400>>", "400", "100"),
         ("unknown", "unknown")),
        # the answer is not the end of a calculation
        (("He has 3 cats and 4 dogs. How many?", "<<3+4=7>>", "9", "3"), ("unknown", "unknown")),
        # no calculation at all
        (("He has 3 cats. How many?", "He has three.", "3", "3"), ("unknown", "unknown")),
        # a bare number in an annotation hides a calculation
        (("Ernie drove 7 km more than 8 km. How far?", "<<15=15>> <<15+15=30>>", "30", "7"), ("unknown", "unknown")),
        # one in "one banana yields ten slices" is multiplied by, unseen
        (("One banana gives 10 slices. How many for 40 slices?", "<<40/10=4>>", "4", "1"), ("unknown", "unknown")),
        # arithmetic that is written without annotations
        (("He has 3 cats and 4 dogs. How many?", "He has 3 + 4 = 7 pets.", "7", "3"), ("yes", "yes")),
    ],
)  # fmt: skip
def test_what_cannot_be_proved_is_unknown(case: tuple[str, str, str, str], verdict: tuple[str, str] | None) -> None:
    question, solution, gold, hidden = case
    if verdict is None:
        assert judge(question, solution, gold, hidden, is_percent=True) == ("yes", "yes")
    else:
        assert judge(question, solution, gold, hidden) == verdict


def test_math_solutions_without_arithmetic_are_unknown() -> None:
    parent = Problem(id="m", dataset="m", style="math", question="Find $x$ if $x+6=8$.", answer="2", solution="Hm.")
    assert all(number.judgement.relevant == "unknown" for number in find_hidden(parent, mode="default", method="fobar"))


@pytest.mark.parametrize(
    ("text", "value"),
    [("48/2", 24), ("2*(3+4)", 14), ("1,200-300", 900), ("-3+5", 2), (".5*10", 5), ("20%*50", 10), ("$3 x 4", 12),
     ("2(3)", 6), ("10 - 2 - 3", 5), ("12÷4", 3)],
)  # fmt: skip
def test_arithmetic_is_read_and_evaluated_without_eval(text: str, value: float) -> None:
    tree = parse_expression(text)
    assert tree is not None
    assert evaluate(tree, [float(number) for number in numbers_in(tree)]) == value


@pytest.mark.parametrize("text", ["", "x", "__import__('os')", "3+", "(3", "3**4", "9" * 500 + "+", "1e9", "3..4"])
def test_what_is_not_arithmetic_is_none(text: str) -> None:
    assert parse_expression(text) is None


def test_deep_brackets_and_endless_text_are_refused_quickly() -> None:
    start = time.perf_counter()
    assert parse_expression("(" * 5000 + "1" + ")" * 5000) is None
    assert read_steps("1 + " * 20_000) == ()
    assert read_steps("<<" * 20_000) == ()
    assert as_fraction("9" * 10_000) is None
    assert time.perf_counter() - start < 20


def test_dividing_by_zero_is_none() -> None:
    tree = parse_expression("3/0")
    assert tree is not None
    assert evaluate(tree, [3.0, 0.0]) is None


@pytest.mark.slow
def test_gsm8k_train_verdicts_are_pinned(data_path: Path) -> None:
    verdicts: Counter[str] = Counter()
    with open(data_path / "gsm8k_train.jsonl", encoding="utf-8") as lines:
        for number, line in enumerate(list(lines)[:1000]):
            row = json.loads(line)
            solution, _, gold = row["answer"].rpartition("####")
            parent = Problem(
                id=str(number), dataset="g", style="gsm8k", question=row["question"], answer=gold.strip(),
                solution=solution,
            )  # fmt: skip
            verdicts.update(n.judgement.relevant for n in find_hidden(parent, mode="default", method="fobar"))
    share = {verdict: count / verdicts.total() for verdict, count in verdicts.items()}
    assert share["yes"] > 0.6
    assert 0.005 < share["no"] < 0.03
