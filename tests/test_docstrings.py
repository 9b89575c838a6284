"""The examples in the docstrings of what `mathstrap` offers run and print what they say; `help` shows all of it."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pydoc

import pytest

import mathstrap
from mathstrap.called import CalledByName, function_of

FUNCTIONS = [name for name in mathstrap.__all__ if name not in ("__version__", "RunRecipe", "RunSummary")]
MUST_SHOW = {
    "audit", "bootstrap", "bootstrap_async", "decontaminate", "dedup", "evaluate", "renumber", "reward", "train",
    "verify", "Run", "Records",
}  # fmt: skip


def example_of(name: str) -> object:
    found = getattr(mathstrap, name)
    return function_of(found) if isinstance(found, CalledByName) else found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_examples_of_a_docstring_are_true(name, tmp_path):
    found = example_of(name)
    values = {**vars(importlib.import_module(found.__module__)), "folder": tmp_path}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    tests = [test for test in doctest.DocTestFinder().find(found, name, globs=values) if test.examples]
    assert tests or name not in MUST_SHOW, f"mathstrap.{name} has no example"
    for test in tests:
        said: list[str] = []
        runner.run(test, out=said.append)
        assert not runner.summarize(verbose=False).failed, "".join(said)


def test_help_shows_every_function():
    shown = pydoc.render_doc(mathstrap, renderer=pydoc.plaintext)
    for name in MUST_SHOW:
        assert f"{name}(" in shown, name


@pytest.mark.parametrize("name", ["audit", "evaluate", "reward", "train", "verify"])
def test_a_module_that_is_called_is_still_the_module(name):
    module = importlib.import_module(f"mathstrap.{name}")
    assert getattr(mathstrap, name) is module
    assert inspect.ismodule(module)
    assert inspect.signature(module) == inspect.signature(getattr(module, name))
    assert getattr(module, name).__doc__


def test_importing_below_a_called_module_leaves_it_callable():
    import mathstrap.verify.find.extract
    from mathstrap.reward import MathReward

    assert mathstrap.verify.find.extract.extract_answer("The answer is: 4").answer == "4"
    assert mathstrap.verify("4", "4.0").outcome == "correct"
    assert mathstrap.reward(["The answer is: 4"], solution=["4"]) == MathReward()(["The answer is: 4"], solution=["4"])
