"""The verbs stats, report and explore, and the output of compare for two bootstrapping runs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mathstrap.errors import InputError, counted

if TYPE_CHECKING:
    from mathstrap.files.rundir import RunDir
    from mathstrap.stats import Analysis, GroupNumbers
    from mathstrap.stats.diversity import Embed

MOST_RUNS = 50  # of a folder that is explored, the newest; each is a database of its own
RUN = typer.Argument(..., metavar="RUN", help="A run directory.")


def stats(
    run: str = RUN,
    diversity: bool = typer.Option(False, "--diversity", help="Measure the diversity gain of every method."),
    text: str = typer.Option(
        "question", "--text", help="What is embedded: question or triple (question, reply, answer)."
    ),
    base: str = typer.Option("ans_aug", "--base", help="The method whose rows are the base set."),
    embedder: str = typer.Option(
        "minilm", "--embedder", help="minilm or static (local), or MODEL@URL of an OpenAI-compatible endpoint."
    ),
    perplexity: str = typer.Option(
        "", "--perplexity", metavar="MODEL", help="Measure perplexity under this Hugging Face model or folder."
    ),
    count_prompt: bool = typer.Option(False, "--count-prompt", help="Count the question's tokens in perplexity too."),
    rows: int = typer.Option(0, "--rows", help="Measure at most this many rows of each method; 0 takes the defaults."),
    device: str = typer.Option("cpu", "--device", help="Where the perplexity model runs, for example cuda."),
    as_json: bool = typer.Option(False, "--json", help="Print every number as JSON."),
) -> None:
    """Print a run's numbers with 95 % intervals: funnel, yields, lengths, cost, and what else is asked for."""
    import msgspec

    from mathstrap.files.rundir import RunDir
    from mathstrap.report.analysis import analyse_run
    from mathstrap.report.extras import load_extras

    if text not in ("question", "triple"):
        raise InputError(f'--text: found "{text}", expected question or triple.')
    if diversity:
        with changing(run) as (opened, keep):
            measure_diversity(opened, keep, text=text, base=base, embedder=embedder, rows=rows)
    if perplexity:
        with changing(run) as (opened, keep):
            measure_perplexity(opened, keep, model=perplexity, mask_prompt=not count_prompt, rows=rows, device=device)
    opened = RunDir.read(run)
    analysis, extras = analyse_run(opened), load_extras(opened)
    if as_json:
        plain = {**msgspec.to_builtins(analysis), "extras": msgspec.to_builtins(extras)}
        typer.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode())
        return
    print_analysis(analysis)
    print_extras(extras)


def report(
    run: str = RUN,
    out: str = typer.Option("", "--out", metavar="FILE", help="Write here instead of RUN/report.html."),
    against: str = typer.Option("", "--against", metavar="RUN", help="Set this run beside the first; needs --out."),
) -> None:
    """Write a run's report: one HTML file that needs no network."""
    from mathstrap.files.rundir import RunDir
    from mathstrap.report.compare import compare_runs
    from mathstrap.report.page import render_report, write_report

    if against and not out:
        raise InputError("--against: a page on two runs belongs to neither. Name a file with --out.")
    if out:
        write_page(out, compare_runs(run, against).html if against else render_report(RunDir.read(run)))
        return
    RunDir.read(run)  # refuses a missing directory, which `open` would create
    with RunDir.open(run) as opened:
        typer.echo(write_report(opened))


def explore(
    runs: list[str] = typer.Argument(
        ..., metavar="RUN", help="Run directories, or a folder of them; two can be set side by side."
    ),
    port: int = typer.Option(8001, "--port", min=0, max=65535, help="The port on 127.0.0.1; 0 takes a free one."),
    open_browser: bool = typer.Option(False, "--open", help="Open the page in a browser."),
) -> None:
    """Read runs in the browser, on this machine alone; a run that is still going is followed."""
    from mathstrap.explore.server import serve
    from mathstrap.pipeline.family import prompt_of

    def announce(url: str) -> None:
        typer.echo(f"{url}  (stop with Ctrl-C)")
        if open_browser:
            typer.launch(url)

    paths = [path for run in runs for path in runs_at(Path(run))]
    typer.echo(f"Reading {counted(len(paths), 'run')} ...", err=True)
    serve(paths, port=port, announce=announce, prompt_of=prompt_of)


def runs_at(path: Path) -> list[Path]:
    """Return a run directory itself, or the runs in a folder, newest first."""
    from mathstrap.explore.server import has_records

    if has_records(path):
        return [path]
    children = path.iterdir() if path.is_dir() else ()
    inside = {child: child.stat().st_mtime_ns for child in children if has_records(child)}
    if not inside:
        raise InputError(f"{path}: no run lies here. Make one: mathstrap run demo; or name the folder of a run.")
    return sorted(inside, key=lambda child: -inside[child])[:MOST_RUNS]


def print_comparison(a: str, b: str) -> None:
    """Print two bootstrapping runs side by side."""
    from mathstrap.report.compare import compare_runs

    typer.echo(str(compare_runs(a, b)))
    typer.echo(f"\nAs a page: mathstrap report {a} --against {b} --out FILE. Row by row: mathstrap explore {a} {b}")


def write_page(path: str, html: str) -> None:
    """Write a page atomically and print its path."""
    from mathstrap.files.tables import write_atomically

    write_atomically(Path(path), [html.encode("utf-8", "replace")])
    typer.echo(path)


@contextmanager
def changing(path: str) -> Iterator[tuple[RunDir, RunDir]]:
    """Give a run to read from, and the same run, locked, to store the numbers in."""
    from mathstrap.files.rundir import RunDir

    opened = RunDir.read(path)
    with RunDir.open(path) as writable:
        yield opened, writable


def measure_diversity(run: RunDir, keep: RunDir, *, text: str, base: str, embedder: str, rows: int) -> None:
    """Measure the diversity gain of every method and keep it with the run."""
    from mathstrap.report.extras import base_note, embed_once, save_gains
    from mathstrap.stats.diversity import DiversityOptions, gains_by_method
    from mathstrap.types import Sample

    defaults = DiversityOptions()
    options = DiversityOptions(
        text="triple" if text == "triple" else "question", base=base, max_new=rows or defaults.max_new
    )
    chosen = open_embedder(embedder)
    gains = gains_by_method(run.read_records("samples", Sample), lambda texts: embed_once(texts, chosen), options)
    what = "Questions" if text == "question" else "Question, reply and answer"
    note = f"{what}, embedded by {embedder.partition('@')[0]}; {base_note(gains, base)}"
    save_gains(keep, gains, note)


def open_embedder(name: str) -> Embed:
    """Return the embedder of that name; the key of an endpoint is read from OPENAI_API_KEY."""
    from mathstrap.embedding import EmbedOptions, embed

    if name in ("minilm", "static"):
        options = EmbedOptions(model="minilm" if name == "minilm" else "static")
        return lambda texts: embed(texts, options)
    model, at, url = name.partition("@")
    if not at:
        raise InputError(f'--embedder: found "{name}", expected minilm, static or MODEL@URL.')
    from mathstrap.embedding.endpoint import endpoint_embedder

    return endpoint_embedder(model, base_url=url, api_key=os.environ.get("OPENAI_API_KEY", ""))


def measure_perplexity(run: RunDir, keep: RunDir, *, model: str, mask_prompt: bool, rows: int, device: str) -> None:
    """Measure perplexity of every part and keep it with the run."""
    from mathstrap.report.extras import save_perplexities
    from mathstrap.stats.perplexity import PerplexityOptions, perplexity_by_part
    from mathstrap.types import Problem, Sample

    defaults = PerplexityOptions(model=model)
    options = PerplexityOptions(model=model, mask_prompt=mask_prompt, max_rows=rows or defaults.max_rows, device=device)
    parts = perplexity_by_part(run.read_records("samples", Sample), run.read_records("problems", Problem), options)
    counted = "the reply's tokens alone count" if mask_prompt else "the question's tokens count too"
    save_perplexities(keep, parts, f"Under {Path(model).name}; {counted}.")


def print_analysis(analysis: Analysis) -> None:
    """Print the funnel, yields, lengths, cost and rejects."""
    from mathstrap.render.pages import STAGE_NAMES, count, dollars, mean_text, reason_name, share_text
    from mathstrap.stats import FUNNEL

    groups = {**analysis.by_method, "all": analysis.everything}

    def row(group: GroupNumbers) -> list[str]:
        return [*(count(group.counts[stage]) for stage in FUNNEL), share_text(group.accuracy)]

    table("Funnel", ["", *(STAGE_NAMES[stage] for stage in FUNNEL), "Correct of answered"], groups, row)
    if analysis.computed_sentence:
        typer.echo(f"{analysis.computed_sentence}.\n")
    for title, part in (
        ("Data sets", analysis.by_dataset), ("Difficulty", analysis.by_difficulty), ("Teachers", analysis.by_teacher),
    ):  # fmt: skip
        if len(part) > 1:
            table(title, ["", *(STAGE_NAMES[stage] for stage in FUNNEL), "Correct of answered"], part, row)
    table(
        "Kept rows, mean",
        ["", "Words", "Tokens", "Steps", "Tokens spent per row", "Per 1,000 rows"],
        {**groups, **analysis.by_teacher},
        lambda group: [
            mean_text(group.words),
            mean_text(group.tokens),
            mean_text(group.steps),
            mean_text(group.tokens_per_kept, 0),
            dollars(group.usd_per_kept.value * 1000) if group.usd_per_kept else "price unknown",
        ],
    )
    rejects = {reason_name(reason): sum(counts.values()) for reason, counts in analysis.rejects.items()}
    most_first = dict(sorted(rejects.items(), key=lambda entry: -entry[1]))
    table("Rejected", ["", "Rows"], most_first, lambda number: [count(number)])
    from mathstrap.render.hostile import printable

    cost = "no price known" if analysis.usd is None else dollars(analysis.usd)
    typer.echo(f"{analysis.tokens_sentence}, {cost}.")
    if analysis.other.sentence:
        typer.echo(f"{analysis.other.sentence}.")
    for word, number in analysis.unknown_endings.items():
        replies = counted(number, "reply", "replies")
        typer.echo(f'{replies} ended with finish_reason "{printable(word)}", which mathstrap does not know.')


def print_extras(extras: Any) -> None:
    """Print the diversity gains and perplexities that are stored with the run."""
    from mathstrap.render.hostile import printable
    from mathstrap.render.pages import count, mean_text

    if extras.gains:
        typer.echo()
        table(
            "Diversity gain",
            ["", "Gain", "New rows", "Base rows"],
            {gain.method: gain for gain in extras.gains},
            lambda gain: [mean_text(gain.gain, 4), count(gain.num_new), count(gain.num_base)],
        )
        typer.echo(printable(extras.gain_note))
    if extras.perplexities:
        typer.echo()
        table(
            "Perplexity",
            ["", "Median", "95 % interval", "All tokens", "Texts"],
            {part.part: part for part in extras.perplexities},
            lambda part: [
                f"{part.median.value:.2f}",
                f"{part.median.low:.2f}-{part.median.high:.2f}",
                f"{part.pooled:.2f}",
                count(part.num_texts),
            ],
        )
        typer.echo(printable(extras.perplexity_note))


def table(title: str, head: list[str], rows: dict[str, Any], cells: Callable[[Any], list[str]]) -> None:
    """Print rows under a head, the first column aligned left and the others right; print nothing without rows."""
    from mathstrap.render.hostile import printable
    from mathstrap.render.pages import method_name

    if not rows:
        return
    lines = [head, *([printable(method_name(name)), *cells(value)] for name, value in rows.items())]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    typer.echo(title)
    for places in parts_that_fit(widths):
        for line in lines:
            right = (line[place].rjust(widths[place]) for place in places)
            typer.echo("  ".join([f"  {line[0].ljust(widths[0])}", *right]).rstrip())
        typer.echo()


def parts_that_fit(widths: list[int]) -> list[list[int]]:
    """Return the columns after the first in parts, each as wide as the terminal; what is piped on is one part."""
    room = shutil.get_terminal_size().columns - 2 - widths[0] if sys.stdout.isatty() else 10**9
    parts: list[list[int]] = [[]]
    for place in range(1, len(widths)):
        if parts[-1] and sum(widths[other] + 2 for other in [*parts[-1], place]) > room:
            parts.append([])
        parts[-1].append(place)
    return parts
