"""Compare a run's questions with test sets, drop those that occur there, and certify the rest and the seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from mathstrap.curate.certificate import Certificate, certificate
from mathstrap.curate.decontaminate import Match, TestSetIndex, contaminated
from mathstrap.curate.judge import PROMPT, confirmed, judge_requests, parse_judgement, settle
from mathstrap.parallel import ChunkMap, here
from mathstrap.pipeline.options import RunRecipe
from mathstrap.problems.testsets import load_test_sets
from mathstrap.prompts import load_prompt
from mathstrap.types import Completion, Problem, Request, roots_of

# Asks for the requests that have no reply yet and returns all replies that exist afterwards.
Ask = Callable[[list[Request]], Iterator[Completion]]


@dataclass(frozen=True, kw_only=True)
class ContaminationResult:
    """The contaminated questions, each with its match, the certificate, and whether a judge's reply is missing."""

    dropped: dict[str, Match]
    certificate: Certificate
    is_waiting: bool = False


def check_contamination(
    seeds: Sequence[Problem], problems: Sequence[Problem], recipe: RunRecipe, ask: Ask, *, map_chunks: ChunkMap = here
) -> ContaminationResult:
    """Compare every question with every test set of the recipe; the optional judge is the teacher itself."""
    options = recipe.decontaminate
    index = TestSetIndex.build(load_test_sets(options.against, data=options.data), options.matching)
    matches: list[Match] = []
    record = certificate(
        index,
        ((seed.id, seed.question) for seed in seeds),
        ((problem.id, problem.question) for problem in problems),
        on_match=matches.append,
        map_chunks=map_chunks,
    )
    dropped = contaminated(matches, options.matching)
    if options.descend:
        questions = ((seed.id, seed.question) for seed in seeds)
        roots = contaminated(index.find_all(questions, map_chunks=map_chunks), options.matching)
        for problem in problems:
            dropped.update((problem.id, roots[root]) for root in roots_of(problem) if root in roots)
    is_waiting = False
    if options.judge:
        same, is_waiting = judged_same(matches, problems, index, recipe, ask)
        dropped.update(same)
    return ContaminationResult(
        dropped=dropped, certificate=replace(record, dropped=len(dropped)), is_waiting=is_waiting
    )


def judged_same(
    matches: Sequence[Match], problems: Sequence[Problem], index: TestSetIndex, recipe: RunRecipe, ask: Ask
) -> tuple[dict[str, Match], bool]:
    """Return the neighbours that the judge calls the same problem in either order, and whether a reply is missing.

    Needs `matching.embedding`.
    """
    prompt = load_prompt(PROMPT)
    judge = recipe.panels["judging"].members[0]
    questions = {problem.id: problem.question for problem in problems}
    tests = dict(zip(index.names, index.texts, strict=True))
    neighbours = [match for match in matches if match.kind == "embedding"]
    pairs = {
        (match.id, match.test_set, match.test_id): judge_requests(
            match,
            questions[match.id],
            tests[match.test_set, match.test_id],
            prompt=prompt,
            model=judge.model,
            sampling=judge.sampling,
            teacher=judge.label,
        )
        for match in neighbours
    }
    requests = [request for pair in pairs.values() for request in pair]
    replies = {reply.request: parse_judgement(reply.text) for reply in ask(requests)}
    # Both orders of a pair are judged, because the answer of a model may depend on the order.
    verdicts = {key: settle(*(replies.get(request.id, "unclear") for request in pair)) for key, pair in pairs.items()}
    same = {key for key, verdict in verdicts.items() if verdict == "same"}
    dropped = {
        match.id: match
        for match in confirmed(neighbours, verdicts)
        if (match.id, match.test_set, match.test_id) in same
    }
    return dropped, len(replies) < len({request.id for request in requests})
