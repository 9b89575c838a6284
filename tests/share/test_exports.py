"""The formats for rewards and preferences: of a run, of files made elsewhere, streamed, with a twin and a card."""

# ruff: noqa: E501

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import yaml
from typer.testing import CliRunner

from bootstrapping import small_recipe
from mathstrap.cli import app
from mathstrap.curate.difficulty import DifficultyOptions, place_in_window
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.run import bootstrap
from mathstrap.reward import reward
from mathstrap.share.formats import (
    GROUP_FORMATS,
    FormatOptions,
    LeftOut,
    dpo_rows,
    first_false,
    gold_for_trl,
    step_rows,
    steps_of,
)
from mathstrap.share.groups import Draw, DrawGroup, groups_of_run
from synthetic_run import synthetic_run

COLUMNS = {
    "verl": {"data_source", "prompt", "ability", "reward_model", "extra_info"},
    "grpo": {"prompt", "solution", "pass_rate", "num_draws", "num_correct", "teacher", "pass_rate_by_teacher", "id"},
    "dpo": {"prompt", "chosen", "rejected", "chosen_tokens", "rejected_tokens", "chosen_reasoning", "pass_rate"},
    "kto": {"prompt", "completion", "label", "tokens", "reasoning", "pass_rate"},
    "orm": {"question", "path", "label", "tokens", "reasoning", "pass_rate"},
    "steps": {"prompt", "completions", "labels", "first_false", "false_equation"},
    "openai": {"messages"},
}


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run_verb(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return done.output + str(done.exception or "")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    path = synthetic_run(tmp_path_factory.mktemp("runs") / "old", 24)
    (path / "README.md").write_text(
        "---\nlanguage: [en]\nconfigs:\n- config_name: default\n  data_files: samples.parquet\n---\n\n# old\n\n"
        "## Licence and terms\n\nAsk.\n"
    )
    run_verb("export", str(path), *(word for name in COLUMNS for word in ("--format", name)))
    return path


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_a_format_of_an_old_run_has_its_columns_and_a_twin(run, name):
    rows = lines_of(run / f"export-{name}.jsonl")
    assert rows
    assert COLUMNS[name] <= set(rows[0])
    assert name != "openai" or set(rows[0]) == {"messages"}
    assert parquet.read_table(run / f"export-{name}.parquet").to_pylist() == rows


def test_the_numbers_of_a_question_are_those_of_its_draws(run):
    draws, right = Counter(), Counter()
    for line in lines_of(run / "verdicts.jsonl"):
        problem = line["candidate"].rpartition("#")[0]
        draws[problem] += line["outcome"] != "undecided"
        right[problem] += line["outcome"] == "correct"
    for line in lines_of(run / "rejects.jsonl"):
        if line["stage"] == "solve" and "#" in line["id"]:
            draws[line["id"].rpartition("#")[0]] += 1
    rows = lines_of(run / "export-grpo.jsonl")
    assert {row["id"]: row["pass_rate"] for row in rows} == {
        name: right[name] / number for name, number in draws.items() if number
    }
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    tokens = {line["request"]: line["tokens_out"] for line in lines_of(run / "completions-solve.jsonl")}
    for row in lines_of(run / "export-kto.jsonl"):
        assert row["tokens"] == (tokens[row["draw_id"]] or None)


def test_chosen_is_right_and_rejected_is_wrong_by_the_gold(run):
    rows = lines_of(run / "export-dpo.jsonl")
    for row in rows:
        golds = [row["gold"]] * 2
        assert reward([row["chosen"], row["rejected"]], golds) == [1.0, 0.0]
    labels = [row["label"] for row in lines_of(run / "export-kto.jsonl")]
    assert {True, False} == set(labels)
    assert [int(label) for label in labels] == [row["label"] for row in lines_of(run / "export-orm.jsonl")]


def test_the_card_names_every_file_and_stays_the_same_when_asked_again(run):
    card = (run / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert [each["config_name"] for each in head["configs"]] == ["default", *COLUMNS]
    assert card.count("## Formats\n") == 1
    assert card.index("## Formats") < card.index("## Licence")
    assert "question without a wrong reply" in card
    run_verb("export", str(run), "--format", "kto")
    assert (run / "README.md").read_text() == card


def test_a_window_and_an_order_by_difficulty(run, tmp_path):
    import shutil

    path = tmp_path / "copy"
    shutil.copytree(run, path)
    said = run_verb("export", str(path), "--format", "grpo", "--pass-rate", "0.2:0.8", "--hardest-first")
    rates = [row["pass_rate"] for row in lines_of(path / "export-grpo.jsonl")]
    assert rates == sorted(rates)
    assert rates
    assert all(0.2 <= rate <= 0.8 for rate in rates)
    assert "question solved more often than the window allows" in said
    run_verb("export", str(path), "--format", "verl", "--validation", "0.3", "--data-source", "mine")
    held = {row["extra_info"]["seed"] for row in lines_of(path / "export-verl-validation.jsonl")}
    kept = {row["extra_info"]["seed"] for row in lines_of(path / "export-verl.jsonl")}
    assert held
    assert not held & kept


@pytest.mark.parametrize(
    ("correct", "draws", "place"),
    [(0, 0, "too_few_draws"), (1, 1, "too_few_draws"), (0, 4, "too_hard"), (4, 4, "too_easy"), (1, 4, "inside"),
     (1, 5, "inside"), (4, 5, "inside"), (1, 6, "too_hard"), (9, 10, "too_easy")],
)  # fmt: skip
def test_the_window_is_from_a_fifth_to_four_fifths(correct, draws, place):
    assert place_in_window(correct, draws, DifficultyOptions()) == place


def draws_of(*texts: str) -> tuple[Draw, ...]:
    return tuple(
        Draw(id=f"q#{n}", text=text, answer=text[-1], outcome="correct" if text.endswith("2") else "wrong")
        for n, text in enumerate(texts)
    )


def test_pairs_are_matched_by_length_and_use_a_reply_once():
    group = DrawGroup(
        id="q", question="1+1?", gold="2", draws=draws_of("x 2", "xxxxxxxx 2", "xxxxxxx 3", "y 3", "y 3", "z")
    )
    rows = list(dpo_rows(group, FormatOptions(turns="plain", max_pairs=5), LeftOut()))
    assert [(row["chosen"], row["rejected"]) for row in rows] == [("x 2", "y 3"), ("xxxxxxxx 2", "xxxxxxx 3")]
    first = list(dpo_rows(group, FormatOptions(turns="plain", pairs="first"), LeftOut()))
    assert [(row["chosen"], row["rejected"]) for row in first] == [("x 2", "xxxxxxx 3")]
    assert first[0]["prompt"] == "1+1?"
    boxed = next(dpo_rows(group, FormatOptions(ending="boxed"), LeftOut()))
    assert boxed["rejected"][0]["content"].endswith("\\boxed{3}$.")
    assert "\\boxed{}" in boxed["prompt"][0]["content"]


@pytest.mark.parametrize(
    ("text", "place", "equation"),
    [
        ("2+2=4.\nSo 4+1=6.\nSo 6.", 1, "4+1=6"),
        ("2+2=4.\nSo 5.", None, ""),
        ("First 3*3=9. Then 9+1=11. So 11.", 1, "9+1=11"),
        ("<<2+3=6>>6 pens", 0, "2+3=6"),
        ("", None, ""),
    ],
)
def test_the_first_false_equation_marks_its_step(text, place, equation):
    assert first_false(steps_of(text, "gsm8k"), text) == (place, equation)


def test_a_wrong_path_without_a_proof_gives_no_steps():
    draws = (
        Draw(id="a", text="1+1=2.\nSo 2.", answer="2", outcome="correct"),
        Draw(id="b", text="1+1=3.\nSo 3.", answer="3", outcome="wrong"),
        Draw(id="c", text="It is 3.\nSo 3.", answer="3", outcome="wrong"),
    )
    left_out = LeftOut()
    group = DrawGroup(id="q", question="1+1?", gold="2", draws=draws)
    rows = list(step_rows(group, FormatOptions(), left_out))
    assert [row["labels"] for row in rows] == [[True, True], [False]]
    assert left_out["wrong path in which no false equation is proven"] == 1


@pytest.mark.parametrize(
    ("gold", "want"),
    [("18", "18"), ("\\frac{1}{2}", "$\\frac{1}{2}$"), ("(1, 2)", "$(1, 2)$"), ("$x$", "$x$"), ("Evelyn", "Evelyn"),
     ("-3", "-3"), ("1,000", "1,000"), ("3/4", "$3/4$")],
)  # fmt: skip
def test_a_gold_in_latex_stands_in_dollars(gold, want):
    assert gold_for_trl(gold, FormatOptions()) == want


FOREIGN = [
    {"problem": "What is 1+1?", "output": "It is \\boxed{2}.", "target": "2", "model": "m", "n_tok": 5},
    {"problem": "What is 2+2?", "output": "The answer is 5.", "target": 4, "model": "m", "n_tok": 6},
    {"problem": "What is 1+1?", "output": "1+1=3. So \\boxed{3}.", "target": "2", "model": "k", "n_tok": 7},
    {"problem": "", "output": "x", "target": "2", "model": "m", "n_tok": 1},
    {"problem": "What is 3?", "output": "3", "target": None, "model": "m", "n_tok": 1},
]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv"])
def test_files_made_elsewhere_are_grouped_and_graded(tmp_path, suffix):
    import pyarrow

    path = tmp_path / f"theirs.{suffix}"
    rows = [{key: None if value is None else str(value) for key, value in row.items()} for row in FOREIGN]
    if suffix == "parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif suffix == "csv":
        lines = [",".join(f'"{value or ""}"' for value in row.values()) for row in rows]
        path.write_text("\n".join([",".join(rows[0]), *lines]) + "\n")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in FOREIGN))
    out = tmp_path / "out"
    fields = (
        "--field",
        "query=problem",
        "--field",
        "gold=target",
        "--field",
        "tokens=n_tok",
        "--field",
        "teacher=model",
    )
    said = run_verb(
        "export", str(path), "--format", "dpo", "--format", "grpo", "--format", "alpaca", "--out", str(out), *fields
    )
    (pair,) = lines_of(out / "export-dpo.jsonl")
    assert (pair["chosen_tokens"], pair["rejected_tokens"], pair["num_draws"]) == (5, 7, 2)
    assert pair["pass_rate_by_teacher"] == [
        {"teacher": "k", "num_draws": 1, "num_correct": 0}, {"teacher": "m", "num_draws": 1, "num_correct": 1},
    ]  # fmt: skip
    assert [row["pass_rate"] for row in lines_of(out / "export-grpo.jsonl")] == [0.5, 0.0]
    assert [row["output"] for row in lines_of(out / "export-alpaca.jsonl")] == ["It is \\boxed{2}."]
    assert "row has no question" in said
    assert "## Formats" in (out / "README.md").read_text()


def test_a_label_column_stands_in_for_a_gold(tmp_path):
    path = tmp_path / "labels.jsonl"
    rows = [
        {"prompt": "Q?", "completion": text, "label": label} for text, label in (("a", True), ("b", False), ("c", None))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = run_verb("export", str(path), "--format", "kto")
    found = lines_of(tmp_path / "labels-exports" / "export-kto.jsonl")
    assert [row["label"] for row in found] == [True, False]
    assert "neither a gold answer nor a label" in said


def test_a_file_whose_columns_are_unknown_is_told_how_to_name_them(tmp_path):
    path = tmp_path / "fragen.jsonl"
    rows = [{"frage": f"Wie viel ist {n} plus 3?", "loesung": n + 3, "klasse": "5b"} for n in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = " ".join(run_verb("export", str(path), "--format", "verl", code=1).split())
    assert "--field query=frage --field gold=loesung (the first row has frage, loesung, klasse)" in said
    words = ("--field", "query=frage", "--field", "gold=loesung")
    assert "3 rows" in run_verb("export", str(path), "--format", "verl", *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["RUN"], "name a trainer"), (["RUN", "--format", "dpo", "--for", "trl"], "not both"),
        (["RUN", "--format", "dpp"], 'Did you mean "dpo"'), (["RUN", "--format", "dpo", "lr=1"], "--for"),
        (["RUN", "--format", "dpo", "--pass-rate", "0.8:0.2"], "min <= max"), (["RUN", "--format", "dpo", "--pass-rate", "x"], "LOW:HIGH"),
        (["RUN", "--format", "dpo", "--out", "x"], "stand in the run"), (["none.jsonl", "--format", "dpo"], "no such file"),
        (["RUN", "--format", "dpo", "--max-pairs", "0"], "--max-pairs"), (["RUN", "--format", "dpo", "--pairs", "x"], "length-matched"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_said_and_leaves_nothing_behind(run, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [str(run) if word == "RUN" else word for word in words]
    assert message in run_verb("export", *words, code=1)
    assert not list(tmp_path.iterdir())


def test_a_recipe_exports_them_and_another_run_writes_earlier_ones_again(tmp_path):
    recipe = {"export": {"formats": ["chat", "grpo"]}, "curate": {"difficulty": {"min_draws": 1, "max_pass_rate": 1.0}}}
    done = bootstrap(small_recipe(tmp_path, **recipe)).path
    first = (done / "export-grpo.jsonl").read_bytes()
    assert first
    run_verb("export", str(done), "--format", "kto")
    kto = (done / "export-kto.jsonl").read_bytes()
    (done / "export-kto.jsonl").unlink()
    bootstrap(small_recipe(tmp_path, **recipe))
    assert (done / "export-grpo.jsonl").read_bytes() == first
    assert (done / "export-kto.jsonl").read_bytes() == kto
    card = yaml.safe_load((done / "README.md").read_text().split("---")[1])
    assert [each["config_name"] for each in card["configs"]] == ["default", "chat", "grpo", "kto"]


def test_an_export_made_with_other_options_says_so_and_leaves_no_validation_rows_behind(tmp_path):
    done = bootstrap(small_recipe(tmp_path)).path
    assert "replaces" not in run_verb("export", str(done), "--format", "kto", "--validation", "0.5")
    held = (done / "export-kto-validation.jsonl").read_bytes()
    assert held
    bootstrap(small_recipe(tmp_path))
    assert (done / "export-kto-validation.jsonl").read_bytes() == held, "the next run holds out the same seeds"
    said = run_verb("export", str(done), "--format", "kto", "--system", "Be brief.")
    assert "replaces the earlier one, which was made with system=none, validation=0.5" in " ".join(said.split())
    assert not list(done.glob("export-kto-validation.*")), "its rows are among the training rows again"


def test_a_page_of_somebody_elses_is_never_replaced_by_a_data_card(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"question": "What is 2 + 3?", "answer": "5"}\n')
    (tmp_path / "README.md").write_text("# My project\n")
    said = run_verb("export", str(tmp_path / "rows.jsonl"), "--format", "verl", "--out", str(tmp_path))
    assert "stays as it is" in " ".join(said.split())
    assert (tmp_path / "README.md").read_text() == "# My project\n"
    assert "1 row\n" in said


def test_flagged_questions_and_draws_are_left_out(tmp_path):
    path = synthetic_run(tmp_path / "run", 6)
    first = next(iter(groups_of_run(RunDir.read(path))))
    (path / "flags.jsonl").write_text(json.dumps({"id": first.id, "note": "odd"}) + "\n")
    assert first.id not in {group.id for group in groups_of_run(RunDir.read(path))}


def test_every_format_has_a_section_in_the_card():
    from mathstrap.share.export import FORMATS
    from mathstrap.share.write import ABOUT

    assert set(ABOUT) == {*FORMATS, *GROUP_FORMATS}
