"""Which numbers are left alone because hiding them makes a bad backward question, and which are hidden first."""

from __future__ import annotations

import pytest

from mathstrap.augment import AUGMENTATIONS, fobar
from mathstrap.augment.doubts import DOUBTS
from mathstrap.augment.relevance import gold_value, judge_mask
from mathstrap.augment.selection import choose_hidden, find_hidden
from mathstrap.types import Problem, Reject, Style


def seed(question: str, *, style: Style = "gsm8k", answer: str = "7", solution: str = "") -> Problem:
    return Problem(id="s", dataset="s", style=style, question=question, answer=answer, solution=solution)


def doubts(problem: Problem) -> dict[str, str]:
    """Return the doubt about each number by its text, the first of equal ones; "" where there is none."""
    found = find_hidden(problem, mode="default", method="fobar")
    return {number.text: number.doubt.code if number.doubt else "" for number in reversed(found)}


@pytest.mark.parametrize(
    ("question", "number", "doubt"),
    [
        ("He scored 50, 70 and 66. What is the average of these 3 scores?", "3", "refers_back"),
        ("House A has 12 rugs and house B 10. How many do all 2 houses have?", "2", "refers_back"),
        ("Two of 5 fish are red. How much do the other 3 weigh at 2 kg each?", "3", "refers_back"),
        ("One store asks $950, another $920. What is the difference between the two stores?", "two", "refers_back"),
        ("Ann built three houses. The first has 10 rooms, the second 20, the third 30. How many?", "three",
         "counts_a_list"),
        ("Bo has two pizzas. One has cheese and the other has ham. Both have 16 slices.", "two", "counts_a_list"),
        ("She sells 3 things: cups, bowls and plates. Each costs $5.", "3", "counts_a_list"),
        ("It was to take 4 days. He slept in the four days for 6 hours. How long did he work?", "4", "stated_twice"),
        ("He sells 3 egg and 4 egg omelettes. Ten people order the 3 egg omelettes.", "3", "stated_twice"),
        ("She used half of them for fries and the other half for chips. Each cost $5.", "half", "other_half"),
        ("On day 3 he runs 20 miles. How many in all?", "3", "label"),
        ("There are 12 rugs in house 1, and 8 in house 2.", "1", "label"),
        ("He takes route 66, and drives 90 miles.", "66", "label"),
        ("On May 3, 2021 he had 40 stamps.", "3", "date"),
        ("On May 3, 2021 he had 40 stamps.", "2021", "date"),
        ("On 3 May he had 40 stamps.", "3", "date"),
        ("In 2005, a car cost $9,000.", "2005", "year"),
        ("Two days ago he planted 50 roses. Today he planted 20.", "Two", "time_ago"),
        ("1. A pen costs $4.\n2. A cap costs $9.\nWhat do both cost?", "1", "list_number"),
        ("What is 6 times 7? (A) 42 (B) 43 (C) 44", "43", "option"),
        ("What is 6 times 7?\nA. 42\nB. 43", "42", "option"),
        ("What is 6 times 7?\nA: 42\nB: 43", "43", "option"),
        ("He has 8 pies. (Note that one pie feeds 4 people.) How many people?", "4", "note"),
        ("A cloth is 9 m. How long is a third? Round your answer to 2 decimal places.", "2", "note"),
        ("There are two solutions of the riddle with 7 coins.", "two", "number_of_answers"),
        ("Each of 40 seats costs $31. How much is that, rounded to the nearest hundred?", "40", "many_numbers_fit"),
        ("He spends $50 on as many pens at $6 as he can. How much is left?", "50", "many_numbers_fit"),
    ],
)  # fmt: skip
def test_a_number_that_the_words_give_away_is_left_alone(question: str, number: str, doubt: str) -> None:
    assert doubts(seed(question))[number] == doubt


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ("Ken pays $2 for 3 pens and $4 for 5 cups.", ["2", "3", "4", "5"]),
        ("Each week 3 of the 20 pens break.", ["3"]),  # "week 3" is no label here
        ("A town of 2000 people grew by 1990 people.", ["2000", "1990"]),
        ("She ran 3 miles on Monday and 3 hours on Friday.", ["3"]),
        ("In May 30 birds came.", []),  # may be a day of May
        ("Half of the 40 eggs are white. Half a dozen broke.", ["40"]),
        ("He needs 16 feet of rope in 2005 pieces.", ["16", "2005"]),
    ],
)
def test_plain_quantities_are_not_doubted(question: str, numbers: list[str]) -> None:
    found = doubts(seed(question))
    assert [number for number in numbers if found.get(number)] == []
    assert set(numbers) <= set(found)


@pytest.mark.parametrize(
    ("question", "answer", "number", "doubt"),
    [
        ("What is $6+7+8?$ Find all $x$ with $x \\le 12$ and $5x=40$.", "8", "12", "bound"),
        ("Find $x > 0$ if $5x=40$.", "8", "0", "shape"),
        ("What is $47$ in base $6$?", "115", "6", "shape"),
        ("Add 2, 3, 5, $\\dots$ up to there.", "9", "5", "pattern"),
        ("Evaluate $1 + 2 + \\cdots + 99$.", "4950", "99", "pattern"),
        ("Compute $\\cos 1050^\\circ$.", "1", "1050", "many_numbers_fit"),
        ("How many integers lie in a row of $37$?", "9", "37", "many_numbers_fit"),
        ("What is the remainder when $37$ is cut by $8$?", "5", "37", "many_numbers_fit"),
        ("What is the largest $n$ with $2n < 40 + 7$?", "23", "7", "many_numbers_fit"),
        ("What is $37$ of it, to the nearest tenth?", "9", "37", "many_numbers_fit"),
        ("How far is $(-8,6)$ from the origin, as a distance?", "10", "6", "many_numbers_fit"),
        ("In how many ways can we choose $3$ of $10$ men?", "120", "3", "many_numbers_fit"),
        ("The roots of $x^2 + 7x - 2 = 0$ are $a$ and $b$. Find $ab + 1$.", "-1", "7", "many_numbers_fit"),
        ("Two circles of radius $5$ touch. Find $r$.", "10", "Two", "counts_a_list"),
        ("A three-digit code starts with $5$. Find it.", "500", "three", "shape"),
        ("A recipe takes $3\\frac{4}{5}$ cups. What is half?", "19/10", "3", "shape"),
        ("Solve $x^3 = 12$ and $y=12$.", "3", "12", "stated_twice"),
        ("Which is $C=8$, if $A=2$?", "C", "8", "answer_is_no_number"),
        ("Take $AB=26$. [asy] label(\"$26$\", (0,0)); [/asy]", "5", "26", "drawn"),
        ("Find $5a$. (Note: a cone has a third, or $\\frac{1}{3}$, of it.)", "5", "\\frac{1}{3}", "note"),
    ],
)  # fmt: skip
def test_a_latex_question_of_many_numbers_is_left_alone(question: str, answer: str, number: str, doubt: str) -> None:
    assert doubts(seed(question, style="math", answer=answer))[number] == doubt


@pytest.mark.parametrize(
    ("question", "answer", "numbers"),
    [
        ("Find $x$ if $3x + 6 = 20$.", "14/3", ["3", "6", "20"]),
        ("A tank of radius $30$ m holds $2700\\pi$ cubic meters. How many meters high is it?", "3", ["30", "2700"]),
        ("What is $120\\%$ of 30?", "36", ["120", "30"]),
        ("In how many ways can we choose $3$ of $10$ men?", "120", ["10"]),
    ],
)
def test_plain_formulas_are_not_doubted(question: str, answer: str, numbers: list[str]) -> None:
    found = doubts(seed(question, style="math", answer=answer))
    assert {number: found.get(number) for number in numbers} == dict.fromkeys(numbers, "")


SHOP = seed(
    "Sam buys 3 pens for $4 each and pays with a $50 bill. He owns 17 rulers in 5 boxes. How much change does he get?",
    answer="38", solution="The pens cost 3*4=$<<3*4=12>>12. He gets 50-12=$<<50-12=38>>38.",
)  # fmt: skip


def chosen(problem: Problem, count: int | None, **options: object) -> list[str]:
    picked = choose_hidden(problem, count, mode="default", rng_seed=0, method="fobar", **options)  # type: ignore[arg-type]
    return [number.text for number in picked]


def test_irrelevant_numbers_are_hidden_on_request_only() -> None:
    assert chosen(SHOP, None) == ["3", "4", "50"]
    assert chosen(SHOP, None, masks="all") == ["3", "4", "50", "17", "5"]


def test_proved_numbers_come_before_unknown_ones() -> None:
    problem = seed(
        "A bag has 9 red and 8 blue beads, and 6 times as many beads of glass. Each costs 5 cents. What do they cost?",
        answer="45", solution="Nine beads cost 9*5 = <<9*5=45>>45 cents. There are 6 kinds, and 8 blue ones.",
    )  # fmt: skip
    judged = {n.text: n.judgement.relevant for n in find_hidden(problem, mode="default", method="fobar")}
    assert judged == {"9": "yes", "8": "unknown", "6": "unknown", "5": "yes"}
    assert chosen(problem, 2) == ["9", "5"]
    assert chosen(problem, None) == ["9", "8", "6", "5"]
    assert chosen(problem, None, masks="proved") == ["9", "5"]


def test_a_number_the_solution_never_mentions_is_left_alone() -> None:
    problem = seed(
        "Two clerks work 2 months and pack twice 30 boxes a day for 7 days. How many?",
        answer="x", solution="Rereadable 30 is 2*30, and that for 7 days is 420.",
    )  # fmt: skip
    found = doubts(problem)
    assert found["2"] == "not_used"  # the solution's 2 is the "twice"
    assert (found["30"], found["7"]) == ("", "")


def test_a_question_without_a_sound_number_says_why() -> None:
    problem = seed("On day 3 of these 4 weeks, what do we do?")
    for method in ("fobar", "self_verification"):
        (reject,) = AUGMENTATIONS[method].rewrite(problem, 2)
        assert isinstance(reject, Reject)
        assert reject.reason == "no_sound_number"
        assert reject.detail == f"3: {DOUBTS['label']}; 4: {DOUBTS['refers_back']}"
    assert [made.id for made in fobar.augmentation(masks="all").rewrite(problem, 2)] == ["s/fobar.1", "s/fobar.2"]


@pytest.mark.parametrize(
    ("equation", "gold"),
    [("( 290.0 / 2.0 )", "145"), ("290/2=145", "145 (bananas)"), ("x=290/2", "145.0"), ("290/2", "145 bananas each")],
)
def test_an_equation_column_proves_what_matters(equation: str, gold: str) -> None:
    problem = seed(
        "There are 87 oranges and 290 bananas. The bananas are in 2 groups, the oranges in 93. How big is a group?",
        answer=gold, solution=equation,
    )  # fmt: skip
    assert [judge_mask(problem, number).relevant for number in ("290", "2", "87", "93")] == ["yes", "yes", "no", "no"]


def test_options_are_never_hidden_and_do_not_blind_the_judge() -> None:
    question = "Ann packs 90 pens into 6 boxes. How many go into each?"
    for options in ("\n(A) 6\n(B) 15\n(C) 90", " A) 6 B) 15 C) 90", "\nA. 6\nB. 15\nC. 90"):
        problem = seed(question + options, answer="(B) 15", solution="Each gets 90/6 = 15.")
        assert chosen(problem, None) == chosen(problem, None, masks="proved") == ["90", "6"]


@pytest.mark.parametrize(
    ("gold", "value"),
    [("9 (apples)", 9), ("9 apples", 9), ("$3.50 each", 3.5), ("1,200 km/h", 1200), ("20%", 20), ("(B) 30", 30),
     ("nine", None), ("x = 9", None), ("9 of 10", None)],
)  # fmt: skip
def test_a_gold_with_its_unit_has_a_value(gold: str, value: float | None) -> None:
    found = gold_value(gold)
    assert (None if found is None else float(found)) == value


def test_the_reference_mode_hides_every_candidate() -> None:
    problem = seed("On day 3 of these 4 weeks he ran 5 miles.")
    found = AUGMENTATIONS["fobar"].rewrite(problem, None, mode="metamath-2024")
    assert len(found) == 3


def test_long_texts_take_time_by_their_length_only() -> None:
    import time

    def seconds(repeats: int) -> float:
        text = "He has 3 boxes of 4 pens, $\\sqrt{25}$ and (the other 7), in 2005. " * repeats
        start = time.process_time()
        for style in ("gsm8k", "math"):
            choose_hidden(seed(text, style=style), 2, mode="default", rng_seed=0, method="fobar")
        return time.process_time() - start

    seconds(5)
    assert seconds(80) < 12 * seconds(20) + 1
