"""Attention over samples that lie end to end in one row, none seeing another, without a mask or padding.

The borders given to it say where each sample ends; the first border is the length of an opening that all samples of the
row share and that lies in the row once (`collate.pack`).
"""

from __future__ import annotations

import itertools
from typing import Any

NAME = "mathstrap_packed"


def register() -> str:
    """Make the packed attention known to transformers under its name, and return the name."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, packed_attention())
    AttentionMaskInterface.register(NAME, no_mask)
    return NAME


def no_mask(*_: Any, **__: Any) -> None:
    """Return no mask: each sample is attended to on its own, causally."""


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
        **others: Any,
    ) -> tuple[Any, None]:
        assert cu_seq_lens_q is not None, "packed attention needs the samples' borders"
        assert not others.get("softcap"), "packed attention has no soft cap; use attention=eager"
        shared, *ends = cu_seq_lens_q.tolist()

        def whole(part: Any, low: int, high: int) -> Any:
            if low == shared:
                return part[:, :, :high]
            return torch.cat([part[:, :, :shared], part[:, :, low:high]], dim=2) if shared else part[:, :, low:high]

        parts = []
        for low, high in itertools.pairwise([shared, *ends]):
            seen = scaled_dot_product_attention(
                whole(query, low, high), whole(key, low, high), whole(value, low, high),
                dropout_p=dropout if module.training else 0.0, is_causal=True, scale=scaling,
                enable_gqa=query.shape[1] != key.shape[1],
            )  # fmt: skip
            # The shared opening sees only itself: any sample's copy will do, and the first one's is kept.
            parts.append(seen if low == shared else seen[:, :, shared:])
        return torch.cat(parts, dim=2).transpose(1, 2), None

    return attend
