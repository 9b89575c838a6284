"""Choose a run's examples: a few rows per kind, by a hash of ids, so that the choice is unbiased and stable."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Generic, TypeVar

from mathstrap.types import Completion, Problem, Reject, Sample, Verdict, problem_of, root_of

T = TypeVar("T")


@dataclass
class Few(Generic[T]):
    """The `count` rows of each kind with the smallest hashes among all offered rows."""

    count: int
    heaps: dict[str, list[tuple[int, str, T]]] = field(default_factory=dict)

    def offer(self, kind: str, row_id: str, row: T) -> None:
        """Consider a row; ids must differ within a kind, or one of them is left out."""
        heap = self.heaps.setdefault(kind, [])
        place = -int.from_bytes(blake2b(row_id.encode("utf-8", "replace"), digest_size=8).digest(), "big")
        if len(heap) < self.count:
            heapq.heappush(heap, (place, row_id, row))
        elif (place, row_id) > heap[0][:2]:
            heapq.heapreplace(heap, (place, row_id, row))

    def chosen(self) -> dict[str, list[T]]:
        """Return each kind's rows in order of id; kinds in order of first appearance."""
        return {kind: [row for _, _, row in sorted(heap, key=lambda e: e[1])] for kind, heap in self.heaps.items()}


@dataclass(frozen=True, kw_only=True)
class Fallen:
    """A rejected or wrong row with its question, reply and answers."""

    id: str
    reason: str
    detail: str
    question: str = ""
    reply: str = ""
    got: str = ""
    expected: str = ""
    style: str = "gsm8k"


def pick_samples(samples: Iterable[Sample], count: int) -> dict[str, list[Sample]]:
    """Return `count` samples of each method."""
    few: Few[Sample] = Few(count)
    for sample in samples:
        few.offer(sample.method, sample.id, sample)
    return few.chosen()


def pick_fallen(
    rejects: Iterable[Reject],
    verdicts: Iterable[Verdict],
    replies_to: Callable[[Collection[str]], Iterable[Completion]],
    problems: Iterable[Problem],
    count: int,
) -> dict[str, list[Fallen]]:
    """Return `count` rows of each reject reason, and of wrong and undecided answers, with their texts.

    `replies_to` looks replies up by request id, because a few dozen of perhaps a million replies are shown.
    """
    few: Few[Reject | Verdict] = Few(count)
    for reject in rejects:
        few.offer(reject.reason, f"{reject.id} {reject.stage}", reject)
    for verdict in verdicts:
        if verdict.outcome != "correct":
            few.offer(verdict.outcome, verdict.candidate, verdict)
    chosen = few.chosen()
    ids = {row.id if isinstance(row, Reject) else row.candidate for rows in chosen.values() for row in rows}
    texts = {reply.request: reply.text for reply in replies_to(ids)}
    wanted = {problem_of(row_id) for row_id in ids} | {root_of(row_id) for row_id in ids}
    known = {problem.id: problem for problem in problems if problem.id in wanted}
    return {reason: [_fallen(reason, row, texts, known) for row in rows] for reason, rows in sorted(chosen.items())}


def _fallen(reason: str, row: Reject | Verdict, texts: Mapping[str, str], known: Mapping[str, Problem]) -> Fallen:
    row_id = row.id if isinstance(row, Reject) else row.candidate
    problem = known.get(problem_of(row_id)) or known.get(root_of(row_id))
    return Fallen(
        id=row_id,
        reason=reason,
        detail=row.reason if isinstance(row, Verdict) else row.detail,
        question=problem.question if problem else "",
        reply=texts.get(row_id, ""),
        got=row.got if isinstance(row, Verdict) else "",
        expected=row.expected if isinstance(row, Verdict) else "",
        style=problem.style if problem else "gsm8k",
    )
