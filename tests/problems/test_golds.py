"""Golds and questions are looked at before anything is paid: mended where that is certain, else refused."""

from __future__ import annotations

import json

import pytest

from mathstrap.audit.grade import VerifyFileOptions, verify_file
from mathstrap.curate.decontaminate import TestSetIndex
from mathstrap.problems.columns import find_columns, gold_of, question_of
from mathstrap.problems.load import SeedsOptions, Unusable, load_problems, shape_row
from mathstrap.problems.wrappers import bare_question
from mathstrap.verify import grade

ASKED = {"question": "Tom has 3 pens and buys 4. How many?"}
DAPO = (
    "Solve the following math problem step by step. The last line of your response should be of the form "
    "Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n{}\n\n"
    'Remember to put your answer on its own line after "Answer:".'
)
CHAT = [{"role": "system", "content": "s"}, {"role": "user", "content": DAPO.format("What is 3+4?")}]


def shaped(row, **options):
    found = shape_row(row, SeedsOptions(**options), "d", 1)
    return found.reason if isinstance(found, Unusable) else (found.problem.question, found.problem.answer)


@pytest.mark.parametrize(
    ("row", "gold"),
    [
        ({"answer": "So.\n#### 7\nThe answer is: 7"}, "7"),
        ({"answer": "#### 1,250"}, "1,250"),
        ({"answer": "We add. Therefore the result is 7 dollars."}, "7"),
        ({"answer": "The answer is: 7"}, "7"),
        ({"answer": "A: 7"}, "7"),
        ({"answer": "**Final Answer:** 7"}, "7"),
        ({"answer": "<think>3+4, so 8? No.</think>7"}, "7"),
        ({"answer": "<think>3+4</think>\nIt is \\boxed{7}."}, "7"),
        ({"answer": "<answer>7</answer>"}, "7"),
        ({"answer": '<a id="x"></a>7'}, "7"),
        ({"answer": "7.0"}, "7"),
        ({"answer": 7.0}, "7"),
        ({"answer": "9 (apples)"}, "9"),
        ({"answer": "None", "solution": "So \\boxed{7}."}, "7"),
        ({"solution": "3 + 4 = \\boxed{7}"}, "7"),
        ({"final_answer": ["7"]}, "7"),
        ({"answer": '["7"]'}, "7"),
        ({"reward_model": {"ground_truth": "7"}, "prompt": CHAT, "question": None}, "7"),
        ({"expected_answer": "7", "generated_solution": "so \\boxed{8}"}, "7"),
        ({"answer": "\\text{Evelyn}"}, "\\text{Evelyn}"),
        ({"answer": "x^2 + 1"}, "x^2 + 1"),
        ({"answer": "no solution"}, "no solution"),
        ({"answer": "７"}, "7"),
        ({"answer": "－１，２３４"}, "-1,234"),
        ({"answer": "7（支）"}, "7"),
        ({"answer": "解：7。"}, "7"),
        ({"answer": "**7**"}, "7"),
        ({"answer": '"7"'}, "7"),
        ({"answer": "['7']"}, "7"),
        ({"answer": "\u200b7\u202c"}, "7"),
        ({"answer": "7&nbsp;cm"}, "7 cm"),
        ({"answer": "7<|im_end|>"}, "7"),
        ({"answer": "3+4=<<3+4=7>>7"}, "7"),
        ({"answer": "= 7"}, "7"),
        ({"answer": "\u22127"}, "-7"),
        ({"answer": "7 ;"}, "7"),
        ({"answer": "###7"}, "7"),
        ({"answer": "\\fbox{7}"}, "7"),
        ({"answer": "Ans. 7"}, "7"),
        ({"answer": "Answer\n7"}, "7"),
        ({"answer": "It is 7"}, "7"),
        ({"answer": "7 pens are left."}, "7"),
        ({"answer": "7.25 (rounded to 2 d.p.)"}, "7.25"),
        ({"answer": "Monday and three days is Thursday. So the answer is Thursday."}, "Thursday"),
        ({"solution": "So $x=\\boxed{2}$ and $x=\\boxed{-2}$."}, "2, -2"),
        ({"solution": "It is $\\boxed{1\\frac12}$ or $\\boxed{\\frac32}$."}, "\\frac32"),
        ({"lSolutions": [2.0, 3.0], "lEquations": ["x+y=5"], "sQuestion": "Two numbers?", "question": None}, "2, 3"),
        ({"final_answer": ["$1$", "$2$"], "answer_type": "Numerical", "is_multiple_answer": True}, "$1$, $2$"),
        ({"full_chosen": "It is \\boxed{7}.", "prompt": "3+4?", "chosen": "7", "rejected": "8"}, "7"),
        ({"prompt": "3+4?", "chosen": "#### 7", "rejected": "#### 8"}, "7"),
        ({"answer": "&lt;a, b&gt;"}, "<a, b>"),
    ],
)
def test_a_gold_is_taken_out_of_what_is_around_it(row, gold):
    assert shaped(ASKED | row)[1] == gold


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"answer": "The sequence is convergent."}, "a sentence"),
        ({"answer": "N/A"}, "not an answer"),
        ({"answer": "None"}, "not an answer"),
        ({"answer": "proof", "question_type": "proof"}, "proof"),
        ({"answer": "See the solution"}, "not an answer"),
        ({"answer": "I'm sorry, I cannot help with that."}, "refusal"),
        ({"answer": "<think>never closed 7"}, "thought"),
        ({"answer": "7", "solution": "so\n#### 8"}, "the solution ends in"),
        ({"answer": "#### 7\nThe answer is: 8"}, "says"),
        ({"answer": ["7", "8"]}, "list of 2"),
        ({"answer": {"value": 7}}, "answer.value"),
        ({"answer": "7", "problem_is_valid": "Incomplete"}, "its own column"),
        ({"answer": "A", "options": ["A) 4", "B) 7"], "question": "I'm sorry, but I cannot rephrase this."}, "refusal"),
        ({"answer": "Omitted."}, "not an answer"),
        ({"answer": "Answers may vary"}, "not an answer"),
        ({"answer": "#REF!"}, "not an answer"),
        ({"answer": "[deleted]"}, "not an answer"),
        ({"answer": "答案不唯一"}, "not an answer"),
        ({"answer": '{"answer": 7}'}, "JSON in a text"),
        ({"answer": '["2", "-2"]'}, "list of 2"),
        ({"answer": "7", "solution": "We add and get 8. The answer is 8."}, "the solution ends in"),
        ({"final_answer": ["5.3"], "answer_type": "Numerical", "error": "1e-1"}, "tolerance"),
        ({"lSolutions": [], "lEquations": ["x+y=5"], "sQuestion": "Two numbers?"}, "the gold answer is empty"),
        ({"answer": "7", "question": "[deleted]"}, "asks nothing"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": "x?"}]}],
          "answer": "7", "question": None}, "picture"),
        ({"answer": "7", "question": "What is x? ![](a.png)"}, "picture"),
        ({"answer": "7", "question": "As shown in the figure, find x."}, "picture"),
        ({"answer": "7", "image": "a.png"}, "picture"),
        ({"answer": "F", "options": ["4", "9"]}, "none of the choices"),
        ({"answer": "1", "options": ["1", "2", "0"]}, "by its place"),
        (
            {"answer": "We look at the pens. Then we add. Then we are done with it all. So it goes."},
            "reads like",
        ),
    ],
)
def test_a_gold_or_question_of_no_use_is_refused_with_its_reason(row, reason):
    assert reason in shaped(ASKED | row)


@pytest.mark.parametrize(
    ("row", "gold"),
    [
        ({"choices": ["4", "9", "7"], "answer": 2}, "(C) 7"),
        ({"options": ["A)4", "B)9", "C)7"], "rationale": "so C", "correct": "C"}, "(C) 7"),
        ({"options": ["(A)4", "(B)7"], "label": "B", "passage": None}, "(B) 7"),
        ({"choices": {"text": ["4", "7"], "label": ["A", "B"]}, "answerKey": "B"}, "(B) 7"),
        ({"A": "4", "B": "7", "C": "9", "answer": "B"}, "(B) 7"),
        ({"options": ["4", "7"], "answer": "7"}, "(B) 7"),
    ],
)
def test_choices_join_the_question_and_the_gold_counts_by_letter_and_text(row, gold):
    question, found = shaped({"question": "Which is prime?"} | row)
    assert found == gold
    assert question.startswith("Which is prime?\n(A) 4\n(B) ")
    assert [grade(gold, said).outcome for said in (gold[1], "7", "\\boxed{7}", "(A) 7", "4")] == [
        "correct", "correct", "correct", "wrong", "wrong",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "answer", "gold"),
    [
        ("Which is 3+4? (A) 6 (B) 7 (C) 8", "B", "(B) 7"),
        ("Which is 3+4?\nA. 6\nB. 7\nC. 8\nD. 9", "\\text{B}", "(B) 7"),
        ("Which? $\\textbf{(A)}\\ 6 \\qquad \\textbf{(B)}\\ 7 \\qquad \\textbf{(C)}\\ 8$", "7", "(B) 7"),
        ("Which is 3+4?\nA) 6\nB) 7\nC) 8", "9", "9"),
        ("At which of the points A, B, C is it 7?", "B", "B"),
        ("What holds? (A) It is 7 because we add. (B) It is 8 because we add twice. (C) None of them.", "B", "B"),
    ],
)
def test_choices_inside_the_question_count_by_letter_and_text(question, answer, gold):
    assert shaped({"question": question, "answer": answer}) == (question, gold)


def test_choices_with_other_labels_are_lettered():
    row = {"question": "Which is 3+4?", "choices": {"text": ["6", "7", "8"], "label": ["1", "2", "3"]}}
    assert shaped(row | {"answerKey": "2"})[1] == "(B) 7"


def test_tags_and_entities_of_a_page_come_off_a_question():
    page = "<p>Is 3 &lt; 4? Find x<sup>2</sup>.</p>"
    assert shaped({"question": page, "answer": "7"})[0] == "Is 3 < 4? Find x^2."
    assert shaped({"question": "If a<b and b>c, find a.", "answer": "7"})[0] == "If a<b and b>c, find a."


def test_mathqa_choices_are_one_text():
    row = {"Problem": "p?", "Rationale": "r", "options": "a ) 38 , b ) 27.675 , c ) none of these", "correct": "b"}
    assert shaped(row) == ("p?\n(A) 38\n(B) 27.675\n(C) none of these", "(B) 27.675")


@pytest.mark.parametrize(
    ("question", "answer", "gold"),
    [
        ("Ein Stift kostet 1,50 Euro. Wie viel kosten 4 Stifte?", "6,00", "6"),
        ("Combien coûte un stylo de plus ? Il a 3 euros.", "2,5", "2.5"),
        ("Das Haus kostet 80.000 Euro. Wie viel kosten zwei?", "160.000", "160000"),
        ("Wie viele Stifte hat er?", "1,250", "1,250"),
        ("How much is it?", "2,5", "2,5"),
    ],
)
def test_a_decimal_comma_is_read_in_the_languages_that_write_it(question, answer, gold):
    assert shaped({"question": question, "answer": answer})[1] == gold


@pytest.mark.parametrize(
    ("wrapped", "bare"),
    [
        (DAPO.format("What is 3+4?"), "What is 3+4?"),
        ("What is 3+4? Please reason step by step, and put your final answer within \\boxed{}.", "What is 3+4?"),
        ("<|im_start|>user\nWhat is 3+4?<|im_end|>\n<|im_start|>assistant\n", "What is 3+4?"),
        ("Question: What is 3+4?\nAnswer:", "What is 3+4?"),
        ("Solve the following system: x+y=3. Give it as a common fraction.",) * 2,
        ("Tom walks step by step to the shop with 3 coins. How many are left?",) * 2,
    ],
)
def test_a_prompt_around_a_question_comes_off(wrapped, bare):
    assert bare_question(wrapped) == bare


def test_a_wrapper_is_kept_in_the_lineage_and_makes_no_match():
    found = shape_row({"prompt": CHAT, "reward_model": {"ground_truth": "7"}}, SeedsOptions(), "d", 1)
    assert "[[question]]" in found.problem.tags["prompt_wrapper"]
    index = TestSetIndex.build({"t": [("1", DAPO.format("What is the area of a circle of radius seven?"))]})
    assert not index.find("a", DAPO.format("Find the number of primes below thirty."))


def test_a_body_without_an_end_gets_one():
    row = {"Body": "There are 87 oranges in 93 groups", "Question": "How big is a group?", "Answer": 2.0}
    assert shaped(row) == ("There are 87 oranges in 93 groups. How big is a group?", "2")
    assert shaped({"question": "Ann has 2 pens.How many?", "answer": "2"})[0] == "Ann has 2 pens. How many?"


def test_all_bad_rows_are_told_at_once_and_the_golds_have_a_shape(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [ASKED | {"answer": "7"}, *[ASKED | {"answer": "N/A"}] * 7]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(Exception, match="7 of 8 rows cannot be used") as caught:
        load_problems(SeedsOptions(source=str(path)))
    assert str(caught.value).count(f"{path}:") == 6
    assert "and 2 more" in str(caught.value)
    loaded = load_problems(SeedsOptions(source=str(path), on_bad="skip"))
    assert "numbers 100 %" in "\n".join(loaded.lines())


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("olympiadbench_40.jsonl", 40), ("amc23.jsonl", 40), ("aime24.jsonl", 30), ("cmath.jsonl", 200),
        ("mgsm/mgsm_de.tsv", 250), ("mgsm/mgsm_zh.tsv", 250), ("minerva_math.jsonl", 271), ("gaokao2023en.jsonl", 383),
    ],
)  # fmt: skip
def test_the_public_collections_load_by_detection(data_path, name, rows):
    path = data_path / name
    if not path.exists():
        pytest.skip(f"{path} is absent")
    assert len(load_problems(SeedsOptions(source=str(path), on_bad="skip")).problems) == rows


@pytest.mark.parametrize(
    ("row", "question", "gold"),
    [
        ({"question": "Prime?", "options": ["A)4", "B)9", "C)7"], "rationale": "so C", "correct": "C"},
         "Prime?\n(A) 4\n(B) 9\n(C) 7", "(C) 7"),
        ({"question": "Prime?", "choices": ["4", "9", "7"], "answer": 2}, "Prime?\n(A) 4\n(B) 9\n(C) 7", "(C) 7"),
        ({"question": "3+4?", "answer": "N/A", "response": "7"}, "3+4?", ""),
        ({"question": "3+4?", "answer": "So.\n#### 7", "response": "7"}, "3+4?", "7"),
        ({"query": "3+4?", "response": "7", "original_question": "3+4?", "gold": "given", "answer": "7"}, "3+4?", "7"),
    ],
)  # fmt: skip
def test_other_verbs_read_questions_and_golds_as_seeds_are_read(row, question, gold):
    columns = find_columns(row)
    assert (question_of(row, columns), gold_of(row, columns)) == (question, gold)


def test_verify_grades_a_choice_by_letter_and_text(tmp_path):
    rows = [{"question": "Prime?", "choices": ["4", "9", "7"], "answer": 2, "prediction": said} for said in "C7A"]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert verify_file(tmp_path / "a.jsonl", VerifyFileOptions()).outcomes == {"correct": 2, "wrong": 1}
