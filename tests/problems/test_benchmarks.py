"""Every test set's rows, in the shape they are published in; small samples of our own where the file is not at hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mathstrap.errors import InputError
from mathstrap.problems.backward import build_backward
from mathstrap.problems.benchmarks import BENCHMARKS, load_benchmark
from mathstrap.types import Problem, root_of

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "gsm8k": [{"question": "Two and two?", "answer": "2+2=<<2+2=4>>4\n#### 4"}],
    "gsm8k-platinum": [{"question": "A?", "answer": "x\n#### 1,200", "cleaning_status": "revised"}],
    "gsm-plus": [
        {
            "question": "Ann has 3 red pens. How many?", "solution": "3", "answer": "3",
            "perturbation_type": "numerical variation",
            "seed_question": "Ann has 2 pens. How many?", "seed_solution": "2", "seed_answer": "2",
        },
        {
            "question": "Ann has pens. How many?", "solution": "", "answer": "None",
            "perturbation_type": "critical thinking",
            "seed_question": "Ann has 2 pens. How many?", "seed_solution": "2", "seed_answer": "2",
        },
    ],
    "gsm-hard": [{"input": "Many?", "code": "def solution(): ...", "target": -9867630.0}],
    "svamp": [{"Body": "There are 87 figs", "Question": "How many?", "Answer": 87.0, "Type": "Addition", "ID": "c-1"}],
    "asdiv": [
        {"body": "Two figs.", "question": "How many?", "answer": "2 (figs)", "formula": "2=2", "solution_type": "Sum"},
    ],
    "mawps": [{"input": "Joan has 3.5 figs. How many?", "target": 3.5, "type": "singleeq"}],
    "math": [{"problem": "$1+1$?", "level": "Level 2", "type": "Algebra", "solution": "$\\boxed{\\frac{4}{2}}$."}],
    "math500": [{"problem": "$x$?", "solution": "s", "answer": "\\frac{1}{2}", "subject": "Algebra", "level": 5}],
    "aime24": [{"id": 60, "problem": "Find it.", "solution": "s", "answer": "073", "year": "2024"}],
    "aime25": [{"id": "0", "problem": "Find it.", "answer": "588"}],
    "aime": [{"id": 0, "problem": "Find it.", "solution": "s", "answer": "116", "url": "https://example.org/1"}],
    "amc": [{"id": 0, "problem": "Find it.", "answer": 142.0, "url": "https://example.org/2"}],
    "math-perturb-simple": [{"problem_id": "1", "problem": "$1+3$?", "answer": "4", "level": "Level 5"}],
    "math-perturb-hard": [{"problem_id": "1", "problem": "$1+3$?", "answer": "4", "level": "Level 5"}],
    "olympiadbench": [
        {"id": 1, "context": "Let $n>0$.", "question": "Find it.", "solution": ["s"], "final_answer": ["$2n$"],
         "unit": None, "error": None, "answer_type": "Expression", "is_multiple_answer": False, "subfield": "Algebra"},
        {"id": 2, "question": "Find it.", "solution": [], "final_answer": ["2"], "error": "1e-2"},
    ],
    "minerva": [{"problem": "How far?", "solution": "$\\boxed{1.6}$", "type": "Astronomy", "idx": 0}],
    "gpqa-diamond": [
        {"Question": "Which is prime?", "Correct Answer": "7", "Incorrect Answer 1": "8", "Incorrect Answer 2": "9",
         "Incorrect Answer 3": "10", "Explanation": "s", "Subdomain": "Numbers"},
        {"question": "Which is even?", "choices": ["7", "8"], "answer": 1},
        {"question": "Which is even?", "options": ["7", "8"], "answer": "C"},
    ],
    "drop-number": [
        {"passage": "In 1210 the city had 6 towers.", "question": "How many towers?",
         "answers_spans": {"spans": ["6", "6"], "types": ["number", "number"]}},
    ],
    "gsm8k-backward": [
        {
            "question": "A pen costs $x. Two?\nIf we know the answer of the above question is 4, what is the value of "
            "unknown variable x?", "answer": "2", "original_question": "A pen costs $2. Two?", "original_answer": "4",
            "output": "",
        },
    ],
}  # fmt: skip
ANSWERS = {
    "gsm8k-platinum": "1200", "gsm-plus": "3", "gsm-hard": "-9867630", "svamp": "87", "asdiv": "2", "mawps": "3.5",
    "math": "\\frac{4}{2}", "aime24": "73", "olympiadbench": "$2n$", "minerva": "1.6", "amc": "142", "drop-number": "6",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, entry in BENCHMARKS.items() if not entry.build])
def test_every_published_set_reads_its_own_shape(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in SAMPLES[name]))
    loaded = load_benchmark(f"{name}={path}")
    problem = loaded.problems[0]
    assert problem.answer == ANSWERS.get(name, problem.answer)
    assert problem.dataset == name
    assert problem.style == BENCHMARKS[name].style
    assert len(loaded.problems) + len(loaded.rejects) == len(SAMPLES[name])


@pytest.mark.parametrize("name", [name for name in SAMPLES if f"{name}-backward-full" in BENCHMARKS])
def test_every_published_set_has_its_backward_questions(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in SAMPLES[name]))
    backward = f"{name}-backward-full"
    assert (BENCHMARKS[backward].of, BENCHMARKS[backward].style) == (name, BENCHMARKS[name].style)
    forward, made = load_benchmark(f"{name}={path}").problems, load_benchmark(f"{backward}={path}").problems
    assert made or not any(re.search(r"\d", parent.question) for parent in forward)
    for problem in made:
        assert problem.dataset == backward
        assert problem.parent in {parent.id for parent in forward}
        assert problem.tags["solvable"] in ("yes", "no", "unknown")


@pytest.mark.parametrize(
    ("name", "file", "count"),
    [
        ("gsm8k", "gsm8k_test.jsonl", 1319), ("gsm-hard", "gsm_hard.jsonl", 1319), ("svamp", "svamp_test.jsonl", 1000),
        ("asdiv", "asdiv_test.jsonl", 2215), ("mawps", "mawps_test.jsonl", 2065), ("math", "math_test.jsonl", 5000),
        ("math500", "math500.jsonl", 500), ("gsm8k-backward", "gsm8k_backward_200.jsonl", 200),
        ("math-perturb-hard", "math_perturb_hard.jsonl", 279), ("minerva", "minerva_math.jsonl", 272),
    ],
)  # fmt: skip
def test_the_published_files_are_read_whole(name: str, file: str, count: int, data_path: Path) -> None:
    assert BENCHMARKS[name].file == file
    loaded = load_benchmark(name, data=str(data_path))
    # A gold that its own grader refuses is a Reject with its place, never a silent loss.
    assert len(loaded.problems) + len(loaded.rejects) == count
    assert len(loaded.rejects) <= count // 50
    assert len({problem.id for problem in loaded.problems}) == len(loaded.problems)


def test_math_has_its_levels_and_subjects(data_path: Path) -> None:
    tags = [problem.tags for problem in load_benchmark("math500", data=str(data_path)).problems]
    assert {tag["level"] for tag in tags} == {1, 2, 3, 4, 5}
    assert len({tag["subject"] for tag in tags}) == 7


def test_ids_do_not_depend_on_limit_or_offset(data_path: Path) -> None:
    whole = load_benchmark("gsm8k", data=str(data_path)).problems
    part = load_benchmark("gsm8k", data=str(data_path), limit=5, offset=7).problems
    assert part == whole[7:12]


def test_variants_of_a_seed_question_share_a_root(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in SAMPLES["gsm-plus"]))
    rows = [SAMPLES["gsm-plus"][0], {**SAMPLES["gsm-plus"][0], "perturbation_type": "distraction insertion"}]
    path.write_text("\n".join(map(json.dumps, [*rows, SAMPLES["gsm-plus"][1]])))
    loaded = load_benchmark(f"gsm-plus={path}")
    assert len({root_of(problem.id) for problem in loaded.problems}) == 1
    assert [problem.tags["perturbation"] for problem in loaded.problems] == [
        "numerical-variation",
        "distraction-insertion",
    ]
    assert "no answer to grade" in loaded.rejects[0].detail


def test_a_drop_question_without_a_number_is_left_out(tmp_path: Path) -> None:
    spans = {"passage": "p", "question": "Who?", "answers_spans": {"spans": ["Bo"], "types": ["span"]}}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(SAMPLES["drop-number"][0]) + "\n" + json.dumps(spans))
    loaded = load_benchmark(f"drop-number={path}")
    assert len(loaded.problems) == 1
    assert "not a numeric question" in loaded.rejects[0].detail


def test_a_published_backward_gold_with_a_lost_point_is_flagged(tmp_path: Path) -> None:
    row = {
        "question": "A call costs $x a minute. Ten?\nIf we know the answer of the above question is 1, what is the "
        "value of unknown variable x?", "answer": "1", "original_question": "A call costs $.1 a minute. Ten?",
        "original_answer": "1",
    }  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    problem = load_benchmark(f"gsm8k-backward={path}").problems[0]
    assert problem.answer == "1"  # as published
    assert problem.tags["gold_is_wrong"] is True
    assert problem.tags["true_answer"] == "0.1"


def test_an_unknown_benchmark_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match=r'no such benchmark "gsm8".*Did you mean "gsm8k"'):
        load_benchmark("gsm8")


def test_a_missing_folder_and_a_file_of_another_shape_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_benchmark("gsm8k", data=str(tmp_path / "none"))
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n')
    with pytest.raises(InputError, match=r"no usable question.*no question field \(the row has: a\)"):
        load_benchmark(f"gsm8k={path}")


def test_backward_full_hides_every_number_and_flags_what_cannot_be_told() -> None:
    problem = Problem(
        id="gsm8k-00001", dataset="gsm8k", style="gsm8k", answer="12",
        question="One of the 17 shops sells pens at 3 dollars each. What do 4 pens cost?", solution="4*3=<<4*3=12>>12",
    )  # fmt: skip
    found = build_backward([problem])
    assert all(root_of(made.id) == "gsm8k-00001" for made in found)
    assert all(re.search(r"\bx\b", made.question) for made in found)
    flags = {made.answer: made.tags["solvable"] for made in found}
    assert flags["3"] == flags["4"] == "yes"
    assert flags["17"] == "no"  # the number of shops has no bearing on the price


def test_backward_full_is_the_whole_candidate_pool(data_path: Path) -> None:
    parents = load_benchmark("gsm8k", data=str(data_path)).problems[:400]
    found = build_backward(parents)
    assert len(found) > 1200  # the test set has about 3.7 numbers a question
    flags = [made.tags["solvable"] for made in found]
    assert flags.count("yes") > len(found) // 2
    assert flags.count("no") > 3
    assert build_backward(parents[:50]) == [made for made in found if root_of(made.id) <= parents[49].id]


def test_a_choice_is_put_to_the_model_by_letter_in_an_order_of_the_questions_own(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in SAMPLES["gpqa-diamond"]))
    loaded = load_benchmark(f"gpqa-diamond={path}")
    first, second = loaded.problems
    assert f"({first.answer}) 7" in first.question.splitlines()
    assert second.answer == "B"
    assert "not among the choices" in loaded.rejects[0].detail


def test_a_set_on_no_hub_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"comes from github\.com/Kaffaljidhmah2"):
        load_benchmark("math-perturb-hard", data=str(tmp_path))
