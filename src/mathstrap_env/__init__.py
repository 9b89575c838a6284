"""Mathstrap's questions and reward as an environment of verifiers and prime-rl, under the id `mathstrap-env`.

Up to verifiers 0.3 `load_environment("mathstrap-env", data="runs/demo")` loads it; from 0.2 on it is a taskset too:
`taskset.id = "mathstrap-env"`, `taskset.data = "runs/demo"`.
"""

from __future__ import annotations

from collections.abc import Iterable

from mathstrap.reward import RewardOptions, Scored, load_environment, score
from mathstrap.share.adapters import environment_rows

__all__ = ["load_environment"]

try:
    import verifiers.v1 as vf
except ImportError:  # verifiers before 0.2
    vf = None

if vf is not None:

    class MathstrapData(vf.TaskData):
        """A question with its gold answer, and how it is graded."""

        answer: str
        grader: str = "math"

    class MathstrapConfig(vf.TasksetConfig):
        """Where the questions are: a run directory or a file of rows, and how replies are graded."""

        data: str = ""
        limit: int | None = None
        grader: str = "math"

    class MathstrapTask(vf.Task[MathstrapData]):
        """A question whose reward is the verdict on the reply."""

        def scored(self, trace: vf.Trace) -> Scored:
            """Return the verdict on the last reply."""
            return score(trace.last_reply, self.data.answer, RewardOptions(grader=self.data.grader))

        @vf.reward(weight=1.0)
        async def math_answer(self, trace: vf.Trace) -> float:
            """Return 1 for a right answer; what nothing can be proven of is 0, and is counted by the metric."""
            scored = self.scored(trace)
            trace.info["reward_reason"] = scored.reason
            return scored.reward if scored.reward is not None else 0.0

        @vf.metric
        async def reward_missing(self, trace: vf.Trace) -> float:
            """Return 1 where neither right nor wrong can be proven."""
            return float(self.scored(trace).outcome == "undecided")

    class MathstrapTaskset(vf.Taskset[MathstrapTask, MathstrapConfig]):
        """The questions of a run or a file."""

        def load(self) -> Iterable[MathstrapTask]:
            """Return one task for each question."""
            for row in environment_rows(self.config.data, {}, self.config.limit):
                data = MathstrapData(
                    id=row["info"]["id"], prompt=row["question"], answer=row["answer"], grader=self.config.grader
                )
                yield MathstrapTask(data, self.config.task)

    __all__ += ["MathstrapTaskset"]
