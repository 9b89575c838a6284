"""Write exports in one pass over the questions: each format as JSON Lines and Parquet, and the data card.

`exports.json` beside the files records the formats and options, so that the next run writes them again.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import msgspec

from mathstrap.errors import check_name
from mathstrap.files.rundir import RunDir
from mathstrap.files.tables import replacing, write_atomically
from mathstrap.share.export import EXAMPLE, FORMATS, Ending, Row, count_table, finish_response, sample_row
from mathstrap.share.formats import (
    ABOUT,
    GROUP_FORMATS,
    FormatOptions,
    LeftOut,
    example_row,
    is_wanted,
    reply_of,
)
from mathstrap.share.groups import DrawGroup, groups_in, groups_of_run
from mathstrap.types import Sample, Style, roots_of, type_of

RECORD = "exports.json"
# Parquet's row groups are the unit that readers stream.
ROWS_PER_GROUP = 5_000
CARD_HEADING = "## Formats"
CARD = "README.md"
CARD_MARK = "Made by Mathstrap from"
_NEXT_HEADINGS = ("## Licence and terms",)


@dataclass(kw_only=True)
class Exported:
    """The result of one format: rows for training and validation, and why other questions or draws gave no row."""

    name: str
    num_rows: int = 0
    num_held_out: int = 0
    left_out: dict[str, int] = field(default_factory=dict)


class RowFile:
    """A file of rows being written as JSON Lines and Parquet; each gets its name only when it is complete.

    `ranked` rows wait in a temporary file and are written by rank, ties in their original order.
    """

    def __init__(self, stack: ExitStack, stem: Path, like: Row, *, ranked: bool = False) -> None:
        import pyarrow
        import pyarrow.parquet

        self.schema = pyarrow.Table.from_pylist([like]).schema
        json_path = stack.enter_context(replacing(stem.with_name(f"{stem.name}.jsonl"), is_private=True))
        table_path = stack.enter_context(replacing(stem.with_name(f"{stem.name}.parquet"), is_private=True))
        self.lines: IO[bytes] = stack.enter_context(json_path.open("wb", buffering=1 << 20))
        self.table = stack.enter_context(pyarrow.parquet.ParquetWriter(table_path, self.schema, compression="zstd"))
        self.spool: IO[bytes] | None = stack.enter_context(tempfile.TemporaryFile()) if ranked else None  # noqa: SIM115
        self.ranks = array("d")
        self.places = array("q", [0])
        self.batch: list[Row] = []
        self.encode = msgspec.json.Encoder().encode
        self.num_rows = 0

    def add(self, row: Row, rank: float = 0.0) -> None:
        """Write one row."""
        self.num_rows += 1
        if self.spool is not None:
            self.spool.write(line := self.encode(row))
            self.ranks.append(rank)
            self.places.append(self.places[-1] + len(line))
            return
        self._write(row, self.encode(row))

    def _write(self, row: Row, line: bytes) -> None:
        self.lines.write(line)
        self.lines.write(b"\n")
        self.batch.append(row)
        if len(self.batch) >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        if self.batch:
            self.table.write_table(pyarrow.Table.from_pylist(self.batch, schema=self.schema))
            self.batch = []

    def close(self) -> None:
        """Write the remaining rows, the ranked ones in order, and close the Parquet file."""
        if self.spool is not None:
            self.spool.flush()
            decode = msgspec.json.Decoder().decode
            for place in sorted(range(len(self.ranks)), key=lambda place: self.ranks[place]):
                start, end = self.places[place], self.places[place + 1]
                line = os.pread(self.spool.fileno(), end - start, start)
                self._write(decode(line), line)
        self._flush()
        self.lines.flush()
        self.table.close()


def open_files(
    stack: ExitStack, folder: Path, likes: Mapping[str, Row], *, with_validation: bool, ranked: Collection[str] = ()
) -> dict[tuple[str, bool], RowFile]:
    """Open the files of every format by (name, whether it holds the validation rows); `likes` defines the columns."""
    return {
        (name, is_validation): RowFile(
            stack, folder / f"export-{name}{'-validation' if is_validation else ''}", like, ranked=name in ranked
        )
        for name, like in likes.items()
        for is_validation in ((False, True) if with_validation else (False,))
    }


def close_files(files: Mapping[tuple[str, bool], RowFile], exported: Mapping[str, Exported]) -> None:
    """Complete every file and record its number of rows."""
    for (name, is_validation), file in files.items():
        file.close()
        if is_validation:
            exported[name].num_held_out = file.num_rows
        else:
            exported[name].num_rows = file.num_rows


def write_groups(
    groups: Iterable[DrawGroup], plans: Mapping[str, FormatOptions], folder: Path, *,
    held_out: frozenset[str] = frozenset(),
) -> dict[str, Exported]:
    """Write every planned format of the questions in one pass, those of the `held_out` seeds to a file of their own."""
    exported = {name: Exported(name=name) for name in plans}
    left_out = {name: LeftOut() for name in plans}
    with ExitStack() as stack:
        likes = {name: like_row(name, options) for name, options in plans.items()}
        ranked = {name for name, options in plans.items() if options.order == "hardest-first"}
        files = open_files(stack, folder, likes, with_validation=bool(held_out), ranked=ranked)
        for group in groups:
            is_validation = is_held_out(group.seeds, held_out)
            for name, options in plans.items():
                if is_validation is None:
                    left_out[name][MIXED] += 1
                elif is_wanted(group, options, left_out[name]):
                    file = files[name, is_validation]
                    rank = 2.0 if group.pass_rate is None else group.pass_rate
                    for row in rows_of(name)(group, options, left_out[name]):
                        file.add(row, rank)
        close_files(files, exported)
    for name, counts in left_out.items():
        exported[name].left_out = dict(counts.most_common())
    return exported


def like_row(name: str, options: FormatOptions) -> Row:
    """Return a row that defines a format's columns and their types."""
    return example_row(name, options) if name in GROUP_FORMATS else sample_row(name, EXAMPLE, options.reasoning)


def rows_of(name: str) -> Callable[[DrawGroup, FormatOptions, LeftOut], Iterator[Row]]:
    """Return the function that turns a question into rows; a format of samples takes only the right draws."""
    if name in GROUP_FORMATS:
        return GROUP_FORMATS[name]

    def sample_rows(group: DrawGroup, options: FormatOptions, left_out: LeftOut) -> Iterator[Row]:
        seen: set[str] = set()
        for draw in group.draws:
            if draw.outcome != "correct" or draw.text in seen:
                left_out["reply that is not right" if draw.outcome != "correct" else "reply that repeats another"] += 1
                continue
            seen.add(draw.text)
            answer = group.gold or draw.answer
            text = reply_of(draw, group, options) if options.ending != "keep" else draw.text
            sample = Sample(
                id=draw.id, type=type_of(group.style, group.method), query=group.question,
                original_question=group.original_question, response=text, problem=group.id, seed=group.seed,
                dataset=group.dataset, method=group.method, answer=answer, reasoning=draw.reasoning,
            )  # fmt: skip
            yield sample_row(name, sample, options.reasoning)

    return sample_rows


MIXED = "question made from a validation seed and a training seed"


def is_held_out(seeds: Sequence[str], held_out: frozenset[str]) -> bool | None:
    """Say whether a row with these seeds belongs to validation; None where its seeds are on both sides of the split."""
    sides = {seed in held_out for seed in seeds}
    return sides.pop() if len(sides) == 1 else None


class _GoldSource(msgspec.Struct):
    gold_source: str = "given"


def write_samples(
    run: RunDir, plans: Mapping[str, FormatOptions], folder: Path, *, held_out: frozenset[str]
) -> dict[str, Exported]:
    """Write formats of samples from a run's curated samples; an ending other than "keep" replaces theirs."""
    exported = {name: Exported(name=name) for name in plans}
    if not plans:
        return exported
    with_votes = any(row.gold_source == "voted" for row in run.read_records("samples", _GoldSource))
    with ExitStack() as stack:
        likes = {
            name: sample_row(name, EXAMPLE, options.reasoning, with_votes=with_votes) for name, options in plans.items()
        }
        files = open_files(stack, folder, likes, with_validation=bool(held_out))
        for sample in run.read_records("samples", Sample):
            is_validation = is_held_out(roots_of(sample), held_out)
            for name, options in plans.items():
                if is_validation is None:
                    exported[name].left_out[MIXED] = exported[name].left_out.get(MIXED, 0) + 1
                    continue
                row = sample_row(
                    name, with_ending(sample, options.ending), options.reasoning, with_votes=with_votes
                )
                files[name, is_validation].add(row)
        close_files(files, exported)
    return exported


def with_ending(sample: Sample, ending: Ending) -> Sample:
    """Return a sample whose response ends as asked for."""
    if ending == "keep":
        return sample
    style: Style = "math" if sample.type.startswith("MATH") else "gsm8k"
    response = finish_response(sample.response, sample.answer, style, ending)
    return msgspec.structs.replace(sample, response=response)


def export_run(
    run: RunDir, plans: Mapping[str, FormatOptions], *, held_out: frozenset[str] = frozenset(), share: float = 0.0
) -> dict[str, Exported]:
    """Write formats of a finished run into its directory, and record them in `exports.json` and the data card.

    `held_out` are the seeds of the validation `share`, which is recorded, so that the next run holds out the same.
    """
    of_samples = {name: options for name, options in plans.items() if name in FORMATS}
    exported = write_samples(run, of_samples, run.path, held_out=held_out)
    grouped = {name: options for name, options in plans.items() if name in GROUP_FORMATS}
    if grouped:
        groups = groups_of_run(run, with_checks="steps" in grouped)
        exported.update(write_groups(groups, grouped, run.path, held_out=held_out))
    noted = record_exports(run.path, exported, plans, share)
    if (run.path / CARD).exists():
        card = (run.path / CARD).read_text(encoding="utf-8")
        write_atomically(run.path / CARD, [with_exports(card, noted).encode("utf-8")])
    return exported


def export_file(
    path: Path, plans: Mapping[str, FormatOptions], folder: Path, *, fields: Mapping[str, str],
    validation_share: float = 0.0, rng_seed: int = 0,
) -> dict[str, Exported]:  # fmt: skip
    """Write formats of another tool's file of rows into a folder, with a data card; raises InputError."""
    from collections import Counter

    skipped: Counter[str] = Counter()
    held_out: frozenset[str] = frozenset()
    if validation_share:
        from mathstrap.curate.mix import split

        ids = [group.seed for group in groups_in(path, fields)]
        held_out = split(ids, validation_share, rng_seed=rng_seed).validation
    groups = groups_in(path, fields, left_out=skipped)
    # A file that cannot be read is refused here, before a folder is made for what cannot be written.
    first = list(islice(groups, 1))
    folder.mkdir(parents=True, exist_ok=True)
    exported = write_groups(chain(first, groups), plans, folder, held_out=held_out)
    for each in exported.values():
        each.left_out.update(skipped)
    noted = record_exports(folder, exported, plans, validation_share)
    if is_own_card(folder / CARD):
        card = f"---\nconfigs:\n---\n\n# {path.stem}\n\n{CARD_MARK} `{path.name}`.\n"
        write_atomically(folder / CARD, [with_exports(card, noted).encode("utf-8")])
    return exported


def is_own_card(path: Path) -> bool:
    """Say whether a card of an exported file may be written here: a page of somebody else's is never replaced."""
    return not path.exists() or CARD_MARK in path.read_text(encoding="utf-8", errors="replace")


def record_exports(
    folder: Path, exported: Mapping[str, Exported], plans: Mapping[str, FormatOptions], share: float
) -> dict[str, dict[str, Any]]:
    """Record what was written in `exports.json` and return all of it.

    Validation files of an earlier export go where this one made none: their rows are among the training rows again.
    """
    noted = exports_of(folder)
    for name, options in plans.items():
        if noted.get(name, {}).get("validation_rows") and not share:
            for suffix in ("jsonl", "parquet"):
                (folder / f"export-{name}-validation.{suffix}").unlink(missing_ok=True)
        noted[name] = record_of(exported[name], options, share)
    write_record(folder, noted)
    return noted


def record_of(export: Exported, options: FormatOptions, share: float) -> dict[str, Any]:
    """Return a format's entry of `exports.json`: counts, reasons, and the options that reproduce it."""
    return {
        "rows": export.num_rows, "validation_rows": export.num_held_out, "left_out": export.left_out,
        "options": asdict(options), "validation_share": share,
    }  # fmt: skip


def replaced_sentences(folder: Path, plans: Mapping[str, FormatOptions], share: float) -> dict[str, str]:
    """Return, for each format that was exported here with other options, a sentence on what it had been made with."""
    before, shares = plans_of(folder), shares_of(folder)
    sentences = {}
    for name, options in plans.items():
        if name not in before:
            continue
        earlier, present = asdict(before[name]), asdict(options)
        changed = {key: value for key, value in earlier.items() if present[key] != value}
        if shares[name] != share:
            changed["validation"] = shares[name]
        if changed:
            shown = ", ".join(f"{key}={one_line(value) or 'none'}" for key, value in changed.items())
            sentences[name] = f"replaces the earlier one, which was made with {shown}"
    return sentences


def shares_of(folder: Path) -> dict[str, float]:
    """Return the validation share of each format that was exported before."""
    shares = {name: record.get("validation_share", 0.0) for name, record in exports_of(folder).items()}
    return {name: share if isinstance(share, float) else 0.0 for name, share in shares.items()}


def write_record(folder: Path, noted: Mapping[str, Any]) -> None:
    """Write `exports.json`."""
    text = msgspec.json.format(msgspec.json.encode(dict(noted)), indent=2)
    write_atomically(folder / RECORD, [text + b"\n"])


def exports_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the earlier exports; empty where there are none or `exports.json` cannot be read."""
    path = folder / RECORD
    try:
        records = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]])
    except (OSError, msgspec.DecodeError):  # the next export writes the record again
        return {}
    return {name: record for name, record in records.items() if name in FORMATS or name in GROUP_FORMATS}


def plans_of(folder: Path) -> dict[str, FormatOptions]:
    """Return the earlier exports' options by format, without those of an incompatible version."""
    plans = {}
    for name, record in exports_of(folder).items():
        try:
            plans[name] = msgspec.convert(record.get("options", {}), FormatOptions)
        except (msgspec.ValidationError, ValueError):
            continue
    return plans


def with_exports(card: str, noted: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a data card whose header names the exported files and whose section describes them."""
    head, marker, body = card.removeprefix("---\n").partition("\n---\n")
    if not marker:
        head, body = "configs:", card
    lines = without_configs(head.splitlines(), set(noted))
    for name, record in noted.items():
        lines += [f"- config_name: {name}", "  data_files:"]
        lines += ["  - split: train", f"    path: export-{name}.parquet"]
        if record.get("validation_rows"):
            lines += ["  - split: validation", f"    path: export-{name}-validation.parquet"]
    before, section, after = body.partition(f"\n{CARD_HEADING}\n")
    if section:  # an earlier export's section is replaced, up to the next heading
        rest = after.find("\n## ")
        body = before + (after[rest:] if rest >= 0 else "\n")
    place = next((body.index(f"\n{heading}\n") for heading in _NEXT_HEADINGS if f"\n{heading}\n" in body), len(body))
    return (
        "---\n"
        + "\n".join(lines)
        + "\n---\n"
        + body[:place].rstrip("\n")
        + "\n\n"
        + formats_section(noted)
        + body[place:]
    )


def without_configs(lines: list[str], names: set[str]) -> list[str]:
    """Return the header of a card without the entries of these configurations."""
    kept: list[str] = []
    is_dropped = False
    for line in lines:
        if line.startswith("- config_name: "):
            is_dropped = line.removeprefix("- config_name: ").strip() in names
        elif not line.startswith((" ", "-")):
            is_dropped = False
        if not is_dropped:
            kept.append(line)
    return kept


def formats_section(noted: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the card's section on formats: contents, row counts, options, and what gave no row."""
    lines = [CARD_HEADING, "", "| format | rows | validation | what a row is |", "| --- | ---: | ---: | --- |"]
    for name, record in noted.items():
        validation = f"{record.get('validation_rows', 0):,}"
        lines.append(f"| `export-{name}` | {record.get('rows', 0):,} | {validation} | {ABOUT.get(name, '')} |")
    defaults = asdict(FormatOptions())
    for name, record in noted.items():
        changed = {key: value for key, value in record.get("options", {}).items() if defaults.get(key) != value}
        left_out = record.get("left_out", {})
        if changed or left_out:
            lines += ["", f"### {name}"]
        if changed:
            options = ", ".join(f"`{key}: {one_line(value)}`" for key, value in sorted(changed.items()))
            lines += ["", f"Options: {options}."]
        if left_out:
            lines += ["", "What gave no row:", "", *count_table("reason", left_out)]
    return "\n".join(lines) + "\n"


def one_line(value: Any) -> str:
    """Return an option's value as one line of a card."""
    return " ".join(str(value).split()).replace("`", "'")


def check_formats(names: Sequence[str]) -> None:
    """Raise InputError for a format that does not exist."""
    for name in names:
        check_name("", "format", name, [*FORMATS, *GROUP_FORMATS])
