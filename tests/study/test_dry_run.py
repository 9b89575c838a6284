"""`mathstrap study RECIPE --dry-run split.data=FOLDER` plans every shipped study and leaves nothing behind."""

from __future__ import annotations

import pytest

from mathstrap.errors import InputError, RecipeError
from mathstrap.recipe import load_recipe
from mathstrap.study import StudyRecipe
from mathstrap.study.preview import preview_study
from mathstrap.study.run import run_study

WITH_A_RUN = ("study-cpu", "study-gpu", "study-paper", "study-self", "operators", "study-more")
NEEDS_ANOTHER = ("study-incorrect", "study-length", "study-perplexity", "study-rft", "study-scaling")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*WITH_A_RUN, *NEEDS_ANOTHER])
def test_every_shipped_study_is_planned_from_a_folder_of_data(name, data_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(StudyRecipe, name, [f"split.data={data_path}", "out=NEW"])
    found = preview_study(recipe)
    assert found.num_seeds > 0
    assert found.plan.students
    assert any("does not exist yet" in note for note in found.notes) == (name in NEEDS_ANOTHER)
    assert not list(tmp_path.iterdir()), "a dry run leaves nothing behind"


def test_the_students_evaluation_refuses_its_settings_before_anything_is_paid(tmp_path):
    wrong = ["evaluation.teacher.settings.engin=openvino", f"out={tmp_path}"]
    recipe = load_recipe(StudyRecipe, "study-self", wrong)
    for begin in (preview_study, run_study):
        with pytest.raises(InputError, match='no such setting "engin"'):
            begin(recipe)
    assert not list(tmp_path.iterdir())


def test_a_study_without_a_split_says_which_settings_name_its_files():
    with pytest.raises(RecipeError, match=r"bootstrap\.seeds\.source and evaluation\.data"):
        run_study(load_recipe(StudyRecipe, "study-gpu", ["split.data=FOLDER"]))
