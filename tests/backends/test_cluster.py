"""A run on a Ray cluster: the same bytes, nothing paid lost but what was in flight, and clear words where it cannot."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

import mathstrap
from bootstrapping import digests, small_recipe, small_values
from fake_server import FakeServer, Script
from mathstrap.backends import TeacherOptions
from mathstrap.backends.cluster import Cluster, ClusterOptions
from mathstrap.errors import InputError, MathstrapError, MissingExtraError, RecipeError, TeacherError, TransientError
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import load_recipe

IN_FLIGHT = 8


def derived(path: Path) -> dict[str, str]:
    """What does not depend on where the work was done; the report shows the recipe, and with it the engine."""
    return {name: digest for name, digest in digests(path).items() if name != "report.html"}


def num_answered(summary) -> int:
    return sum(report.answered for report in summary.reports)


def test_the_engine_is_named_or_described_and_its_keys_are_checked(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("teacher: {backend: fake}\nengine: {address: 10.0.0.1:6379, teachers: 4}\n")
    assert load_recipe(RunRecipe, str(path)).cluster == ClusterOptions(address="10.0.0.1:6379", teachers=4)
    assert load_recipe(RunRecipe, str(path), ["engine=local"]).cluster is None
    assert load_recipe(RunRecipe, str(path), ["engine=ray"]).cluster == ClusterOptions()
    assert load_recipe(RunRecipe, str(path), ["engine.teacher_gpus=2"]).cluster.teacher_gpus == 2
    with pytest.raises(RecipeError, match=r'no such key "teacher"\. Did you mean "teachers"'):
        load_recipe(RunRecipe, str(path), ["engine.teacher=2"])
    with pytest.raises(RecipeError, match=r"engine\.teachers: found -1, expected 0 or more"):
        small_recipe(tmp_path, engine={"teachers": -1})
    with pytest.raises(RecipeError, match="behind a URL is asked from this machine"):
        small_recipe(tmp_path, teacher={"backend": "openai"}, engine={"teachers": 2})


def test_a_dry_run_needs_no_cluster(tmp_path):
    from mathstrap.pipeline.preview import preview

    assert preview(small_recipe(tmp_path, engine={"address": "127.0.0.1:1"})).stages


def test_without_ray_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # an import then fails as where it is not installed
    with pytest.raises(MissingExtraError, match=r'^ray is not installed\. Run: pip install "mathstrap\[ray\]"$'):
        bootstrap(small_recipe(tmp_path, engine="ray"))


def test_an_address_where_no_cluster_answers_is_named(tmp_path):
    pytest.importorskip("ray", reason="needs the extra ray")
    for address in ("127.0.0.1:1", "ray://x:1"):
        with pytest.raises(InputError, match=f"cannot join the Ray cluster {address}: .* Expected the host:port"):
            bootstrap(small_recipe(tmp_path, engine={"address": address}))


@pytest.mark.parametrize("left_by", ["ray start", "RAY_ADDRESS"])
def test_a_cluster_that_is_gone_is_named_at_once(tmp_path, monkeypatch, left_by):
    pytest.importorskip("ray", reason="needs the extra ray")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    if left_by == "RAY_ADDRESS":
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    else:
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    with pytest.raises(InputError, match=r"cannot join the Ray cluster 127\.0\.0\.1:1: .*`ray stop` forgets that"):
        bootstrap(small_recipe(tmp_path, engine="ray"))


@pytest.fixture(scope="module")
def local_ray():
    """Ray on this machine, with two cores whatever it has."""
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    # On a busy machine a process takes longer to start than Ray waits for it by default: Ray makes its workers nice.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300",
                   "RAY_worker_register_timeout_seconds": "300", "RAY_worker_niceness": "0",
                   "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="CRITICAL")
    yield ray
    ray.shutdown()


@pytest.mark.slow
def test_a_run_on_ray_gives_the_bytes_of_one_machine_within_one_budget(tmp_path, local_ray):
    alone = bootstrap(small_recipe(tmp_path, out=str(tmp_path / "alone")))
    engine = {"teachers": 2, "teacher_cpus": 0.5, "min_chunks": 1}
    first = bootstrap(small_recipe(tmp_path, engine=engine, budget={"max_requests": 50}, out=str(tmp_path / "first")))
    assert 40 < num_answered(first) <= 50
    whole = bootstrap(small_recipe(tmp_path, engine=engine))
    assert num_answered(whole) == num_answered(alone)
    assert derived(whole.path) == derived(alone.path)


@pytest.mark.slow
def test_a_cluster_without_room_for_a_teacher_says_what_there_is(tmp_path, local_ray):
    with pytest.raises(
        InputError, match="no node has room for one teacher of 1 CPUs and 4 GPUs; found 2 CPUs and 0 GPUs"
    ):
        bootstrap(small_recipe(tmp_path, engine={"teacher_gpus": 4}))


@pytest.mark.slow
def test_what_a_copy_cannot_load_is_said_in_its_own_words(tmp_path, local_ray):
    with pytest.raises(InputError, match='the fake teacher knows no "speed"'):
        bootstrap(small_recipe(tmp_path, teacher={"backend": "fake", "settings": {"speed": 1}}, engine="ray"))


@pytest.mark.slow
@pytest.mark.parametrize("raised", ["Odd(1, 2)", "SystemExit(3)"])
def test_what_cannot_be_sent_from_a_copy_is_told_all_the_same(tmp_path, local_ray, raised):
    name = raised.partition("(")[0]
    own = tmp_path / "odd.py"
    options = TeacherOptions(backend=f"{own}:open_teacher")
    with Cluster(ClusterOptions(teachers=1, teacher_cpus=0.5, start_seconds=60)) as cluster:
        own.write_text(ODD.replace("RAISED", raised))
        with pytest.raises(TransientError, match=f"^{name}: "):
            asyncio.run(asyncio.wait_for(cluster.open_teacher(options).ask([]), 60))
        own.write_text(ODD.replace("return Teacher()", "raise RAISED").replace("RAISED", raised))
        with pytest.raises(TeacherError, match=f"^The teacher cannot be loaded: {name}: "):
            cluster.open_teacher(options)


ODD = """
class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one}{two}")  # pickle calls it with one argument again

class Teacher:
    model, supports_n, max_in_flight = "odd", True, 4

    async def ask(self, requests):
        raise RAISED

def open_teacher(options):
    return Teacher()
"""


def exit_at_once(*_):
    os._exit(1)


def identity(shared, chunk):
    return [shared, *chunk]


@pytest.mark.slow
def test_few_chunks_stay_here(local_ray):
    assert list(Cluster(ClusterOptions()).map_chunks(lambda *_: os.getpid(), None, [[1], [2]])) == [os.getpid()] * 2


@pytest.mark.slow
def test_a_piece_of_work_that_does_not_come_back_is_done_here(local_ray):

    def stuck(pid, chunk):
        if os.getpid() != pid and chunk == [2]:
            time.sleep(600)
        return chunk, os.getpid() == pid

    with Cluster(ClusterOptions(min_chunks=1, chunk_seconds=3.0)) as cluster:
        done = list(cluster.map_chunks(stuck, os.getpid(), [[number] for number in range(8)]))
    assert [chunk for chunk, _ in done] == [[number] for number in range(8)]
    assert [is_here for _, is_here in done][:3] == [False, False, True]


@pytest.mark.slow
def test_a_worker_that_dies_again_and_again_is_told(local_ray):
    cluster = Cluster(ClusterOptions(min_chunks=1, chunk_seconds=600))  # done here, it would end this process
    assert list(cluster.map_chunks(identity, 7, [[1], [2]])) == [[7, 1], [7, 2]]
    with pytest.raises(MathstrapError, match="lost a piece of work"):
        list(cluster.map_chunks(exit_at_once, None, [[1]]))


@pytest.mark.slow
@pytest.mark.parametrize("dies_at", ["load", "ask"])
def test_a_teacher_that_dies_again_and_again_ends_the_run(tmp_path, local_ray, dies_at):
    own = tmp_path / "dying.py"
    own.write_text(DYING.replace("DIES_AT", dies_at))
    engine = {"teachers": 2, "teacher_cpus": 0.5}
    with pytest.raises(TeacherError, match=r"each died 6 times; .* Every reply is kept"):
        bootstrap(small_recipe(tmp_path, teacher={"backend": f"{own}:open_teacher"}, engine=engine))


DYING = """
import os

class Teacher:
    model, supports_n, max_in_flight = "dying", True, 4

    async def ask(self, requests):
        os._exit(1)

def open_teacher(options):
    return os._exit(1) if "DIES_AT" == "load" else Teacher()
"""


# Nodes that differ, that join, that die


@pytest.fixture
def nodes(local_ray):
    """A head without a core, which this process has not joined."""
    local_ray.shutdown()
    from ray.cluster_utils import Cluster as Nodes

    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield nodes
    nodes.shutdown()


@pytest.mark.slow
def test_workers_run_the_mathstrap_of_this_process_whatever_their_node_has(tmp_path, nodes):
    (tmp_path / "mathstrap.py").write_text('__version__ = "0.0.1"')
    nodes.add_node(num_cpus=1)

    def version(*_):
        from mathstrap import __version__

        return __version__

    elsewhere = {"env_vars": {"PYTHONPATH": str(tmp_path)}}
    options = ClusterOptions(address=nodes.address, min_chunks=1, runtime_env=elsewhere)
    with Cluster(options) as cluster:
        assert list(cluster.map_chunks(version, None, [[1]])) == [mathstrap.__version__]


@pytest.mark.slow
def test_a_cluster_of_another_ray_is_told(tmp_path, nodes, monkeypatch):
    monkeypatch.setattr("ray.__version__", "1.0.0")
    with pytest.raises(InputError, match=r"cannot join the Ray cluster(?s:.*)1\.0\.0"):
        bootstrap(small_recipe(tmp_path, engine={"address": nodes.address}))


@pytest.mark.slow
def test_nodes_that_join_a_growing_cluster_are_used(tmp_path, nodes):
    teacher_options = small_recipe(tmp_path).teacher
    short = ClusterOptions(address=nodes.address, teachers=2, start_seconds=0.5)
    with Cluster(short) as cluster, pytest.raises(TeacherError, match=r"none was within engine.start_seconds \(0\.5\)"):
        cluster.open_teacher(teacher_options)
    options = ClusterOptions(address=nodes.address, teachers=2, teacher_cpus=1, min_chunks=1)
    with Cluster(options) as cluster, ThreadPoolExecutor() as threads:
        assert cluster.ray.is_initialized()
        opening = threads.submit(cluster.open_teacher, teacher_options)
        with pytest.raises(TimeoutError):
            opening.result(2)
        nodes.add_node(num_cpus=1)
        teacher = opening.result(120)
        room = teacher.max_in_flight
        assert room > 0
        nodes.add_node(num_cpus=1)
        until = time.monotonic() + 120
        while teacher.max_in_flight == room:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert teacher.max_in_flight == 2 * room
        assert list(cluster.map_chunks(identity, 7, [[1], [2]])) == [[7, 1], [7, 2]]
        asyncio.run(teacher.close())


def start(recipe_path, *overrides):
    return subprocess.Popen(
        [sys.executable, "-m", "mathstrap", "run", str(recipe_path), *overrides],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait_for(server, driver, calls):
    until = time.monotonic() + 240
    while server.calls < calls:
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def stored(path) -> Counter[tuple[str, str]]:
    """Every whole line of the paid files, by id and key."""
    found: Counter[tuple[str, str]] = Counter()
    for file in path.glob("completions-*.jsonl"):
        rows = [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]
        found.update((row["request"], row["key"]) for row in rows)
    return found


# A model that is loaded on the cluster, as far as Mathstrap knows; a server counts what it is asked.
SERVED = """
from dataclasses import replace
from mathstrap.backends import open_backend

def open_teacher(options):
    return open_backend(replace(options, backend="openai"))
"""


@pytest.mark.slow
def test_a_node_and_then_the_driver_die_and_only_what_was_in_flight_is_paid_twice(tmp_path, nodes):
    workers = [nodes.add_node(num_cpus=1), nodes.add_node(num_cpus=1)]
    with FakeServer(Script(latency=0.25)).running() as server:
        own = tmp_path / "served.py"
        own.write_text(SERVED)
        teacher = {"backend": f"{own}:open_teacher", "model": "m", "base_url": server.url,
                   "max_in_flight": IN_FLIGHT // 2, "supports_n": False}  # fmt: skip
        values = small_values(
            tmp_path, teacher=teacher, limits={"adapt": False}, seeds={"source": "bundled:gsm8k"},
            engine={"address": nodes.address, "teachers": 2, "teacher_cpus": 1, "min_chunks": 1},
        )  # fmt: skip
        recipe_path = tmp_path / "small.yaml"
        recipe_path.write_text(yaml.safe_dump(values))
        path = tmp_path / "runs" / "small"

        driver = start(recipe_path)
        wait_for(server, driver, 40)
        before = sum(stored(path).values())
        nodes.remove_node(workers.pop(), allow_graceful=False)
        wait_for(server, driver, 90)
        assert sum(stored(path).values()) > before  # the other node goes on
        driver.kill()
        driver.communicate()
        time.sleep(1)  # the server finishes, and charges, what it had begun
        kept, charged = stored(path), server.charged.total()
        assert set(kept.values()) == {1}
        # The node took at most its half of the calls in flight, the driver all of them.
        assert charged - len(kept) <= IN_FLIGHT // 2 + IN_FLIGHT
        calls = server.calls

        nodes.add_node(num_cpus=1)
        driver = start(recipe_path)
        wait_for(server, driver, calls + 30)
        driver.send_signal(signal.SIGINT)
        out, _ = driver.communicate(timeout=120)
        assert driver.returncode == 3, out
        assert "Interrupted. Every reply is kept" in out
        drained = stored(path)
        assert kept.keys() < drained.keys()
        assert server.charged.total() - charged == len(drained) - len(kept)  # a drain loses nothing

        driver = start(recipe_path)
        out, _ = driver.communicate(timeout=600)
        assert driver.returncode == 0, out
        whole = stored(path)
        assert set(whole.values()) == {1}
        assert server.charged.total() - charged == len(whole) - len(kept)  # nothing that was kept is asked again
        on_ray = derived(path)
        driver = start(recipe_path, "engine=local", f"out={tmp_path / 'alone'}")
        out, _ = driver.communicate(timeout=600)
        assert driver.returncode == 0, out
        assert on_ray == derived(tmp_path / "alone" / "small")
        assert len(on_ray) >= 8
