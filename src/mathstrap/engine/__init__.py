"""Ask a teacher: many requests at once, retried, metered, budgeted. Limits, budget and ledger stand beside it."""

from mathstrap.engine.ask import ask, ask_all, run_now
from mathstrap.engine.budget import Budget, Meter
from mathstrap.engine.interface import AskReport, Backend, Sink, Stop
from mathstrap.engine.limits import Limits

__all__ = ["AskReport", "Backend", "Budget", "Limits", "Meter", "Sink", "Stop", "ask", "ask_all", "run_now"]
