"""Apply a pure function to chunks, in order: in this process, in several, or on a cluster.

Results are the same wherever they are computed. Knows nothing of the contents of chunks.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing import get_all_start_methods, get_context
from typing import Any, Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")
S = TypeVar("S")

_log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1  # linux/prctl.h
CHUNKS_AHEAD = 3  # per worker; results that are computed ahead wait in memory
FEW_CHUNKS = 4  # fewer are finished before another process has started


class ChunkMap(Protocol):
    """Yields `function(shared, chunk)` for every chunk, in order and only a little ahead of the consumer.

    All three are sent to other processes, `shared` once for each worker.
    """

    def __call__(self, function: Callable[[S, A], B], shared: S, chunks: Iterable[A], /) -> Iterator[B]:
        """Return the results as a stream."""
        ...


def here(function: Callable[[S, A], B], shared: S, chunks: Iterable[A], /) -> Iterator[B]:
    """Compute every chunk in this process."""
    return (function(shared, chunk) for chunk in chunks)


def in_processes(num_workers: int | None = None) -> ChunkMap:
    """Return a ChunkMap over forked processes of this machine, by default one per core; a few chunks stay here.

    Only for functions in plain Python: a library with threads of its own does not survive a fork.
    """
    count = num_workers or os.cpu_count() or 1

    def map_chunks(function: Callable[[S, A], B], shared: S, chunks: Iterable[A], /) -> Iterator[B]:
        stream = iter(chunks)
        first = list(islice(stream, FEW_CHUNKS))
        if count < 2 or len(first) < FEW_CHUNKS or "fork" not in get_all_start_methods():
            yield from here(function, shared, chain(first, stream))
            return
        with ProcessPoolExecutor(
            count, mp_context=get_context("fork"), initializer=_start_worker, initargs=(function, shared, os.getpid())
        ) as pool:

            def submit(chunk: A) -> tuple[A, Future[B] | None]:
                try:
                    return chunk, pool.submit(_work, chunk)
                except BrokenProcessPool:
                    return chunk, None

            def result(submitted: tuple[A, Future[B] | None]) -> B:
                # A worker that the system killed (out of memory, for example) breaks the pool: do the rest here.
                chunk, future = submitted
                if future is not None:
                    try:
                        return future.result()
                    except BrokenProcessPool:
                        _log.warning("A worker process was ended from outside; its work is done in this process.")
                return function(shared, chunk)

            yield from taken_in_order(submit, result, chain(first, stream), count * CHUNKS_AHEAD)

    return map_chunks


def taken_in_order(submit: Callable[[A], S], result: Callable[[S], B], chunks: Iterable[A], ahead: int) -> Iterator[B]:
    """Yield the results of submitted chunks in order, with at most `ahead` chunks pending."""
    stream = iter(chunks)
    waiting: deque[S] = deque()
    while True:
        waiting.extend(submit(chunk) for chunk in islice(stream, ahead - len(waiting)))
        if not waiting:
            return
        yield result(waiting.popleft())


def chunks_of(items: Iterable[A], size: int) -> Iterator[list[A]]:
    """Yield lists of `size` items, the last one shorter."""
    stream = iter(items)
    while chunk := list(islice(stream, size)):
        yield chunk


_WORK: tuple[Callable[[Any, Any], Any], Any] | None = None


def _start_worker(function: Callable[[S, A], B], shared: S, parent: int) -> None:
    global _WORK
    _WORK = function, shared
    # Ctrl-C at a terminal reaches every process of the group; the parent handles it and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)
    _end_with(parent)


def _end_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends for any reason; only Linux can."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before the kernel was asked
        os._exit(1)


def _work(chunk: Any) -> Any:
    assert _WORK is not None, "the worker was started"
    function, shared = _WORK
    return function(shared, chunk)
