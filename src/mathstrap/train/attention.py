"""Attention over samples that lie end to end in one row, none seeing another, without a mask or padding.

The borders given to it say where each sample ends; the first border is the length of an opening that all samples of the
row share and that lies in the row once (`collate.pack`).
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from typing import Any

NAME = "mathstrap_packed"
# Longer samples would hold more scores than they save time.
LONGEST_DENSE = 1024


def register() -> str:
    """Make the packed attention known to transformers under its name, and return the name."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, packed_attention())
    AttentionMaskInterface.register(NAME, no_mask)
    return NAME


def no_mask(*_: Any, **__: Any) -> None:
    """Return no mask: each sample is attended to on its own, causally."""


@functools.cache
def kernel_of_rows() -> Callable[..., Any] | None:
    """Return torch's causal FlashAttention over all samples of a row at once, or None before torch 2.11.

    For half precision on a GPU and samples without a shared opening: f(query, key, value, borders, borders, longest,
    longest) takes and returns (tokens, heads, width); the borders are int32 and on the GPU.
    """
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    known = inspect.signature(varlen_attn).parameters
    if "window_size" not in known:
        return None
    groups = {"enable_gqa": True} if "enable_gqa" in known else {}
    return functools.partial(varlen_attn, window_size=(-1, 0), **groups)


def packed_attention() -> Any:
    """Return the attention function transformers calls per layer: query (1, heads, tokens, width) and so on."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    # Outside the compiled graph: the borders differ in every batch and would otherwise be compiled in.
    @torch.compiler.disable  # type: ignore[untyped-decorator, unused-ignore]
    def attend(
        module: Any,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any,  # noqa: ARG001 - the signature transformers calls
        scaling: float | None = None,
        dropout: float = 0.0,
        cu_seq_lens_q: Any = None,
        cu_seq_lens_k: Any = None,
        max_length_q: int = 0,
        **others: Any,
    ) -> tuple[Any, None]:
        assert cu_seq_lens_q is not None, "packed attention needs the samples' borders"
        assert not others.get("softcap"), "packed attention has no soft cap; use attention=eager"
        kernel = kernel_of_rows()
        if kernel and query.is_cuda and query.itemsize == 2 and not cu_seq_lens_q[0] and not dropout:
            rows = (part[0].transpose(0, 1) for part in (query, key, value))
            seen = kernel(*rows, cu_seq_lens_k, cu_seq_lens_k, max_length_q, max_length_q, scale=scaling)
            return seen[None], None
        shared, *ends = cu_seq_lens_q.tolist()
        # One split, whose gradient is one concatenation; the first piece holds the shared opening too.
        sizes = [high - low for low, high in itertools.pairwise([0, *ends])]
        queries, keys, values = (part.split(sizes, dim=2) for part in (query, key, value))
        opening = [pieces[0][:, :, :shared] for pieces in (queries, keys, values)]
        rate = dropout if module.training else 0.0
        parts = []
        for index, (q, k, v) in enumerate(zip(queries, keys, values, strict=True)):
            if index and shared:
                k, v = torch.cat([opening[1], k], dim=2), torch.cat([opening[2], v], dim=2)
            if query.device.type == "cpu" and k.shape[2] <= LONGEST_DENSE:
                parts.append(dense_attention(q, k, v, scale=scaling or q.shape[3] ** -0.5, dropout=rate))
                continue
            # Causal here means that as many queries as keys start together; those of the opening are left out again.
            whole = torch.cat([opening[0], q], dim=2) if index and shared else q
            seen = scaled_dot_product_attention(
                whole, k, v, dropout_p=rate, is_causal=True, scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
            )
            parts.append(seen[:, :, seen.shape[2] - q.shape[2] :])
        return torch.cat(parts, dim=2).transpose(1, 2), None

    return attend


def dense_attention(query: Any, key: Any, value: Any, *, scale: float, dropout: float) -> Any:
    """Return the causal attention of the last rows of one sample, with all its scores in memory.

    query is (1, heads, rows, width), key and value are (1, groups, tokens, width), rows <= tokens. For samples of some
    hundred tokens on a CPU plain products are several times faster than the fused kernel's gradient.
    """
    import torch

    _, heads, rows, width = query.shape
    groups, tokens = key.shape[1:3]
    hidden = torch.full((rows, tokens), float("-inf"), dtype=query.dtype).triu_(1 + tokens - rows)
    hidden = hidden.repeat(heads // groups, 1).expand(groups, -1, -1)
    # The heads that share keys become more rows of one product.
    scores = torch.baddbmm(hidden, query.reshape(groups, -1, width), key[0].transpose(1, 2), alpha=scale)
    weights = torch.nn.functional.dropout(scores.softmax(dim=-1), dropout, dropout > 0)
    return torch.bmm(weights, value[0]).view(1, heads, rows, width)
