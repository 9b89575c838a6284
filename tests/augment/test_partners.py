"""Further parents: random, stable as seeds come and go, of one style and language, never the parent itself."""

from __future__ import annotations

from mathstrap.augment.partners import partners_of, rings_of
from mathstrap.types import Problem


def seed(number: int, question: str = "How many are 2 and 3?", style: str = "gsm8k") -> Problem:
    return Problem(id=f"s-{number:03d}", dataset="s", style=style, question=question, answer="5")  # type: ignore[arg-type]


SEEDS = [seed(number) for number in range(60)]


def chosen(parent: Problem, seeds: list[Problem], number: int, rng_seed: int = 0) -> list[str]:
    return [one.id for one in partners_of(parent, rings_of(seeds, rng_seed), number, rng_seed)]


def test_partners_are_other_seeds_each_once_in_any_order_of_the_seeds() -> None:
    for parent in SEEDS[:10]:
        found = chosen(parent, SEEDS, 8)
        assert len(set(found)) == 8
        assert parent.id not in found
        assert found == chosen(parent, SEEDS[::-1], 8)
        assert chosen(parent, SEEDS, 3) == found[:3]
        assert sorted([*chosen(parent, SEEDS, 500), parent.id]) == [one.id for one in SEEDS]
    assert chosen(SEEDS[0], SEEDS, 8) != chosen(SEEDS[0], SEEDS, 8, rng_seed=1)


def test_one_more_seed_changes_few_choices() -> None:
    more = [*SEEDS, seed(900)]
    changed = sum(chosen(parent, SEEDS, 2) != chosen(parent, more, 2) for parent in SEEDS)
    assert changed < len(SEEDS) / 4


def test_partners_speak_the_language_and_the_style_of_the_parent_and_are_not_its_own_seed() -> None:
    german = [seed(100 + n, "Wie viele Äpfel haben Anna und Otto, wenn sie 2 und 3 haben?") for n in range(2)]
    formulas = [seed(200 + n, "Find $x$ if $x+1=2$.", "math") for n in range(2)]
    seeds = [*SEEDS[:3], *german, *formulas]
    assert chosen(german[0], seeds, 9) == ["s-101"]
    assert chosen(formulas[0], seeds, 9) == ["s-201"]
    assert chosen(SEEDS[0], SEEDS[:1], 9) == []
    renumbered = Problem(
        id="s-000/renumber.1", dataset="s", style="gsm8k", question=SEEDS[0].question, answer="5", parent="s-000"
    )
    assert sorted(chosen(renumbered, SEEDS[:3], 9)) == ["s-001", "s-002"]
