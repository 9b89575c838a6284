"""Perplexity of training texts under a Hugging Face model that was not trained on them.

The paper (section 4.4) compares answer-only text, chains of thought and the bootstrapped parts. It does not say whether
prompt tokens count; here they are masked unless asked for. Needs torch and transformers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mathstrap.errors import InputError, missing_extra
from mathstrap.stats.diversity import hash_share
from mathstrap.stats.estimates import Estimate, median
from mathstrap.types import Problem, Sample

if TYPE_CHECKING:
    from torch import Tensor

ANSWER_ONLY, SOLUTION = "answer only", "seed solution"
# A text is cut at this many characters per allowed token first: tokenising a megabyte takes seconds.
MOST_CHARS_PER_TOKEN = 64


@dataclass(frozen=True, kw_only=True)
class PerplexityOptions:
    """How perplexity is measured.

    model         a folder or hub name of a causal language model.
    mask_prompt   count the reply's tokens only; off, the question's tokens count too.
    template      the prompt; `[[question]]` is replaced.
    max_tokens    longer texts are cut at the end; the number of cut texts is reported.
    max_rows      at most this many rows of each part, drawn by a hash of the id; 0 = all.
    """

    model: str
    mask_prompt: bool = True
    template: str = "[[question]]\n"
    max_tokens: int = 1024
    max_rows: int = 1000
    batch_size: int = 8
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class PromptAndReply:
    """A prompt and the reply whose likelihood is measured."""

    prompt: str
    reply: str


@dataclass(frozen=True, kw_only=True)
class Surprise:
    """The negative log-likelihood (nats) of one text's counted tokens, and their number."""

    nats: float
    tokens: int
    is_cut: bool

    @property
    def perplexity(self) -> float:
        """exp(nats per token); NaN where no token is counted."""
        return math.exp(min(self.nats / self.tokens, 700.0)) if self.tokens else math.nan


@dataclass(frozen=True, kw_only=True)
class PartPerplexity:
    """The perplexity of one part: the median over its texts with its interval, and the pooled one of all its tokens."""

    part: str
    median: Estimate
    pooled: float
    num_texts: int
    num_tokens: int
    num_cut: int


def perplexity_by_part(
    samples: Iterable[Sample], seeds: Iterable[Problem], options: PerplexityOptions
) -> list[PartPerplexity]:
    """Return the perplexity of answer-only text, seed solutions and each method's samples, in that order."""
    parts = parts_of(samples, seeds, options)
    model, tokenizer = load(options)
    return [
        summarise(part, list(surprises(texts, model, tokenizer, options))) for part, texts in parts.items() if texts
    ]


def parts_of(
    samples: Iterable[Sample], seeds: Iterable[Problem], options: PerplexityOptions
) -> Mapping[str, list[PromptAndReply]]:
    """Return the texts of each part; draws depend on ids alone."""
    from mathstrap.types import PAPER_METHODS

    named: dict[str, list[tuple[str, PromptAndReply]]] = {ANSWER_ONLY: [], SOLUTION: []}
    named.update({method: [] for method in PAPER_METHODS})

    def text(question: str, reply: str) -> PromptAndReply:
        return PromptAndReply(prompt=options.template.replace("[[question]]", question), reply=reply)

    for seed in seeds:
        if seed.method == "seed":
            named[ANSWER_ONLY].append((seed.id, text(seed.question, f"The answer is: {seed.answer}")))
            if seed.solution:
                named[SOLUTION].append((seed.id, text(seed.question, seed.solution)))
    for sample in samples:
        named.setdefault(sample.method, []).append((sample.id, text(sample.query, sample.response)))
    rows = options.max_rows
    for part in named.values():
        part.sort(key=lambda pair: hash_share(pair[0]))
    return {part: [text for _, text in (pairs[:rows] if rows else pairs)] for part, pairs in named.items()}


def summarise(part: str, text_surprises: Sequence[Surprise]) -> PartPerplexity:
    """Return one part's numbers; texts without a counted token are left out of the median."""
    tokens = sum(surprise.tokens for surprise in text_surprises)
    nats = math.fsum(surprise.nats for surprise in text_surprises)
    return PartPerplexity(
        part=part,
        median=median([surprise.perplexity for surprise in text_surprises if surprise.tokens]),
        pooled=math.exp(min(nats / tokens, 700.0)) if tokens else math.nan,
        num_texts=len(text_surprises),
        num_tokens=tokens,
        num_cut=sum(surprise.is_cut for surprise in text_surprises),
    )


def load(options: PerplexityOptions) -> tuple[Any, Any]:
    """Return the model, in evaluation mode, and its tokenizer; raises InputError where they cannot be loaded."""
    try:
        import torch
        import transformers

        from mathstrap.hub.weights import load_causal_model, load_tokenizer_of
    except ImportError as error:
        raise missing_extra("transformers", "train") from error
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer = load_tokenizer_of(options.model)
        model = load_causal_model(options.model, dtype=torch.float32)
    except (OSError, ValueError) as error:
        first_line = str(error).partition("\n")[0]
        raise InputError(f"{options.model}: cannot be loaded as a causal language model: {first_line}") from error
    return model.to(options.device).eval(), tokenizer


def surprises(
    texts: Sequence[PromptAndReply], model: Any, tokenizer: Any, options: PerplexityOptions
) -> Iterator[Surprise]:
    """Yield each text's surprise, in order; texts of similar length share a batch."""
    rows = [encode(text, tokenizer, options) for text in texts]
    order = sorted(range(len(rows)), key=lambda row: len(rows[row][0]))
    by_row: dict[int, Surprise] = {}
    for start in range(0, len(order), options.batch_size):
        batch = order[start : start + options.batch_size]
        losses = sequence_nats(model, [rows[row][0] for row in batch], [rows[row][1] for row in batch], options.device)
        for row, nats in zip(batch, losses, strict=True):
            ids, first, is_cut = rows[row]
            by_row[row] = Surprise(nats=nats, tokens=max(0, len(ids) - first), is_cut=is_cut)
    return (by_row[row] for row in range(len(rows)))


def encode(text: PromptAndReply, tokenizer: Any, options: PerplexityOptions) -> tuple[list[int], int, bool]:
    """Return (token ids, index of the first counted one, whether the end was cut).

    Prompt and reply are tokenised separately, so that no token spans the border. The first id has no context to be
    predicted from, so it never counts; it is the beginning-of-text token where the tokenizer has one. Only the
    beginning of a very long text is read, which has more tokens than are counted.
    """
    most = options.max_tokens * MOST_CHARS_PER_TOKEN
    prompt = tokenizer(text.prompt[:most], add_special_tokens=False)["input_ids"]
    reply = tokenizer(text.reply[:most], add_special_tokens=False)["input_ids"]
    start = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    ids = [*start, *prompt, *reply]
    first = max(1, len(start) + (len(prompt) if options.mask_prompt else 0))
    is_cut = len(ids) > options.max_tokens or max(len(text.prompt), len(text.reply)) > most
    return ids[: options.max_tokens], first, is_cut


def sequence_nats(model: Any, ids: Sequence[Sequence[int]], first: Sequence[int], device: str) -> list[float]:
    """Return the summed negative log-likelihood of ids[i][first[i]:] for each sequence; padding is never counted."""
    import torch

    length = max(len(row) for row in ids)
    tokens = torch.zeros((len(ids), length), dtype=torch.long, device=device)
    mask = torch.zeros_like(tokens)
    counted = torch.zeros((len(ids), length), dtype=torch.bool, device=device)
    for row, (sequence, start) in enumerate(zip(ids, first, strict=True)):
        tokens[row, : len(sequence)] = torch.tensor(sequence, dtype=torch.long)
        mask[row, : len(sequence)] = 1
        counted[row, start : len(sequence)] = True
    if length < 2:
        return [0.0] * len(ids)
    with torch.inference_mode():
        logits = model(input_ids=tokens, attention_mask=mask).logits
        nats: Tensor = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().transpose(1, 2), tokens[:, 1:], reduction="none"
        )
        totals: list[float] = (nats * counted[:, 1:]).double().sum(dim=1).tolist()
    return totals
