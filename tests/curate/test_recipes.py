from __future__ import annotations

import pytest

from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import load_recipe


@pytest.mark.parametrize("name", ["incorrect-answers", "correct-answers", "rft-gsm8k", "difficulty-gsm8k"])
def test_the_experiments_of_the_papers_are_recipes(name: str) -> None:
    recipe = load_recipe(RunRecipe, name)
    assert recipe.name == name
    assert [method for method in ("ans_aug", "rephrase", "fobar") if recipe.method(method).enabled] == ["ans_aug"]


def test_the_wrong_answers_and_their_control_differ_in_nothing_else() -> None:
    wrong, right = load_recipe(RunRecipe, "incorrect-answers"), load_recipe(RunRecipe, "correct-answers")
    assert (wrong.curate.outcome, right.curate.outcome) == ("wrong", "correct")
    assert (wrong.mix, wrong.methods, wrong.rng_seed) == (right.mix, right.methods, right.rng_seed)
