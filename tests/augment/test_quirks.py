"""What the reference would spoil, counted on real data and on one seed per quirk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mathstrap.augment import reference
from mathstrap.augment.quirks import QUIRKS, QuirkCount, count_quirks
from mathstrap.cli import app
from mathstrap.problems.load import SeedsOptions, load_problems
from mathstrap.types import Problem, Style


def counts_of(question: str, answer: str = "7", style: Style = "gsm8k", solution: str = "") -> dict[str, QuirkCount]:
    seed = Problem(id="s-1", dataset="s", style=style, question=question, answer=answer, solution=solution)
    return {count.name: count for count in count_quirks([seed])}


@pytest.mark.parametrize(
    ("quirk", "style", "question", "answer", "example"),
    [
        ("dollar_lost", "gsm8k", "It costs $100. How much?", "7", "$100.: It costs x. How much?"),
        ("leading_dot", "gsm8k", "It costs $.25 now. How much?", "7", "$.25: gold 25"),
        ("half_as_percent", "gsm8k", "He ate half of it. How much?", "7", "half: He ate x% of it. How much?"),
        ("not_a_quantity", "gsm8k", "He is in fifth grade. How old?", "7", "fifth: He is in x grade. How old?"),
        ("number_in_two", "gsm8k", "He ran 2 1/2 miles. How far?", "7", "2: He ran x 1/2 miles. How far?"),
        ("number_missed", "gsm8k", "A 3-day trip. How long?", "7", "3: A 3-day trip. How long?"),
        ("no_number_found", "gsm8k", "Ten cats sit. How many?", "7", "Ten cats sit. How many?"),
        ("wrong_mask_gold", "math", "Take 12,000 of it. Find $y$.", "7", "12,000: gold 000"),
        ("odd_dollars", "math", "If $x = 20,$ then?", "7", "20,$: If $x = X then?"),
        ("comma_split", "gsm8k", "He has 3 cats. In all, how many?", "7", "3: rewritten: how many?"),
        ("number_split", "gsm8k", "He has 3 cats. How many for a $3.50 fare?", "7", "3: ny for a $3. | 50 fare?"),
        ("empty_tail", "gsm8k", "He has 3 cats. Count them.", "7", "3: nothing follows: He has x cats. Count them."),
        ("no_separator", "gsm8k", "How many are 3 cats?", "7", "3: the whole question stays: How many are x cats?"),
        ("gold_spoiled", "math", "Find $y$.", "\\frac{9}{7}", "\\frac{9}{7} becomes 7"),
        ("gold_as_number", "math", "Find $y$.", "\\pi", "\\pi is read as nothing"),
        ("gold_rounded", "gsm8k", "How much?", "1.8", "1.8 is scored as 2"),
        ("gold_cut", "gsm8k", "How much?", "1,450,000", "1,450,000 reads as 1,450"),
        ("newline", "math", "Find $y$\nof it.", "7", "Find $y$ | ..."),
    ],
)
def test_each_quirk_is_found_where_it_strikes(
    quirk: str, style: Style, question: str, answer: str, example: str
) -> None:
    count = counts_of(question, answer, style)[quirk]
    assert count.count >= 1
    assert (count.num_seeds, count.example_id, count.example) == (1, "s-1", example)


def test_an_irrelevant_number_is_found_by_the_worked_solution() -> None:
    solution = "<<2*3=6>>6"
    counts = counts_of("A shop with 17 lamps sells 2 pens for $3 each. How much?", "6", solution=solution)
    assert counts["irrelevant_mask"].count == 1
    assert counts["irrelevant_mask"].example.startswith("17:")


def test_a_plain_seed_has_no_quirk() -> None:
    counts = counts_of("Ann has 3 cats and 4 dogs. How many pets has she?", "7", solution="<<3+4=7>>7")
    assert [count.name for count in counts.values() if count.count] == []


def test_quirks_of_a_style_that_does_not_occur_are_left_out() -> None:
    assert "gold_spoiled" not in counts_of("Ann has 3 cats. How many?")
    assert "dollar_lost" not in counts_of("Find $y$ of 3.", style="math")
    assert count_quirks([]) == []


def test_every_quirk_is_explained_in_the_documentation() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "fidelity.md").read_text(encoding="utf-8")
    for quirk in QUIRKS:
        assert f"`{quirk.name}`" in page


@pytest.mark.slow
def test_the_counts_of_gsm8k_train_are_pinned(data_path: Path) -> None:
    seeds = load_problems(SeedsOptions(source=str(data_path / "gsm8k_train.jsonl"), style="gsm8k")).problems
    light = [quirk for quirk in QUIRKS if quirk.name != "irrelevant_mask"]
    counts = {count.name: count for count in count_quirks(seeds, light)}
    assert counts["dollar_lost"].total == 27_723
    assert counts["dollar_lost"].count == 1_459
    assert counts["leading_dot"].count == 67
    assert counts["no_number_found"].count == 19
    assert counts["no_separator"].count == 13
    assert round(100 * counts["comma_split"].count / 27_723, 1) == 38.9
    assert round(100 * counts["empty_tail"].count / 27_723, 1) == 3.4
    kinds = [reference.kind_of(m.token) for seed in seeds for m in reference.find_token_masks(seed.question, "gsm8k")]
    assert kinds.count("money") == 4_423


def test_the_counts_of_math_test_are_pinned(data_path: Path) -> None:
    seeds = load_problems(SeedsOptions(source=str(data_path / "math_test.jsonl"), style="math")).problems
    counts = {count.name: count for count in count_quirks(seeds)}
    assert round(100 * counts["gold_spoiled"].count / 5000, 1) == 33.2
    empty = counts["empty_tail"].count + counts["no_separator"].count
    assert round(100 * empty / counts["empty_tail"].total, 1) == 32.1
    assert round(100 * counts["odd_dollars"].count / counts["odd_dollars"].total) == 20  # about a fifth
    assert round(100 * counts["newline"].count / 5000) == 25


def test_the_command_prints_text_or_json(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    rows = [{"question": "It costs $100. How much?", "answer": "7"}, {"question": "", "answer": "7"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = CliRunner().invoke(app, ["quirks", str(path)])
    assert text.exit_code == 0
    assert "1 seed, 1 unusable row left out" in text.output
    assert "dollar_lost            1 of 1 masks (100.0%), in 1 seed" in text.output
    document = json.loads(CliRunner().invoke(app, ["quirks", str(path), "--json"]).output)
    assert document["num_seeds"] == 1
    assert {quirk["name"] for quirk in document["quirks"]} <= {quirk.name for quirk in QUIRKS}


def test_the_command_names_its_own_option_for_columns_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "seeds.csv"
    path.write_text("nr,words,result\n1,It costs $100. How much?,7\n")
    result = CliRunner().invoke(app, ["quirks", str(path)])
    assert "set --field question=COLUMN" in str(result.exception)
    fields = ["--field", "question=words", "--field", "answer=result"]
    assert CliRunner().invoke(app, ["quirks", str(path), *fields]).exit_code == 0


def test_the_command_refuses_an_unknown_style(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["quirks", "bundled:gsm8k", "--style", "latex"])
    assert result.exit_code != 0
    assert 'found "latex", expected gsm8k or math' in str(result.exception)
