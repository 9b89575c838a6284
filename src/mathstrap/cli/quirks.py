"""The verb `quirks`: count the damage that the reference code would have done to the user's own seeds."""

from __future__ import annotations

from typing import Literal, cast

import typer

from mathstrap.cli.curate import field_map
from mathstrap.errors import counted


def quirks(
    source: str = typer.Argument(..., metavar="FILE", help="Seeds: a JSONL, CSV or Parquet file, or bundled:gsm8k."),
    style: str = typer.Option("", help="gsm8k (plain text) or math (LaTeX); decided from the rows if left out."),
    field: list[str] = typer.Option(
        [], metavar="PART=COLUMN", help="Your column for question, answer, solution or id."
    ),
    limit: int | None = typer.Option(None, min=1, help="Look at the first rows only."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document instead of text."),
) -> None:
    """Count, per quirk of the reference code, how many of your seeds it would have spoiled."""
    import dataclasses
    import json

    from mathstrap.augment.quirks import count_quirks
    from mathstrap.errors import InputError
    from mathstrap.problems.load import SeedsOptions, load_problems

    if style not in ("", "gsm8k", "math"):
        raise InputError(f'--style: found "{style}", expected gsm8k or math.')
    chosen = cast(Literal["", "gsm8k", "math"], style)
    try:
        loaded = load_problems(
            SeedsOptions(source=source, style=chosen, fields=field_map(field), limit=limit, on_bad="skip")
        )
    except InputError as error:  # this verb has no recipe: name its own option instead of the recipe's key
        raise InputError(str(error).replace("seeds.fields.", "--field ")) from None
    counts = count_quirks(loaded.problems)
    if as_json:
        document = {
            "source": source,
            "num_seeds": len(loaded.problems),
            "num_bad_rows": len(loaded.rejects),
            "quirks": [dataclasses.asdict(count) for count in counts],
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    left_out = f"{counted(len(loaded.rejects), 'unusable row')} left out"
    typer.echo(f"{source}: {counted(len(loaded.problems), 'seed')}, {left_out}\n")
    for count in counts:
        if not count.count:
            continue
        share = f"{count.total:,} {count.unit}s ({count.count / count.total:.1%})"
        typer.echo(
            f"{count.name:<17}{count.count:>7,} of {share}, in {counted(count.num_seeds, 'seed')}\n"
            f"    reference   {count.reference}\n"
            f"    Mathstrap   {count.ours}\n"
            f"    example     {count.example_id}: {count.example}"
        )
    clean = [count.name for count in counts if not count.count]
    if clean:
        typer.echo(f"none: {', '.join(clean)}")
    typer.echo("\ndocs/fidelity.md describes each quirk; `mode: metamath-2024` in a recipe reproduces them.")
