"""Choose a seeded mixture by counts or shares, split it without leaks, cut subsets to one size. Knows metadata only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from mathstrap.errors import RecipeError, check_least
from mathstrap.types import Sample

FIELDS = ("type", "dataset", "method", "seed", "gold", "teacher", "outcome")


class Meta(msgspec.Struct, frozen=True, gc=False):
    """The fields of a sample that mixing needs: a few short strings, so that millions fit into memory."""

    id: str
    seed: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Target:
    """A part of the mixture: `count` samples, or a `share` of the total; without both, all samples that fit.

    where       which samples, as key: value or key: [values]; all keys must fit. Keys are type, dataset, method, gold,
                teacher, outcome, or a tag such as level or source.
    count       this many samples.
    share       this share of the total.
    """

    where: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    count: int | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        if self.count is not None and self.share is not None:
            raise RecipeError(f"count, share: {part_name(self)} has both. Give one.")
        if self.count is not None and self.count < 0:
            raise RecipeError(f"count: {part_name(self)} has {self.count}, expected 0 or more.")
        if self.share is not None and not 0 <= self.share <= 1:
            raise RecipeError(f"share: {part_name(self)} has {self.share}, expected a share from 0 to 1.")


@dataclass(frozen=True, kw_only=True)
class MixOptions:
    """The parts of the mixture.

    targets     parts in order; a sample belongs to the first part it fits. Without any, everything is one part.
    total       the total that shares refer to; empty = the largest total at which no part falls short.
    rest        "drop" or "keep" samples that fit no part.
    max_per_seed  most samples of one seed problem within a part.
    spread      "seeds": a part takes one sample of every seed before a second of any; "samples": every sample has
                the same chance, so seeds with many samples give many.
    """

    targets: tuple[Target, ...] = ()
    total: int | None = None
    rest: Literal["drop", "keep"] = "drop"
    max_per_seed: int | None = None
    spread: Literal["seeds", "samples"] = "seeds"

    def __post_init__(self) -> None:
        shares = sum(target.share or 0 for target in self.targets)
        if shares > 1 + 1e-9:
            raise RecipeError(f"targets: the shares add up to {shares:g}, expected at most 1.")
        check_least(self, total=0, max_per_seed=1)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one target: samples wanted, available, kept; `shortfall` is wanted less kept."""

    name: str
    wanted: int
    available: int
    kept: int
    shortfall: int

    @property
    def sentence(self) -> str:
        """The result as a sentence."""
        return f"the mix has {self.kept:,} of {self.wanted:,} wanted for {self.name}."


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """The ids that make up the mixture, in the order given, and the table of its parts."""

    ids: list[str]
    parts: list[Part]
    num_dropped: int = 0

    @property
    def shortfall(self) -> dict[str, tuple[int, int]]:
        """The parts that fell short, with (wanted, kept)."""
        return {part.name: (part.wanted, part.kept) for part in self.parts if part.shortfall}


def label_keys(options: MixOptions) -> tuple[str, ...]:
    """Return the keys that the targets use; `meta_of` reads exactly these."""
    return tuple(dict.fromkeys(key for target in options.targets for key in target.where))


def meta_of(sample: Sample, keys: Sequence[str]) -> Meta:
    """Return a sample's metadata; a key that is neither a column nor a tag reads as an empty string."""
    return Meta(
        sample.id,
        sample.seed,
        tuple(_text(getattr(sample, key) if key in FIELDS else sample.tags.get(key, "")) for key in keys),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def mix(samples: Iterable[Meta], options: MixOptions, *, rng_seed: int = 0) -> Mixed:
    """Choose the mixture; `samples` are read once and the result keeps their order.

    A sample's rank is a hash of its id and `rng_seed`: it does not depend on order, on sharding or on the other
    samples, and a smaller count takes a subset of a larger one.
    """
    keys = label_keys(options)
    parts: list[list[Meta]] = [[] for _ in options.targets or (None,)]
    keep: set[str] = set()
    order: list[str] = []
    for sample in samples:
        order.append(sample.id)
        place = _part_of(sample, keys, options)
        if place is not None:
            parts[place].append(sample)
        elif options.rest == "keep":
            keep.add(sample.id)
    orders = [ranked(part, options, rng_seed) for part in parts]
    wanted = _wanted([len(order) for order in orders], options)
    table = []
    for place, (part, count) in enumerate(zip(orders, wanted, strict=True)):
        keep.update(part[:count])
        kept = min(count, len(part))
        name = part_name(options.targets[place]) if options.targets else "all"
        table.append(Part(name=name, wanted=count, available=len(part), kept=kept, shortfall=count - kept))
    ids = [sample_id for sample_id in order if sample_id in keep]
    return Mixed(ids=ids, parts=table, num_dropped=len(order) - len(ids))


def part_name(target: Target) -> str:
    """Return a target's condition as text: `type=GSM_SV level=4|5`."""
    values = (f"{key}={value if isinstance(value, str) else '|'.join(value)}" for key, value in target.where.items())
    return " ".join(values) or "all"


def _part_of(sample: Meta, keys: tuple[str, ...], options: MixOptions) -> int | None:
    if not options.targets:
        return 0
    labels = dict(zip(keys, sample.labels, strict=True))
    for place, target in enumerate(options.targets):
        if all(
            labels[key] == value if isinstance(value, str) else labels[key] in value
            for key, value in target.where.items()
        ):
            return place
    return None


def lottery_place(item_id: str, rng_seed: int) -> bytes:
    """Return an id's rank under an rng seed as eight bytes, the same on every machine."""
    return blake2b(f"{rng_seed}\0{item_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def ranked(part: list[Meta], options: MixOptions, rng_seed: int) -> list[str]:
    """Return the ids of a part in the order they are taken, cut to `max_per_seed`."""
    drawn = sorted((lottery_place(sample.id, rng_seed), sample.id, sample.seed) for sample in part)
    turns: dict[str, int] = {}
    order = []
    for number, (_, sample_id, seed) in enumerate(drawn):
        turn = turns.get(seed, 0)
        turns[seed] = turn + 1
        if options.max_per_seed is None or turn < options.max_per_seed:
            order.append((turn if options.spread == "seeds" else 0, number, sample_id))
    return [sample_id for _, _, sample_id in sorted(order)]


def _wanted(available: list[int], options: MixOptions) -> list[int]:
    """Return how many samples each part is to have."""
    if not options.targets:
        return [available[0] if options.total is None else options.total]
    total = options.total
    fixed = sum(target.count or 0 for target in options.targets)
    if total is None:
        # A part of `have` samples with share s allows a total of at most have / s.
        limits = [int(have / t.share) for have, t in zip(available, options.targets, strict=True) if t.share]
        total = min(limits, default=fixed)
    wanted = []
    for have, target in zip(available, options.targets, strict=True):
        if target.share is not None:
            wanted.append(int(total * target.share + 0.5))
        else:
            wanted.append(have if target.count is None else target.count)
    return wanted


@dataclass(frozen=True, kw_only=True)
class SeedSplit:
    """Seeds for training and for validation; a sample follows its seed."""

    train: frozenset[str]
    validation: frozenset[str]


def split(
    seed_ids: Iterable[str], fraction: float, *, rng_seed: int = 0, together: Mapping[str, str] | None = None
) -> SeedSplit:
    """Hold out `fraction` of the seeds, so that no question is trained on in one form and validated in another.

    `together` maps a seed to the seed it repeats (a dedup result): such seeds stay on one side. Raises ValueError
    unless 0 <= fraction < 1.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"expected a validation fraction from 0 to below 1, found {fraction}.")
    families: dict[str, list[str]] = {}
    for seed in dict.fromkeys(seed_ids):
        families.setdefault((together or {}).get(seed, seed), []).append(seed)
    goal = int(sum(map(len, families.values())) * fraction + 0.5)
    validation: list[str] = []
    for name in sorted(families, key=lambda name: (lottery_place(name, rng_seed), name)):
        if len(validation) >= goal:
            break
        validation += families[name]
    validation_seeds = frozenset(validation)
    seeds = frozenset(seed for family in families.values() for seed in family)
    return SeedSplit(train=seeds - validation_seeds, validation=validation_seeds)


def matched_subsets(
    variants: Mapping[str, Sequence[Meta]], *, size: int | None = None, rng_seed: int = 0
) -> dict[str, list[str]]:
    """Return the ids of each variant cut to one size (default: the smallest variant's), for fair ablations.

    A sample that two variants share is drawn alike in both, and every seed gives one sample before any gives a second.
    Raises ValueError if a variant has fewer than `size` samples.
    """
    smallest = min((len(samples) for samples in variants.values()), default=0)
    size = smallest if size is None else size
    for name, samples in variants.items():
        if len(samples) < size:
            raise ValueError(f'"{name}" has {len(samples):,} samples, {size:,} are wanted from each variant.')
    options = MixOptions(total=size)
    return {name: mix(samples, options, rng_seed=rng_seed).ids for name, samples in variants.items()}
