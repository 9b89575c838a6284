"""The methods beyond the paper's: what they draft, what a reply becomes, and why it falls out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from mathstrap.augment import AUGMENTATIONS, Draft
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
