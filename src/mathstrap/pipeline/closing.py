"""Summarise a run in a few lines: its samples, its biggest loss, and the one setting that reduces that loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mathstrap.errors import counted
from mathstrap.pipeline.options import RunRecipe
from mathstrap.stats import Analysis
from mathstrap.types import REASONS


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The biggest loss of a run: its count, its reason code, a sentence, and the setting that reduces it."""

    count: int
    reason: str
    sentence: str
    setting: str


# Rows that were left out on purpose are not a loss.
_INTENDED = frozenset({"not_needed", "flagged", "too_hard", "too_easy", "too_few_draws", "same_path", "contaminated"})
Remedy = Callable[[RunRecipe], str]


def _longer(stage: str) -> Remedy:
    def remedy(recipe: RunRecipe) -> str:
        return f"{stage}.max_tokens={2 * getattr(recipe, stage).max_tokens}"

    return remedy


def _stronger(recipe: RunRecipe) -> str:
    if recipe.sampling.policy == "fixed":
        return "sampling.policy=until (draws again where answers fail)"
    return "a stronger teacher.model"


def _varied(recipe: RunRecipe) -> str:
    if recipe.rewriting.temperature >= 1:
        return "a smaller methods.rephrase.count"
    return f"rewriting.temperature={min(1.0, round(recipe.rewriting.temperature + 0.3, 1))}"


def _fixed(text: str) -> Remedy:
    return lambda _: text


# One setting for each reason, or another teacher where no setting helps.
REMEDIES: dict[str, Remedy] = {
    "wrong": _stronger,
    "undecided": _fixed("verify.mode=flexible, or look at the golds: mathstrap show ID"),
    "no_answer": _fixed("verify.mode=flexible, or prompts.shape=fewshot"),
    "duplicate": _varied,
    "unchanged": _varied,
    "empty": _longer("solving"),
    "same_reply": lambda recipe: f"solving.temperature={min(1.0, round(recipe.solving.temperature + 0.3, 1))}",
    "bad_row": _fixed("seeds.fields={question: COLUMN, answer: COLUMN}"),
    "gold_fails_grader": _fixed("the gold answers of the file"),
    "gold_unusable": _fixed("the gold answers of the file"),
    "question_unusable": _fixed("the questions of the file"),
    "no_number": _fixed("methods.fobar.enabled=false methods.self_verification.enabled=false"),
    "cannot_renumber": _fixed("seeds whose solutions state each calculation (7 * 6 = 42)"),
    "refused": _fixed("another teacher.model"),
    "prompt_refused": _fixed("another teacher.model"),
    "no_majority": _fixed("vote.draws, or a stronger teacher.model"),
    "bad_arithmetic": _fixed("a stronger teacher.model"),
}
# The other reasons are rewrites that changed the question; prompts with examples, or another teacher, prevent that.
_REWRITE = _fixed("prompts.shape=fewshot, or a stronger teacher.model")


def biggest_loss(analysis: Analysis, recipe: RunRecipe) -> Loss | None:
    """Return the biggest loss, in questions or answers; None if nothing was lost."""
    lost = {
        reason: sum(by_method.values()) for reason, by_method in analysis.rejects.items() if reason not in _INTENDED
    }
    counts = analysis.everything.counts
    if recipe.curate.outcome == "correct":
        lost |= {outcome: counts[outcome] for outcome in ("wrong", "undecided") if counts[outcome]}
    if not lost:
        return None
    reason, count = max(lost.items(), key=lambda pair: pair[1])
    if reason in ("wrong", "undecided"):
        what = "differ from the gold answer" if reason == "wrong" else "could not be decided"
        sentence = f"{count:,} of {counts['answered']:,} answers {what}"
    else:
        sentence = f"{'once' if count == 1 else f'{count:,} times'} {REASONS.get(reason, reason)}"
    if reason == "truncated":  # counted without the stage: if few answers were lost, the rewrites were cut off
        stage = "solving" if 2 * (counts["answered"] - counts["parsed"]) >= count else "rewriting"
        setting = _longer(stage)(recipe)
    elif reason == "wrong" and 10 * counts["correct"] < counts["answered"]:
        setting = "a stronger teacher.model"  # drawing again would pay ten times for each right answer
    else:
        setting = REMEDIES.get(reason, _REWRITE)(recipe)
    return Loss(count=count, reason=reason, sentence=sentence, setting=setting)


def closing_sentences(analysis: Analysis, recipe: RunRecipe) -> list[str]:
    """Return a sentence on the samples, and one on the biggest loss if there is any."""
    kept, seeds = analysis.everything.counts["kept"], analysis.seeds
    kind = "verified" if recipe.curate.outcome == "correct" else "wrong"
    sentence = f"{counted(kept, f'{kind} sample')} from {counted(seeds, 'seed')}"
    loss = biggest_loss(analysis, recipe)
    if loss is None:
        return [f"Made: {sentence}."]
    return [f"Made: {sentence}.", f"Largest loss: {loss.sentence}. To reduce it: {loss.setting}."]
