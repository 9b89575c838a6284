"""Print what the run does about each thing that a server may send, as it does it: a Markdown table.

    PYTHONPATH=src python tests/support/wire_table.py > behaviours.md

Each row is asked for against the fake server, in a run of its own: what is printed came out of this run.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "backends"))

from test_faults import LASTING
from test_wire import ASKED_AGAIN, REFUSED, STORED, body

from fake_server import FakeServer, Script, Wire
from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.ask import Limits, Stop, ask_all
from mathstrap.errors import TeacherError
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request
from mathstrap.types import Message, Sampling
from wire_rows import ENDS, ROWS, choice

FAST = Limits(backoff_seconds=0.01, backoff_max_seconds=0.05, deadline_seconds=3600.0)
LONGEST_WAIT_SECONDS = 0.5  # what a server asks for beyond it is printed, not waited for
LONGEST = 240


def rows() -> Iterator[tuple[str, Script, str]]:
    """Yield a name, a server's script and the prompt that is asked for, for every table of the tests."""
    for name, (sent, *_) in STORED.items():
        yield name, Script(answers={"odd": [body(sent)]}), "user"
    for name, (sent, _) in (*ASKED_AGAIN.items(), *REFUSED.items()):
        yield name, Script(answers={"odd": [sent]}), "user"
    for name, row in ROWS.items():
        yield name, Script(answers={"odd": [row.sent]}), "user"
    for word in ENDS:
        yield f"finish_reason {word}", Script(answers={"odd": [body(choice(finish=word))]}), "user"
    for script, role, _ in LASTING:
        yield "a fault that lasts", script, role


def shown(script: Script) -> str:
    """Return what the server sends, as one short line."""
    answer: Any = script.answers["odd"][0] if script.answers else (script.status or 200, script.raw or script.error)
    if isinstance(answer, Wire):
        text = b"".join(answer.pieces).decode("latin-1")
    elif isinstance(answer, tuple):
        status, data, *headers = answer
        data = data.decode("latin-1") if isinstance(data, bytes) else json.dumps(data)
        text = " ".join(part for part in (str(status), json.dumps(headers[0]) if headers and headers[0] else "", data))
    else:
        text = json.dumps(answer)
    return cell(text)


def cell(text: str) -> str:
    """Return a text that fits a cell: printable, short, without what Markdown reads."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return plain[:LONGEST].replace("|", "\\|").replace("<", "&lt;")


def outcome(script: Script, role: str) -> tuple[str, str, str]:
    """Return the request as it was sent, what the run did, and what the user reads."""
    asked = [
        request(id=f"{prompt}#0", model="thinker", messages=(Message(role, prompt),), sampling=Sampling())
        for prompt in ("odd", "even")
    ]
    server = FakeServer(script)
    server.keep_bodies = True
    with tempfile.TemporaryDirectory() as folder:
        with server.running(), RunDir.open(Path(folder) / "run") as run:
            teacher = open_backend(TeacherOptions(model="thinker", base_url=server.url, timeout_seconds=10.0))
            events: list[Any] = []
            stop = Stop()

            def note(event: Any) -> None:
                events.append(event)
                if event.kind == "retried" and event.wait_seconds > LONGEST_WAIT_SECONDS:
                    stop.press()
                    stop.press()

            try:
                ask_all(asked, run.sink("solve"), backend=teacher, limits=FAST, events=note, stop=stop)
                ended = ""
            except TeacherError as error:
                ended = str(error)
        with RunDir.read(Path(folder) / "run") as run:
            replies = {reply.request: reply for reply in run.completions("solve")}
    sent = f"POST {server.addresses[0]} {json.dumps(server.bodies[0])}" if server.bodies else ""
    again = next((event for event in events if event.kind in ("retried", "refused") and event.id == "odd#0"), None)
    reply = replies.get("odd#0")
    if ended:
        return sent, "ends the run", ended.replace(server.url, "URL")
    if again is not None and again.kind == "retried":
        return sent, f"asks again after {again.wait_seconds:.2g} s", again.detail.replace(server.url, "URL")
    if reply is None:
        return sent, "leaves it to the next run", "".join(event.detail for event in events if event.kind == "failed")
    if reply.finish_reason == "prompt_refused":
        return sent, "refuses the prompt, goes on", reply.ended.replace(server.url, "URL")
    thought = f", thought {reply.reasoning[:40]!r}" if reply.reasoning else ""
    return sent, f"stores {reply.text[:40]!r}{thought} as {reply.finish_reason}", reply.ended


def main() -> None:
    """Print the table."""
    print("| kind | request | the server sends | the run | the user reads |\n| --- | --- | --- | --- | --- |")
    for name, script, role in rows():
        sent, did, reads = outcome(script, role)
        print(f"| {cell(name)} | {cell(sent)} | {shown(script)} | {cell(did)} | {cell(reads)} |", flush=True)


if __name__ == "__main__":
    main()
