"""Decide how many more draws each problem gets in each round, and how a budget is shared. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

import msgspec

from mathstrap.errors import RecipeError, check_least

Tried = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How draws are spent, in rounds of asking and grading.

    policy      "fixed": `draws` answers for each problem, as in the paper.
                "until": go on until `target` answers are correct, at most `max_tries`.
                "uniform": the same goal, but the problems with the fewest correct answers come first, so that a
                budget that runs out leaves all problems with equally many (DART-Math, arXiv 2407.13690).
                "prop2diff": after `probe` draws each, as many correct answers as the problem is difficult: the
                hardest gets `target`, the others their share of it by failure rate, at least one (DART-Math).
    draws       the answers for each problem under "fixed" where a recipe's method names none.
    target      correct answers wanted for a problem.
    max_tries   most draws for a problem.
    probe       draws of "prop2diff" that measure how difficult a problem is.
    max_per_round  most draws one problem gets in one round; small rounds waste less, large rounds wait less.
    share       how an insufficient budget of draws is shared between the groups of problems (methods): "wanted" in
                proportion to the draws each still wants, "equal", or by `weights`. Draws that a group does not need
                go to the others.
    weights     group to weight, for share "weights".
    """

    policy: Literal["fixed", "until", "uniform", "prop2diff"] = "fixed"
    draws: int = 4
    target: int = 4
    max_tries: int = 64
    probe: int = 4
    max_per_round: int = 16
    share: Literal["wanted", "equal", "weights"] = "wanted"
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_least(self, draws=1, target=1, max_tries=1, probe=1, max_per_round=1)
        for group, weight in self.weights.items():
            if not weight >= 0:
                raise RecipeError(f"weights.{group}: found {weight}, expected 0 or more.")


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """The shortfall of a group: `missing` of the things `of` names, over `short` of its `problems` questions."""

    group: str
    problems: int
    short: int
    missing: int
    exhausted: int
    of: Literal["rewrites", "draws", "correct answers"] = "correct answers"

    @property
    def sentence(self) -> str:
        """The shortfall as a sentence."""
        where = "" if self.of == "rewrites" else f" over {self.short:,} of {self.problems:,} questions"
        return f"{self.group} lacks {self.missing:,} {self.of}{where}."


def next_draws(
    options: SamplingOptions,
    tried: Tried,
    *,
    left: int | None = None,
    group_of: Callable[[str], str] | None = None,
    fixed: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Return how many more draws each problem gets in the next round; empty when nothing is wanted or left.

    `tried` holds (draws made, correct among them) for every problem, also for those with (0, 0). `left` is how many
    draws the budget still allows; `group_of` names a problem's group (its method), by which they are shared. `fixed`
    replaces `options.draws` for single problems. Depends on nothing else, so the same replies give the same rounds.
    """
    wanted = {problem: count for problem, count in wanted_draws(options, tried, fixed or {}).items() if count > 0}
    if left is None or sum(wanted.values()) <= left:
        return wanted
    return share_draws(wanted, max(left, 0), options, tried=tried, group_of=group_of or _one_group)


def wanted_draws(options: SamplingOptions, tried: Tried, fixed: Mapping[str, int]) -> dict[str, int]:
    """Return the draws each problem wants in the next round, regardless of the budget."""
    if options.policy == "fixed":
        return {problem: fixed.get(problem, options.draws) - tries for problem, (tries, _) in tried.items()}
    targets = goals(options, tried)
    return {problem: _until(options, *counts, targets[problem]) for problem, counts in tried.items()}


def goals(options: SamplingOptions, tried: Tried) -> dict[str, int]:
    """Return each problem's target of correct answers; 0 while prop2diff still measures its difficulty."""
    if options.policy != "prop2diff":
        return dict.fromkeys(tried, options.target)
    failures = {
        problem: 1 - correct / tries if tries >= options.probe else None for problem, (tries, correct) in tried.items()
    }
    hardest = max((rate for rate in failures.values() if rate is not None), default=0.0)
    return {
        problem: 0 if rate is None else max(1, round(options.target * rate / hardest)) if hardest else 1
        for problem, rate in failures.items()
    }


def _until(options: SamplingOptions, tries: int, correct: int, target: int) -> int:
    """Return the draws expected to bring a problem to its target at its success rate so far (taken as 1/4 or more)."""
    if options.policy == "prop2diff" and tries < options.probe:
        return min(options.probe - tries, options.max_tries - tries)
    need = target - correct
    if need <= 0:
        return 0
    rate = (correct + 1) / (tries + 1)
    return min(ceil(need * min(1 / rate, 4)), options.max_per_round, options.max_tries - tries)


def share_draws(
    wanted: Mapping[str, int],
    left: int,
    options: SamplingOptions,
    *,
    tried: Tried | None = None,
    group_of: Callable[[str], str],
) -> dict[str, int]:
    """Return a part of `wanted` that costs at most `left` draws: shared between groups by rule, then within each.

    Within a group all problems get equally many draws, up to what they want; under "uniform" and "prop2diff" the
    problems with the fewest correct answers get the remainder.
    """
    groups: dict[str, dict[str, int]] = {}
    for problem, count in wanted.items():
        groups.setdefault(group_of(problem), {})[problem] = count
    parts = split_budget(left, {name: sum(members.values()) for name, members in groups.items()}, options)
    draws: dict[str, int] = {}
    for name, members in groups.items():
        order = sorted(members)
        if tried is not None and options.policy in ("uniform", "prop2diff"):
            order.sort(key=lambda problem: tried[problem][1])
        draws.update(_level(members, order, parts[name]))
    return {problem: draws[problem] for problem in wanted if draws.get(problem)}


def split_budget(left: int, wanted: Mapping[str, int], options: SamplingOptions) -> dict[str, int]:
    """Return how many of `left` draws each group gets: never more than it wants, and together all of `left`."""
    if options.share == "wanted":
        weights = {name: float(count) for name, count in wanted.items()}
    elif options.share == "equal":
        weights = dict.fromkeys(wanted, 1.0)
    else:
        weights = {name: options.weights.get(name, 0.0) for name in wanted}
    draws = dict.fromkeys(wanted, 0)
    left = min(left, sum(wanted.values()))
    while left > 0:
        open_groups = [name for name in wanted if draws[name] < wanted[name] and weights[name] > 0]
        if not open_groups:
            weights = dict.fromkeys(wanted, 1.0)
            continue
        total = sum(weights[name] for name in open_groups)
        parts = {name: min(int(left * weights[name] / total), wanted[name] - draws[name]) for name in open_groups}
        if not any(parts.values()):
            # Fewer draws than groups are left: the heaviest groups take one each.
            for name in sorted(open_groups, key=lambda name: (-weights[name], name))[:left]:
                parts[name] = 1
        for name, part in parts.items():
            draws[name] += part
            left -= part
    return draws


def _level(wanted: Mapping[str, int], order: list[str], budget: int) -> dict[str, int]:
    """Return min(wanted, level) with the highest level that fits, and one more for the first of the order."""
    low, high = 0, max(wanted.values(), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(count, middle) for count in wanted.values()) <= budget:
            low = middle
        else:
            high = middle - 1
    draws = {problem: min(count, low) for problem, count in wanted.items()}
    spare = budget - sum(draws.values())
    for problem in order:
        if spare <= 0:
            break
        if wanted[problem] > low:
            draws[problem] += 1
            spare -= 1
    return draws


def shortfall(
    options: SamplingOptions,
    tried: Tried,
    *,
    group_of: Callable[[str], str] | None = None,
    fixed: Mapping[str, int] | None = None,
) -> list[Shortfall]:
    """Return the shortfall of each group that has one; `exhausted` problems used up their tries."""
    targets = goals(options, tried)
    rows: dict[str, list[int]] = {}
    for problem, (tries, correct) in tried.items():
        row = rows.setdefault((group_of or _one_group)(problem), [0, 0, 0, 0])
        row[0] += 1
        if options.policy == "fixed":
            missing = (fixed or {}).get(problem, options.draws) - tries
        else:
            missing = (targets[problem] or options.target) - correct
        if missing > 0:
            row[1] += 1
            row[2] += missing
            row[3] += options.policy != "fixed" and tries >= options.max_tries
    return [
        Shortfall(
            group=name, problems=row[0], short=row[1], missing=row[2], exhausted=row[3],
            of="draws" if options.policy == "fixed" else "correct answers",
        )
        for name, row in sorted(rows.items())
        if row[1]
    ]


def _one_group(problem: str) -> str:  # noqa: ARG001 - the shape of group_of
    return "all"
