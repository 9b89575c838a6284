"""The verbs of evaluation: eval and compare."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mathstrap.cli.eval_tables import print_benchmarks, print_comparison, print_result, print_sensitivity
from mathstrap.errors import InputError, RecipeError

if TYPE_CHECKING:
    from mathstrap.evaluate import EvalOptions
    from mathstrap.evaluate.live import EvalProgress

OVERRIDES = typer.Argument(
    None, metavar="KEY=VALUE", help="Options to set, for example teacher.n_ctx=4096 budget.max_usd=5."
)


def eval_(
    overrides: list[str] = OVERRIDES,
    model: str = typer.Option("", "--model", "-m", help="A name at the server, ollama/NAME, a folder or a .gguf."),
    backend: str = typer.Option("", "--backend", help="Who runs it; told from the model if left out."),
    base_url: str = typer.Option("", "--base-url", help="An OpenAI-compatible server, up to and including /v1."),
    benchmarks: str | None = typer.Option(
        None, "--benchmarks", "-b", help="Names or name=path, with commas, see --list; gsm8k if left out."
    ),
    outputs: str = typer.Option("", "--outputs", help="Grade a file of replies made elsewhere instead of a model."),
    protocol: str = typer.Option("", "--protocol", "-p", help="default, few-shot, metamath-2024 or own."),
    prompt: list[str] = typer.Option([], "--prompt", help="Another prompt; given twice or more: a sensitivity run."),
    template: str = typer.Option("", "--template", help="chat (the model's own template) or raw (plain continuation)."),
    shots: int | None = typer.Option(
        None, "--shots", help="Demonstrations before the question; the protocol's if left out."
    ),
    draws: int | None = typer.Option(
        None, "--draws", "-n", help="Replies per question, one if left out; more than one needs a temperature."
    ),
    temperature: float | None = typer.Option(None, "--temperature", help="0 is greedy; the protocol's if left out."),
    top_p: float | None = typer.Option(None, "--top-p", help="The share of likeliest tokens, in (0, 1]."),
    max_tokens: int | None = typer.Option(None, "--max-tokens", help="The most new tokens of a reply."),
    limit: int | None = typer.Option(None, "--limit", help="Only the first questions of each set."),
    data: str = typer.Option("", "--data", help="A folder with the files; else MATHSTRAP_DATA, else the hub."),
    out: str = typer.Option("", "--out", "-o", help="The run directory; the same one again resumes."),
    ties: str = typer.Option("", "--ties", help="Majority votes that tie: share (if left out), first or wrong."),
    on_bad: str = typer.Option("", "--on-bad", help="Outputs that do not fit: stop (if left out) or skip."),
    logs: str = typer.Option("", "--logs", help="Logs for other tools, with commas: inspect, lm-eval."),
    recipe: str = typer.Option("", "--recipe", help="A YAML file with these options."),
    emit_task: str = typer.Option(
        "", "--emit-lm-eval-task", metavar="DIR", help="Write the sets as lm-evaluation-harness tasks; ask nothing."
    ),
    probe: str = typer.Option(
        "", "--probe", help="memory: show 40, 60 and 80 % of each question and count the rests written word for word."
    ),
    listing: bool = typer.Option(False, "--list", help="List the benchmarks and leave."),
    quiet: bool = typer.Option(False, "--quiet", help="No live progress."),
) -> None:
    """Evaluate a model, or a file of its outputs. The same command again resumes: no reply is paid twice."""
    if listing:
        print_benchmarks()
        return
    if benchmarks is not None and not names_in(benchmarks):
        raise InputError("no benchmark named. For example: --benchmarks gsm8k,math500.")
    given = {
        "benchmarks": names_in(benchmarks or ""), "outputs": outputs, "data": data, "protocol": protocol,
        "draws": draws, "limit": limit, "ties": ties, "on_bad": on_bad, "logs": names_in(logs), "out": out,
    }  # fmt: skip
    changes = {
        "prompt": prompt[0] if len(prompt) == 1 else None, "template": template or None,
        "shots": shots, "temperature": temperature, "top_p": top_p, "max_tokens": max_tokens,
    }  # fmt: skip
    from mathstrap.evaluate.choose import choose_teacher

    options = build_options(given, changes, choose_teacher(model, backend, base_url), recipe, overrides or [])
    if probe:
        run_probe(probe, options, quiet)
        return
    say_how_asked(options)
    if emit_task:
        from mathstrap.cli.share import emit_tasks

        emit_tasks(options, Path(emit_task))
        return
    if len(prompt) > 1:
        from mathstrap.evaluate.versus import evaluate_prompts

        with watched(quiet) as shown:
            results, sensitivities = evaluate_prompts(options, prompt, **shown)
        print_sensitivity(results, sensitivities)
        if any(result.evaluation.num_unanswered for result in results):
            raise typer.Exit(3)
        return
    from mathstrap.evaluate import evaluate

    with watched(quiet) as shown:
        result = evaluate(options, **shown)
    print_result(result)
    if result.evaluation.num_unanswered:
        raise typer.Exit(3)


def run_probe(probe: str, options: EvalOptions, quiet: bool) -> None:
    """Probe a model and print which questions it knows by heart."""
    from mathstrap.cli.eval_tables import print_memory
    from mathstrap.evaluate.memory import probe_memory
    from mathstrap.render.progress import show_progress

    if probe != "memory":
        raise InputError(f'--probe: no probe "{probe}". There is one: memory.')
    if options.out.startswith("runs/eval-"):  # a probe must not resume an evaluation of the same model
        options = dataclasses.replace(options, out=options.out.replace("runs/eval-", "runs/memory-", 1))
    with show_progress(quiet=quiet) as shown:
        result = probe_memory(options, listener=shown)
    print_memory(result)
    if any(benchmark.num_unanswered for benchmark in result.sets):
        raise typer.Exit(3)


def say_how_asked(options: EvalOptions) -> None:
    """Print a hint if the protocol was chosen from the model's training record, or differs from it."""
    from mathstrap.evaluate.own import protocol_for, training_record

    path = str(options.teacher.settings.get("adapter") or options.teacher.model_path)
    if options.outputs or not path or training_record(Path(path)) is None or options.protocol == "own":
        return
    if options.protocol:
        hint = f"Asked by protocol {options.protocol}, not as this model was trained. --protocol own asks as it was."
    else:
        name = protocol_for("", options.changes, path).name
        hint = f"Asked as this model was trained: protocol {name}. --protocol default asks as other models are."
    typer.echo(hint, err=True)


def compare(
    a: str = typer.Argument(..., metavar="A", help="A run directory."),
    b: str = typer.Argument(..., metavar="B", help="Another of the same kind."),
    flips: int = typer.Option(10, "--flips", help="How many flipped questions to list each way."),
    json_lines: bool = typer.Option(False, "--json", help="Print the whole comparison as JSON."),
    sets: str = typer.Option(
        "", "--sets", metavar="ONE,OTHER", help="One set of A against another of B, paired by seed question."
    ),
) -> None:
    """Compare two evaluations question by question, or two bootstrapping runs."""
    kinds = [run_kind(a), run_kind(b)]
    if kinds[0] != kinds[1]:
        raise InputError(f"{a} is an {kinds[0]} and {b} an {kinds[1]}. Compare two of the same kind.")
    if kinds[0] != "evaluation":
        from mathstrap.cli.see import print_comparison as print_runs

        print_runs(a, b)
        return
    from mathstrap.evaluate.versus import compare as compare_evaluations
    from mathstrap.evaluate.versus import contrast

    pair = names_in(sets)
    if pair and len(pair) != 2:
        raise InputError(f"--sets: found {sets}, expected two names such as gsm8k,gsm8k-perturbed.")
    comparison = contrast(a, b, (pair[0], pair[1])) if pair else compare_evaluations(a, b)
    if json_lines:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(comparison), indent=2).decode())
        return
    print_comparison(comparison, flips)


def names_in(text: str) -> list[str]:
    """Return the names in a text with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def run_kind(path: str) -> str:
    """Return the kind of a run directory: "evaluation" or "bootstrapping run"."""
    from mathstrap.files.rundir import RunDir

    run = RunDir.read(path)
    if not run.manifest and not any(run.has(name) for name in ("problems", "draws", "samples")):
        raise InputError(f"{path}: no manifest.json, so this is not a run directory.")
    is_evaluation = run.manifest.get("kind") == "evaluation" or (not run.manifest and run.has("draws"))
    return "evaluation" if is_evaluation else "bootstrapping run"


def build_options(
    given: dict[str, Any], changes: dict[str, Any], teacher: dict[str, Any], recipe: str, overrides: list[str]
) -> EvalOptions:  # fmt: skip
    """Return the options: a recipe's, then the flags', then key=value."""
    from mathstrap.evaluate import EvalOptions
    from mathstrap.evaluate.choose import default_out
    from mathstrap.recipe import apply_override, build_recipe, parse_yaml, read_yaml_file

    values = parse_yaml(read_yaml_file(Path(recipe)), recipe) if recipe else {}
    values |= {key: value for key, value in given.items() if value not in ("", None, [])}
    for section, part in (("changes", changes), ("teacher", teacher)):
        chosen = {key: value for key, value in part.items() if value is not None}
        if recipe and section == "teacher" and chosen == {"backend": "embedded"}:
            continue
        current = values.get(section) or {}
        if not isinstance(current, dict):
            raise RecipeError(f"{recipe}: {section}: found a {type(current).__name__}, expected `key: value` lines.")
        if chosen:
            values[section] = {**current, **chosen}
    for override in overrides:
        apply_override(values, override)
    values.setdefault("out", default_out(values))
    options = build_recipe(EvalOptions, values, recipe or "eval")
    name = options.teacher.model
    if options.teacher.backend == "openai" and not options.teacher.urls and "/" in name and not options.outputs:
        raise InputError(
            f"{name}: no such folder or .gguf file. For a model of that name at a server add --base-url, for one on "
            "the hub --backend hf."
        )
    return options


@contextmanager
def watched(quiet: bool) -> Iterator[dict[str, Any]]:
    """Give the arguments of `evaluate` that show the engine's progress and the accuracy so far."""
    from mathstrap.render.progress import show_progress

    with show_progress(quiet=quiet) as shown:
        yield {"listener": shown, "progress": lambda progress: shown.note(accuracy_so_far(progress))}


def accuracy_so_far(progress: EvalProgress) -> str:
    """Return the live accuracy with its interval as text."""
    interval = f"95 %: {progress.low:.1%} to {progress.high:.1%}"
    parts = [f"{progress.accuracy:.1%} right ({interval}) of {progress.done:,} graded"]
    if progress.truncated:
        parts.append(f"{progress.truncated:,} cut off")
    if progress.unparseable:
        parts.append(f"{progress.unparseable:,} without answer")
    return ", ".join(parts)
