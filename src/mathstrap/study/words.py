"""Write a study's result in words: the table and the sentences that study.md and the page share. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mathstrap.errors import counted
from mathstrap.stats.estimates import Estimate
from mathstrap.study.plan import label_of
from mathstrap.study.power import ALPHA
from mathstrap.study.result import (
    DIRECTIONS,
    Accuracy,
    ArmDifference,
    ArmGroup,
    CellResult,
    StudyResult,
    numbers_of,
    verdict,
)

MATCH_WORDS = {
    "samples": "as many samples seen, repeats included",
    "tokens": "as many prompt and response tokens seen",
    "steps": "trained for as many steps, whatever their size",
    "passes": "as many passes over what each has, nothing else matched",
}
# So many pairs that differ by nothing detected are named one by one.
FEW_PAIRS = 3
NEVER_APART = "no question set them apart, so what could have been detected is not known"
METHOD_COUNTS = {
    "seed": "own solutions", "ans_aug": "AnsAug", "rephrase": "Rephrasing", "self_verification": "SV", "fobar": "FOBAR",
}  # fmt: skip


def is_trained(result: StudyResult) -> bool:
    """Say whether the study trains students, or only measures its arms' rows."""
    return bool(result.recipe["students"])


def heading(result: StudyResult, group: ArmGroup) -> str:
    """Return the name of a group of students."""
    if group.match == "steps":
        return "All sizes, trained for as many steps"
    amount = f"{group.size:,} samples" if group.size else "All samples"
    return f"{amount}, matched by {group.match}: {MATCH_WORDS[group.match]}" if is_trained(result) else amount


def reading(result: StudyResult) -> str:
    """Return the note on how to read the tables."""
    if is_trained(result):
        return (
            "Accuracies are means over seeds, with 95 % intervals clustered by original question; below each the seeds "
            "one by one, and their standard deviation."
        )
    rows = result.recipe["perplexity"]
    note = f" Perplexity: the median over {rows:,} of an arm's replies at most, given the question, by {{}}."
    return "Nobody was trained." + (note.format(result.recipe["train"]["model"]) if rows else "")


def percent(score: Estimate) -> str:
    """Return a share with its interval."""
    return f"{100 * score.value:.1f} % ({100 * score.low:.1f}–{100 * score.high:.1f})"


def seed_deviation(accuracy: Accuracy) -> str:
    """Return an arm's accuracy seed by seed."""
    each = ", ".join(f"{100 * value:.1f}" for value in accuracy.by_seed)
    return each if accuracy.spread is None else f"{each}; sd {100 * accuracy.spread:.1f}"


def made_of(cell: CellResult) -> str:
    """Return an arm's numbers of samples by method."""
    return ", ".join(f"{count:,.0f} {METHOD_COUNTS.get(method, method)}" for method, count in cell.methods.items())


def arms_made_of(result: StudyResult) -> list[str]:
    """Return each arm's composition at its largest size."""
    largest = {cell.arm: cell for cell in sorted(result.cells, key=lambda cell: cell.num_samples)}
    return [f"{arm}: {made_of(largest[arm])}" for arm in dict.fromkeys(cell.arm for cell in result.cells)]


def columns(result: StudyResult) -> list[str]:
    """Return the table's headings: those of every study, and those of this one's measurements."""
    asked = [direction for direction in DIRECTIONS if any(direction in cell.accuracy for cell in result.cells)]
    seen = ["samples seen", "tokens seen", "steps (passes)"] if is_trained(result) else []
    named = ["data", "samples", *seen, *asked]
    if any(cell.gain is not None for cell in result.cells):
        named.append("diversity gain")
    if any(cell.perplexity is not None for cell in result.cells):
        named.append("perplexity")
    return named


def row(cell: CellResult, named: Sequence[str]) -> list[str]:
    """Return a cell's numbers under the headings; the second line of an accuracy has the numbers of each seed."""
    values = {
        "data": label_of(cell.arm, cell.size, cell.match), "samples": f"{cell.num_samples:,.0f}",
        "samples seen": f"{cell.samples_seen:,.0f}", "tokens seen": f"{cell.tokens_seen:,.0f}",
        "steps (passes)": f"{cell.steps:,.0f} ({cell.passes:.1f})",
        "diversity gain": "–" if cell.gain is None else f"{cell.gain:.3f}",
        "perplexity": "–" if cell.perplexity is None else f"{cell.perplexity:.2f}",
    }  # fmt: skip
    for direction, accuracy in cell.accuracy.items():
        values[direction] = f"{percent(accuracy.score)}\n{seed_deviation(accuracy)}"
    return [values.get(name, "–") for name in named]


def cells_of(result: StudyResult, group: ArmGroup) -> list[CellResult]:
    """Return a group's cells, in the order of the arms."""
    if group.match == "steps":
        return [cell for cell in result.cells if cell.match == "steps"]
    return [cell for cell in result.cells if (cell.size, cell.match) == (group.size, group.match)]


def cost_table(result: StudyResult) -> list[list[str]]:
    """Return what each arm cost the teacher and what that gave, headings first; empty where it was not asked for."""
    if not result.costs:
        return []
    named = ["data", "teacher's tokens", "rewritings (usable)", "answers", "kept", "kept per 1,000 tokens"]
    is_checked = any(cost.confirmed is not None for cost in result.costs.values())
    rows = [[*named, *(["answer came again"] if is_checked else [])]]
    for arm, cost in result.costs.items():
        share = "free" if cost.kept_per_1000 is None else f"{cost.kept_per_1000:.2f}"
        rewritings = f"{cost.num_rewritings:,} ({cost.num_rewritten:,})" if cost.num_rewritings else "–"
        line = [arm, f"{cost.tokens:,}", rewritings, f"{cost.num_answers:,}", f"{cost.num_kept:,}", share]
        rows.append([*line, *([percent(cost.confirmed) if cost.confirmed else "–"] if is_checked else [])])
    return rows


def test_words(result: StudyResult) -> str:
    """Return the number of questions in each direction."""
    parts = []
    for direction in DIRECTIONS:
        accuracy = next((cell.accuracy[direction] for cell in result.cells if direction in cell.accuracy), None)
        if accuracy is not None:
            each = round(accuracy.score.num / max(1, len(accuracy.by_seed)))
            parts.append(f"{each:,} {direction} questions from {accuracy.score.clusters:,} originals")
    return " and ".join(parts)


def base_words(result: StudyResult) -> str:
    """Return the untrained model's accuracy; empty where it was not evaluated."""
    parts = [f"{percent(accuracy.score)} {direction}" for direction, accuracy in result.base.items()]
    return f"The untrained model: {', '.join(parts)}." if parts else ""


def comparison_note(group: ArmGroup, direction: str) -> str:
    """Return the note on how to read a group's comparisons."""
    num = len(group.differences[direction])
    adjusted = f"{num} pairs, adjusted for all {num} by Holm" if num > 1 else "One pair"
    return (
        f"{adjusted}: p is the larger of two, of the sign test over original questions and of the t-test that adds the "
        f"spread over seeds, which is taken to be the same for all arms. A difference counts as found where p is below "
        f"{ALPHA}."
    )


def comparisons(differences: Sequence[ArmDifference]) -> list[str]:
    """Return a sentence for each pair that was found to differ, first, and then for the others.

    Eleven arms are 55 pairs, and a sentence for each that was not told apart would bury those that were; more than
    FEW_PAIRS of them are one sentence. All are in study.json.
    """
    found = [difference for difference in differences if difference.is_found]
    rest = [difference for difference in differences if not difference.is_found]
    lines = [verdict(difference) for difference in found]
    if len(rest) <= FEW_PAIRS:
        return lines + [verdict(difference) for difference in rest]
    largest = max(rest, key=lambda difference: abs(difference.difference))
    known = [100 * difference.could_find for difference in rest if difference.could_find is not None]
    return [
        *lines,
        f"No difference was detected for the {'other ' if found else ''}{len(rest)} pairs. The largest of these is "
        f"between {largest.a} and {largest.b}: {numbers_of(largest)}. " + (
            f"Between {min(known):.1f} and {max(known):.1f} points would have been found in four studies of five."
            if known else f"{NEVER_APART[0].upper()}{NEVER_APART[1:]}."
        ),
    ]  # fmt: skip


def conclusions(result: StudyResult) -> list[str]:
    """Return the main conclusions: how the arms compare with the reference."""
    reference = result.recipe["reference"]
    lines = []
    for group in result.groups:
        by_steps = group.match == "steps"
        for direction, differences in group.differences.items():
            pairs = [difference for difference in differences if reference in (difference.a, difference.b)]
            if not pairs:
                continue
            better, worse, neither = (
                [other(difference, reference) for difference in pairs if sign_of(difference, reference) == sign]
                for sign in (1, -1, 0)
            )
            parts = []
            if better:
                parts.append(f"better than {reference}: {', '.join(better)}")
            if worse:
                parts.append(f"worse than {reference}: {', '.join(worse)}")
            if neither:
                known = [
                    difference.could_find
                    for difference in pairs
                    if not difference.is_found and difference.could_find is not None
                ]
                could = f"this study could have detected about {100 * max(known):.1f} points" if known else NEVER_APART
                parts.append(f"no difference from {reference} was detected for {', '.join(neither)} ({could})")
            amount = f"{group.size:,} samples" if group.size else "all sizes" if by_steps else "all samples"
            lines.append(f"{direction.capitalize()}, {amount}, matched by {group.match}: {'; '.join(parts)}.")
            if by_steps:
                within = [difference for difference in differences if difference not in pairs]
                lines += [f"{direction.capitalize()}: {verdict(difference)}" for difference in within]
    return lines


def other(difference: ArmDifference, reference: str) -> str:
    """Return the arm that is compared with the reference."""
    return difference.b if difference.a == reference else difference.a


def sign_of(difference: ArmDifference, reference: str) -> int:
    """Return 1 where the other arm is significantly better than the reference, -1 where worse, else 0."""
    if not difference.is_found:
        return 0
    return 1 if (difference.difference > 0) == (difference.a == reference) else -1


def headline_table(result: StudyResult) -> str:
    """Return the text for a terminal: accuracies and conclusions, or the measurements of the arms' rows."""
    if not is_trained(result):
        named = columns(result)
        return "\n".join([*aligned([named, *(row(cell, named) for cell in result.cells)]), "", reading(result), ""])
    asked = [direction for direction in DIRECTIONS if any(direction in cell.accuracy for cell in result.cells)]
    rows = [["data", "size", "match", "students", *asked]]
    for cell in result.cells:
        shown = [percent(cell.accuracy[name].score) if name in cell.accuracy else "–" for name in asked]
        size = f"{cell.size:,}" if cell.size else "all"
        rows.append([cell.arm, size, cell.match, f"{cell.num_students}/{cell.num_planned}", *shown])
    cost = [*aligned(table), ""] if (table := cost_table(result)) else []
    return "\n".join([*aligned(rows), "", *cost, base_words(result), *conclusions(result), ""])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines with aligned columns."""
    widths = [max(len(line[place]) for line in rows) for place in range(len(rows[0]))]
    return ["  ".join(f"{value:<{width}}" for value, width in zip(line, widths, strict=True)).rstrip() for line in rows]


def markdown(result: StudyResult) -> str:
    """Return study.md."""
    named = columns(result)
    lines = [f"# {result.name}", ""]
    if not result.is_complete:
        lines += ["**Not complete.**", ""]
    asked = f"; {test_words(result)}" if test_words(result) else ""
    lines += [f"{counted(result.num_seeds, 'seed')}{asked}. {base_words(result)}".rstrip(), ""]
    lines += [f"- {line}" for line in conclusions(result)]
    lines += ["", reading(result), ""]
    for group in result.groups:
        lines += [f"## {heading(result, group)}", ""]
        lines += [f"| {' | '.join(named)} |", "|" + " --- |" * len(named)]
        lines += [f"| {' | '.join(row(cell, named))} |".replace("\n", "<br>") for cell in cells_of(result, group)]
        lines.append("")
        for direction, differences in group.differences.items():
            if differences:
                lines += [f"{direction.capitalize()}: {comparison_note(group, direction)}", ""]
                lines += [f"- {line}" for line in comparisons(differences)]
                lines.append("")
    if table := cost_table(result):
        head, *body = table
        lines += ["## What the arms cost the teacher", "", f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
        lines += [*(f"| {' | '.join(line)} |" for line in body), ""]
    lengths = [cell for cell in result.cells if len(cell.lengths) > 1]
    if lengths:
        thirds = list(lengths[0].lengths)
        lines += ["## Forward accuracy by question length, in thirds", ""]
        lines += [f"| data | size | match | {' | '.join(thirds)} |", "|" + " --- |" * (3 + len(thirds))]
        for cell in lengths:
            shown = " | ".join(percent(cell.lengths[third]) for third in thirds)
            lines.append(f"| {cell.arm} | {cell.size or 'all'} | {cell.match} | {shown} |")
        lines.append("")
    lines += ["## What the arms are made of", "", *(f"- {line}" for line in arms_made_of(result))]
    if result.notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in dict.fromkeys(result.notes))]
    lines += ["", "## How it was done", "", *(f"- {line}" for line in result.protocol)]
    lines.append("- " + ", ".join(f"{name} {version}" for name, version in result.versions.items()))
    return "\n".join(lines) + "\n"
