"""Keys planted wherever a user may put them are looked for in everything a run leaves and says."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web

import studying
from bootstrapping import write_golds
from fake_server import FakeServer, Script
from mathstrap.backends.served.keys import secrets_sent
from mathstrap.errors import InputError
from mathstrap.recipe import build_recipe
from mathstrap.redact import public, redact
from mathstrap.study import StudyRecipe
from mathstrap.study.run import run_study

KEY = "sk-planted-0123456789abcdefghij"
# In a body under a telling name: not shaped like a key, so that the recipe takes it.
BODY = "planted-body-secret-0123"
PASSWORD = "planted-password-9876543210"
HEADER = "header-planted-5647382910"
LOGIN = base64.b64encode(f"user:{PASSWORD}".encode()).decode()


class Echo(FakeServer):
    """Refuses by repeating everything it was sent."""

    def refusal(self, request: web.Request, body: dict[str, object]) -> web.Response | None:
        refused = super().refusal(request, body)
        if refused is None:
            return None
        return web.json_response({"error": {"message": f"you sent {dict(request.headers)}"}}, status=refused.status)


def mathstrap(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    home = {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "home" / "cache"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "mathstrap", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        timeout=170, env=os.environ | home | environment,
    )  # fmt: skip


def leaks(folder: Path, said: list[str]) -> list[str]:
    """Name every file and message that repeats a planted key, or a good part of one."""
    secrets = [part for key in (KEY, BODY, PASSWORD, HEADER, LOGIN) for part in (key, key[3:19])]
    found = [text[:300] for text in said if any(secret in text for secret in secrets)]
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "key.txt":
            content = path.read_bytes()
            found += [str(path.relative_to(folder)) for secret in secrets if secret.encode() in content]
    return found


@pytest.mark.parametrize("how", ["env", *(pytest.param(how, marks=pytest.mark.slow) for how in ("command", "address"))])
def test_a_run_leaves_no_key_behind(how: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "key.txt").write_text(KEY + "\n")
    write_golds(tmp_path / "golds.jsonl")
    server = Echo(Script(key="" if how == "address" else KEY))
    said = []
    with server.running():
        url = server.url.replace("://", f"://user:{PASSWORD}@") if how == "address" else server.url
        base = [
            "name=kept", f"out={tmp_path / 'runs'}", "seeds.source=bundled:gsm8k", "seeds.limit=2",
            "teacher.backend=openai", "teacher.model=m", f"teacher.base_url={url}",
            f"teacher.extra_headers.X-Gateway={HEADER}",
        ]  # fmt: skip
        environment = {}
        if how == "command":
            base.append(f"teacher.api_key_command=cat {tmp_path / 'key.txt'}")
        elif how == "env":
            base.append("teacher.api_key_env=PLANTED_KEY")
            environment["PLANTED_KEY"] = KEY
        recipe = tmp_path / "mine.yaml"
        recipe.write_text("seeds: {source: 'bundled:gsm8k'}\n")
        for more in ([], ["--dry-run"], ["--json"]):
            done = mathstrap("run", str(recipe), *base, *more, folder=tmp_path, **environment)
            assert done.returncode == 0, (more, done.stderr)
            said += [done.stdout, done.stderr]
        server.script.key = "another"  # the server refuses, and repeats what it was sent
        done = mathstrap("run", str(recipe), *base, "name=refused", folder=tmp_path, **environment)
        assert done.returncode != 0
        assert "you sent" in done.stderr
        said += [done.stdout, done.stderr]
        if how == "env":
            crashing = tmp_path / "crashing.py"
            crashing.write_text(CRASHING)
            own = ["name=crashed", f"teacher.backend={crashing}:open_teacher"]
            done = mathstrap("run", str(recipe), *base, *own, folder=tmp_path, **environment)
            assert "Traceback" in done.stderr
            assert "ZeroDivisionError" in done.stderr
            said.append(done.stderr)
    run = str(tmp_path / "runs" / "kept")
    for verb in (["stats", run, "--json"], ["report", run], ["show", "mini-gsm-001", "--run", run]):
        done = mathstrap(*verb, folder=tmp_path, **environment)
        said += [done.stdout, done.stderr]
    assert (tmp_path / "runs" / "kept" / "report.html").exists()
    said += explorer_pages(tmp_path / "runs" / "kept", tmp_path / "home")
    assert leaks(tmp_path, said) == []


# A back end of the user's own that ends in a traceback while it holds the options and the key.
CRASHING = """
import os

class Crashing:
    model, supports_n, max_in_flight = "m", False, 1
    def __init__(self, options):
        self.options, self.key = options, os.environ["PLANTED_KEY"]
        1 / 0

def open_teacher(options):
    return Crashing(options)
"""


def explorer_pages(run: Path, cache: Path) -> list[str]:
    """Return what the explorer answers, page by page."""
    pytest.importorskip("datasette", reason='needs pip install "mathstrap[explore]"')
    from mathstrap.explore.server import explorer_app

    with explorer_app([run], cache) as datasette:
        name = next(name for name in datasette.databases if name not in ("_internal", "_memory"))
        tables = asyncio.run(datasette.databases[name].table_names())
        pages = ["/", f"/{name}", "/-/metadata.json", "/-/settings.json", "/-/databases.json"]
        pages += [f"/{name}/{table}.json?_size=100" for table in tables if "fts" not in table] + [f"/{name}/answers"]
        answers = [asyncio.run(datasette.client.get(page)) for page in pages]
    assert answers[0].status_code == answers[-1].status_code == 200
    return [answer.text + str(answer.headers) for answer in answers]


def test_an_evaluation_leaves_no_key_behind(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from mathstrap.cli import app

    test = tmp_path / "gsm8k_test.jsonl"
    test.write_text(json.dumps({"question": "1+1?", "answer": "#### 2"}) + "\n")
    with Echo().running() as server:
        url = server.url.replace("://", f"://user:{PASSWORD}@")
        more = [f"teacher.extra_headers.X-Gateway={HEADER}", f"teacher.extra_body.api_key={BODY}"]
        arguments = ["eval", "-m", "m", "--base-url", url, "-b", f"gsm8k={test}", "--out", str(tmp_path / "e"), *more]
        result = CliRunner().invoke(app, arguments, color=False)
        assert result.exit_code == 0, result.exception
    assert (tmp_path / "e" / "manifest.json").exists()
    assert leaks(tmp_path, [result.output]) == []


def test_a_study_leaves_no_key_behind(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="students are trained with the extra `train`")
    values = studying.study_values(tmp_path, students=False, diversity=False)
    secret = {
        "base_url": [f"https://user:{PASSWORD}@example.org/v1"], "extra_headers": {"X-Gateway": HEADER},
        "extra_body": {"nested": [{"access_token": BODY}]},
    }  # fmt: skip
    for part in ("bootstrap", "evaluation"):
        values[part]["teacher"] |= secret
    recipe = build_recipe(StudyRecipe, values, "test")
    run_study(recipe)
    assert {"study.yaml", "study.json", "run"} <= {path.name for path in recipe.path.iterdir()}
    assert "https://example.org/v1" in (recipe.path / "study.yaml").read_text()
    assert leaks(recipe.path, []) == []


def test_what_may_be_a_secret_is_taken_out_and_nothing_else() -> None:
    values = {
        "api_key_env": "OPENAI_API_KEY", "api_key_command": "pass show openai", "max_tokens": 5, "tokens": "all",
        "base_url": "https://user:pw@host:1/v1", "extra_headers": {"X": "y"},
        "env_vars": {"HF_TOKEN": "hf_1", "A": "b"},
    }  # fmt: skip
    kept = public(values)
    assert kept["extra_headers"] == {}
    assert kept["env_vars"] == {"HF_TOKEN": "", "A": "b"}
    assert kept["base_url"] == "https://host:1/v1"
    assert {name: kept[name] for name in ("api_key_env", "api_key_command", "max_tokens")} == {
        name: values[name] for name in ("api_key_env", "api_key_command", "max_tokens")
    }


def test_a_server_may_repeat_a_login_in_any_form() -> None:
    sent = secrets_sent("https://user:p%40ssword@host/v1", {"X-Title": "maths", "X-Gateway": HEADER})
    encoded = base64.b64encode(b"user:p@ssword").decode()
    assert redact(f"{encoded} p%40ssword p@ssword {HEADER} maths", sent) == "[key] [key] [key] [key] maths"


@pytest.mark.parametrize("url", ["http://user:pa/ss@host/v1", "http://user:pass@host:port/v1", "http://[user:pass@host"])
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    from mathstrap.backends import TeacherOptions, open_backend

    with pytest.raises(InputError, match="is not an address") as caught:
        open_backend(TeacherOptions(model="m", base_url=url))
    assert "pa" not in str(caught.value).replace("teacher.base_url", "").partition("expected")[0]


def test_the_embeddings_key_goes_to_the_named_server_only(tmp_path: Path) -> None:
    from mathstrap.embedding.endpoint import endpoint_embedder

    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound(server.url.replace("127.0.0.1", "localhost") + "/embeddings")

    server = FakeServer()
    server.embed = moved
    with server.running():
        with pytest.raises(InputError, match="302"):
            endpoint_embedder("m", base_url=server.url, api_key=KEY)(["a"])
        with pytest.raises(InputError, match="cannot be sent") as caught:
            endpoint_embedder("m", base_url=server.url, api_key=f"{KEY}\nx")(["a"])
        with pytest.raises(InputError, match="not supported") as also:
            endpoint_embedder("m", base_url=server.url.replace("://", f"://u:{PASSWORD}@"))(["a"])
    assert leaks(tmp_path, [str(caught.value), str(also.value)]) == []
