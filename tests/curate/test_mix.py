from __future__ import annotations

import random
import tracemalloc
from typing import Any

import pytest

from mathstrap.curate.mix import Meta, MixOptions, Target, label_keys, matched_subsets, meta_of, mix, split
from mathstrap.errors import RecipeError
from mathstrap.types import Sample


def metas(counts: dict[str, int], num_seeds: int = 10) -> list[Meta]:
    return [
        Meta(f"s{n % num_seeds}/{kind}.{n}", f"s{n % num_seeds}", (kind,))
        for kind, count in counts.items()
        for n in range(count)
    ]


BY_TYPE = MixOptions(targets=(Target(where={"type": "A"}, count=30), Target(where={"type": "B"}, count=30)))


def test_counts_are_met_or_the_shortfall_is_told() -> None:
    mixed = mix(metas({"A": 50, "B": 20, "C": 9}), BY_TYPE)
    assert [(part.name, part.wanted, part.kept, part.shortfall) for part in mixed.parts] == [
        ("type=A", 30, 30, 0),
        ("type=B", 30, 20, 10),
    ]
    assert mixed.shortfall == {"type=B": (30, 20)}
    assert (len(mixed.ids), mixed.num_dropped) == (50, 29)


def test_shares_take_the_largest_total_that_every_part_can_fill() -> None:
    options = MixOptions(targets=(Target(where={"type": "A"}, share=0.75), Target(where={"type": "B"}, share=0.25)))
    mixed = mix(metas({"A": 50, "B": 20}), options)
    assert [part.kept for part in mixed.parts] == [50, 17]
    assert not mixed.shortfall
    mixed = mix(metas({"A": 50, "B": 20}), MixOptions(targets=options.targets, total=100))
    assert mixed.shortfall == {"type=A": (75, 50), "type=B": (25, 20)}


def test_neither_order_nor_other_samples_change_who_is_drawn() -> None:
    samples = metas({"A": 50, "B": 20})
    shuffled = samples[:]
    random.Random(1).shuffle(shuffled)
    first, second = mix(samples, BY_TYPE, rng_seed=7), mix(shuffled, BY_TYPE, rng_seed=7)
    assert set(first.ids) == set(second.ids)
    assert second.ids == [sample.id for sample in shuffled if sample.id in set(first.ids)]
    assert set(mix(samples, BY_TYPE, rng_seed=8).ids) != set(first.ids)
    smaller = MixOptions(targets=(Target(where={"type": "A"}, count=10),))
    assert set(mix(samples, smaller, rng_seed=7).ids) < set(first.ids)


def test_every_seed_gives_one_sample_before_any_gives_a_second() -> None:
    samples = [Meta(f"big.{n}", "big") for n in range(90)] + [Meta(f"small{n}", f"small{n}") for n in range(9)]
    fair = mix(samples, MixOptions(total=10)).ids
    assert sum(item.startswith("small") for item in fair) == 9
    chance = mix(samples, MixOptions(total=10, spread="samples")).ids
    assert sum(item.startswith("small") for item in chance) < 6
    assert len(mix(samples, MixOptions(max_per_seed=2)).ids) == 11


def test_lists_of_values_tags_and_the_rest() -> None:
    def sample(number: int, level: object) -> Sample:
        return Sample(
            id=f"s/{number}", type="MATH_AnsAug", query="q", original_question="q", response="r", problem="s", seed="s",
            dataset="math", method="ans_aug", answer="1", tags={"level": level},
        )  # fmt: skip

    options = MixOptions(targets=(Target(where={"dataset": "math", "level": ("4", "5")}),), rest="keep")
    samples = [meta_of(sample(n, level), label_keys(options)) for n, level in enumerate(["4", 5, "1", None])]
    assert samples[1].labels == ("math", "5")
    mixed = mix(samples, options)
    assert mixed.parts[0].name == "dataset=math level=4|5"
    assert mixed.parts[0].kept == 2
    assert len(mixed.ids) == 4


@pytest.mark.parametrize(
    ("targets", "options", "key"),
    [
        ([{"count": 1, "share": 0.5}], {}, "count, share"),
        ([{"share": 0.7}, {"share": 0.7}], {}, "targets"),
        ([{"count": -1}], {}, "count"),
        ([{"share": float("nan")}], {}, "share"),
        ([], {"total": -1}, "total"),
        ([], {"max_per_seed": 0}, "max_per_seed"),
    ],
)
def test_contradictions_are_refused(targets: list[dict[str, Any]], options: dict[str, Any], key: str) -> None:
    with pytest.raises(RecipeError, match=rf"\A{key}: "):
        MixOptions(targets=tuple(Target(**target) for target in targets), **options)


def test_nothing_in_gives_nothing_out() -> None:
    assert mix([], MixOptions()).ids == []
    assert mix([], BY_TYPE).shortfall == {"type=A": (30, 0), "type=B": (30, 0)}
    assert matched_subsets({}) == {}


def test_a_split_keeps_a_seed_and_its_duplicates_on_one_side() -> None:
    seeds = [f"s{n}" for n in range(200)]
    together = {f"s{n}": f"s{n - 1}" for n in range(1, 200, 2)}
    parts = split(seeds, 0.1, rng_seed=3, together=together)
    assert len(parts.validation) == 20
    assert parts.train | parts.validation == set(seeds)
    assert not parts.train & parts.validation
    assert all((seed in parts.validation) == (other in parts.validation) for seed, other in together.items())
    assert split(reversed(seeds), 0.1, rng_seed=3, together=together) == parts
    assert not split(seeds, 0).validation
    with pytest.raises(ValueError, match="fraction"):
        split(seeds, 1)


def test_variants_of_one_size() -> None:
    variants = {"few": metas({"A": 30}), "many": metas({"A": 30, "B": 100})}
    cut = matched_subsets(variants, rng_seed=2)
    assert {name: len(ids) for name, ids in cut.items()} == {"few": 30, "many": 30}
    assert matched_subsets(variants, size=10, rng_seed=2)["few"] != []
    with pytest.raises(ValueError, match='"few" has 30'):
        matched_subsets(variants, size=31)


def test_four_hundred_thousand_samples_fit_easily() -> None:
    tracemalloc.start()
    samples = metas({"A": 20_000, "B": 20_000}, num_seeds=700)
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    mix(samples, BY_TYPE)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 400 * 40_000  # 160 MB for ten times as many
