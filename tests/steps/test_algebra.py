"""The steps of a solution in letters: which are false, and which are left alone."""

from __future__ import annotations

import pytest

from mathstrap.steps.algebra import false_derivations


@pytest.mark.parametrize(
    "text",
    [
        "2x + 6 = 14\n2x = 8\nx = 5",
        "$3x = -140$, which gives $x = \\frac{140}{3}$.",
        r"\[ 3x = 12 \implies x = 3 \]",
        "\\begin{align*} 3x &= 12\\\\ x &= 3 \\end{align*}",
        "\\[4y + 4 = 6y - 9\\] Subtract \\(4y\\) from both sides: \\[4 = 2y + 9\\]",
        "\\[2x^2 - 8x + 6 = 0\\] Solving this quadratic equation, we get \\[x = 2\\]",
        # against both values of the line before
        r"\[v_1 = \frac{-100 \pm 10}{150}\] So we get two solutions: \[v_1 = \frac{-10}{15} = -\frac{2}{3}\]",
        "\\[ 0 = |d - 4| \\]\n\\[ d = 8 \\]",
        # words as letters
        "5 × Width = 125 / Width\n\nThis simplifies to:\n\n5 = 125 / Width",
        # solved for one of two letters
        r"\[-3y + 2x = 6.\] Now, we can rewrite the equation in the form y = mx + b: \[y = (-\frac{2}{3})x + 2.\]",
        # written out
        "$P = (x+1)(x+2) = x^2 + 3x + 3$",
        "\\[(r+4)(s-3) = a\\]\n\\[rs - 3r + 4s + 12 = a\\]",
        "\\[ D^2 = x^2 - 12x + \\frac{3x}{2} \\]\n\\[ D^2 = x^2 - \\frac{24x}{4} + \\frac{6x}{4} \\]",
        "(2/3)M - (1/4)((2/3)M) = (2/3)M - (1/3)M = (1/3)M",
    ],
)
def test_a_false_step_in_letters_is_found(text: str) -> None:
    assert false_derivations(text)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("$2x + 6 = 14$ so $x = 4$", ""),
        ("2(x + 3) = 14\nx + 3 = 7\nx = 4", ""),
        (r"\[\frac{4}{3}K = 200\] Solve for K: \[K = 200 \times \frac{3}{4} = 150\]", ""),
        # cases, factors and roots of one equation
        ("$x+3 = 6$ or $x+3 = -6$, so $x=3$ or $x=-9$.", ""),
        (r"\[x^2 - 5x + 6 = 0\] \[(x-2)(x-3) = 0\] \[x - 2 = 0\] \[x - 3 = 0\]", ""),
        (r"\[(x-2)(x-3) = 0\] \[x = 2\] \[x = 3\]", ""),
        (r"\[x^2 = 4x + 1 \] so \[x = 2 \pm \sqrt{5}\]", ""),
        ("Thus, $x+4=0$ or $x-20=0$, so $x=-4$ or $x=20$. $x=-4$ by the given conditions.", ""),
        # a system, two functions, another part
        ("$x + y = 10$\n$x - y = 10$", ""),
        ("$y = 3x + 1$ and $y = 2x + 2$", ""),
        ("$f(2) = f(1) + 3$, so $f(1) = 1$", ""),
        ("$2x = 10$. For the second box, $x = 7$", ""),
        # a given equation is used
        ("$x^2+y^2 = (x-y)^2 + 2xy = 1 + 2xy$", "If $x - y = 1$, what is $x^2+y^2$?"),
        (r"\[16 - 4m(12 - 4m) = 0\] Simplifying, \[m^2 - 3m + 1 = 0\]", ""),
        # rounded, taken back, imaginary
        ("$3x = 10$ so $x = 3.33$", ""),
        ("$3x = 12$ so $x = 3$. This is wrong.", ""),
        ("$z - 2i = 3(1 - i)$ so $z = 3 - i$", ""),
        ("$" + "(" * 300 + "x = 3$", ""),
    ],
)  # fmt: skip
def test_a_sound_step_in_letters_is_left_alone(text: str, question: str) -> None:
    assert false_derivations(text, question) == []
