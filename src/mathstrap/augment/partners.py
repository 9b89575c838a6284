"""Choose the further parents of problems with several parents, in a random order for each seed."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from mathstrap.augment.languages import Language, language_of
from mathstrap.types import Problem, Style, root_of


@dataclass(frozen=True, kw_only=True)
class Ring:
    """Seeds around a circle, each at the hash of its id (consistent hashing)."""

    places: list[int]
    seeds: list[Problem]
    ids: frozenset[str]


Rings = dict[tuple[Style, Language], Ring]


def rings_of(seeds: Iterable[Problem], rng_seed: int) -> Rings:
    """Return the seeds of each style and language as a ring: only these can be parents of one problem."""
    groups: dict[tuple[Style, Language], list[tuple[int, str, Problem]]] = {}
    for seed in seeds:
        placed = (_place(rng_seed, seed.id), seed.id, seed)
        groups.setdefault((seed.style, language_of(seed.question)), []).append(placed)
    rings: Rings = {}
    for key, group in groups.items():
        group.sort(key=lambda placed: placed[:2])
        rings[key] = Ring(
            places=[place for place, _, _ in group],
            seeds=[seed for _, _, seed in group],
            ids=frozenset(seed_id for _, seed_id, _ in group),
        )
    return rings


def partners_of(parent: Problem, rings: Rings, number: int, rng_seed: int) -> list[Problem]:
    """Return up to `number` other seeds for a parent, in a random order; a larger number adds to a smaller one.

    Each is the first seed at or after a random place on the ring. Adding or removing a seed then changes the partners
    of few parents, so the replies that were paid for the others stay valid.
    """
    ring = rings.get((parent.style, language_of(parent.question)))
    if ring is None:
        return []
    chosen: dict[str, Problem] = {}
    size, own = len(ring.seeds), root_of(parent.id)
    for draw in range(min(number, size - (own in ring.ids))):
        place = bisect_left(ring.places, _place(rng_seed, f"{parent.id}\x1f{draw}")) % size
        while ring.seeds[place].id == own or ring.seeds[place].id in chosen:
            place = (place + 1) % size
        chosen[ring.seeds[place].id] = ring.seeds[place]
    return list(chosen.values())


def _place(rng_seed: int, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{rng_seed}\x1f{text}".encode(), digest_size=8).digest(), "big")
