"""Build the databases, serve them through Datasette on loopback, and refresh them while runs go on."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError, missing_extra
from mathstrap.explore.build import database_path, prepare, refresh
from mathstrap.explore.plugin import TEMPLATES, Explorer, Shown, register, unregister
from mathstrap.explore.prompt import PromptOf
from mathstrap.explore.schema import ANSWER_FACETS, HIDDEN, QUESTION_FACETS, REJECT_FACETS
from mathstrap.files.rundir import RunDir
from mathstrap.render.pages import TEMPLATES as SHARED_TEMPLATES

logger = logging.getLogger(__name__)

# Short enough to follow a run live; a pass without changes only stats a few files.
WATCH_SECONDS = 2.0
RECORDS = ("problems", "completions-rewrite", "completions-solve")
SETTINGS = {
    "default_cache_ttl": 0,  # a run in progress changes while its page is open
    "default_page_size": 25,
    "default_facet_size": 12,
    "max_returned_rows": 1_000,
    "sql_time_limit_ms": 5_000,
    "facet_time_limit_ms": 5_000,
    "suggest_facets": False,
    "allow_download": False,
    "allow_csv_stream": False,  # the run's own files hold the whole tables
    "max_csv_mb": 32,
    "truncate_cells_html": 2_000,
}


def cache_folder() -> Path:
    """Return the folder of the databases, which are derived and may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mathstrap" / "explore"


def has_records(path: Path) -> bool:
    """Say whether a folder is a run directory with records."""
    return any((path / f"{name}.jsonl").exists() for name in RECORDS)


def show_runs(paths: Sequence[Path], cache: Path) -> list[Shown]:
    """Return the runs to show under distinct names; raises InputError where a path is not a run directory."""
    shown: list[Shown] = []
    for path in paths:
        RunDir.read(path)
        if not has_records(path):
            raise InputError(f"{path}: has no records. Expected a run directory of `mathstrap run`.")
        base = (
            "".join(char if char.isascii() and char.isalnum() else "-" for char in path.resolve().name).strip("-")
            or "run"
        )
        name, number = base, 2
        while any(other.name == name for other in shown):
            name, number = f"{base}-{number}", number + 1
        shown.append(Shown(name=name, run=path.resolve(), database=database_path(path, cache)))
    return shown


def refresh_shown(shown: Shown) -> bool:
    """Bring one run's database up to date."""
    return refresh(RunDir.read(shown.run), shown.database)


@contextmanager
def explorer_app(
    paths: Sequence[Path], cache: Path | None = None, *, prompt_of: PromptOf | None = None, at_once: bool = False
) -> Iterator[Any]:
    """Yield a Datasette over the runs, their databases built; raises MissingExtraError without datasette.

    With `at_once` the databases of large runs may be empty still: the caller must refresh them while it serves.
    """
    try:
        from datasette.app import Datasette
        from datasette.database import Database
    except ImportError as error:
        raise missing_extra("datasette", "explore") from error

    runs = show_runs(paths, cache or cache_folder())
    for shown in runs:
        run = RunDir.read(shown.run)
        (prepare if at_once else refresh)(run, shown.database)
    explorer = Explorer(runs, refresh_shown, prompt_of)
    register(explorer)
    try:
        datasette = Datasette(
            settings=SETTINGS,
            metadata={"title": "Mathstrap", "databases": {shown.name: _metadata() for shown in runs}},
            template_dir=str(TEMPLATES),
        )
        explorer.datasette = datasette
        datasette.mathstrap = explorer
        _share_templates(datasette)

        class Quiet(Database):  # type: ignore[misc, unused-ignore]
            """A database that logs no SQL errors: their text repeats the query with its terminal escapes."""

            async def execute(self, *args: Any, **named: Any) -> Any:
                return await super().execute(*args, **{**named, "log_sql_errors": False})

        for shown in runs:
            datasette.add_database(Quiet(datasette, path=str(shown.database), is_mutable=True), name=shown.name)
        yield datasette
    finally:
        unregister(explorer)


def serve(
    paths: Sequence[Path], *, port: int = 0, announce: Any, cache: Path | None = None, prompt_of: PromptOf | None = None
) -> None:
    """Serve the runs on 127.0.0.1 until interrupted; `announce` gets the address. Port 0 means any free port.

    `prompt_of` rebuilds a request's prompt; without it no prompts are shown.
    """
    with explorer_app(paths, cache, prompt_of=prompt_of, at_once=True) as datasette:
        import uvicorn

        listener = listen(port)
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(datasette.mathstrap, stop), name="mathstrap-watch", daemon=True)
        watcher.start()
        announce(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        try:
            config = uvicorn.Config(datasette.app(), log_level="warning", server_header=False)
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            stop.set()
            listener.close()


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback only; raises InputError where the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(f"--port {port}: cannot be used ({error}). Name another port, or 0 for any free.") from error
    return listener


def _watch(explorer: Explorer, stop: threading.Event) -> None:
    while not stop.is_set():
        for shown in explorer.runs.values():
            try:
                refresh_shown(shown)
            except (InputError, OSError) as error:  # a file between two writes; the next refresh reads it complete
                logger.warning("%s: %s", shown.run, error)
        stop.wait(WATCH_SECONDS)


def _metadata() -> dict[str, Any]:
    return {
        "tables": {
            "answers": {"facets": list(ANSWER_FACETS[:6]), "title": "Answers", **searched("answers_fts")},
            "questions": {"facets": list(QUESTION_FACETS[:5]), "title": "Questions", **searched("questions_fts")},
            "rejects": {"facets": list(REJECT_FACETS), "title": "Rejects"},
            "flags": {"title": "Reviewed"},
            **{name: {"hidden": True} for name in HIDDEN},
        }
    }


def searched(index: str) -> dict[str, str]:
    """Return Datasette's metadata for a table's full-text index."""
    return {"fts_table": index, "fts_pk": "rowid"}


def _share_templates(datasette: Any) -> None:
    """Let our pages use the report's templates too."""
    from jinja2 import FileSystemLoader

    datasette.jinja_env.loader.loaders.append(FileSystemLoader(SHARED_TEMPLATES))
