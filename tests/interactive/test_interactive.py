"""A run as an object: every kind of questions in, nothing paid twice, records out, and what a notebook shows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

import mathstrap
from bootstrapping import small_recipe
from mathstrap.backends import TeacherOptions, teacher_named
from mathstrap.errors import InputError, RecipeError
from mathstrap.files.given import rows_given
from mathstrap.interactive.run import recipe_from

ROWS = [
    {"id": "q1", "question": "Ana has 3 figs and buys 4. How many figs has she now?", "answer": "7"},
    {"id": "q2", "question": "A box holds 12 eggs. How many eggs do 5 boxes hold?", "answer": "60"},
]
FEW = {
    "methods": {
        "ans_aug": {"draws": 2}, "rephrase": {"enabled": False}, "self_verification": {"enabled": False},
        "fobar": {"enabled": False},
    }
}  # fmt: skip


def sure(folder: Path, **settings: object) -> dict[str, object]:
    """Return a teacher that knows every answer."""
    golds = folder / "golds.jsonl"
    golds.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return {"backend": "fake", "settings": {"golds": str(golds), "accuracy": 1.0, **settings}}


def as_pandas(rows, folder):
    return pytest.importorskip("pandas", reason="needs pandas").DataFrame(rows)


def as_dataset(rows, folder):
    return pytest.importorskip("datasets", reason="needs the hub extra").Dataset.from_list(rows)


def as_table(rows, folder):
    import pyarrow

    return pyarrow.Table.from_pylist(rows)


def as_file(rows, folder):
    path = folder / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_recipe(rows, folder):
    path = folder / "mine.yaml"
    path.write_text(f"seeds: {{source: {as_file(rows, folder)}}}\n")
    return str(path)


@pytest.mark.parametrize(
    "form",
    [lambda rows, _: rows, lambda rows, _: iter(rows), as_pandas, as_dataset, as_table, as_file, as_recipe],
    ids=["list", "iterator", "pandas", "dataset", "table", "file", "recipe"],
)
def test_questions_come_in_every_form(form, tmp_path):
    run = mathstrap.bootstrap(form(ROWS, tmp_path), teacher=sure(tmp_path), out=tmp_path / "run", **FEW)
    assert [(sample.seed, sample.answer) for sample in run.samples] == [("q1", "7"), ("q2", "60")]
    assert run.path == tmp_path / "run"
    assert run.is_complete
    again = mathstrap.bootstrap(form(ROWS, tmp_path), teacher=sure(tmp_path), out=tmp_path / "run", **FEW)
    assert sum(report.answered for report in again.reports) == 0
    assert again.samples.to_list() == run.samples.to_list()


def test_a_recipe_object_runs_as_it_is(tmp_path):
    recipe = small_recipe(tmp_path, seeds={"source": "bundled:gsm8k", "limit": 2})
    assert mathstrap.bootstrap(recipe).recipe == recipe
    assert mathstrap.Run.open(recipe.path).num_seeds == 2


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ([("1 + 1", "2")], [{"question": "1 + 1", "answer": "2"}]),
        ([["1 + 1", 2, "so 2"]], [{"question": "1 + 1", "answer": 2, "solution": "so 2"}]),
        (["only a text"], [{"question": "only a text"}]),
        ({"question": ["a", "b"], "answer": [1.0, float("nan")]},
         [{"question": "a", "answer": 1.0}, {"question": "b", "answer": None}]),
    ],
)  # fmt: skip
def test_rows_become_plain_mappings(given, rows):
    assert rows_given(given) == rows


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "no rows"),
        (3, "found a int"),
        ([3], r"bootstrap\[0\]: found a int"),
        ({"question": "one text"}, "columns must be lists"),
    ],
)
def test_what_holds_no_rows_is_a_sentence(given, says):
    with pytest.raises(InputError, match=says):
        mathstrap.bootstrap(given, teacher="fake")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("gpt-4o-mini", {"backend": "openai", "model": "gpt-4o-mini"}),
        ("ollama/qwen3:4b", {"backend": "ollama", "model": "qwen3:4b"}),
        ("openrouter/qwen/qwen3-32b", {"backend": "openrouter", "model": "qwen/qwen3-32b"}),
        ("m@http://localhost:8000/v1", {"backend": "openai", "base_url": "http://localhost:8000/v1", "model": "m"}),
        ("w.gguf", {"backend": "embedded", "model_path": "w.gguf"}),
        ("embedded", {"backend": "embedded"}),
    ],
)
def test_a_teacher_is_named_as_people_name_one(text, options):
    assert teacher_named(text) == options


def test_a_well_known_server_is_openai_at_its_address():
    assert TeacherOptions(backend="ollama", model="m").urls == ("http://localhost:11434/v1",)
    assert TeacherOptions(backend="ollama", base_url="http://ada:1/v1").urls == ("http://ada:1/v1",)
    assert TeacherOptions(backend="groq").api_key_env == "GROQ_API_KEY"
    assert TeacherOptions(backend="groq", api_key_env="MINE").api_key_env == "MINE"
    assert TeacherOptions(backend="groq").backend == "openai"


@pytest.mark.parametrize("text", ["", "ollama", "openai", "http://localhost:8000/v1"])
def test_a_teacher_without_a_model_is_a_sentence(text):
    with pytest.raises(InputError, match="names no model"):
        teacher_named(text)


def test_questions_need_a_teacher_and_settings_are_checked():
    with pytest.raises(InputError, match="found no teacher"):
        mathstrap.bootstrap(ROWS)
    with pytest.raises(RecipeError, match='no such key "metods"'):
        mathstrap.bootstrap(ROWS, teacher="fake", metods={})


def test_a_thinking_model_gets_the_room_it_needs_and_the_tiny_one_its_prompts():
    assert recipe_from(ROWS, teacher="deepseek/deepseek-reasoner")[0].solving.max_tokens >= 16_000
    assert recipe_from(ROWS, teacher="gpt-4o-mini")[0].solving.max_tokens == 700
    assert recipe_from(ROWS, teacher="embedded")[0].shape == "tiny"


def test_a_plan_costs_nothing_and_leaves_nothing_behind(tmp_path):
    run = mathstrap.bootstrap(ROWS, teacher=sure(tmp_path), out=tmp_path / "run", dry_run=True, **FEW)
    assert run.plan().num_requests == 4
    assert repr(run.plan()).startswith("<Preview: 2 seeds, 4 requests; cost: about $0.00, ")
    assert "ans_aug" in str(run.plan())
    assert "Solve" not in str(run.plan()), "the prompts are in `stages`"
    assert run.plan(methods={"ans_aug": {"draws": 5}}).num_requests == 10
    assert not run.path.exists()
    assert "Nothing was asked yet" in run._repr_html_()
    assert len(run.samples) == 0
    run.resume()
    assert len(run.samples) == 2
    run.resume(methods={"ans_aug": {"draws": 3}})
    assert run.reports[0].answered == 2  # one more draw of each


def test_other_questions_in_the_same_place_are_refused_until_they_may_replace(tmp_path):
    given = {"teacher": sure(tmp_path), "out": tmp_path / "run", **FEW}
    run = mathstrap.bootstrap(ROWS, **given)
    with pytest.raises(InputError, match="1 of the 2 samples here come from 1 seed"):
        mathstrap.bootstrap(ROWS[:1], **given)
    assert len(mathstrap.Run.open(run.path).samples) == 2
    assert len(mathstrap.bootstrap(ROWS[:1], replace=True, **given).samples) == 1


def test_a_family_is_found_by_the_id_that_its_row_has(tmp_path):
    run = mathstrap.bootstrap(ROWS, teacher=sure(tmp_path), out=tmp_path / "run", **FEW)
    assert run.family("q1").seed.question == ROWS[0]["question"]
    html = run.family("q1")._repr_html_()
    assert "q1/ans_aug.1#0" in html
    assert "The prompt" in html


def test_samples_go_to_pandas_and_datasets(tmp_path):
    pytest.importorskip("datasets", reason="needs the hub extra")
    run = mathstrap.bootstrap(ROWS, teacher=sure(tmp_path), out=tmp_path / "run", **FEW)
    assert run.samples.to_pandas().answer.tolist() == ["7", "60"]
    assert run.samples.to_dataset()[0]["query"] == ROWS[0]["question"]
    assert isinstance(run.samples.to_dataset()[0]["tags"], str)


def test_what_a_cell_shows_is_escaped_and_styles_only_itself(tmp_path):
    rows = [{**ROWS[0], "question": ROWS[0]["question"] + " <script>alert(1)</script>"}]
    run = mathstrap.bootstrap(rows, teacher=sure(tmp_path), out=tmp_path / "run", **FEW)
    for shown in (run, run.plan(), run.samples, run.rejects, run.family("q1"), run.report):
        html = shown._repr_html_()
        assert "<script" not in html
        css = html.partition("<style>")[2].partition("</style>")[0]
        selectors = [line.partition("{")[0] for line in css.splitlines() if "{" in line and not line.startswith("@")]
        assert selectors
        assert all(part.strip().startswith(".mathstrap") for line in selectors for part in line.split(","))
    assert "Largest loss" in run._repr_html_()


def test_a_run_can_be_awaited_while_other_work_goes_on(tmp_path):
    async def both() -> tuple[mathstrap.Run, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        beside = asyncio.ensure_future(tick())
        teacher = sure(tmp_path, latency_seconds=0.1)
        run = await mathstrap.bootstrap_async(ROWS, teacher=teacher, out=tmp_path / "run", **FEW)
        beside.cancel()
        return run, ticks

    run, ticks = asyncio.run(both())
    assert len(run.samples) == 2
    assert ticks > 2


def test_a_cancelled_run_stops_paying_and_keeps_what_came(tmp_path):
    async def cancelled() -> None:
        loop, answered = asyncio.get_running_loop(), asyncio.Event()

        def listen(event):
            if event.kind == "answered":
                loop.call_soon_threadsafe(answered.set)

        boxes = [(f"A box holds {eggs} eggs. How many eggs do 5 boxes hold?", str(5 * eggs)) for eggs in range(20, 80)]
        teacher = {"backend": "fake", "settings": {"latency_seconds": 0.1}}
        work = asyncio.ensure_future(
            mathstrap.bootstrap_async(
                boxes, teacher=teacher, out=tmp_path / "run", events=listen, limits={"max_in_flight": 2}, **FEW
            )
        )
        await answered.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(cancelled())
    held = (tmp_path / "run" / "completions-solve.jsonl").read_text().splitlines()
    assert 1 <= len(held) < 120
