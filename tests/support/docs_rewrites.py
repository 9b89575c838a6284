"""What stands in for what a test machine lacks, as one table: keys, model servers, weights, the hub, hours of time.

A command of the documentation is run as it is written, but for the changes named here. Whatever no rule covers and is
no verb of ours fails the test.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The teacher of `mathstrap run`: the package's own fake, which knows the golds of the scratch folder's questions.
FAKE_TEACHER = [
    "teacher.backend=fake", "teacher.model=fake", "teacher.model_path=''", "teacher.settings={golds: golds.jsonl}",
    "budget.max_usd=0",
]  # fmt: skip
# The model of `mathstrap eval`.
FAKE_MODEL = ["teacher.backend=fake", "teacher.model=fake", "teacher.model_path=''", "teacher.settings={}", "limit=3"]
# A server on this machine stands in for every server that a page names.
SERVERS = re.compile(r"http://(?:localhost|127\.0\.0\.1):\d+/v1|https://api\.openai\.com/v1")
# Recipes whose seeds come from the hub read a file instead, and say what they would ask: they are thousands of dollars.
HUB_RECIPES = {"metamathqa-gsm8k", "metamathqa-math", "rft-gsm8k", "difficulty-gsm8k", "incorrect-answers",
               "correct-answers"}  # fmt: skip
# Python blocks: the same, in the same words.
PYTHON = [
    ('load_recipe(RunRecipe, "my.yaml", [', f'load_recipe(RunRecipe, "my.yaml", [*{FAKE_TEACHER!r}, '),
    ("EvalOptions(", "EvalOptions(teacher=FAKE_MODEL, "),
    ('teacher="gpt-6-luna"', 'teacher={"backend": "fake", "settings": {"golds": "golds.jsonl"}}'),
    ("limit=100", "limit=3"),
]


def rewrite_run(words: list[str], server: str) -> list[str]:
    """Return the words of `mathstrap run` with a teacher that is at hand."""
    if words[1] in HUB_RECIPES:
        words = [*words, "seeds.source=questions.jsonl"] + ([] if "--dry-run" in words else ["--dry-run"])
    own_server = any(server in word for word in words) and "--dry-run" not in words
    own_teacher = any(".py:" in word for word in words if word.startswith("teacher.backend="))
    if "--dry-run" in words:
        return words
    words = [*words, "--replace"]  # the scratch folder has runs of other seeds under the names that pages use
    return words if own_server or own_teacher else [*words, *FAKE_TEACHER]


def rewrite_eval(words: list[str], server: str) -> list[str]:
    """Return the words of `mathstrap eval` with a model that is at hand."""
    if "--emit-lm-eval-task" in words:
        return words
    if "--list" in words or "--outputs" in words or any(server in word for word in words):
        return words if "--list" in words else [*words, "limit=3", *(["on_bad=skip"] if "--outputs" in words else [])]
    return [*words, *FAKE_MODEL]


# Verbs that take minutes or hold the terminal: checked as far as that is quick, run for real in the slow set.
LATER = {
    "train": "trains a model",
    "explore": "serves until Ctrl-C",
    "iterate": "trains in rounds; tests/iterate runs small ones",
    "study": "trains many models on the published sets; tests/test_study*.py run small ones",
}  # fmt: skip


def check_pip(command: str) -> None:
    """Installing is what `make test` has done; the extras that a page names have to exist."""
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for named in re.findall(r"mathstrap\[([a-z,]+)\]", command):
        assert set(named.split(",")) <= set(extras), f"no such extra: {command}"


def check_make(command: str) -> None:
    """Every target has to exist."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for word in command.split("#")[0].split()[1:]:
        assert word in targets, f"no such target: {command}"


def check_script(command: str) -> None:
    """A script or test file that takes minutes or other people's programs has to exist and be Python."""
    for word in command.split():
        if word.endswith(".py"):
            assert (ROOT / word).is_file(), f"no such script: {command}"
            ast.parse((ROOT / word).read_text())


# First word -> what is checked of a command that is not run, and why it is not.
CHECKED = {
    "pip": (check_pip, "installs"),
    "make": (check_make, "sets up and runs everything"),
    "git": (lambda _: None, "fetches"),
    "cd": (lambda _: None, "the scratch folder is where everything is"),
    "export": (lambda _: None, "no key is needed here"),
    "source": (lambda _: None, "what is tested is on the path already"),
    "python": (check_script, "a bench or script of minutes"),
    "pytest": (check_script, "the suite is running already"),
    "torchrun": (lambda _: None, "needs several machines; test_train_distributed starts two processes"),
    "ruff": (lambda _: None, "part of make test"),
    "mypy": (lambda _: None, "part of make test"),
}
