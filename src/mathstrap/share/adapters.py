"""Reward functions with the signatures of TRL, verl, OpenRLHF and verifiers, of their old and current releases.

Every function ignores the other arguments a trainer passes, and none raises into a training loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError, missing_extra
from mathstrap.share.foreign import Raised, call_foreign
from mathstrap.share.reward import (
    DEFAULT,
    GOLD_COLUMNS,
    Layout,
    Missing,
    RewardOptions,
    Scored,
    layout_of,
    options_of,
    score,
    text_of_reply,
)

log = logging.getLogger("mathstrap.reward")
_OPTIONS = frozenset(field.name for field in fields(RewardOptions))
_said: set[str] = set()


class MathReward:
    """A reward with options, for TRL's `reward_funcs`: called like `reward`, picklable, named in TRL's logs.

    Options are those of RewardOptions; raises InputError for one that cannot work.
    """

    __name__ = "math_reward"

    def __init__(self, **options: Any) -> None:
        self.options = options_of(tuple(sorted(options.items())))

    def __reduce__(self) -> tuple[Callable[..., MathReward], tuple[()]]:
        return partial(MathReward, **{name: getattr(self.options, name) for name in sorted(_OPTIONS)}), ()

    def __call__(self, completions: Sequence[Any], solution: Any = None, **kwargs: Any) -> list[float | None]:
        """Return one reward for each completion."""
        return [each.reward for each in score_all(completions, solution, self.options, **kwargs)]


def reward(completions: Sequence[Any], solution: Any = None, **kwargs: Any) -> list[float | None]:
    """Return one reward for each completion: 1.0, 0.0, or None where nothing can be proven.

    >>> reward(["So 3 + 4 = 7. The answer is: 7", "The answer is: 8"], solution=["7", "7"])
    [1.0, 0.0]

    What TRL's GRPOTrainer and RLOOTrainer call, with conversational completions and plain ones. The gold answers are
    `solution`, or another usual column of the dataset that the trainer passes by its name.
    """
    return [each.reward for each in score_all(completions, solution, DEFAULT, **kwargs)]


async def async_reward(completions: Sequence[Any], solution: Any = None, **kwargs: Any) -> list[float | None]:
    """Return what `reward` returns, for trainers that await their reward functions; a thread does the work."""
    import asyncio

    return await asyncio.to_thread(reward, completions, solution, **kwargs)


def score_all(
    completions: Sequence[Any],
    solution: Any,
    options: RewardOptions,
    *,
    completion_ids: Sequence[Sequence[int]] | None = None,
    log_extra: Callable[[str, list[Any]], None] | None = None,
    log_metric: Callable[[str, float], None] | None = None,
    scorer: Callable[..., Scored] = score,
    **columns: Any,
) -> list[Scored]:
    """Score a batch; outcome, extracted answer and reason also go to the trainer's log where it passes a logger."""
    completions = batch_of(completions, "completions")
    golds = gold_column(solution, columns, options, len(completions))
    prompts = columns.get("prompts")
    if not isinstance(prompts, list) or len(prompts) != len(completions):
        prompts = [None] * len(completions)
    scored = []
    for place, completion in enumerate(completions):
        ids = completion_ids[place] if completion_ids is not None and place < len(completion_ids) else None
        num_tokens = len(ids) if isinstance(ids, Sized) else None
        scored.append(scorer(completion, golds[place], options, num_tokens=num_tokens, prompt=prompts[place]))
    if log_extra is not None:
        log_extra("outcome", [each.outcome for each in scored])
        log_extra("got", [each.got for each in scored])
        log_extra("reason", [each.reason for each in scored])
    if log_metric is not None and scored:
        log_metric("reward_missing", sum(each.outcome == "undecided" for each in scored) / len(scored))
    return scored


def gold_column(solution: Any, columns: dict[str, Any], options: RewardOptions, count: int) -> list[Any]:
    """Return one gold for each completion: the column named in the options, `solution`, or another usual one."""
    if type(solution) is list and len(solution) == count and not options.gold_column:  # what TRL passes
        return solution
    values = columns.get(options.gold_column) if options.gold_column else solution
    if options.gold_column == "solution":
        values = solution
    if values is None and not options.gold_column:
        values = next((columns[name] for name in GOLD_COLUMNS if columns.get(name) is not None), None)
    if values is None:
        wanted = options.gold_column or ", ".join(GOLD_COLUMNS)
        say_once(f"the trainer passes no gold answers: expected one of the columns {wanted}. Every reward is None.")
        return [None] * count
    golds = column_of(values, count)
    if len(golds) != count:
        say_once(f"{count} completions came with {len(golds)} gold answers; those without one get no reward.")
    return (golds + [None] * count)[:count]


# Values of these types are one gold for every row, although most of them have a length.
_SINGLE = (str, bytes, bytearray, memoryview, int, float, Mapping, set, frozenset)


def column_of(values: Any, count: int) -> list[Any]:
    """Return a column as a list, whatever its length; a single value, or None, stands for each of `count` rows."""
    if isinstance(values, list | tuple):
        return list(values)
    is_column = hasattr(values, "__len__") and hasattr(values, "__iter__") and not isinstance(values, _SINGLE)
    if not is_column or getattr(values, "ndim", 1) == 0:  # a 0-dimensional array is one value; len() of it raises
        return [values] * count
    return list(values)


def batch_of(replies: Any, name: str) -> list[Any]:
    """Return a batch of replies as a list; a single text or message is a batch of one, and None is an empty one."""
    if isinstance(replies, list | tuple):
        return replies if isinstance(replies, list) else list(replies)
    if replies is None:
        say_once(f"the trainer passes no {name}, so there is nothing to reward.")
        return []
    if isinstance(replies, str | bytes | Mapping) or not hasattr(replies, "__iter__"):
        return [replies]
    return list(replies)


def say_once(sentence: str) -> None:
    """Log a warning once per process instead of once per batch."""
    if sentence not in _said:
        _said.add(sentence)
        log.warning("%s", sentence)


class FormatReward:
    """A reward for the layout of a reply alone, apart from its answer; picklable.

    `layout` is "boxed", "hash" (`####`), "stated" (`The answer is`), "any" of these, or "think": one closed thought,
    then an answer.
    """

    __name__ = "format_reward"

    def __init__(self, layout: Layout = "any", *, good: float = 1.0, bad: float = 0.0) -> None:
        if layout not in ("stated", "boxed", "hash", "think", "any"):
            raise InputError(f'layout: found "{layout}", expected stated, boxed, hash, think or any.')
        self.layout, self.good, self.bad = layout, good, bad

    def __call__(self, completions: Sequence[Any], **kwargs: Any) -> list[float | None]:
        """Return one reward for each completion; None where there is no text."""
        rewards = [call_foreign(self._one, completion) for completion in batch_of(completions, "completions")]
        return [None if isinstance(each, Raised) else each for each in rewards]

    def _one(self, completion: Any) -> float | None:
        text = text_of_reply(completion)
        if isinstance(text, Missing):
            return None
        return self.good if layout_of(text, self.layout) else self.bad


def format_reward(completions: Sequence[Any], **kwargs: Any) -> list[float | None]:
    """Return 1.0 for each completion that states its answer in any of the usual layouts, else 0.0."""
    return _ANY_LAYOUT(completions)


_ANY_LAYOUT = FormatReward()


# verl


def compute_score(
    data_source: Any = None, solution_str: Any = None, ground_truth: Any = None, extra_info: Any = None,
    *, detail: bool = True, **kwargs: Any,
) -> dict[str, Any] | float:  # fmt: skip
    """Return verl's score of one reply: `score` and `acc`, with the answer read, the outcome and the reason.

    verl cannot leave a row out, so an undecided reply scores the option `undecided`, by default 0.0. Every call returns
    the same keys. With `detail=False` it returns the score alone, as verl's `prime` manager needs. Other keyword
    arguments are options of RewardOptions, from verl's `reward_kwargs`.
    """
    options = verl_options(kwargs)
    question = extra_info.get("question") if isinstance(extra_info, Mapping) else None
    scored = score(solution_str, ground_truth, options, prompt=question)
    value = scored.reward if scored.reward is not None else 0.0
    if not detail:
        return value
    return {
        "score": value, "acc": float(scored.code == "correct"), "pred": scored.got, "outcome": scored.outcome,
        "reason": scored.reason,
    }  # fmt: skip


def compute_score_batched(
    data_sources: Any = None, solution_strs: Any = (), ground_truths: Any = (), extra_infos: Any = None,
    **kwargs: Any,
) -> list[dict[str, Any] | float]:  # fmt: skip
    """Return the scores of a batch, as verl's `batch` manager asks for them."""
    replies = batch_of(solution_strs, "solution_strs")
    golds = (column_of(ground_truths, len(replies)) + [None] * len(replies))[: len(replies)]
    extras = (column_of(extra_infos, len(replies)) + [None] * len(replies))[: len(replies)]
    rows = zip(replies, golds, extras, strict=True)
    return [compute_score(None, reply, gold, extra, **kwargs) for reply, gold, extra in rows]


async def async_compute_score(
    data_source: Any = None, solution_str: Any = None, ground_truth: Any = None, extra_info: Any = None,
    **kwargs: Any,
) -> dict[str, Any] | float:  # fmt: skip
    """Return what `compute_score` returns, for verl's reward loop, which awaits; a thread does the work."""
    import asyncio

    return await asyncio.to_thread(compute_score, data_source, solution_str, ground_truth, extra_info, **kwargs)


def verl_options(kwargs: dict[str, Any]) -> RewardOptions:
    """Return the reward options among a manager's keyword arguments; the others are ignored."""
    chosen = {name: value for name, value in kwargs.items() if name in _OPTIONS}
    try:
        return options_of(tuple(sorted(chosen.items())))
    except (InputError, TypeError) as error:  # an error here would end the trainer's run
        say_once(f"reward_kwargs: {error} The default options are used instead.")
        return RewardOptions()


# OpenRLHF


def reward_func(queries: Sequence[Any], prompts: Sequence[Any], labels: Sequence[Any], **kwargs: Any) -> dict[str, Any]:
    """Return OpenRLHF's rewards for whole texts (prompt and reply), as its `--reward.remote_url file.py` calls it.

    Rewards and scores are float tensors; `extra_logs` marks the rewards that are missing because nothing was decided.
    """
    import torch

    scored = score_queries(queries, prompts, labels, RewardOptions())
    rewards = torch.tensor([each.reward if each.reward is not None else 0.0 for each in scored], dtype=torch.float)
    missing = torch.tensor([float(each.outcome == "undecided") for each in scored], dtype=torch.float)
    return {"rewards": rewards, "scores": rewards, "extra_logs": {"reward_missing": missing}}


def score_queries(
    queries: Sequence[Any], prompts: Sequence[Any], labels: Sequence[Any], options: RewardOptions
) -> list[Scored]:
    """Score whole texts: the prompt at their beginning is cut off, because an answer in it is not the model's."""
    scored = []
    queries = batch_of(queries, "queries")
    prompts, labels = column_of(prompts, len(queries)), column_of(labels, len(queries))
    for place, query in enumerate(queries):
        prompt = prompts[place] if place < len(prompts) else None
        gold = labels[place] if place < len(labels) else None
        if isinstance(query, str) and isinstance(prompt, str) and prompt and query.startswith(prompt):
            query = query[len(prompt) :]
        elif isinstance(query, str) and isinstance(prompt, str) and prompt and prompt in query:
            query = query.partition(prompt)[2]
        scored.append(score(query, gold, options, prompt=prompt))
    return scored


# verifiers, prime-rl


def load_environment(
    data: str = "", *, fields: dict[str, str] | None = None, limit: int | None = None, system_prompt: str = "",
    layout: Layout = "any", format_weight: float = 0.0, **options: Any,
) -> Any:  # fmt: skip
    """Return a verifiers environment over the questions of a run, or of a file of rows, with our rubric.

    `data` is a run directory or a file; `fields` maps query and gold to its columns. The rubric's rewards are the
    answer (weight 1) and the layout (`format_weight`); the number of missing rewards is a metric. Raises InputError
    for data without questions.
    """
    try:
        import verifiers as vf
        from datasets import Dataset
    except ImportError:
        raise missing_extra("verifiers", "rl") from None
    rows = environment_rows(data, fields or {}, limit)
    settings = options_of(tuple(sorted(options.items())))
    layouts = FormatReward(layout)

    def math_answer(completion: Any, answer: Any = None, state: Any = None, **kwargs: Any) -> float:
        scored = score(completion, answer, settings)
        if isinstance(state, dict):
            state["reward_reason"] = scored.reason
        return scored.reward if scored.reward is not None else 0.0

    def answer_layout(completion: Any, **kwargs: Any) -> float:
        return layouts([completion])[0] or 0.0

    def reward_missing(completion: Any, answer: Any = None, **kwargs: Any) -> float:
        return float(score(completion, answer, settings).outcome == "undecided")

    rubric = vf.Rubric(funcs=[math_answer, answer_layout, reward_missing], weights=[1.0, format_weight, 0.0])
    return vf.SingleTurnEnv(
        dataset=Dataset.from_list(rows), rubric=rubric, **({"system_prompt": system_prompt} if system_prompt else {})
    )


def environment_rows(data: str, fields: dict[str, str], limit: int | None) -> list[dict[str, Any]]:
    """Return question and answer of every row of a run's questions or of a file."""
    from itertools import islice

    from mathstrap.share.groups import ask_in, groups_in

    if not data:
        raise InputError("load_environment: name a run directory or a file of questions: data=runs/demo.")
    groups = islice(groups_in(Path(data), fields), limit)
    rows = [
        {
            "question": ask_in("boxed", group.question),
            "answer": group.gold,
            "info": {name: value for name, value in group.columns().items() if name != "gold"},
        }
        for group in groups
    ]
    if not rows:
        raise InputError(f"{data}: holds no question with a gold answer.")
    return rows
