"""Write the results of a run: metrics, manifest, data card, report. Every number comes from the run's own records."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mathstrap.backends import teacher_name
from mathstrap.curate.certificate import Certificate
from mathstrap.curate.mix import Part
from mathstrap.curate.sampling import Shortfall
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.derive import prompt_hashes
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.seeds import Seeds
from mathstrap.pipeline.state import Context, State
from mathstrap.pipeline.teacher import Teacher
from mathstrap.recipe import recipe_yaml
from mathstrap.report.analysis import count_run, keep_count
from mathstrap.report.page import write_report
from mathstrap.share.export import CardFacts, data_card
from mathstrap.share.write import exports_of, with_exports
from mathstrap.stats import FUNNEL, Analysis
from mathstrap.version import __version__


class _Kind(msgspec.Struct):
    """What the data card counts of a sample."""

    type: str
    gold_source: str = "given"


def short_of(shortfall: Iterable[Shortfall], parts: Iterable[Part]) -> list[Shortfall | Part]:
    """Return the shortfalls of the methods and of the mix."""
    return [*shortfall, *(part for part in parts if part.shortfall)]


def write_outcome(state: State, context: Context) -> Analysis:
    """Write metrics.json, manifest.json, README.md (the data card) and report.html, and return the numbers."""
    recipe, run, teacher, seeds = context.recipe, context.run, context.teacher, state.seeds
    analysis = count_run(run, map_chunks=context.map_chunks)
    hashes = prompt_hashes(recipe, seeds.problems)
    meter = teacher.meter
    short = short_of(state.shortfall, state.parts)
    keep_count(run, analysis)
    seconds = dict(run.manifest.get("seconds", {}))
    for report in teacher.reports:
        seconds[report.stage] = round(seconds.get(report.stage, 0.0) + report.seconds, 3)
    # Beside the manifest, not in it: the manifest is published, and a recipe names folders of this machine.
    run.write_text("recipe-changes.yaml", recipe_yaml(recipe, changes_only=True))
    run.update_manifest(
        mathstrap=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        name=recipe.name,
        mode=recipe.mode,
        rng_seed=recipe.rng_seed,
        teacher={"backend": recipe.teacher.backend, "model": teacher_name(recipe.teacher)},
        seeds={"hash": seeds.hash, "count": len(seeds.problems), "rejected": len(seeds.rejects)},
        prompts=hashes,
        own_code=recipe.own_code,
        counts=analysis.everything.counts,
        tokens={"in": meter.tokens_in, "out": meter.tokens_out},
        usd=meter.usd,
        price=meter.price.source if meter.price else "unknown",
        seconds=seconds,
        shortfall=[{**msgspec.to_builtins(row), "sentence": row.sentence} for row in short],
    )
    card = data_card(card_facts(run, recipe, seeds, teacher, analysis, hashes))
    noted = exports_of(run.path)
    run.write_text("README.md", with_exports(card, noted) if noted else card)
    write_report(run, analysis, measure=False)
    return analysis


def card_facts(
    run: RunDir, recipe: RunRecipe, seeds: Seeds, teacher: Teacher, analysis: Analysis, hashes: dict[str, str]
) -> CardFacts:
    """Gather what the data card states."""
    kinds: Counter[str] = Counter()
    num_voted = 0
    for sample in run.read_records("samples", _Kind) if run.has("samples") else ():
        kinds[sample.type] += 1
        num_voted += sample.gold_source == "voted"
    rejects = {reason: sum(by_method.values()) for reason, by_method in analysis.rejects.items()}
    usd = analysis.usd if analysis.other.replies else teacher.meter.usd  # the meter counts all that was ever paid
    certificate = run.read_value("contamination.json", Certificate) if recipe.decontaminate.against else None
    tokens = analysis.tokens_sentence
    return CardFacts(
        name=recipe.name,
        mode=recipe.mode,
        seeds_source=", ".join(public_name(options.source) for options in recipe.seed_sources),
        num_seeds=len(seeds.problems),
        teacher=teacher_name(recipe.teacher),
        backend=recipe.teacher.backend,
        num_samples_by_type=dict(kinds),
        outcome=recipe.curate.outcome,
        short=tuple(row["sentence"] for row in run.manifest["shortfall"]),
        funnel=funnel_markdown(analysis),
        reject_counts=rejects,
        prompt_hashes=hashes,
        rng_seed=recipe.rng_seed,
        version=__version__,
        contamination=certificate.to_markdown() if certificate else "",
        cost=f"{tokens}, price unknown" if usd is None else f"{tokens}, ${usd:.2f}",
        other=analysis.other.sentence,
        num_voted=num_voted,
    )


def public_name(source: str) -> str:
    """Return the source of seeds as a public card may name it: of an absolute path, only the file's name."""
    return Path(source).name if Path(source).expanduser().is_absolute() else source


def funnel_markdown(analysis: Analysis) -> str:
    """Return the funnel as a Markdown table, one row per method."""
    lines = ["| method | " + " | ".join(FUNNEL) + " |", "| --- |" + " ---: |" * len(FUNNEL)]
    for name, group in [*analysis.by_method.items(), ("all", analysis.everything)]:
        lines.append(f"| {name} | " + " | ".join(f"{group.counts[stage]:,}" for stage in FUNNEL) + " |")
    if analysis.computed_sentence:
        lines += ["", f"{analysis.computed_sentence}."]
    return "\n".join(lines)
