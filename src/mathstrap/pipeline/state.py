"""The context that every stage of a run may use, and the state that stages pass on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mathstrap.curate.mix import Part
from mathstrap.curate.sampling import Shortfall
from mathstrap.files.rundir import Key, RunDir
from mathstrap.files.tables import Scratch
from mathstrap.parallel import ChunkMap
from mathstrap.pipeline.derive import Answer
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.seeds import Seeds
from mathstrap.pipeline.teacher import Teacher
from mathstrap.types import Asked, Problem, Reject, Request, Usage, problem_of


@dataclass(frozen=True, kw_only=True)
class Context:
    """What every stage may use.

    `map_chunks` computes what is plain Python, `map_searches` what searches with compiled libraries.
    """

    recipe: RunRecipe
    run: RunDir
    teacher: Teacher
    map_chunks: ChunkMap
    map_searches: ChunkMap


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Which answers were asked for: the draws of each problem, and the key of what its prompt asks.

    `graded` holds the answers of each round where the rounds had to grade them to go on; empty where nothing did.
    """

    draws: Mapping[str, range] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    graded: tuple[Scratch[Answer], ...] = ()


@dataclass(frozen=True, kw_only=True)
class State:
    """The results of the stages so far; a stage returns another one and changes nothing in place.

    problems   the questions to answer, in id order
    votes      what the draws used that label seeds without an answer
    voted      what these draws ask, and what checks their answers
    labels     what labels used beyond the draws that serve as answers
    planned    how many answers each method wanted before its rewrites were cut to the budget
    parts      what became of the mix, where the recipe names parts or a total
    """

    seeds: Seeds
    problems: tuple[Problem, ...] = ()
    rejects: tuple[Reject, ...] = ()
    votes: Usage = field(default_factory=Usage)
    voted: tuple[Asked, ...] = ()
    labels: Usage = field(default_factory=Usage)
    planned: Mapping[str, int] = field(default_factory=dict)
    answers: Answers = field(default_factory=Answers)
    shortfall: tuple[Shortfall, ...] = ()
    parts: tuple[Part, ...] = ()
    num_samples: int = 0


StageFunction = Callable[[State, Context], State]


def noting_keys(requests: Iterable[Request], keys: dict[str, str]) -> Iterator[Request]:
    """Yield the requests and note under each one's question what it asks.

    A prompt is rendered and hashed on its way to the teacher; with its key its reply is found again without doing
    either a second time. Draws of one question mostly share the key, so a million of them are noted in little memory;
    one that asks something else (of another teacher) is noted under its own id.
    """
    for request in requests:
        if keys.setdefault(problem_of(request.id), request.key) != request.key:
            keys[request.id] = request.key
        yield request


def keys_of_draws(draws: Mapping[str, range], keys: Mapping[str, str]) -> Iterator[Key]:
    """Yield id and key of every draw, in the order of `draws`."""
    for problem_id, wanted in draws.items():
        for draw in wanted:
            request_id = f"{problem_id}#{draw}"
            yield request_id, keys.get(request_id) or keys[problem_id]


def asked_of_draws(draws: Mapping[str, range], keys: Mapping[str, str]) -> Iterator[Asked]:
    """Yield what these draws ask, a record for each question and one for each draw that asks something else."""
    for problem_id, wanted in draws.items():
        if not wanted:
            continue
        yield Asked(id=problem_id, key=keys[problem_id], draws=wanted.stop)
        for request_id in (f"{problem_id}#{draw}" for draw in wanted):
            if request_id in keys:
                yield Asked(id=request_id, key=keys[request_id])
