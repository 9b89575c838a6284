"""Audit rows one by one: read their columns, find what is known about them, run the detectors. Streams, in order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from multiprocessing import get_all_start_methods, get_context
from typing import Any

import msgspec

from mathstrap.audit.defects import COMMAND, DEFECTS, AuditRow
from mathstrap.audit.unmask import BACKWARD, find_hidden
from mathstrap.columns import Columns, question_of, response_of, text_of
from mathstrap.curate.decontaminate import Index
from mathstrap.curate.paths import equations
from mathstrap.types import Style

MAX_QUERY = 100_000
MAX_RESPONSE = 200_000
ROWS_PER_CHUNK = 250
CHUNKS_AHEAD = 4
FORWARD_TYPES = re.compile(r"AnsAug|Rephras|rephras|ans_aug", re.IGNORECASE)
BACKWARD_TYPES = re.compile(r"FOBAR|_SV$|self_verification", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A seed question's gold answer and worked solution."""

    answer: str
    solution: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known beside the file: its columns, the seeds by normalised question, an index of test sets.

    `skip` names detectors that are not run; `near` maps a question's key to the earlier line that it nearly
    repeats.
    """

    columns: Columns
    seeds: Mapping[bytes, Seed] = field(default_factory=dict)
    index: Index | None = None
    skip: frozenset[str] = frozenset()
    near: Mapping[bytes, int] | None = None


class Finding(msgspec.Struct, frozen=True):
    """One defect of one row."""

    defect: str
    detail: str


class Checked(msgspec.Struct, frozen=True):
    """What came of one row: its findings, which detectors could judge it, its type and a key of its reasoning path."""

    line: int
    type: str
    findings: tuple[Finding, ...]
    judged: tuple[str, ...]
    path_key: bytes | None = None


def question_key(text: str) -> bytes:
    """Return a key that is the same for two questions equal but for case and layout."""
    return blake2b(" ".join(text.lower().split()).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def row_key(query: str, response: str) -> bytes:
    """Return a key that is the same for two rows equal but for case and layout."""
    joined = " ".join(query.lower().split()) + "\0" + " ".join(response.lower().split())
    return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def read_row(line: int, row: Mapping[str, Any], facts: Facts) -> AuditRow | str:
    """Return a row as the detectors see it, or say why it cannot be read."""
    columns = facts.columns
    query, response = question_of(row, columns), response_of(row, columns)
    for name, text, limit in (("question", query, MAX_QUERY), ("response", response, MAX_RESPONSE)):
        if text is None:
            column = (columns.query if name == "question" else columns.response) or columns.chat
            return f'no text for the {name} in "{column}" (found {describe(row.get(column))})'
        if len(text) > limit:
            return f"the {name} has {len(text):,} characters, expected at most {limit:,}"
    assert query is not None, "checked above"
    assert response is not None, "checked above"
    original, kind = text_of(row, columns.original) or "", text_of(row, columns.type) or ""
    is_backward = bool(BACKWARD_TYPES.search(kind) or (not FORWARD_TYPES.search(kind) and BACKWARD.search(query)))
    seed = facts.seeds.get(question_key(original or query))
    gold = text_of(row, columns.gold) or ""
    if "####" in gold:
        gold = gold.rpartition("####")[2].strip()
    if not gold and seed is not None and not is_backward:
        gold = seed.answer
    return AuditRow(
        line=line, query=query, response=response, original=original[:MAX_QUERY], type=kind,
        style=style_of(kind, query, response), is_backward=is_backward, gold=gold.strip(),
        seed_answer=seed.answer if seed else "", seed_solution=seed.solution if seed else "",
        checks_contamination=facts.index is not None, checks_near=facts.near is not None,
        near_twin=facts.near.get(question_key(query), 0) if facts.near else 0,
    )  # fmt: skip


def describe(value: object) -> str:
    """Return what a cell holds, for a message."""
    return "nothing" if value is None else "blank text" if isinstance(value, str) else f"a {type(value).__name__}"


def style_of(kind: str, query: str, response: str) -> Style:
    """Return whether a row is written in LaTeX (math) or in plain words, by its type or else its commands."""
    upper = kind.upper()
    if upper.startswith(("GSM", "MATH")):
        return "gsm8k" if upper.startswith("GSM") else "math"
    return "math" if COMMAND.search(query) or COMMAND.search(response) else "gsm8k"


def check_row(row: AuditRow, facts: Facts) -> Checked:
    """Fill in what only this row's texts say, run every detector that applies, and return what they found."""
    from mathstrap.verify import extract_answer

    found = extract_answer(row.response, "strict")
    row.stated = found.answer if found is not None else None
    if row.is_backward and row.original:
        row.hidden = find_hidden(row.original, row.query)
    if facts.index is not None:
        matches = facts.index.find(str(row.line), row.query)
        kinds = facts.index.options.drop
        best = next((match for match in matches if match.kind in kinds), None)
        if best is not None:
            row.contamination = f'{best.test_set} {best.test_id} ({best.kind} {best.score:.2f}): "{best.span[:120]}"'
    findings, judged = [], []
    for name, defect in DEFECTS.items():
        if name in facts.skip or not defect.applies(row):
            continue
        judged.append(name)
        detail = defect.find(row)
        if detail is not None:
            findings.append(Finding(name, detail))
    path_key = None
    if "same_path" not in facts.skip:
        path = equations(row.response)
        if path:
            path_key = question_key(row.query + "\0" + "\0".join(path))
    return Checked(row.line, row.type, tuple(findings), tuple(judged), path_key)


def check_all(rows: Iterable[AuditRow], facts: Facts, *, num_workers: int = 1) -> Iterator[Checked]:
    """Yield the result of each row, in order; a few chunks ahead in other processes with more than one worker.

    Workers are forked, so that they share the index of test sets; where the system cannot, one process does it all.
    """
    if num_workers < 2 or "fork" not in get_all_start_methods():
        for row in rows:
            yield check_row(row, facts)
        return
    stream = iter(rows)
    waiting: list[Future[list[Checked]]] = []
    with ProcessPoolExecutor(
        num_workers, mp_context=get_context("fork"), initializer=_start_worker, initargs=(facts,)
    ) as pool:
        while True:
            while len(waiting) < num_workers * CHUNKS_AHEAD and (chunk := list(islice(stream, ROWS_PER_CHUNK))):
                waiting.append(pool.submit(_check_chunk, chunk))
            if not waiting:
                return
            yield from waiting.pop(0).result()


_FACTS: Facts | None = None


def _start_worker(facts: Facts) -> None:
    global _FACTS
    _FACTS = facts


def _check_chunk(rows: list[AuditRow]) -> list[Checked]:
    assert _FACTS is not None, "the worker was started"
    return [check_row(row, _FACTS) for row in rows]
