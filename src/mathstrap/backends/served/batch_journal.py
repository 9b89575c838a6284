"""Record each step of submitting a batch, before and after it, so that no step is repeated after a crash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mathstrap.engine.budget import Reservation
from mathstrap.engine.interface import Sink
from mathstrap.engine.jobs import Job
from mathstrap.types import Request, Sampling


@dataclass(kw_only=True)
class Submitted:
    """A batch that was, or is about to be, created: its lines by custom id. `at` is Unix seconds."""

    token: str
    jobs: dict[str, Job]
    batch_id: str = ""
    at: float = 0.0


class Journal:
    """The batches of one stage, kept by its sink; without a journal in the sink, they are lost with the process."""

    def __init__(self, sink: Sink) -> None:
        self._write = getattr(sink, "journal", _forget)
        self._entries = getattr(sink, "journal_entries", list)

    def submitting(self, batch: Submitted) -> None:
        """Record that a batch with this token is about to be created."""
        self._write({"event": "submitting", "token": batch.token, "at": batch.at, "lines": _shown(batch.jobs)})

    def submitted(self, batch: Submitted) -> None:
        """Record that the batch exists."""
        self._write({"event": "submitted", "token": batch.token, "batch": batch.batch_id})

    def closed(self, batch: Submitted) -> None:
        """Record that the batch's replies are stored, or that it was never created."""
        self._write({"event": "closed", "token": batch.token})

    def unfinished(self) -> list[Submitted]:
        """Return the batches that were submitted, or may have been, and are not closed; oldest first."""
        known: dict[str, Submitted] = {}
        for entry in self._entries():
            token = str(entry["token"])
            if entry["event"] == "submitting":
                known[token] = Submitted(token=token, jobs=_read(entry["lines"]), at=float(entry["at"]))
            elif entry["event"] == "submitted":
                known[token].batch_id = str(entry["batch"])
            else:
                del known[token]
        return list(known.values())


def _forget(record: dict[str, Any]) -> None:
    del record


def _shown(jobs: dict[str, Job]) -> dict[str, Any]:
    return {
        name: {
            "requests": [[request.id, request.key] for request in job.requests],
            "hold": [job.reserved.requests, job.reserved.tokens_in, job.reserved.tokens_out],
        }
        for name, job in jobs.items()
    }


def _read(lines: dict[str, Any]) -> dict[str, Job]:
    jobs = {}
    for name, line in lines.items():
        job = Job(
            [
                Request(id=request_id, key=key, model="", messages=(), sampling=Sampling())
                for request_id, key in line["requests"]
            ]
        )
        requests, tokens_in, tokens_out = line["hold"]
        job.reserved = Reservation(requests=requests, tokens_in=tokens_in, tokens_out=tokens_out, is_journaled=True)
        job.attempt = 1
        jobs[name] = job
    return jobs
