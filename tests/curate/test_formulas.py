"""Formulas with functions and signs, and questions that are one expression."""

from __future__ import annotations

import pytest

from mathstrap.curate.formulas import false_formulas, wrong_value


@pytest.mark.parametrize(
    "text",
    [
        r"since \(\sin 4^\circ = \sin(-4^\circ)\)",
        r"$$BC = 10 \cdot \frac{\sin 30}{\sin 60} = 5$$",  # in degrees and in radians
        r"$\tan y = \pm \frac{\sqrt{435}}{7} = \frac{\sin y}{\cos y} = \pm 2$",
        r"\[ \left|-3\right| + 1 = 2 \]",
        "|(a x b)| = |a| |b| sin(45°) = 1(1) sin(45°) = 1",
        r"$\log_2 8 = 4$",
    ],
)
def test_a_false_formula_is_found(text: str) -> None:
    assert false_formulas(text)


@pytest.mark.parametrize(
    "text",
    [
        r"$\sin 30 = \frac{1}{2}$ and $\sin \frac{\pi}{6} = \frac12$",
        r"$x = \frac{4 \pm 2}{2} = 2 \pm 1$, so $|x - 2| = 1$",
        r"$\log 100 = 2$, $\ln 2 = 0.693$, $\log_28\sqrt{2} = \frac{7}{2}$",
        r"$\cos x = 0.5 \approx 0.5$",
        r"Suppose $\sin 30^\circ = 1$.",
        r"$\sin 30^\circ = 1$ is not true.",
        r"\[\sin 724^\circ \equiv 4 = 5 \pmod{7}\]",
        r"$\sin" + "(" * 200 + "1 = 2$",
    ],
)
def test_a_sound_or_doubtful_formula_is_left_alone(text: str) -> None:
    assert false_formulas(text) == []


@pytest.mark.parametrize(
    ("question", "stated", "is_wrong"),
    [
        (r"Evaluate the expression: $-8 \cdot 4 - (-6 \cdot -3) + (-10 \cdot -5) - (7 \cdot -2)$.", "-14", True),
        (r"Evaluate the expression: $-8 \cdot 4 - (-6 \cdot -3) + (-10 \cdot -5) - (7 \cdot -2)$.", "14", False),
        (r"Compute $\sin 60^\circ$.", r"\frac{\sqrt{3}}{2}", False),
        (r"Compute $\cos 60^\circ$.", r"\frac{\sqrt{3}}{2}", True),
        (r"Evaluate $\log_28\sqrt{2}$.", r"\frac{7}{2}", False),
        (r"What is $\frac{2}{3}$ to the nearest tenth?", "0.7", False),
        (r"Find $x$.", "3", False),
        (r"Compute $\sqrt{2}$.", "1.41", False),
    ],
)
def test_the_value_that_a_question_asks_for(question: str, stated: str, is_wrong: bool) -> None:
    assert bool(wrong_value(question, stated)) is is_wrong
