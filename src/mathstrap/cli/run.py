"""The verbs of bootstrapping: run, show, recipes, init."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mathstrap.cli.words import fitted, indented, say
from mathstrap.errors import InputError, counted, suggest
from mathstrap.render.hostile import printable
from mathstrap.render.terminal import terminal
from mathstrap.types import STAGES

if TYPE_CHECKING:
    from mathstrap.pipeline import RunSummary
    from mathstrap.pipeline.family import Exchange
    from mathstrap.pipeline.options import RunRecipe
    from mathstrap.pipeline.preview import Preview

# The tags of a derived question that `show` prints; the others repeat the seed and the prompt.
SHOWN_TAGS = ("mask_text", "mask_kind", "mask_relevant", "mask_unique")

YOUR_SEEDS = "questions.jsonl"  # the starter's placeholder for the user's file
RECIPE_VERBS = {
    "run": "makes a data set",
    "train": "fine-tunes a model on one",
    "study": "compares data sets: trains on each, evaluates",
    "iterate": "bootstraps and trains in rounds",
}
OVERRIDES = typer.Argument(None, metavar="KEY=VALUE", help="Recipe keys to set, for example seeds.limit=20.")


def run(
    recipe: str = typer.Argument(
        ..., metavar="RECIPE",
        help="A recipe file, the name of a shipped one (see `mathstrap recipes`), or a file of questions.",
    ),
    overrides: list[str] = OVERRIDES,
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Say what would be asked and what it would cost; ask nothing."
    ),
    only: str = typer.Option("", "--only", metavar="STAGE", help=f"Pay for this stage alone: {', '.join(STAGES)}."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress, only the summary."),
    json_events: bool = typer.Option(False, "--json", help="Print one JSON event per line instead of progress."),
    replace: bool = typer.Option(
        False, "--replace", help="Go on also where samples go because the recipe has other seeds than this run had."
    ),
) -> None:
    """Bootstrap a dataset. The same command again resumes: nothing that was answered is asked twice."""
    loaded = recipe_or_questions(recipe, overrides or [])
    if dry_run:
        from mathstrap.pipeline.preview import preview

        print_preview(preview(loaded, progress=after_a_second()), loaded)
        return
    stage = next((stage for stage in STAGES if stage == only), None)
    if only and stage is None:
        raise InputError(f'--only: no such stage "{only}".{suggest(only, list(STAGES))}')
    from mathstrap.pipeline import bootstrap
    from mathstrap.render.progress import show_progress

    command = " ".join(["mathstrap run", recipe, *map(shlex.quote, overrides or [])])

    def may_replace(sentence: str) -> bool:
        listener.pause()
        return replace or asked_to_replace(sentence)

    with show_progress(quiet=quiet, json_lines=json_events) as listener:
        try:
            summary = bootstrap(loaded, only=stage, events=listener, may_replace=may_replace)
        except KeyboardInterrupt:  # between requests; while requests run, the engine handles the signal
            listener.pause()
            say(f"Interrupted. Every reply is kept; go on with:\n  {command}", err=True)
            raise typer.Exit(130) from None
    if not json_events:
        print_summary(summary, loaded, command, said=listener.said)
    # Scripts tell a run that needs another setting (4) from one that only has to go on (3).
    if summary.is_paused:
        raise typer.Exit(4)
    if not summary.is_complete:
        raise typer.Exit(3)


def recipe_or_questions(named: str, overrides: list[str]) -> RunRecipe:
    """Return the recipe of a name or path; a file of questions gets the starter's recipe, and needs a teacher.

    Money is never spent on a guess: without a named teacher, the error shows the commands to choose one.
    """
    from mathstrap.pipeline.options import RunRecipe
    from mathstrap.pipeline.starting import holds_questions, set_teacher, starter_values
    from mathstrap.recipe import apply_override, build_recipe, load_recipe

    if not holds_questions(named):
        return load_recipe(RunRecipe, named, overrides)
    if not any(override.startswith("teacher.") for override in overrides):
        check_there(named)
        shown, recipe = shlex.quote(named), shlex.quote(f"{Path(named).stem or 'my'}.yaml")
        raise InputError(
            f"{named}: holds questions. Who answers? With a model, or with a recipe to look at first:\n"
            f"  mathstrap run {shown} teacher.model=gpt-6-luna --dry-run\n"
            f"  mathstrap run {shown} teacher.backend=ollama teacher.model=qwen3:4b --dry-run\n"
            f"  mathstrap init {recipe} --seeds {shown}"
        )
    values = starter_values(named)
    _, fields = look_at_seeds(named)
    if fields:
        values["seeds"]["fields"] = fields
    teacher: dict[str, dict[str, object]] = {}
    for override in overrides:
        if override.startswith("teacher."):
            apply_override(teacher, override)
    set_teacher(values, teacher["teacher"])
    for override in overrides:
        apply_override(values, override)
    return build_recipe(RunRecipe, values, named)


def asked_to_replace(sentence: str) -> bool:
    """Ask on a terminal whether samples may be replaced; without a terminal, the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    say(printable(sentence), err=True)
    return typer.confirm("Replace them?", err=True)


def print_summary(summary: RunSummary, recipe: RunRecipe, command: str, *, said: Collection[str] = ()) -> None:
    """Print the funnel, what was made and lost, and what to look at; nothing that was `said` is said again."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from mathstrap.stats import FUNNEL

    console = terminal()
    analysis = summary.analysis
    table = Table(
        title=f"{recipe.name}: {counted(summary.num_seeds, 'seed')}, {counted(summary.num_problems, 'question')}",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=0,  # so that nine columns fit into 80 characters
        pad_edge=False,
    )
    for heading in ("method", *FUNNEL, "yield"):
        table.add_column(heading, justify="left" if heading == "method" else "right", no_wrap=True)
    groups = [*analysis.by_method.items(), ("all", analysis.everything)]
    for name, group in groups:
        counts = group.counts
        share = f"{group.kept_share.value:.1%}" if counts["asked"] else "-"
        numbers = [f"{counts[stage]:,}" for stage in FUNNEL]
        table.add_row(name, *numbers, share, end_section=name == groups[-2][0] if len(groups) > 1 else False)
    console.print(table)
    if analysis.computed_sentence:
        say(analysis.computed_sentence)
    rejects = {reason: sum(by_method.values()) for reason, by_method in analysis.rejects.items()}
    if rejects:
        most = sorted(rejects.items(), key=lambda pair: -pair[1])[:6]
        say("rejected: " + ", ".join(f"{reason} {count:,}" for reason, count in most))
    usd = (
        f"${analysis.usd:,.4f}"
        if analysis.usd is not None
        else "price unknown (set budget.usd_per_million_tokens_in/_out)"
    )
    thinking = f" ({analysis.tokens_reasoning:,} of them thinking)" if analysis.tokens_reasoning else ""
    tokens = f"tokens: {analysis.tokens_in:,} in, {analysis.tokens_out:,} out{thinking}; cost: {usd}"
    say(tokens)
    if analysis.other.sentence:
        say(analysis.other.sentence)
    for word, number in analysis.unknown_endings.items():
        replies = counted(number, "reply", "replies")
        say(f'{replies} ended with finish_reason "{printable(word)}", which mathstrap does not know.')
    for line in closing_lines(summary, recipe, command, said=said):
        say(printable(line))


def closing_lines(
    summary: RunSummary, recipe: RunRecipe, command: str, *, said: Collection[str] = ()
) -> list[str]:
    """Return why it ended, what was made, the largest loss and what reduces it, and what to look at."""
    from mathstrap.backends import is_bundled
    from mathstrap.pipeline.closing import biggest_loss

    lines = [""]
    for report in summary.reports:
        if report.message:
            lines += [] if report.message in said else [report.message]
        elif report.failed:
            lines.append(
                f"{counted(report.failed, 'request')} of stage {report.stage} failed; the same command asks again."
            )
    lines += [f"Short: {short.sentence}" for short in summary.short]
    if not summary.is_complete:
        lines += ["Not complete. Everything paid for is kept; go on with:", f"  {command}"]
    what = "verified sample" if recipe.curate.outcome == "correct" else "wrong sample"
    where = f": {summary.path / 'samples.jsonl'} (and .parquet)" if summary.num_samples else ""
    lines.append(f"Made {counted(summary.num_samples, what) if summary.num_samples else 'no samples'}{where}")
    loss = biggest_loss(summary.analysis, recipe)
    if loss is not None:
        lines.append(f"Largest loss: {loss.sentence}. To reduce it: {loss.setting}")
    lines.append(f"Report: {summary.path / 'report.html'}")
    if is_bundled(recipe.teacher):
        lines += [
            "The embedded 135M model shows that everything works; it is not a teacher to train on. With a real one:",
            "  mathstrap run starter seeds.source=bundled:gsm8k    OPENAI_API_KEY set; --dry-run says the cost",
        ]
    is_demo = all(source.source.startswith("bundled:") for source in recipe.seed_sources)
    lines += [
        "Look at it:",
        f"  mathstrap explore {summary.path}    every prompt, reply and verdict, in the browser",
        f"  mathstrap show {first_seed(summary)} --run {summary.path}    one seed, here",
        *(["  mathstrap init    a recipe for your own questions"] if is_demo else []),
    ]
    return lines


def first_seed(summary: RunSummary) -> str:
    """Return the id of a seed that has a sample, or of any seed."""
    from mathstrap.files.rundir import RunDir
    from mathstrap.types import Problem, Sample

    run = RunDir.read(summary.path)
    sample = next(iter(run.read_records("samples", Sample)), None) if run.has("samples") else None
    return sample.seed if sample else next(iter(run.read_records("problems", Problem))).id


def print_preview(preview: Preview, recipe: RunRecipe) -> None:
    """Print the first prompt of each stage and method, then the plan, one line for each, and finally the cost."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    console = terminal()
    for line in preview.seed_lines:
        console.print(printable(line), markup=False, soft_wrap=True)
    for stage in preview.stages:  # before the money: what is printed last is what a terminal still shows
        console.print(f"\nFirst prompt: {stage.name}", style="bold")
        for message in stage.first:
            console.print(message.role, style="dim")
            console.print(fitted(message.content), markup=False, soft_wrap=True)
    console.print()
    table = Table(
        title=f"{recipe.name}: {counted(preview.num_seeds, 'seed')}; nothing was asked",
        title_style="bold",
        box=SIMPLE_HEAD,
    )
    for heading in ("stage, method", "requests", "paid", "tokens in", "out", "at most"):
        table.add_column(heading, justify="left" if heading.startswith("stage") else "right", no_wrap=True)
    for stage in preview.stages:
        table.add_row(
            stage.name, f"{stage.num_requests:,}", f"{stage.num_paid:,}", f"~{short(stage.tokens_in)}",
            f"~{short(stage.tokens_out_expected)}", short(stage.tokens_out_most),
        )  # fmt: skip
    console.print(table)
    if preview.num_planned < preview.num_seeds:
        console.print(
            f"counted on {preview.num_planned:,} of the {preview.num_seeds:,} seeds, evenly spread, and scaled up; "
            "the run plans every one"
        )
    say(preview.cost_sentence)
    for line in thinker_lines(recipe):
        say(line)


def after_a_second() -> Callable[[str], None]:
    """Return a function that shows the progress of planning on standard error, after one second."""
    import time

    begun = last = time.monotonic()

    def tell(line: str) -> None:
        nonlocal last
        at = time.monotonic()
        if at - begun >= 1 and at - last >= 0.5:
            last = at
            typer.echo(line, err=True)

    return tell


def thinker_lines(recipe: RunRecipe) -> list[str]:
    """Return hints about a model that thinks, and about limits that are too small for it."""
    from mathstrap.engine.thinkers import THINKER_MAX_TOKENS, TYPICAL_THOUGHT, thinks

    model = recipe.teacher.model
    samplings = {"rewriting": recipe.rewriting, "solving": recipe.solving}
    thinking = {key: sampling for key, sampling in samplings.items() if thinks(model, sampling.reasoning_effort)}
    if not thinking:
        return []
    lines = [
        f"{printable(model)} thinks before it answers: the estimate counts {TYPICAL_THOUGHT:,} tokens of thought and "
        "text for a reply, and hard problems take several times that."
    ]
    for key, sampling in thinking.items():
        if sampling.max_tokens < TYPICAL_THOUGHT:
            lines.append(
                f"{key}.max_tokens is {sampling.max_tokens:,}: most replies would be cut off while it thinks. Set "
                f"{THINKER_MAX_TOKENS:,}; unused tokens cost nothing."
            )
    return lines


def short(number: int) -> str:
    """Return a count that fits a column: millions with one decimal, smaller ones in full."""
    return f"{number / 1e6:,.1f}M" if number >= 1_000_000 else f"{number:,}"


def show(
    problem_id: str = typer.Argument(..., metavar="ID", help="The id of a seed, or of anything derived from it."),
    run_dir: Path = typer.Option(None, "--run", help="The run directory; without it, the newest run under runs/."),
    full: bool = typer.Option(False, "--full", help="Print every prompt whole, examples included, and thoughts."),
    own_code: bool = typer.Option(False, "--own-code", help="Run the code files that this run's recipe names."),
) -> None:
    """Print the exact prompts and replies of one seed's whole family, rejects and verdicts included."""
    from mathstrap.files.rundir import RunDir
    from mathstrap.pipeline.family import family_of
    from mathstrap.pipeline.options import RunRecipe
    from mathstrap.recipe import load_recipe
    from mathstrap.types import root_of

    run_dir = run_dir or newest_run(Path("runs"))
    opened = RunDir.read(run_dir, about=root_of(problem_id))
    recipe = load_recipe(RunRecipe, str(run_dir / "recipe.yaml"))
    if recipe.methods.own and not own_code:
        files = ", ".join(own.code for own in recipe.methods.own.values())
        raise InputError(f"{run_dir}: showing this run would execute {files}. If that is your file, add --own-code.")
    family = family_of(problem_id, recipe, opened)
    print_block(f"{family.seed.id}  seed, gold {family.seed.answer}", family.seed.question)
    for exchange in family.rewrites:
        print_exchange(exchange, full=full)
    for problem in family.problems:
        tags = ", ".join(f"{key}={problem.tags[key]}" for key in SHOWN_TAGS if key in problem.tags)
        print_block(f"{problem.id}  gold {problem.answer}{'  ' + tags if tags else ''}", problem.question)
        for exchange in family.solves:
            if exchange.request.id.rpartition("#")[0] == problem.id:
                print_exchange(exchange, full=full)


def newest_run(folder: Path) -> Path:
    """Return the run below a folder that was written last; if there are several, print its name."""
    written = {path.parent: path.stat().st_mtime_ns for path in folder.glob("*/problems.jsonl")}
    if not written:
        raise InputError(f"{folder}: there is no run here. Name one: mathstrap show ID --run DIRECTORY")
    newest = max(written, key=lambda run: written[run])
    if len(written) > 1:
        typer.echo(f"{printable(str(newest))}, the newest of {len(written):,} runs; --run names another.", err=True)
    return newest


def print_exchange(exchange: Exchange, *, full: bool) -> None:
    """Print one request with its reply and its outcome."""
    request, verdict, reject = exchange.request, exchange.verdict, exchange.reject
    outcome = "not answered yet" if exchange.completion is None else "answered"
    if verdict is not None:
        outcome = (
            f"{verdict.outcome}: got {verdict.got!r}, expected {verdict.expected!r} ({verdict.tier}: {verdict.reason})"
        )
    if reject is not None:
        outcome = f"rejected in {reject.stage}: {reject.reason} {reject.detail[:120]}"
    # Of a long few-shot prompt, the end with the question is what a reader looks for.
    for message in request.messages if full else request.messages[-1:]:
        text = message.content if full or len(message.content) < 600 else "... " + message.content[-500:]
        print_block(f"{request.id}  prompt, {message.role}", text, indent=4)
    if exchange.completion is not None:
        reply = exchange.completion
        print_block(f"{request.id}  reply ({counted(reply.tokens_out, 'token')})", reply.text, indent=4)
        if reply.reasoning and full:
            print_block(f"{request.id}  thought before it", reply.reasoning, indent=4)
        elif reply.reasoning:
            words = counted(len(reply.reasoning.split()), "word")
            terminal().print(f"      (it thought for {words} before that; --full prints them)", style="dim")
    color = "green" if verdict and verdict.outcome == "correct" else "yellow"
    terminal(soft_wrap=True).print(f"    => {printable(outcome)}\n", style=color)


def print_block(title: str, text: str, *, indent: int = 0) -> None:
    """Print a titled, indented block; control characters of model output are shown, not sent to the terminal."""
    pad = " " * indent
    terminal(soft_wrap=True).print(indented(printable(title), pad), style="bold")
    for line in text.splitlines():
        typer.echo(indented(printable(line), f"{pad}  "))


def recipes(
    name: str = typer.Argument("", metavar="NAME", help="Print this recipe; without a name, list all."),
    copy: Path = typer.Option(None, "--copy", help="Write the recipe to this file instead of printing it."),
    schema: bool = typer.Option(False, "--schema", help="Print the JSON schema of a run's recipe, for editors."),
) -> None:
    """List, print or copy the shipped recipes."""
    from mathstrap.recipe import recipe_names, recipe_schema, recipe_text

    if schema:
        from mathstrap.pipeline.options import RunRecipe

        typer.echo(json.dumps(recipe_schema(RunRecipe), indent=2))
        return
    if not name:
        print_recipes({known: recipe_text(known)[1] for known in recipe_names()})
        return
    text = recipe_text(name)[1]
    if copy is None:
        typer.echo(text, nl=False)
    else:
        write_new(copy, text)


def print_recipes(texts: dict[str, str]) -> None:
    """Print the names and first sentences of recipes, under the verb that takes them."""
    import textwrap

    verbs = {name: verb_of(text) for name, text in texts.items()}
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1_000  # piped text stays one line each
    for verb, purpose in RECIPE_VERBS.items():
        typer.echo(f"mathstrap {verb} NAME    {purpose}")
        for name in (name for name in texts if verbs[name] == verb):
            lines = textwrap.wrap(first_sentence(texts[name]), max(40, width - 25))
            typer.echo(f"  {name:22} " + ("\n" + " " * 25).join(lines))
        typer.echo()
    typer.echo("mathstrap recipes NAME    prints one; --copy FILE writes it, to be changed")


def first_sentence(text: str) -> str:
    """Return the first sentence of the comment that a recipe begins with."""
    import re
    from itertools import takewhile

    lines = takewhile(lambda line: line.startswith("#"), text.splitlines())
    comment = " ".join(line.removeprefix("#").strip() for line in lines)
    return re.split(r"(?<!App)(?<!Fig)\. ", comment)[0].rstrip(".") + "."


def verb_of(text: str) -> str:
    """Return the verb that takes a recipe, by the keys that only its kind has."""
    from mathstrap.recipe import parse_yaml

    keys = parse_yaml(text, "recipe").keys()
    if "rounds" in keys:
        return "iterate"
    return "study" if "arms" in keys else "run" if "seeds" in keys else "train"


def init(
    path: Path = typer.Argument(Path("recipe.yaml"), metavar="FILE", help="Where to write the recipe."),
    seeds: str = typer.Option(
        YOUR_SEEDS, "--seeds", help="Your file (.jsonl, .csv, .xlsx, ...), folder or glob, or hf:owner/name."
    ),
    teacher: str = typer.Option(
        "", "--teacher", metavar="MODEL", help="The model that answers; one that thinks gets the limits it needs."
    ),
) -> None:
    """Write a commented starter recipe for your own questions."""
    from mathstrap.recipe import recipe_text

    if seeds != YOUR_SEEDS:
        check_there(seeds)  # a recipe for a file that is not there would fail one command later
    text = recipe_text("starter")[1].replace(YOUR_SEEDS, in_yaml(seeds))
    lines, fields = look_at_seeds(seeds)
    if fields:
        named = ", ".join(f"{part}: {json.dumps(column, ensure_ascii=False)}" for part, column in fields.items())
        line = f"  fields: {{{named}}}   # guessed from the columns"
        text = re.sub(r"(?m)^  # fields: .*", lambda _: line, text, count=1)
    if teacher:
        text = with_teacher(text, teacher)
    write_new(path, text.replace("mathstrap run recipe.yaml", f"mathstrap run {shlex.quote(str(path))}"))
    for line in lines:
        margin = " " * (len(line) - len(line.lstrip()))
        say(indented(printable(line.lstrip()), margin) if margin else printable(line))
    if fields is None:
        say(f"Next: write into {printable(str(path))} which column is which, for example")
        say("  fields: {question: Task, answer: Result}")
        say("and then:")
    else:
        say("Next: look at it, then:")
    say(f"  mathstrap run {shlex.quote(str(path))} --dry-run")


def check_there(seeds: str) -> None:
    """Raise InputError for questions that name files of this machine and are not there."""
    from mathstrap.files.rows import files_of
    from mathstrap.problems.load import HUB_SETS

    if not seeds.startswith(("hf:", "bundled:")) and seeds not in HUB_SETS:
        files_of(seeds)


def in_yaml(text: str) -> str:
    """Return a text as a YAML value on one line: as it is where that reads back as the same text, else in quotes."""
    from mathstrap.errors import RecipeError
    from mathstrap.recipe import parse_yaml

    try:
        if parse_yaml(f"source: {text}  # a file", "init") == {"source": text}:
            return text
    except RecipeError:
        pass
    return json.dumps(text, ensure_ascii=False)


def look_at_seeds(source: str) -> tuple[list[str], dict[str, str] | None]:
    """Return what a file of seeds holds (format, golds, what was mended, bad rows), and its columns where guessed.

    The columns are None where no row could be read and nothing could be guessed.
    """
    from mathstrap.files.rows import files_of
    from mathstrap.problems.guess import ENOUGH, guess_fields
    from mathstrap.problems.load import SeedsOptions, load_problems, source_rows

    if source.startswith("hf:"):
        return [], {}
    options = SeedsOptions(source=source, on_bad="skip", limit=20_000)
    try:
        if not source.startswith("bundled:"):
            files_of(source)
        return load_problems(options).lines(), {}
    except InputError as error:
        reason = str(error)
    try:
        rows = [row for _, row in islice(source_rows(options, lambda *_: None), ENOUGH)]
        fields = guess_fields(rows) if rows else {}
        if fields:
            loaded = load_problems(replace(options, fields=fields))
            shown = ", ".join(f'{part} "{column}"' for part, column in fields.items())
            return [*loaded.lines(), f"  columns, guessed: {shown}", "  (change them under seeds.fields)"], fields
    except InputError:
        pass  # the guess failed: report the error without it
    return [reason.replace("seeds.on_bad", "on_bad")], None


def with_teacher(text: str, model: str) -> str:
    """Return the starter's text with another model, and the limits that a model of this kind needs."""
    from mathstrap.engine.thinkers import THINKER_MAX_TOKENS, THINKER_TIMEOUT_SECONDS, thinks

    if not model.isprintable() or len(model) > 200:
        raise InputError("--teacher: expected the name of a model as its server knows it.")
    named = model if re.fullmatch(r"[A-Za-z0-9][\w./-]*", model) else json.dumps(model)
    # The starter's own model is one that thinks, and is told not to; what another model is told is not for us to say.
    text = text.replace(", reasoning_effort: none", "")
    limits = (THINKER_MAX_TOKENS, THINKER_MAX_TOKENS) if thinks(model) else (400, 700)
    text = re.sub(r"(?m)^  model: \S+", lambda _: f"  model: {named}", text, count=1)
    for key, most in zip(("rewriting", "solving"), limits, strict=True):
        text = re.sub(rf"(?m)^({key}:.*max_tokens: )\d+", rf"\g<1>{most}", text, count=1)
    seconds = f"{THINKER_TIMEOUT_SECONDS:g}" if thinks(model) else "300"
    return re.sub(r"(?m)^  timeout_seconds: \d+", f"  timeout_seconds: {seconds}", text, count=1)


def write_new(path: Path, text: str) -> None:
    """Write a new file; raises InputError if it exists."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{path}: already exists. Name another file, or delete this one first.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}.") from None
    typer.echo(f"Wrote {path}")
