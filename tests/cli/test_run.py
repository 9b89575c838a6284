"""The verbs of bootstrapping as a user types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bootstrapping import small_values
from mathstrap.cli.run import newest_run
from mathstrap.errors import InputError


def mathstrap(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mathstrap", *arguments]
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1", **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=600, check=False)


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small_values(tmp_path)))
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the recipe and its finished run, and what making it printed."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "small.yaml").write_text(yaml.safe_dump(small_values(folder)))
    done = mathstrap("run", "small.yaml", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_a_dry_run_says_what_would_be_asked_and_asks_nothing(small):
    done = mathstrap("run", "small.yaml", "--dry-run", cwd=small)
    assert done.returncode == 0, done.stderr
    for part in ("rewrite rephrase", "rewrite self_verification", "solve ans_aug", "solve fobar", "cost: about $0.00"):
        assert part in done.stdout
    assert done.stdout.count("First prompt") == 6
    assert done.stdout.rindex("First prompt") < done.stdout.index("nothing was asked") < done.stdout.index("cost: ")
    assert done.stdout.splitlines()[-1].startswith("cost: ")
    assert not (small / "runs").exists()


def test_run_prints_the_funnel_and_what_to_do_next(made):
    folder, printed = made
    for part in ("ans_aug", "fobar", "drafted", "yield", "verified samples", "mathstrap show", "mathstrap explore"):
        assert part in printed
    assert f"Report: {Path('runs/small/report.html')}" in printed.replace(f"{folder}/", "")
    assert "mathstrap init" in printed  # the bundled questions are not the reader's own
    again = mathstrap("run", "small.yaml", "--dry-run", cwd=folder)
    planned = re.findall(r"^ *(?:rewrite|solve) \w+ +([\d,]+) +([\d,]+)", again.stdout, re.MULTILINE)
    assert len(planned) == 6
    assert all(requests == paid for requests, paid in planned), "a finished run has nothing left to ask"


def test_an_unknown_teacher_leaves_the_recipe_of_a_finished_run_alone(made):
    folder, _ = made
    before = (folder / "runs/small/recipe.yaml").read_bytes()
    assert mathstrap("run", "small.yaml", "--quiet", "teacher.backend=opneai", cwd=folder).returncode == 1
    assert (folder / "runs/small/recipe.yaml").read_bytes() == before


def test_a_dry_run_shows_prompts_line_for_line(small):
    done = mathstrap("run", "small.yaml", "--dry-run", cwd=small, env={"COLUMNS": "60"})
    assert max(map(len, done.stdout.partition("First prompt")[2].splitlines())) > 60


def test_run_json_prints_one_event_per_line(small):
    done = mathstrap("run", "small.yaml", "--json", cwd=small)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"started", "answered", "finished"} <= {event["kind"] for event in events}


def test_show_prints_every_prompt_and_reply_of_a_family(made):
    folder, _ = made
    seed = json.loads((folder / "runs/small/samples.jsonl").read_text().splitlines()[0])["seed"]
    done = mathstrap("show", f"{seed}/fobar.1#0", "--run", "runs/small", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"{seed}  seed, gold" in done.stdout
    for part in ("/ans_aug.1#0", "/rephrase.1", "/fobar.1#0", "reply (", "=> ", "mask_text="):
        assert part in done.stdout
    assert "original_question=" not in done.stdout


def test_show_suggests_the_id_that_was_meant(made):
    folder, _ = made
    done = mathstrap("show", "mini-gsm-0001", "--run", "runs/small", cwd=folder)
    assert done.returncode == 1
    assert 'Did you mean "mini-gsm-001"' in done.stderr


def test_recipes_are_listed_printed_and_copied(tmp_path):
    listed = mathstrap("recipes", cwd=tmp_path).stdout
    assert {"demo", "starter", "metamathqa-gsm8k", "metamathqa-math"} <= {
        line.split()[0] for line in listed.splitlines() if line
    }
    places = [listed.index(f"{part} ") for part in (
        "mathstrap run NAME", "  demo", "mathstrap train NAME", "  sft-tiny", "mathstrap study NAME", "  study-cpu",
    )]  # fmt: skip
    assert places == sorted(places)
    assert mathstrap("recipes", "demo", cwd=tmp_path).stdout.startswith("#")
    assert mathstrap("recipes", "demo", "--copy", "mine.yaml", cwd=tmp_path).returncode == 0
    assert (tmp_path / "mine.yaml").read_text().startswith("#")
    again = mathstrap("recipes", "demo", "--copy", "mine.yaml", cwd=tmp_path)
    assert (again.returncode, "already exists" in again.stderr) == (1, True)


def test_init_writes_a_recipe_that_runs_on_the_users_own_file(tmp_path):
    (tmp_path / "q.csv").write_text("question,answer\nAna has 3 figs and buys 4. How many figs has she now?,7\n")
    assert mathstrap("init", "mine.yaml", "--seeds", "q.csv", cwd=tmp_path).returncode == 0
    assert "mathstrap run mine.yaml --dry-run" in (tmp_path / "mine.yaml").read_text()
    fake = ["teacher.backend=fake", "teacher.model=x"]
    assert mathstrap("run", "mine.yaml", "--dry-run", *fake, cwd=tmp_path).returncode == 0
    done = mathstrap("run", "mine.yaml", "--quiet", *fake, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/mine/export-alpaca.jsonl").exists()
    assert "mathstrap init" not in done.stdout
    assert "mine: 1 seed, " in done.stdout
    seed = json.loads((tmp_path / "runs/mine/problems.jsonl").read_text().splitlines()[0])["id"]
    shown = mathstrap("show", seed, cwd=tmp_path)  # the only run
    assert "seed, gold 7" in shown.stdout, shown.stderr


def test_init_refuses_a_file_that_is_not_there(tmp_path):
    done = mathstrap("init", "mine.yaml", "--seeds", "nope.csv", cwd=tmp_path)
    assert (done.returncode, "nope.csv: no such file" in done.stderr) == (1, True)
    assert not (tmp_path / "mine.yaml").exists()


def test_show_takes_the_newest_run(tmp_path):
    for age, name in enumerate(("newer", "older")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "problems.jsonl").touch()
        os.utime(tmp_path / name / "problems.jsonl", (1_000 - age, 1_000 - age))
    assert newest_run(tmp_path).name == "newer"
    with pytest.raises(InputError, match="no run here"):
        newest_run(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "demmo"], 'Did you mean "demo"'),
        (["run", "small.yaml", "sovling.temperature=1"], 'Did you mean "solving"'),
        (["run", "nope.csv"], "nope.csv: no such file"),
        (["train", "lora-tiny", "data.path=nope.jsonl"], "nope.jsonl: no such file"),
        (["run", "small.yaml", "--only", "slove"], 'Did you mean "solve"'),
        (["run", "small.yaml", "seeds.0=3"], "seeds"),
        (["explore", "nowhere"], "nowhere: no run lies here. Make one: mathstrap run demo"),
        (["show", "x", "--run", "nowhere"], "nowhere: there is no run directory here"),
        (["run", "small.yaml", "teacher.backend=opneai"], 'Did you mean "openai"'),
        (["run", "small.yaml", "teacher={backend: openai, model: m, base_url: 'http://127.0.0.1:9'}"], "127.0.0.1:9"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_without_a_traceback(small, arguments, message):
    limits = ["limits.max_attempts=1", "limits.breaker_give_up_seconds=1"] if arguments[0] == "run" else []
    done = mathstrap(*arguments, *limits, cwd=small)
    assert done.returncode != 0
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_paper_recipes_plan_the_counts_of_table_1(tmp_path, data_path):
    done = mathstrap(
        "run", "metamathqa-gsm8k", "--dry-run", f"seeds.source={data_path / 'gsm8k_train.jsonl'}", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    planned = {
        " ".join(line.split()[:2]): int(line.split()[2].replace(",", ""))
        for line in done.stdout.splitlines()
        if line.strip().startswith("solve")
    }
    assert planned["solve ans_aug"] >= 80_000
    assert planned["solve rephrase"] >= 80_000
    assert planned["solve self_verification"] >= 40_000
    assert planned["solve fobar"] >= 40_000


def test_the_schema_of_a_recipe_names_its_keys(tmp_path):
    schema = json.loads(mathstrap("recipes", "--schema", cwd=tmp_path).stdout)
    assert {"seeds", "teacher", "methods", "solving"} <= set(schema["$defs"]["RunRecipe"]["properties"])


def test_a_missing_key_is_said_at_once(small):
    environment = {key: value for key, value in os.environ.items() if key != "OPENAI_API_KEY"}
    command = [sys.executable, "-m", "mathstrap", "run", "small.yaml", "teacher={backend: openai, model: gpt-4o-mini}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=small, env=environment, timeout=60, check=False)
    assert done.returncode == 1
    assert "OPENAI_API_KEY" in done.stderr


def test_a_run_says_what_it_made_what_it_lost_most_and_what_to_look_at(made):
    lines = made[1].splitlines()
    made_at, lost_at, report_at = (
        next(place for place, line in enumerate(lines) if line.startswith(words))
        for words in ("Made ", "Largest loss: ", "Report: ")
    )
    assert made_at < lost_at < report_at
    assert "To reduce it: " in lines[lost_at]


@pytest.mark.parametrize(
    ("header", "row", "fields"),
    [
        ("nr,my text,final", "A{n},{question},{answer}", {"question": "my text", "answer": "final", "id": "nr"}),
        ("a,b", "{question},{answer}", {"question": "a", "answer": "b"}),
    ],
)
def test_init_names_the_columns_where_their_names_are_unknown(tmp_path, header, row, fields):
    asked = [("Ana has 3 figs and buys 4. How many figs has she?", 7), ("Bo has 9 pens and buys 2. How many now?", 11)]
    rows = [row.format(n=number, question=question, answer=answer) for number, (question, answer) in enumerate(asked)]
    (tmp_path / "mine.csv").write_text("\n".join([header, *rows, ""]))
    done = mathstrap("init", "mine.yaml", "--seeds", "mine.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "columns, guessed" in done.stdout
    assert yaml.safe_load((tmp_path / "mine.yaml").read_text())["seeds"]["fields"] == fields
    done = mathstrap("run", "mine.yaml", "--dry-run", "teacher.backend=fake", cwd=tmp_path)
    assert "2 seeds" in done.stdout


def test_a_file_of_questions_runs_once_a_teacher_is_named(tmp_path):
    (tmp_path / "q.csv").write_text("question,answer\nAna has 3 figs and buys 4. How many figs has she now?,7\n")
    refused = mathstrap("run", "q.csv", cwd=tmp_path)
    assert refused.returncode == 1
    for part in ("holds questions", "teacher.model=", "mathstrap init q.yaml --seeds q.csv"):
        assert part in refused.stderr
    (tmp_path / "golds.jsonl").write_text('{"id": "q-00001", "question": "", "answer": "7"}')
    words = ("run", "q.csv", "--quiet", "teacher.backend=fake", "teacher.settings={golds: golds.jsonl, accuracy: 1.0}")
    done = mathstrap(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "runs/q/report.html" in done.stdout
    other = tmp_path / "r.csv"
    other.write_text("question,answer\nBo has 9 pens and buys 2. How many pens has he now?,11\n")
    refused = mathstrap(*words, "seeds.source=r.csv", cwd=tmp_path)
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    assert mathstrap(*words, "seeds.source=r.csv", "--replace", cwd=tmp_path).returncode == 0


def test_a_dry_push_needs_no_repository(made):
    done = mathstrap("push", "runs/small", "--dry-run", "--without", "recipe.yaml", cwd=made[0])
    assert done.returncode == 0, done.stderr
    assert "Nothing was uploaded." in done.stdout
    assert "OWNER/NAME" in mathstrap("push", "runs/small", cwd=made[0]).stderr


def test_nobody_there_is_said_once(small):
    server = ["teacher.backend=llamacpp", "teacher.base_url=http://127.0.0.1:9/v1", "teacher.settings={}"]
    done = mathstrap(
        "run", "small.yaml", *server, "teacher.model=m", "limits.connect_seconds=0.5", "budget.max_usd=0", cwd=small
    )
    assert done.returncode == 1
    assert done.stderr.count("start the server") == 1


def test_a_sentence_is_broken_between_words_on_a_terminal_and_a_command_is_not():
    from mathstrap.cli.words import wrapped

    lines = wrapped("a sentence with a/long/path/that/stays/whole in the middle of it", 20).split("\n")
    assert "a/long/path/that/stays/whole" in lines
    assert " ".join(lines) == "a sentence with a/long/path/that/stays/whole in the middle of it"


def test_a_table_is_printed_in_parts_where_the_terminal_is_too_narrow(monkeypatch):
    from mathstrap.cli.see import parts_that_fit

    assert parts_that_fit([19, 10, 10, 10]) == [[1, 2, 3]], "what is piped on is one table"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for columns, parts in (("80", [[1, 2, 3]]), ("46", [[1, 2], [3]]), ("5", [[1], [2], [3]])):
        monkeypatch.setenv("COLUMNS", columns)
        assert parts_that_fit([19, 10, 10, 10]) == parts


@pytest.mark.parametrize("name", ["a b.csv", "Lösung: 1.csv", "x #1.csv", "- y.csv", "{z}.csv", '"q".csv', "no"])
def test_a_file_of_any_name_is_read_back_from_a_recipe(name):
    from mathstrap.cli.run import in_yaml

    assert yaml.safe_load(f"source: {in_yaml(name)}   # a comment") == {"source": name}
