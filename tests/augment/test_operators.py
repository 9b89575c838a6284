"""The methods beyond the paper's: what they draft, what a reply becomes, and why it falls out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from mathstrap.augment import AUGMENTATIONS, Draft
from mathstrap.augment.compose import augmentation
from mathstrap.augment.persona import PERSONAS
from mathstrap.types import REASONS, Completion, Method, Problem, Reject

SEED = Problem(
    id="s-1",
    dataset="s",
    style="gsm8k",
    question="Sam buys 3 pens for $1.50 each. He pays with a $10 bill. How much change does he get?",
    answer="5.50",
    tags={"level": 2, "source": "book", "gold": "voted", "confidence": 0.9},
)
FORMULA = Problem(
    id="m-1", dataset="m", style="math", question="Find $x$ if $2x+3=11$.", answer="4", tags={"subject": "Algebra"}
)


def made(method: Method, seed: Problem, count: int | None = None, others: Sequence[Problem] = ()) -> list[object]:
    return list(AUGMENTATIONS[method].plan(seed, count, others=others, mode="default", rng_seed=0))


def drafted(
    method: Method, seed: Problem, count: int | None = None, others: Sequence[Problem] = ()
) -> list[Draft]:
    return [draft for draft in made(method, seed, count, others) if isinstance(draft, Draft)]


def parsed(method: Method, draft: object, text: str, seed: Problem = SEED) -> Problem | str:
    assert isinstance(draft, Draft)
    result = AUGMENTATIONS[method].parse(seed, draft, Completion(request="r", key="k", text=text, finish_reason="stop"))
    if isinstance(result, Reject):
        assert (result.id, result.stage) == (draft.id, "rewrite")
        assert result.reason in REASONS
        return result.reason
    assert (result.id, result.parent, result.method) == (draft.id, seed.id, method)
    return result


def test_evolve_takes_the_changes_in_turns_and_knows_no_gold() -> None:
    drafts = drafted("evolve", SEED, 7)
    changes = [draft.tags["change"] for draft in drafts]
    assert sorted(changes[:3]) == ["condition", "easier", "harder"]
    assert changes[:3] == changes[3:6]
    assert [(draft.draw, draft.answer) for draft in drafts[::3]] == [(0, ""), (1, ""), (2, "")]
    assert drafted("evolve", SEED, 2) == drafts[:2]
    assert len(drafted("evolve", SEED)) == 1
    first = {drafted("evolve", replace(SEED, id=f"s-{number}"))[0].tags["change"] for number in range(30)}
    assert len(first) == 3


@pytest.mark.parametrize(
    ("change", "reply", "becomes"),
    [
        ("harder", "New problem: Sam buys 3 pens for $1.50 each and 2 rulers. He pays $10. What change does he get?",
         "Sam buys 3 pens for $1.50 each and 2 rulers. He pays $10. What change does he get?"),
        ("easier", "Sam buys 3 pens for $2 each. How much does he pay?\n\n**Solution:** 3 * 2 = 6",
         "Sam buys 3 pens for $2 each. How much does he pay?"),
        ("condition", "Sam buys 3 pens for $1.50 each, and one is free. He pays with $10. What change does he get?",
         "Sam buys 3 pens for $1.50 each, and one is free. He pays with $10. What change does he get?"),
        ("condition", "Sam buys 3 pens with a free ruler. He pays with a $10 bill. How much change does he get?",
         "numbers_differ"),
        ("harder", SEED.question, "unchanged"),
        ("harder", "Sam buys 3 pens for $1.50 each. The answer is: 5.50. What change does he get?", "leaks_answer"),
        ("harder", "Why is the sky so blue over the northern oceans?", "another_subject"),
        ("harder", "Sam pays for 3 pens.", "not_a_question"),
        ("harder", "Sam buys 3 pens for $1.50 each. Therefore, what he pays is 4.50 dollars.", "not_a_question"),
        ("harder", "Sam buys 3 pens for $1.50 each. Calculate what he pays.",
         "Sam buys 3 pens for $1.50 each. Calculate what he pays."),
        ("harder", "Sam buys pens. " * 80 + "How many?", "too_long"),
        ("harder", "New problem:", "empty"),
        ("harder", "Sure! Here's a harder version:\n\n**Sam buys 3 pens and 2 rulers. How much does he pay?**",
         "Sam buys 3 pens and 2 rulers. How much does he pay?"),
        ("harder", "**New problem:** Sam buys 3 pens and 2 rulers. How much does he pay?\n\nNote: one step more.",
         "Sam buys 3 pens and 2 rulers. How much does he pay?"),
    ],
)  # fmt: skip
def test_evolve_takes_what_is_a_question_about_the_same(change: str, reply: str, becomes: str) -> None:
    (draft,) = (one for one in drafted("evolve", SEED, 3) if one.tags["change"] == change)
    result = parsed("evolve", draft, reply)
    if isinstance(result, str):
        assert result == becomes
    else:
        assert (result.question, result.answer) == (becomes, "")
        # How hard the seed is and how its gold was found say nothing of the new question.
        assert result.tags == {
            "source": "book", "change": change, "original_question": SEED.question, "original_answer": "5.50",
        }  # fmt: skip


LIST = "\n(A) 4.50\n(B) 5.50\n(C) 6\n(D) none of these"


@pytest.mark.parametrize(
    ("question", "answer", "becomes"),
    [
        ("What change is left of $10?" + LIST, "(B) 5.50", ("What change is left of $10?", "5.50")),
        ("What change is left of $10?" + LIST, "B", ("What change is left of $10?", "5.50")),
        ("What change is left of $10?" + LIST, "5.50", ("What change is left of $10?", "5.50")),
        ("What is 2 / 3 of 9? The options: A ) 4 , B ) 6", "B", ("What is 2 / 3 of 9?", "6")),
        ("What is the value of y? (A)3 (B)4(C)5", "(C) 5", ("What is the value of y?", "5")),
        ("Find AB if C halves it and AC = 4. Choose one: A. 6 B. 8", "B", ("Find AB if C halves it and AC = 4.", "8")),
        ("The change of $10 is" + LIST, "(B) 5.50", "draft"),
        ("What change is left of $10?" + LIST, "(D) none of these", "needs_choices"),
        ("Which of the following is half of 11?" + LIST, "(B) 5.50", "needs_choices"),
        ("What is the price closest to?\n(A) 4\n(B) 5", "(A) 4", "needs_choices"),
        ("What change is left of $10?" + LIST, "(F) 9", "no_choices"),
        ("What change is left of $10?", "5.50", "no_choices"),
        ("Triangle A: B) 3 C) 4", "C", "no_choices"),
        ("(A) 4 (B) 5", "(A) 4", "no_choices"),
    ],
)  # fmt: skip
def test_reopen_takes_the_choices_off_where_the_question_stands_without_them(
    question: str, answer: str, becomes: tuple[str, str] | str
) -> None:
    seed = replace(SEED, question=question, answer=answer, tags={"choices": {"A": "4.50"}, "source": "quiz"})
    (one,) = made("reopen", seed, 3)
    if isinstance(one, Reject):
        assert (one.reason, one.id) == (becomes, "s-1/reopen.1")
    elif isinstance(one, Draft):
        assert becomes == "draft"
        assert (one.fields["question"], one.answer) == ("The change of $10 is", "5.50")
    else:
        assert isinstance(one, Problem)
        assert (one.question, one.answer) == becomes
        assert "choices" not in one.tags
        assert (one.tags["source"], one.tags["original_question"]) == ("quiz", question)


@pytest.mark.parametrize(
    ("reply", "becomes"),
    [
        ("Question: What is the change of $10?", "What is the change of $10?"),
        ("What is the change of $10: (A) 4.50 or (B) 5.50?", "needs_choices"),
        ("Which of the following is the change of $10?", "needs_choices"),
        ("What is the change of $10 if it is 5.50?", "leaks_answer"),
        ("What is the change of $12?", "numbers_differ"),
        ("The change of $10 is 5.50. The answer is 5.50?", "leaks_answer"),
    ],
)
def test_reopen_checks_the_sentence_that_the_teacher_completes(reply: str, becomes: str) -> None:
    seed = replace(SEED, question="The change of $10 is" + LIST, answer="(B) 5.50")
    result = parsed("reopen", made("reopen", seed)[0], reply, seed)
    assert (result if isinstance(result, str) else result.question) == becomes


def test_persona_asks_for_a_retelling_by_different_people_and_keeps_the_gold() -> None:
    drafts = drafted("persona", SEED, 4)
    people = [draft.fields["persona"] for draft in drafts]
    assert len(set(people)) == 4
    assert drafted("persona", SEED, 2) == drafts[:2]
    assert len(drafted("persona", SEED, 500)) == len(set(PERSONAS))
    told = "A potter sells 3 bowls for $1.50 each to a guest with a $10 bill. What does the guest get back?"
    result = parsed("persona", drafts[0], f"Retold: {told}")
    assert isinstance(result, Problem)
    assert (result.question, result.answer, result.tags["persona"]) == (told, "5.50", people[0])
    # The gold of a labelled seed stays a vote.
    assert (result.tags["gold"], result.tags["confidence"]) == ("voted", 0.9)
    same = "Sam buys 3 pens for $1.50 each, and he pays with a $10 bill. How much change does he get now?"
    assert parsed("persona", drafts[0], same) == "unchanged"
    assert parsed("persona", drafts[0], told.replace("3 bowls", "bowls")) == "numbers_differ"
    assert parsed("persona", drafts[0], told.replace("back?", "back, 5.50?")) == "leaks_answer"


def test_new_problem_shows_three_seeds_and_names_what_they_are_about() -> None:
    others = [
        replace(SEED, id=f"s-{number}", question=f"A shirt costs ${number}0 and is sold with 25% off. What is due?")
        for number in range(2, 7)
    ]
    drafts = drafted("new_problem", SEED, 9, others)
    assert [draft.tags["parents"] for draft in drafts] == [["s-1", "s-2", "s-3"], ["s-1", "s-4", "s-5"]]
    assert drafts[0].answer == ""
    assert drafts[0].fields["second"] == others[0].question
    assert drafts[0].fields["concepts"] == "money and change and percentages"
    (maths,) = drafted("new_problem", FORMULA, 1, [replace(FORMULA, id="m-2", tags={"subject": "Geometry"}), FORMULA])
    assert maths.fields["concepts"] == "Algebra and Geometry"
    new = "Mara has a voucher for 20% off and buys a lamp for $35. What does she pay?"
    result = parsed("new_problem", drafts[0], f"**New problem:** {new}\n\nSolution: 28")
    assert isinstance(result, Problem)
    assert (result.question, result.answer) == (new, "")
    copy = "A shirt costs $70 and is sold with 15% off. What is due?"
    assert parsed("new_problem", drafts[0], copy) == "unchanged"
    assert parsed("new_problem", drafts[0], f"{new} The answer is 28.") == "leaks_answer"
    (alone,) = made("new_problem", SEED, 1, others[:1])
    assert isinstance(alone, Reject)
    assert (alone.reason, alone.detail) == ("no_partner", "2 other seeds are needed, there are 1")


HENS = Problem(
    id="s-2", dataset="s", style="gsm8k", question="A farmer has 14 hens and buys 6 more. How many hens has he now?",
    answer="20", solution="He has 14 + 6 = <<14+6=20>>20 hens.\n#### 20",
)  # fmt: skip
BOXES = Problem(
    id="s-3", dataset="s", style="gsm8k", answer="22",
    question="A box holds 30 pens. Kim gives 8 pens away. How many pens are left?",
    solution="There are 30 - 8 = <<30-8=22>>22 pens left.\n#### 22",
)  # fmt: skip


def composed(parent: Problem, other: Problem, **options: object) -> object:
    method = augmentation(**options)  # type: ignore[arg-type]
    (one,) = method.plan(parent, 1, others=[other], mode="default", rng_seed=0)
    return one


def test_compose_computes_the_gold_along_the_second_solution() -> None:
    one = composed(HENS, BOXES, wording="rule")
    assert isinstance(one, Problem)
    assert one.question == (
        "A farmer has 14 hens and buys 6 more. How many hens has he now? Let N be the answer.\n"
        "A box holds N pens. Kim gives 8 pens away. How many pens are left?"
    )
    assert (one.answer, one.parent, one.tags["parents"]) == ("12", "s-2", ["s-2", "s-3"])
    assert one.solution.endswith("So N = 20.\nThere are 20 - 8 = <<20-8=12>>12 pens left.\n#### 12")
    assert "gold" not in one.tags


@pytest.mark.parametrize(
    ("parent", "other", "gold"),
    [
        (HENS, BOXES, "12"),
        (HENS, replace(BOXES, solution=""), ""),  # nothing to compute along: the draws vote
        (replace(HENS, answer="30"), replace(BOXES, solution=""), "22"),  # the second seed had this very number
        (replace(HENS, solution=""), BOXES, "12"),  # the first answer is given
        (replace(HENS, answer="2000"), BOXES, None),  # no number of that size
        (replace(HENS, answer="7.5"), BOXES, None),  # half a pen
        (replace(HENS, answer="yes"), BOXES, None),
        (HENS, replace(BOXES, question="A box has pens. How many?", solution=""), None),
        (replace(HENS, answer="8"), BOXES, "22"),  # not 8 - 8 pens: the other number fits
        (replace(HENS, answer="9"), BOXES, "21"),
    ],
)
def test_compose_takes_a_pair_only_where_it_makes_sense(parent: Problem, other: Problem, gold: str | None) -> None:
    one = composed(parent, other)
    if gold is None:
        assert isinstance(one, Reject)
        assert one.reason == "no_partner"
    else:
        assert isinstance(one, Draft)
        assert one.answer == gold
        if not gold:
            assert isinstance(composed(parent, other, votes=False), Reject)


def test_a_computed_gold_is_as_sure_as_the_golds_it_comes_from() -> None:
    voted = {"gold": "voted", "confidence": 0.8}
    one = composed(replace(HENS, tags=voted), replace(BOXES, tags=voted))
    assert isinstance(one, Draft)
    assert (one.tags["gold"], one.tags["confidence"]) == ("voted", 0.64)


@pytest.mark.parametrize(
    ("reply", "becomes"),
    [
        ("A farmer has 14 hens and buys 6. A box holds as many pens as he has hens. Kim takes 8. How many are left?",
         "12"),
        ("A farmer has 14 hens and buys 6 more, so 20. A box holds as many pens. Kim gives 8 away. How many are left?",
         "leaks_answer"),
        ("A farmer has 14 hens. A box holds as many pens as he has hens. Kim gives 8 away. How many are left?",
         "numbers_differ"),
        ("The farmer has 14 hens, buys 6 and the box has 8.", "not_a_question"),
    ],
)  # fmt: skip
def test_compose_keeps_both_problems_numbers_and_the_middle_unsaid(reply: str, becomes: str) -> None:
    result = parsed("compose", composed(HENS, BOXES), f"One problem: {reply}", HENS)
    assert (result if isinstance(result, str) else result.answer) == becomes


def test_explain_asks_the_question_as_it_is() -> None:
    (one,) = made("explain", SEED, 3)
    assert isinstance(one, Problem)
    assert (one.id, one.question, one.answer) == ("s-1/explain.1", SEED.question, SEED.answer)
