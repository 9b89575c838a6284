"""A method, grader, teacher and test set of the user's own: the files of examples/, named in a recipe, really used."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bootstrapping import small_recipe
from mathstrap.cli import app
from mathstrap.errors import InputError, RecipeError
from mathstrap.evaluate import EvalOptions, evaluate
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import bootstrap
from mathstrap.plugins import load_own, run_file
from mathstrap.types import Problem, Reject, Sample, Verdict, roots_of
from mathstrap.verify import Grader, grade

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
OFF = {name: {"enabled": False} for name in ("ans_aug", "rephrase", "self_verification", "fobar")}


def own(file: str, name: str) -> str:
    return f"{EXAMPLES / file}:{name}"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("add_*.py")), ids=lambda path: path.stem)
def test_an_addition_fits_on_a_page(path):
    assert len(path.read_text().splitlines()) < 50


def test_a_method_by_rule_makes_samples(tmp_path):
    methods = OFF | {"own": {"distractor": {"code": own("add_method.py", "DISTRACTOR"), "count": 2, "draws": 3}}}
    summary = bootstrap(small_recipe(tmp_path, methods=methods))
    samples = list(RunDir.read(summary.path).read_records("samples", Sample))
    assert samples
    assert {sample.method for sample in samples} == {"distractor"}
    assert {sample.type for sample in samples} <= {"GSM_distractor", "MATH_distractor"}
    one = samples[0]
    assert one.id.startswith(f"{one.seed}/distractor.")
    assert len(one.query) > len(one.original_question)
    assert "Distractor" in (summary.path / "report.html").read_text()
    manifest = json.loads((summary.path / "manifest.json").read_text())
    assert list(manifest["own_code"]) == [own("add_method.py", "DISTRACTOR")]


def test_a_method_that_asks_the_teacher_is_asked_parsed_and_resumed(tmp_path):
    backend = tmp_path / "teacher.py"
    backend.write_text(
        "from mathstrap.backends.fake import FakeTeacher\n"
        "def reply(request):\n"
        "    text = request.messages[-1].content\n"
        "    if 'in the setting of' not in text:\n"
        "        return 'The answer is: 1'\n"
        "    lost = 'a bakery' in text\n"
        "    return 'Nothing is left.' if lost else 'At night: ' + text.rpartition('\\n\\n')[2]\n"
        "def open_teacher(options):\n"
        "    return FakeTeacher(reply)\n"
    )
    changes = {
        "methods": OFF | {"own": {"setting": {"code": own("add_method_with_teacher.py", "SETTING"), "count": 3}}},
        "teacher": {"backend": f"{backend}:open_teacher"},
    }
    summary = bootstrap(small_recipe(tmp_path, **changes))
    run = RunDir.read(summary.path)
    made = [problem for problem in run.read_records("problems", Problem) if problem.method == "setting"]
    lost = [reject for reject in run.read_records("rejects", Reject) if reject.reason == "numbers_differ"]
    assert made
    assert all(problem.question.startswith("At night: ") for problem in made)
    assert len(lost) >= 9
    assert "rewrite.setting" in run.manifest["prompts"]
    again = bootstrap(small_recipe(tmp_path, **changes))
    assert sum(report.answered for report in again.reports) == 0


def test_a_grader_decides_in_a_run_and_in_the_shell(tmp_path):
    name = own("add_grader.py", "WITHIN_ONE_PERCENT")
    assert grade("200", "201").outcome == "wrong"
    assert grade("200", "201", grader=name).tier == "tolerance"
    summary = bootstrap(small_recipe(tmp_path, verify={"grader": name}))
    assert {verdict.grader for verdict in RunDir.read(summary.path).read_records("verdicts", Verdict)} == {name}
    shown = CliRunner().invoke(app, ["verify", "--explain", "--grader", name, "3.14159", "The answer is: 3.14"])
    assert shown.exit_code == 0, shown.output
    assert "within one percent" in shown.output


def test_a_teacher_is_a_program(tmp_path):
    program = tmp_path / "model.py"
    program.write_text("import sys\nprint(len(sys.stdin.read()))\nprint('The answer is: 7')\n")
    teacher = {
        "backend": own("add_backend.py", "open_teacher"),
        "settings": {"command": [sys.executable, "-S", str(program)]},
    }
    methods = OFF | {"ans_aug": {"draws": 1}}
    seeds = {"source": "bundled:gsm8k", "limit": 3}
    summary = bootstrap(small_recipe(tmp_path, teacher=teacher, methods=methods, seeds=seeds))
    assert summary.is_complete
    assert sum(report.answered for report in summary.reports) == 3
    with pytest.raises(InputError, match="the program and its arguments"):
        bootstrap(small_recipe(tmp_path, teacher={"backend": teacher["backend"]}, name="other"))


def test_a_test_set_is_evaluated(tmp_path):
    outputs = tmp_path / "outputs.jsonl"
    rows = [{"id": f"ten-minutes-{number:05d}", "text": "The answer is: 75"} for number in range(8)]
    outputs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = EvalOptions(
        benchmarks=(own("add_benchmark.py", "TEN_MINUTES"),), data=str(EXAMPLES), outputs=str(outputs),
        out=str(tmp_path / "eval"),
    )  # fmt: skip
    (found,) = evaluate(options).evaluation.summaries
    assert (found.benchmark, found.num_problems, found.accuracy.value) == ("ten-minutes", 8, 1 / 8)


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (None, "X", "there is no file"),
        ("x = 1\n", "OTHER", 'has no "OTHER"'),
        ("X = 1\n", "X", "is a int, expected a Grader"),
        ("import no_such_module_anywhere\n", "X", "ModuleNotFoundError"),
        ("def (\n", "X", "SyntaxError"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_sentence(tmp_path, text, name, says):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        load_own(f"{path}:{name}", Grader, where="verify.grader")
    assert str(caught.value).startswith("verify.grader: ")


@pytest.mark.parametrize("name", ["fobar", "seed", "A b", "../x"])
def test_a_method_needs_a_name_of_its_own(tmp_path, name):
    methods = {"own": {name: {"code": own("add_method.py", "DISTRACTOR")}}}
    with pytest.raises(RecipeError, match="cannot name a method"):
        bootstrap(small_recipe(tmp_path, methods=methods))


def test_a_method_that_breaks_its_lineage_is_refused(tmp_path):
    methods = {"own": {"other": {"code": own("add_method.py", "DISTRACTOR")}}}
    with pytest.raises(InputError, match='Expected the method "other" and an id like'):
        bootstrap(small_recipe(tmp_path, methods=methods))


VISITOR = own("add_method_of_two.py", "VISITOR")


def test_a_method_of_two_parents_is_given_other_seeds_and_keeps_both_in_its_lineage(tmp_path):
    methods = OFF | {"own": {"visitor": {"code": VISITOR, "count": 2}}}
    summary = bootstrap(small_recipe(tmp_path, methods=methods, dedup=None))
    run = RunDir.read(summary.path)
    made = [problem for problem in run.read_records("problems", Problem) if problem.method == "visitor"]
    style = {problem.id: problem.style for problem in run.read_records("problems", Problem)}
    assert len(made) > 12
    for problem in made:
        own, other = problem.tags["parents"]
        assert own == problem.parent != other
        assert style[own] == style[other]
    sample = next(iter(run.read_records("samples", Sample)))
    assert len(roots_of(sample)) == 2
    # A flag on the second parent drops the row too, though the row's id does not name that parent.
    (summary.path / "flags.jsonl").write_text(json.dumps({"id": roots_of(sample)[1], "note": "unclear"}) + "\n")
    bootstrap(small_recipe(tmp_path, methods=methods, dedup=None))
    assert sample.id not in {one.id for one in run.read_records("samples", Sample)}
    assert (sample.id, "flagged") in {(one.id, one.reason) for one in run.read_records("rejects", Reject)}


def test_a_row_of_a_validation_seed_and_a_training_seed_is_on_neither_side(tmp_path):
    methods = OFF | {"own": {"visitor": {"code": VISITOR, "count": 2, "draws": 2}}}
    export = {"formats": ["alpaca", "verl"], "validation_share": 0.4}
    summary = bootstrap(small_recipe(tmp_path, methods=methods, export=export))
    noted = json.loads((summary.path / "exports.json").read_text())
    for name in export["formats"]:
        (number,) = (count for why, count in noted[name]["left_out"].items() if "validation seed and a training" in why)
        assert number > 0


def test_a_method_of_two_parents_on_one_seed_says_so(tmp_path):
    one = {"source": "bundled:gsm8k", "limit": 1}
    with pytest.raises(InputError, match="visitor: makes each question from 2 seeds, and this run has 1 of one"):
        bootstrap(small_recipe(tmp_path, methods=OFF | {"own": {"visitor": {"code": VISITOR}}}, seeds=one))
    path = tmp_path / "forgets.py"
    whole = (EXAMPLES / "add_method_of_two.py").read_text()
    path.write_text(whole.replace('{**parent.tags, "parents": [parent.id, other.id]}', "{}"))
    forgets = {"visitor": {"code": f"{path}:VISITOR"}}
    with pytest.raises(InputError, match='Expected the tag parents: a list of ids that begins with "mini-gsm-001"'):
        bootstrap(small_recipe(tmp_path, methods=OFF | {"own": forgets}, name="forgets"))


def test_looking_at_a_run_executes_none_of_its_files(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text((EXAMPLES / "add_method.py").read_text())
    methods = OFF | {"own": {"distractor": {"code": f"{path}:DISTRACTOR"}}}
    summary = bootstrap(small_recipe(tmp_path, methods=methods))
    ran = tmp_path / "ran"
    path.write_text(f"open({str(ran)!r}, 'w')\n{path.read_text()}")
    run_file.cache_clear()
    shell = CliRunner()
    for arguments in (["report", str(summary.path)], ["stats", str(summary.path)]):
        assert shell.invoke(app, arguments).exit_code == 0
    seed = next(iter(RunDir.read(summary.path).read_records("samples", Sample))).seed
    refused = shell.invoke(app, ["show", seed, "--run", str(summary.path)])
    assert isinstance(refused.exception, InputError)
    assert "--own-code" in str(refused.exception)
    assert not ran.exists()
    shown = shell.invoke(app, ["show", seed, "--run", str(summary.path), "--own-code"])
    assert shown.exit_code == 0
    assert "distractor.1" in shown.output
    assert ran.exists()
