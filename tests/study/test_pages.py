"""The table, the page and the plot of a study, from made-up evaluations: what is found, what not, what is missing."""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
import pytest

from mathstrap.evaluate.record import Evaluation
from mathstrap.files.rundir import RunDir
from mathstrap.recipe import build_recipe
from mathstrap.study import StudyRecipe
from mathstrap.study.arms import Pool
from mathstrap.study.matching import DataSize
from mathstrap.study.outcome import put_together
from mathstrap.study.page import write_pages
from mathstrap.study.plan import Rows, StudyPlan, plan_students
from mathstrap.study.result import StudyResult
from mathstrap.study.words import conclusions, headline_table, markdown
from studying import draw

CHANCE = {"base": 0.05, "sft": 0.2, "ans_aug": 0.24, "all": 0.6}


def made(folder: Path, *, sizes: list[int], seeds: list[int], missing: tuple[str, ...] = ()) -> StudyResult:
    """A study of three arms whose students are right with fixed chances, forward and, at half of that, backward."""
    recipe = build_recipe(
        StudyRecipe,
        {"name": "made-up <b>", "out": str(folder), "sizes": sizes, "rng_seeds": seeds, "match": ["samples", "tokens"],
         "arms": {"sft": {"methods": ["seed"]}, "ans_aug": {"methods": ["ans_aug"]}, "all": {"methods": ["fobar"]}},
         "train": {"global_batch": 8}, "evaluation": {"teacher": {"backend": "hf", "extra_headers": {"x": "SECRET"}}}},
        "test",
    )  # fmt: skip
    tokens = {"sft": 40, "ans_aug": 60, "all": 100}

    def measure(arm: str, size: int, seed: int) -> Rows:
        have = min(size, 50) if arm == "sft" else size
        method = {"sft": "seed", "all": "fobar"}.get(arm, arm)
        return Rows(size=DataSize(num_samples=have, num_tokens=have * tokens[arm]), methods={method: have})

    plan: StudyPlan = plan_students(recipe, measure)
    found = {}
    for name, arm in [("base", "base"), *((student.id, student.arm) for student in plan.students)]:
        if name in missing:
            continue
        rng = random.Random(name)
        draws = [draw(f"svamp-{n:04d}", right=rng.random() < CHANCE[arm], length=10 + n) for n in range(150)]
        draws += [
            draw(f"svamp-{n:04d}/fobar.{k}", right=rng.random() < CHANCE[arm] / 2, benchmark="svamp-backward-full")
            for n in range(40)
            for k in (1, 2)
        ]
        if name == "base":
            draws = [msgspec.structs.replace(one, finish_reason="length") for one in draws]
        found[name] = (
            Evaluation(
                kind="evaluation", model=name, backend="hf", provenance={}, settings={}, versions={"python": "3"},
                summaries=[],
            ),
            draws,
        )  # fmt: skip
    pool = Pool(correct=[], wrong=[], num_seeds=60, num_unsolved_seeds=10)
    gains = {f"{arm}-{size}-0": gain for arm, gain in (("sft", 0.0), ("all", 0.1)) for size in sizes}
    return put_together(recipe, plan, pool, found, gains, {})


def test_what_is_found_and_what_is_not_are_said_apart(tmp_path):
    result = made(tmp_path, sizes=[50, 100], seeds=[0, 1, 2])
    assert result.is_complete
    lines = conclusions(result)
    assert lines[0].startswith("Forward, 50 samples, matched by samples: better than sft: all; ")
    assert "no difference from sft was detected for ans_aug (this study could have detected about " in lines[0]
    text = markdown(result)
    assert "10 of 60 seeds carry no worked solution" in text
    assert "sft has 50 samples where 100 were wanted (tokens)." in text
    assert "3 pairs, adjusted for all 3 by Holm: p is the larger of two" in text
    assert "80 backward questions from 40 originals" in text
    assert "all is better than sft: +" in text
    assert "| sft | 50 | 1" in text
    assert "No arm has more samples than there are seeds" not in text
    assert "- all: 100 FOBAR" in text
    assert "Students: " in text
    assert "rng_seeds 0, 1, 2." in text
    assert "by question length" in text


def test_missing_students_and_a_single_seed_are_said(tmp_path):
    result = made(tmp_path, sizes=[50], seeds=[0], missing=("all-50-samples-0",))
    assert not result.is_complete
    text = markdown(result)
    assert "**Not complete.**" in text
    assert "1 of 5 students are missing" in text
    assert "One seed: how far another training would move these numbers is not known." in text
    assert "0/1" in headline_table(result)
    assert "No arm has more samples than there are seeds (60)" in text
    assert "Of the replies of the untrained model 100% were cut off" in text
    assert "the students of sft" not in text.partition("## Notes")[2]


def test_the_page_and_the_plot_need_nothing_else_and_carry_no_secret(tmp_path):
    pytest.importorskip("matplotlib", reason="the plot belongs to the extra `train`")
    result = made(tmp_path, sizes=[50, 100], seeds=[0, 1])
    with RunDir.open(tmp_path / "page") as study:
        files = write_pages(study, result)
        again = {kind: path.read_bytes() for kind, path in files.items()}
        assert {kind: path.read_bytes() for kind, path in write_pages(study, result).items()} == again
        data = study.write_json("study.json", result).read_text()
    page = files["html"].read_text()
    assert "<svg" in page
    assert "made-up &lt;b&gt;" in page
    assert "<script" not in page
    for outside in ("src=", "@import", "url(http"):
        assert outside not in page
    assert "SECRET" not in page + data
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    assert json.loads(data)["groups"][0]["differences"]["forward"][0]["num_originals"] == 150
