"""Load Mathstrap's environment with verifiers' own loaders and score fake replies; print JSON. Argument: a run."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from typing import Any

RIGHT, WRONG = "So \\boxed{%s}.", "So \\boxed{-987654}."


def legacy(data: str) -> dict[str, Any]:
    """Score by the environment of verifiers up to 0.3: `load_environment` and a rubric."""
    import verifiers as vf

    env = vf.load_environment("mathstrap-env", data=data, limit=4, format_weight=0.1)
    rows = env.get_dataset()
    found = []
    for reply in (RIGHT % rows[0]["answer"], WRONG, "hm"):
        state: dict[str, Any] = {
            "prompt": rows[0]["prompt"], "completion": [{"role": "assistant", "content": reply}],
            "answer": rows[0]["answer"], "info": {}, "task": "math", "timing": {}, "trajectory": [],
        }  # fmt: skip
        values = {}
        for rubric in getattr(env.rubric, "rubrics", [env.rubric]):
            for func in rubric.funcs:
                if func.__name__ in ("math_answer", "answer_layout", "reward_missing"):
                    value = asyncio.run(rubric._call_individual_reward_func(func, vf.State(state)))
                    values[func.__name__] = value
        found.append(values)
    return {"kind": type(env).__name__, "rows": len(rows), "prompt": rows[0]["prompt"], "scores": found}


def tasksets(data: str) -> dict[str, Any]:
    """Score by the taskset of verifiers from 0.2 on."""
    from verifiers.v1.trace import Trace, TraceTask
    from verifiers.v1.utils.loaders import load_taskset, taskset_class, taskset_config_type

    config = taskset_config_type("mathstrap-env")(id="mathstrap-env", data=data, limit=4)
    taskset = load_taskset(config)
    tasks = list(taskset)

    if "root_reply" not in Trace.model_fields:  # up to 0.3 a trace can only be made by a rollout
        return {"kind": taskset_class("mathstrap-env").__name__, "rows": len(tasks)}
    scores = []
    for reply in (RIGHT % tasks[0].data.answer, WRONG, "hm"):
        # A trace of a finished rollout, without the agent and the model calls that made it.
        trace = Trace.model_construct(
            task=TraceTask(type="MathstrapTask", data=tasks[0].data), root_reply=reply, rewards={}, metrics={}, info={}
        )
        asyncio.run(tasks[0].score(trace))
        rewards = {name: [each.score, each.weight] for name, each in trace.rewards.items()}
        scores.append({"rewards": rewards, "metrics": trace.metrics, "info": trace.info})
    return {"kind": taskset_class("mathstrap-env").__name__, "rows": len(tasks), "scores": scores}


def main() -> None:
    from importlib.metadata import version

    said: dict[str, Any] = {"verifiers": version("verifiers")}
    if importlib.util.find_spec("verifiers.legacy") or importlib.util.find_spec("verifiers.rubrics"):
        said["legacy"] = legacy(sys.argv[1])
    if importlib.util.find_spec("verifiers.v1"):
        said["v1"] = tasksets(sys.argv[1])
    print(json.dumps(said))


if __name__ == "__main__":
    main()
