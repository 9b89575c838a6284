"""What is wrong with a training file, found before training: the kinds that people report as "the reward stays 0"."""

# ruff: noqa: E501

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from mathstrap.cli import app
from mathstrap.errors import InputError
from mathstrap.share.preflight import FINDINGS, PreflightOptions, preflight, report_lines, shots_of

ASK = "What is 9*2? Put the answer in \\boxed{}."


def found_in(tmp_path, rows, **options):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return preflight(path, PreflightOptions(**options))


def chat(text, *turns):
    return [{"role": "user", "content": text}, *turns]


@pytest.mark.parametrize(
    ("row", "codes"),
    [
        ({"prompt": ASK, "solution": "18"}, set()),
        ({"prompt": chat(ASK), "solution": "$18$", "pass_rate": 0.5}, set()),
        ({"prompt": chat(ASK), "solution": "(3, \\frac{\\pi}{2})"}, set()),
        ({"prompt": chat(ASK), "answer": "9*2=18\n#### 18"}, set()),
        ({"prompt": "What is 9*2?", "solution": "18"}, {"no_layout"}),
        ({"prompt": ASK}, {"no_gold"}),
        ({"prompt": ASK, "solution": None}, {"no_gold"}),
        ({"prompt": ASK, "solution": "$$\\frac{$$"}, {"gold_unreadable", "never_one"}),
        ({"prompt": ASK, "solution": "18", "pass_rate": 1.0}, {"always_solved"}),
        ({"prompt": ASK, "solution": "18", "pass_rate": 0}, {"never_solved"}),
        ({"prompt": "", "solution": "18"}, {"no_prompt"}),
        ({"prompt": 5, "solution": "18"}, {"no_prompt"}),
        ({"problem": ASK, "solution": "18"}, {"other_column"}),
        ({"text": ASK, "solution": "18"}, {"no_prompt"}),
        ({"prompt": ASK + "x" * 300, "solution": "18"}, {"prompt_too_long"}),
        ({"prompt": chat("1+1? Use \\boxed{}", {"role": "assistant", "content": "\\boxed{2}"}, *chat(ASK)), "solution": "18"},
         set()),
        ({"prompt": chat("1+1? Use \\boxed{}", {"role": "assistant", "content": "#### 2"}, *chat(ASK)), "solution": "18"},
         {"fewshot_other_layout"}),
        ({"prompt": "Q: 1+1?\nA: It is two, I think so.\nQ: 9*2? Use \\boxed{}\nA:", "solution": "18"},
         {"fewshot_unreadable"}),
    ],
)  # fmt: skip
def test_a_row_of_grpo(tmp_path, row, codes):
    found = found_in(tmp_path, [row], max_prompt=250)
    assert set(found.counts) == codes, report_lines(found)


def test_the_same_question_again_and_with_another_gold(tmp_path):
    rows = [{"prompt": ASK, "solution": gold} for gold in ("18", "18.0", "19")]
    assert found_in(tmp_path, rows).counts == {"repeated_prompt": 1, "conflicting_golds": 1}


def test_verl_rows_are_scored_as_verl_scores_them(tmp_path):
    def row(gold):
        return {"data_source": "x", "prompt": chat(ASK), "reward_model": {"style": "rule", "ground_truth": gold},
                "extra_info": {"pass_rate": 1.0}}  # fmt: skip

    assert found_in(tmp_path, [row("18")], format="verl").counts == {"always_solved": 1}
    assert found_in(tmp_path, [row("18") | {"prompt": ASK}], format="verl").counts["broken_row"] == 1
    mapped = {"question": chat(ASK), "reward_model": {"ground_truth": "18"}}
    assert not found_in(tmp_path, [mapped], format="verl", prompt="question").counts
    assert found_in(tmp_path, [row("")], format="verl").counts["no_gold"] == 1
    assert found_in(tmp_path, [{"prompt": chat(ASK)}], format="verl").counts == {"no_gold": 1}


def test_another_reward_is_tried_on_every_gold(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(
        "def strict(completions, solution, **kwargs):\n"
        "    return [1.0 if c[0]['content'].endswith('#### ' + s) else 0.0 for c, s in zip(completions, solution)]\n"
        "def broken(completions, solution, **kwargs):\n    return [1 / (s != '0') for s in solution]\n"
    )
    rows = [{"prompt": chat(ASK), "solution": "18"}, {"prompt": chat("0? Write #### 0."), "solution": "0"}]
    assert found_in(tmp_path, rows, reward=f"{own}:strict").counts == {"never_one": 1}
    found = found_in(tmp_path, rows, reward=f"{own}:broken")
    assert found.counts == {"reward_raised": 1}
    assert found.examples["reward_raised"] == [(2, "ZeroDivisionError: division by zero")]
    for name, message in (
        ("no_such:f", "cannot be imported"),
        (f"{own}:x", "no function x"),
        ("json:loadz", "no function"),
    ):
        with pytest.raises(InputError, match=message):
            found_in(tmp_path, rows, reward=name)


@pytest.mark.parametrize(
    ("format_", "rows", "codes"),
    [
        ("dpo", [{"prompt": "q", "chosen": "\\boxed{2}", "rejected": "\\boxed{3}", "gold": "2"}], {}),
        ("dpo", [{"prompt": "q", "chosen": "\\boxed{3}", "rejected": "\\boxed{2}", "gold": "2"}],
         {"chosen_wrong": 1, "rejected_right": 1}),
        ("dpo", [{"prompt": "q", "chosen": chat("a"), "rejected": "x"}], {"broken_row": 1}),
        ("dpo", [{"prompt": "q", "chosen": "x ", "rejected": "x"}, {"prompt": "", "chosen": "a", "rejected": "b"}],
         {"same_reply": 1, "no_prompt": 1}),
        ("dpo", [{"chosen": chat("q", {"role": "assistant", "content": "\\boxed{2}"}), "gold": "2",
                  "rejected": chat("q", {"role": "assistant", "content": "\\boxed{3}"})}], {}),
        ("dpo", [{"chosen": chat("q"), "rejected": chat("r")}, {"question": "q", "chosen": "a", "rejected": "b"}],
         {"no_prompt": 1, "other_column": 1}),
        ("kto", [{"prompt": "q", "completion": "\\boxed{2}", "label": False, "gold": "2"}], {"label_wrong": 1, "one_label": 1}),
        ("kto", [{"prompt": "q", "completion": "a", "label": 1}], {"broken_row": 1}),
        ("kto", [{"prompt": "q", "completion": "a", "label": n > 0} for n in range(12)], {"labels_unbalanced": 1, "kto_weights": 1}),
        ("orm", [{"question": "q", "path": "a", "label": n} for n in (0, 1)], {}),
        ("steps", [{"prompt": "q", "completions": ["a"], "labels": [True, False]}], {"broken_row": 1}),
        ("steps", [{"prompt": "q", "completions": ["a", "b"], "labels": [True, False]}], {}),
        ("openai", [{"messages": chat("q", {"role": "assistant", "content": "a"})}], {"too_few_rows": 1}),
        ("openai", [{"messages": chat("q", {"role": "assistant", "content": "a"})}] * 10, {}),
        ("openai", [{"messages": chat("q", {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
                                      {"role": "tool", "content": "3"}, {"role": "assistant", "content": "3"})}] * 10, {}),
        ("openai", [{"messages": chat("q", {"role": "assistant", "content": None})}] * 10, {"broken_row": 10}),
        ("openai", [{"messages": chat("q"), "id": 3}, {"messages": "x"}] * 5, {"broken_row": 10}),
    ],
)  # fmt: skip
def test_rows_with_replies(tmp_path, format_, rows, codes):
    assert dict(found_in(tmp_path, rows, format=format_).counts) == codes


@pytest.mark.parametrize(
    ("right", "wrong", "want"),
    [
        (4, 4, None), (4, 3, None), (8, 2, "8 true, 2 false: set undesirable_weight to 3.00 to 4.00"),
        (3, 9, "3 true, 9 false: set desirable_weight to 3.00 to 4.00"),
    ],
)  # fmt: skip
def test_kto_is_told_the_weight_of_labels_that_are_not_even(tmp_path, right, wrong, want):
    rows = [{"prompt": "q", "completion": "a", "label": n < right} for n in range(right + wrong)]
    found = found_in(tmp_path, rows, format="kto")
    assert found.examples.get("kto_weights", [(0, None)]) == [(0, want)]


@pytest.mark.parametrize(
    ("format_", "rows"),
    [
        ("grpo", [{"prompt": [None, 5, {"role": 3}], "solution": {"a": 1}}, {"prompt": {"a": 1}}, {"solution": [[1]]}]),
        ("verl", [{"prompt": chat(ASK), "reward_model": "18", "extra_info": "x"},
                  {"prompt": chat(ASK), "reward_model": {"ground_truth": "18"}, "extra_info": [1]}]),
        ("dpo", [{"prompt": "q", "chosen": 5, "rejected": [[1]]}, {"prompt": "q", "chosen": [], "rejected": {}}]),
        ("kto", [{"prompt": "q", "completion": None, "label": None}, {"prompt": "q", "completion": "a", "label": "yes"}]),
        ("orm", [{"question": 3, "path": 4, "label": 5}, {"question": "q", "path": "a", "label": True}]),
        ("steps", [{"prompt": "q", "completions": [1], "labels": [True]}, {"prompt": "q", "completions": {}, "labels": 3}]),
        ("openai", [{"messages": [{"role": "user"}, None]}, {"messages": {"role": "user"}}]),
    ],
)  # fmt: skip
def test_rows_of_any_shape_are_findings(tmp_path, format_, rows):
    found = found_in(tmp_path, rows, format=format_)
    assert found.num_rows == len(rows)
    assert found.num_errors


def test_a_reward_that_gives_too_few_values_is_said(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def few(completions, **kwargs):\n    return []\n")
    found = found_in(tmp_path, [{"prompt": chat(ASK), "solution": "18"}], reward=f"{own}:few")
    assert found.examples["reward_raised"] == [(1, "ValueError: 1 completions got 0 rewards")]


def test_the_verb_names_rows_and_ends_with_an_error(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        json.dumps({"prompt": ASK, "solution": "18"}) + "\n" + json.dumps({"prompt": ASK + "2"}) + "\nnot\n"
    )
    done = CliRunner().invoke(app, ["preflight", str(path), "--format", "grpo", "--json", str(tmp_path / "found.json")])
    assert done.exit_code == 1
    assert "no_gold: the row has no gold answer" in done.output
    assert "row 2: the row has no ground truth" in done.output
    assert json.loads((tmp_path / "found.json").read_text())["counts"] == {"no_gold": 1, "broken_row": 1}
    good = CliRunner().invoke(app, ["preflight", str(path), "--format", "grpo", "--limit", "1"])
    assert (good.exit_code, good.output.splitlines()[-1]) == (0, "Nothing found.")
    assert CliRunner().invoke(app, ["preflight", str(tmp_path), "--format", "grpo"]).exit_code == 1


def test_examples_of_a_text_prompt_are_those_between_questions():
    text = "Q: 1+1?\nA: The answer is 2.\n\nQ: 2+2?\nA: The answer is 4.\n\nQ: 3?\nA:"
    assert [shot.strip() for shot in shots_of(text)] == ["The answer is 2.", "The answer is 4."]


def test_every_finding_is_a_sentence():
    assert all(isinstance(is_error, bool) and len(sentence) > 20 for is_error, sentence in FINDINGS.values())
