"""Find damaged files in a run directory, estimate what repairing them costs, and repair them. Sends nothing.

A damaged line of a paid file is moved to `damaged-<file>`, byte for byte: its reply is lost, and the next run asks its
request again. Derived files are derived again from the replies.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.curate.dedup import DuplicatePair
from mathstrap.errors import InputError, MathstrapError, counted
from mathstrap.evaluate.score import ScoredDraw
from mathstrap.files.append_log import ReplyIndex, decode_reply, key_in, open_for_writing, request_in, storage_error
from mathstrap.files.lines import Damage, lines_of, open_file, read_json_file, records_in
from mathstrap.files.rows import iter_rows
from mathstrap.files.rundir import Mark, RunDir, decode_entry, record_decoder
from mathstrap.files.tables import replacing
from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import load_recipe
from mathstrap.report.analysis import plan_of, read_recipe, usd_of
from mathstrap.stats import PlannedDraws
from mathstrap.types import Asked, Candidate, Failure, Liability, Problem, Reject, Sample, Usage, Verdict

ASIDE = "damaged-"
Decode = Callable[[bytes], Any]
# The files that cannot be derived, each with the decoder of its lines and the name of a line in messages.
PAID: dict[str, tuple[Decode, str]] = {
    "completions-*.jsonl": (decode_reply, "stored reply"),
    "failures.jsonl": (record_decoder(Failure), "record of a failure"),
    "batches-*.jsonl": (decode_entry, "record of a batch"),
    "spending.jsonl": (record_decoder(Liability), "record of what was spent"),
    "flags.jsonl": (record_decoder(Mark), "mark"),
}
RECORDS: dict[str, type[msgspec.Struct]] = {
    "problems": Problem, "candidates": Candidate, "verdicts": Verdict, "rejects": Reject, "samples": Sample,
    "pairs": DuplicatePair, "asked-rewrite": Asked, "asked-solve": Asked, "draws": ScoredDraw,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DoctorFinding:
    """A damaged file or line: a sentence on the damage, and one on its consequence.

    damage   the line of a paid file; None for a derived file, and for a file without lines
    """

    name: str
    sentence: str
    consequence: str
    damage: Damage | None = None
    is_derived: bool = False


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The damage of a run, the requests that the next run asks again, and an estimate of their cost."""

    path: Path
    findings: list[DoctorFinding] = field(default_factory=list)
    asked_again: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    usd: float | None = None

    @property
    def lines(self) -> list[Damage]:
        """The damaged lines of paid files."""
        return [finding.damage for finding in self.findings if finding.damage is not None]

    @property
    def derived(self) -> list[str]:
        """The derived files that are damaged."""
        return list(dict.fromkeys(finding.name for finding in self.findings if finding.is_derived))

    @property
    def cost(self) -> str:
        """State what the next run asks again, and about what that costs, judged by the run's own replies."""
        if not self.asked_again:
            return "Nothing has to be asked again."
        usd = "; the price is not known" if self.usd is None else f", ${self.usd:,.4f}"
        return (
            f"The next run asks {counted(len(self.asked_again), 'request')} again: "
            f"about {self.usage.tokens_in:,} tokens in, {self.usage.tokens_out:,} out{usd}."
        )


def examine(path: Path | str) -> Diagnosis:
    """Read every file of a run and return its damage; takes no lock and writes nothing."""
    run = RunDir.read(path)
    findings: list[DoctorFinding] = []
    again: list[str] = []
    usage = Usage()
    plan = readable_plan(run)
    for file in files_of(run.path):
        name = file.name
        reader = next((decode for pattern, decode in PAID.items() if fnmatch(name, pattern)), None)
        if name.startswith("completions-"):
            index = ReplyIndex()
            index.scan(file)
            for damage in index.damaged:
                consequence, lost = loss_of(damage, index, plan)
                again += [request_in(damage.line) or f"{name}:{damage.number}"] if lost else []
                usage = usage + lost if lost else usage
                findings.append(
                    DoctorFinding(name=name, sentence=short_sentence(damage), consequence=consequence, damage=damage)
                )
        elif reader is not None:
            consequence = CONSEQUENCES[name.partition("-")[0]]
            findings += (
                DoctorFinding(name=name, sentence=short_sentence(damage), consequence=consequence, damage=damage)
                for damage in damage_in(file, *reader)
            )
        else:
            findings += derived_findings(file)
    findings += out_of_step(run.path, findings)
    price = usd_of(read_recipe(run))
    usd = price(usage.tokens_in, usage.tokens_out) if price and again else (0.0 if not again else None)
    return Diagnosis(path=run.path, findings=findings, asked_again=again, usage=usage, usd=usd)


CONSEQUENCES = {
    "failures.jsonl": "A request that failed is asked again in any case; mending costs nothing.",
    "batches": "Until it is set aside, no batch is submitted: a batch named there would be paid for twice.",
    "spending.jsonl": "Budgets count from the last line that can be read.",
    "flags.jsonl": "The flag counts as not set. Set it again in the explorer.",
}


def files_of(path: Path) -> list[Path]:
    """Return the files of a run that doctor reads, paid ones first."""
    names = ("*.jsonl", "*.json", "*.parquet", "recipe.yaml")
    files = {file for pattern in names for file in path.glob(pattern) if file.is_file()}
    kept = [file for file in files if not file.name.startswith((".", ASIDE))]
    return sorted(kept, key=lambda file: (not any(fnmatch(file.name, pattern) for pattern in PAID), file.name))


def short_sentence(damage: Damage) -> str:
    """Return the sentence of a damage with its file's name in place of the path."""
    return damage.sentence.replace(f"{damage.path}:", f"{damage.path.name}:", 1)


def damage_in(file: Path, decode: Decode, what: str) -> list[Damage]:
    """Return the lines of a file that cannot be read."""
    damaged: list[Damage] = []
    for _ in records_in(file, decode, damaged.append, what=what):
        pass
    return damaged


def readable_plan(run: RunDir) -> PlannedDraws | None:
    """Return the requests of the run's present plan; None where their files are damaged or missing."""
    try:
        return plan_of(run, strict=True)
    except MathstrapError:
        return None


def loss_of(damage: Damage, index: ReplyIndex, plan: PlannedDraws | None) -> tuple[str, Usage | None]:
    """Return the consequence of a damaged reply, and the usage of asking again; None if nothing is asked again."""
    request, key = request_in(damage.line), key_in(damage.line)
    if request and key and f"{request}\0{key}" in index.rows:
        return "The same request has another reply; mending costs nothing.", None
    if request and key and plan is not None and not plan.asks(request, key):
        return f"The reply to {request}, which the present recipe does not ask; mending costs nothing.", None
    usage = index.mean_usage(damage)
    about = f"about {usage.tokens_in:,} tokens in, {usage.tokens_out:,} out"
    return f"The reply to {request or 'a request that cannot be read'} is asked for again: {about}.", usage


def derived_findings(file: Path) -> Iterator[DoctorFinding]:
    """Yield the damage of a derived file."""
    consequence = "It is derived: mending it costs nothing."
    sentences: list[str] = []
    try:
        if file.suffix == ".jsonl":
            kind = RECORDS.get(file.stem)
            decode = msgspec.json.Decoder(dict[str, Any]).decode if kind is None else record_decoder(kind)
            damaged = damage_in(file, decode, "row" if kind is None else kind.__name__)
            sentences += [short_sentence(damage) for damage in damaged]
            sentences += [] if kind is None or damaged else doubled_in(file, kind)
        elif file.suffix == ".json":
            read_json_file(file)
        elif file.suffix == ".parquet":
            for _ in iter_rows(file):
                pass
        else:
            from mathstrap.recipe import parse_yaml, read_yaml_file

            consequence = "The next `mathstrap run` with your recipe writes it again."
            parse_yaml(read_yaml_file(file), str(file))
    except MathstrapError as error:
        sentences.append(str(error).replace(f"{file}:", f"{file.name}:", 1))
    is_derived = file.name != "recipe.yaml"
    for sentence in sentences:
        yield DoctorFinding(name=file.name, sentence=sentence, consequence=consequence, is_derived=is_derived)


def doubled_in(file: Path, kind: type[msgspec.Struct]) -> list[str]:
    """Return a sentence if an id occurs twice in a derived file."""
    name = {"Verdict": "candidate", "DuplicatePair": "", "Asked": "", "Reject": ""}.get(kind.__name__, "id")
    if not name:
        return []
    seen: set[int] = set()
    for record, line in records_in(file, record_decoder(kind), lambda _: None, what="record"):
        value = hash(getattr(record, name))  # the ids of a million rows would take much more memory
        if value in seen:
            return [f"{file.name}:{line.number}: a {kind.__name__} that occurs earlier in this file."]
        seen.add(value)
    return []


def out_of_step(path: Path, findings: list[DoctorFinding]) -> Iterator[DoctorFinding]:
    """Yield a finding if candidates and verdicts are not paired line by line."""
    files = [path / "candidates.jsonl", path / "verdicts.jsonl"]
    damaged = {finding.name for finding in findings}
    if not any(file.exists() for file in files) or any(file.name in damaged for file in files):
        return
    counts = []
    for file in files:
        with suppress(FileNotFoundError), open_file(file) as opened:
            counts.append(sum(1 for _ in lines_of(opened)))
    if len(set(counts)) != 1 or len(counts) != len(files):
        sentence = "candidates.jsonl and verdicts.jsonl do not have the same number of lines."
        consequence = "Both are derived: mending them costs nothing."
        yield DoctorFinding(name="verdicts.jsonl", sentence=sentence, consequence=consequence, is_derived=True)


# Mending


def mend(path: Path | str, *, own_code: bool = False) -> list[str]:
    """Set damaged lines of paid files aside and derive the rest again; return a sentence on each repair.

    Raises InputError where the run's recipe cannot be read, or names files of the user's own without `own_code`; lines
    set aside before the error stay there.
    """
    diagnosis = examine(path)
    done: list[str] = []
    by_name: dict[str, list[Damage]] = {}
    for damage in diagnosis.lines:
        by_name.setdefault(damage.path.name, []).append(damage)
    if by_name:
        # The spending is noted first: a process killed in between counts it twice rather than losing it.
        with RunDir.open(path) as run:
            note_spent(run, diagnosis.lines)
        with RunDir.open(path) as run:
            for name, damaged in by_name.items():
                set_aside(run.path / name, damaged)
                done.append(f"{ASIDE}{name}: {len(damaged):,} damaged lines of {name} were set aside there.")
    if diagnosis.derived or by_name:
        done += derive_again(Path(path), diagnosis.derived, own_code=own_code)
    return done


def note_spent(run: RunDir, damaged: list[Damage]) -> None:
    """Add the usage of the replies that are set aside to the run's spending: they were paid for."""
    usage = Usage()
    for stage in {stage_of(damage.path) for damage in damaged if damage.path.name.startswith("completions-")}:
        index = run.index(stage)
        usage = sum(map(index.usage_of_damage, index.damaged), start=usage)
    if usage.requests:
        spending = run.spending()
        before = spending.before
        spending.note(
            msgspec.structs.replace(
                before, requests=before.requests + usage.requests, tokens_in=before.tokens_in + usage.tokens_in,
                tokens_out=before.tokens_out + usage.tokens_out,
            )
        )  # fmt: skip


def stage_of(path: Path) -> str:
    """Return the stage of a file of replies."""
    return path.stem.removeprefix("completions-")


def set_aside(path: Path, damaged: list[Damage]) -> None:
    """Append the damaged lines of a file to its `damaged-` file, and then write the file without them."""
    aside = path.with_name(f"{ASIDE}{path.name}")
    places = {damage.offset for damage in damaged}
    try:
        with open_file(path) as lines:
            descriptor = open_for_writing(aside, os.O_WRONLY | os.O_APPEND)
            with os.fdopen(descriptor, "ab") as kept:
                for damage in damaged:
                    lines.seek(damage.offset)
                    copy(lines, kept, damage.size)
                kept.flush()
                os.fsync(kept.fileno())
            with replacing(path, is_private=True) as temporary, temporary.open("wb", buffering=1 << 20) as out:
                for line in lines_of(lines):
                    if line.offset not in places:
                        out.write(line.text + b"\n" * line.is_ended)
    except OSError as error:
        raise storage_error(aside, error) from error


def copy(source: Any, target: Any, size: int) -> None:
    """Copy `size` bytes in pieces, so that a huge damaged line does not fill the memory."""
    while size > 0 and (part := source.read(min(size, 1 << 20))):
        target.write(part)
        size -= len(part)


def derive_again(path: Path, damaged: list[str], *, own_code: bool) -> list[str]:
    """Derive the files of a run again from its replies without asking the teacher; return what was done, or to do."""
    from mathstrap.pipeline.run import bootstrap

    run = RunDir.read(path)
    if run.manifest.get("kind") == "evaluation":
        return [f"{path}: the same `mathstrap eval` command derives its files again."]
    again = "Run the same `mathstrap run` command again: it derives the files again."
    if not (path / "recipe.yaml").exists():
        return [f"{path}: has no recipe.yaml. {again}"]
    try:
        where = path.resolve()
        recipe = load_recipe(RunRecipe, str(path / "recipe.yaml"), [f"out={where.parent}"])
        if recipe.name != where.name:
            return [f'{path}: its recipe names another run, "{recipe.name}". {again}']
        if recipe.methods.own and not own_code:
            files = ", ".join(own.code for own in recipe.methods.own.values())
            raise InputError(f"{path}: deriving it again would execute {files}. If that is yours, add --own-code.")
        for name in damaged:  # a damaged JSON file would stop the run that is to replace it
            if name.endswith(".json") and name != "manifest.json":
                (path / name).unlink(missing_ok=True)
        bootstrap(recipe, only="export", may_replace=lambda _: False)
    except InputError as error:
        return [f"The files could not be derived again here: {error} {again}"]
    return [f"{path}: its files were derived again from its replies; the teacher was not asked."]
