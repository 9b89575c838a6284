"""What is computed in chunks is the same wherever it is computed, and everything it needs crosses a process border."""

from __future__ import annotations

import os
import pickle

from bootstrapping import small_recipe
from mathstrap.curate.decontaminate import DecontaminateOptions, TestSetIndex
from mathstrap.curate.dedup import find_duplicates
from mathstrap.parallel import chunks_of, in_processes, taken_in_order
from mathstrap.pipeline.curate import choose
from mathstrap.pipeline.derive import grade_replies, plan_rewrites, plan_solves
from mathstrap.pipeline.options import CurateOptions
from mathstrap.pipeline.seeds import load_seeds
from mathstrap.types import Completion, problem_of


def across_a_border(function, shared, chunks):
    """Compute as in another process: all that goes in and comes out is pickled."""
    for chunk in chunks:
        there, told, work = pickle.loads(pickle.dumps((function, shared, chunk)))
        yield pickle.loads(pickle.dumps(there(told, work)))


def add_and_tell(shared, chunk):
    return os.getpid(), [shared + item for item in chunk]


def test_processes_give_what_one_process_gives_in_order():
    chunks = list(chunks_of(range(100), 7))
    found = list(in_processes(2)(add_and_tell, 5, chunks))
    assert [item for _, items in found for item in items] == list(range(5, 105))
    assert os.getpid() not in {process for process, _ in found}


def test_a_few_chunks_stay_here():
    assert list(in_processes(2)(add_and_tell, 5, [[1], [2]])) == [(os.getpid(), [6]), (os.getpid(), [7])]


def test_no_more_than_asked_is_computed_ahead():
    taken = []
    results = taken_in_order(taken.append, lambda _: len(taken), range(50), 3)
    assert [next(results) for _ in range(10)] == list(range(3, 13))


def test_a_plan_is_the_same_across_a_border(tmp_path):
    recipe = small_recipe(tmp_path)
    seeds = load_seeds(recipe).problems
    assert plan_rewrites(seeds, recipe, map_chunks=across_a_border) == plan_rewrites(seeds, recipe)


def test_answers_grades_and_choices_are_the_same_across_a_border(tmp_path):
    recipe = small_recipe(tmp_path)
    problems = plan_rewrites(load_seeds(recipe).problems, recipe).problems
    by_id = {problem.id: problem for problem in problems}
    replies = []
    for number, asked in enumerate(plan_solves(problems, recipe)):
        answer = by_id[problem_of(asked.id)].answer if number % 3 else "no idea"
        text = f"So 2 + 2 = 5.\nThe answer is: {answer}"
        replies.append(Completion(request=asked.id, key=asked.key, text=text, finish_reason="stop"))

    def derive(**options):
        answers = list(grade_replies(replies, by_id, recipe, **options))
        graded = [(answer.candidate, answer.verdict) for answer in answers if answer.candidate]
        return answers, choose(graded, CurateOptions(), {}, **options)

    assert derive(map_chunks=across_a_border) == derive()


def test_searches_are_the_same_across_a_border():
    text = "a box holds seven red marbles and some blue ones how many marbles are there in all of the boxes"
    items = [(f"q{number}", f"{text[2 * (number % 5) :]} {text[: number % 3]}") for number in range(60)]
    assert find_duplicates(items, map_chunks=across_a_border) == find_duplicates(items)
    index = TestSetIndex.build({"test": [("t", items[0][1])]}, DecontaminateOptions())
    found = list(index.find_all(items))
    assert found
    assert list(index.find_all(items, map_chunks=across_a_border)) == found
