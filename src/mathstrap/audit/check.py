"""Audit rows one by one: read the columns, look up seeds and test sets, run the detectors. Streams, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import Any, TypeVar

import msgspec

from mathstrap.audit.defects import COMMAND, DEFECTS, AuditRow, Defect, is_mask_irrelevant, statements
from mathstrap.audit.unmask import BACKWARD, find_hidden
from mathstrap.curate.decontaminate import Match, TestSetIndex
from mathstrap.curate.paths import read_reasoning
from mathstrap.parallel import chunks_of, in_processes
from mathstrap.patterns import regex
from mathstrap.problems.columns import Columns, gold_of, question_of, response_of, text_of
from mathstrap.types import Style

# Longer texts are bad rows: the patterns and the grader run over every text, and a file may hold anything.
MAX_QUERY = 100_000
MAX_RESPONSE = 200_000
ROWS_PER_CHUNK = 250
# Bounds the memory of Facts.known at some 100 MB.
MAX_KNOWN = 300_000
FORWARD_TYPES = regex(r"AnsAug|Rephras|rephras|ans_aug", re.IGNORECASE)
BACKWARD_TYPES = regex(r"FOBAR|_SV$|self_verification", re.IGNORECASE)


Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A seed question's gold answer and worked solution."""

    answer: str
    solution: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The context of a row: the file's columns, the seeds by normalised question, an index of test sets.

    `questions_only` leaves responses out. `skip` names detectors that are not run; `near` maps a question's key to
    the earlier line that it nearly repeats. `known` caches results per question or mask, which recur with every draw.
    """

    columns: Columns
    seeds: Mapping[bytes, Seed] = field(default_factory=dict)
    index: TestSetIndex | None = None
    skip: frozenset[str] = frozenset()
    near: Mapping[bytes, int] | None = None
    questions_only: bool = False
    known: dict[bytes, Any] = field(default_factory=dict)

    def remembered(self, key: bytes, find: Callable[[], Value]) -> Value:
        """Return the result of `find`, from the cache where the key was looked up before."""
        if key in self.known:
            known: Value = self.known[key]
            return known
        value = find()
        if len(self.known) < MAX_KNOWN:
            self.known[key] = value
        return value


class Finding(msgspec.Struct, frozen=True):
    """One defect of one row."""

    defect: str
    detail: str


class Checked(msgspec.Struct, frozen=True):
    """The result of one row: its findings, the detectors that could judge it, its type, a key of its equations."""

    line: int
    type: str
    findings: tuple[Finding, ...]
    judged: tuple[str, ...]
    path_key: bytes | None = None


def question_key(text: str) -> bytes:
    """Return a key that is the same for two questions that differ only in case and layout."""
    return blake2b(" ".join(text.lower().split()).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def row_key(row: AuditRow) -> bytes:
    """Return a key that is the same for two rows that differ only in case and layout."""
    response = " ".join(row.response.lower().split()).encode("utf-8", "surrogatepass")
    return blake2b(row.key + response, digest_size=12).digest()


def read_row(line: int, row: Mapping[str, Any], facts: Facts) -> AuditRow | str:
    """Return a row as the detectors see it, or the reason why it cannot be read."""
    columns = facts.columns
    query, response = question_of(row, columns), response_of(row, columns)
    if facts.questions_only:
        response = ""
    for name, text, limit in (("question", query, MAX_QUERY), ("response", response, MAX_RESPONSE)):
        if text is None:
            column = (columns.query if name == "question" else columns.response) or columns.chat
            return f'no text for the {name} in "{column}" (found {describe(row.get(column))})'
        if len(text) > limit:
            return f"the {name} has {len(text):,} characters, expected at most {limit:,}"
    assert query is not None, "checked above"
    assert response is not None, "checked above"
    return AuditRow(
        line=line, query=query, response=response, key=question_key(query),
        original=(text_of(row, columns.original) or "")[:MAX_QUERY],
        type=text_of(row, columns.type) or "", gold=gold_of(row, columns),
    )  # fmt: skip


def describe(value: object) -> str:
    """Return the kind of a cell's value, for a message."""
    return "nothing" if value is None else "blank text" if isinstance(value, str) else f"a {type(value).__name__}"


def style_of(kind: str, query: str, response: str) -> Style:
    """Return "math" for a row in LaTeX, else "gsm8k": by its type, else by its LaTeX commands."""
    upper = kind.upper()
    if upper.startswith(("GSM", "MATH")):
        return "gsm8k" if upper.startswith("GSM") else "math"
    return "math" if COMMAND.search(query) or COMMAND.search(response) else "gsm8k"


def look_up(row: AuditRow, facts: Facts) -> None:
    """Fill in the row's derived fields from its texts and the facts, for the detectors to read."""
    from mathstrap.verify import extract_answer

    seed = None
    if facts.seeds:
        seed = facts.seeds.get(question_key(row.original) if row.original and row.original != row.query else row.key)
    row.style = style_of(row.type, row.query, row.response)
    row.is_backward = bool(
        BACKWARD_TYPES.search(row.type) or (not FORWARD_TYPES.search(row.type) and BACKWARD.search(row.query))
    )
    if seed is not None:
        row.gold = row.gold or ("" if row.is_backward else seed.answer.strip())
        row.seed_answer, row.seed_solution = seed.answer, seed.solution
    answer = extract_answer(row.response, "strict") if row.response else None
    row.stated = answer.answer if answer is not None else None
    row.statements = statements(row.response)
    if row.response and not {"same_path", "false_arithmetic", "wrong_output", "contradicts_steps"} <= facts.skip:
        row.reasoning = read_reasoning(row.response, row.query)
    if row.is_backward and row.original:
        row.hidden = find_hidden(row.original, row.query)
        if row.hidden is not None and row.seed_solution and "irrelevant_mask" not in facts.skip:
            mask = b"mask" + question_key(f"{row.original}\0{row.hidden.answer}\0{row.hidden.is_percent}\0{row.style}")
            row.is_mask_irrelevant = facts.remembered(mask, lambda: is_mask_irrelevant(row))
    row.checks_near, row.checks_contamination = facts.near is not None, facts.index is not None
    row.near_twin = facts.near.get(row.key, 0) if facts.near else 0
    if facts.index is not None and "contaminated" not in facts.skip:
        index = facts.index
        row.contamination = facts.remembered(row.key, lambda: named(index.find("row", row.query), index))


def look_up_tests(rows: list[AuditRow], facts: Facts) -> None:
    """Cache which test questions the rows ask; all rows together take a tenth of the time of one after the other."""
    if facts.index is None or "contaminated" in facts.skip:
        return
    asked = {row.key: row.query for row in reversed(rows)}  # reversed, so that the first row of a key remains
    index = facts.index
    open_keys = [key for key in asked if key not in facts.known]
    all_matches = index.find_texts([("row", asked[key]) for key in open_keys])
    for key, matches in zip(open_keys, all_matches, strict=True):
        facts.remembered(key, lambda: named(matches, index))  # noqa: B023 - called at once


def named(matches: list[Match], index: TestSetIndex) -> str:
    """Return the match for which a question is dropped, in words; empty where there is none."""
    best = next((match for match in matches if match.kind in index.options.drop), None)
    return f'{best.test_set} {best.test_id} ({best.kind} {best.score:.2f}): "{best.span[:120]}"' if best else ""


@lru_cache(maxsize=8)
def _detectors(skip: frozenset[str]) -> tuple[tuple[str, Defect], ...]:
    """Return the detectors that are run."""
    return tuple((name, defect) for name, defect in DEFECTS.items() if name not in skip)


def check_row(row: AuditRow, facts: Facts) -> Checked:
    """Run every detector that applies to a row and return the findings."""
    look_up(row, facts)
    findings, judged = [], []
    for name, defect in _detectors(facts.skip):
        if not defect.applies(row):
            continue
        judged.append(name)
        detail = defect.find(row)
        if detail is not None:
            findings.append(Finding(name, detail))
    path_key = None
    if "same_path" not in facts.skip and row.reasoning.path:
        path_key = blake2b(row.key + "\0".join(row.reasoning.path).encode(), digest_size=12).digest()
    return Checked(row.line, row.type, tuple(findings), tuple(judged), path_key)


def check_all(rows: Iterable[AuditRow], facts: Facts, *, num_workers: int = 1) -> Iterator[Checked]:
    """Yield the result of each row, in order; with several workers, processes work a few chunks ahead."""
    map_chunks = in_processes(num_workers)
    return chain.from_iterable(map_chunks(_check_chunk, facts, chunks_of(rows, ROWS_PER_CHUNK)))


def _check_chunk(facts: Facts, rows: list[AuditRow]) -> list[Checked]:
    look_up_tests(rows, facts)
    return [check_row(row, facts) for row in rows]
