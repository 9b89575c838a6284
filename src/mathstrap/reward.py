"""Rewards for reinforcement learning, by the signatures that trainers call. How to use each: docs/how-to/rl-data.md.

    TRL (GRPO, RLOO)     reward, async_reward, format_reward; with options MathReward(...), FormatReward(...)
    verl                 compute_score, async_compute_score, compute_score_batched
    OpenRLHF             reward_func, or over HTTP: mathstrap serve-reward
    NeMo-Gym             over HTTP: mathstrap serve-reward
    verifiers, prime-rl  load_environment, and the package mathstrap_env
    anything else        score(reply, gold)

No function starts a process, sets a signal or raises for what a model or a dataset holds; all work in threads and after
a fork, and can be pickled.
"""

from __future__ import annotations

from mathstrap.called import call_by_name
from mathstrap.share.adapters import (
    FormatReward,
    MathReward,
    async_compute_score,
    async_reward,
    compute_score,
    compute_score_batched,
    format_reward,
    load_environment,
    reward,
    reward_func,
)
from mathstrap.share.reward import RewardOptions, Scored, count_sentence, counts, reset_counts, score

__all__ = [
    "FormatReward",
    "MathReward",
    "RewardOptions",
    "Scored",
    "async_compute_score",
    "async_reward",
    "compute_score",
    "compute_score_batched",
    "count_sentence",
    "counts",
    "format_reward",
    "load_environment",
    "reset_counts",
    "reward",
    "reward_func",
    "score",
]

call_by_name(__name__)
