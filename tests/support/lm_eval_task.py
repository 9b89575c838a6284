"""Run a task folder in lm-evaluation-harness itself with a model that repeats given replies; print its scores as JSON.

Arguments: the folder, the task's name, a file with a JSON object of prompt -> reply, a folder for its log of samples.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    import lm_eval
    from lm_eval.api.model import LM
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    folder, task, replies_path, logs = sys.argv[1:]
    replies = json.loads(Path(replies_path).read_text(encoding="utf-8"))

    class Scripted(LM):
        def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
            return [replies[request.args[0]] for request in requests]

        def loglikelihood(self, requests: list[Any], **_: Any) -> Any:
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    manager = TaskManager(include_path=folder, include_defaults=False)
    found = lm_eval.simple_evaluate(model=Scripted(), tasks=[task], task_manager=manager, log_samples=True)
    tracker = EvaluationTracker(output_path=logs)
    totals = {key: value for key, value in found.items() if key != "samples"}
    tracker.save_results_aggregated(results=totals, samples=found["samples"])
    tracker.save_results_samples(task_name=task, samples=found["samples"][task])
    rows = [
        {"id": sample["doc"]["id"], **{name: sample[name] for name in sample["metrics"]}}
        for sample in found["samples"][task]
    ]
    print(json.dumps({"results": found["results"][task], "rows": rows}))


if __name__ == "__main__":
    main()
