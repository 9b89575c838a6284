"""Renumber: other numbers, the solution and the gold computed again, and what is refused or left alone."""

from __future__ import annotations

import json
import random
import re
from fractions import Fraction

import pytest

from mathstrap.augment.renumber import changeable, renumbered, rewrite, worked_seed
from mathstrap.augment.worked import read_worked, recheck, worked_from_equation
from mathstrap.types import Problem, Reject


def seed(question: str, solution: str, answer: str, **more) -> Problem:
    return Problem(id="s-1", dataset="s", style="gsm8k", question=question, answer=answer, solution=solution, **more)


CLIPS = seed(
    "Natalia sold clips to 48 of her friends in April, and half as many in May. How many did she sell?",
    "She sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = <<48+24=72>>72 clips.\n#### 72", "72",
)  # fmt: skip


def test_question_solution_and_gold_change_together():
    (made,) = rewrite(CLIPS, 1)
    assert isinstance(made, Problem)
    number = int(re.findall(r"\d+", made.question)[0])
    assert number != 48
    assert number % 2 == 0  # half of the friends is a whole number
    half, whole = number // 2, number + number // 2
    assert made.answer == str(whole)
    assert made.solution == (
        f"She sold {number}/2 = <<{number}/2={half}>>{half} clips in May.\n"
        f"She sold {number}+{half} = <<{number}+{half}={whole}>>{whole} clips.\n#### {whole}"
    )
    assert made.id == "s-1/renumber.1"
    assert made.parent == "s-1"
    assert made.method == "renumber"


def test_the_same_seed_gives_the_same_rows_and_another_one_others():
    assert rewrite(CLIPS, 5) == rewrite(CLIPS, 5)
    assert rewrite(CLIPS, 5) != rewrite(CLIPS, 5, rng_seed=1)
    questions = [row.question for row in rewrite(CLIPS, 12)]
    assert len(set(questions)) == len(questions) > 5


@pytest.mark.parametrize(
    ("question", "solution", "answer", "why"),
    [
        ("Ann has 5 pens and gets 7. How many?", "", "12", "no_solution"),
        ("Ann has 5 pens and gets 7. How many?", "She has 12 pens.", "12", "no_solution"),
        ("Ann has 5 pens and gets 7. How many?", "<<5+7=13>>13", "13", "wrong_step"),
        ("Ann has 5 pens and gets 7. How many?", "<<5+7=12>>12", "13", "misses_the_gold"),
        ("Ann has 5 pens and gets 7. How many?", "<<5 plus 7=12>>12", "12", "unreadable_step"),
        # Half of 12 done in the head: other numbers would change the 6.
        ("Ann has 12 pens and loses some. How many?", "<<12-6=6>>6 but then <<6+9=15>>15", "15", "number_from_nowhere"),
        # A rounded result is not what the step gives.
        ("Ann shares 10 pens among 3. How many each?", "<<10/3=3.33>>3.33", "3.33", "wrong_step"),
        ("Ann has 5 pens and gets 7. How many?", "<<5+7=12>>12", "twelve", "no_solution"),
    ],
)
def test_a_solution_that_cannot_be_computed_again_is_refused_with_the_reason(question, solution, answer, why):
    (found,) = rewrite(seed(question, solution, answer), 1)
    assert isinstance(found, Reject)
    assert found.reason == "cannot_renumber"
    assert found.detail.startswith(why)


@pytest.mark.parametrize(
    ("question", "solution", "answer", "free"),
    [
        # The 7 may be the days of the week, the 2 is grammar.
        ("He runs 7 miles a day. How far in a week?", "<<7*7=49>>49", "49", []),
        ("In 2015 Ann was 30. How old is she after 13 years?", "<<30+13=43>>43", "43", ["30", "13"]),
        ("Her three sisters, Ann, Bo and Cy, get 8 pens each. How many?", "<<3*8=24>>24", "24", ["8"]),
        ("She is in grade 6 and has 20 pens, 4 a box. How many boxes?", "<<20/4=5>>5", "5", ["20", "4"]),
        ("At 6 pm there are 40 guests and 13 leave. How many stay?", "<<40-13=27>>27", "27", ["40", "13"]),
        # 12 is a number of the question and a dozen: which is meant is not known.
        ("12 hens lay a dozen eggs each. How many eggs?", "<<12*12=144>>144", "144", []),
    ],
)  # fmt: skip
def test_what_is_a_name_or_has_two_meanings_stays(question, solution, answer, free):
    worked = worked_seed(seed(question, solution, answer))
    assert not isinstance(worked, str)
    assert [str(worked.variables[place].value) for place in changeable(worked)] == free


def numbers(text: str) -> list[Fraction]:
    return [Fraction(found.replace(",", "")) for found in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def test_what_a_reader_expects_of_a_number_is_kept():
    week = seed("He runs 6 miles on 5 days a week. How far?", "<<6*5=30>>30", "30")
    share = seed("Of 200 pupils 60% walk. How many walk?", "200*60/100 = <<200*60/100=120>>120", "120")
    price = seed("A pen costs $1.50. Ann buys 8. What does she pay?", "1.50*8 = <<1.50*8=12>>12", "12")
    larger = seed("Ann has 50 pens and Bo 20. How many more has Ann?", "50-20 = <<50-20=30>>30", "30")
    for row in rewrite(week, 30):
        assert numbers(row.question)[1] <= 7
    for row in rewrite(share, 30):
        pupils, percent = numbers(row.question)
        assert percent < 100
        assert pupils % 10 == 0
        assert Fraction(row.answer) == pupils * percent / 100
        assert Fraction(row.answer).denominator == 1
    for row in rewrite(price, 30):
        assert re.search(r"\$\d\.\d\d\b", row.question), row.question
    for row in rewrite(larger, 30):
        first, second = numbers(row.question)
        assert first > second


def test_a_total_that_the_question_states_stays_the_sum_of_its_parts():
    yoga = seed(
        "There are 8 men with an average weight of 190 pounds and 6 women with one of 120. What is the average of "
        "all 14?",
        "<<8*190=1520>>1520, <<6*120=720>>720, <<1520+720=2240>>2240, <<2240/14=160>>160\n#### 160", "160",
    )  # fmt: skip
    rows = [row for row in rewrite(yoga, 20) if isinstance(row, Problem)]
    for row in rows:
        men, _, women, _, everyone = map(int, re.findall(r"\d+", row.question))
        assert men + women == everyone
    party = seed(
        "Lisa invited 48 students altogether: 23 boys and 25 girls. 9 of them cannot come. How many will be there?",
        "<<48-9=39>>39\n#### 39", "39",
    )  # fmt: skip
    for row in rewrite(party, 20):
        assert isinstance(row, Problem)
        everyone, boys, girls, _ = map(int, re.findall(r"\d+", row.question))
        assert boys + girls == everyone


def test_a_number_that_is_one_less_than_another_is_not_taken_for_a_constant():
    car = seed(
        "Six friends want a car for $1700. They earn $500, share the rest. Now Brad leaves. How much more is it each?",
        "<<1700-500=1200>>1200, <<1200/6=200>>200 each, and 5 friends share his: <<200/5=40>>40\n#### 40", "40",
    )  # fmt: skip
    (refused,) = rewrite(car, 1)
    assert isinstance(refused, Reject)
    assert "number_from_nowhere" in refused.detail


def test_inches_beside_feet_stay_below_twelve():
    tall = seed(
        "Vlad is 6 feet, 3 inches tall. His sister is 2 feet, 10 inches tall. How many inches taller is Vlad?",
        "<<6*12+3=75>>75, <<2*12+10=34>>34, <<75-34=41>>41\n#### 41", "41",
    )  # fmt: skip
    rows = [row for row in rewrite(tall, 30) if isinstance(row, Problem)]
    assert rows
    assert all(int(inches) < 12 for row in rows for inches in re.findall(r"(\d+) inches tall", row.question))


def test_articles_words_and_separators_are_written_as_they_were():
    rope = seed("An 8-foot rope is cut from 1,200 feet. What is left?", "<<1200-8=1192>>1192", "1192")
    found = "".join(row.question for row in rewrite(rope, 40))
    assert re.search(r"from \d,\d{3} feet", found)
    assert re.search(r"A \d", found)
    assert not re.search(r"A (?:8|11|18)-|An (?:[1-79]|1[02-7])-", found)
    words = rewrite(seed("Seven cats and nine dogs sleep. How many animals?", "7+9 = <<7+9=16>>16", "16"), 10)
    assert all(re.match(r"[A-Z][a-z]+ cats and [a-z-]+ dogs", row.question) for row in words)


def test_a_rule_with_a_threshold_keeps_every_number_on_its_side():
    problem = seed(
        "A worker gets $10 an hour for the first 40 hours and $15 for overtime. He works 45 hours. What does he get?",
        "He works 45-40 = <<45-40=5>>5 extra.\nHe gets 40*10 = $<<40*10=400>>400 and 5*15 = $<<5*15=75>>75, in all "
        "400+75 = $<<400+75=475>>475.\n#### 475", "475",
    )  # fmt: skip
    for row in rewrite(problem, 20):
        if isinstance(row, Problem):
            values = numbers(row.question)
            assert values[3] > values[1]


@pytest.mark.parametrize(
    ("equation", "answer", "solution"),
    [
        ("( 290.0 / 2.0 )", "145", "290 / 2 = <<290/2=145>>145\n#### 145"),
        ("7+2=9", "9", "7 + 2 = <<7+2=9>>9\n#### 9"),
        ("( ( 2.0 + 4.0 ) - 3.0 )", "3", "2 + 4 = <<2+4=6>>6\n6 - 3 = <<6-3=3>>3\n#### 3"),
        ("8.0", "8", ""),
        ("7+2=10", "10", ""),
        ("x+2", "9", ""),
        ("__import__('os')", "1", ""),
    ],
)
def test_an_equation_becomes_a_worked_solution(equation, answer, solution):
    assert worked_from_equation(equation, answer) == solution


def test_a_seed_with_an_equation_alone_is_renumbered():
    tags = {"equation": "( 290.0 / 5.0 )"}
    problem = seed("Philip has 290 bananas in 5 groups. How many a group?", "", "58", tags=tags)
    (made,) = rewrite(problem, 1)
    whole, groups = numbers(made.question)
    assert Fraction(made.answer) == whole / groups


@pytest.mark.parametrize(
    ("solution", "answer", "want"),
    [
        ("48/2 = <<48/2=24>>24\n#### 24", "24", ""),
        ("<<(3+4)*2-5=9>>9", "9", ""),
        ("<<2(3+4)=14>>14", "14", ""),
        ("<<100-20%=99.8>>99.8", "99.8", ""),
        ("<<48/2=25>>25", "25", "value"),
        ("<<48/2=24>>25", "24", "written"),
        ("<<48/0=24>>24", "24", "mark"),
        ("<<48 of 2=24>>24", "24", "mark"),
        ("<<48/2=24>>24", "25", "gold"),
        ("24", "24", "gold"),
    ],
)
def test_the_second_execution_reads_the_text_alone(solution, answer, want):
    assert recheck(solution, answer) == want


def test_no_row_is_wrong_and_enough_seeds_give_one(data_path):
    rows, usable, count = 0, 0, 400
    with open(data_path / "gsm8k_train.jsonl", encoding="utf-8") as file:
        for number, line in zip(range(count), file, strict=False):
            row = json.loads(line)
            problem = seed(row["question"], row["answer"], row["answer"].rpartition("####")[2].strip())
            made = [found for found in rewrite(problem, 2, rng_seed=number) if isinstance(found, Problem)]
            usable += bool(made)
            for found in made:
                rows += 1
                assert recheck(found.solution, found.answer) == ""
                assert found.question != problem.question
                if not re.search(r"(?<!\d)0\d", row["question"]):
                    assert not re.search(r"(?<![\d.])0\d", found.question)
    assert usable >= 0.45 * count
    assert rows > 300


def test_hostile_solutions_take_no_time_and_give_a_reason():
    for solution in ("<<1+1=2>>" * 5_000, "<<" * 50_000, "<<9**9=1>>", "<<(((((((1=1>>", "9" * 100_000):
        found = read_worked("Ann has 5 pens. How many?", solution, "5")
        assert isinstance(found, str)
    assert not list(renumbered(worked_seed(CLIPS), random.Random(1), 0))


def test_names_and_a_distractor_come_on_demand():
    problem = seed(
        "Anna has 50 pens and Tom gives her 20. How many pens has Anna now?", "Anna has <<50+20=70>>70 pens.", "70"
    )
    story = seed(f"It rains. {problem.question}", problem.solution, "70")
    (plain,) = rewrite(story, 1)
    (other,) = rewrite(story, 1, names=True, distractor=True)
    assert "Anna" in plain.question
    assert "Anna" not in other.question
    assert "Anna" not in other.solution
    assert other.answer == plain.answer  # the numbers do not depend on the dress
    assert len(other.question) > len(plain.question) + 20
