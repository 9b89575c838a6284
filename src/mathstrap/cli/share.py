"""The verbs that pass a run to other tools: export, preflight, serve-reward and push, and the tasks of eval."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mathstrap.cli.curate import check_choice, field_map
from mathstrap.cli.words import hanging, indented, say
from mathstrap.errors import InputError, check_name, counted
from mathstrap.render.hostile import printable

if TYPE_CHECKING:
    from mathstrap.curate.difficulty import DifficultyOptions
    from mathstrap.evaluate import EvalOptions
    from mathstrap.files.rundir import RunDir
    from mathstrap.share.push import PushPlan


FIELD = typer.Option([], "--field", metavar="PART=COLUMN", help="Of a file: which column holds query, gold, label...")


def export(
    data: str = typer.Argument(..., metavar="RUN", help="A run directory, or a file of rows."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="With --for: training settings."),
    trainer: str = typer.Option("", "--for", metavar="TRAINER", help="trl, axolotl or llama-factory."),
    formats: list[str] = typer.Option(
        [], "--format", metavar="FORMAT",
        help="verl, grpo, dpo, kto, orm, steps, openai, metamathqa, alpaca, chat, sharegpt or prompt-completion.",
    ),
    recipe: str = typer.Option("", "--recipe", "-r", help="With --for: a training recipe; else the defaults."),
    out: Path | None = typer.Option(None, "--out", "-o", help="The folder to write; else the run, or RUN/for-TRAINER."),
    field: list[str] = FIELD,
    instruction: str = typer.Option("auto", help="How prompts ask for the answer: boxed, answer, hash, none or auto."),
    system: str = typer.Option("", help="A system message before every question."),
    plain: bool = typer.Option(False, "--plain", help="Texts instead of chat turns."),
    ending: str = typer.Option("", help="How replies end: paper, answer, boxed or keep (default: as they stand)."),
    reasoning: str = typer.Option("drop", help="Thoughts in formats of samples: drop, keep or column."),
    pairs: str = typer.Option("length-matched", help="dpo: length-matched, or first: in the order drawn."),
    max_pairs: int = typer.Option(1, help="dpo: most pairs of one question."),
    hardest_first: bool = typer.Option(False, "--hardest-first", help="Questions with the lowest pass rate first."),
    pass_rate: str = typer.Option("", metavar="LOW:HIGH", help="Only questions with a pass rate in it: 0.2:0.8."),
    min_draws: int = typer.Option(2, help="With --pass-rate: fewest graded draws of a question."),
    data_source: str = typer.Option("", help="verl: the column data_source; else mathstrap/ and the seeds' name."),
    validation: float = typer.Option(0.0, help="Share of the seeds that goes to files of their own."),
) -> None:  # fmt: skip
    """Write a run, or a file, in formats for rewards, preferences and fine-tuning, or as another trainer's config."""
    if bool(trainer) == bool(formats):
        raise InputError("export: name a trainer (--for trl) or at least one format (--format dpo), not both.")
    path = Path(data)
    if trainer:
        export_for(trainer, path, overrides or [], recipe=recipe, out=out)
        return
    if overrides:
        raise InputError(f'export --format takes options, found "{overrides[0]}". Training settings go with --for.')
    check_choice("--instruction", instruction, ["auto", "boxed", "answer", "hash", "none"])
    check_choice("--pairs", pairs, ["length-matched", "first"])
    check_choice("--reasoning", reasoning, ["drop", "keep", "column"])
    check_choice("--ending", ending or "keep", ["paper", "answer", "boxed", "keep"])
    if max_pairs < 1 or not 0 <= validation < 1:
        raise InputError("export: expected --max-pairs of 1 or more, and --validation from 0 to below 1.")
    from mathstrap.share.formats import FormatOptions
    from mathstrap.share.groups import UNREADABLE_ROWS
    from mathstrap.share.write import CARD, check_formats, export_file, export_run, is_own_card, replaced_sentences

    check_formats(formats)
    options = FormatOptions(
        instruction=instruction, system=system, turns="plain" if plain else "chat", ending=ending or "keep",  # type: ignore[arg-type]
        pairs=pairs, max_pairs=max_pairs, order="hardest-first" if hardest_first else "run",  # type: ignore[arg-type]
        window=window_of(pass_rate, min_draws), data_source=data_source,
        reasoning=reasoning,  # type: ignore[arg-type]
    )  # fmt: skip
    plans = dict.fromkeys(formats, options)
    if path.is_dir():
        if field or out:
            raise InputError("export: --field and --out are for files; a run's exports stand in the run.")
        from mathstrap.files.rundir import RunDir

        with RunDir.open(path) as run:
            replaced = replaced_sentences(path, plans, validation)
            exports = export_run(run, plans, held_out=validation_seeds(run, validation), share=validation)
        folder = path
    else:
        folder = out or path.parent / f"{path.stem}-exports"
        replaced = replaced_sentences(folder, plans, validation)
        if not is_own_card(folder / CARD):
            say(f"{folder / CARD} was not written by mathstrap and stays as it is: no data card is written.", err=True)
        exports = export_file(path, plans, folder, fields=field_map(field), validation_share=validation)
    for name, exported in exports.items():
        validated = f" and {exported.num_held_out:,} for validation" if exported.num_held_out else ""
        typer.echo(f"{folder / f'export-{name}'}.jsonl, .parquet: {counted(exported.num_rows, 'row')}{validated}")
        if name in replaced:
            typer.echo(indented(printable(replaced[name]), "  "))
        for reason, count in exported.left_out.items():
            typer.echo(f"  {count:,} without a row: {reason}")
    reasons = {reason for exported in exports.values() for reason in exported.left_out}
    num_rows = sum(exported.num_rows + exported.num_held_out for exported in exports.values())
    if not num_rows and reasons <= UNREADABLE_ROWS:
        raise InputError(f"{path}: no row could be used. Say which column is which: {example_fields(path)}")


def example_fields(path: Path) -> str:
    """Return the options that name the columns of a file, guessed where it can be guessed, and its columns."""
    from itertools import islice

    from mathstrap.files.rows import iter_rows
    from mathstrap.problems.guess import ENOUGH, guess_fields

    rows = [row for _, row in islice(iter_rows(path, bad=lambda *_: None), ENOUGH)]
    if not rows:
        return "its rows cannot be read."
    guessed = guess_fields(rows)
    names = {"query": guessed.get("question", "COLUMN"), "gold": guessed.get("answer", "COLUMN")}
    options = " ".join(f"--field {shlex.quote(f'{part}={column}')}" for part, column in names.items())
    return f"{options} (the first row has {', '.join(map(str, rows[0]))})."


def export_for(trainer: str, path: Path, overrides: list[str], *, recipe: str, out: Path | None) -> None:
    """Write the configuration and data with which another trainer runs a recipe's training."""
    from mathstrap.files.private import plain_folder
    from mathstrap.recipe import apply_override, build_recipe, load_recipe
    from mathstrap.train import TrainRecipe
    from mathstrap.train.emit import TRAINERS, emit, with_data

    check_name("--for: ", "trainer", trainer, TRAINERS)
    if recipe:
        chosen = load_recipe(TrainRecipe, recipe, overrides)
    else:
        values: dict[str, object] = {}
        for override in overrides:
            apply_override(values, override)
        chosen = build_recipe(TrainRecipe, values, "export")
    folder = out or plain_folder((path if path.is_dir() else path.parent) / f"for-{trainer}")
    emitted = emit(trainer, with_data(chosen, path), folder)
    typer.echo(f"{emitted.folder}: {', '.join(emitted.files)}")
    typer.echo(f"{counted(emitted.num_train, 'row')} to train on, {emitted.num_held_out:,} held out")
    for reason, count in emitted.skipped.items():
        typer.echo(f"{counted(count, 'row')} skipped: {reason}")
    typer.echo(f"Train: {emitted.command}")


def window_of(pass_rate: str, min_draws: int) -> DifficultyOptions | None:
    """Return the window of `LOW:HIGH`; None for no text."""
    from mathstrap.curate.difficulty import DifficultyOptions

    if not pass_rate:
        return None
    low, _, high = pass_rate.partition(":")
    try:
        return DifficultyOptions(min_pass_rate=float(low), max_pass_rate=float(high), min_draws=min_draws)
    except ValueError as error:
        raise InputError(f"--pass-rate {pass_rate}: expected LOW:HIGH, for example 0.2:0.8 ({error}).") from None


def validation_seeds(run: RunDir, share: float) -> frozenset[str]:
    """Return the seeds kept for validation, near-duplicates on one side; the same ones as a recipe with this share."""
    from mathstrap.pipeline.curate import held_out
    from mathstrap.types import Problem

    if not share:
        return frozenset()
    seeds = (problem for problem in run.read_records("problems", Problem) if problem.method == "seed")
    return held_out(seeds, share, rng_seed=int(run.manifest.get("rng_seed", 0)))


def preflight(
    data: str = typer.Argument(..., metavar="FILE", help="A training file, or a run that was exported."),
    format_: str = typer.Option(..., "--format", help="verl, grpo, dpo, kto, orm, steps or openai."),
    reward: str = typer.Option("mathstrap", help="Another reward to try: file.py:function or package.module:function."),
    prompt: str = typer.Option("", help="The column of the prompts; else the one that the trainer reads."),
    gold: str = typer.Option("", help="The column of the gold answers; else the usual names."),
    max_prompt: int | None = typer.Option(None, help="Longest prompt, in tokens of --tokenizer, else in characters."),
    tokenizer: str = typer.Option("", help="A tokenizer's folder or name."),
    limit: int | None = typer.Option(None, help="Read only this many rows."),
    json_out: Path | None = typer.Option(None, "--json", help="Write what was found here, as JSON."),
) -> None:
    """Grade every gold in the layout the trainer will see, and say which rewards can never be 1."""
    import msgspec

    from mathstrap.files.tables import write_atomically
    from mathstrap.share.preflight import FORMATS_CHECKED, PreflightOptions, report_lines
    from mathstrap.share.preflight import preflight as check

    check_choice("--format", format_, list(FORMATS_CHECKED))
    path = Path(data)
    if path.is_dir():
        path /= f"export-{format_}.jsonl"
        if not path.exists():
            raise InputError(f"{path}: there is no such file. Write it: mathstrap export {data} --format {format_}")
    options = PreflightOptions(
        format=format_, reward=reward, prompt=prompt, gold=gold, max_prompt=max_prompt, tokenizer=tokenizer,  # type: ignore[arg-type]
        limit=limit,
    )  # fmt: skip
    result = check(path, options)
    for line in report_lines(result):
        typer.echo(hanging(line, " " * 17))
    if json_out is not None:
        text = msgspec.json.format(msgspec.json.encode(result), indent=2)
        write_atomically(json_out, [text + b"\n"])
    if result.num_errors:
        raise typer.Exit(1)


def serve_reward(
    host: str = typer.Option("127.0.0.1", help="Address to listen on. No key is needed."),
    port: int = typer.Option(8300, help="Port; 0: any free one."),
    grader: str = typer.Option("math", help="As for verify: a name, or your own as file.py:object."),
    mode: str = typer.Option("strict", help="strict, or flexible: the last number of a reply may count."),
    length_penalty: float = typer.Option(0.0, help="Part of a right answer's reward that a long reply loses: 0 to 1."),
    length_start: int = typer.Option(4_000, help="Characters from which a reply loses."),
    length_end: int = typer.Option(16_000, help="Characters at which it has lost all of it."),
    threads: int = typer.Option(4, help="Threads that grade."),
) -> None:
    """Serve the reward over HTTP, for OpenRLHF, NeMo-Gym and others, until Ctrl-C."""
    import asyncio
    import contextlib

    from mathstrap.share.reward import RewardOptions, check_reward_options, count_sentence
    from mathstrap.share.serve import OPEN_HOSTS, ServeOptions, serve

    check_choice("--mode", mode, ["strict", "flexible"])
    reward = RewardOptions(
        grader=grader, mode=mode, length_penalty=length_penalty, length_start=length_start, length_end=length_end,  # type: ignore[arg-type]
    )  # fmt: skip
    check_reward_options(reward)
    if threads < 1 or not 0 <= port < 65_536:
        raise InputError("serve-reward: expected --threads of 1 or more, and a --port from 0 to 65535.")
    if host in OPEN_HOSTS:
        typer.echo("Every machine that reaches this one can ask for rewards: no key is needed.", err=True)

    def announce(url: str) -> None:
        typer.echo(f"{url}/reward, {url}/get_reward (OpenRLHF), {url} (NeMo-Gym); {url}/health")

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(ServeOptions(host=host, port=port, threads=threads, reward=reward), announce))
    typer.echo(count_sentence() or "Nothing was scored.")


def push(
    run: str = typer.Argument(..., help="A run directory."),
    repo: str = typer.Argument("", metavar="OWNER/NAME", help="The dataset on the Hugging Face hub."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print files, sizes and card; upload nothing."),
    public: bool = typer.Option(False, "--public", help="Make a new repository public; otherwise it is private."),
    include: list[str] = typer.Option([], "--include", metavar="FILE", help="Another file of the run; repeatable."),
    without: list[str] = typer.Option([], "--without", metavar="FILE", help="Leave this file out; repeatable."),
    message: str = typer.Option("", "--message", "-m", help="The commit's message."),
) -> None:
    """Publish a run's samples and data card as a dataset on the Hugging Face hub."""
    from mathstrap.share.push import plan_push
    from mathstrap.share.push import push as upload

    if not repo and not dry_run:
        raise InputError(f"push: where to? Name the dataset: mathstrap push {run} OWNER/NAME; --dry-run needs none.")
    stem = re.sub(r"[^A-Za-z0-9.]+", "-", Path(run).resolve().name).strip("-.") or "run"
    plan = plan_push(run, repo or f"you/{stem}", public=public, include=include, without=without, message=message)
    print_plan(plan, dry_run=dry_run)
    if not dry_run:
        typer.echo(f"Published: {upload(plan)}")


def emit_tasks(options: EvalOptions, folder: Path) -> None:
    """Write every benchmark of the options as a task of lm-evaluation-harness."""
    from mathstrap.evaluate.own import protocol_for
    from mathstrap.evaluate.run import load_sets
    from mathstrap.evaluate.task import write_task

    trained = str(options.teacher.settings.get("adapter") or options.teacher.model_path)
    protocol = protocol_for(options.protocol, options.changes, trained)
    for loaded in load_sets(options):
        task = write_task(folder, loaded, protocol)
        typer.echo(f"{task.folder / task.name}.yaml: {counted(task.num_questions, 'question')}")
        typer.echo(f"Run: {task.command}")


def print_plan(plan: PushPlan, *, dry_run: bool) -> None:
    """Print the files with their sizes; on a dry run the card as well."""
    from rich.filesize import decimal

    seen = "private" if plan.private else "public"
    typer.echo(f"{plan.repo} ({seen} if it is new), commit: {printable(plan.message)}")
    for file in plan.files:
        typer.echo(f"  {decimal(file.size):>9}  {printable(file.name)}")
    typer.echo(f"  {decimal(sum(file.size for file in plan.files)):>9}  in {counted(len(plan.files), 'file')}")
    if dry_run:
        typer.echo(f"\n{plan.path / 'README.md'}:")
        for line in plan.card.splitlines():
            typer.echo(indented(printable(line), "  ").rstrip())
        typer.echo("\nNothing was uploaded.")
