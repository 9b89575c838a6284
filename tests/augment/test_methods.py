"""The four methods in the default mode: ids, drafts, what a reply becomes, and why it is rejected."""

from __future__ import annotations

import msgspec
import pytest

from mathstrap.augment import AUGMENTATIONS, Draft
from mathstrap.types import REASONS, Completion, FinishReason, Method, Problem, Reject

SEED = Problem(
    id="s-1",
    dataset="s",
    style="gsm8k",
    question="Sam buys 3 pens for $1.50 each. He pays with a $10 bill. How much change does he get?",
    answer="5.50",
    solution="The pens cost 3*1.5=<<3*1.5=4.5>>4.50. The change is 10-4.5=<<10-4.5=5.5>>5.50.\n#### 5.50",
    tags={"level": 2},
)
MATH_SEED = Problem(
    id="m-1",
    dataset="m",
    style="math",
    question="The legs of a right triangle are $5$ and $12$. Find the hypotenuse. Express your answer as an integer.",
    answer="13",
)


def reply(text: str, finish_reason: FinishReason = "stop") -> Completion:
    return Completion(request="r", key="k", text=text, finish_reason=finish_reason)


def drafts(method: Method, seed: Problem = SEED, count: int | None = None) -> list[Draft]:
    made = AUGMENTATIONS[method].rewrite(seed, count)
    return [msgspec.convert(draft, Draft) for draft in made]


def parsed(
    method: Method, text: str, *, seed: Problem = SEED, nth: int = 0, end: FinishReason = "stop"
) -> Problem | str:
    draft = drafts(method, seed, 4)[nth]
    result = AUGMENTATIONS[method].parse(seed, draft, reply(text, end))
    if isinstance(result, Reject):
        assert result.id == draft.id
        assert result.stage == "rewrite"
        assert result.reason in REASONS
        return result.reason
    return result


def test_answer_augmentation_is_the_seed_itself_whatever_the_count() -> None:
    for count in (1, 4, None):
        (problem,) = AUGMENTATIONS["ans_aug"].rewrite(SEED, count)
        assert isinstance(problem, Problem)
        assert (problem.id, problem.parent, problem.method) == ("s-1/ans_aug.1", "s-1", "ans_aug")
        assert (problem.question, problem.answer) == (SEED.question, SEED.answer)


def test_rephrase_drafts_ask_the_same_thing_and_count_from_one() -> None:
    made = drafts("rephrase", count=3)
    assert [draft.id for draft in made] == ["s-1/rephrase.1", "s-1/rephrase.2", "s-1/rephrase.3"]
    assert [draft.draw for draft in made] == [0, 1, 2]
    assert len({tuple(draft.fields.items()) for draft in made}) == 1


GOOD = "Sam hands over a $10 bill for three pens that cost $1.50 each. What change is he given?"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"Rephrased question: {GOOD}",
        f'"{GOOD}"',
        f"{GOOD}\n\nQuestion: Ann has 7 cats.\nThe same question in other words: ...",
        f"Here is the rephrased problem: {GOOD}",
        f"Reworded: {GOOD}",
        f"Reworded question: {GOOD}\nReworded:",
        f"In other words: {GOOD}\n\nSay it another way: Ann has 7 cats.",
    ],
)
def test_a_good_rephrasing_is_kept_without_label_quotes_and_run_on(text: str) -> None:
    problem = parsed("rephrase", text)
    assert isinstance(problem, Problem)
    assert problem.question == GOOD
    assert (problem.answer, problem.parent, problem.method) == ("5.50", "s-1", "rephrase")
    assert problem.tags["original_question"] == SEED.question
    assert problem.tags["level"] == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  \n ", "empty"),
        ("Rephrased question:", "empty"),
        (SEED.question, "unchanged"),
        (SEED.question.upper().replace(".", "!"), "unchanged"),
        ("Sam buys 3 pens for $1.50 each with a $10 bill. " * 12 + "How much?", "too_long"),
        ("Sam buys 3 pens for $1.50 each with a $10 bill.", "not_a_question"),
        ("To find what is left of $10, the price of 3 pens at $1.50 is taken off.", "not_a_question"),  # an answer
        ("Sam buys 3 pens for $1.50 each with a $20 bill. How much change does he get?", "numbers_differ"),
        ("Sam buys pens for $1.50 each with a $10 bill. How much change does he get?", "numbers_differ"),
        ("Sam buys 3 pens for $1.50 each with a $10 bill. Does he get $5.50 back?", "leaks_answer"),
    ],
)
def test_a_bad_rephrasing_is_rejected_with_its_reason(text: str, reason: str) -> None:
    assert parsed("rephrase", text) == reason


@pytest.mark.parametrize("method", ["rephrase", "self_verification"])
def test_cut_off_and_filtered_replies_are_rejected_whatever_they_say(method: Method) -> None:
    assert parsed(method, GOOD, end="length") == "truncated"
    assert parsed(method, GOOD, end="content_filter") == "refused"


@pytest.mark.parametrize(
    ("question", "rephrased", "same"),
    [
        ("Half of the 40 eggs broke. How many?", "Of 40 eggs 50% broke. How many?", True),
        ("He has 2 cats. How many?", "How many cats are two cats?", True),
        ("He has twice as many as 7. How many?", "He has two times 7. How many?", True),
        ("He has a dozen eggs. How many?", "How many are 12 eggs?", True),
        ("He has 1,200 hens. How many?", "How many are 1200 hens?", True),
        ("He has one cat and 5 dogs. How many?", "How many are a cat and 5 dogs?", True),
        ("He pays $0.50 for it. How much?", "He pays 50 cents for it. How much?", False),  # units are not converted
        ("He waits 90 minutes. How long?", "He waits 1.5 hours. How long?", False),
        ("He has 5 cats and 5 dogs. How many?", "He has 5 cats and dogs. How many?", False),
        ("He is first and has 3 cats. How many?", "How many are 3 cats of the first?", True),
        ("He ate 2 1/2 pies. How many?", "How many are two and a half pies he ate?", True),
        ("It is 20% off $40. How much?", "With $40 and twenty percent off, how much?", True),
    ],
)
def test_numbers_are_compared_as_values_however_they_are_written(question: str, rephrased: str, same: bool) -> None:
    seed = Problem(id="s", dataset="s", style="gsm8k", question=question, answer="987654")
    result = parsed("rephrase", rephrased, seed=seed)
    assert isinstance(result, Problem) if same else result == "numbers_differ"


def test_a_rephrasing_with_broken_latex_is_rejected() -> None:
    assert parsed("rephrase", "Find the hypotenuse for legs $5 and $12$.", seed=MATH_SEED) == "broken_latex"


def test_a_number_keeps_its_id_whatever_the_count_and_both_methods_agree() -> None:
    everything = {draft.id: draft.masked for draft in drafts("self_verification")}
    assert list(everything) == [f"s-1/self_verification.{n}" for n in (1, 2, 3)]
    for count in (1, 2, 3, 9):
        for draft in drafts("self_verification", count=count):
            assert everything[draft.id] == draft.masked
    for problem in AUGMENTATIONS["fobar"].rewrite(SEED, None):
        assert isinstance(problem, Problem)
        masked = everything[problem.id.replace("fobar", "self_verification")]
        assert problem.question.startswith(masked)


def test_a_larger_count_adds_to_a_smaller_one_and_the_seed_of_the_run_matters() -> None:
    chosen = [{d.id for d in drafts("self_verification", count=count)} for count in (1, 2, 3)]
    assert chosen[0] < chosen[1] < chosen[2]
    first = {
        tuple(d.id for d in AUGMENTATIONS["fobar"].rewrite(SEED, 1, rng_seed=seed) if isinstance(d, Problem))
        for seed in range(20)
    }
    assert len(first) == 3


def test_a_question_without_numbers_is_one_reject() -> None:
    seed = msgspec.structs.replace(SEED, question="Why is the sky blue?")
    for method in ("fobar", "self_verification"):
        (result,) = AUGMENTATIONS[method].rewrite(seed, 4)
        assert isinstance(result, Reject)
        assert (result.id, result.reason) == (f"s-1/{method}.1", "no_number")


def test_fobar_asks_for_the_number_in_both_styles() -> None:
    problem = AUGMENTATIONS["fobar"].rewrite(SEED, None)[2]
    assert isinstance(problem, Problem)
    assert problem.question == (
        "Sam buys 3 pens for $1.50 each. He pays with a $x bill. How much change does he get?\n"
        "If we know the answer to the above question is 5.50, what is the value of unknown variable x?"
    )
    assert problem.answer == "10"
    problem = AUGMENTATIONS["fobar"].rewrite(MATH_SEED, None)[0]
    assert isinstance(problem, Problem)
    assert problem.question.endswith(
        "\nIf we know the answer to the above question is $13$, what is the value of unknown variable $X$?"
    )
    assert "$X$ and $12$" in problem.question


def test_a_backward_problem_records_its_mask() -> None:
    problem = AUGMENTATIONS["fobar"].rewrite(SEED, None)[1]
    assert isinstance(problem, Problem)
    tags = problem.tags
    assert tags["original_question"] == SEED.question
    assert SEED.question[tags["mask_start"] : tags["mask_end"]] == tags["mask_text"] == "1.50"
    assert (tags["mask_kind"], tags["variable"], tags["mask_index"]) == ("money", "x", 2)
    assert (tags["mask_relevant"], tags["mask_unique"]) == ("yes", "yes")
    assert tags["level"] == 2


def test_sv_asks_for_the_whole_question_sentence_with_the_gold_as_it_is() -> None:
    draft = drafts("self_verification")[1]
    assert draft.fields == {
        "question": "How much change does he get?",
        "answer": "5.50",
        "context": "Sam buys 3 pens for $x each. He pays with a $10 bill.",
    }


def test_sv_puts_the_statement_where_the_question_stood() -> None:
    problem = parsed("self_verification", "Statement: He gets $5.50 in change", nth=1)
    assert isinstance(problem, Problem)
    assert problem.question == (
        "Sam buys 3 pens for $x each. He pays with a $10 bill. He gets $5.50 in change. "
        "What is the value of unknown variable x?"
    )
    assert problem.answer == "1.5"
    assert problem.tags["split_sentence"] == "How much change does he get?"
    assert problem.tags["statement"] == "He gets $5.50 in change"


def test_sv_drops_the_note_on_the_form_of_the_old_answer() -> None:
    problem = parsed("self_verification", "The hypotenuse is $13$.", seed=MATH_SEED)
    assert isinstance(problem, Problem)
    assert problem.question == (
        "The legs of a right triangle are $X$ and $12$. The hypotenuse is $13$. "
        "What is the value of unknown variable $X$?"
    )


IN_SENTENCE = Problem(
    id="s-2",
    dataset="s",
    style="gsm8k",
    question="A pen costs $2. If Eve buys 7 pens, how much does she pay?",
    answer="14",
)


@pytest.mark.parametrize(
    ("text", "nth", "reason"),
    [
        ("", 0, "empty"),
        ("How much does she pay for the 7 pens? $14?", 0, "not_a_statement"),
        ("If Eve buys 7 pens, she pays a lot.", 0, "gold_lost"),
        ("If Eve buys 7 pens at $2, she pays $14.", 0, "leaks_answer"),
        ("If Eve buys pens, she pays $14.", 0, "numbers_differ"),
        ("If Eve buys 7 pens, she pays $14 and gets $6 back.", 0, "numbers_differ"),
        ("If Eve buys some pens, she pays $14.", 1, "x_lost"),
        ("If Eve buys 7 pens, she pays $14.", 1, "leaks_answer"),
        ("If Eve buys 7 pens for $x, she pays $14.", 0, "x_repeated"),
        ("word " * 80 + "7 pens $14", 0, "too_long"),
    ],
)
def test_a_bad_statement_is_rejected_with_its_reason(text: str, nth: int, reason: str) -> None:
    assert parsed("self_verification", text, seed=IN_SENTENCE, nth=nth) == reason


@pytest.mark.parametrize(
    ("text", "nth"),
    [
        ("If Eve buys 7 pens, she pays $14.", 0),
        ("If Eve buys x pens, she pays $14.", 1),
        ("Eve buys x pens, and for the x pens she pays fourteen dollars.", 1),
        ("If Eve buys seven pens, she pays $14.00.", 0),
    ],
)
def test_a_good_statement_is_kept(text: str, nth: int) -> None:
    assert isinstance(parsed("self_verification", text, seed=IN_SENTENCE, nth=nth), Problem)


def test_a_percentage_may_be_stated_with_its_sign() -> None:
    seed = Problem(
        id="s",
        dataset="s",
        style="gsm8k",
        question="Of 8 eggs 2 broke. What percentage of the eggs broke?",
        answer="25",
    )
    assert isinstance(parsed("self_verification", "25% of the eggs broke.", seed=seed), Problem)


def test_sv_never_touches_a_latex_gold() -> None:
    seed = Problem(id="m", dataset="m", style="math", question="What is $9$ over $7$?", answer="\\frac{9}{7}")
    assert drafts("self_verification", seed)[0].fields["answer"] == "\\frac{9}{7}"
    assert isinstance(parsed("self_verification", "$X$ over $7$ is $\\frac{9}{7}$.", seed=seed), Problem)
    assert parsed("self_verification", "$X$ over $7$ is $7$.", seed=seed) == "gold_lost"


def test_the_reference_mode_takes_every_reply_that_says_anything() -> None:
    (draft,) = AUGMENTATIONS["rephrase"].rewrite(SEED, 1, mode="metamath-2024")
    assert isinstance(draft, Draft)
    result = AUGMENTATIONS["rephrase"].parse(SEED, draft, reply(SEED.question))
    assert isinstance(result, Problem)
    empty = AUGMENTATIONS["rephrase"].parse(SEED, draft, reply(" "))
    assert isinstance(empty, Reject)
