"""Ask a teacher: many requests at once, retried, metered, budgeted; every reply is stored before it counts.

The only module with an event loop. It knows nothing of what the requests are for, nor of files or HTTP.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from mathstrap.engine.budget import Budget, Meter
from mathstrap.engine.events import Listener
from mathstrap.engine.flight import Flight
from mathstrap.engine.interface import AskReport, AskSettings, Sink, Stop
from mathstrap.engine.limits import Limits
from mathstrap.types import Request

if TYPE_CHECKING:
    from mathstrap.engine.interface import Backend

T = TypeVar("T")

__all__ = ["AskReport", "Budget", "Limits", "Meter", "Sink", "Stop", "ask", "ask_all", "run_now"]


async def ask(
    requests: Iterable[Request],
    sink: Sink,
    *,
    backend: Backend,
    limits: Limits | None = None,
    budget: Budget | Meter | None = None,
    events: Listener | None = None,
    stage: str = "",
    total: int | None = None,
    stop: Stop | None = None,
    watched: str = "",
) -> AskReport:
    """Send every request to the teacher and put each reply into `sink` as it arrives.

    `requests` is consumed lazily, only as fast as calls are sent; consecutive draws of one prompt share a call if the
    backend supports that. Pass one Meter to several calls to give them one budget. Returns when everything was answered
    or given up, when the budget is spent, when `stop` was pressed, or, if `watched` names the recipe's key of this
    sampling, when most of the first replies are worthless. Raises TeacherError when the teacher refuses for good and
    StorageError when a reply cannot be stored, both after the calls in flight have come back.
    """
    meter = budget if isinstance(budget, Meter) else Meter(budget)
    settings = AskSettings(
        limits=limits or Limits(), meter=meter, events=events, stage=stage, total=total, stop=stop or Stop(),
        watched=watched,
    )  # fmt: skip
    ask_many = getattr(backend, "ask_many", None)  # a Batch API takes the plan whole
    if ask_many is not None:
        report: AskReport = await ask_many(requests, sink, settings)
        return report
    return await Flight(requests, sink, backend, settings).run()


def ask_all(
    requests: Iterable[Request],
    sink: Sink,
    *,
    backend: Backend,
    limits: Limits | None = None,
    budget: Budget | Meter | None = None,
    events: Listener | None = None,
    stage: str = "",
    total: int | None = None,
    watched: str = "",
    stop: Stop | None = None,
) -> AskReport:
    """Run `ask` from synchronous code; Ctrl-C waits for the calls in flight, a second Ctrl-C abandons them.

    The backend may be used again afterwards, even in another event loop; close it when the run is over.
    """
    stop = stop or Stop()

    async def main() -> AskReport:
        loop = asyncio.get_running_loop()
        is_main = threading.current_thread() is threading.main_thread()
        caught = [signal.SIGINT, signal.SIGTERM] if is_main else []
        if is_main and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it, and so must we
            caught.append(signal.SIGHUP)
        for name in caught:
            loop.add_signal_handler(name, stop.press)
        try:
            return await ask(
                requests,
                sink,
                backend=backend,
                limits=limits,
                budget=budget,
                events=events,
                stage=stage,
                total=total,
                stop=stop,
                watched=watched,
            )
        finally:
            for name in caught:
                loop.remove_signal_handler(name)
            release = getattr(backend, "release", None)
            if release is not None:
                await release()

    return run_now(main(), on_interrupt=stop.press)


def run_now(work: Coroutine[Any, Any, T], *, on_interrupt: Callable[[], None] | None = None) -> T:
    """Run a coroutine to its end from synchronous code, even in a notebook, where this thread's loop already runs.

    In a notebook, a KeyboardInterrupt calls `on_interrupt`, and the work continues until it ends by itself.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1) as thread:
        running = thread.submit(asyncio.run, work)
        while True:
            try:
                return running.result()
            except KeyboardInterrupt:  # a notebook's stop button; no signal handler can be set from the other thread
                if on_interrupt is None or running.done():
                    raise
                on_interrupt()
