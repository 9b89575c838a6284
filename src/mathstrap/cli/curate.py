"""The verbs of curation: dedup, decontaminate, audit, on a run's files or on any dataset."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mathstrap.errors import InputError, counted, suggest

if TYPE_CHECKING:
    from mathstrap.audit import AuditReport, ReaderOptions, Seed
    from mathstrap.audit.clean import CleanedCounts
    from mathstrap.audit.compare import LabelScores, SecondReading
    from mathstrap.curate.certificate import Certificate
    from mathstrap.curate.decontaminate import TestSetIndex
    from mathstrap.curate.dedup import Duplicates

FILE = typer.Argument(..., metavar="FILE", help="A file of any known format, a folder, a glob, or hf:owner/name.")
FIELD = typer.Option([], "--field", metavar="PART=COLUMN", help="Which column holds query, response, original, gold.")
OUT = typer.Option(None, "--out", help="Write the rows that stay here, as JSON Lines.")
DROPPED = typer.Option(None, "--dropped", help="Write the other rows here, each with its reason.")
AGAINST = typer.Option([], "--against", metavar="SET", help="A test set by name, name=path, or a file; repeatable.")
OVERRIDES = typer.Argument(
    None, metavar="KEY=VALUE", help="Options of the reader, for example budget.max_usd=5 sampling.max_tokens=8000."
)
DATA = typer.Option("", "--data", help="Folder with the files of the named test sets (else MATHSTRAP_DATA, the hub).")


def dedup(
    file: str = FILE,
    field: list[str] = FIELD,
    threshold: float = typer.Option(0.8, help="Share of common word pairs from which the later question goes."),
    numbers: str = typer.Option("differ", help="differ: other numbers make another question; ignore: they do not."),
    method: str = typer.Option("minhash", help="minhash, or exact: only texts equal after normalisation."),
    out: Path | None = OUT,
    dropped: Path | None = DROPPED,
    pairs: Path | None = typer.Option(None, help="Write all pairs and scores here, as JSON."),
    reuse: Path | None = typer.Option(None, help="Read the pairs of an earlier search: only the threshold is new."),
) -> None:
    """Drop questions that repeat an earlier one: equal, or nearly so."""
    import msgspec

    from mathstrap.audit.clean import SourceRows, dedup_file
    from mathstrap.curate.dedup import DedupOptions, Duplicates
    from mathstrap.files.tables import write_atomically

    check_choice("--numbers", numbers, ["differ", "ignore"])
    check_choice("--method", method, ["minhash", "exact"])
    try:
        options = DedupOptions(threshold=threshold, numbers=numbers, method=method)  # type: ignore[arg-type]
    except ValueError as error:
        raise InputError(f"--threshold {threshold}: {error}") from None
    known = None
    if reuse is not None:
        try:
            known = msgspec.json.decode(reuse.read_bytes(), type=Duplicates)
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(
                f"{reuse}: not the pairs of an earlier search ({error}). Make them with --pairs."
            ) from None
    duplicates, sifted = dedup_file(
        SourceRows(name=file, fields=field_map(field)), options, known=known, out=out, dropped_out=dropped
    )
    if pairs is not None:
        write_atomically(pairs, [msgspec.json.encode(duplicates)])
    print_duplicates(duplicates, sifted, threshold)


def decontaminate(
    file: str = FILE,
    field: list[str] = FIELD,
    against: list[str] = AGAINST,
    data: str = DATA,
    seeds: str = typer.Option("", help="The untouched seeds, as the baseline; else the file's original questions."),
    ngram: int = typer.Option(8, help="Length of the compared runs of words."),
    coverage: float = typer.Option(0.5, help="Share of a test question that shared runs must cover."),
    numbers: str = typer.Option("keep", help="keep, or mask: find test questions with other numbers too."),
    rewordings: bool = typer.Option(True, help="Find questions with the same numbers in other words too."),
    embedding: str = typer.Option("off", help="off, static or minilm: report nearest neighbours as well."),
    out: Path | None = OUT,
    dropped: Path | None = DROPPED,
    matches: Path | None = typer.Option(None, help="Write every match here, as JSON Lines."),
    certificate: Path | None = typer.Option(None, help="Write the certificate here: .md, or .json."),
) -> None:
    """Drop questions that test sets ask too, and certify the overlap beside that of the seeds."""
    import msgspec

    from mathstrap.audit.clean import SourceRows, decontaminate_file
    from mathstrap.files.tables import write_atomically

    index = build_index(
        against, data, ngram=ngram, coverage=coverage, numbers=numbers, rewordings=rewordings, embedding=embedding
    )
    record, sifted = decontaminate_file(
        SourceRows(name=file, fields=field_map(field)),
        index,
        seeds=SourceRows(name=seeds) if seeds else None,
        out=out,
        dropped_out=dropped,
        matches_out=matches,
    )
    if certificate is not None:
        is_json = certificate.suffix == ".json"
        write_atomically(certificate, [msgspec.json.encode(record) if is_json else record.to_markdown().encode()])
    print_certificate(record, sifted)


def audit(
    file: str = FILE,
    overrides: list[str] = OVERRIDES,
    field: list[str] = FIELD,
    seeds: str = typer.Option("", help="The seeds with answers and solutions: gives golds and checks masks."),
    against: list[str] = AGAINST,
    data: str = DATA,
    drop: list[str] = typer.Option([], metavar="DEFECT", help="Drop rows with this defect too; repeatable."),
    keep: list[str] = typer.Option([], metavar="DEFECT", help="Do not drop rows for this defect; repeatable."),
    skip: list[str] = typer.Option([], metavar="DEFECT", help="Do not look for this defect; repeatable."),
    near: bool = typer.Option(True, "--near/--no-near", help="Search near-duplicate questions (reads the file twice)."),
    out: Path | None = OUT,
    dropped: Path | None = DROPPED,
    json_out: Path | None = typer.Option(None, "--json", help="Write the report here, as JSON."),
    workers: int = typer.Option(0, help="Processes; 0: one for each core."),
    certificate: bool = typer.Option(True, "--contamination/--no-contamination", help="Compare with the test sets."),
    questions_only: bool = typer.Option(False, "--questions-only", help="Look at the questions alone."),
    reader: str = typer.Option("", "--reader", metavar="MODEL", help="Let this teacher read every answer too."),
    replies: Path | None = typer.Option(
        None, metavar="DIR", help="Keep the reader's replies here; beside --out or --json if left out."
    ),
    label: str = typer.Option(
        "", "--label", metavar="COLUMN=VALUE", help="Where the file says which answers are sound: scores the findings."
    ),
) -> None:
    """Count the defects of a dataset made elsewhere and write a cleaned one."""
    import os

    import msgspec

    from mathstrap.audit import AuditOptions
    from mathstrap.audit import audit as audit_dataset
    from mathstrap.curate.dedup import DedupOptions
    from mathstrap.files.tables import write_atomically
    from mathstrap.render.progress import show_progress as show_engine

    options = AuditOptions(
        fields=field_map(field), drop=tuple(drop), keep=tuple(keep), skip=tuple(skip),
        near=DedupOptions() if near else None, num_workers=workers or os.cpu_count() or 1,
        questions_only=questions_only, label=label,
        reader=reader_options(reader, replies, [out, json_out, dropped], file, overrides or []),
    )  # fmt: skip
    with show_engine() if reader else nullcontext() as listener:
        report = audit_dataset(
            file,
            options,
            seeds=read_seeds(seeds) if seeds else None,
            # Without named or local sets there is no comparison: an audit must not download seven sets unasked.
            index=build_index(against, data) if certificate and (against or has_test_sets(data)) else None,
            clean_path=out,
            dropped_path=dropped,
            progress=show_progress,
            listener=listener,
        )
    if json_out is not None:
        write_atomically(json_out, [msgspec.json.format(msgspec.json.encode(report), indent=1)])
    print_report(report, out)
    if report.reader is not None:
        assert options.reader is not None, "who read is an option"
        print_reader(report.reader, options.reader.out)
    if report.labels is not None:
        print_labels(report.labels)
    if report.reader is not None and report.reader.why_unread:
        raise typer.Exit(3)


def reader_options(
    model: str, replies: Path | None, written: list[Path | None], file: str, overrides: list[str]
) -> ReaderOptions | None:
    """Return the options of the reader, or None; its replies are kept beside the first `written` file."""
    from mathstrap.audit import ReaderOptions
    from mathstrap.evaluate.choose import choose_teacher
    from mathstrap.recipe import apply_override, build_recipe

    if not model:
        if overrides or replies is not None:
            given = overrides[0] if overrides else f"--replies {replies}"
            raise InputError(f"{given}: is an option of a reader, and none is named. Name it: --reader MODEL.")
        return None
    beside = next((path for path in written if path is not None), None)
    name = re.sub(r"[^A-Za-z0-9.]+", "-", Path(file).stem).strip("-.") or "file"
    folder = replies or (beside.with_suffix(".reader") if beside is not None else Path("runs") / f"reader-{name}")
    values: dict[str, Any] = {"out": str(folder), "teacher": choose_teacher(model)}
    for override in overrides:
        apply_override(values, override)
    return build_recipe(ReaderOptions, values, "audit")


def field_map(pairs: list[str]) -> dict[str, str]:
    """Return the part=column pairs as a mapping."""
    split = [pair.partition("=") for pair in pairs]
    for pair, (part, equals, column) in zip(pairs, split, strict=True):
        if not (part and equals and column):
            raise InputError(f'--field {pair}: expected PART=COLUMN, for example "query=question".')
    return {part: column for part, _, column in split}


def check_choice(option: str, value: str, choices: list[str]) -> None:
    """Raise InputError if a value is not one of the choices."""
    if value not in choices:
        raise InputError(f"{option} {value}: expected {' or '.join(choices)}.{suggest(value, choices)}")


def has_test_sets(data: str) -> bool:
    """Say whether the named test sets can be read without the hub."""
    import os

    from mathstrap.problems.benchmarks import DATA_VARIABLE

    return bool(data or os.environ.get(DATA_VARIABLE))


def build_index(
    against: list[str],
    data: str,
    *,
    ngram: int = 8,
    coverage: float = 0.5,
    numbers: str = "keep",
    rewordings: bool = True,
    embedding: str = "off",
) -> TestSetIndex:
    """Read the test sets, by default the usual seven, and return their index."""
    from mathstrap.curate.decontaminate import DecontaminateOptions, TestSetIndex
    from mathstrap.problems.testsets import DEFAULT, load_test_sets

    check_choice("--numbers", numbers, ["keep", "mask"])
    check_choice("--embedding", embedding, ["off", "static", "minilm"])
    options = DecontaminateOptions(
        ngram_words=ngram, min_coverage=coverage, numbers=numbers,  # type: ignore[arg-type]
        rewordings=rewordings, embedding=embedding,  # type: ignore[arg-type]
    )  # fmt: skip
    try:
        return TestSetIndex.build(load_test_sets(against or DEFAULT, data=data), options)
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(f"decontaminate: {error}") from None


def read_seeds(source: str) -> dict[bytes, Seed]:
    """Return the seeds of a file by question; rows that cannot be used are left out."""
    from mathstrap.audit import seed_map
    from mathstrap.problems.load import SeedsOptions, load_problems

    loaded = load_problems(SeedsOptions(source=source, on_bad="skip"))
    return seed_map((seed.question, seed.answer, seed.solution) for seed in loaded.problems)


def show_progress(num_rows: int) -> None:
    """Show the progress of the audit on a terminal."""
    import sys

    if sys.stderr.isatty():
        typer.echo(f"\r{num_rows:,} rows", nl=False, err=True)


def print_duplicates(duplicates: Duplicates, sifted: CleanedCounts, threshold: float) -> None:
    """Print the duplicates, and how many other thresholds would drop."""
    kinds = {"exact": 0, "near": 0}
    for pair in duplicates.pairs:
        kinds[pair.kind] += 1
    typer.echo(f"{counted(sifted.num_rows, 'row')}: {sifted.kept:,} kept, {sifted.dropped:,} dropped", nl=False)
    typer.echo(f" ({sifted.bad_rows:,} of them without a question)" if sifted.bad_rows else "")
    typer.echo(f"{kinds['exact']:,} repeat an earlier question exactly; {kinds['near']:,} pairs are alike")
    for other in sorted({0.5, 0.6, 0.7, 0.8, 0.9, 1.0, threshold}):
        if other >= duplicates.options.floor:
            mark = " <" if other == threshold else ""
            typer.echo(f"  threshold {other:<5g} drops {len(duplicates.dropped(other)):>9,}{mark}")


def print_certificate(record: Certificate, sifted: CleanedCounts) -> None:
    """Print the certificate as a table."""
    from rich.table import Table

    from mathstrap.curate.certificate import NO_BASELINE
    from mathstrap.render.terminal import terminal

    console = terminal()
    table = Table("test set", "questions", "by seeds", "by derived", "introduced", "derived rows", box=None)
    for row in record.overlaps:
        counts = (row.num_items, row.seed_items, row.derived_items, row.items_introduced, row.derived)
        shown = [f"{count:,}" for count in counts]
        if not record.num_seeds:
            shown[1] = shown[3] = "-"
        table.add_row(row.test_set, *shown)
    console.print(table)
    if not record.num_seeds:
        typer.echo(NO_BASELINE)
    for match in record.derived_examples[:3]:
        console.print(
            f"  {match.id} ~ {match.test_set} {match.test_id} ({match.score:.2f}): {match.span}", markup=False
        )
    typer.echo(f"{counted(sifted.num_rows, 'row')}: {sifted.kept:,} kept, {sifted.dropped:,} dropped")


def print_report(report: AuditReport, out: Path | None) -> None:
    """Print the audit as a table."""
    from rich.table import Table

    from mathstrap.audit import table
    from mathstrap.render.terminal import terminal

    console = terminal()
    shown = Table("defect", "rows", "share", "row is", "what it means", box=None)
    for row in table(report):
        shown.add_row(*row)
    console.print(shown)
    dropped = f"{report.dropped:,} with a defect that drops them"
    typer.echo(f"{counted(report.num_rows, 'row')}: {report.kept:,} sound, {dropped}")
    if out is not None:
        typer.echo(f"{out}: the {report.kept:,} sound rows")


def print_reader(reader: SecondReading, replies: str) -> None:
    """Print the reader's verdicts beside the checker's on the same answers, and where its replies are."""
    cut_off = f" ({counted(reader.num_cut_off, 'reply', 'replies')} cut off)" if reader.num_cut_off else ""
    typer.echo(
        f"reader {reader.model}: {reader.num_read:,} of {reader.num_rows:,} answers read: {reader.sound:,} sound, "
        f"{reader.wrong:,} with a wrong step, {reader.unclear:,} unclear{cut_off}"
    )
    typer.echo(
        f"  flagged by the checker alone {reader.by_checker_alone:,}, by the reader alone {reader.by_reader_alone:,}, "
        f"by both {reader.by_both:,} (checker: {', '.join(reader.checker)})"
    )
    if reader.num_read and 2 * reader.unclear > reader.num_read:
        typer.echo(
            f"  Most replies state no verdict: look at {replies}/completions-read.jsonl. A larger model helps; for one "
            "that thinks, more sampling.max_tokens."
        )
    if reader.why_unread:
        typer.echo(f"  {counted(reader.num_rows - reader.num_read, 'answer')} not read. {reader.why_unread}")


def print_labels(labels: LabelScores) -> None:
    """Print how well checker and reader find the answers that people labelled as wrong."""
    from rich.table import Table

    from mathstrap.render.terminal import terminal

    typer.echo(f"labels ({labels.label} is sound): {labels.num_sound:,} sound, {labels.num_wrong:,} wrong")
    shown = Table("found by", "flagged", "rightly", "precision", "recall", "false alarms", box=None)
    for score in labels.scores:
        shares = (score.precision, score.recall, score.false_alarms)
        shown.add_row(
            score.name, f"{score.flagged:,}", f"{score.rightly:,}",
            *("-" if share is None else f"{share:.1%}" for share in shares),
        )  # fmt: skip
    terminal().print(shown)
