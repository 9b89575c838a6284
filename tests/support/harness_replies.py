"""Replies that our rules and the harness's read differently, and the interpreter that has the harness."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest

OURS: list[tuple[str, str, str]] = [
    ("gsm8k", "18", "So 9 * 2 = 18.\n#### 18"),
    ("gsm8k", "18", "#### $18"),
    ("gsm8k", "1800", "#### 1,800"),
    ("gsm8k", "18", "#### 18.00"),
    ("gsm8k", "18", "#### 18."),
    ("gsm8k", "18", "#### 7\nno wait\n#### 18"),
    ("gsm8k", "18", "The answer is: 18"),
    ("gsm8k", "18", "\\boxed{18}"),
    ("gsm8k", "18", "The answer is: 18 (9 eggs at 2 dollars)"),
    ("gsm8k", "12", "The answer is: 12. Check: 12/4=3."),
    ("gsm8k", "18", "It costs 18 dollars, and 3 are left."),
    ("gsm8k", "18", "18..."),
    ("gsm8k", "18", "about $18,"),
    ("gsm8k", "0.5", "#### .5"),
    ("gsm8k", "-5", "#### -5"),
    ("gsm8k", "18", ""),
    ("gsm8k", "18", "no number at all"),
    ("gsm8k", "3", "The answer is: three"),
    ("gsm8k", "18", "####18"),
    ("math", "\\frac{1}{2}", "The answer is $\\frac{1}{2}$."),
    ("math", "\\frac{1}{2}", "It is $x = 1$ and then $\\frac12$."),
    ("math", "\\frac{1}{2}", "The answer is: \\frac{1}{2}"),
    ("math", "2\\sqrt{3}", "$2\\sqrt3$"),
    ("math", "5", "5"),
    ("math", "5", "$5.0$"),
    ("math", "\\text{Evelyn}", "$\\text{Evelyn}$"),
    ("math", "7", ""),
]


def harness_python() -> str:
    """The interpreter with lm-evaluation-harness, or a skip that says how to name one."""
    named = os.environ.get("MATHSTRAP_LM_EVAL_PYTHON", "")
    if named:
        return named
    if importlib.util.find_spec("lm_eval") is not None:
        return sys.executable
    pytest.skip("lm-eval is not installed here; set MATHSTRAP_LM_EVAL_PYTHON to a Python that has it")
