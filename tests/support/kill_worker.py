"""One life of a run, for the tests that end it: asks what is missing and leaves its replies in a run directory.

python tests/support/kill_worker.py URL DIR COUNT TIMEOUT [OPTIONS as JSON: budget, in_flight, max_tokens]
"""

from __future__ import annotations

import json
import sys

from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.ask import Budget, Limits, Meter, ask_all
from mathstrap.engine.prices import Price
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request
from mathstrap.types import Message, Sampling

MODEL = "gpt-4o-mini"


def main() -> None:
    url, directory, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    options = json.loads(sys.argv[5]) if len(sys.argv) > 5 else {}
    sampling = Sampling(max_tokens=options.get("max_tokens", 512))
    plan = (
        request(id=f"s-{number:05}#0", model=MODEL, messages=(Message("user", f"p{number}"),), sampling=sampling)
        for number in range(count)
    )
    in_flight = options.get("in_flight", 32)
    backend = open_backend(
        TeacherOptions(model=MODEL, base_url=url, timeout_seconds=float(sys.argv[4]), max_in_flight=in_flight)
    )
    limits = Limits(backoff_seconds=0.02, backoff_max_seconds=0.2, max_in_flight=in_flight)
    price = Price(usd_per_million_in=1.0, usd_per_million_out=4.0, source="the fake server")
    with RunDir.open(directory) as run:
        meter = Meter(
            Budget(**options.get("budget", {})), price=price, spent=run.spent("solve"), log=run.spending()
        )
        report = ask_all(
            run.todo("solve", plan), run.sink("solve"), backend=backend, limits=limits, budget=meter, stage="solve"
        )
    print(report.stopped, report.answered, report.message)


if __name__ == "__main__":
    main()
