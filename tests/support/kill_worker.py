"""One life of a run, for the tests that end it: asks what is missing and leaves its replies in a run directory.

python tests/support/kill_worker.py URL DIR COUNT TIMEOUT
"""

from __future__ import annotations

import sys

from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.ask import Limits, ask_all
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request
from mathstrap.types import Message, Sampling

MODEL = "gpt-4o-mini"


def main() -> None:
    url, directory, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    plan = (
        request(id=f"s-{number:05}#0", model=MODEL, messages=(Message("user", f"p{number}"),), sampling=Sampling())
        for number in range(count)
    )
    backend = open_backend(
        TeacherOptions(model=MODEL, base_url=url, timeout_seconds=float(sys.argv[4]), max_in_flight=32)
    )
    limits = Limits(backoff_seconds=0.02, backoff_max_seconds=0.2)
    with RunDir.open(directory) as run:
        report = ask_all(run.todo("solve", plan), run.sink("solve"), backend=backend, limits=limits, stage="solve")
    print(report.stopped, report.answered, report.message)


if __name__ == "__main__":
    main()
