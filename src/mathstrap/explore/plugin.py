"""Our pages on top of Datasette 0.65: hooks and routes. Pages read the database; only a mark writes, to the run."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode

from mathstrap.errors import InputError, counted
from mathstrap.explore.browse import read_fallen, read_families, search_all
from mathstrap.explore.diff import diff_html
from mathstrap.explore.family import problems_of, read_family
from mathstrap.explore.flips import read_flips
from mathstrap.explore.guard import guarded
from mathstrap.explore.limits import limit_queries, processor_limit
from mathstrap.explore.marks import set_marks, take_back
from mathstrap.explore.prompt import PromptOf
from mathstrap.files.rundir import Action
from mathstrap.render import TimeBudget
from mathstrap.render.hostile import escape
from mathstrap.render.pages import TEMPLATES as SHARED_TEMPLATES
from mathstrap.render.pages import as_html, text_functions, vocabulary
from mathstrap.stats import ANSWER_STAGES

logger = logging.getLogger(__name__)

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
MOST_MARKED = 100_000  # rows at once, because each is a line of a file that is written whole
PAGE_SECONDS = 1.5  # for rendering a page's formulas; after that they are shown as source
OUR_TABLES = ("questions", "answers", "rejects", "flags")
ID_COLUMNS = ("id", "seed", "problem", "parent")
STAGE_FILTERS = {
    "asked": {},
    "answered": {"outcome__not": "unanswered"},
    "parsed": {"outcome__in": "correct,wrong,undecided"},
    "correct": {"outcome": "correct"},
    "kept": {"kept": "yes"},
}
ACTIONS = ("flag", "approve", "edit", "remove")
PAGING = ("_next", "_size", "_sort", "_sort_desc", "_col", "_shape", "_nofacet")
NOISY_HANDLER = "datasette.handle_exception"
HOOKS = (
    "register_routes", "extra_template_vars", "prepare_jinja2_environment", "prepare_connection", "render_cell",
    "asgi_wrapper", "handle_exception",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A run in the explorer: its name in addresses, its directory, its database."""

    name: str
    run: Path
    database: Path


MOST_LINKS = 6  # runs that every page links to; with more, a page links to the list of them


class Explorer:
    """Datasette's hooks for one set of runs; `refresh` brings one run's database up to date."""

    def __init__(
        self, runs: list[Shown], refresh: Callable[[Shown], bool], prompt_of: PromptOf | None = None
    ) -> None:
        self.prompt_of = prompt_of
        self.runs = {shown.name: shown for shown in runs}
        self.refresh = refresh
        self.datasette: Any = None
        self.replaced: Any = None
        self.__name__ = f"mathstrap-{id(self)}"  # Datasette expects a module name, pluggy a unique one per plug-in

    def _serves(self, datasette: Any) -> bool:
        """Say whether a hook is called for our Datasette, which is None while Datasette's constructor runs."""
        return self.datasette is None or datasette is self.datasette

    # Hooks

    def register_routes(self, datasette: Any) -> list[tuple[str, Any]]:
        """Add our pages to Datasette's."""
        if not self._serves(datasette):
            return []
        return [
            (r"^/-/look\.css$", self.look),
            (r"^/-/explore\.js$", self.script),
            (r"^/-/pulse\.json$", self.pulse),
            (r"^/-/families/(?P<run>[\w-]+)$", self.families),
            (r"^/-/search/(?P<run>[\w-]+)$", self.search),
            (r"^/-/prompt/(?P<run>[\w-]+)$", self.prompt),
            (r"^/-/family/(?P<run>[\w-]+)$", self.family),
            (r"^/-/flips/(?P<a>[\w-]+)/(?P<b>[\w-]+)$", self.flips),
            (r"^/-/flag/(?P<run>[\w-]+)$", self.flag),
        ]

    def prepare_jinja2_environment(self, env: Any) -> None:
        """Give every template our functions."""
        env.globals.update(vocabulary())
        env.globals.update(
            family_url=family_url, rows_url=rows_url, anchor=anchor, funnel=ANSWER_STAGES, stage_filters=STAGE_FILTERS,
            dict=dict, as_safe=as_html(str),
            counted=counted, most_links=MOST_LINKS,
        )  # fmt: skip

    def prepare_connection(self, conn: sqlite3.Connection) -> None:
        """Limit the cost of queries, and map the whole file into memory, which makes counting 400,000 rows fast."""
        limit_queries(conn)
        conn.execute("pragma mmap_size = 8000000000")
        conn.execute("pragma cache_size = -64000")

    async def _template_vars(self, view_name: str | None, database: str | None) -> dict[str, Any]:
        values: dict[str, Any] = {**text_functions(TimeBudget(seconds=PAGE_SECONDS)), "runs": list(self.runs.values())}
        if view_name == "index":
            values["summaries"] = {name: await self.summary(name) for name in self.runs}
        if view_name == "database" and database in self.runs:
            values["summary"] = await self.summary(database)
            values["others"] = [name for name in self.runs if name != database]
        if view_name == "table" and database in self.runs:
            values["questions_of"] = self.questions_of
            values["fallen_of"] = self.fallen_of
        return values

    def extra_template_vars(self, view_name: str | None, database: str | None, datasette: Any) -> Any:
        """Give the run page its counts, and every page its budget for formulas."""
        if not self._serves(datasette):
            return {}
        return self._template_vars(view_name, database)

    def render_cell(self, value: Any, column: str, table: str | None, database: str | None, datasette: Any) -> Any:
        """Link ids to their families; show other texts escaped, with invisible characters made visible."""
        if not self._serves(datasette) or not isinstance(value, str):
            return None
        if table in OUR_TABLES and column in ID_COLUMNS and database in self.runs:
            return as_html(lambda: f'<a href="{family_url(database, value)}">{escape(value)}</a>')()
        cut = value if len(value) <= 2_000 else value[:2_000] + "…"
        return as_html(escape)(cut)

    def asgi_wrapper(self, datasette: Any) -> Any:
        """Put the guard in front of everything."""
        return guarded if self._serves(datasette) else lambda app: app

    def handle_exception(self, datasette: Any, request: Any, exception: Exception) -> Any:
        """Answer errors with a page; Datasette's own handler would print local variables, including model text."""
        if not self._serves(datasette):
            return None
        status = getattr(exception, "status", 500)
        if isinstance(exception, sqlite3.OperationalError | MemoryError):
            return self._error(request, "This takes too much time or memory. Ask for fewer rows.", 400)
        if status == 500 and request.query_string and is_about_the_address(exception):
            status = 400
        if status == 500:
            logger.error("%s %s: %s", request.method, request.path.split("?")[0], type(exception).__name__)
        message = getattr(exception, "message", "") or str(exception)
        if status == 400 and is_about_the_address(exception) and not hasattr(exception, "message"):
            message = "A value after the question mark of this address cannot be read."
        message = message if status != 500 else "An error occurred; the page could not be rendered."
        return self._error(request, message, status)

    # Pages

    async def look(self) -> Any:
        """Return the style sheet: the report's look and the explorer's own."""
        text = (SHARED_TEMPLATES / "look.css").read_text() + (HERE / "static" / "explore.css").read_text()
        return _response(text, content_type="text/css; charset=utf-8")

    async def script(self) -> Any:
        """Return the script that updates the page of a run in progress."""
        text = (HERE / "static" / "explore.js").read_text()
        return _response(text, content_type="text/javascript; charset=utf-8")

    async def pulse(self) -> Any:
        """Return each run's revision: a number that grows when its database changes."""
        revisions = {name: await self._about(name, "revision") for name in self.runs}
        return _response(json.dumps(revisions), content_type="application/json")

    async def family(self, request: Any) -> Any:
        """Show everything made from one seed."""
        shown = self._run(request.url_vars["run"])
        row_id = request.args.get("id") or ""
        budget = TimeBudget(seconds=PAGE_SECONDS)
        family = await self._read(shown, lambda connection: read_family(connection, row_id, budget=budget))
        if family is None:
            return await self._error(request, f"The run {shown.name} has nothing with this id.", 404)
        values = {
            "run": shown.name, "family": family, "asked_for": row_id, "has_prompts": self.prompt_of is not None,
            **text_functions(budget),
        }  # fmt: skip
        if not request.args.get("save"):
            return await self._page(request, "family.html", {**values, "look": ""})
        # A single file for a colleague: with the style sheet inlined, without script and forms.
        look = await self.look()
        page = await self._page(request, "family.html", {**values, "look": look.body, "has_prompts": False})
        name = re.sub(r"[^A-Za-z0-9.-]+", "-", family.seed)[:80]
        page.headers["content-disposition"] = f'attachment; filename="{name}.html"'
        return page

    async def families(self, request: Any) -> Any:
        """List the families with their yields."""
        shown = self._run(request.url_vars["run"])
        sort, show = request.args.get("sort") or "", request.args.get("show") or ""
        page = page_number(request.args.get("page"))
        families_shown = await self._read(
            shown, lambda connection: read_families(connection, sort=sort, show=show, page=page)
        )
        return await self._page(request, "families.html", {"run": shown.name, "families": families_shown})

    async def search(self, request: Any) -> Any:
        """Search questions, replies and rejects at once."""
        shown = self._run(request.url_vars["run"])
        words = (request.args.get("q") or "")[:500]
        hits = await self._read(shown, lambda connection: search_all(connection, words))
        budget = text_functions(TimeBudget(seconds=PAGE_SECONDS))
        return await self._page(request, "search.html", {"run": shown.name, "words": words, "hits": hits, **budget})

    async def prompt(self, request: Any) -> Any:
        """Show the prompt of one request, rebuilt from the recipe."""
        shown = self._run(request.url_vars["run"])
        row_id = request.args.get("id") or ""
        problems = await self._read(shown, lambda connection: problems_of(connection, row_id))
        if self.prompt_of is None or not problems:
            return await self._error(request, f"The run {shown.name} has no prompt with this id.", 404)
        try:
            prompt = await asyncio.to_thread(self.prompt_of, shown.run, problems, row_id)
        except InputError as error:
            return await self._error(request, str(error), 404)
        return await self._page(request, "prompt.html", {"run": shown.name, "id": row_id, "prompt": prompt})

    async def flips(self, request: Any) -> Any:
        """Show where two runs differ."""
        a, b = self._run(request.url_vars["a"]), self._run(request.url_vars["b"])
        page = request.args.get("page") or "0"
        flips = await asyncio.to_thread(
            read_flips,
            a.database,
            b.database,
            kind=request.args.get("kind") or "lost",
            page=page_number(page),
        )
        budget = TimeBudget(seconds=PAGE_SECONDS)
        values = {
            "a": a.name, "b": b.name, "flips": flips, **text_functions(budget),
            "math_diff": as_html(lambda old, new, style: diff_html(old, new, style, budget=budget)),
        }  # fmt: skip
        return await self._page(request, "flips.html", values)

    async def flag(self, request: Any) -> Any:
        """Store a reviewer's decision in the run and redirect to the family, or to the list of reviewed rows."""
        shown = self._run(request.url_vars["run"])
        if request.method != "POST":
            return await self._error(request, "Rows are marked with the form on a family page.", 405)
        form = await request.post_vars()
        action: Literal[Action, "remove"] = form.get("action") or "flag"
        if action not in ACTIONS:
            return await self._error(request, f"A row can be marked with: {', '.join(ACTIONS)}.", 400)
        row_id, table = form.get("id", ""), form.get("table", "")
        # Only an answer can be approved or edited: a changed question would have to be asked and paid again.
        tables = ("answers",) if action in ("approve", "edit") else ("questions", "answers")
        try:
            wanted = await self.rows_under(shown, table, form.get("filters", "")) if table in tables else [row_id]
        except InputError as error:
            return await self._error(request, str(error), 400)
        sql = " union all ".join(f"select 1 from {name} where id = ?1" for name in tables)  # noqa: S608 constants
        known = await self._read(
            shown, lambda connection: [row for row in wanted if connection.execute(sql, (row,)).fetchone()]
        )
        if not known:
            what = "rows under these filters" if table else f"{tables[-1][:-1]} with this id"
            return await self._error(request, f"The run {shown.name} has no {what} to mark.", 404)
        note, reviewer, text = form.get("note", ""), form.get("reviewer", ""), form.get("text", "")
        try:
            if action == "remove":
                await asyncio.to_thread(take_back, shown.run, known)
            else:
                await asyncio.to_thread(
                    set_marks, shown.run, known, note, reviewer=reviewer, action=action, text=text
                )
        except InputError as error:
            return await self._error(request, str(error), 400)
        await asyncio.to_thread(self.refresh, shown)
        return _redirect(rows_url(shown.name, "flags") if table else family_url(shown.name, row_id))

    async def rows_under(self, shown: Shown, table: str, filters: str) -> list[str]:
        """Return the ids of all rows of a table under the filters of an address, read by Datasette itself."""
        ids: list[str] = []
        kept = [(name, value) for name, value in parse_qsl(filters) if name not in PAGING]
        query = urlencode([*kept, ("_col", "id"), ("_shape", "objects"), ("_size", "max"), ("_nofacet", "1")])
        url = f"/{shown.name}/{table}.json?{query}"
        while url:
            answer = (await self.datasette.client.get(url)).json()
            if not isinstance(answer.get("rows"), list):
                raise InputError("The filters of this list cannot be read. No row is marked.")
            ids += [row["id"] for row in answer["rows"]]
            if len(ids) > MOST_MARKED:
                raise InputError(
                    f"This list has more than {MOST_MARKED:,} rows. No row is marked. Filter it further, or change "
                    "the recipe: curate drops rows by rule."
                )
            url = answer.get("next_url") or ""
        return ids

    # Data for the pages

    async def questions_of(self, database: str, ids: list[str]) -> dict[str, str]:
        """Return id -> question text, for rows of answers."""
        marks = ", ".join("?" for _ in ids)
        sql = f"select id, question from questions where id in ({marks})"  # noqa: S608 marks only
        rows = await self._read(self._run(database), lambda connection: connection.execute(sql, ids).fetchall())
        return dict(rows)

    async def fallen_of(self, database: str, ids: list[str]) -> dict[str, dict[str, Any]]:
        """Return the details of rejects, by id, for the cards of a page."""
        budget = TimeBudget(seconds=PAGE_SECONDS)
        fallen: dict[str, dict[str, Any]] = await self._read(
            self._run(database), lambda connection: read_fallen(connection, ids, budget=budget)
        )
        return fallen

    async def summary(self, name: str) -> dict[str, Any]:
        """Return the counts of a run."""
        counts: dict[str, Any] = json.loads(await self._about(name, "summary") or "{}")
        return counts

    async def _about(self, name: str, key: str) -> str:
        sql = "select value from about where name = ?"
        row = await self._read(self._run(name), lambda connection: connection.execute(sql, (key,)).fetchone())
        return str(row[0]) if row else ""

    async def _read(self, shown: Shown, function: Callable[[sqlite3.Connection], Any]) -> Any:
        def read(connection: sqlite3.Connection) -> Any:
            before = connection.row_factory
            try:
                connection.row_factory = None
                with processor_limit(connection):
                    return function(connection)
            finally:
                connection.row_factory = before

        return await self.datasette.get_database(shown.name).execute_fn(read)

    def _run(self, name: str) -> Shown:
        from datasette import NotFound

        if name not in self.runs:
            raise NotFound("There is no run of this name here.")
        return self.runs[name]

    async def _page(self, request: Any, template: str, values: dict[str, Any], status: int = 200) -> Any:
        text = await self.datasette.render_template(template, values, request=request, view_name="mathstrap")
        return _response(text, status=status, content_type="text/html; charset=utf-8")

    async def _error(self, request: Any, message: str, status: int) -> Any:
        if request.path.split("?")[0].endswith(".json"):
            body = json.dumps({"ok": False, "error": message, "status": status})
            return _response(body, status=status, content_type="application/json")
        return await self._page(request, "error.html", {"error": message, "status": status, "title": None}, status)


# Datasette raises one of these for an address parameter that it does not know or cannot read, and answers status 500.
ADDRESS_ERRORS = ("DatasetteError", "JSONDecodeError", "KeyError", "ValueError", "TypeError", "AssertionError")


def is_about_the_address(exception: Exception) -> bool:
    """Say whether the query string of an address caused the error."""
    return type(exception).__name__ in ADDRESS_ERRORS


def page_number(text: str | None) -> int:
    """Return the page number of an address; 0 where it is not a number."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 9 else 0


def family_url(run: str, row_id: str) -> str:
    """Return the address of the family a row belongs to, at that row."""
    return f"/-/family/{run}?id={quote(row_id, safe='')}#{anchor(row_id)}"


def rows_url(run: str, table: str, **filters: str) -> str:
    """Return the address of a table's rows under filters."""
    query = urlencode({name: value for name, value in filters.items() if value is not None})
    return f"/{run}/{table}" + (f"?{query}" if query else "")


def anchor(row_id: str) -> str:
    """Return an HTML anchor for a row: letters, digits and hyphens, whatever the id contains."""
    return "row-" + re.sub(r"[^A-Za-z0-9]+", "-", row_id)[:120]


def register(explorer: Explorer) -> None:
    """Mark the hooks and register them with Datasette's plugin manager."""
    from datasette import hookimpl
    from datasette.plugins import pm

    for name in HOOKS:
        hookimpl(getattr(Explorer, name))
    pm.register(explorer)
    # The default handler prints local variables of failed requests to the terminal, including model text and escapes.
    explorer.replaced = pm.get_plugin(NOISY_HANDLER)
    if explorer.replaced is not None:
        pm.unregister(explorer.replaced)


def unregister(explorer: Explorer) -> None:
    """Remove the hooks."""
    from datasette.plugins import pm

    pm.unregister(explorer)
    if explorer.replaced is not None:
        pm.register(explorer.replaced, name=NOISY_HANDLER)


def _response(body: str, *, content_type: str, status: int = 200) -> Any:
    from datasette import Response

    return Response(body, status=status, content_type=content_type)


def _redirect(url: str) -> Any:
    from datasette import Response

    return Response.redirect(url, status=303)
