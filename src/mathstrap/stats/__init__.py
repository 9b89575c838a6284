"""Compute a run's numbers from its records: funnel, yields, lengths, rejects, cost. Knows nothing of files or pages.

A run is read once, whatever its size: one `MethodCounts` per method and seed question gives the numbers and intervals
of every group (all, by method, dataset, difficulty).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

from mathstrap.parallel import ChunkMap, chunks_of, here
from mathstrap.patterns import regex
from mathstrap.stats.estimates import Estimate, ratio_of, share_of
from mathstrap.types import (
    METHODS,
    Completion,
    Failure,
    Outcome,
    Problem,
    Reject,
    ReplyUsage,
    is_check,
    problem_of,
    root_of,
)

ANSWER_STAGES: tuple[str, ...] = ("asked", "answered", "parsed", "correct", "kept")
FUNNEL: tuple[str, ...] = ("drafted", "passed", *ANSWER_STAGES)
RESPONSES_PER_CHUNK = 5_000


class HasId(Protocol):
    """A record with an id."""

    @property
    def id(self) -> str:
        """The id."""


class HasResponse(HasId, Protocol):
    """A sample, or the part of it that is counted."""

    @property
    def response(self) -> str:
        """The solution."""


class HasOutcome(Protocol):
    """A verdict, or the part of it that is counted."""

    @property
    def candidate(self) -> str:
        """The id of the graded answer."""

    @property
    def outcome(self) -> Outcome:
        """The verdict."""


@dataclass(frozen=True, kw_only=True)
class PlannedDraws:
    """The requests of the present recipe, among all that were ever paid for in a run directory.

    draws   question id -> the number of draws, and the key of their request
    keys    "id NUL key" of every other request
    """

    draws: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    keys: Set[str] = frozenset()

    def asks(self, request: str, key: str) -> bool:
        """Say whether this request with this key is part of the plan."""
        question, _, draw = request.rpartition("#")
        num_draws, drawn = self.draws.get(question, (0, ""))
        is_draw = drawn == key and draw.isascii() and draw.isdecimal() and len(draw) < 10 and int(draw) < num_draws
        return is_draw or f"{request}\0{key}" in self.keys


@dataclass(frozen=True, kw_only=True)
class RunRecords:
    """A run's records; each is read once. `rewrites` and `replies` are the replies of the paid stages.

    Without a plan every reply counts, because the run does not know yet which ones it uses.
    """

    plan: PlannedDraws | None = None

    problems: Iterable[Problem] = ()
    rewrites: Iterable[ReplyUsage | Completion] = ()
    replies: Iterable[ReplyUsage | Completion] = ()
    failures: Iterable[Failure] = ()
    candidates: Iterable[HasId] = ()
    verdicts: Iterable[HasOutcome] = ()
    rejects: Iterable[Reject] = ()
    samples: Iterable[HasResponse] = ()


@dataclass(slots=True)
class MethodCounts:
    """The counters of one method at one seed question; words, steps and kept_tokens are sums over kept samples.

    `computed` and `computed_kept` are the correct and the kept answers of worked solutions, which no teacher gave.
    """

    drafted: int = 0
    passed: int = 0
    asked: int = 0
    answered: int = 0
    parsed: int = 0
    correct: int = 0
    wrong: int = 0
    undecided: int = 0
    kept: int = 0
    words: int = 0
    steps: int = 0
    kept_tokens: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    computed: int = 0
    computed_kept: int = 0
    usd_stated: float = 0.0  # the cost that servers stated, for the tokens stated_in and stated_out
    stated_in: int = 0
    stated_out: int = 0

    def pay(self, reply: ReplyUsage | Completion) -> None:
        """Count the tokens and the cost of a reply."""
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out
        if reply.usd is not None:
            self.usd_stated += reply.usd
            self.stated_in += reply.tokens_in
            self.stated_out += reply.tokens_out

    def usd(self, price: Callable[[int, int], float]) -> float:
        """Return the cost: as stated by the servers, and by a price for the other tokens."""
        return self.usd_stated + price(self.tokens_in - self.stated_in, self.tokens_out - self.stated_out)


@dataclass(frozen=True, kw_only=True)
class GroupNumbers:
    """The numbers of one slice of a run.

    `counts` has the stages of the funnel, first questions that were drafted and that passed, then answers, and the
    outcomes. `accuracy` is correct / answered: a reply without an answer counts as wrong. `kept_share` is kept / asked.
    Both leave out answers that were computed and not asked for. Lengths are means over kept samples. Tokens and
    dollars are everything spent on the slice, rewrites included, per kept sample.
    """

    name: str
    counts: dict[str, int]
    accuracy: Estimate
    kept_share: Estimate
    words: Estimate
    tokens: Estimate
    steps: Estimate
    tokens_per_kept: Estimate
    usd_per_kept: Estimate | None


@dataclass(frozen=True, kw_only=True)
class OtherReplies:
    """Replies that an earlier recipe of the run paid for and the present recipe does not use."""

    replies: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None

    @property
    def sentence(self) -> str:
        """The sentence on them; empty without such replies."""
        if not self.replies:
            return ""
        replies = "1 reply" if self.replies == 1 else f"{self.replies:,} replies"
        cost = "" if self.usd is None else f", ${self.usd:,.2f}"
        return f"paid for, not part of this recipe: {replies}, {self.tokens_in + self.tokens_out:,} tokens{cost}"


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Every number of a run; `rejects` counts reason -> method -> rows, `lengths` method -> unit -> value -> rows.

    `finish_reasons` keeps a server's unknown word in brackets: `unknown (tired)`. `tokens_reasoning` are the tokens_out
    of thoughts, `thoughts` the replies that have one. `by_teacher` is empty for a run of one teacher; rewrites count
    for their own teacher. Only the present recipe's requests are counted; `other` has the remaining replies. `computed`
    counts the correct answers of worked solutions, which no teacher gave.
    """

    everything: GroupNumbers
    by_method: dict[str, GroupNumbers]
    by_dataset: dict[str, GroupNumbers]
    by_difficulty: dict[str, GroupNumbers]
    rejects: dict[str, dict[str, int]]
    finish_reasons: dict[str, int]
    lengths: dict[str, dict[str, Counter[int]]]
    seeds: int
    tokens_in: int
    tokens_out: int
    usd: float | None
    tokens_reasoning: int = 0
    thoughts: int = 0
    by_teacher: dict[str, GroupNumbers] = field(default_factory=dict)
    other: OtherReplies = field(default_factory=OtherReplies)
    computed: int = 0

    @property
    def computed_sentence(self) -> str:
        """The reason why a funnel may widen at "parsed"; empty where no answer was computed."""
        if not self.computed:
            return ""
        were, join = ("1 answer was", "joins") if self.computed == 1 else (f"{self.computed:,} answers were", "join")
        return f"{were} computed, not asked for, and {join} at parsed"

    @property
    def tokens_sentence(self) -> str:
        """The run's number of tokens, and how many of them were thoughts."""
        sentence = f"{self.tokens_in:,} prompt and {self.tokens_out:,} reply tokens"
        if not self.tokens_reasoning:
            return sentence
        return f"{sentence}, {self.tokens_reasoning:,} of these for thinking in {self.thoughts:,} replies"

    @property
    def unknown_endings(self) -> dict[str, int]:
        """The servers' unknown finish reasons, and the number of replies with each."""
        prefix, suffix = UNKNOWN_END.split("%s")
        names = [name for name in self.finish_reasons if name.startswith(prefix)]
        return {name.removeprefix(prefix).removesuffix(suffix): self.finish_reasons[name] for name in names}


UNKNOWN_END = "unknown (%s)"


@dataclass
class _Tally:
    """The running sums of the pass over the records."""

    cells: defaultdict[tuple[str, str], MethodCounts] = field(default_factory=lambda: defaultdict(MethodCounts))
    seeds: dict[str, tuple[str, str]] = field(default_factory=dict)  # seed id -> (dataset, difficulty)
    rejects: dict[str, dict[str, int]] = field(default_factory=dict)
    finish: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, dict[str, Counter[int]]] = field(default_factory=dict)
    tokens_reasoning: int = 0
    thoughts: int = 0
    is_mixed: bool = False
    # (teacher, seed) -> the same counters
    teachers: defaultdict[tuple[str, str], MethodCounts] = field(default_factory=lambda: defaultdict(MethodCounts))
    who: dict[str, str] = field(default_factory=dict)  # reply id -> who wrote it
    other: MethodCounts = field(default_factory=MethodCounts)  # what is not part of the plan
    last: tuple[str, MethodCounts] | None = None  # the question of the last record, and its counters

    def teacher_cell(self, record_id: str) -> MethodCounts | None:
        """Return the counters of a reply's teacher; None in a run of one teacher."""
        name = self.who.get(record_id)
        if name is None:
            return None
        return self.teachers[name, root_of(record_id)]

    def both(self, record_id: str) -> list[MethodCounts]:
        """Return the counters of an answer's record: its method's, and with several teachers its teacher's."""
        own = self.teacher_cell(record_id)
        return [self.cell(record_id)] if own is None else [self.cell(record_id), own]

    def reply(self, reply: ReplyUsage | Completion) -> None:
        """Count a reply's finish reason and reasoning tokens."""
        is_named = reply.finish_reason == "unknown" and reply.ended
        self.finish[UNKNOWN_END % reply.ended if is_named else reply.finish_reason] += 1
        self.tokens_reasoning += reply.tokens_reasoning
        self.thoughts += bool(reply.tokens_reasoning or reply.has_thought)

    def cell(self, record_id: str) -> MethodCounts:
        # Records come in the order of their questions, and looking at the last one first takes a fifth of the time.
        question = problem_of(record_id)
        if self.last is None or self.last[0] != question:
            self.last = question, self.cells[method_of(record_id), root_of(record_id)]
        return self.last[1]


def analyse(
    records: RunRecords,
    *,
    usd: Callable[[int, int], float] | None = None,
    map_chunks: ChunkMap = here,
    is_mixed: bool = False,
) -> Analysis:
    """Return every number of a run; `usd` prices (tokens in, tokens out), None where no price is known.

    `is_mixed` says that the run has several teachers, which are also counted separately.
    """
    tally = _Tally(is_mixed=is_mixed)
    _count_questions(tally, records)
    tokens = _count_replies(tally, records)
    _count_answers(tally, records, tokens)
    responses = ((sample.id, sample.response) for sample in records.samples)
    for lengths in map_chunks(measure, None, chunks_of(responses, RESPONSES_PER_CHUNK)):
        _count_samples(tally, lengths, tokens)
    whole = _group("all", tally.cells, usd)
    tokens_in = sum(cell.tokens_in for cell in tally.cells.values())
    tokens_out = sum(cell.tokens_out for cell in tally.cells.values())
    unknown = ("unknown", "unknown")
    return Analysis(
        everything=whole,
        by_method=_split(tally.cells, lambda method, _: method, usd),
        by_dataset=_split(tally.cells, lambda _, seed: tally.seeds.get(seed, unknown)[0], usd),
        by_difficulty=_split(tally.cells, lambda _, seed: tally.seeds.get(seed, unknown)[1], usd),
        rejects={reason: dict(sorted(counts.items())) for reason, counts in sorted(tally.rejects.items())},
        finish_reasons=dict(sorted(tally.finish.items())),
        lengths=tally.lengths,
        seeds=len(tally.seeds),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        usd=sum(cell.usd(usd) for cell in tally.cells.values()) if usd else None,
        by_teacher=_split(tally.teachers, lambda who, _: who, usd) if is_mixed else {},
        tokens_reasoning=tally.tokens_reasoning,
        thoughts=tally.thoughts,
        other=OtherReplies(
            replies=tally.other.answered,
            tokens_in=tally.other.tokens_in,
            tokens_out=tally.other.tokens_out,
            usd=tally.other.usd(usd) if usd else None,
        ),
        computed=sum(cell.computed for cell in tally.cells.values()),
    )


def method_of(record_id: str) -> str:
    """Return the method in an id's lineage; an answer to a seed question is answer augmentation."""
    derived = record_id.partition("/")[2]
    if not derived:
        return "ans_aug"
    return derived.rpartition("/")[2].partition("#")[0].partition(".")[0]


def difficulty_of(seed: Problem) -> str:
    """Return the dataset's own level, else the steps of the gold solution, else the length of the question."""
    level = seed.tags.get("level")
    if level not in (None, ""):
        text = str(level)
        return text if text.lower().startswith("level") else f"Level {text}"
    steps = seed.solution.count("<<") or count_steps(seed.solution)
    if steps:
        return "1-2 steps" if steps <= 2 else "3-4 steps" if steps <= 4 else "5 or more steps"
    words = len(seed.question.split())
    return "under 30 words" if words < 30 else "30-59 words" if words < 60 else "60 or more words"


_CONCLUSION = regex(r"^\s*(?:####|the answer is:?\s)", re.IGNORECASE)
_SENTENCE = regex(r"[.!?](?=\s|$)")


def count_steps(text: str) -> int:
    """Return the number of reasoning steps: lines except concluding ones, or sentences of a single line."""
    lines = []
    for line in text.splitlines():
        first = line.lstrip()[:1]
        # Few lines can begin a conclusion; the pattern would cost twice as much for all as everything else here.
        if first and (first not in "#tT" or not _CONCLUSION.match(line)):
            lines.append(line)
    if len(lines) != 1:
        return len(lines)
    body = re.split(r"\bThe answer is:?\s", lines[0])[0]
    return max(1, len(_SENTENCE.findall(body)))


def quantile(counts: Mapping[int, int], at: float) -> float:
    """Return the lower quantile `at` (0 to 1) of value -> rows; NaN without rows."""
    total = sum(counts.values())
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= at * total:
            return float(value)
    return float("nan")


def _count_questions(tally: _Tally, records: RunRecords) -> None:
    drafted: dict[str, None] = {}  # in order: sums of the same floats in another order differ in their last digit
    usable: set[str] = set()
    for problem in records.problems:
        if problem.method == "seed":
            tally.seeds[problem.id] = (problem.dataset, difficulty_of(problem))
        else:
            drafted[problem.id] = None
            usable.add(problem.id)
    for reject in records.rejects:
        counts = tally.rejects.setdefault(reject.reason, {})
        method = "seed" if reject.stage == "seeds" else method_of(reject.id)
        counts[method] = counts.get(method, 0) + 1
        if reject.stage in ("rewrite", "filter") and "/" in reject.id:
            question = problem_of(reject.id)
            drafted[question] = None
            usable.discard(question)
    for question in drafted:
        tally.cell(question).drafted += 1
    for question in usable:
        tally.cell(question).passed += 1


def _count_replies(tally: _Tally, records: RunRecords) -> dict[str, int]:
    """Count the paid replies and return the reply tokens of each solve request."""
    tokens: dict[str, int] = {}
    plan = records.plan

    def is_planned(reply: ReplyUsage | Completion) -> bool:
        if plan is None or plan.asks(reply.request, reply.key):
            return True
        tally.other.answered += 1
        tally.other.pay(reply)
        return False

    def pay(reply: ReplyUsage | Completion) -> list[MethodCounts]:
        if tally.is_mixed:
            tally.who[reply.request] = reply.teacher or reply.model
        cells = tally.both(reply.request)
        for cell in cells:
            cell.pay(reply)
        tally.reply(reply)
        return cells

    for reply in filter(is_planned, records.rewrites):
        pay(reply)
    for reply in filter(is_planned, records.replies):
        cells = pay(reply)
        if is_check(reply.request):  # paid for, but not an answer to the question
            continue
        if reply.request not in tokens:  # an edited prompt leaves an older reply, which is paid but not counted
            for cell in cells:
                cell.asked += 1
                cell.answered += 1
        tokens[reply.request] = reply.tokens_out
    broken = {
        failure.id
        for failure in records.failures
        if "#" in failure.id and not is_check(failure.id) and (plan is None or plan.asks(failure.id, failure.key))
    }
    for request in broken - tokens.keys():
        tally.cell(request).asked += 1
    return tokens


def _count_answers(tally: _Tally, records: RunRecords, tokens: Mapping[str, int]) -> None:
    for candidate in records.candidates:
        for cell in tally.both(candidate.id):
            cell.parsed += 1
    for verdict in records.verdicts:
        for cell in tally.both(verdict.candidate):
            setattr(cell, verdict.outcome, getattr(cell, verdict.outcome) + 1)
            cell.computed += verdict.outcome == "correct" and verdict.candidate not in tokens


def measure(_: None, responses: list[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Return the words and steps of each response by its id."""
    return {name: (len(text.split()), count_steps(text)) for name, text in responses}


def _count_samples(tally: _Tally, lengths: Mapping[str, tuple[int, int]], tokens: Mapping[str, int]) -> None:
    for sample_id, (words, steps) in lengths.items():
        for cell in tally.both(sample_id):
            cell.kept += 1
            cell.computed_kept += sample_id not in tokens
            cell.words += words
            cell.steps += steps
            cell.kept_tokens += tokens.get(sample_id, 0)
        units = tally.lengths.setdefault(
            method_of(sample_id), {"words": Counter(), "tokens": Counter(), "steps": Counter()}
        )
        units["words"][words] += 1
        units["steps"][steps] += 1
        if sample_id in tokens:
            units["tokens"][tokens[sample_id]] += 1


Cells = Mapping[tuple[str, str], MethodCounts]
Usd = Callable[[int, int], float] | None
COUNTED = (*FUNNEL, "wrong", "undecided")


def _split(cells: Cells, name: Callable[[str, str], str], usd: Usd) -> dict[str, GroupNumbers]:
    parts: dict[str, dict[tuple[str, str], MethodCounts]] = {}
    for (method, seed), cell in cells.items():
        parts.setdefault(name(method, seed), {})[method, seed] = cell
    order = {method: place for place, method in enumerate(METHODS)}
    names = sorted(parts, key=lambda part: (order.get(part, len(order)), part))
    return {part: _group(part, parts[part], usd) for part in names}


def _group(name: str, cells: Cells, usd: Usd) -> GroupNumbers:
    seeds = _by_seed(cells)
    asked = [cell for cell in seeds if cell.asked]
    answered = [cell for cell in seeds if cell.answered]
    kept = [cell for cell in seeds if cell.kept]
    paying = [cell for cell in seeds if cell.tokens_in + cell.tokens_out or cell.asked or cell.kept]
    usd_per_kept = ratio_of([(cell.usd(usd), cell.kept) for cell in paying]) if usd else None
    return GroupNumbers(
        name=name,
        counts={stage: sum(getattr(cell, stage) for cell in seeds) for stage in COUNTED},
        accuracy=share_of([(cell.correct - cell.computed, cell.answered) for cell in answered]),
        kept_share=share_of([(cell.kept - cell.computed_kept, cell.asked) for cell in asked]),
        words=ratio_of([(cell.words, cell.kept) for cell in kept]),
        tokens=ratio_of([(cell.kept_tokens, cell.kept) for cell in kept]),
        steps=ratio_of([(cell.steps, cell.kept) for cell in kept]),
        tokens_per_kept=ratio_of([(cell.tokens_in + cell.tokens_out, cell.kept) for cell in paying]),
        usd_per_kept=usd_per_kept,
    )


def _by_seed(cells: Cells) -> list[MethodCounts]:
    """Return one cell per seed, the sum of its methods' cells."""
    merged: dict[str, MethodCounts] = {}
    shared: set[str] = set()
    for (_, seed), cell in cells.items():
        first = merged.get(seed)
        if first is None:
            merged[seed] = cell
            continue
        if seed not in shared:  # the first cell also belongs to its method's group, so it must not be changed
            shared.add(seed)
            first = merged[seed] = replace(first)
        for counter in _COUNTERS:
            setattr(first, counter, getattr(first, counter) + getattr(cell, counter))
    return list(merged.values())


_COUNTERS = tuple(counter.name for counter in fields(MethodCounts))
