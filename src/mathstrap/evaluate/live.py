"""Grade replies while the model works, in a separate thread, so that grading delays no request."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from mathstrap.engine.ask import Sink
from mathstrap.evaluate.protocols import ScoreName
from mathstrap.evaluate.score import UNPARSEABLE, ScoredDraw, score_draw
from mathstrap.stats.estimates import Sums
from mathstrap.types import Completion, Failure, Problem, Request, problem_of

# Each report computes the interval over all seed questions again, so reports are at least this far apart.
PROGRESS_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class EvalProgress:
    """The progress of an evaluation: replies graded, including those of earlier runs, and the accuracy so far.

    `low` and `high` bound the accuracy at 95 %, clustered by seed question; tokens and seconds count this run alone.
    """

    done: int
    total: int
    correct: int
    accuracy: float
    low: float
    high: float
    truncated: int
    unparseable: int
    tokens_out: int
    seconds: float
    eta_seconds: float | None


class LiveGrading:
    """Grades the draws of a run, ahead of time where it can; a draw that is graded already is not graded again."""

    def __init__(
        self,
        problems: Sequence[Problem],
        *,
        headline: ScoreName,
        total: int,
        progress: Callable[[EvalProgress], None] | None = None,
        is_asked: bool = True,
    ) -> None:
        self._problems = {problem.id: problem for problem in problems}
        self._headline = headline
        self._total = total
        self._progress = progress
        self._is_asked = is_asked
        self._early: dict[str, tuple[str, ScoredDraw]] = {}
        self.seconds = 0.0

    def score(self, request: Request, completion: Completion) -> ScoredDraw:
        """Return the graded draw with its prompt; the prompt of another tool's reply is unknown and stays empty."""
        turns = request.messages if self._is_asked else ()
        shown = "\n\n".join(f"[{message.role}]\n{message.content}" for message in turns)
        early = self._early.pop(request.id, None)
        graded = early[1] if early is not None and early[0] == completion.key else self._grade(completion)
        return msgspec.structs.replace(graded, prompt=shown)

    def _grade(self, completion: Completion) -> ScoredDraw:
        problem = self._problems[problem_of(completion.request)]
        draw = int(completion.request.rpartition("#")[2])
        return score_draw(problem, completion, headline=self._headline, draw=draw)

    @contextmanager
    def watch(self, sink: Sink, stored: Sequence[Completion]) -> Iterator[Sink]:
        """Yield a sink that stores a reply and queues it for the grading thread, which has ended when this exits.

        The stored replies of earlier runs are graded first, so that the reported accuracy counts all replies.
        """
        waiting: queue.SimpleQueue[Completion | None] = queue.SimpleQueue()
        for completion in stored:
            waiting.put(completion)
        thread = threading.Thread(target=self._work, args=(waiting, len(stored)), name="mathstrap-grading", daemon=True)
        thread.start()
        try:
            yield GradingSink(sink, waiting)
        finally:
            waiting.put(None)
            thread.join()

    def _work(self, waiting: queue.SimpleQueue[Completion | None], num_stored: int) -> None:
        started = reported = time.monotonic()
        done = correct = truncated = unparseable = tokens = 0
        sums = Sums.empty()
        while (completion := waiting.get()) is not None:
            begun = time.monotonic()
            graded = self._grade(completion)
            self._early[completion.request] = (completion.key, graded)
            self.seconds += time.monotonic() - begun
            done += 1
            correct += graded.is_correct
            truncated += graded.finish_reason == "length"
            unparseable += graded.reason in UNPARSEABLE
            sums.add(graded.cluster, float(graded.is_correct))
            tokens += completion.tokens_out if done > num_stored else 0
            now = time.monotonic()
            if self._progress is None or (now - reported < PROGRESS_SECONDS and done < self._total):
                continue
            reported, elapsed, share = now, now - started, sums.share()
            left = (self._total - done) * elapsed / (done - num_stored) if done > num_stored else None
            self._progress(
                EvalProgress(
                    done=done, total=self._total, correct=correct, accuracy=share.value, low=share.low,
                    high=share.high, truncated=truncated, unparseable=unparseable, tokens_out=tokens,
                    seconds=elapsed, eta_seconds=left,
                )
            )  # fmt: skip


class GradingSink:
    """A sink that first stores a reply with the run's sink, then queues it for the grading thread."""

    def __init__(self, sink: Sink, waiting: queue.SimpleQueue[Completion | None]) -> None:
        self._sink = sink
        self._waiting = waiting

    def completion(self, completion: Completion) -> None:
        """Store a reply."""
        self._sink.completion(completion)
        self._waiting.put(completion)

    def failure(self, failure: Failure) -> None:
        """Record a request that failed."""
        self._sink.failure(failure)
