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

    `map_chunks` runs plain Python in several processes, `map_searches` runs searches in compiled libraries, whose
    threads do not survive a fork.
    """

    recipe: RunRecipe
    run: RunDir
    teacher: Teacher
    map_chunks: ChunkMap
    map_searches: ChunkMap


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Which answers were asked for: the draws of each problem, and the key of what its prompt asks.

    `graded` holds the answers of each round if an adaptive policy had to grade them; else it is empty.
    """

    draws: Mapping[str, range] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    graded: tuple[Scratch[Answer], ...] = ()


@dataclass(frozen=True, kw_only=True)
class State:
    """The results of the stages so far; a stage returns a new state and changes nothing in place.

    problems   the questions to answer, in id order
    votes      usage of the draws that label seeds without an answer
    voted      the requests of these draws and of the checks of their answers
    labels     usage of labelling beyond the draws that also serve as answers
    planned    how many answers each method wanted before its rewrites were cut to the budget
    parts      how the mix was filled, where the recipe names parts or a total
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
    """Yield the requests and note each one's key under the id of its question.

    A prompt is rendered and hashed on its way to the teacher; the noted key finds its reply again without doing either
    a second time. Draws of one question mostly share a key, so a million of them take little memory; a draw with
    another key (it asks another teacher) is noted under its own id.
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
    """Yield a record of the key of each question, and one of each draw whose key differs."""
    for problem_id, wanted in draws.items():
        if not wanted:
            continue
        yield Asked(id=problem_id, key=keys[problem_id], draws=wanted.stop)
        for request_id in (f"{problem_id}#{draw}" for draw in wanted):
            if request_id in keys:
                yield Asked(id=request_id, key=keys[request_id])
