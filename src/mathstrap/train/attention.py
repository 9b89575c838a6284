"""Attention over samples that lie end to end in one row, none seeing another, without a mask or padding.

The borders given to it say where each sample ends; the first border is the length of an opening that all samples of the
row share and that lies in the row once (`collate.pack`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

FindKernel = Callable[[], Callable[..., Any] | None]
NAME = "mathstrap_packed"
# Longer samples would hold more scores than they save time.
LONGEST_DENSE = 1024


def register(*, longest_dense: int = LONGEST_DENSE, find_kernel: FindKernel | None = None) -> str:
    """Make the packed attention known to transformers under its name, and return the name; see `packed_attention`."""
    from transformers import AttentionInterface, AttentionMaskInterface

    attend = packed_attention(longest_dense=longest_dense, find_kernel=find_kernel or kernel_of_rows)
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, no_mask)
    return NAME


@contextlib.contextmanager
def as_for(tokens: int, device: str) -> Iterator[None]:
    """Attend to short samples as to samples of `tokens` tokens on a device, while their memory is measured."""
    register(longest_dense=LONGEST_DENSE if device == "cpu" and tokens <= LONGEST_DENSE else 0)
    try:
        yield
    finally:
        register()


def no_mask(*_: Any, **__: Any) -> None:
    """Return None, no mask: each sample is attended to on its own, causally."""


@functools.cache
def kernel_of_rows() -> Callable[..., Any] | None:
    """Return torch's causal FlashAttention over all samples of a row at once, or None before torch 2.11.

    For half precision on a GPU and samples without a shared opening: f(query, key, value, borders, borders, longest,
    longest, window_size=(left, 0)) takes and returns (tokens, heads, width); the borders are int32 and on the GPU.
    """
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    known = inspect.signature(varlen_attn).parameters
    if "window_size" not in known:
        return None
    groups = {"enable_gqa": True} if "enable_gqa" in known else {}
    return functools.partial(varlen_attn, **groups)


def packed_attention(*, longest_dense: int, find_kernel: FindKernel) -> Any:
    """Return the attention function transformers calls per layer: query (1, heads, tokens, width) and so on.

    On a CPU, samples up to `longest_dense` tokens use `dense_attention`; `find_kernel` is called each time, because one
    row may be on a GPU and the next on the CPU. A layer's window, soft cap and sinks come with the call, so one
    function serves every family that calls transformers' attention interface; `packing.choose_packing` measures before
    a training whether a family does.
    """
    import torch

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
        sliding_window: int | None = None,
        softcap: float | None = None,
        s_aux: Any = None,
        **_: Any,
    ) -> tuple[Any, None]:
        assert cu_seq_lens_q is not None, "packed attention needs the samples' borders"
        window = sliding_window if sliding_window and sliding_window < max_length_q else None
        is_plain = softcap is None and s_aux is None
        scale = scaling or query.shape[3] ** -0.5
        kernel = find_kernel()
        if (
            kernel and is_plain and query.is_cuda and query.itemsize == 2 and not cu_seq_lens_q[0] and not dropout
            and query.shape[3] == value.shape[3]
        ):  # fmt: skip
            rows = (part[0].transpose(0, 1) for part in (query, key, value))
            left = -1 if window is None else window - 1
            attended = kernel(
                *rows, cu_seq_lens_k, cu_seq_lens_k, max_length_q, max_length_q, scale=scaling, window_size=(left, 0)
            )
            return attended[None], None
        shared, *ends = cu_seq_lens_q.tolist()
        # One split, because its gradient is one concatenation; the first piece holds the shared opening too.
        sizes = [high - low for low, high in itertools.pairwise([0, *ends])]
        queries, keys, values = (part.split(sizes, dim=2) for part in (query, key, value))
        opening = [pieces[0][:, :, :shared] for pieces in (queries, keys, values)]
        rate = dropout if module.training else 0.0
        parts = []
        for index, (q, k, v) in enumerate(zip(queries, keys, values, strict=True)):
            if index and shared:
                k, v = torch.cat([opening[1], k], dim=2), torch.cat([opening[2], v], dim=2)
            if not is_plain or (query.device.type in ("cpu", "meta") and k.shape[2] <= longest_dense):
                parts.append(dense_attention(
                    q, k, v, scale=scale, dropout=rate, window=window, softcap=softcap, sinks=s_aux
                ))  # fmt: skip
                continue
            # The kernel's causal mask aligns first query and first key, so the opening's queries go in and are cut off.
            whole = torch.cat([opening[0], q], dim=2) if index and shared else q
            near = None if window is None else ~hidden_places(k.shape[2], k.shape[2], window, k.device)
            attended = fused_attention(whole, k, v, mask=near, dropout=rate, scale=scaling)
            parts.append(attended[:, :, attended.shape[2] - q.shape[2] :])
        return torch.cat(parts, dim=2).transpose(1, 2), None

    return attend


def fused_attention(query: Any, key: Any, value: Any, *, mask: Any, dropout: float, scale: float | None) -> Any:
    """Return the attention of one sample, causal where there is no mask, by a kernel that keeps no scores."""
    import torch

    if query.is_meta:
        # torch multiplies all scores out on meta tensors; what is kept there shall be what the kernel keeps.
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        return kernel(query, key, value, dropout, mask is None, attn_mask=mask, scale=scale)[0]
    return torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=dropout, is_causal=mask is None, scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )  # fmt: skip


def hidden_places(rows: int, tokens: int, window: int | None, device: Any) -> Any:
    """Return a (rows, tokens) mask, true at the tokens that the last `rows` tokens of a sample may not attend to."""
    import torch

    hidden = torch.ones((rows, tokens), dtype=torch.bool, device=device).triu_(1 + tokens - rows)
    if window is not None:
        hidden |= torch.ones_like(hidden).tril_(tokens - rows - window)
    return hidden


def dense_attention(
    query: Any, key: Any, value: Any, *, scale: float, dropout: float, window: int | None = None,
    softcap: float | None = None, sinks: Any = None,
) -> Any:  # fmt: skip
    """Return the causal attention of the last rows of one sample, with all its scores in memory.

    query is (1, heads, rows, width), key and value are (1, groups, tokens, their own width), rows <= tokens. For
    samples of some hundred tokens on a CPU plain products are several times faster than the fused kernel's gradient.
    `softcap` bounds the scores (Gemma 2); `sinks` (heads) is a score every row also gives to no token (gpt-oss).
    """
    import torch

    _, heads, rows, width = query.shape
    groups, tokens = key.shape[1:3]
    mask = torch.zeros((rows, tokens), dtype=query.dtype, device=query.device)
    mask = mask.masked_fill_(hidden_places(rows, tokens, window, query.device), float("-inf"))
    mask = mask.repeat(heads // groups, 1).expand(groups, -1, -1)
    # The heads that share keys become more rows of one product.
    asked = query.reshape(groups, -1, width)
    if softcap is None:
        scores = torch.baddbmm(mask, asked, key[0].transpose(1, 2), alpha=scale)
    else:
        scores = mask + softcap * torch.tanh(torch.bmm(asked, key[0].transpose(1, 2)) * (scale / softcap))
    if sinks is not None:
        sink = sinks.reshape(groups, -1, 1).repeat_interleave(rows, dim=1).to(scores.dtype)
        weights = torch.cat([scores, sink], dim=2).softmax(dim=-1)[:, :, :-1]
    else:
        weights = scores.softmax(dim=-1)
    weights = torch.nn.functional.dropout(weights, dropout, dropout > 0)
    return torch.bmm(weights, value[0]).view(1, heads, rows, value.shape[3])
