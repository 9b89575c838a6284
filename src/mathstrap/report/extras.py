"""What a report shows besides counts: diversity, perplexity, the contamination certificate, quirks avoided.

Diversity gains and perplexities take minutes, so they are measured on demand and kept with the run; a report without
them makes quick diversity gains from a sample of rows.
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
from mathstrap.stats.diversity import DiversityOptions, Gain, gains_by_method, hash_share
from mathstrap.stats.perplexity import PartPerplexity
from mathstrap.types import Problem, Sample

if TYPE_CHECKING:
    from mathstrap.augment.quirks import QuirkCount
    from mathstrap.curate.certificate import Certificate
    from mathstrap.stats.diversity import Embed, Floats

T = TypeVar("T")
# So many questions the full encoder reads in a few seconds on a laptop.
FEW_QUESTIONS = 120
# Finding every spoiled mask of 7,473 seeds takes half a minute; a report counts them on a draw of seeds.
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
    """What the reference's rules would have spoiled, on `num_counted` of the run's `num_seeds` seeds."""

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
    """Return what was saved; empty where nothing was."""
    gains, gain_note = _read(run, "diversity.json", "gains", Gain)
    parts, note = _read(run, "perplexity.json", "parts", PartPerplexity)
    return Extras(gains=gains, gain_note=gain_note, perplexities=parts, perplexity_note=note)


def quick_gains(samples: Iterable[Sample], *, max_new: int, max_base: int) -> tuple[list[Gain], str]:
    """Return diversity gains that are quick to compute, and a sentence on how they were made.

    A few questions are read by the full encoder; more are embedded by averaged word vectors where their table, which
    takes a minute to make, is there already; else there are none, and the sentence says how to get them. `samples` is
    gone through twice. Raises MissingExtraError where the embedder is not installed.
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
    """Say whether the word vectors of the fast embedder are on this machine."""
    from mathstrap.embedding import STATIC_VERSION, _cache_folder

    return (_cache_folder() / f"minilm-static-{STATIC_VERSION}.npy").is_file()


def embed_once(texts: Sequence[str], embed: Embed) -> Floats:
    """Embed each different text once: answers to one question share it."""
    place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return embed(tuple(place))[[place[text] for text in texts]]


@functools.lru_cache(maxsize=32)
def encode_few(texts: tuple[str, ...]) -> Floats:
    """Embed a few texts by the full encoder; a run that is made again in a notebook asks for the same ones."""
    from mathstrap.embedding import EmbedOptions, embed

    return embed(texts, EmbedOptions(model="minilm"))


def average_words(texts: Sequence[str]) -> Floats:
    """Embed texts by averaged word vectors."""
    from mathstrap.embedding import EmbedOptions, embed

    return embed(texts, EmbedOptions(model="static"))


def base_note(gains: Sequence[Gain], base: str) -> str:
    """Return the sentence on what the base set was."""
    size = gains[0].num_base if gains else 0
    name = METHOD_NAMES.get(base, base).lower()
    return f"base: {counted(size, 'row')} of {name}, whose own gain is that of rows held out of it."


def read_certificate(run: RunDir) -> Certificate | None:
    """Return the run's contamination certificate, None where it was compared with no test set."""
    from mathstrap.curate.certificate import Certificate

    return run.read_value("contamination.json", Certificate)


def quirks_of(run: RunDir) -> Quirks:
    """Count the quirks of the reference on the run's seeds, or on a draw of them by a hash of their ids."""
    from mathstrap.augment.quirks import count_quirks  # half a second that `stats`, which shows none, does not wait

    rows = run.read_records("problems", Problem) if run.has("problems") else ()
    seeds = [problem for problem in rows if problem.method == "seed"]
    drawn = sorted(seeds, key=lambda seed: hash_share(seed.id))[:QUIRK_SEEDS]
    counts = [count for count in count_quirks(sorted(drawn, key=lambda seed: seed.id)) if count.count]
    return Quirks(counts=counts, num_counted=len(drawn), num_seeds=len(seeds))


def _read(run: RunDir, name: str, key: str, kind: type[T]) -> tuple[list[T], str]:
    saved = run.read_value(name, dict[str, Any]) or {}
    try:
        return msgspec.convert(_nan(saved.get(key, [])), list[kind]), str(saved.get("note", ""))  # type: ignore[valid-type]
    except (msgspec.ValidationError, RecursionError) as error:
        run.tell(f"{run.path / name}: {error}. It counts as missing; `mathstrap stats` makes it again.")
        return [], ""


def _nan(value: object) -> object:
    """Return plain values with null, JSON's only way to write a missing number, as NaN."""
    if isinstance(value, dict):
        return {key: _nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_nan(inner) for inner in value]
    return float("nan") if value is None else value
