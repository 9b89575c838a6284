"""Model output is hostile: nothing is executed, nothing hangs, nothing raises, threads and processes agree."""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from mathstrap.verify import GRADERS, grade

CODE = [
    "__import__('os').system('touch CANARY')", "open('CANARY','w').write('x')", "[open('CANARY','w').write('x'),2]",
    "exec(\"open('CANARY','w')\")", "5+open('CANARY','w').fileno()", "\\pi*open('CANARY','w').write('1')", "exit()",
    "lambda: open('CANARY','w')", "x.subs(x,open('CANARY','w'))", "f'{open(\"CANARY\",\"w\")}'", "eval('5')",
    "5 if 1 else 5",
]  # fmt: skip
LARGE = [
    "9^9^9^9", "9**9**9**9", "9^{9^{9^{9}}}", "1e1000000000", "1e-1000000000", "3!!!!!!!!!!", "factorial(10**8)",
    "10^{100000}", "\\binom{1000000000}{500000000}", "99999999999!", "\\prod_{n=1}^{1000000}n", "(1+x)^{1000000000}",
    "\\sqrt[1000000000]{2}", "\\log_{1}(5)", "\\frac{1}{0}", "0^{-1}", "0^0", "(-8)^{1/3}", "\\tan(10^{50})",
    "2^{2^{2^{2^{2^2}}}}",
    "((((((((((9^9)^9)^9)^9)^9)^9)^9)^9)^9)^9)", "e^{e^{e^{e^e}}}", "\\sin(e^{e^{e^e}})", "\\gcd(10^{99999}, 7)",
]  # fmt: skip
REPEATED = [
    ("{", 1_000_000), ("(", 100_000), ("\\frac{", 50_000), ("\\sqrt{", 50_000), ("-", 200_000), ("9^", 50_000), ("$",
    10**6),
    ("1+", 20_000), ("5,", 100_000), ("\\boxed{", 100_000), ("\\text{", 100_000), ("!", 100_000), ("\\left(", 100_000),
    ("answer is ", 100_000), ("#### ", 100_000), ("</think>", 50_000), ("0.", 100_000), ("1 ", 100_000), ("a", 10**6),
    ("\\begin{pmatrix}", 20_000), ("1,000", 50_000), ("The answer is: ", 50_000), ("\\text{ and }", 50_000), (" ",
    10**6),
    ("x=", 50_000), ("\\pm", 50_000), ("|", 50_000), ("_", 50_000), ("^", 50_000), ("alue of ", 50_000),
    ("\\\\", 100_000),
    ("\\boxed{1} and ", 20_000), ("'", 100_000), ("1.1.", 50_000), ("f(", 50_000), ("\\sin", 50_000), ("5!", 30_000),
    ("\\{", 50_000), ("1/", 50_000), ("a_", 50_000), ("\\overline{", 20_000), ("e5", 50_000), (".", 300_000), ("\n",
    300_000),
]  # fmt: skip


@pytest.mark.parametrize("text", CODE)
def test_code_is_not_executed(text: str, tmp_path: Path) -> None:
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        for name in GRADERS:
            for gold in ("5", "(1,2)", "[1,2]", "x+1"):
                bare = grade(gold, text, grader=name)
                stated = grade(gold, f"The answer is: {text}", grader=name, form="completion")
                if name != "metamath-2024-gsm8k":  # faithful: it takes the first number of anything
                    assert "correct" not in (bare.outcome, stated.outcome)
                grade(text, gold, grader=name)
    finally:
        os.chdir(before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", LARGE)
def test_large_values_are_guarded(text: str) -> None:
    start = time.process_time()
    assert grade("5", text).outcome != "correct"
    grade(text, "5")
    grade(text, text + "+1")
    assert time.process_time() - start < 1


@pytest.mark.parametrize("share", [0.1, pytest.param(1.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("part", "most"), REPEATED, ids=[f"{part!r:.20}" for part, _ in REPEATED])
def test_long_texts_take_linear_time(part: str, most: int, share: float) -> None:
    count = round(most * share)
    for text in (
        part * count,
        part * count + "5",
        part * (count // 2) + "}" * (count // 2),
        part * 300 + "7",
        part * 45,
    ):
        start = time.process_time()
        for name in GRADERS:
            grade("5", text, grader=name, form="completion", mode="flexible")
            grade("5", text, grader=name)
        grade(text, text[:-1])
        assert time.process_time() - start < 2 * len(GRADERS), "a second for each verdict at most"


def test_a_tower_equals_itself_and_nothing_else() -> None:
    assert grade("9^{9^{9^{9}}}", "$9^{9^{9^9}}$").outcome == "correct"
    assert grade("10^{100000}", "10^{100001}").outcome == "wrong"
    assert grade("2018^{2019}", "2019^{2018}").outcome == "wrong"


def random_pairs(count: int) -> list[tuple[str, str]]:
    rng = random.Random(3)
    parts = [
        "1",
        "2",
        "x",
        "+",
        "\\frac{1}{2}",
        "\\sqrt{3}",
        "(",
        ")",
        ",",
        "\\pi",
        "^2",
        " ",
        "\\sin x",
        "\\pm",
        "5!",
        "i",
    ]
    texts = ["".join(rng.choice(parts) for _ in range(rng.randrange(1, 7))) for _ in range(count)]
    return list(zip(texts, reversed(texts), strict=True)) + [(text, f"${text}$") for text in texts]


def verdict_of(pair: tuple[str, str]) -> tuple[str, str]:
    verdict = grade(*pair)
    return verdict.outcome, verdict.tier


def test_threads_and_processes_reach_the_same_verdicts() -> None:
    pairs = random_pairs(300)
    alone = [verdict_of(pair) for pair in pairs]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(verdict_of, pairs)) == alone
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        assert list(processes.map(verdict_of, pairs, chunksize=100)) == alone


@pytest.mark.parametrize(
    "text", ["\x00", "\ud800", "\u202e5", "5\u200b", "\U0010ffff", "٣", "Ⅳ", "五", "½½", "√", "²", "\\", "{", "%"]
)
def test_odd_characters_do_not_raise(text: str) -> None:
    for name in GRADERS:
        for form in ("answer", "completion", "auto"):
            grade(text, text, grader=name, form=form)  # type: ignore[arg-type]
            grade("5", text, grader=name, form=form, mode="flexible")  # type: ignore[arg-type]


def nested_mixed_numbers(levels: int) -> str:
    text = "5"
    for _ in range(levels):
        text = f"2\\frac{{{text}}}{{3}}"
    return text


HEAVY = [
    ("5", nested_mixed_numbers(24)),
    ("1+x!" + "+x!" * 1500, "\\sin^2 x+\\cos^2 x+x!" + "+x!" * 1500),
    ("1" + "+\\sin(\\cos x)" * 500, "\\sin^2 x+\\cos^2 x" + "+\\sin(\\cos x)" * 500),
    ("5", "+".join(f"(\\frac{{1}}{{{n}}})^{{{4000 + n}}}" for n in range(3, 250))),
    (",".join(f"\\sqrt{{{n}}}" for n in range(2, 400)), ",".join(f"1+\\sqrt{{{n}}}" for n in range(2, 400))),
    ("5", "\\gcd(" + ",".join(["9^{6000}"] * 300) + ")"),
    ("5", "2000!" + "\\cdot 2000!" * 600),
    ("5", "\\sqrt[7]{3^{9000}}" * 200),
]


@pytest.mark.parametrize(("gold", "got"), HEAVY, ids=range(len(HEAVY)))
def test_work_that_adds_up_stops_at_a_ceiling(gold: str, got: str) -> None:
    start = time.process_time()
    assert grade(gold, got).outcome != "correct"
    assert time.process_time() - start < 1


def test_long_lists_are_compared_without_trying_every_pair() -> None:
    numbers = [str(n) for n in range(1500)]
    assert grade(",".join(numbers), ", ".join(reversed(numbers))).outcome == "correct"
    assert grade(",".join(numbers), ",".join([*numbers[1:], "-1"])).outcome == "wrong"


@pytest.mark.parametrize("blank", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2028", "\u3000"])
@pytest.mark.parametrize("after", ["", "$", "\n"])
def test_a_box_before_a_rare_blank_holds_nothing_and_raises_nothing(blank: str, after: str) -> None:
    for name in GRADERS:
        for form in ("answer", "completion", "auto"):
            assert grade("5", f"so \\boxed{blank}{after}", grader=name, form=form).outcome != "correct"
