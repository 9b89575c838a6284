"""Do a run's work on a Ray cluster: copies of the teacher as actors, pure functions as tasks.

This process plans, decides what is sent next, keeps to the budget and writes each reply as it arrives, as on one
machine. Workers hold a model or compute a chunk; they know no run directory, so no file system is shared, and what was
paid for and is lost with a worker is what it had in flight.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any, TypeVar

from mathstrap.backends import SERVED, Backend, TeacherOptions, open_backend
from mathstrap.backends.copies import CopiedTeacher, last_line
from mathstrap.errors import InputError, MathstrapError, missing_extra
from mathstrap.spread import here, taken_in_order

A = TypeVar("A")
B = TypeVar("B")
S = TypeVar("S")

RETRIES = 5  # of a chunk whose worker or node was lost
CONNECT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where the work goes with `engine: ray`; every key has a default.

    address        the cluster's head as host:port; empty = the cluster this machine is part of, else its own cores
    teachers       copies of the teacher; 0 = as many as fit, or none for a teacher behind a URL, asked from here
    teacher_cpus   CPUs for one copy; 0 = one beside GPUs or for a URL, else all of the smallest node
    teacher_gpus   GPUs for one copy; null = as many as vllm's settings spread a copy over, none for other teachers
    start_seconds  how long to wait for a copy that answers, loading the model included
    grows          the cluster adds nodes on demand, so a copy that no node has room for is asked for all the same
    few_chunks     work of fewer chunks (a tenth of a second each) is done here
    runtime_env    what Ray sets up on the nodes, for example {"pip": ["mathstrap[vllm]"]}
    """

    address: str = ""
    teachers: int = 0
    teacher_cpus: float = 0.0
    teacher_gpus: float | None = None
    start_seconds: float = 600.0
    grows: bool = False
    few_chunks: int = 64
    runtime_env: dict[str, Any] = field(default_factory=dict)


class Cluster:
    """A connection to Ray, made when there is something to do; use it as a context manager."""

    def __init__(self, options: ClusterOptions) -> None:
        self.options = options
        self.held_cpus = 0.0  # by teachers, which are idle while chunks are computed
        self._ray: Any = None
        self._is_ours = False

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            self._ray.shutdown()

    @property
    def ray(self) -> Any:
        """Return the module `ray`, connected; raises InputError where that is impossible."""
        if self._ray is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # says what it will do one day
            try:
                import ray
            except ModuleNotFoundError as error:
                raise missing_extra("ray", "ray") from error
            if not ray.is_initialized():
                connect(ray, self.options)
                self._is_ours = True
            self._ray = ray
            check_versions(ray)
        return self._ray

    def nodes(self) -> list[dict[str, float]]:
        """Return the resources of each node that is alive."""
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    def open_teacher(self, teacher: TeacherOptions) -> Backend:
        """Return the teacher: copies of it on the cluster, or for one behind a URL the usual one."""
        options = self.options
        if teacher.backend in SERVED and not options.teachers:
            return open_backend(teacher)
        nodes = self.nodes()
        gpus = gpus_of(teacher) if options.teacher_gpus is None else options.teacher_gpus
        is_light = gpus > 0 or teacher.backend in SERVED
        # A head without CPUs only leads.
        smallest = min((node["CPU"] for node in nodes if node.get("CPU")), default=1.0)
        cpus = options.teacher_cpus or (1.0 if is_light else smallest)
        fitting = [
            int(min(node.get("CPU", 0.0) // cpus, node.get("GPU", 0.0) // gpus if gpus else 1e6)) for node in nodes
        ]
        if not any(fitting) and not options.grows:
            raise InputError(
                f"engine: no node has room for one teacher of {cpus:g} CPUs and {gpus:g} GPUs; found "
                f"{', '.join(sorted({describe(node) for node in nodes}))}. Lower engine.teacher_cpus or "
                "engine.teacher_gpus, add a node, or set engine.grows: true where the cluster adds them itself."
            )
        count = options.teachers or max(1, sum(fitting))
        self.held_cpus = count * cpus
        if not teacher.threads:
            teacher = replace(teacher, threads=max(1, int(cpus)))
        return CopiedTeacher(self.ray, teacher, count=count, cpus=cpus, gpus=gpus, start_seconds=options.start_seconds)

    def spread(self, function: Callable[[S, A], B], shared: S, chunks: Iterable[A], /) -> Iterator[B]:
        """Compute chunks on all cores of the cluster, in order; few ones here. A lost chunk is computed again."""
        stream = iter(chunks)
        first = list(islice(stream, self.options.few_chunks))
        if len(first) < self.options.few_chunks:
            yield from here(function, shared, chain(first, stream))
            return
        ray = self.ray
        cores = sum(node.get("CPU", 0.0) for node in self.nodes()) or 1.0
        # The share of a core that our own idle teachers leave, so that as many tasks run as there are cores.
        share = int(1000 * max(0.0, 1.0 - self.held_cpus / cores)) / 1000
        work = ray.put((function, shared))
        task = ray.remote(work_on).options(num_cpus=share, max_retries=RETRIES, scheduling_strategy="SPREAD")

        def result(reference: Any) -> B:
            try:
                computed: B = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause or error from None
            except ray.exceptions.RayError as error:
                raise MathstrapError(
                    f"The cluster lost a piece of work {RETRIES + 1} times: {last_line(error)} "
                    "Every reply is kept: give its nodes more memory and run the same command to go on."
                ) from error
            return computed

        ahead = max(2, int(2 * cores))
        yield from taken_in_order(lambda chunk: task.remote([work], chunk), result, chain(first, stream), ahead)


def gpus_of(teacher: TeacherOptions) -> float:
    """Return the GPUs one copy is spread over, by its own settings."""
    if teacher.backend != "vllm":
        return 0.0
    settings = teacher.settings
    return float(settings.get("tensor_parallel_size", 1) * settings.get("data_parallel_size", 1))


def describe(node: dict[str, float]) -> str:
    """Return what a node has, in words."""
    return f"{node.get('CPU', 0.0):g} CPUs and {node.get('GPU', 0.0):g} GPUs"


def connect(ray: Any, options: ClusterOptions) -> None:
    """Join the cluster of the options; raises InputError where none answers, or one of another version."""
    address = options.address
    if "://" in address:
        raise InputError(f"engine.address: found {address!r}, expected host:port. Run on a machine of the cluster.")
    if address not in ("", "auto", "local"):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except (OSError, ValueError) as error:
            raise InputError(
                f"engine.address: no Ray cluster answers at {address} ({error}). "
                "Expected the host:port of its head node; start one with: ray start --head --port=6379"
            ) from None
    arguments: dict[str, Any] = {"runtime_env": options.runtime_env} if options.runtime_env else {}
    try:
        ray.init(
            address=address or None, include_dashboard=False, log_to_driver=False, logging_level="CRITICAL", **arguments
        )
    except Exception as error:  # Ray raises bare Exceptions here
        ray.shutdown()  # it may have joined by half
        raise InputError(f"engine: cannot join the Ray cluster {address or 'of this machine'}: {error}") from error


def check_versions(ray: Any) -> None:
    """Raise InputError where a node has no Mathstrap, or another one: its results could differ."""
    from mathstrap import __version__

    def version() -> str:
        try:
            import mathstrap
        except ModuleNotFoundError:
            return ""
        return mathstrap.__version__

    probe = ray.remote(num_cpus=0, max_retries=0)(version)
    on_node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    asked = {
        node["NodeManagerAddress"]: probe.options(scheduling_strategy=on_node(node["NodeID"], soft=False)).remote()
        for node in ray.nodes()
        if node["Alive"]
    }
    for name, reference in asked.items():
        with suppress(ray.exceptions.NodeDiedError, ray.exceptions.TaskUnschedulableError):
            found = ray.get(reference)
            if found != __version__:
                raise InputError(
                    f"engine: node {name} has {f'Mathstrap {found}' if found else 'no Mathstrap'}, this machine "
                    f"{__version__}. Install the same on every node, or have Ray do it with engine.runtime_env."
                )


_WORK: dict[bytes, tuple[Callable[[Any, Any], Any], Any]] = {}


def work_on(boxed: list[Any], chunk: Any) -> Any:
    """Compute a chunk in a worker; what all chunks share is fetched once."""
    import ray

    name = boxed[0].binary()
    if name not in _WORK:
        _WORK.clear()
        _WORK[name] = ray.get(boxed[0])
    function, shared = _WORK[name]
    return function(shared, chunk)
