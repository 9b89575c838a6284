"""What a short Python program prints, without running it; and what is left alone."""

from __future__ import annotations

import time

import pytest

from mathstrap.steps.listing import claims_wrong_output, listings


def printed(code: str) -> str | None:
    found = listings(f"```python\n{code}\n```\n")
    return found[0].printed if found else None


@pytest.mark.parametrize(
    ("code", "want"),
    [
        ("price = 75\ntax = price * 0.15\nprint(price - tax - 7)", "56.75"),
        ("print(1493824 % 7)", "3"),
        ("months = [12 + 2 * i for i in range(12)]\nprint(sum(c * 4 for c in months))", "1104"),
        (
            "a = [6, 18, 15] + [20]\na = sorted(a)\nn = len(a)\nif n % 2 == 1:\n    m = a[n // 2]\nelse:\n"
            "    m = (a[n // 2 - 1] + a[n // 2]) / 2\nprint(m)",
            "16.5",
        ),
        ("import math\nprint(math.comb(5, 2), math.sqrt(16))", "10 4.0"),
        ("from sympy import primefactors\nprint(max(primefactors(1337 * 11)))", "191"),
        ("def area(w, h):\n    return w * h\nprint(f'{area(3, 4):.2f} cm')", "12.00 cm"),
        ("total = 0\nfor day in range(1, 4):\n    total += day\nprint('total', total)", "total 6"),
        ("n = 1\nwhile n < 100:\n    n *= 2\nprint(n)", "128"),
        ("x, y = 3, 4\nprint(x if x > y else y, not x, x < y < 5)", "4 False True"),
        ("from fractions import Fraction\nprint(Fraction(1, 3) + Fraction(1, 6))", "1/2"),
        ("d = {'a': 1}\nd['b'] = 2\nprint(d['a'] + d['b'])", "3"),
        ("import sympy as sp\nprint(sp.Rational(3, 5) * sp.Rational(-12, 13) + sp.Rational(4, 13))", "-16/65"),
        ("import sympy as sp\na, b = sp.symbols('a b')\ne = (a**3 + b) / (a - b)\nprint(e.subs({a: 3, b: 1}))", "14"),
        ("from sympy import symbols, solve\nx = symbols('x')\nprint(solve(2 * (x + 2 * x) - 24.0, x)[0])", "4.0"),
        ("from sympy import symbols, Eq, solve\nx = symbols('x')\nprint(solve(Eq(2 * (x + 2 * x), 24), x)[0])", "4"),
        ("from sympy import symbols, solve\nx = symbols('x')\nprint(solve(x**2 - 4, x))", None),
        ("from sympy import symbols\nx, y = symbols('x y')\nprint((x + y).subs(x, 1))", None),
        # what is not known has no verdict
        ("import os\nprint(os.getcwd())", None),
        ("print(open('x').read())", None),
        ("print(__import__('os'))", None),
        ("print((1).__class__)", None),
        ("x = input()\nprint(x)", None),
        ("class A: pass\nprint(1)", None),
        ("print(undefined)", None),
        ("print(1 / 0)", None),
        ("this is not Python", None),
        ("while True: pass", None),
        ("print(9 ** 9 ** 9)", None),
        ("a = [0] * 10 ** 9", None),
        ("print('a' * 10 ** 9)", None),
        ("def f(n):\n    return f(n + 1)\nprint(f(0))", None),
        ("print(sum(range(10 ** 9)))", None),
        ("(" * 3000, None),
        ("x = 1\n" * 5000, None),
    ],
)
def test_programs_are_followed(code: str, want: str | None) -> None:
    assert printed(code) == want


@pytest.mark.parametrize(
    ("code", "output", "want"),
    [
        ("print(75 * 0.15)", "11.25", False),
        ("print(10 / 3)", "3.3333333333333335", False),
        ("print(10 / 3)", "3.33", False),
        ("print(10 / 3)", "3.43", True),
        ("print(48.0)", "48", False),
        ("print('total', 6)", "total 7", True),
        ("print('total', 6)", "The sum is 7", False),  # words differ: another print
        ("print(6)", "Traceback (most recent call last): NameError 7", False),
        ("print([1, 2])", "[1, 3]", True),
        ("print(1)", "", False),
        ("a = 1\n b = 2\nprint(a)", "1", True),  # an indentation that Python refuses
        ("a = 1\n b = 2\nprint(a)", "IndentationError: unexpected indent", False),
        ("for i in range(3):\nprint(i)", "0", False),  # the layout may have been lost on the way
    ],
)
def test_a_claimed_output_is_set_beside_what_is_printed(code: str, output: str, want: bool) -> None:
    found = listings(f"```python\n{code}\n```\n```output\n{output}\n```\n")
    assert any(claims_wrong_output(one) for one in found) == want


def test_names_stay_known_to_the_next_program() -> None:
    text = "```python\nx = 3\n```\nso\n```python\nprint(x + 1)\n```\n```output\n5\n```"
    assert [claims_wrong_output(one) for one in listings(text)] == [False, True]


def test_all_programs_of_a_solution_share_one_budget() -> None:
    began = time.process_time()
    listings("```python\nfor i in range(5000):\n    for j in range(5000):\n        x = i * j\n```\n" * 50)
    listings("```python\n" * 20_000)
    listings(("```python\n" + "a = [" * 30 + "1" + "]" * 30 + "\n```\n") * 2_000)
    assert time.process_time() - began < 20
