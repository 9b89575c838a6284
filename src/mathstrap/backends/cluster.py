"""Run the work of a run on a Ray cluster: copies of the teacher as actors, pure functions as tasks.

This process plans, decides what is sent next, keeps to the budget and writes each reply as it arrives, as on one
machine. Workers hold a model or compute a chunk. They do not see the run directory, so no shared file system is needed,
and a lost worker loses only its calls in flight.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import chain, islice
from math import inf
from pathlib import Path
from typing import Any

import mathstrap
from mathstrap.backends import SERVED, TeacherOptions, open_backend
from mathstrap.backends.copies import RESTARTS, CopiedTeacher, TeacherActor, last_line
from mathstrap.engine.interface import Backend
from mathstrap.errors import InputError, MathstrapError, check_least, missing_extra
from mathstrap.parallel import here, taken_in_order

RETRIES = 5  # of a chunk whose worker or node was lost
CONNECT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where the work goes with `engine: ray`; every key has a default.

    address        the cluster's head as host:port; empty = the cluster this machine is part of, else its own cores
    teachers       copies of the teacher, even more than fit at first; 0 = as many as fit
    teacher_cpus   CPUs for one copy; 0 = one beside GPUs, else all of the smallest node
    teacher_gpus   GPUs for one copy; null = as many as vllm's settings spread a copy over, none for other teachers
    start_seconds  how long to wait for a copy that answers, loading the model included
    min_chunks     fewer chunks (a tenth of a second each) are computed by this process, without the cost of tasks
    chunk_seconds  how long to wait for a chunk before this process computes it
    runtime_env    what Ray sets up on the nodes, for example {"pip": ["mathstrap[vllm]"]}
    """

    address: str = ""
    teachers: int = 0
    teacher_cpus: float = 0.0
    teacher_gpus: float | None = None
    start_seconds: float = 600.0
    min_chunks: int = 64
    chunk_seconds: float = 30.0
    runtime_env: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_least(self, teachers=0, teacher_cpus=0, teacher_gpus=0, min_chunks=0, chunk_seconds=0)


class Cluster(ExitStack):
    """A connection to Ray, opened when it is first needed; use it as a context manager."""

    def __init__(self, options: ClusterOptions) -> None:
        super().__init__()
        self.options = options
        self.teacher_cpus = 0.0  # reserved by the teachers, which are idle while chunks are computed

    @cached_property
    def ray(self) -> Any:
        """The module `ray`, connected; raises InputError where that is impossible."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences Ray's warning about this default
        try:
            import ray
        except ModuleNotFoundError as error:
            raise missing_extra("ray", "ray") from error
        if not ray.is_initialized():
            self.callback(ray.shutdown)  # registered first, because a failed connection leaves processes behind too
            connect(ray, self.options)
        return ray

    def nodes(self) -> list[tuple[float, float]]:
        """Return the CPUs and GPUs of each live node."""
        alive = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        return [(has.get("CPU", 0.0), has.get("GPU", 0.0)) for has in alive]

    def open_teacher(self, teacher: TeacherOptions) -> Backend:
        """Return the teacher: copies of it on the cluster, or the usual one if it is behind a URL.

        Raises InputError if no node has room for a copy, and what CopiedTeacher raises.
        """
        if teacher.backend in SERVED:
            return open_backend(teacher)
        options, nodes = self.options, self.nodes()
        gpus = gpus_of(teacher) if options.teacher_gpus is None else options.teacher_gpus
        # A head node without CPUs runs no copies, so it does not count as the smallest node.
        cpus = options.teacher_cpus or (1.0 if gpus else min((cores for cores, _ in nodes if cores), default=1.0))
        count = options.teachers or sum(int(min(has // cpus, cards // gpus if gpus else inf)) for has, cards in nodes)
        if not count:
            rooms = ", ".join(f"{has:g} CPUs and {cards:g} GPUs" for has, cards in sorted(set(nodes)))
            raise InputError(
                f"engine: no node has room for one teacher of {cpus:g} CPUs and {gpus:g} GPUs; found {rooms}. Lower "
                "engine.teacher_cpus or engine.teacher_gpus, or where nodes are still to come, set engine.teachers."
            )
        self.teacher_cpus = count * cpus
        teacher = replace(teacher, threads=teacher.threads or max(1, int(cpus)))
        make = self.ray.remote(TeacherActor).options(
            num_cpus=cpus, num_gpus=gpus, max_restarts=RESTARTS, max_concurrency=100_000, scheduling_strategy="SPREAD"
        )
        actors = [make.remote() for _ in range(count)]
        for actor in actors:
            self.callback(self.ray.kill, actor)
        return CopiedTeacher(self.ray, teacher, actors, start_seconds=options.start_seconds)

    def map_chunks(self, function: Callable[[Any, Any], Any], shared: Any, chunks: Iterable[Any], /) -> Iterator[Any]:
        """Compute chunks on all cores of the cluster, in order; a lost chunk is computed again.

        Few chunks are computed in this process. So is a chunk that is late, and every later one that is not ready by
        then.
        """
        stream = iter(chunks)
        first = list(islice(stream, self.options.min_chunks))
        if len(first) < self.options.min_chunks:
            yield from here(function, shared, chain(first, stream))
            return
        ray, cores = self.ray, sum(cores for cores, _ in self.nodes()) or 1.0
        # Idle teachers reserve cores: with a smaller share per task, Ray still runs as many tasks as there are cores.
        share = int(1000 * max(0.0, 1.0 - self.teacher_cpus / cores)) / 1000
        work = ray.put((function, shared))
        task = ray.remote(work_on).options(num_cpus=share, max_retries=RETRIES, scheduling_strategy="SPREAD")

        patience = self.options.chunk_seconds

        def result(sent: tuple[Any, Any]) -> Any:
            nonlocal patience
            reference, chunk = sent
            try:
                return ray.get(reference, timeout=patience)
            except ray.exceptions.GetTimeoutError:
                # Ray can lose track of a task that it was about to send to a dying node.
                patience = 0.0
                ray.cancel(reference)
                return function(shared, chunk)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                raise MathstrapError(
                    f"The cluster lost a piece of work {RETRIES + 1} times: {last_line(error)} "
                    "Every reply is kept: give its nodes more memory and run the same command to go on."
                ) from error

        ahead = max(2, int(2 * cores))
        yield from taken_in_order(
            lambda chunk: (task.remote([work], chunk), chunk), result, chain(first, stream), ahead
        )  # fmt: skip


def gpus_of(teacher: TeacherOptions) -> float:
    """Return the GPUs that one copy is spread over, by its own settings."""
    if teacher.backend != "vllm":
        return 0.0
    from mathstrap.backends.vllm import read_settings

    settings = read_settings(teacher.settings)
    return float(settings.tensor_parallel_size * settings.data_parallel_size)


def connect(ray: Any, options: ClusterOptions) -> None:
    """Join the cluster of the options; raises InputError if none answers, or one of another version.

    Its workers receive the Mathstrap of this process, because an installed version could grade differently.
    """
    modules = [mathstrap, *options.runtime_env.get("py_modules", [])]
    address = options.address or address_of_this_machine()
    host, colon, port = address.rpartition(":")
    try:
        if colon:  # Ray itself would try for minutes and then end the process
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        ray.init(
            address=options.address or None, runtime_env=options.runtime_env | {"py_modules": modules},
            include_dashboard=False, log_to_driver=False, logging_level="CRITICAL",
        )  # fmt: skip
    except Exception as error:  # Ray raises bare Exceptions here
        raise InputError(
            f"engine.address: cannot join the Ray cluster {address or 'of this machine'}: {error}. Expected "
            "the host:port of its head node, the same Ray there and here; start one: ray start --head --port=6379. "
            "Without an address it is RAY_ADDRESS or what `ray start` last began; `ray stop` forgets that."
        ) from error


def address_of_this_machine() -> str:
    """Return where Ray looks for a cluster without an address; empty if it would start a new one."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - Ray's own choice
    named = Path(folder, "ray", "ray_current_cluster")  # left behind by a head that was killed
    return os.environ.get("RAY_ADDRESS") or (named.read_text().strip() if named.is_file() else "")


@lru_cache(maxsize=1)
def fetched(work: Any) -> Any:
    """Return the value that all chunks share; a worker fetches it once."""
    import ray

    return ray.get(work)


def work_on(boxed: list[Any], chunk: Any) -> Any:
    """Compute a chunk in a worker; the reference is in a list because Ray would fetch a bare one for every task."""
    function, shared = fetched(boxed[0])
    return function(shared, chunk)
