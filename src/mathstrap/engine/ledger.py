"""Store and count the outcomes of an `ask`, and report them as events. Decides nothing about what is sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec

from mathstrap.engine.budget import reservation_for
from mathstrap.engine.contact import FirstReplies
from mathstrap.engine.interface import AskReport, AskSettings, Sink
from mathstrap.engine.jobs import NOTHING_RESERVED, Job
from mathstrap.engine.limits import RateLimiter
from mathstrap.errors import PromptRefused, StorageError, TeacherError, TransientError
from mathstrap.thought import split_completion
from mathstrap.types import Completion, Failure, Request

# Kinds of TransientError after which the server may have charged although no reply arrived.
UNCERTAIN_KINDS = frozenset({"timeout", "connection", "malformed", "no_reply", "error", "lost"})
# Fewer refused prompts may be a coincidence; from this many on, the server may refuse all of them.
FEW_REFUSALS = 8
LARGEST_REPLY = 2 << 20  # characters of thought and text that are stored; as JSON they take at most six bytes each
LONGEST_REFUSAL = 500  # characters of the server's refusal that are kept
SAVE_AGAIN_SECONDS = 2.0
BYTES_PER_TOKEN = 4.0  # servers estimate a prompt's tokens by this ratio when they apply a rate limit


def within_limit(completion: Completion) -> Completion:
    """Return a reply; one longer than LARGEST_REPLY characters is cut and marked as if it hit the token limit.

    No model writes replies that long. Asking again could bring the same reply, and charge for it again.
    """
    if len(completion.text) + len(completion.reasoning) + len(completion.raw) <= LARGEST_REPLY:
        return completion
    text = completion.text[:LARGEST_REPLY]
    return msgspec.structs.replace(
        completion,
        text=text,
        reasoning=completion.reasoning[: LARGEST_REPLY - len(text)],
        raw="",
        thought_marks=("", ""),
        finish_reason="length",
        ended=f"longer than {LARGEST_REPLY:,} characters; the rest was dropped",
    )


class Ledger:
    """The accounts of one `ask`: the sink, the meter's settlements, the report and the events."""

    def __init__(self, sink: Sink, settings: AskSettings) -> None:
        self.report = AskReport(stage=settings.stage)
        self.slowest_seconds = self.usual_seconds = 0.0  # of the recent replies
        self._sink = sink
        self._settings = settings
        self._meter = settings.meter
        limits = settings.limits
        self._request_limiter = RateLimiter(limits.requests_per_minute) if limits.requests_per_minute else None
        self._token_limiter = RateLimiter(limits.tokens_per_minute) if limits.tokens_per_minute else None
        self._unsaved: list[Completion] = []
        self.is_full = False  # the disk: reserved space takes the calls in flight, and nothing more is sent
        self.pause = ""  # the reason to pause the stage, if its first replies give one
        self._first = None
        if settings.watched and limits.watch_replies:
            self._first = FirstReplies(size=limits.watch_replies, key=settings.watched)
        self._errors: Counter[str] = Counter()
        self._other_models: set[str] = set()
        self._warned_of_usage = False
        self._usd = 0.0
        self._uncertain_before = settings.meter.usd_uncertain or 0.0
        self._has_answers = settings.meter.tokens_out > 0  # those of earlier stages and starts count
        self._refusals: list[tuple[float, Sequence[Request], PromptRefused]] = []

    @property
    def needs_reservations(self) -> bool:
        """Say whether `reserve` can refuse a call."""
        return bool(self._meter.needs_reservations or self._token_limiter or self._request_limiter)

    def reserve(self, job: Job, now: float) -> tuple[float, str]:
        """Reserve the most a call can cost; return the seconds to wait first, or the name of the exceeded budget."""
        job.reserved = reservation_for(job.requests)
        spent = self._meter.reserve(job.reserved)
        if spent:
            return 0.0, spent
        wait = self._request_limiter.wait(now) if self._request_limiter else 0.0
        if wait == 0 and self._token_limiter:
            job.tokens = job.reserved.tokens_in / BYTES_PER_TOKEN + job.reserved.tokens_out
            wait = self._token_limiter.wait(now, job.tokens)
            if wait and self._request_limiter:
                self._request_limiter.give_back(1.0)
        if wait:
            self._meter.release(job.reserved, unsent=True)
            job.reserved = NOTHING_RESERVED
        return wait, ""

    def sent(self, job: Job) -> None:
        """Count a call that is about to be sent."""
        self.report.asked += 1
        if self._settings.events is not None:
            self._settings.emit("asked", id=job.requests[0].id, attempt=job.attempt, draws=len(job.requests))

    def answered(self, job: Job, completions: list[Completion], seconds: float) -> tuple[int, int]:
        """Store the replies of a call that took `seconds`, then count them; return tokens in and out.

        Raises StorageError if a reply could not be stored; it is kept for `save_again`.
        """
        tokens_in = tokens_out = 0
        usd = 0.0
        error = None
        stored = []
        label = job.requests[0].teacher
        for reply in completions:
            completion = within_limit(split_completion(reply))
            if label:
                completion = msgspec.structs.replace(completion, teacher=label)
            completion = self._meter.priced(completion)
            stored.append(completion)
            error = self._store(completion) or error
            tokens_in += completion.tokens_in
            tokens_out += completion.tokens_out
            usd += self._meter.usd_of(completion) or 0.0
            if completion.model != job.requests[0].model and completion.model:
                self._check_model(completion.model, job.requests[0].model)
        self._meter.book(stored, job.reserved)
        if tokens_in == tokens_out == 0 and any(reply.text for reply in completions):
            self._no_usage(job, len(completions))
        elif error is not None and job.reserved is not NOTHING_RESERVED:
            self._meter.release(job.reserved, uncertain=True)  # no stored reply shows its usage
        elif job.reserved is not NOTHING_RESERVED:
            self._meter.release(job.reserved, answered=len(completions))
        job.reserved = NOTHING_RESERVED
        if self._token_limiter is not None:
            self._token_limiter.give_back(job.tokens - tokens_in - tokens_out)
        self._has_answers = True
        if self._refusals:
            self._store_refusals(job.sent_at)
        report = self.report
        report.answered += len(completions)
        report.tokens_in += tokens_in
        report.tokens_out += tokens_out
        self._usd += usd
        self.slowest_seconds = max(seconds, self.slowest_seconds * 0.99)
        self.usual_seconds += (seconds - self.usual_seconds) * 0.05
        if self._settings.events is not None:
            self._settings.emit(
                "answered",
                id=job.requests[0].id,
                attempt=job.attempt,
                draws=len(completions),
                tokens_in=tokens_in,
                tokens_out=tokens_out,
                seconds=seconds,
                usd=usd if self._meter.price is not None or usd else None,
            )
        if error is not None:
            raise error
        if self._first is not None:
            self._watch(job, stored)
        return tokens_in, tokens_out

    def _watch(self, job: Job, completions: list[Completion]) -> None:
        assert self._first is not None
        for request, completion in zip(job.requests, completions, strict=False):
            self.pause = self.pause or self._first.seen(request, completion)
        if self._first.is_over:
            self._first = None

    def tell(self, notices: list[tuple[str, str]]) -> None:
        """Emit a warning for each notice of a backend, and empty its list."""
        for reason, sentence in notices:
            self._settings.emit("warning", reason=reason, detail=sentence)
        notices.clear()

    def refused(self, job: Job, error: PromptRefused, now: float, *, in_flight: int) -> TeacherError | None:
        """Record a prompt that the server rejects; return the error to end with if it rejects all of them.

        A refusal is stored only after a later call was answered: until then the server may refuse every request,
        because of a wrong setting or a closed account. `in_flight` is how many calls run at once.
        """
        self.settle_broken(job, "refused")
        self._refusals.append((now, job.requests, error))
        is_many = len(self._refusals) >= max(FEW_REFUSALS, in_flight)
        if is_many and not (self._has_answers and any(refusal.is_certain for _, _, refusal in self._refusals)):
            return self._all_refused()
        return None

    def settle_refusals(self, *, answered: bool | None = None) -> TeacherError | None:
        """Store the refusals that are left at the end of a plan, or return the error to end with if all were refused.

        `answered` says whether the same batch contains an answer; if None, any answer of the run counts. Refusals that
        are not judged when a plan is interrupted are asked again.
        """
        if not self._refusals:
            return None
        is_certain = any(refusal.is_certain for _, _, refusal in self._refusals)
        is_taken = answered or (self._has_answers and (is_certain or answered is None))
        if is_taken or (len(self._refusals) < FEW_REFUSALS and self._has_answers):
            self._store_refusals(float("inf"))
        elif self.report.stopped == "done":
            return self._all_refused()
        return None

    def _all_refused(self) -> TeacherError:
        count = sum(len(requests) for _, requests, _ in self._refusals)
        lately = "since then every" if self._has_answers else "every"
        error = self._refusals[-1][2]
        self._refusals.clear()
        return TeacherError(f"{error} The server refused {lately} request so far ({count:,}), so the run stops.")

    def _store_refusals(self, before: float) -> None:
        """Store the refusals received before a time; they are final and cost nothing."""
        left = []
        for refusal in self._refusals:
            at, requests, error = refusal
            if at >= before:
                left.append(refusal)
                continue
            for request in requests:
                self._store(
                    Completion(
                        request=request.id, key=request.key, text="", finish_reason="prompt_refused",
                        ended=str(error)[:LONGEST_REFUSAL],
                    )
                )  # fmt: skip
            self._meter.refused(len(requests))
            self.report.refused += len(requests)
            self._settings.emit("refused", id=requests[0].id, draws=len(requests), detail=str(error))
        self._refusals = left

    def broken(self, job: Job, error: TransientError, *, wait_seconds: float | None) -> None:
        """Count a failed call; with `wait_seconds` None, its requests are given up until the next run."""
        self._errors[error.kind] += 1
        if error.kind == "timeout" and self._first is not None:
            self.pause = self.pause or self._first.late()
        self.settle_broken(job, error.kind)
        given_up = wait_seconds is None
        if given_up:
            self.report.failed += len(job.requests)
        else:
            self.report.retried += 1
        if self._settings.events is not None:
            self._settings.emit(
                "failed" if given_up else "retried",
                id=job.requests[0].id,
                attempt=job.attempt,
                draws=len(job.requests),
                wait_seconds=wait_seconds or 0.0,
                reason=error.kind,
                detail=str(error),
            )
        if given_up:
            for request in job.requests:
                self._sink.failure(Failure(id=request.id, key=request.key, error=str(error), kind=error.kind))

    def settle_broken(self, job: Job, kind: str, *, answered: int = 0) -> None:
        """End the reservation of a failed call; one that may have been charged stays counted.

        `answered` of its replies are stored, but without token counts.
        """
        if kind in UNCERTAIN_KINDS:
            if job.reserved is NOTHING_RESERVED:
                job.reserved = reservation_for(job.requests)
                self._meter.reserve_anyway(job.reserved)
            self._meter.release(job.reserved, uncertain=True, answered=answered)
        elif job.reserved is not NOTHING_RESERVED:
            # A refused call was sent, so it counts; once its refusal is stored, that line counts for it instead.
            self._meter.release(job.reserved, unsent=kind == "unavailable")
        job.reserved = NOTHING_RESERVED

    async def save_again(self) -> None:
        """Retry storing the unsaved replies for a few seconds: space may have been freed."""
        tries = int(SAVE_AGAIN_SECONDS / 0.25)
        while self._unsaved:
            try:
                self._sink.completion(self._unsaved[0])
                del self._unsaved[0]
            except StorageError as error:
                tries -= 1
                if tries <= 0:
                    lost = len(self._unsaved)
                    raise StorageError(f"{error} {lost} paid replies that had arrived could not be stored.") from error
                await asyncio.sleep(0.25)

    def finish(self, seconds: float) -> None:
        """Complete the report and emit the last event of the stage."""
        report, meter = self.report, self._meter
        report.seconds = seconds
        report.errors = dict(self._errors)
        if meter.price is not None or self._usd:
            report.usd = self._usd
            report.usd_uncertain = (meter.usd_uncertain or 0.0) - self._uncertain_before
        meter.settle()
        self._settings.emit(
            "finished",
            total=report.answered,
            tokens_in=report.tokens_in,
            tokens_out=report.tokens_out,
            seconds=seconds,
            usd=report.usd,
            reason=report.stopped,
            detail=report.message,
        )

    def _store(self, completion: Completion) -> StorageError | None:
        if self._unsaved:
            self._unsaved.append(completion)
            return None
        try:
            self._sink.completion(completion)
            self.is_full = getattr(self._sink, "is_full", False)
        except StorageError as error:
            self._unsaved.append(completion)
            return error
        return None

    def _no_usage(self, job: Job, answered: int) -> None:
        """Count a reply without token counts at the most that it can have cost."""
        self.settle_broken(job, "malformed", answered=answered)
        if not self._warned_of_usage:
            self._warned_of_usage = True
            detail = "The server does not say how many tokens it used. Budgets count each call at its maximum."
            self._settings.emit("warning", reason="no_usage", detail=detail)

    def _check_model(self, got: str, wanted: str) -> None:
        # Servers answer with a dated name, or with the last part of a path; an evaluation adds a hash of local weights
        # and the arithmetic they are computed in.
        same = any(got.startswith(name) for name in wanted.split(" | "))
        same = same or wanted.endswith(f"/{got}") or got.endswith(f"/{wanted}")
        same = same or wanted.startswith((f"{got}@", f"{got} "))
        if not same and got not in self._other_models:
            self._other_models.add(got)
            detail = f'Asked for model "{wanted}", the server answers as "{got}". The replies are kept under that name.'
            self._settings.emit("warning", reason="other_model", detail=detail)
