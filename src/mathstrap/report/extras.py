"""The numbers of a report besides counts: diversity, perplexity, the contamination certificate, quirks avoided.

Diversity gains and perplexities take minutes, so they are measured on demand and stored with the run; a report without
them computes quick diversity gains from a sample of rows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from mathstrap.errors import InputError, counted
from mathstrap.files.rundir import RunDir
from mathstrap.render.pages import METHOD_NAMES
from mathstrap.report.analysis import nan_for_null
from mathstrap.stats.diversity import DiversityOptions, Gain, gains_by_method, hash_share
from mathstrap.stats.perplexity import PartPerplexity
from mathstrap.types import Problem, Sample

if TYPE_CHECKING:
    from mathstrap.augment.quirks import QuirkCount
    from mathstrap.curate.certificate import Certificate
    from mathstrap.stats.diversity import Embed, Floats

T = TypeVar("T")
# The full encoder reads this many questions in a few seconds on a laptop.
FEW_QUESTIONS = 120
# Counting the quirks of 7,473 seeds takes half a minute, so a report counts them on a sample.
QUIRK_SEEDS = 500


@dataclass(frozen=True, kw_only=True)
class Extras:
    """Numbers that are too expensive for the end of every run: diversity gains, perplexities."""

    gains: list[Gain] = field(default_factory=list)
    gain_note: str = ""
    perplexities: list[PartPerplexity] = field(default_factory=list)
    perplexity_note: str = ""


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """The rows that the reference's rules would have spoiled, on `num_counted` of the run's `num_seeds` seeds."""

    counts: list[QuirkCount]
    num_counted: int
    num_seeds: int


def save_gains(run: RunDir, gains: Sequence[Gain], note: str) -> None:
    """Write diversity gains beside the run's other numbers."""
    run.write_json("diversity.json", {"note": note, "gains": msgspec.to_builtins(list(gains))})


def save_perplexities(run: RunDir, parts: Sequence[PartPerplexity], note: str) -> None:
    """Write perplexities beside the run's other numbers."""
    run.write_json("perplexity.json", {"note": note, "parts": msgspec.to_builtins(list(parts))})


def load_extras(run: RunDir) -> Extras:
    """Return the saved numbers; empty where none are saved."""
    gains, gain_note = _read(run, "diversity.json", "gains", Gain)
    parts, note = _read(run, "perplexity.json", "parts", PartPerplexity)
    return Extras(gains=gains, gain_note=gain_note, perplexities=parts, perplexity_note=note)


def quick_gains(samples: Iterable[Sample], *, max_new: int, max_base: int) -> tuple[list[Gain], str]:
    """Return diversity gains that are quick to compute, and a sentence on how they were computed.

    A few questions are embedded by the full encoder; more by averaged word vectors if their table, which takes a minute
    to compute, exists already; else there are no gains, and the sentence says how to get them. `samples` is read twice.
    Raises MissingExtraError where the embedder is not installed.
    """
    different: set[str] = set()
    for sample in samples:
        different.add(sample.query)
        if len(different) > FEW_QUESTIONS:
            break
    is_small = len(different) <= FEW_QUESTIONS
    if not is_small and not has_word_table():
        return [], "Measure it with: mathstrap stats RUN --diversity."
    options = DiversityOptions(max_new=max_new, max_base=max_base)
    chosen = encode_few if is_small else average_words
    try:
        gains = gains_by_method(samples, lambda texts: embed_once(texts, chosen), options)
    except InputError as error:
        if type(error) is not InputError:
            raise
        return [], str(error)
    how = "a sentence encoder" if is_small else "averaged word vectors"
    more = "" if is_small else " All rows with the full encoder: mathstrap stats RUN --diversity."
    return gains, f"Questions, embedded by {how}; {base_note(gains, 'ans_aug')}{more}"


def has_word_table() -> bool:
    """Say whether this machine has the fast embedder's table of word vectors."""
    from mathstrap.embedding import word_table_path

    return word_table_path().is_file()


def embed_once(texts: Sequence[str], embed: Embed) -> Floats:
    """Embed each distinct text once, because answers to one question share its text."""
    place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return embed(tuple(place))[[place[text] for text in texts]]


@functools.lru_cache(maxsize=32)
def encode_few(texts: tuple[str, ...]) -> Floats:
    """Embed a few texts by the full encoder; cached, because rerun notebook cells embed the same texts."""
    from mathstrap.embedding import EmbedOptions, embed

    return embed(texts, EmbedOptions(model="minilm"))


def average_words(texts: Sequence[str]) -> Floats:
    """Embed texts by averaged word vectors."""
    from mathstrap.embedding import EmbedOptions, embed

    return embed(texts, EmbedOptions(model="static"))


def base_note(gains: Sequence[Gain], base: str) -> str:
    """Return the sentence on the base set."""
    size = gains[0].num_base if gains else 0
    name = METHOD_NAMES.get(base, base).lower()
    return f"base: {counted(size, 'row')} of {name}, whose own gain is that of rows held out of it."


def read_certificate(run: RunDir) -> Certificate | None:
    """Return the run's contamination certificate; None without one."""
    from mathstrap.curate.certificate import Certificate

    return run.read_value("contamination.json", Certificate)


def quirks_of(run: RunDir) -> Quirks:
    """Count the quirks of the reference on the run's seeds, or on a sample of them by a hash of their ids."""
    from mathstrap.augment.quirks import count_quirks  # takes half a second, which `mathstrap stats` does not need

    rows = run.read_records("problems", Problem) if run.has("problems") else ()
    seeds = [problem for problem in rows if problem.method == "seed"]
    drawn = sorted(seeds, key=lambda seed: hash_share(seed.id))[:QUIRK_SEEDS]
    counts = [quirk for quirk in count_quirks(sorted(drawn, key=lambda seed: seed.id)) if quirk.count]
    return Quirks(counts=counts, num_counted=len(drawn), num_seeds=len(seeds))


def _read(run: RunDir, name: str, key: str, kind: type[T]) -> tuple[list[T], str]:
    saved = run.read_value(name, dict[str, Any]) or {}
    try:
        values = nan_for_null(saved.get(key, []))
        return msgspec.convert(values, list[kind]), str(saved.get("note", ""))  # type: ignore[valid-type]
    except (msgspec.ValidationError, RecursionError) as error:
        run.tell(f"{run.path / name}: {error}. It counts as missing; `mathstrap stats` makes it again.")
        return [], ""


