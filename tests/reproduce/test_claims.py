"""The table of claims: what is counted is counted from the files, and what has no file says which it needs."""

from __future__ import annotations

import json

import pytest

from mathstrap.cli import app
from mathstrap.reproduce import counts, inference
from mathstrap.reproduce.claims import compare
from mathstrap.reproduce.table import all_claims, as_markdown, as_text, game_claims


def by_what(claims):
    return {claim.what: claim for claim in claims}


def test_a_number_is_equal_as_it_is_written_and_differs_else():
    assert compare("x", "y", 1_000, 1_000).state == "equal"
    assert compare("x", "y", 1_000, 999).state == "differs"
    assert compare("x", "y", 1_000, 999).ours == "999"


def test_the_masks_of_gsm8k_are_the_published_ones(data_path):
    claims = all_claims(data=str(data_path), count_solutions=False)
    masks = [claim for claim in claims if claim.where == "published code, masks"]
    assert len(masks) == 13
    assert {claim.state for claim in masks} == {"equal"}


@pytest.mark.slow
def test_a_part_of_backward_fits_the_rules_and_leaves_open_what_the_whole_file_shows(data_path):
    claims = by_what(all_claims(data=str(data_path), count_solutions=False))
    fobar = claims["FOBAR rows made by the masking rule"]
    assert fobar.state == "equal"
    fitting, whole = map(int, fobar.ours.split(" of "))
    assert fitting == whole > 100
    assert claims["SV rows whose beginning the split rule leaves"].state == "equal"
    assert claims["rows (4.6)"].state == "needs a file"
    assert "--backward" in claims["rows (4.6)"].why


def test_a_row_that_breaks_the_masking_rule_is_seen():
    row = {
        "original_question": "Ann has 3 pens and 4 cups. How many things has she?", "answer": "3",
        "question": "Ann has x pens and 4 cups. How many things has she?\n"
        "If we know the answer of the above question is 7, what is the value of unknown variable x?",
    }  # fmt: skip
    assert counts.is_a_mask(row)
    assert not counts.is_a_mask(row | {"answer": "4"})
    assert not counts.is_a_mask(row | {"question": row["question"].replace("x pens", "x big pens")})
    found = by_what(counts.backward_rows([row | {"answer": "4"}], "rows.jsonl"))
    assert found["FOBAR rows made by the masking rule"].state == "differs"


def test_a_lost_point_is_a_wrong_gold():
    row = {
        "original_question": "A pen costs $.1 and Bo buys 4. What does he pay?", "answer": "1",
        "question": "A pen costs $x and Bo buys 4. What does he pay?\n"
        "If we know the answer of the above question is 0.4, what is the value of unknown variable x?",
    }  # fmt: skip
    assert counts.has_wrong_gold(row)
    assert not counts.has_wrong_gold(row | {"answer": "0.1"})


def test_the_abstract_differs_from_table_2_and_the_text_does_not():
    assert [claim.state for claim in inference.abstract_against_table_2()] == ["differs", "differs", "equal"]


def test_four_points_give_the_p_value_that_the_paper_leaves_out():
    (_, chance) = inference.pearson()
    assert chance.ours == "p = 0.028 on 4 points"


def test_small_differences_do_not_survive_and_large_ones_do():
    found = by_what(inference.surviving())
    assert found["7B GSM8K: Rephrasing over AnsAug"].state == "not derivable"
    assert found["7B GSM8K: AnsAug over SFT"].why == "survives other test questions"


@pytest.mark.slow
def test_the_game_of_24_has_the_papers_puzzles():
    found = by_what(game_claims())
    assert found["puzzles: every solvable multiset of 1 to 13"].state == "equal"
    assert found["swapped puzzles that have a solution"].state == "equal"
    assert found["answers by enumeration"].state == "not derivable"


def test_without_files_the_rows_say_which_file_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("MATHSTRAP_DATA", str(tmp_path))
    claims = [
        claim for claim in all_claims(data=str(tmp_path), count_solutions=False) if claim.state == "needs a file"
    ]
    assert {claim.where for claim in claims} == {"GSM8K train", "GSM8K test", "GSM8K-Backward"}
    assert all("--" in claim.why for claim in claims)


def test_the_table_is_text_of_80_columns_and_markdown():
    claims = inference.surviving() + inference.pearson()
    assert max(len(line) for line in as_text(claims).splitlines()) <= 80
    assert as_markdown(claims).count("\n") == len(claims) + 2


def test_the_verb_writes_json(tmp_path):
    from typer.testing import CliRunner

    out = tmp_path / "claims.json"
    done = CliRunner().invoke(app, ["reproduce", "--quick", "--as", "json", "--out", str(out), "--data", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert len(json.loads(out.read_text())) > 40
    bad = CliRunner().invoke(app, ["reproduce", "--as", "html"])
    assert "text, markdown or json" in str(bad.exception)
