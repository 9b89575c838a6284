"""A test set of your own: where its file is, and how one of its rows is read.

mathstrap eval --benchmarks examples/add_benchmark.py:TEN_MINUTES --data examples --model embedded
"""

from mathstrap.evaluate import Benchmark
from mathstrap.problems.shapes import Shaped, missing, text_of


def shape(row):
    """Return what a row of the file holds, or a sentence that says what is wrong with it."""
    question, answer = text_of(row, "prompt"), text_of(row, "gold")
    if not question or not answer:
        return missing(row, "prompt" if not question else "gold")
    return Shaped(question=question, answer=answer, solution=text_of(row, "worked"), tags={"nr": text_of(row, "nr")})


TEN_MINUTES = Benchmark(about="the eight questions of the documentation", file="questions.csv", shape=shape)
