"""The loss of response tokens from the logits of the rows that predict them, in the memory of those logits."""

from __future__ import annotations

import functools
from typing import Any

# Few enough that the fp32 copy of the rows stays small beside the logits; a vocabulary of 150,000 makes it 77 MB.
ROWS = 128


@functools.cache
def summed_loss() -> Any:
    """Return f(logits, targets): the sum of -log p in nats; logits (rows, vocabulary) are overwritten by the gradient.

    The gradient of softmax and logarithm needs only the logits, so it is formed in place, some rows at a time; a plain
    cross_entropy holds the logits, their fp32 copy, the log-softmax and the gradient at once.
    """
    import torch

    class SummedLoss(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
        @staticmethod
        def forward(ctx: Any, logits: Any, targets: Any) -> Any:
            keep_gradient = logits.requires_grad
            total = torch.zeros((), dtype=torch.float32, device=logits.device)
            for low in range(0, logits.shape[0], ROWS):
                part = logits[low : low + ROWS]
                exact = part.float()
                wanted = targets[low : low + ROWS].unsqueeze(1)
                log_sum = torch.logsumexp(exact, dim=1, keepdim=True)
                total += (log_sum - exact.gather(1, wanted)).sum()
                if keep_gradient:
                    gradient = exact.sub_(log_sum).exp_()
                    gradient.scatter_add_(1, wanted, torch.full_like(log_sum, -1.0))
                    part.copy_(gradient)
            ctx.gradient = logits if keep_gradient else None
            return total

        @staticmethod
        def backward(ctx: Any, scale: Any) -> tuple[Any, None]:
            gradient, ctx.gradient = ctx.gradient, None
            assert gradient is not None, "the gradient was already used"
            return gradient.mul_(scale), None

    return SummedLoss.apply
