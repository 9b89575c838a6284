"""Rounds: the student answers in the next one, hard questions first, lineage in every manifest, a guard at the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootstrapping import write_golds
from mathstrap.errors import RecipeError
from mathstrap.files.rundir import RunDir
from mathstrap.iterate import IterateRecipe, iterate
from mathstrap.recipe import build_recipe, load_recipe
from mathstrap.types import Problem, Sample

# A model whose folder says which questions it solves: those of the seeds with a number up to `reach`.
STUDENT = """
import json, re
from pathlib import Path
from mathstrap.backends.fake import FakeTeacher

def open_model(options):
    reach = json.loads((Path(options.model_path) / "reach.json").read_text()) if options.model_path else 4
    golds = {json.loads(line)["id"]: json.loads(line)["answer"] for line in Path(GOLDS).open()}
    def reply(request):
        seed = request.id.partition("/")[0]
        return f"The answer is: {golds[seed] if int(seed[-3:]) <= reach else 'unknown'}"
    return FakeTeacher(reply, model=options.model_path or "teacher")
"""


def recipe(folder: Path, **changes: object) -> IterateRecipe:
    golds = write_golds(folder / "golds.jsonl")
    (folder / "student.py").write_text(f"GOLDS = {str(golds)!r}\n{STUDENT}")
    (folder / "svamp_test.jsonl").write_text(
        json.dumps({"Body": "A boat holds 9 barrels.", "Question": "How many do 2 boats hold?", "Equation": "9*2",
                    "Answer": 18.0, "Type": "Multiplication", "ID": "1"}) + "\n"
    )  # fmt: skip
    backend = f"{folder / 'student.py'}:open_model"
    values: dict[str, object] = {
        "name": "rounds", "out": str(folder), "hardest": 0.5, "rounds": 4,
        "bootstrap": {
            "seeds": {"source": "bundled:gsm8k", "limit": 12},
            "teacher": {"backend": backend},
            "methods": {"ans_aug": {"draws": 2}} | {
                name: {"enabled": False} for name in ("rephrase", "self_verification", "fobar")
            },
            "decontaminate": {"against": ["svamp"], "data": str(folder)},
            "export": {"formats": []},
        },
        "evaluation": {"benchmarks": ["svamp"], "data": str(folder), "teacher": {"backend": backend}},
        "train": {"model": "base", "method": "full"},
    }  # fmt: skip
    return build_recipe(IterateRecipe, values | changes, "rounds")


def start_of(model: str) -> str:
    return model if model == "base" else Path(model).parent.name


def steps(accuracies: list[float], seen: list[str]):
    """Train and evaluate without a model: a student solves four more seeds than the last, and is as good as told."""

    def run_step(job, log, processes):
        if job.train is not None:
            out = Path(job.train["out"])
            number = int(out.name.rpartition("-")[2])
            rows = Path(job.train["data"]["path"]).read_text().splitlines()
            seen.append(f"train {number} {len(rows)} {start_of(job.train['model'])}")
            (out / "model").mkdir(parents=True, exist_ok=True)
            (out / "model" / "reach.json").write_text(str(4 * (number + 1)))
        if job.evaluate is not None:
            out = Path(job.evaluate["out"])
            number = int(out.name.rpartition("-")[2])
            seen.append(f"evaluate {number}")
            out.mkdir(parents=True, exist_ok=True)
            one = {"num_unanswered": 0, "num_problems": 100, "accuracy": {"value": accuracies[number - 1]}}
            (out / "metrics.json").write_text(json.dumps({"summaries": [one]}))

    return run_step


def test_the_student_of_a_round_solves_what_was_hard_in_the_next(tmp_path):
    seen: list[str] = []
    made = recipe(tmp_path, rounds=2)
    summary = iterate(made, run_step=steps([0.2, 0.3], seen))
    assert [one.number for one in summary.rounds] == [1, 2]
    assert not summary.stopped
    assert summary.best == summary.rounds[1]
    first, second = (RunDir.read(tmp_path / "rounds" / f"round-{number}") for number in (1, 2))
    solved = {one.seed[-3:] for one in first.read_records("samples", Sample)}
    assert solved == {"001", "002", "003", "004"}
    asked = {one.id[-3:] for one in second.read_records("problems", Problem) if one.method == "seed"}
    assert asked == {"005", "006", "007", "008", "009", "010"}, "the half that the teacher did not solve"
    samples = list(second.read_records("samples", Sample))
    assert {one.seed[-3:] for one in samples} == {"005", "006", "007", "008"}, "what the student solves, it teaches"
    assert {one.teacher for one in samples} == {str(tmp_path / "rounds/students/round-1/model")}
    assert second.manifest["round"] == {
        "number": 2, "previous": "round-1", "student": str(tmp_path / "rounds/students/round-1/model"),
    }  # fmt: skip
    # All rounds' samples are trained on, each of them marked, from the base again.
    assert seen == ["train 1 4 base", "evaluate 1", "train 2 8 base", "evaluate 2"]
    rows = [json.loads(line) for line in (tmp_path / "rounds/rows/round-2.jsonl").open()]
    assert [row["tags"]["round"] for row in rows] == [1] * 4 + [2] * 4
    again: list[str] = []
    assert iterate(made, run_step=steps([0.0, 0.0], again)) == summary
    assert not again, "a finished round is not made twice"


def test_a_guard_stops_the_rounds_when_accuracy_falls(tmp_path):
    seen: list[str] = []
    summary = iterate(recipe(tmp_path, guard=0.02), run_step=steps([0.3, 0.29, 0.2, 0.9], seen))
    assert [one.number for one in summary.rounds] == [1, 2, 3]
    assert summary.stopped == "accuracy fell to 0.200 in round 3, from 0.300 in round 1"
    assert summary.best is not None
    assert summary.best.number == 1
    home = RunDir.read(tmp_path / "rounds")
    assert home.manifest["stopped"] == summary.stopped
    assert home.manifest["best"] == summary.best.student


def test_a_student_may_teach_and_be_trained_on(tmp_path):
    seen: list[str] = []
    summary = iterate(
        recipe(tmp_path, rounds=2, role="teach", start="student", samples="round"), run_step=steps([0.2, 0.3], seen)
    )
    assert seen[2] == "train 2 4 round-1"
    assert summary.rounds[1].teacher == str(tmp_path / "rounds/students/round-1/model")


def test_rounds_without_a_sample_stop_and_say_so(tmp_path):
    made = recipe(tmp_path)
    path = tmp_path / "student.py"
    path.write_text(path.read_text().replace("else 4", "else 0"))
    summary = iterate(made, run_step=steps([], []))
    assert (summary.rounds, summary.best, summary.stopped) == ([], None, "round 1 made no sample to train on")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rounds": 0}, "rounds: found 0, expected 1 or more"),
        ({"hardest": 0}, "hardest: found 0.0, expected a share above 0"),
        ({"guard": 1}, "guard: found 1.0, expected a share of at least 0"),
        ({"evaluation": {"teacher": {"backend": "openai"}}}, "openai cannot load a student"),
        ({"bootstrap": {}}, "decontaminate.against: found none. Name the sets"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path, changes, says):
    with pytest.raises(RecipeError, match=says):
        recipe(tmp_path, **changes)


def test_the_shipped_recipe_is_one():
    assert load_recipe(IterateRecipe, "rounds").rounds == 3


@pytest.mark.slow
def test_two_real_rounds_of_a_tiny_model(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="students are trained with the extra `train`")
    import studying
    from mathstrap.study.step import do

    def here(job, log, processes):
        log.parent.mkdir(parents=True, exist_ok=True)
        do(job)

    monkeypatch.setenv("MATHSTRAP_CACHE", str(tmp_path / "cache"))
    values = studying.study_values(tmp_path)
    sets = {"data": str(tmp_path / "data"), "benchmarks": ["svamp"], "limit": 12}
    bootstrap = values["bootstrap"] | {
        "seeds": {"source": "bundled:gsm8k", "limit": 20}, "solving": {"max_tokens": 8}, "limits": {"watch_replies": 0},
        "decontaminate": {"against": ["svamp"], "data": str(tmp_path / "data")},
        "teacher": {"backend": "fake", "settings": {"golds": str(write_golds(tmp_path / "g.jsonl")), "accuracy": 0.8}},
    }  # fmt: skip
    made = build_recipe(
        IterateRecipe,
        {
            "name": "real", "out": str(tmp_path), "rounds": 2, "guard": 0.9, "hardest": 0.3, "bootstrap": bootstrap,
            "train": values["train"], "evaluation": values["evaluation"] | sets,
        },
        "real",
    )  # fmt: skip
    summary = iterate(made, run_step=here)
    assert len(summary.rounds) == 2
    assert all(0 <= one.accuracy <= 1 for one in summary.rounds)
    second = RunDir.read(tmp_path / "real" / "round-2")
    assert second.manifest["teacher"]["backend"] == "fake", "rewritings are the recipe's teacher's"
    assert {reply.model for reply in second.completions("solve")} != {"fake"}
    assert (Path(summary.rounds[1].student) / "config.json").exists()
