"""Choose which questions are answered and which answers become samples.

A run's answers are read twice, so that texts never pile up in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from mathstrap.dedup import DedupOptions, Pair, find_duplicates
from mathstrap.pipeline.derive import make_sample
from mathstrap.pipeline.options import CurateOptions, RunRecipe
from mathstrap.types import Candidate, Method, Problem, Reject, Sample, Verdict, root_of


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The ids of the answers that become samples, and why the others of the wanted outcome do not."""

    ids: set[str]
    rejects: list[Reject] = field(default_factory=list)


# Questions are compared within a kind: FOBAR and self-verification of one mask say nearly the same, on purpose.
KINDS: tuple[tuple[Method, ...], ...] = (("ans_aug", "rephrase"), ("self_verification",), ("fobar",))


def repeated_questions(problems: Iterable[Problem], options: DedupOptions) -> tuple[dict[str, str], list[Pair]]:
    """Return the questions to drop, each with the one it repeats, and all pairs that are alike; seeds come first."""
    dropped: dict[str, str] = {}
    pairs: list[Pair] = []
    by_method: dict[str, list[tuple[str, str]]] = {}
    for problem in problems:
        by_method.setdefault(problem.method, []).append((problem.id, problem.question))
    for kind in KINDS:
        found = find_duplicates((item for method in kind for item in by_method.get(method, [])), options)
        dropped.update(found.dropped())
        pairs += found.pairs
    return dropped, pairs


def graded(candidates: Iterable[Candidate], verdicts: Iterable[Verdict]) -> Iterator[tuple[Candidate, Verdict]]:
    """Pair each candidate with its verdict; both come in the same order, one for one."""
    for candidate, verdict in zip(candidates, verdicts, strict=True):
        assert candidate.id == verdict.candidate, f"the verdicts are not in step at {candidate.id}"
        yield candidate, verdict


def choose(pairs: Iterable[tuple[Candidate, Verdict]], options: CurateOptions, flags: Mapping[str, str]) -> Chosen:
    """Choose among the answers of each problem; `flags` maps a flagged sample, problem or seed to its note."""
    ids: set[str] = set()
    rejects: list[Reject] = []
    for problem_id, group in groupby(pairs, key=lambda pair: pair[0].problem):
        seen: dict[bytes, str] = {}
        for candidate, verdict in group:
            if verdict.outcome != options.outcome:
                continue
            note = next((flags[key] for key in (candidate.id, problem_id, root_of(problem_id)) if key in flags), None)
            if note is not None:
                rejects.append(Reject(id=candidate.id, stage="curate", reason="flagged", detail=note))
                continue
            digest = hashlib.blake2b(" ".join(candidate.text.split()).encode(), digest_size=12).digest()
            if options.same_reply == "drop" and digest in seen:
                rejects.append(Reject(id=candidate.id, stage="curate", reason="same_reply", detail=seen[digest]))
                continue
            seen[digest] = candidate.id
            ids.add(candidate.id)
    return Chosen(ids=ids, rejects=rejects)


def samples_of(
    pairs: Iterable[tuple[Candidate, Verdict]],
    ids: set[str],
    problems: Mapping[str, Problem],
    prompt_hashes: Mapping[str, str],
    recipe: RunRecipe,
) -> Iterator[Sample]:
    """Yield the training rows of the chosen answers, in order; `prompt_hashes` is keyed by problem id."""
    for candidate, verdict in pairs:
        if candidate.id in ids:
            problem = problems[candidate.problem]
            seed = problems[root_of(problem.id)]
            yield make_sample(candidate, verdict, problem, seed, recipe, prompt_hashes[problem.id])
