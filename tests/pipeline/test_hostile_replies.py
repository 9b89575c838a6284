"""Attacks in a teacher's replies go through the whole product and change nothing but their own rows."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bootstrapping import small_recipe, write_golds
from hostile_teacher import ATTACKS, is_victim
from mathstrap.cli import app
from mathstrap.pipeline import bootstrap
from mathstrap.types import problem_of

HERE = Path(__file__).parents[1]
ESCAPES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
RECORDS = ("problems", "candidates", "verdicts", "samples", "rejects")


class Tags(HTMLParser):
    """What a browser would run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text = " ".join(f"{name}={value}" for name, value in attrs)
        if tag in ("iframe", "object", "embed") or re.search(r"\bon\w+=|javascript:|onerror|evil\.example", text):
            self.found.append(f"{tag} {text}"[:200])

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and "alert(" in data and self.get_starttag_text() == "<script>":
            self.found.append(data[:200])


def attacks_in(html: str) -> list[str]:
    parser = Tags()
    parser.feed(html)
    return parser.found + ([repr(ESCAPES.search(html))] if ESCAPES.search(html) else [])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same run twice: once with attacks, once with plain wrong answers in their place."""
    folder = tmp_path_factory.mktemp("hostile")
    golds = write_golds(folder / "golds.jsonl")
    teacher = {"backend": f"{HERE / 'support' / 'hostile_teacher.py'}:open_teacher", "settings": {"golds": str(golds)}}
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, hostile in (("attacked", "yes"), ("control", "no")):
            patch.setenv("HOSTILE", hostile)
            formats = {"formats": ["metamathqa", "chat", "alpaca"]}
            recipe = small_recipe(
                folder, name=name, teacher=teacher, export=formats, limits={"max_in_flight": 1}, dedup=None
            )
            found[name] = bootstrap(recipe).path
    return found


def rows(path: Path, name: str) -> Iterator[dict[str, Any]]:
    for line in (path / f"{name}.jsonl").open(encoding="utf-8"):
        yield json.loads(line)


def untouched(path: Path, name: str) -> list[dict[str, Any]]:
    """The records that no attack wrote: neither the reply itself nor the rewrite it descends from."""
    kept = []
    for row in rows(path, name):
        row_id = row.get("id") or row["candidate"]
        if not is_victim(row_id) and not is_victim(problem_of(row_id)):
            kept.append(row)
    return kept


@pytest.mark.parametrize("name", RECORDS)
def test_every_other_record_is_the_same(runs: dict[str, Path], name: str) -> None:
    attacked, control = (untouched(runs[run], name) for run in ("attacked", "control"))
    assert len(control) > (3 if name == "rejects" else 20)
    assert attacked == control


def test_attacks_were_made_and_none_became_a_sample_but_by_its_answer(runs: dict[str, Path]) -> None:
    paid = [row for row in rows(runs["attacked"], "completions-solve") if is_victim(row["request"])]
    assert len(paid) > len(ATTACKS)
    golds = {row["id"]: row["answer"] for row in rows(runs["attacked"], "problems")}
    for row in rows(runs["attacked"], "samples"):
        if is_victim(row["id"]):
            assert row["answer"] == golds[row["problem"]]
    assert not list(HERE.parent.glob("owned"))
    assert not Path("/tmp/owned").exists()


def test_every_line_that_was_written_is_one_record(runs: dict[str, Path]) -> None:
    for path in runs["attacked"].glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            assert isinstance(json.loads(line), dict), path
    exported = list(rows(runs["attacked"], "export-metamathqa"))
    assert len(exported) == len(list(rows(runs["attacked"], "samples")))


def test_the_report_holds_no_markup_of_a_reply(runs: dict[str, Path]) -> None:
    assert attacks_in((runs["attacked"] / "report.html").read_text(encoding="utf-8")) == []
    assert not ESCAPES.search((runs["attacked"] / "README.md").read_text(encoding="utf-8"))


def pages_of(run: Path, cache: Path, paths: list[str]) -> list[str]:
    """Return the explorer's first page and those below the run's name."""
    pytest.importorskip("datasette", reason='needs pip install "mathstrap[explore]"')
    from mathstrap.explore.server import explorer_app

    with explorer_app([run], cache) as datasette:
        name = next(name for name in datasette.databases if name not in ("_internal", "_memory"))
        places = ["/", *(f"/-/family/{name}?id={p[7:]}" if p.startswith("family/") else f"/{name}/{p}" for p in paths)]
        found = [asyncio.run(datasette.client.get(place)) for place in places]
    assert [answer.status_code for answer in found] == [200] * len(places)
    return [answer.text for answer in found]


def test_the_explorer_shows_attacks_as_text(runs: dict[str, Path], tmp_path: Path) -> None:
    seeds = sorted({row["id"].partition("/")[0] for row in rows(runs["attacked"], "problems")})[:6]
    for page in pages_of(runs["attacked"], tmp_path, ["answers?_size=100", *(f"family/{seed}" for seed in seeds)]):
        assert attacks_in(page) == []


@pytest.mark.timeout(600)
def test_a_study_of_attacks_is_a_page_like_others(runs: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="students are trained with the extra `train`")
    from mathstrap.recipe import build_recipe
    from mathstrap.study import StudyRecipe
    from mathstrap.study.run import run_study

    arms = {"sft": {"methods": ["ans_aug"]}, "wrong": {"methods": ["ans_aug"], "outcome": "wrong"}}
    values = {
        "name": "attacked", "out": str(tmp_path), "run": str(runs["attacked"]), "arms": arms, "students": False,
        "sizes": [8], "match": ["samples"], "diversity": False, "train": {"global_batch": 4},
        "evaluation": {"teacher": {"backend": "hf"}},
    }  # fmt: skip
    found = run_study(build_recipe(StudyRecipe, values, "test")).path
    assert attacks_in((found / "study.html").read_text(encoding="utf-8")) == []
    assert not ESCAPES.search((found / "study.md").read_text(encoding="utf-8"))


def test_hostile_questions_and_ids_of_a_foreign_dataset_stay_text(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    ids = ["../../../tmp/owned", "/etc/passwd", "a/b#1", "<script>alert(1)</script>", "\x1b[2J", "n" * 3000, "\u202e"]
    texts = [text.encode("utf-8", "replace").decode()[:20_000] for text in ATTACKS]
    lines = [
        {"id": f"{ids[n % 7]}{n}", "question": f"Ann has 3 of 7 cats {text}. How many are 3 and 7?", "answer": "10"}
        for n, text in enumerate(texts)
    ]
    seeds.write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = set(tmp_path.rglob("*"))
    recipe = small_recipe(
        tmp_path, seeds={"source": str(seeds), "on_bad": "skip"}, teacher={"backend": "fake"}, dedup=None
    )
    run = bootstrap(recipe).path
    problems = [row["id"] for row in rows(run, "problems")]
    assert len({name.partition("/")[0] for name in problems}) > len(ATTACKS) // 2
    assert set(tmp_path.rglob("*")) - before - set(run.rglob("*")) <= {run, run.parent, tmp_path / "golds.jsonl"}
    assert not Path("/tmp/owned").exists()
    roots = sorted({name.partition("/")[0] for name in problems})
    shown = [(run / "report.html").read_text(encoding="utf-8")]
    shown += pages_of(run, tmp_path / "cache", ["questions?_size=100", *(f"family/{root}" for root in roots[:4])])
    for command in (["stats", str(run)], *(["show", root, "--run", str(run)] for root in roots[:4])):
        result = CliRunner().invoke(app, command, color=False)
        assert result.exit_code == 0, result.exception
        assert not ESCAPES.search(result.output), command
    for text in shown:
        assert attacks_in(text) == []


def test_the_terminal_shows_attacks_as_text(runs: dict[str, Path]) -> None:
    seeds = sorted({row["id"].partition("/")[0] for row in rows(runs["attacked"], "problems")})[:6]
    commands = [["stats", str(runs["attacked"])], *(["show", seed, "--run", str(runs["attacked"])] for seed in seeds)]
    for command in commands:
        result = CliRunner().invoke(app, command, color=False)
        assert result.exit_code == 0, result.exception
        assert not ESCAPES.search(result.output), command


def test_an_evaluation_of_attacks_is_a_report_of_wrong_answers(tmp_path: Path) -> None:
    test, outputs = tmp_path / "gsm8k_test.jsonl", tmp_path / "outputs.jsonl"
    questions = [{"question": f"{n}+1?", "answer": "#### 424242"} for n in range(len(ATTACKS))]
    test.write_text("".join(json.dumps(row) + "\n" for row in questions))
    texts = [text.encode("utf-8", "replace").decode() for text in ATTACKS]
    lines = [json.dumps({"id": f"gsm8k-{n:05d}", "text": text}) for n, text in enumerate(texts)]
    outputs.write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "run"
    arguments = ["eval", "-b", f"gsm8k={test}", "--outputs", str(outputs), "--out", str(out), "--quiet"]
    result = CliRunner().invoke(app, arguments, color=False)
    assert result.exit_code == 0, result.exception
    assert not ESCAPES.search(result.output)
    assert attacks_in((out / "report.html").read_text(encoding="utf-8")) == []
    shown = pages_of(out, tmp_path / "cache", ["answers?_size=100"])
    compared = CliRunner().invoke(app, ["compare", str(out), str(out)], color=False)
    assert not ESCAPES.search(compared.output)
    for text in shown:
        assert attacks_in(text) == []


def test_attacked_rows_are_training_rows_like_others(runs: dict[str, Path]) -> None:
    from mathstrap.train import DataOptions
    from mathstrap.train.data import load_pairs

    pairs = load_pairs(DataOptions(path=str(runs["attacked"] / "samples.jsonl"), on_bad="skip"), rng_seed=0)
    assert len(pairs.train) + len(pairs.held_out) + sum(pairs.skipped.values()) == len(
        list(rows(runs["attacked"], "samples"))
    )
