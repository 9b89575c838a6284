"""Apply the decisions of reviewers: an edited text is graded in place of its reply, an approved answer is correct."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from mathstrap.files.rundir import Mark
from mathstrap.pipeline.derive import REVIEW, Answer
from mathstrap.types import Completion


def edited(replies: Iterable[Completion], marks: Mapping[str, Mark]) -> Iterator[Completion]:
    """Yield each reply, with a reviewer's text where there is one; an edited reply counts as complete."""
    for reply in replies:
        mark = marks.get(reply.request)
        if mark is not None and mark.action != "flag" and mark.text:
            reply = replace(reply, text=mark.text, finish_reason="stop")
        yield reply


def approved(answers: Iterable[Answer], marks: Mapping[str, Mark]) -> Iterator[Answer]:
    """Yield each answer; an approved one is correct, and names its reviewer where the checker disagreed."""
    for answer in answers:
        mark = marks.get(answer.id)
        verdict = answer.verdict
        if mark is None or mark.action != "approve" or verdict is None or verdict.outcome == "correct":
            yield answer
        else:
            verdict = replace(verdict, outcome="correct", grader=REVIEW, tier=REVIEW, reason=mark.words)
            yield Answer(candidate=answer.candidate, verdict=verdict)
