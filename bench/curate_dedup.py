"""Compare question dedup with datasketch: the same questions, the same shingles, the same bands, in one run.

    pip install datasketch
    python bench/curate_dedup.py --data DATA --count 200000

Each side gets the raw questions and returns the pairs that meet in a band and reach the floor; the time to cut the
questions into shingles is part of both, and is told apart. Recall is of the planted exact and near copies.
With `--sides`, the others keep their last numbers.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from curate_data import Made, earlier_parts, facts, make_questions, peak_bytes, write_result

from mathstrap.curate.dedup import SLOTS_PER_BAND, DedupOptions, find_duplicates
from mathstrap.curate.wording import words

SIDES = ("mathstrap", "mathstrap, numbers ignored", "rensa", "datasketch")


def shingles(found: list[str], size: int) -> list[str]:
    """Return the runs of `size` words, for the other sides; a shorter text is one shingle, an empty one has none."""
    if len(found) < size:
        return [" ".join(found)] if found else []
    return list(map(" ".join, zip(*(found[start:] for start in range(size)), strict=False)))


def with_mathstrap(texts: list[str], options: DedupOptions) -> set[tuple[int, int]]:
    """Find pairs with the product."""
    found = find_duplicates(((str(number), text) for number, text in enumerate(texts)), options)
    return {(int(pair.a), int(pair.b)) for pair in found.pairs}


def with_datasketch(texts: list[str], options: DedupOptions, seconds: dict[str, float]) -> set[tuple[int, int]]:
    """Find pairs with datasketch's MinHash and MinHashLSH, in its documented bulk form."""
    from datasketch import MinHash, MinHashLSH

    bands = options.num_perm // SLOTS_PER_BAND
    lsh = MinHashLSH(num_perm=options.num_perm, params=(bands, SLOTS_PER_BAND))
    pairs = set()
    for start in range(0, len(texts), 10_000):
        begun = time.perf_counter()
        sets = [
            [shingle.encode() for shingle in shingles(words(text), options.shingle_words)]
            for text in texts[start : start + 10_000]
        ]
        signed = time.perf_counter()
        hashes = MinHash.bulk(sets, num_perm=options.num_perm, seed=options.rng_seed)
        looked = time.perf_counter()
        for number, minhash in enumerate(hashes, start):
            for other in lsh.query(minhash):
                pairs.add((other, number))
            lsh.insert(number, minhash, check_duplication=False)
        done = time.perf_counter()
        seconds["shingles"] = seconds.get("shingles", 0) + signed - begun
        seconds["signatures"] = seconds.get("signatures", 0) + looked - signed
        seconds["lsh"] = seconds.get("lsh", 0) + done - looked
    return pairs


def with_rensa(texts: list[str], options: DedupOptions) -> set[tuple[int, int]]:
    """Find pairs with rensa's own LSH alone, without the product's grouping and exact check."""
    from rensa import RMinHash, RMinHashLSH

    lsh = RMinHashLSH(threshold=options.floor, num_perm=options.num_perm, num_bands=options.num_perm // SLOTS_PER_BAND)
    pairs = set()
    for start in range(0, len(texts), 10_000):
        sets = [shingles(words(text), options.shingle_words) for text in texts[start : start + 10_000]]
        hashes = RMinHash.from_token_sets(sets, options.num_perm, options.rng_seed)
        lsh.insert_many(hashes, start)
        for number, found in enumerate(lsh.query_all(hashes), start):
            pairs.update((other, number) for other in found if other < number)
    return pairs


def recall(made: list[Made], pairs: set[tuple[int, int]]) -> dict[str, float]:
    """Return the share of planted copies that stand in some pair as the later question."""
    later = {second for _, second in pairs}
    result = {}
    for kind in ("exact", "near"):
        planted = [number for number, question in enumerate(made) if question.kind == kind]
        result[kind] = round(sum(number in later for number in planted) / max(len(planted), 1), 4)
    return result


def run_side(name: str, data: Path, count: int) -> dict[str, Any]:
    """Run one side in this process and return its numbers."""
    made = list(make_questions(data, count))
    texts = [question.text for question in made]
    before = peak_bytes()
    parts: dict[str, float] = {}
    options = DedupOptions(numbers="ignore") if name == "mathstrap, numbers ignored" else DedupOptions()
    begun, processor = time.perf_counter(), time.process_time()
    if name == "datasketch":
        pairs = with_datasketch(texts, options, parts)
    elif name == "rensa":
        pairs = with_rensa(texts, options)
    else:
        pairs = with_mathstrap(texts, options)
    seconds, processor = time.perf_counter() - begun, time.process_time() - processor
    return {
        "seconds": round(seconds, 2),
        "processor_seconds": round(processor, 2),
        "questions_per_second": round(count / seconds),
        "pairs": len(pairs),
        "recall": recall(made, pairs),
        "peak_mib": round(peak_bytes() / 2**20),
        "peak_mib_beside_the_texts": round((peak_bytes() - before) / 2**20),
        **({"parts": {part: round(value, 2) for part, value in parts.items()}} if parts else {}),
    }


def main() -> None:
    """Run the bench: each side in a process of its own, one after the other."""
    from multiprocessing import get_context

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--sides", nargs="*", default=SIDES)
    arguments = parser.parse_args()
    is_whole = set(arguments.sides) == set(SIDES)
    sides = {} if is_whole else earlier_parts("curate_dedup", "sides", ("count", arguments.count))
    for name in arguments.sides:
        with get_context("spawn").Pool(1) as pool:
            sides[name] = facts() | pool.apply(run_side, (name, arguments.data, arguments.count))
        print(name, sides[name], flush=True)
    result: dict[str, Any] = {"count": arguments.count, "sides": sides}
    if is_whole:  # sides of two runs are not compared
        for measure in ("seconds", "processor_seconds"):
            result[f"times_as_fast_as_datasketch_by_{measure}"] = {
                name: round(sides["datasketch"][measure] / side[measure], 2) for name, side in sides.items()
            }
    write_result("curate_dedup", result)


if __name__ == "__main__":
    main()
