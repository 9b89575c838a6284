"""The paper's diversity gain: the mean squared distance of new rows to the nearest row of a base set. Needs numpy.

d_gain = (1/M) * sum over new x of min over base y of ||f(x) - f(y)||^2  (paper, sections 4.1 and 4.5).
The paper's text speaks of questions and its formula of (question, reply, answer) triples; both are options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

from mathstrap.errors import InputError
from mathstrap.stats.estimates import Estimate, Sums
from mathstrap.types import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Embed = Callable[[Sequence[str]], NDArray[np.float32]]

# 1,024 x 8,192 distances are 32 MB; larger blocks are no faster on a laptop's cache.
NEW_BLOCK = 1_024
BASE_BLOCK = 8_192
EMBED_BLOCK = 8_192


@dataclass(frozen=True, kw_only=True)
class DiversityOptions:
    """How the diversity gain is measured.

    text        "question" embeds the query alone, "triple" the query with the reply and the answer.
    base        the method whose samples are the base set; the paper's is answer augmentation.
    held_out    the share of the base method's rows held out of the base and measured as new rows of that method, the
                gain of more of the same. For questions it is 0, because their seeds' questions are in the base.
    max_new, max_base   at most this many rows of each method, drawn by a hash of the id; 0 = all. The paper uses 20,000
                new rows; the gain shrinks as the base grows, so compare runs at equal bases only.
    """

    text: Literal["question", "triple"] = "question"
    base: str = "ans_aug"
    held_out: float = 0.2
    max_new: int = 20_000
    max_base: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class DiversityRow:
    """The fields of a sample that the gain needs."""

    id: str
    seed: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The diversity gain of one method's rows over the base, with the sizes it depends on."""

    method: str
    gain: Estimate
    num_new: int
    num_base: int


def nearest_squared(
    new: Floats, base: Floats, *, new_block: int = NEW_BLOCK, base_block: int = BASE_BLOCK
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return, for each row of `new`, the squared L2 distance to its nearest row of `base`, and that row's index.

    Shapes (M, d) and (N, d); memory is new_block x base_block distances whatever M and N. The nearest row is computed
    with |a|^2 + |b|^2 - 2ab in float32, its distance again from the difference, so that equal rows give exactly 0.
    """
    import numpy as np

    if not len(base):
        raise InputError("diversity gain: the base set is empty, so there is no distance to it.")
    distances = np.zeros(len(new), dtype=np.float64)
    indices = np.zeros(len(new), dtype=np.int64)
    base_norms = np.einsum("ij,ij->i", base, base)
    for start in range(0, len(new), new_block):
        block = np.asarray(new[start : start + new_block])
        best = np.full(len(block), np.inf, dtype=np.float32)
        best_index = np.zeros(len(block), dtype=np.int64)
        for base_start in range(0, len(base), base_block):
            part = base[base_start : base_start + base_block]
            scores = block @ part.T
            scores *= -2
            scores += base_norms[base_start : base_start + base_block]
            closest = scores.argmin(axis=1)
            values = scores[np.arange(len(block)), closest]
            closer = values < best
            best[closer] = values[closer]
            best_index[closer] = base_start + closest[closer]
        difference = block.astype(np.float64) - base[best_index]
        distances[start : start + len(block)] = np.einsum("ij,ij->i", difference, difference)
        indices[start : start + len(block)] = best_index
    return distances, indices


def diversity_gain(new: Floats, base: Floats, *, clusters: Sequence[str] | None = None) -> Estimate:
    """Return the paper's gain of `new` over `base` with a 95 % interval; `clusters` names each new row's seed."""
    distances, _ = nearest_squared(new, base)
    names = clusters if clusters is not None else [str(row) for row in range(len(new))]
    sums = Sums.empty()
    for name, distance in zip(names, distances.tolist(), strict=True):
        sums.add(name, distance)
    return sums.mean()


def gains_by_method(samples: Iterable[Sample], embed: Embed, options: DiversityOptions | None = None) -> list[Gain]:
    """Return the gain of every method over the base method; raises InputError where the base method has no rows.

    The base method is measured on rows held out of the base. New rows are embedded block by block; the base's vectors
    stay in memory, 1.5 KB a row.
    """
    options = options or DiversityOptions()
    base, new = split_base(samples, options)
    if not base:
        raise InputError(
            f'diversity gain: the run has no samples of the base method "{options.base}". Name another with --base.'
        )
    base_vectors = embed([row.text for row in base])
    gains = []
    for method, rows in new.items():
        sums = Sums.empty()
        for start in range(0, len(rows), EMBED_BLOCK):
            block = rows[start : start + EMBED_BLOCK]
            distances, _ = nearest_squared(embed([row.text for row in block]), base_vectors)
            for row, distance in zip(block, distances.tolist(), strict=True):
                sums.add(row.seed, distance)
        gains.append(Gain(method=method, gain=sums.mean(), num_new=len(rows), num_base=len(base)))
    return gains


def split_base(
    samples: Iterable[Sample], options: DiversityOptions
) -> tuple[list[DiversityRow], dict[str, list[DiversityRow]]]:
    """Return the base rows and each method's new rows, drawn by hashes of ids so that order does not matter."""
    from mathstrap.types import METHODS

    base: list[DiversityRow] = []
    new: dict[str, list[DiversityRow]] = {}
    for sample in samples:
        in_base = sample.method == options.base and hash_share(sample.id) >= options.held_out
        rows, most = (base, options.max_base) if in_base else (new.setdefault(sample.method, []), options.max_new)
        rows.append(DiversityRow(id=sample.id, seed=sample.seed, text=text_of(sample, options.text)))
        if most and len(rows) >= 2 * most:  # bounds the memory, whatever the run's size
            rows[:] = draw(rows, most)
    order = [*(method for method in METHODS if method in new), *sorted(set(new) - set(METHODS))]
    return draw(base, options.max_base), {method: draw(new[method], options.max_new) for method in order}


def draw(rows: Sequence[DiversityRow], count: int) -> list[DiversityRow]:
    """Return the `count` rows with the smallest hashes of their ids (all for 0), in order of id."""
    chosen = sorted(rows, key=lambda row: hash_share(row.id))[:count] if count else rows
    return sorted(chosen, key=lambda row: row.id)


def text_of(sample: Sample, text: Literal["question", "triple"]) -> str:
    """Return the text of a sample that is embedded."""
    return sample.query if text == "question" else f"{sample.query}\n{sample.response}\n{sample.answer}"


def hash_share(text: str) -> float:
    """Return a number in [0, 1) by a hash of the text."""
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big") / 2**64
