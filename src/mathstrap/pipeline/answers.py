"""Ask for the answers of a run, round by round, and grade them."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from mathstrap.files.rundir import Mark
from mathstrap.files.tables import Scratch
from mathstrap.parallel import ChunkMap
from mathstrap.pipeline.derive import Answer, grade_replies, is_solved, plan_solves, worked_replies
from mathstrap.pipeline.label import label_questions
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.review import approved, edited
from mathstrap.pipeline.rounds import Rounds
from mathstrap.pipeline.state import Answers, Context, State, asked_of_draws, keys_of_draws, noting_keys
from mathstrap.types import Completion, Problem, problem_of


def solve(state: State, context: Context) -> State:
    """Label the questions that have no gold, and ask for the answers until nothing is wanted or left."""
    state = label_questions(state, context)
    recipe, run, teacher = context.recipe, context.run, context.teacher
    run.forget("asked-solve")  # which replies the run uses is known only after the rounds
    spent = run.spent("rewrite", "filter") + state.labels
    if not recipe.methods.ans_aug.enabled:  # else a vote's draws are answers, and counted as those
        spent = spent + state.votes
    open_problems = [problem for problem in state.problems if not is_solved(problem, recipe)]
    rounds = Rounds(open_problems, recipe, spent=spent, price=teacher.meter.price, planned=state.planned)
    keys: dict[str, str] = {}
    graded: list[Scratch[Answer]] = []
    marks = run.marks()
    while draws := rounds.next():
        requests = noting_keys(plan_solves(state.problems, recipe, draws), keys)
        teacher.fill("solve", requests, sum(map(len, draws.values())))
        correct: Counter[str] = Counter()
        if recipe.sampling.policy != "fixed":
            # The next round depends on these grades, so they are computed here, once, and kept for `verify`.
            answers = run.scratch(Answer)
            replies = run.replies("solve", keys_of_draws(draws, keys))
            for answer in reviewed(replies, rounds.problems, recipe, marks, context.map_chunks):
                answers.append(answer)
                correct[problem_of(answer.id)] += answer.is_correct
            graded.append(answers)
        rounds.take(draws, run.usage_of("solve", keys_of_draws(draws, keys)), correct)
    shortfall = (*state.shortfall, *rounds.shortfall())
    if shortfall and rounds.is_spent:
        teacher.note_spent_budget("solve")
    run.write_records("asked-solve", chain(state.voted, asked_of_draws(rounds.totals(), keys)))
    answers_asked = Answers(draws=rounds.totals(), keys=keys, graded=tuple(graded))
    return replace(state, answers=answers_asked, shortfall=shortfall)


def verify(state: State, context: Context) -> State:
    """Write every candidate with its verdict, whatever the outcome, and add the rejects of replies."""
    rejects = list(state.rejects)
    with context.run.writer("candidates") as write_candidate, context.run.writer("verdicts") as write_verdict:
        for answer in graded_answers(state, context):
            if answer.candidate is not None and answer.verdict is not None:
                write_candidate(answer.candidate)
                write_verdict(answer.verdict)
            elif answer.reject is not None:
                rejects.append(answer.reject)
    return replace(state, rejects=tuple(rejects))


def graded_answers(state: State, context: Context) -> Iterator[Answer]:
    """Yield every answer with its grade, in the order of the problems and their draws."""
    asked, recipe = state.answers, context.recipe
    problems = {problem.id: problem for problem in state.problems}
    # In the order of the rounds: the merge below keeps the earlier draws of a problem first.
    parts: list[Iterable[Answer]] = list(asked.graded)
    marks = context.run.marks()
    if not parts:
        replies = context.run.replies("solve", keys_of_draws(asked.draws, asked.keys))
        parts.append(reviewed(replies, problems, recipe, marks, context.map_chunks))
    if any(recipe.method(name).draws == 0 for name in recipe.method_names):
        worked = worked_replies(state.problems, recipe)
        parts.append(reviewed(worked, problems, recipe, marks, context.map_chunks))
    if len(parts) == 1:
        return iter(parts[0])
    place = {problem_id: number for number, problem_id in enumerate(problems)}
    return heapq.merge(*parts, key=lambda answer: place[problem_of(answer.id)])


def reviewed(
    replies: Iterable[Completion],
    problems: Mapping[str, Problem],
    recipe: RunRecipe,
    marks: Mapping[str, Mark],
    map_chunks: ChunkMap,
) -> Iterator[Answer]:
    """Yield every graded answer after the edits and approvals of reviewers."""
    answers = grade_replies(edited(replies, marks), problems, recipe, map_chunks=map_chunks)
    return approved(answers, marks)
