"""A grader of your own: a number within one percent of the gold is correct, everything else is as usual.

mathstrap verify --explain --grader examples/add_grader.py:WITHIN_ONE_PERCENT 3.14159 "The answer is: 3.14"
mathstrap run demo --dry-run verify.grader=examples/add_grader.py:WITHIN_ONE_PERCENT
"""

from mathstrap.verify import Grade, Grader, compare_math


def compare(gold, got):
    """Compare two bare answers; called with model output, so it must return a Grade whatever it is given."""
    usual = compare_math(gold, got)
    try:
        expected, found = float(gold), float(got)
    except ValueError:
        return usual
    if usual.outcome != "correct" and expected and abs(found - expected) <= 0.01 * abs(expected):
        return Grade("correct", "tolerance", "within one percent", got, gold)
    return usual


WITHIN_ONE_PERCENT = Grader(compare=compare)
