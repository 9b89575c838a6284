"""Columns of unknown names: what is clear is guessed, what is not is left to a person."""

from __future__ import annotations

import pytest

from mathstrap.problems.guess import guess_fields

ASKED = ["Ana has 3 figs and buys 4. How many figs has she now?", "A box holds 12 eggs. How many do 5 boxes hold?"]
LONG = ["She buys four more, so 3 + 4 = 7 figs.", "Five boxes of twelve eggs hold 60 eggs."]


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ({"Frage": ASKED, "Ergebnis": ["7", "60"]}, {"question": "Frage", "answer": "Ergebnis"}),
        ({"n": ["1", "2"], "t": ASKED, "x": [7, 60]}, {"question": "t", "answer": "x"}),
        ({"nr": ["a", "b"], "task": ASKED, "key": ["7", "60"]}, {"question": "task", "answer": "key", "id": "nr"}),
        (  # a teacher's sheet: the short "Solution" is the result, whatever else holds numbers
            {"No.": [1, 2], "Task": ASKED, "Solution": ["7 figs", 60], "Points": [2, 1]},
            {"question": "Task", "answer": "Solution", "id": "No."},
        ),
        ({"Aufgabe": ASKED, "Lösung": ["7", "60"], "Punkte": [2, 1]}, {"question": "Aufgabe", "answer": "Lösung"}),
        ({"task": ASKED, "worked steps": LONG}, {"question": "task", "solution": "worked steps"}),
        ({"stem": ASKED, "score": [3.5, 2.5], "weight": [7, 60]}, {}),  # two columns of numbers: nobody can know
        ({"name": ["Ana", "Bo"], "age": [3, 4]}, {}),
        ({"text": ASKED}, {}),
    ],
)
def test_a_guess_needs_a_question_and_something_to_check_it_with(columns, fields):
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    assert guess_fields(rows) == fields
