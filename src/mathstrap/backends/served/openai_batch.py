"""Ask through a Batch API, at half the price and within a day: submit, poll, and find batches again after a crash.

The stage's journal gets a line before a batch is created (with a token that the batch carries as metadata), one when it
exists, and one when its results are stored. A crash between any two of these steps neither loses nor repeats a batch.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import re
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mathstrap.backends import TeacherOptions, checked_settings
from mathstrap.backends.served.batch_api import Batch, BatchApi
from mathstrap.backends.served.batch_journal import Journal, Submitted
from mathstrap.backends.served.batch_providers import AnthropicBatches, GeminiBatches
from mathstrap.backends.served.chat import path_of, read_reply
from mathstrap.backends.served.fault import error_detail, error_for, status_of
from mathstrap.backends.served.loose import loose_object
from mathstrap.backends.served.openai import OpenAITeacher
from mathstrap.backends.served.openai import check_options as check_server
from mathstrap.engine.budget import reservation_for
from mathstrap.engine.interface import AskReport, AskSettings, Sink
from mathstrap.engine.jobs import NOTHING_RESERVED, Job
from mathstrap.engine.ledger import Ledger
from mathstrap.errors import PromptRefused, TeacherError, TransientError, check_name
from mathstrap.patterns import regex
from mathstrap.types import Request

ENDED = frozenset({"completed", "expired", "cancelled", "failed"})
NEVER = 1 << 62
APIS: dict[str, type[BatchApi]] = {"openai": BatchApi, "anthropic": AnthropicBatches, "gemini": GeminiBatches}
API_HOSTS = {"api.anthropic.com": "anthropic", "generativelanguage.googleapis.com": "gemini"}
# OpenAI and Gemini limit the tokens that wait in all batches of an account.
_ENQUEUED = regex(
    r"enqueued|token_limit_exceeded|resource[_ ](?:has been )?exhausted|exceeded your current quota", re.IGNORECASE
)
TRIAL_TRIES = 5  # a server may have to be adapted to in several ways
LISTED_AFTER_SECONDS = 20.0  # a batch just created may be missing from the list for a moment


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """The keys of `teacher.settings`.

    lines          the most requests in a batch (the service's limit is 50,000)
    batches        the most batches at once
    poll_seconds   how often they are polled
    max_n          the most draws in one line
    api            the kind of Batch API: openai, anthropic or gemini; empty = by the address
    trial          send the first request as a single call, to learn which fields the server rejects before a batch
    """

    lines: int = 10_000
    batches: int = 4
    poll_seconds: float = 30.0
    max_n: int = 16
    api: str = ""
    trial: bool = True


class BatchTeacher(OpenAITeacher):
    """Takes the whole plan at once; a single `ask` goes to the ordinary endpoint."""

    def __init__(self, options: TeacherOptions) -> None:
        self._settings = read_settings(options)
        hosts = [urlsplit(url).hostname or "" for url in options.urls]
        self.api = self._settings.api or next((API_HOSTS[host] for host in hosts if host in API_HOSTS), "openai")
        super().__init__(dataclasses.replace(options, settings={}))
        self.max_n = self._settings.max_n

    async def ask_many(self, requests: Iterable[Request], sink: Sink, ask_settings: AskSettings) -> AskReport:
        """Do the work of `engine.ask` through batches."""
        api = APIS[self.api](self._options, ask_settings.limits)
        if api.draws_per_line:
            self.supports_n = False
        try:
            return await _Filling(self, api, requests, sink, ask_settings).run()
        finally:
            await api.close()


FULL_POLLS = 10


class _Filling:
    """One `ask_many` while it runs."""

    def __init__(
        self, teacher: BatchTeacher, api: BatchApi, requests: Iterable[Request], sink: Sink, ask_settings: AskSettings
    ) -> None:
        self._teacher = teacher
        self._settings = teacher._settings
        self._api = api
        self._ask_settings = ask_settings
        self._ledger = Ledger(sink, ask_settings)
        self._journal = Journal(sink)
        self._is_journaled = hasattr(sink, "journal")
        if not self._is_journaled:
            detail = "This run does not remember its batches: one that is interrupted pays for them again."
            ask_settings.emit("warning", reason="no_journal", detail=detail)
        self._open: dict[str, Submitted] = {}
        self._elsewhere: set[str] = set()  # requests in batches of an earlier process
        self._met: dict[str, Request] = {}  # those of them that the plan has reached
        self._again: deque[Job] = deque()
        self._plan = self._jobs(iter(requests))
        self._next: Job | None = None
        self._error: BaseException | None = None
        self._is_full = False  # the account's limit of waiting tokens is reached; batches that end make room
        self._full_until = 0.0
        self._changed = asyncio.Event()

    async def _try_one(self) -> None:
        """Send the first request as a single call, to learn which fields the server rejects before a batch."""
        if not self._settings.trial or self._teacher.api != "openai" or self._open:
            return
        job = self._peek()
        if job is None:
            return
        self._next = None
        job.reserved = reservation_for(job.requests)
        if self._ask_settings.meter.reserve(job.reserved):
            self._again.appendleft(job)
            return
        self._ledger.sent(job)
        for _ in range(TRIAL_TRIES):
            try:
                completions = await self._teacher.ask(job.requests)
            except TransientError as error:
                if error.kind == "adapted":
                    continue
                break
            except PromptRefused:
                break  # the batch's own refusal counts
            except TeacherError as error:
                self._error = error
                break
            if completions:
                self._ledger.answered(job, completions, 0.0)
                rest = list(job.requests[len(completions) :])
                self._again.extendleft(Job([request]) for request in reversed(rest))
                self._ledger.tell(self._teacher.notices)
                return
        self._ask_settings.meter.release(job.reserved, unsent=True)
        job.reserved = NOTHING_RESERVED
        self._ledger.tell(self._teacher.notices)
        if self._error is None:
            self._again.appendleft(job)

    async def run(self) -> AskReport:
        started = asyncio.get_running_loop().time()
        ask_settings, report = self._ask_settings, self._ledger.report
        ask_settings.stop.listen(self._changed)
        ends_at = ask_settings.meter.begin(started)
        ask_settings.emit("started", total=ask_settings.total)
        await self._resume()
        await self._try_one()
        while True:
            stopping = bool(ask_settings.stop.presses) or self._error is not None or report.stopped != "done"
            self._is_full = self._is_full and bool(self._open) and asyncio.get_running_loop().time() < self._full_until
            while not stopping and not self._is_full and len(self._open) < self._settings.batches:
                jobs = self._chunk()
                if not jobs:
                    break
                await self._submit(jobs)
            if not self._open:
                if not self._is_full:
                    break
                await self._pause(ends_at)
                self._is_full = False
                continue
            await self._collect_ended()
            over = ends_at is not None and asyncio.get_running_loop().time() >= ends_at
            if ask_settings.stop.presses or over or self._error is not None:
                break
            if self._open:
                await self._pause(ends_at)
        if self._open and report.stopped == "done":
            report.stopped = "interrupted" if ask_settings.stop.presses else "budget"
        if self._open and report.stopped != "done":
            report.message = (
                f"{len(self._open)} batches are still with the server: run the same command to collect their replies."
            )
        elif ask_settings.stop.presses and report.stopped == "done" and self._peek() is not None:
            report.stopped, report.message = "interrupted", "Interrupted. Run the same command to go on."
        await self._ledger.save_again()
        self._ledger.finish(asyncio.get_running_loop().time() - started)
        if self._error is not None:
            raise self._error
        return report

    # Submitting

    def _jobs(self, requests: Iterator[Request]) -> Iterator[Job]:
        """Yield the plan as lines: draws of one prompt together, without the requests of earlier batches."""
        draws: list[Request] = []
        for request in requests:
            name = f"{request.id}\0{request.key}"
            if name in self._elsewhere:
                self._met[name] = request
                continue
            shares = self._teacher.supports_n and not request.sampling.asks_one_by_one
            most = self._teacher.max_n if shares else 1
            if draws and (draws[0].key != request.key or len(draws) >= most):
                yield Job(draws)
                draws = []
            draws.append(request)
        if draws:
            yield Job(draws)

    def _peek(self) -> Job | None:
        if self._next is None:
            self._next = self._again.popleft() if self._again else next(self._plan, None)
        return self._next

    def _chunk(self) -> dict[str, Job]:
        """Return the next batch's lines, as many as fit into a file and into the budget."""
        jobs: dict[str, Job] = {}
        size = 0
        path = ""
        while len(jobs) < self._settings.lines and size < self._api.largest_bytes:
            job = self._peek()
            if job is None or (path and path_of(job.requests[0]) != path):
                break
            job.reserved = reservation_for(job.requests, is_journaled=self._is_journaled)
            refused = self._ask_settings.meter.reserve(job.reserved)
            if refused:
                if not jobs and not self._open:
                    self._ledger.report.stopped = "budget"
                    self._ledger.report.message = self._ask_settings.meter.sentence(refused)
                break
            path = path_of(job.requests[0])
            size += job.reserved.tokens_in + 200
            first = job.requests[0]
            # The attempt is part of the name, so that a late result of an earlier batch cannot answer this line.
            jobs[hashlib.blake2b(f"{first.id} {first.key} {job.attempt}".encode(), digest_size=16).hexdigest()] = job
            self._next = None
        return jobs

    async def _submit(self, jobs: dict[str, Job]) -> None:
        path = path_of(next(iter(jobs.values())).requests[0])
        lines = [
            {"custom_id": name, "method": "POST", "url": f"/v1{path}", "body": self._teacher.body(job.requests)}
            for name, job in jobs.items()
        ]
        submitted: Submitted | None = None
        try:
            file_id = await self._api.upload(lines)
            submitted = Submitted(token=uuid.uuid4().hex, jobs=jobs, at=time.time())
            self._journal.submitting(submitted)
            submitted.batch_id = (await self._create(file_id, path, submitted)).id
        except (TransientError, TeacherError) as error:
            if _ENQUEUED.search(str(error)):
                if submitted is not None:
                    self._journal.closed(submitted)
                self._wait_for_room(str(error))
                for job in jobs.values():
                    self._ask_settings.meter.release(job.reserved, unsent=True)
                self._again.extendleft(reversed(jobs.values()))
                return
            self._error = error if isinstance(error, TeacherError) else TeacherError(f"{error} Run it again later.")
            for job in jobs.values():
                self._ask_settings.meter.release(job.reserved, unsent=True)
            return
        self._journal.submitted(submitted)
        self._open[submitted.token] = submitted
        for job in jobs.values():
            job.attempt += 1
            self._ledger.sent(job)

    def _wait_for_room(self, detail: str) -> None:
        """Submit nothing for some polls or until a batch ends: the account's limit of waiting tokens is reached."""
        self._is_full = True
        self._full_until = asyncio.get_running_loop().time() + FULL_POLLS * self._settings.poll_seconds
        sentence = f"The account may have no more tokens waiting in batches: {detail} What is left goes out later."
        self._ask_settings.emit("warning", reason="enqueued", detail=sentence)

    async def _create(self, file_id: str, path: str, submitted: Submitted) -> Batch:
        """Create the batch exactly once: if the outcome is unknown, look for the batch before trying again."""
        for attempt in range(self._ask_settings.limits.max_attempts):
            try:
                return await self._api.create_once(file_id, path=path, token=submitted.token)
            except TransientError as error:
                if _ENQUEUED.search(str(error)):
                    raise
                batch = await self._find(submitted, sent_at=time.time())
                if batch is not None:
                    return batch
                if attempt + 1 == self._ask_settings.limits.max_attempts:
                    raise
                await asyncio.sleep(error.retry_after_seconds or self._ask_settings.limits.backoff_seconds)
        raise AssertionError("max_attempts is at least 1")

    async def _find(self, submitted: Submitted, *, sent_at: float) -> Batch | None:
        while True:
            batch = await self._api.find(submitted.token, at=submitted.at, num_lines=len(submitted.jobs))
            wait = sent_at + min(LISTED_AFTER_SECONDS, 4 * self._settings.poll_seconds) - time.time()
            if batch is not None or wait <= 0:
                return batch
            await asyncio.sleep(min(wait, self._settings.poll_seconds))

    # Resuming

    async def _resume(self) -> None:
        """Take over the batches in the journal whose results were not collected."""
        for submitted in self._journal.unfinished():
            if not submitted.batch_id:
                batch = await self._find(submitted, sent_at=submitted.at)
                if batch is None:
                    self._journal.closed(submitted)
                    continue
                submitted.batch_id = batch.id
                self._journal.submitted(submitted)
            self._open[submitted.token] = submitted
            for job in submitted.jobs.values():
                self._ask_settings.meter.reserve_anyway(job.reserved)
                self._elsewhere.update(f"{request.id}\0{request.key}" for request in job.requests)

    # Collecting

    async def _collect_ended(self) -> None:
        for submitted in list(self._open.values()):
            batch = await self._api.look(submitted.batch_id)
            if batch.status in ENDED:
                await self._collect(submitted, batch)
                self._journal.closed(submitted)
                del self._open[submitted.token]

    async def _collect(self, submitted: Submitted, batch: Batch) -> None:
        """Store every reply of an ended batch, and ask again for lines without one."""
        left = dict(submitted.jobs)
        num_answered = self._ledger.report.answered
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                for line in await self._lines(file_id):
                    self._take_line(line, left)
        if batch.status == "failed":
            detail = error_detail(msgspec.json.encode(batch.errors))
            if _ENQUEUED.search(detail):
                self._wait_for_room(detail)
                for job in left.values():
                    self._ask_settings.meter.release(job.reserved, unsent=True)
                    job.reserved, job.requests = NOTHING_RESERVED, self._known(list(job.requests))
                    if job.requests:
                        self._again.append(job)
                return
            self._error = TeacherError(f"Batch {batch.id} was refused: {detail} Nothing of it was charged.")
        answered = self._ledger.report.answered > num_answered
        self._error = self._error or self._ledger.settle_refusals(answered=answered)
        for job in left.values():
            self._ask_again(job, TransientError(f"batch {batch.id} {batch.status} without a reply", kind="expired"))

    async def _lines(self, file_id: str) -> list[dict[str, Any]]:
        """Return a result file's lines; if one is unreadable, the file is fetched again, because it is paid for."""
        for _ in range(self._ask_settings.limits.max_attempts):
            data = await self._api.download(file_id)
            lines = [loose_object(line) for line in data.splitlines() if line.strip()]
            if None not in lines:
                break
            await asyncio.sleep(self._ask_settings.limits.backoff_seconds)
        return [line for line in lines if line is not None]

    def _take_line(self, line: dict[str, Any], left: dict[str, Job]) -> None:
        job = left.pop(str(line.get("custom_id")), None)
        if job is None:
            return
        status, body = result_of(line)
        status = status_of(status, body)
        try:
            if status != 200:
                raise error_for(status, body, {}, where="Batch API", request=job.requests[0], key_from="the key")
            read = read_reply(job.requests, body, 0.0)
            self._ledger.answered(job, self._teacher.as_asked(read.completions, job.requests[0]), 0.0)
        except TransientError as error:
            self._ask_again(job, error)
            return
        except PromptRefused as error:
            # A batch is judged as a whole after all its lines are read, hence no limit here.
            self._ledger.refused(job, error, time.monotonic(), in_flight=NEVER)
            return
        except TeacherError as error:
            self._ledger.settle_broken(job, "refused")
            self._error = self._error or error
            return
        rest = job.requests[len(read.completions) :]
        if rest:
            self._teacher.supports_n = self._teacher.supports_n and read.num_choices >= len(job.requests)
            self._again.extend(Job([request]) for request in self._known(list(rest)))

    def _ask_again(self, job: Job, error: TransientError) -> None:
        job.tries += 1
        given_up = job.tries >= self._ask_settings.limits.max_attempts
        self._ledger.broken(job, error, wait_seconds=None if given_up else 0.0)
        if given_up:
            return
        requests = self._known(list(job.requests))
        if requests:
            job.requests = requests
            self._again.append(job)

    def _known(self, requests: list[Request]) -> list[Request]:
        """Return the requests whose prompts the plan has yielded; the others come later."""
        known = []
        for request in requests:
            name = f"{request.id}\0{request.key}"
            self._elsewhere.discard(name)
            whole = self._met.pop(name, None) if not request.messages else request
            if whole is not None:
                known.append(whole)
        return known

    async def _pause(self, ends_at: float | None) -> None:
        seconds = self._settings.poll_seconds
        if ends_at is not None:
            seconds = min(seconds, max(0.0, ends_at - asyncio.get_running_loop().time()))
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return
        self._changed.clear()


def result_of(line: dict[str, Any]) -> tuple[int, bytes]:
    """Return the HTTP status and the body in a line of a result file; 500 if it names no status."""
    response = line.get("response")
    content = response if isinstance(response, dict) else {}
    status, body = str(content.get("status_code")), content.get("body") or line.get("error") or {}
    return int(status) if re.fullmatch("[1-5][0-9][0-9]", status) else 500, json.dumps(body).encode()


def read_settings(options: TeacherOptions) -> BatchSettings:
    """Return the checked settings; raises InputError with the key that is wrong."""
    settings = checked_settings(BatchSettings, options.settings, least=1)
    if settings.api:
        check_name("teacher.settings.api: ", "Batch API", settings.api, APIS)
    return settings


def check_options(options: TeacherOptions) -> None:
    """Raise InputError for a wrong setting, and where no model is named."""
    read_settings(options)
    check_server(dataclasses.replace(options, settings={}))


def open_teacher(options: TeacherOptions) -> BatchTeacher:
    """Return a teacher that asks through the Batch API."""
    return BatchTeacher(options)
