"""One damaged line takes no run down: every verb goes on without it, doctor names it, and mending brings it back."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bootstrapping import digests, small_values
from mathstrap.cli import app
from mathstrap.errors import InputError, MathstrapError
from mathstrap.files.lines import MAX_LINE_BYTES
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.doctor import examine, mend
from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import build_recipe
from mathstrap.types import Liability

SOLVE = "completions-solve.jsonl"
FORMATS = {"formats": ["metamathqa", "dpo"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecipe, Path]:
    """Give a recipe whose run is finished, and a copy of the run as it should be."""
    folder = tmp_path_factory.mktemp("made")
    recipe = build_recipe(RunRecipe, small_values(folder, export=FORMATS), "small")
    bootstrap(recipe)
    return recipe, Path(shutil.copytree(recipe.path, folder / "sound"))


@pytest.fixture
def run(made: tuple[RunRecipe, Path]) -> Path:
    """Give the run directory, sound again."""
    recipe, sound = made
    shutil.rmtree(recipe.path)
    shutil.copytree(sound, recipe.path)
    return recipe.path


def damage(path: Path, how: str) -> int:
    """Damage the middle line of a file and return its number."""
    lines = path.read_bytes().splitlines(keepends=True)
    number = len(lines) // 2
    line = lines[number]
    record = json.loads(line)
    lines[number] = {
        "byte": line[: len(line) // 2] + b"\xff" + line[len(line) // 2 + 1 :],
        "cut": line[: len(line) // 2] + b"\n",
        "field": json.dumps({key: record[key] for key in list(record)[1:]}).encode() + b"\n",
        "word": line.replace(b'"finish_reason":"stop"', b'"finish_reason":"zzz"').replace(b'"correct"', b'"zzz"'),
        "deep": b"[" * 100_000 + b"\n",
        "long": b'{"request":"' + b"x" * (MAX_LINE_BYTES + 9) + b'"}\n',
        "list": b"[]\n",
    }[how]
    assert lines[number] != line
    path.write_bytes(b"".join(lines))
    return number + 1


def verbs(run: Path, out: Path) -> dict[str, list[str]]:
    seed = json.loads((run / "problems.jsonl").open().readline())["id"]
    return {
        "stats": ["stats", str(run)],
        "show": ["show", seed, "--run", str(run)],
        "report": ["report", str(run), "--out", str(out / "report.html")],
        "export": ["export", str(run), "--format", "dpo", "--format", "metamathqa"],
        "push": ["push", str(run), "ada/maths", "--dry-run", "--without", "recipe.yaml"],
        "compare": ["compare", str(run), str(run)],
    }


@pytest.mark.parametrize(
    ("name", "how"),
    [
        (SOLVE, "byte"), (SOLVE, "field"), (SOLVE, "word"), (SOLVE, "deep"), ("completions-rewrite.jsonl", "cut"),
        ("candidates.jsonl", "byte"), ("verdicts.jsonl", "word"), ("problems.jsonl", "cut"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_one_sentence_and_the_rest_is_used(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, how: str
) -> None:
    number = damage(run / name, how)
    texts = verbs(run, tmp_path)
    for verb in ("stats", "show", "export", "push") if (name, how) == (SOLVE, "byte") else ("stats", "export"):
        done = CliRunner().invoke(app, texts[verb])
        assert done.exit_code == 0, (verb, done.output, done.exception)
    assert any(f"{name}:{number}: not a " in message for message in caplog.messages), caplog.messages
    found = CliRunner().invoke(app, ["doctor", str(run)])
    assert found.exit_code == 1
    assert f"{name}:{number}: " in found.output
    assert ("1 request again" in found.output) == name.startswith("completions-")


def test_a_run_goes_on_past_a_damaged_reply_and_asks_for_that_one_alone(made: Any, run: Path) -> None:
    recipe, _ = made
    before = digests(run)
    damage(run / SOLVE, "byte")
    summary = bootstrap(recipe)
    assert [report.asked for report in summary.reports if report.stage == "solve"] == [1]
    # The fake teacher answers the same again; what it is paid for the prompt differs for a draw asked alone.
    paid = {"metrics.json", "report.html", "README.md"}
    after = digests(run)
    assert {name: after[name] for name in after.keys() - paid} == {name: before[name] for name in before.keys() - paid}
    assert examine(run).asked_again == []
    with RunDir.read(run) as opened:
        # Both the damaged reply and the one that was bought in its place count in the budget.
        assert opened.spent("solve").requests == opened.num_done("solve") + 1


def test_mending_sets_lines_aside_keeps_the_books_and_derives_anew(made: Any, run: Path) -> None:
    recipe, sound = made
    number = damage(run / SOLVE, "cut")
    line = (run / SOLVE).read_bytes().splitlines(keepends=True)[number - 1]
    damage(run / "samples.jsonl", "byte")
    damage(run / "failures.jsonl", "list") if (run / "failures.jsonl").exists() else None
    with RunDir.read(run) as opened:
        spent = opened.spent("solve")
    done = CliRunner().invoke(app, ["doctor", str(run), "--mend"])
    assert done.exit_code == 0, done.output
    assert (run / f"damaged-{SOLVE}").read_bytes() == line
    assert examine(run).findings == []
    with RunDir.open(run) as opened:
        kept = opened.spent("solve")
        before: Liability = opened.spending().before
        assert kept.requests + before.requests == spent.requests
        assert kept.tokens_out + before.tokens_out == spent.tokens_out
    bootstrap(recipe)
    assert digests(run)["samples.jsonl"] == digests(sound)["samples.jsonl"]
    again = CliRunner().invoke(app, ["doctor", str(run)])
    assert (again.exit_code, again.output.strip()) == (0, f"{run}: nothing is damaged.")


def test_derived_files_that_are_gone_or_garbage_come_back_as_they_were(made: Any, run: Path) -> None:
    _, sound = made
    for name in ("manifest.json", "metrics.json", "questions.json", "samples.parquet", "exports.json"):
        (run / name).write_bytes(b"[1]" if name == "manifest.json" else b"\xff{")
    damage(run / "problems.jsonl", "byte")
    for verb in ("stats", "show"):
        assert CliRunner().invoke(app, verbs(run, run)[verb]).exit_code == 0, verb
    assert mend(run)
    assert examine(run).findings == []
    names = digests(sound).keys() - {"export-metamathqa.jsonl", "export-metamathqa.parquet"}
    assert {name: digests(run)[name] for name in names} == {name: digests(sound)[name] for name in names}


@pytest.mark.slow
def test_a_line_of_any_length_is_read_in_little_memory_or_left_out(run: Path) -> None:
    number = damage(run / SOLVE, "long")
    found = examine(run)
    assert [line.number for line in found.lines] == [number]
    assert "longer than" in found.findings[0].sentence
    assert len(found.lines[0].line) < 10_000
    mend(run)
    assert (run / f"damaged-{SOLVE}").stat().st_size > MAX_LINE_BYTES
    assert examine(run).findings == []


def test_a_damaged_journal_of_batches_stops_the_run_until_it_is_set_aside(tmp_path: Path) -> None:
    with RunDir.open(tmp_path / "run") as run:
        run.sink("solve").journal({"event": "closed", "token": "a"})
    path = tmp_path / "run" / "batches-solve.jsonl"
    path.write_bytes(b"{}\n" + path.read_bytes())
    with RunDir.open(tmp_path / "run") as run, pytest.raises(InputError, match=r"jsonl:1: .*paid for twice.*--mend"):
        run.sink("solve").journal_entries()
    mend(tmp_path / "run")
    with RunDir.open(tmp_path / "run") as run:
        assert [entry["token"] for entry in run.sink("solve").journal_entries()] == ["a"]
    assert (tmp_path / "run" / "damaged-batches-solve.jsonl").read_bytes() == b"{}\n"


def test_budgets_count_from_the_last_line_of_spending_that_can_be_read(tmp_path: Path) -> None:
    with RunDir.open(tmp_path / "run") as run:
        run.spending().note(Liability(requests=7, tokens_out=9))
    with (tmp_path / "run" / "spending.jsonl").open("ab") as file:
        file.write(b'{"requests":"x"}\n')
    with RunDir.open(tmp_path / "run") as run:
        assert run.spending().before == Liability(requests=7, tokens_out=9)


def test_a_lost_manifest_does_not_make_a_run_with_a_body_ask_all_again(tmp_path: Path) -> None:
    values = small_values(tmp_path)
    values["teacher"] = {**values["teacher"], "extra_body": {"top_k": 3}}  # type: ignore[dict-item]
    recipe = build_recipe(RunRecipe, values, "small")
    bootstrap(recipe)
    (recipe.path / "manifest.json").write_text("nothing")
    summary = bootstrap(recipe)
    assert [report.asked for report in summary.reports] == [0] * len(summary.reports)


# Everything at once: any damage of any file, any verb

LINES = [
    b"not json\n", b"\xff\xfe\n", b"[]\n", b"{}\n", b'{"id":5}\n', b"[" * 100_000 + b"\n", b'"x"\n', b"null\n", b"\n",
    b'{"request":"a#zz","key":"k","text":"x","finish_reason":"stop"}\n',
    b'{"request":"a/ans_aug.1#' + b"9" * 5000 + b'","key":"k","text":"x","finish_reason":"stop","tokens_in":-5}\n',
]  # fmt: skip
VALUES: list[Any] = ["zzz", -1, None, [], 1e308, "/../#x\x1b", {"a": "b"}, [{"sentence": []}]]


def variants(name: str, data: bytes) -> Iterator[bytes]:
    """Yield a file damaged in every way."""
    lines = data.splitlines(keepends=True)
    middle = len(lines) // 2
    before, after = b"".join(lines[:middle]), b"".join(lines[middle + 1 :])
    if name.endswith(".jsonl"):
        yield from (before + line + b"".join(lines[middle:]) for line in LINES)
        yield from (data + data, b"".join(lines[::-1]), before + after)
    half = len(data) // 2
    yield from (b"", b"[1]", b"[" * 100_000, data[:half], data[:half] + b"\xff" + data[half + 1 :])
    try:
        record = json.loads(lines[middle] if name.endswith(".jsonl") else data)
    except (ValueError, IndexError):
        return
    for key in record:
        less = {other: value for other, value in record.items() if other != key}
        for changed in (less, *({**record, key: value} for value in VALUES)):
            line = json.dumps(changed).encode() + b"\n"
            yield before + line + after if name.endswith(".jsonl") else line


@pytest.mark.slow
def test_no_damage_of_any_file_takes_a_verb_down(made: Any, run: Path, tmp_path: Path) -> None:
    from mathstrap.explore.build import refresh

    recipe, sound = made
    cases = [
        (name, changed)
        for name in sorted(path.name for path in sound.iterdir())
        if name.endswith((".jsonl", ".json", ".yaml"))
        for changed in variants(name, (sound / name).read_bytes())
    ]
    arguments = verbs(run, tmp_path)
    for name, changed in random.Random(22).sample(cases, 60):
        shutil.rmtree(run)
        shutil.copytree(sound, run)
        (run / name).write_bytes(changed)
        refresh(RunDir.read(run), tmp_path / "explore.sqlite")
        for verb in (*arguments, "doctor", "mend"):
            line = {"doctor": ["doctor", str(run)], "mend": ["doctor", str(run), "--mend"]}.get(verb) or arguments[verb]
            done = CliRunner().invoke(app, line)
            is_sentence = done.exception is None or isinstance(done.exception, SystemExit | MathstrapError)
            assert is_sentence, (name, changed[:300], verb, done.exception)
            may_refuse = verb in ("doctor", "mend", "push") or name in ("recipe.yaml", "problems.jsonl")
            assert may_refuse or done.exit_code == 0, (name, changed[:300], verb, done.output)
        shutil.rmtree(run)
        shutil.copytree(sound, run)
        (run / name).write_bytes(changed)
        bootstrap(recipe)


