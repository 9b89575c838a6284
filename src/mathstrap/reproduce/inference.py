"""Recompute the paper's inferences from its numbers: differences, a correlation, and intervals it does not print."""

from __future__ import annotations

import math
from statistics import correlation

from mathstrap.reproduce.claims import Claim, compare
from mathstrap.stats.estimates import two_sided_p, wilson

GSM8K_TEST, MATH_TEST, BACKWARD_TEST = 1_319, 5_000, 1_270
# (where, what, accuracy in percent, questions): Tables 2, 3, 4 and 9.
ACCURACIES = (
    ("Table 2", "MetaMath 7B, GSM8K", 66.5, GSM8K_TEST),
    ("Table 2", "MetaMath 7B, MATH", 19.8, MATH_TEST),
    ("Table 2", "MetaMath 13B, GSM8K", 72.3, GSM8K_TEST),
    ("Table 2", "MetaMath 13B, MATH", 22.4, MATH_TEST),
    ("Table 2", "MetaMath 70B, GSM8K", 82.3, GSM8K_TEST),
    ("Table 2", "MetaMath 70B, MATH", 26.6, MATH_TEST),
    ("Table 2", "WizardMath 7B, GSM8K", 54.9, GSM8K_TEST),
    ("Table 2", "WizardMath 7B, MATH", 10.7, MATH_TEST),
    ("Table 8", "Mistral-7B after MetaMathQA, GSM8K", 77.7, GSM8K_TEST),
    ("Table 8", "Llemma-7B after MetaMathQA, GSM8K", 69.2, GSM8K_TEST),
    ("Table 4", "7,473 wrong paths, GSM8K", 43.6, GSM8K_TEST),
    ("Fig. 6", "MetaMath 7B, GSM8K-Backward (read off)", 61.0, BACKWARD_TEST),
)
# (where, what, first, second, questions): is the published difference larger than the sampling error of the questions?
DIFFERENCES = (
    ("Table 3", "7B GSM8K: Rephrasing over AnsAug", 59.6, 59.7, GSM8K_TEST),
    ("Table 3", "7B GSM8K: both over AnsAug", 59.6, 60.6, GSM8K_TEST),
    ("Table 3", "7B GSM8K: all four over AnsAug+Rephrasing", 60.6, 64.4, GSM8K_TEST),
    ("Table 3", "7B GSM8K: AnsAug over SFT", 41.6, 59.6, GSM8K_TEST),
    ("Table 3", "7B MATH: Rephrasing over AnsAug", 12.9, 12.4, MATH_TEST),
    ("Table 3", "7B MATH: both over AnsAug", 12.9, 15.3, MATH_TEST),
    ("Table 3", "7B MATH: all four over AnsAug+Rephrasing", 15.3, 17.7, MATH_TEST),
    ("Table 9", "13B GSM8K: Rephrasing over AnsAug", 66.0, 67.5, GSM8K_TEST),
    ("Table 9", "13B GSM8K: all four over AnsAug+Rephrasing", 68.1, 72.3, GSM8K_TEST),
    ("Table 2", "7B GSM8K: MetaMath over WizardMath", 54.9, 66.5, GSM8K_TEST),
    ("Table 2", "70B GSM8K: MetaMath over WizardMath", 81.6, 82.3, GSM8K_TEST),
    ("Table 4", "wrong paths over SFT", 41.6, 43.6, GSM8K_TEST),
    ("4.5", "20K AnsAug on 80K AnsAug: +0.1", 59.6, 59.7, GSM8K_TEST),
    ("4.5", "20K Rephrasing on 80K AnsAug: +0.4", 59.6, 60.0, GSM8K_TEST),
    ("4.5", "20K FOBAR on 80K AnsAug: +2.3", 59.6, 61.9, GSM8K_TEST),
    ("4.5", "20K SV on 80K AnsAug: +2.6", 59.6, 62.2, GSM8K_TEST),
)
# Diversity gain and gain in accuracy of AnsAug, Rephrasing, FOBAR and SV (4.5), as the paper and its review print them.
GAINS = (0.05, 0.02, 0.13, 0.14)
GAINED_POINTS = (0.1, 0.4, 2.3, 2.6)
PUBLISHED_PEARSON = 0.972
DATASET = {  # Table 1, in thousands
    "GSM8K": (80, 80, 40, 40, 240), "MATH": (75, 50, 15, 15, 155),
}  # fmt: skip


def table_1() -> list[Claim]:
    """Return the sums of Table 1."""
    rows = [
        compare("Table 1", f"{name}: the four methods add up", f"{whole}K", f"{sum(parts)}K")
        for name, (*parts, whole) in DATASET.items()
    ]
    total = sum(whole for *_, whole in DATASET.values())
    return [*rows, compare("Table 1", "both sets add up", "395K", f"{total}K")]


def abstract_against_table_2() -> list[Claim]:
    """Return the abstract's margins over WizardMath 7B beside those of Table 2."""
    return [
        compare("abstract", "7B over the best of its size, GSM8K", "+11.5", f"+{66.5 - 54.9:.1f}", why="Table 2"),
        compare("abstract", "7B over the best of its size, MATH", "+8.7", f"+{19.8 - 10.7:.1f}", why="Table 2"),
        compare("4.2", "the same margins in the text", "+11.6, +9.1", f"+{66.5 - 54.9:.1f}, +{19.8 - 10.7:.1f}"),
    ]


def pearson() -> list[Claim]:
    """Return the correlation of diversity gain and accuracy over its four points, with the p-value the paper omits."""
    freedom = len(GAINS) - 2
    coefficient = correlation(GAINS, GAINED_POINTS)

    def p_of(r: float) -> float:
        return two_sided_p(r * math.sqrt(freedom / (1 - r * r)), freedom)

    p_value = p_of(PUBLISHED_PEARSON)
    rounding = f"{coefficient:.3f}" if f"{coefficient:.3f}" != f"{PUBLISHED_PEARSON}" else ""
    return [
        Claim(
            where="4.5", what="Pearson of gain and accuracy", claimed=f"{PUBLISHED_PEARSON}", ours=f"{coefficient:.3f}",
            state="differs" if rounding else "equal",
            why="from the rounded points that are printed" if rounding else "",
        ),
        Claim(
            where="4.5", what="is it told from chance (5 %, two-sided)?", claimed="not given",
            ours=f"p = {p_value:.3f} on {len(GAINS)} points", state="not derivable",
            why="the paper gives no p-value; four points leave two degrees of freedom",
        ),
    ]  # fmt: skip


def intervals() -> list[Claim]:
    """Return every accuracy with Wilson's 95 % interval over test questions; the paper prints none."""
    rows = []
    for where, what, percent, num in ACCURACIES:
        low, high = wilson(percent / 100, num)
        rows.append(
            Claim(
                where=where, what=what, claimed=f"{percent}", ours=f"{100 * low:.1f} to {100 * high:.1f}",
                state="not derivable", why="a new training would add to this; one seed was published",
            )
        )  # fmt: skip
    return rows


def surviving() -> list[Claim]:
    """Return which published differences are larger than the sampling error of the test questions (95 %).

    The two accuracies are treated as independent: the replies were not published, so questions cannot be paired. Seeds
    would widen the intervals; the paper trained once.
    """
    rows = []
    for where, what, first, second, num in DIFFERENCES:
        a, b = first / 100, second / 100
        error = math.sqrt((a * (1 - a) + b * (1 - b)) / num)
        half_width = 196 * error
        difference = second - first
        survives = abs(difference) > half_width
        rows.append(
            Claim(
                where=where, what=what, claimed=f"{difference:+.1f}", ours=f"{difference:+.1f} ± {half_width:.1f}",
                state="equal" if survives else "not derivable",
                why="survives other test questions" if survives else "other test questions could change as much",
            )
        )  # fmt: skip
    return rows
