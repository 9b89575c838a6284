"""The flat example runs as its first lines say, against a real HTTP server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tiny_llama import save_llama

ROOT = Path(__file__).resolve().parents[2]


class Solver(BaseHTTPRequestHandler):
    """Knows the answers of the example's two seeds and of their backward questions."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][0]["content"]
        if "one statement" in prompt:
            reply = "The answer is 42 rolls."
        elif "other words" in prompt:
            reply = prompt.rpartition("\n\n")[2].replace("How many", "Tell how many")
        else:
            known = {"packs x": 6, "in x bags": 7, "had x": 53, "gave x": 18, "rolls": 42, "beads": 35}
            reply = f"Let us see.\nThe answer is: {next(value for key, value in known.items() if key in prompt)}"
        content = json.dumps({"choices": [{"message": {"content": reply}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_flat_example_makes_samples_of_all_four_types():
    with HTTPServer(("127.0.0.1", 0), Solver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {**os.environ, "OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1"}
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "tiny.py"), "any"],
            capture_output=True, text=True, env=environment, timeout=60, check=False,
        )  # fmt: skip
        server.shutdown()
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["type"] for row in rows} == {"GSM_AnsAug", "GSM_Rephrased", "GSM_SV", "GSM_FOBAR"}
    # Two seeds, two numbers each: 2 + 2 + 4 + 4; this server loses the x of the one that stands in the question itself.
    assert len(rows) == 11


def test_the_flat_example_stays_short():
    assert len((ROOT / "examples" / "tiny.py").read_text().splitlines()) <= 110


@pytest.mark.slow  # imports torch in a process of its own
def test_the_flat_training_learns_the_rows_it_is_given(tmp_path):
    pytest.importorskip("torch", reason='needs pip install "mathstrap[train]"')
    save_llama(tmp_path / "model")
    rows = [{"query": f"What is {n} and 1?", "response": f"The answer is: {n + 1}"} for n in range(2, 10)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows_path = str(tmp_path / "rows.jsonl")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "tiny_train.py"), str(tmp_path / "model"), rows_path, rows_path],
        capture_output=True, text=True, check=False, env={**os.environ, "HF_HUB_OFFLINE": "1"}, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    losses = [float(line.rpartition(" ")[2]) for line in lines if line.startswith("step ")]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert lines[0].startswith("before: ")
    assert lines[-1].endswith("of 8")
    assert len((ROOT / "examples" / "tiny_train.py").read_text().splitlines()) <= 110
