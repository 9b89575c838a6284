"""Choose which questions are answered and which answers become samples, and write those.

A run's answers are read from disk twice, so that texts never pile up in memory.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as with_fields
from itertools import chain, groupby
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from mathstrap.curate.dedup import DedupOptions, DuplicatePair, find_duplicates
from mathstrap.curate.difficulty import DifficultyOptions, Place, place_in_window
from mathstrap.curate.mix import Meta, label_keys, meta_of, mix, split
from mathstrap.curate.paths import false_equations, select_paths
from mathstrap.curate.uniqueness import fitting_twin
from mathstrap.files.rundir import Mark, RunDir
from mathstrap.parallel import ChunkMap, here
from mathstrap.pipeline.derive import make_sample, solve_prompt
from mathstrap.pipeline.options import CurateOptions, RunRecipe
from mathstrap.pipeline.state import Context, State
from mathstrap.share.write import export_run, plans_of, shares_of
from mathstrap.types import Candidate, Method, Problem, Reject, Sample, Verdict, problem_of, root_of, roots_of


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The answers that become samples, each with its false calculations, and rejects of the others of that outcome."""

    ids: dict[str, tuple[str, ...]]
    rejects: list[Reject] = field(default_factory=list)


def curate(state: State, context: Context) -> State:
    """Choose the samples; write them and their formats."""
    recipe, run = context.recipe, context.run
    outside: dict[str, Place] = {}
    if recipe.curate.difficulty is not None:
        solved = (reject.id for reject in state.rejects if reject.stage == "solve" and "#" in reject.id)
        outside = outside_window(graded(run), Counter(map(problem_of, solved)), recipe.curate.difficulty)
    flags = with_descendants(run.flags(), state.problems)
    marks = run.marks()
    approved = frozenset(name for name, mark in marks.items() if mark.action == "approve")
    problems = {problem.id: problem for problem in chain(state.seeds.problems, state.problems)}
    twins = {} if recipe.mode == "metamath-2024" else undetermined(graded(run), problems)
    chosen = choose(
        graded(run), recipe.curate, flags, approved=approved, outside=outside, twins=twins,
        map_chunks=context.map_chunks,
    )  # fmt: skip
    hashes = {problem.id: solve_prompt(problem, recipe).hash for problem in state.problems}
    keys = label_keys(recipe.mix)
    # Without targets, mixing needs only ids, and the samples are built once instead of twice.
    metas = (
        (meta_of(sample, keys) for sample in samples_of(graded(run), chosen.ids, problems, hashes, recipe, marks))
        if keys
        else (Meta(sample_id, root_of(sample_id)) for sample_id in chosen.ids)
    )
    mixed = mix(metas, recipe.mix, rng_seed=recipe.rng_seed)
    wanted = set(mixed.ids)
    surplus_ids = (sample_id for sample_id in chosen.ids if sample_id not in wanted)
    not_needed = [Reject(id=sample_id, stage="curate", reason="not_needed") for sample_id in surplus_ids]
    ids = {sample_id: chosen.ids[sample_id] for sample_id in mixed.ids}
    samples = samples_of(graded(run), ids, problems, hashes, recipe, marks)
    num_samples = run.write_records("samples", samples, parquet=Sample)
    curated = with_fields(
        state,
        rejects=(*state.rejects, *chosen.rejects, *not_needed),
        parts=tuple(mixed.parts) if recipe.mix.targets or recipe.mix.total else (),
        num_samples=num_samples,
    )
    write_exports(curated, context)
    return curated


def write_exports(state: State, context: Context) -> None:
    """Write the recipe's formats, and those that were exported from this run before, split by seed as they were.

    The reject file is written first: draws without an answer count in pass rates.
    """
    options, run = context.recipe.export, context.run
    plans = plans_of(run.path) | dict.fromkeys(options.formats, options.format_options)
    shares = shares_of(run.path) | dict.fromkeys(options.formats, options.validation_share)
    run.write_records("rejects", in_order(state.rejects))
    for share in sorted({shares[name] for name in plans}):
        validation = held_out(state.seeds.problems, share, rng_seed=context.recipe.rng_seed)
        these = {name: plan for name, plan in plans.items() if shares[name] == share}
        export_run(run, these, held_out=validation, share=share)


def in_order(rejects: Iterable[Reject]) -> list[Reject]:
    """Return rejects in the order of their file."""
    return sorted(rejects, key=lambda reject: (reject.id, reject.stage))


ANSWERS_PER_CHUNK = 300  # the work of a tenth of a second on one core

# Questions are compared within a kind: FOBAR and self-verification of one mask say nearly the same, on purpose.
# A new problem that says what a seed or a rephrasing says is not new.
KINDS: tuple[tuple[Method, ...], ...] = (("ans_aug", "rephrase", "new_problem"), ("self_verification",), ("fobar",))


def repeated_questions(
    problems: Iterable[Problem], options: DedupOptions, *, map_chunks: ChunkMap = here
) -> tuple[dict[str, str], list[DuplicatePair]]:
    """Return the questions to drop, each with the one it repeats, and all pairs that are alike; seeds come first."""
    dropped: dict[str, str] = {}
    pairs: list[DuplicatePair] = []
    by_method: dict[str, list[tuple[str, str]]] = {}
    for problem in problems:
        by_method.setdefault(problem.method, []).append((problem.id, problem.question))
    known = {method for kind in KINDS for method in kind}
    own = [(method,) for method in sorted(by_method) if method not in known]
    for kind in (*KINDS, *own):
        questions = (item for method in kind for item in by_method.get(method, []))
        duplicates = find_duplicates(questions, options, map_chunks=map_chunks)
        dropped.update(duplicates.dropped())
        pairs += duplicates.pairs
    return dropped, pairs


def held_out(seeds: Iterable[Problem], share: float, *, rng_seed: int) -> frozenset[str]:
    """Return the seeds kept for validation; seeds that nearly repeat each other are on one side."""
    if not share:
        return frozenset()
    questions = [(seed.id, seed.question) for seed in seeds]
    together = find_duplicates(questions).dropped()
    return split((seed_id for seed_id, _ in questions), share, rng_seed=rng_seed, together=together).validation


def graded(run: RunDir) -> Iterator[tuple[Candidate, Verdict]]:
    """Yield the run's candidates, each with its verdict; both files have the same order, one for one."""
    candidates, verdicts = (
        run.read_records("candidates", Candidate, strict=True),
        run.read_records("verdicts", Verdict, strict=True),
    )
    for candidate, verdict in zip(candidates, verdicts, strict=True):
        assert candidate.id == verdict.candidate, f"the verdicts are not in step at {candidate.id}"
        yield candidate, verdict


def outside_window(
    pairs: Iterable[tuple[Candidate, Verdict]], silent: Mapping[str, int], options: DifficultyOptions
) -> dict[str, Place]:
    """Return the problems whose pass rate lies outside the window, with the side on which it lies.

    `silent` counts, by problem, the draws that stated no answer: they were paid for, and are wrong.
    """
    decided, correct = Counter(silent), Counter[str]()
    for candidate, verdict in pairs:
        decided[candidate.problem] += verdict.outcome != "undecided"
        correct[candidate.problem] += verdict.outcome == "correct"
    places = {problem: place_in_window(correct[problem], number, options) for problem, number in decided.items()}
    return {problem: place for problem, place in places.items() if place != "inside"}


BACKWARD = ("fobar", "self_verification")


def undetermined(pairs: Iterable[tuple[Candidate, Verdict]], problems: Mapping[str, Problem]) -> dict[str, str]:
    """Return, by id of a backward problem, another value that fits its hidden number as well as the gold does.

    The finding also holds for the problem that hides the same number by the other backward method.
    """
    twins: dict[str, str] = {}
    asked = {name for name, problem in problems.items() if problem.style == "math" and problem.method in BACKWARD}
    if not asked:  # saves reading all answers of the run once more
        return twins
    for name, group in groupby(pairs, key=lambda pair: pair[0].problem):
        if name not in asked:
            continue
        problem = problems[name]
        parent = problems.get(problem.parent or "")
        answers = [candidate.answer for candidate, _ in group]
        if parent is None or len(answers) < 2 or not (twin := fitting_twin(problem, parent.answer, answers)):
            continue
        for method in BACKWARD:
            twins[name.replace(f"/{problem.method}.", f"/{method}.")] = twin
    return twins


def choose(
    pairs: Iterable[tuple[Candidate, Verdict]],
    options: CurateOptions,
    flags: Mapping[str, str],
    *,
    approved: frozenset[str] = frozenset(),
    outside: Mapping[str, Place] = MappingProxyType({}),
    twins: Mapping[str, str] = MappingProxyType({}),
    map_chunks: ChunkMap = here,
) -> Chosen:
    """Choose among the answers of each problem; `flags` maps a flagged sample, problem or seed to its note.

    `approved` names answers that a reviewer wants kept: only a flag drops them. `outside` holds the problems outside
    the difficulty window, with the side; `twins` the problems that another value fits as well.
    """
    whole = Chosen(ids={})
    for part in map_chunks(_choose, (options, flags, approved, dict(outside), dict(twins)), by_root(pairs)):
        whole.ids.update(part.ids)
        whole.rejects.extend(part.rejects)
    return whole


def by_root(pairs: Iterable[tuple[Candidate, Verdict]]) -> Iterator[list[tuple[Candidate, Verdict]]]:
    """Yield lists of answers in id order; all answers of a seed are in one list."""
    chunk: list[tuple[Candidate, Verdict]] = []
    for _, family in groupby(pairs, key=lambda pair: root_of(pair[0].id)):
        chunk += family
        if len(chunk) >= ANSWERS_PER_CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _choose(
    given: tuple[CurateOptions, Mapping[str, str], frozenset[str], Mapping[str, Place], Mapping[str, str]],
    pairs: Iterable[tuple[Candidate, Verdict]],
) -> Chosen:
    options, flags, approved, outside, twins = given
    ids: dict[str, tuple[str, ...]] = {}
    rejects: list[Reject] = []

    def drop(candidate: Candidate, reason: str, detail: str) -> None:
        rejects.append(Reject(id=candidate.id, stage="curate", reason=reason, detail=detail))

    for _, group in groupby(pairs, key=lambda pair: pair[0].problem):
        seen: dict[bytes, str] = {}
        kept: dict[str, Candidate] = {}
        for candidate, verdict in group:
            if verdict.outcome != options.outcome:
                continue
            note = next((flags[key] for key in lineage(candidate.id) if key in flags), None)
            # Digests instead of texts: an adaptive policy may draw thousands of answers to a question.
            digest = hashlib.blake2b(" ".join(candidate.text.split()).encode(), digest_size=12).digest()
            false = false_equations(candidate.text)
            if note is not None:
                drop(candidate, "flagged", note)
            elif candidate.id in approved:
                seen[digest] = candidate.id
                ids[candidate.id] = false
            elif candidate.problem in outside:
                drop(candidate, outside[candidate.problem], "")
            elif candidate.problem in twins:
                drop(candidate, "not_unique", f"{twins[candidate.problem]} fits too")
            elif options.same_reply == "drop" and digest in seen:
                drop(candidate, "same_reply", seen[digest])
            elif options.bad_arithmetic == "drop" and false:
                drop(candidate, "bad_arithmetic", "; ".join(false)[:300])
            else:
                seen[digest] = candidate.id
                kept[candidate.id] = candidate
                ids[candidate.id] = false
        for candidate in surplus(kept, options):
            del ids[candidate.id]
            drop(candidate, "same_path" if options.paths == "distinct" else "not_needed", "")
    return Chosen(ids=ids, rejects=rejects)


def surplus(kept: Mapping[str, Candidate], options: CurateOptions) -> list[Candidate]:
    """Return the surplus answers of one problem: repeated paths, or those beyond `max_per_problem`."""
    if options.paths == "distinct":
        wanted = set(select_paths(((key, candidate.text) for key, candidate in kept.items()), options.max_per_problem))
    elif options.max_per_problem is not None:
        wanted = set(list(kept)[: options.max_per_problem])
    else:
        return []
    return [candidate for key, candidate in kept.items() if key not in wanted]


def with_descendants(flags: Mapping[str, str], problems: Iterable[Problem]) -> dict[str, str]:
    """Return the flags, with a seed's flag also on problems of which it is a further parent, which ids do not show."""
    spread_flags = dict(flags)
    if flags:
        for problem in problems:
            spread_flags.update((problem.id, flags[root]) for root in roots_of(problem)[1:] if root in flags)
    return spread_flags


def lineage(candidate_id: str) -> tuple[str, str, str]:
    """Return a candidate's own id, its problem's and its seed's."""
    return candidate_id, problem_of(candidate_id), root_of(candidate_id)


def samples_of(
    pairs: Iterable[tuple[Candidate, Verdict]],
    ids: Mapping[str, tuple[str, ...]],
    problems: Mapping[str, Problem],
    prompt_hashes: Mapping[str, str],
    recipe: RunRecipe,
    marks: Mapping[str, Mark] = MappingProxyType({}),
) -> Iterator[Sample]:
    """Yield the training rows of the chosen answers, in order; `prompt_hashes` is keyed by problem id.

    The tag `bad_arithmetic` lists a solution's false calculations, the tag `review` what a reviewer did.
    """
    for candidate, verdict in pairs:
        if candidate.id in ids:
            problem = problems[candidate.problem]
            seed = problems[root_of(problem.id)]
            sample = make_sample(candidate, verdict, problem, seed, recipe, prompt_hashes[problem.id])
            tags: dict[str, Any] = {}
            if false := ids[candidate.id]:
                tags["bad_arithmetic"] = list(false)
            if candidate.id in marks:
                tags["review"] = marks[candidate.id].words
            yield replace(sample, tags={**sample.tags, **tags}) if tags else sample
