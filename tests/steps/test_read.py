"""The equations of solutions in prose and LaTeX: which are read, and which are called false."""

from __future__ import annotations

import pytest

from mathstrap.steps.check import false_steps
from mathstrap.steps.read import canonical, equations


def read(text: str) -> list[str]:
    noted, plain = equations(text)
    return ["=".join(canonical(side) for side in equation.sides) for equation in (*noted, *plain)]


def false(text: str, question: str = "") -> list[str]:
    return false_steps(*equations(text), question=question, text=text)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        # words, units, money, percentages, fractions of something
        ("She sold 48/2 = 24 clips in May.", ["48/2=24"]),
        ("half of 48 is 24", ["1/2*48=24"]),
        ("Two thirds of the 60 pupils are 40.", ["2/3*60=40"]),
        ("20% of 50 = 10", ["20%*50=10"]),
        ("So 20% of the $50 is $10.", ["20%*50=10"]),
        ("$5 * 3 = $15", ["5*3=15"]),
        ("3 boxes x 12 pens per box = 36 pens", ["3*12=36"]),
        ("5 plus 3 equals 8", ["5+3=8"]),
        ("12 divided by 4 is 3", ["12/4=3"]),
        ("3 times 5 gives 15 points", ["3*5=15"]),
        ("He pays a total of 12 + 24 = 36 dollars.", ["12+24=36"]),
        ("The area is 3 cm * 4 cm = 12 cm^2.", ["3*4=12"]),
        (r"\(240 \text{ questions/week} \times 4 \text{ weeks} = 960 \text{ questions}\)", ["240*4=960"]),
        ("5 sleeves/box × 24 crackers/sleeve = 120 crackers/box", ["5*24=120"]),
        ("2.5 million + 1 million = 3.5 million", ["2500000+1000000=3500000"]),
        ("4 * $2 (10% off) = 8", ["4*2=8"]),
        ("3 × (4 apples + 2 apples) = 18 apples", ["3*(4+2)=18"]),
        # other languages
        ("所以还剩：12 - 5 = 7（个）。", ["12-5=7"]),
        ("每天3个×5天=15个，一共：180÷3＝60（千米）", ["3*5=15", "180/3=60"]),
        ("5万+3万=8万", []),
        # LaTeX
        (r"\frac{3}{4} \times 20 = 15", ["((3)/(4))*20=15"]),
        (r"\[ 12 \text{ hours} \times 0.90 = 10.8 \text{ hours} \]", ["12*0.9=10.8"]),
        (r"$1{,}250 \cdot 2 = 2{,}500$", ["1250*2=2500"]),
        (r"$3\frac{1}{2} + \frac12 = 4$", ["3 1/2+((1)/(2))=4"]),
        (r"$\sqrt{16} + 2\sqrt{9} = 10$", ["sqrt(16)+2sqrt(9)=10"]),
        (r"\binom{5}{2} = 10, {5 \choose 2} = 10", ["binom(5)(2)=10", "binom(5)(2)=10"]),
        (r"$\left(2 + 3\right)^{2} = 25$", ["(2+3)^(2)=25"]),
        (r"\$5 + \$6 = \$11", ["5+6=11"]),
        # chains, in one line and over several
        ("Total = 2 + 3 + 4 = 5 + 4 = 9 points", ["2+3+4=5+4=9"]),
        ("V = (1/3) × base × height\n= (1/3) × 156 × 13\n= 676", ["(1/3)*156*13=676"]),
        ("It is 3+4 = 7, so 7+1 = 8.", ["3+4=7", "7+1=8"]),
        ("5 + 3 = 8 apples so 8 * 2 = 16", ["5+3=8", "8*2=16"]),
        ("\"answer\": \"so\\n5040 * 2 = 10080\\n\\nThe answer\"", ["5040*2=10080"]),
        # list marks and labels are no part of the calculation
        ("- 5 + 3 = 8", ["5+3=8"]),
        ("2. 3 + 4 = 7", ["3+4=7"]),
        ("**Step 2:** 3 + 4 = **7**", ["3+4=7"]),
        # what is not a calculation between numbers
        ("x + 3 = 5 and 2y = 6", []),
        ("f(2) = 5 - 1", []),
        (r"\cos 60^\circ = \frac{1}{2}", []),
        ("the ratio 3:4 = 0.75", []),
        ("(0, 3 + 1) = (0, 4)", []),
        ("1/3 = 0.333...", []),
        ("half of the 10 * 2 = 10", ["1/2*10*2=10"]),
        ("25 friends + his 1 teacher + 1 = 27", []),
        ("```python\nx = 3 + 4\n```", []),
    ],
)  # fmt: skip
def test_equations_are_read(text: str, want: list[str]) -> None:
    assert read(text) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("half of 48 is 25", ["1/2 of 48=25"]),
        ("20% of 50 = 12", ["20% of 50=12"]),
        ("The time is 0.4 + 0.3 + 0.3 = 0.9 hours", ["0.4 + 0.3 + 0.3=0.9"]),
        (r"\[ \frac{B}{2} = 7 + 9 = 30 \]", ["7 + 9=30"]),
        (r"\[ 15 + 7 + 2 - 8 + 6 + 2 + 5 + 5 = 38 \]", ["15 + 7 + 2 - 8 + 6 + 2 + 5 + 5=38"]),
        ("= (1/3) × 156 × 13\n= 572 cubic units", ["(1/3) * 156 * 13=572"]),
        (r"$\frac{12\pi}{42} = \frac{\pi}{7}$", ["((12 π )/(42))=(( π )/(7))"]),
        (r"$87\sqrt{2} - 84\sqrt{2} = 3\sqrt{2} + 1$", ["87sqrt(2) - 84sqrt(2)=3sqrt(2) + 1"]),
        ("$$m = \\frac{2-1}{1-1} = 0$$", ["((2-1)/(1-1))=0"]),
        ("5 * 3 = 15 * 2 = 31", ["5 * 3=15 * 2=31"]),
        ("102 * 0.7 = 73 nuts", ["102 * 0.7=73"]),
        ("3 + 1 - 2 - 3 = 0, which is not a multiple of 3", ["3 + 1 - 2 - 3=0"]),
        ("√(12^2 + 14^2) = √(144 + 196) = √341", ["sqrt(12^2 + 14^2)=sqrt(144 + 196)=sqrt(341)"]),
        ('```python\n{\n "answer": "5040 * 24 = 14515200"}\n```', ["5040 * 24=14515200"]),  # a record, not a program
    ],
)
def test_false_equations_are_found(text: str, want: list[str]) -> None:
    assert false(text) == want


@pytest.mark.parametrize(
    "text",
    [
        # bullets, float tails, rounded operands, labels: the four kinds that were called false
        "- 5 + 3 = 8",
        "8/3 = 2.6666666666666665",
        "8 / 3 = 2.67 and 2.67 * 6 = 16",
        "1/3 = 0.333, so 0.333 * 3 = 1",
        "Remaining 10 = 62,300/10 = $6230",
        "Weeks 1-2 = 96 - 70 = 26",
        "Day 2 = 3 + 4 = 7",
        # roundings that the text names
        "200/6 ≈ 33.3",
        r"\frac{200}{6} \approx 33.33",
        "100 / 3 = 33, rounded down",
        "17/5 = 3 full boxes",
        "100 stickers / 3 friends = 33 stickers for each friend, with 1 remaining.",
        "102 x 0.7 = 71 nuts",
        # units
        "5 * 12 inches = 5 feet",
        "2 hours * 60 = 120 minutes",
        "$2.50 - $2.24 = 26 cents",
        "168/12 = 14 dozen",
        "100 + 20 = 120 million",
        "4 pounds - 6 ounces = 58 ounces",
        "Lazlo = 4 pounds - 6 ounces = 58 ounces",
        "It loses 5 thousand a day: 5 * 3 = $15,000.",
        "One percent is $7500/75% = $100.",
        "1.250 € + 750 € = 2.000 €",
        "3的2倍-1×2=4",
        r"\frac{1}{2} \text{ hour} = \frac{1}{2} \times 60 = 30 \text{ minutes}",
        # names of sides, decimals without a digit before the point
        r"$QP = \sqrt{3} CP = 4\sqrt{3}.$",
        r"Her ratio was exactly .$500 = \tfrac{1}{2},$ so",
        # two readings, run-on chains
        "1/2*3 = 1/6",
        "3 + 4 = 7 * 2 = 14",
        "80/20 = 4 = 400%",
        # what the author takes back or knows to be wrong
        "2(0) - 5(4) = 20 (incorrect, need to adjust)",
        "3 + 4 = 8. Wait, that is 7.",
        "500 / 13 = 13 * 38 + 6, quotient 38",
        # other arithmetics
        "11 + 3 = 2 o'clock",
        r"17 + 5 = 2 \pmod{10}",
        "In base 6, 44 * 55 = 4004",
        r"44_6 \cdot 55_6 = 4004_6",
        # angles, limits
        r"\frac{\pi}{3} = \frac{180^\circ}{\pi} \cdot \frac{\pi}{3} = 60^\circ",
        "1/0 = 0 is undefined",
        "Train left at 0900 - 0130 = 0730",
        "The answer is 3 more than 4 = 5",
    ],
)
def test_sound_equations_are_never_called_false(text: str) -> None:
    assert false(text) == []


def test_an_operation_of_the_question_is_not_multiplication() -> None:
    question = r"Define a operation by $a * b = 2a + 3b$. What is 4 * 3?"
    assert false("4 * 3 = 8 + 9", question) == []
    assert false("4 * 3 = 8 + 9") == ["4 * 3=8 + 9"]


def test_hostile_text_takes_linear_work() -> None:
    """Counted in calls of the tokenizer's pattern, by way of what is found: no text may be read twice."""
    import time

    makers = [
        lambda n: "1=" * n, lambda n: "\\frac{" * n, lambda n: "(" * n + "=1", lambda n: "1 is " * n,
        lambda n: "2 of " * n,
        lambda n: "{" * n + "}" * n + "=", lambda n: "x = 1, " * n, lambda n: "<<" * n, lambda n: " " * n + "=",
        lambda n: "\\text{a} = " * n, lambda n: "5 apples " * n + "= 3", lambda n: "((1)" * n + " = 2",
        lambda n: "1 (a1 " * n + ")" * n + " = 2", lambda n: "1 + 1 = 3 wait " * n, lambda n: "word " * n + "1 + 1 = 2",
    ]  # fmt: skip
    for make in makers:
        times = []
        for size in (1_000, 8_000):
            text = make(size)
            began = time.process_time()
            false(text)
            times.append(time.process_time() - began)
        assert times[1] < 40 * times[0] + 0.5, (make(3), times)
