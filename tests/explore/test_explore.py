"""The explorer: what it holds is the run, and nothing a model wrote or a foreign page sends gets further than text."""

# ruff: noqa: E501
from __future__ import annotations

import asyncio
import json
import shlex
import sqlite3
import threading
import time
from html import escape, unescape
from html.parser import HTMLParser
from urllib.parse import quote

import msgspec
import pytest

from bootstrapping import small_recipe
from mathstrap.errors import InputError
from mathstrap.explore.build import LARGE_BYTES, database_path, prepare, refresh
from mathstrap.explore.diff import diff_html, masked_html, number_diff, unknown_html, word_diff
from mathstrap.explore.flips import read_flips
from mathstrap.explore.guard import refuse
from mathstrap.explore.marks import set_marks, take_back
from mathstrap.explore.prompt import AskedPrompt
from mathstrap.explore.server import explorer_app, listen, show_runs
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import RunRecipe, bootstrap
from mathstrap.pipeline.family import family_of, prompt_of
from mathstrap.recipe import load_recipe
from mathstrap.types import Message, Sample, Verdict, to_json
from synthetic_run import make, synthetic_run, write

pytest.importorskip("datasette", reason='datasette is not installed: pip install "mathstrap[explore]"')


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [
        synthetic_run(folder / "first", 30, hostile=True),
        synthetic_run(folder / "second", 30, rng_seed=0, right=0.5),
    ]


@pytest.fixture(scope="module")
def datasette(runs, tmp_path_factory):
    with explorer_app(runs, tmp_path_factory.mktemp("cache")) as found:
        yield found


def get(datasette, url, **named):
    return asyncio.run(datasette.client.get(url, **named))


def rows(path, sql, *values):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


# What the database holds


def test_the_database_holds_every_answer_and_what_became_of_it(tmp_path):
    made = make(20)
    path = tmp_path / "x.sqlite"
    assert refresh(RunDir.read(write(made, tmp_path / "run")), path)
    assert rows(path, "select count(*) from answers")[0][0] == len(made.replies) + len(made.failures)
    assert rows(path, "select count(*) from answers where kept = 'yes'")[0][0] == len(made.samples)
    assert rows(path, "select count(*) from answers where outcome = 'correct'")[0][0] == sum(
        verdict.outcome == "correct" for verdict in made.verdicts
    )
    assert rows(path, "select count(*) from rejects")[0][0] == len(made.rejects)
    usable = rows(path, "select count(*) from questions where status in ('seed', 'usable')")[0][0]
    assert usable == len(made.problems)
    summary = json.loads(rows(path, "select value from about where name = 'summary'")[0][0])
    assert summary["all"]["kept"] == len(made.samples)
    counted = rows(path, "select sum(answers), sum(kept) from questions")[0]
    assert counted == (len(made.replies) + len(made.failures), len(made.samples))


def test_rejected_questions_are_there_with_their_reason_and_text(tmp_path):
    made = make(30)
    path = tmp_path / "x.sqlite"
    refresh(RunDir.read(write(made, tmp_path / "run")), path)
    found = rows(path, "select id, reason, question from questions where status = 'rejected' and method = 'rephrase'")
    assert found
    assert all(reason and question for _, reason, question in found)


def test_nothing_new_changes_nothing(tmp_path):
    run = RunDir.read(synthetic_run(tmp_path / "run", 4))
    assert refresh(run, tmp_path / "x.sqlite")
    assert not refresh(run, tmp_path / "x.sqlite")


def test_an_explorer_that_was_stopped_before_its_last_indexes_makes_them_at_the_next_start(tmp_path):
    run, path = RunDir.read(synthetic_run(tmp_path / "run", 4)), tmp_path / "x.sqlite"
    assert refresh(run, path)
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("drop index answers_tier")
        connection.execute("delete from about where name = 'indexed'")
    assert not refresh(run, path)
    assert rows(path, "select 1 from sqlite_master where name = 'answers_tier'")


def test_a_going_run_is_followed_reply_by_reply_and_graded_when_the_verdicts_come(tmp_path):
    made = make(12)
    late = made.replies[20:]
    begun = make(12)
    begun.replies, begun.candidates, begun.verdicts, begun.samples = made.replies[:20], [], [], []
    path, database = tmp_path / "run", tmp_path / "x.sqlite"
    write(begun, path)
    assert refresh(RunDir.read(path), database)
    assert rows(database, "select distinct outcome from answers where kept = 'no' and finish_reason = 'stop'") != []
    before = rows(database, "select count(*) from answers where text <> '' and finish_reason <> ''")[0][0]
    log = path / "completions-solve.jsonl"
    with log.open("ab") as out:
        out.write(to_json(late[0]) + b"\n" + to_json(late[1])[:30])  # a torn line waits for its rest
    assert refresh(RunDir.read(path), database)
    assert rows(database, "select count(*) from answers where finish_reason <> ''")[0][0] == before + 1
    with log.open("ab") as out:
        out.write(to_json(late[1])[30:] + b"\n")
    assert refresh(RunDir.read(path), database)
    assert rows(database, "select count(*) from answers where finish_reason <> ''")[0][0] == before + 2
    word = late[1].text.split()[0].strip(",")
    found = rows(database, "select count(*) from answers_fts where answers_fts match ?", f'"{word}"')
    assert found[0][0] >= 1
    write(made, path)
    assert refresh(RunDir.read(path), database)
    assert rows(database, "select count(*) from answers where kept = 'yes'")[0][0] == len(made.samples)


def test_rewrites_of_a_going_run_are_drafts_until_their_stage_ends(tmp_path):
    made, database = make(8), tmp_path / "x.sqlite"
    begun = make(0)
    begun.rewrites = made.rewrites[:5]
    path = write(begun, tmp_path / "run")
    refresh(RunDir.read(path), database)
    with (path / "completions-rewrite.jsonl").open("ab") as out:
        out.write(b"".join(to_json(reply) + b"\n" for reply in made.rewrites[5:9]))
    assert refresh(RunDir.read(path), database)
    assert rows(database, "select count(*) from questions where status = 'draft'") == [(9,)]
    assert rows(database, "select count(*) from questions_fts where questions_fts match 'find'")[0][0] > 0
    with explorer_app([path], tmp_path) as datasette:
        assert "9 rewrites" in get(datasette, "/run").text
        assert get(datasette, "/-/family/run", params={"id": made.rewrites[6].request}).status_code == 200
    write(made, path)
    refresh(RunDir.read(path), database)
    assert rows(database, "select count(*) from questions where status = 'draft'") == [(0,)]


def test_the_newest_of_two_replies_to_one_request_counts(tmp_path):
    made = make(3)
    first = made.replies[0]
    path = write(made, tmp_path / "run")
    with RunDir.open(path) as run:
        import msgspec

        run.sink("solve").completion(msgspec.structs.replace(first, key="k9", text="the newer one"))
    refresh(RunDir.read(path), tmp_path / "x.sqlite")
    assert rows(tmp_path / "x.sqlite", "select text from answers where id = ?", first.request) == [("the newer one",)]


def test_an_evaluation_is_shown_by_benchmark_with_its_verdicts(tmp_path):
    made = make(6)
    made.problems = [problem for problem in made.problems if problem.method == "seed"]
    made.replies = [reply for reply in made.replies if "/" not in reply.request]
    draws = [{"id": verdict.candidate, "outcome": verdict.outcome, "got": "x", "extra": 1} for verdict in made.verdicts]
    made.candidates, made.verdicts, made.samples, made.rejects, made.failures = [], [], [], [], []
    path = write(made, tmp_path / "run")
    with RunDir.open(path) as run:
        run.update_manifest(kind="evaluation")
        run.write_records("draws", draws)
    refresh(RunDir.read(path), tmp_path / "x.sqlite")
    found = rows(tmp_path / "x.sqlite", "select distinct method from answers order by 1")
    assert found == [("gsm8k",), ("math",)]
    right = sum(draw["outcome"] == "correct" and "/" not in draw["id"] for draw in draws)
    assert rows(tmp_path / "x.sqlite", "select count(*) from answers where outcome = 'correct'") == [(right,)]
    with explorer_app([path], tmp_path) as datasette:
        page = get(datasette, "/run").text
    assert "Evaluation" in page
    assert "Kept" not in page


def test_databases_of_runs_with_the_same_name_differ(tmp_path):
    assert database_path(tmp_path / "a" / "run", tmp_path) != database_path(tmp_path / "b" / "run", tmp_path)


def test_a_folder_that_is_no_run_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="has no records"):
        show_runs([tmp_path], tmp_path)
    with pytest.raises(InputError, match="no run directory"):
        show_runs([tmp_path / "nowhere"], tmp_path)


# Diffs


def test_words_that_came_and_went_are_marked():
    runs = [(run.kind, run.text) for run in word_diff("Ann has 5 red pens.", "Ann owns 5 pens today.")]
    assert ("gone", "has") in runs
    assert ("added", "owns") in runs
    assert diff_html("a <b> c", "a <i> c") == "a <del>&lt;b&gt;</del><ins>&lt;i&gt;</ins> c"


def test_a_formula_is_one_word_of_a_diff():
    html = diff_html("Find $x + 1$ now", "Find $x + 2$ now", "math")
    assert html.count("<math") == 2
    assert "<ins><math" in html


def test_a_diff_of_endless_text_ends():
    assert word_diff("x " * 9_000, "y " * 9_000)[0].kind == "added"


@pytest.mark.parametrize(
    ("old", "new", "lost", "gained"),
    [
        ("half of 48", "1/2 of 48", "", ""),
        ("48 clips and 3 boxes", "48 clips", "3", ""),
        ("5 and 5", "5", "5", ""),
        ("pays $1,200", "pays $1,300", "1200", "1300"),
    ],
)
def test_numbers_are_compared_as_a_multiset_of_values(old, new, lost, gained):
    found = number_diff(old, new)
    assert (found.lost, found.gained) == (lost, gained)
    assert found.is_same is (not lost and not gained)


def test_the_hidden_number_is_marked_in_the_seed():
    assert masked_html("He has <5> pens", 8, 9) == "He has &lt;<mark>5</mark>&gt; pens"
    assert "<mark><math" in masked_html("Let $x = 5$ be", 9, 10, "math")
    assert masked_html("short", 3, 99) == "short"


def test_the_unknown_is_marked_where_it_stands_alone():
    assert unknown_html("Max has x pens, 2x", "x") == "Max has <mark>x</mark> pens, 2x"
    assert "<mark>" not in unknown_html("a &x; <x>", "(")
    assert unknown_html("Find $X$ in $X+1$", "X", "math").count("<mark><math") == 1


# Flips


def test_only_flips_are_found(runs, tmp_path):
    shown = show_runs(runs, tmp_path)
    for each in shown:
        refresh(RunDir.read(each.run), each.database)
    lost = read_flips(shown[0].database, shown[1].database, kind="lost", page=0)
    won = read_flips(shown[0].database, shown[1].database, kind="won", page=0)
    assert all(row["a_outcome"] == "correct" != row["b_outcome"] for row in lost.rows)
    assert all(row["b_outcome"] == "correct" != row["a_outcome"] for row in won.rows)
    assert lost.counts["lost"] == won.counts["lost"] > 0
    assert lost.counts["won"] < lost.counts["lost"]
    same = read_flips(shown[0].database, shown[0].database, kind="nonsense", page=99)
    assert same.rows == []
    assert same.page == 0


# Flags


def test_a_flag_is_what_the_next_run_reads(tmp_path):
    path = synthetic_run(tmp_path / "run", 3)
    set_marks(path, ["gsm8k-train-00001#0"], "wrong\n reasoning \x1b[31m")
    set_marks(path, ["math-train-00000"], "")
    assert RunDir.read(path).flags() == {"gsm8k-train-00001#0": "wrong reasoning [31m", "math-train-00000": ""}
    take_back(path, ["math-train-00000"])
    assert list(RunDir.read(path).flags()) == ["gsm8k-train-00001#0"]
    with pytest.raises(InputError, match="at most"):
        set_marks(path, ["math-train-00000"], "x" * 3_000)


def test_the_next_run_leaves_out_what_was_flagged(tmp_path):
    from mathstrap.backends import TeacherOptions
    from mathstrap.pipeline import bootstrap
    from mathstrap.pipeline.options import RunRecipe
    from mathstrap.problems.load import SeedsOptions
    from mathstrap.types import Sample

    recipe = RunRecipe(
        name="r",
        out=str(tmp_path),
        seeds=SeedsOptions(source="bundled:gsm8k", limit=20),
        teacher=TeacherOptions(backend="fake"),
    )
    bootstrap(recipe)
    path = tmp_path / "r"
    first = next(RunDir.read(path).read_records("samples", Sample))
    set_marks(path, [first.id], "not what was asked")
    bootstrap(recipe)
    run = RunDir.read(path)
    assert first.id not in {sample.id for sample in run.read_records("samples", Sample)}
    refresh(run, tmp_path / "x.sqlite")
    found = rows(tmp_path / "x.sqlite", "select reason, kept from answers where id = ?", first.id)
    assert found == [("flagged", "no")]


def test_a_flag_can_be_set_while_the_run_holds_its_lock(tmp_path):
    path = synthetic_run(tmp_path / "run", 3)
    with RunDir.open(path):
        set_marks(path, ["math-train-00000"], "while running")
    assert RunDir.read(path).flags()


# Pages


class Text(HTMLParser):
    """Collect a page's elements and event-handler attributes."""

    def __init__(self):
        super().__init__()
        self.elements, self.handlers, self.scripts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))


PAGES = [
    "/", "/first", "/first/answers", "/first/answers?method=fobar&outcome=wrong", "/first/questions?status=rejected",
    "/first/rejects", "/first/flags", "/first/answers?_search=compare", "/first/questions?_search=candles",
    "/-/family/first?id=gsm8k-train-00001", "/-/family/first?id=math-train-00003%2Ffobar.1%230", "/-/flips/first/second",
    "/-/flips/first/second?page=%C2%B2", "/first?sql=select+*+from+answers+limit+50", "/first/answers/3",
    "/first?sql=nonsense", "/-/families/first", "/-/families/first?sort=kept&page=%C2%B2", "/-/search/first?q=candles",
    "/-/families/first?sort=answers&show=unsolved", "/-/search/first", "/-/search/first?q=%22%27*-%00+%3Cimg%3E",
    "/first/rejects?_search=x", "/first/flags",
]  # fmt: skip


@pytest.mark.parametrize("url", PAGES)
def test_every_page_is_escaped_and_guarded(datasette, url):
    reply = get(datasette, url)
    assert reply.status_code == (400 if url.endswith("nonsense") else 200)
    parser = Text()
    parser.feed(reply.text)
    assert not {"img", "iframe", "object", "embed", "base", "link-x"} & set(parser.elements)
    assert parser.handlers == []
    assert parser.scripts == ["/-/explore.js"]
    assert "\x1b" not in reply.text
    assert "\u202e" not in reply.text
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_each_bar_of_the_funnel_leads_to_as_many_rows_as_it_says(datasette):
    summary = json.loads(
        rows(datasette.mathstrap.runs["first"].database, "select value from about where name='summary'")[0][0]
    )
    from mathstrap.explore.plugin import STAGE_FILTERS, rows_url

    for stage, filters in STAGE_FILTERS.items():
        for method in (None, "fobar"):
            url = rows_url("first", "answers.json", **filters, **({"method": method} if method else {}))
            whole = next(row for row in summary["methods"] if row["name"] == method) if method else summary["all"]
            assert get(datasette, url).json()["filtered_table_rows_count"] == whole[stage], url


def test_search_finds_by_word(datasette):
    found = get(datasette, "/first/answers.json?_search=simplify&_shape=objects").json()
    whole = get(datasette, "/first/answers.json?_shape=objects").json()
    assert 0 < found["filtered_table_rows_count"] < whole["filtered_table_rows_count"]


def test_a_family_shows_its_seed_rewrites_masks_replies_and_rejects(datasette, runs):
    made = make(30, hostile=True)
    fallen = next(reject for reject in made.rejects if reject.stage == "rewrite")
    page = get(datasette, f"/-/family/first?id={fallen.id}").text
    assert fallen.reason.replace("_", " ") in page
    page = get(datasette, "/-/family/first?id=gsm8k-train-00004").text
    assert "<ins>" in page
    assert "<del>" in page
    assert "<mark>x</mark>" in page
    assert "All numbers are kept" in page
    assert page.count('class="card') >= 5


def ids_on(page):
    return [line.partition("<")[0] for line in page.split('<span class="mono">')[1:]]


def test_families_are_sorted_by_yield_and_those_that_nobody_solved_are_found(datasette):
    database = datasette.mathstrap.runs["first"].database
    solved = dict(rows(database, "select seed, sum(outcome = 'correct') from answers group by 1"))
    lowest = ids_on(get(datasette, "/-/families/first?sort=lowest").text)
    assert lowest == ids_on(get(datasette, "/-/families/first?sort=nonsense").text)
    assert sorted(lowest) == sorted(solved)
    shares = dict(rows(database, "select seed, avg(outcome = 'correct') from answers group by 1"))
    assert [shares[seed] for seed in lowest] == sorted(shares.values())
    unsolved = ids_on(get(datasette, "/-/families/first?show=unsolved").text)
    assert sorted(unsolved) == sorted(seed for seed, count in solved.items() if not count)


def test_a_family_leads_to_the_one_before_and_after_it(datasette):
    first, second, third = rows(
        datasette.mathstrap.runs["first"].database,
        "select id from questions where status = 'seed' order by id limit 3",
    )
    page = get(datasette, f"/-/family/first?id={second[0]}").text
    assert f'rel="prev" href="/-/family/first?id={first[0]}' in page
    assert f'rel="next" href="/-/family/first?id={third[0]}' in page
    assert 'rel="prev"' not in get(datasette, f"/-/family/first?id={first[0]}").text


def test_one_search_finds_questions_replies_and_rejects(datasette):
    fallen = next(reject for reject in make(30, hostile=True).rejects if reject.stage == "rewrite")
    page = get(datasette, f"/-/search/first?q={fallen.id}").text
    assert fallen.id in page
    question = rows(datasette.mathstrap.runs["first"].database, "select question from questions where status = 'seed'")[0][0]
    page = get(datasette, f"/-/search/first?q={quote(question)}").text
    assert "Questions <span" in page
    page = get(datasette, "/-/search/first?q=simplify").text
    assert "Replies <span" in page
    assert "Nothing contains all of these words" in get(datasette, "/-/search/first?q=xyzzy").text


def test_rejects_are_cards_with_the_question_marked_where_it_differs(datasette):
    page = get(datasette, "/first/rejects?stage=rewrite&method=rephrase").text
    assert '<article class="card">' in page
    assert "<ins>" in page


def test_a_family_is_saved_as_one_file_without_script(datasette):
    reply = get(datasette, "/-/family/first?id=gsm8k-train-00001&save=1")
    assert reply.headers["content-disposition"] == 'attachment; filename="gsm8k-train-00001.html"'
    parser = Text()
    parser.feed(reply.text)
    assert not {"script", "link", "form", "img"} & set(parser.elements)
    assert "style" in parser.elements


def test_a_thought_is_folded_under_its_answer(tmp_path):
    made = make(2)
    first = made.replies[0]
    made.replies[0] = msgspec.structs.replace(first, reasoning="Let me <b>think</b> about it.")
    write(made, tmp_path / "run")
    with explorer_app([tmp_path / "run"], tmp_path / "cache") as found:
        page = get(found, f"/-/family/run?id={quote(first.request)}").text
    assert page.count('<details class="thought">') == 1
    assert "Thought, 5 words" in page
    assert "Let me &lt;b&gt;think" in page


def test_a_prompt_is_shown_as_text_as_messages_and_for_curl(tmp_path):
    run = bootstrap(small_recipe(tmp_path, seeds={"source": "bundled:gsm8k", "limit": 2})).path
    asked = {one.request.id: one.request for one in family_of("mini-gsm-001", load_recipe(RunRecipe, str(run / "recipe.yaml")), RunDir.read(run)).solves}
    wanted, request = next((name, request) for name, request in asked.items() if "/fobar" in name)
    with explorer_app([run], tmp_path / "cache", prompt_of=prompt_of) as found:
        page = get(found, f"/-/prompt/small?id={quote(wanted, safe='')}")
        family = get(found, "/-/family/small?id=mini-gsm-001").text
        missing = get(found, "/-/prompt/small?id=mini-gsm-001/fobar.9%230")
    assert page.status_code == 200
    assert escape(request.messages[-1].content) in page.text
    assert escape('"role": "user"') in page.text
    assert "data-prompt=" in family
    assert missing.status_code == 404


def test_curl_quotes_what_a_question_says():
    prompt = AskedPrompt(messages=(Message("user", "it's $5; `rm -rf x`"),), body={"model": "m"}, url="http://h/v1", key_env="K")
    words = shlex.split(prompt.curl)
    assert words[:2] == ["curl", "http://h/v1/chat/completions"]
    assert json.loads(words[-1])["messages"] == [{"role": "user", "content": "it's $5; `rm -rf x`"}]
    assert AskedPrompt(messages=prompt.messages, body={}).curl == ""


def test_a_prompt_that_would_run_the_users_code_is_refused(tmp_path):
    (tmp_path / "recipe.yaml").write_text("methods: {own: {mine: {code: 'mine.py:thing'}}}\n")
    with pytest.raises(InputError, match="would execute mine"):
        prompt_of(tmp_path, [], "a/mine.1")


@pytest.mark.parametrize(
    "url",
    [
        "/-/prompt/first?id=gsm8k-train-00001/ans_aug.1%230", "/-/families/nowhere", "/-/search/nowhere?q=x",
        "/-/family/first?id=../../../etc/passwd", "/-/family/first?id=", "/-/family/first", "/-/family/nowhere?id=x",
        "/-/family/..%2Fsecond?id=x", "/-/flips/first/..%2f..", "/-/look.css/../../x", "/../etc/passwd",
        "/static/../schema.py", "/first.db", "/-/family/first?id=%00",
    ],
)  # fmt: skip
def test_odd_paths_and_ids_find_nothing(datasette, url):
    reply = get(datasette, url)
    assert reply.status_code in (302, 400, 403, 404)
    assert "root:" not in reply.text


def test_ids_like_paths_or_html_are_only_text(tmp_path):
    import msgspec

    from mathstrap.report.page import render_report

    names = ["../../etc/passwd", "a b<c>&\"d'", "</title><script>x</script>", "%2e%2e\x1b[31m", "ünï\u202ecode", "."]
    made = make(6)
    renamed = dict(zip([problem.id for problem in made.problems if problem.method == "seed"], names, strict=True))

    def rename(row_id):
        seed, slash, rest = row_id.partition("/")
        seed, hash_, draw = seed.partition("#")
        return f"{renamed.get(seed, seed)}{slash}{rest}{hash_}{draw}"

    fields = {"id", "parent", "request", "candidate", "problem", "seed"}
    for group in vars(made).values():
        group[:] = [
            msgspec.structs.replace(
                row,
                **{
                    name: rename(getattr(row, name))
                    for name in fields & set(row.__struct_fields__)
                    if getattr(row, name)
                },
            )
            for row in group
        ]
    path = write(made, tmp_path / "run")
    assert "<script" not in render_report(RunDir.read(path))
    with explorer_app([path], tmp_path / "cache") as datasette:
        for url in ["/run/questions", "/run/answers", "/run/rejects"]:
            reply = get(datasette, url)
            assert reply.status_code == 200
            assert "<script>x" not in reply.text
            assert "\x1b" not in reply.text
            assert "\u202e" not in reply.text
        for name in names:
            reply = get(datasette, "/-/family/run", params={"id": name})
            assert reply.status_code == 200, name
            assert "root:" not in reply.text
            assert "<script>x" not in reply.text
        set_marks(path, [names[0]], "odd")
    assert [each.name for each in tmp_path.iterdir()] == ["run", "cache"] or len(list(tmp_path.iterdir())) == 2


def test_sql_can_only_read(datasette):
    for sql in (
        "delete from answers",
        "attach 'x' as y",
        "pragma journal_mode=delete",
        "insert into flags values (1,2,3)",
    ):
        reply = get(datasette, "/first", params={"sql": sql})
        assert reply.status_code == 400, sql


MANY = "with recursive c(x) as (select 1 union all select x + 1 from c limit 1000) select"


@pytest.mark.parametrize(
    "sql",
    [
        "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c",
        f"{MANY} zeroblob(1000000) from c",
        f"{MANY} printf('%.*c', 1000000, 'x') from c",
        "select zeroblob(1000000000)",
        "select hex(randomblob(300000000))",
        "select printf('%.*c', 1000000, 'a') like '" + "%a" * 600 + "%b'",
        "select trim(printf('%.*c', 9000000, 'a'), printf('%.*c', 9000000, 'b'))",
        "select group_concat(a.text) from answers a, answers b, answers c",
    ],
)
def test_a_query_ends_at_its_limit_of_time_and_size(datasette, sql, monkeypatch):
    monkeypatch.setattr(datasette, "sql_time_limit_ms", 500)
    used = time.process_time()
    reply = get(datasette, "/first.json", params={"sql": sql})
    assert reply.status_code == 400, reply.text[:300]
    assert time.process_time() - used < 20


def test_finding_one_long_text_in_another_takes_no_time(datasette):
    sql = "select instr(printf('%.*c', 9000000, 'a'), printf('%.*c', 4000000, 'a') || 'b') at, replace('aXbX', 'X', 1)"
    used = time.process_time()
    assert get(datasette, "/first.json", params={"sql": sql, "_shape": "arrays"}).json()["rows"] == [[0, "a1b1"]]
    assert time.process_time() - used < 20


@pytest.mark.parametrize(
    "query",
    ["_sort=x", "_sort_desc=x", "_sort=id&_sort_desc=id", "_sort=%1b[31m", "_nocol=id", "_col=x", "_through=x", "_through={}",
     "_timelimit=x", "id__in=[1", "_size=-1", "_where=1=", "_stream=on"],
)  # fmt: skip
def test_an_address_that_cannot_be_read_is_a_400(datasette, query):
    reply = get(datasette, f"/first/answers{'.csv' if query == '_stream=on' else ''}?{query}")
    assert reply.status_code == 400
    assert "\x1b" not in reply.text


def test_what_an_address_says_is_shown_and_not_repeated_raw(datasette, capsys):
    reply = get(datasette, "/first", params={"sql": "select 'nope\x1b[31m\u202e' from \x9b"})
    assert "[U+001B]" in reply.text
    assert not {"\x1b", "\u202e", "\x9b"} & set(reply.text)
    assert not {"\x1b", "\u202e", "\x9b"} & set("".join(capsys.readouterr()))


def test_a_foreign_host_or_site_is_refused(datasette):
    assert get(datasette, "/", headers={"host": "evil.example"}).status_code == 403
    assert get(datasette, "/", headers={"host": "127.0.0.1:99"}).status_code == 200
    assert get(datasette, "/", headers={"host": "[::1]:8001"}).status_code == 200
    post = {"type": "http", "method": "POST", "path": "/-/flag/first"}
    same = [(b"host", b"localhost:8001"), (b"origin", b"http://localhost:8001"), (b"cookie", b"ds_csrftoken=t")]
    assert refuse({**post, "headers": same}) == ""
    assert refuse({**post, "headers": same[:2]})
    assert refuse({**post, "headers": [same[0], (b"origin", b"http://evil.example")]})
    assert refuse({**post, "headers": [same[0], (b"origin", b"null")]})
    assert refuse({**post, "path": "/-/messages", "headers": same})
    assert refuse({"type": "http", "method": "PUT", "path": "/-/flag/first", "headers": same})
    assert refuse({"type": "http", "method": "GET", "path": "/", "headers": []})
    assert refuse({"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"[::1")]})


def test_a_flag_without_the_forms_token_is_refused(datasette, runs):
    before = RunDir.read(runs[0]).flags()
    form = {"id": "gsm8k-train-00001", "note": "x"}
    for cookies in ({}, {"ds_csrftoken": "made-up"}):
        for data in (form, {**form, "csrftoken": "another"}):
            reply = asyncio.run(datasette.client.post("/-/flag/first", data=data, cookies=cookies))
            assert reply.status_code == 403
    assert RunDir.read(runs[0]).flags() == before


def test_a_flag_of_a_row_that_is_not_there_is_refused(datasette, runs):
    page = asyncio.run(datasette.client.get("/-/family/first?id=gsm8k-train-00001"))
    token = page.cookies["ds_csrftoken"]
    before = RunDir.read(runs[0]).flags()
    for row_id in ("no-such-row", "../../x", ""):
        data = {"id": row_id, "note": "x", "csrftoken": token}
        reply = asyncio.run(datasette.client.post("/-/flag/first", data=data, cookies={"ds_csrftoken": token}))
        assert reply.status_code == 404
    assert RunDir.read(runs[0]).flags() == before


def test_the_server_listens_on_loopback_alone():
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        with pytest.raises(InputError, match="--port"):
            listen(listener.getsockname()[1])


def post(found, page, **form):
    token = page.partition('name="csrftoken" value="')[2].partition('"')[0]
    reply = found.client.post(
        "/-/flag/run", data={"csrftoken": token, **form}, cookies={"ds_csrftoken": token}, follow_redirects=False
    )
    return asyncio.run(reply)


def test_a_filtered_list_is_reviewed_at_once_also_beyond_its_page(tmp_path):
    path = synthetic_run(tmp_path / "run", 60)
    with explorer_app([path], tmp_path / "cache") as found:
        page = get(found, "/run/answers?outcome=wrong&_sort=id").text
        wrong = {row["id"] for row in get(found, "/run/answers.json?outcome=wrong&_shape=array&_size=max").json()}
        assert len(wrong) > 100  # a page shows fewer
        filters = unescape(page.partition('name="filters" value="')[2].partition('"')[0])
        form = {"table": "answers", "filters": filters, "note": "off", "reviewer": "Ada\x1b"}
        reply = post(found, page, **form)
        assert (reply.status_code, reply.headers["location"]) == (303, "/run/flags")
        marks = RunDir.read(path).marks()
        assert set(marks) == wrong
        assert {(mark.note, mark.reviewer) for mark in marks.values()} == {("off", "Ada")}
        assert "Flagged by Ada: off" in get(found, f"/-/family/run?id={quote(min(wrong))}").text
        post(found, page, **form, action="approve")
        assert {mark.action for mark in RunDir.read(path).marks().values()} == {"approve"}
        assert RunDir.read(path).flags() == {}
        post(found, page, **form, action="remove")
        assert RunDir.read(path).marks() == {}


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"id": "gsm8k-train-00001", "action": "approve"}, 404, "no answer with this id"),
        ({"id": "gsm8k-train-00001#0", "action": "edit", "text": " \r\n"}, 400, "needs a text"),
        ({"id": "gsm8k-train-00001#0", "action": "edit", "text": "x" * 200_001}, 400, "at most 200,000"),
        ({"id": "gsm8k-train-00001#0", "action": "delete"}, 400, "flag, approve, edit, remove"),
        ({"table": "answers", "filters": "outcome=nonsense"}, 404, "no rows under these filters"),
        ({"table": "answers", "filters": "_where=1+union+select"}, 400, "cannot be read"),
        ({"table": "about", "filters": ""}, 404, "no rows"),
    ],
)
def test_a_review_that_cannot_be_done_says_why_and_changes_nothing(tmp_path, form, status, said):
    path = synthetic_run(tmp_path / "run", 6)
    with explorer_app([path], tmp_path / "cache") as found:
        page = get(found, "/-/family/run?id=gsm8k-train-00001").text
        reply = post(found, page, **form)
    assert reply.status_code == status, reply.text[-600:]
    assert said in unescape(reply.text)
    assert RunDir.read(path).marks() == {}


def test_the_next_run_keeps_what_was_approved_and_grades_what_was_edited(tmp_path):
    recipe = small_recipe(tmp_path)
    bootstrap(recipe)
    path = recipe.path
    run = RunDir.read(path)
    verdicts = {verdict.candidate: verdict for verdict in run.read_records("verdicts", Verdict)}
    wrong = sorted(name for name, verdict in verdicts.items() if verdict.outcome == "wrong")
    approved, mended, spoilt = wrong[0], wrong[1], next(iter(run.read_records("samples", Sample))).id
    set_marks(path, [approved], "the gold is off", reviewer="Ada", action="approve")
    right = f"It adds up.\nThe answer is: {verdicts[mended].expected}"
    set_marks(path, [mended], action="edit", text=right)
    set_marks(path, [spoilt], action="edit", text="The answer is: 123456789")
    paid = [(name.name, name.read_bytes()) for name in sorted(path.glob("completions-*"))]
    bootstrap(recipe)
    assert [(name.name, name.read_bytes()) for name in sorted(path.glob("completions-*"))] == paid
    samples = {sample.id: sample for sample in RunDir.read(path).read_records("samples", Sample)}
    assert spoilt not in samples  # an edit is graded like a reply
    assert samples[mended].response.startswith("It adds up.")
    assert samples[mended].tags["review"] == "edited"
    assert samples[approved].answer == verdicts[approved].got  # not the gold, which the reviewer does not believe
    assert samples[approved].tags["review"] == "approved by Ada: the gold is off"
    take_back(path, [approved, mended, spoilt])
    bootstrap(recipe)
    assert {approved, mended}.isdisjoint(s.id for s in RunDir.read(path).read_records("samples", Sample))


@pytest.mark.slow
def test_a_large_run_is_shown_while_it_is_read(tmp_path):
    path = synthetic_run(tmp_path / "run", 400)
    large = path / "completions-solve.jsonl"
    text = large.read_bytes()
    large.write_bytes(text * (1 + LARGE_BYTES // len(text)))  # the same replies again
    database = tmp_path / "x.sqlite"
    prepare(RunDir.read(path), database)
    assert rows(database, "select count(*) from answers") == [(0,)]
    assert summary_of(database)["reading"] == 0
    seen = []

    def watch(share):
        found = summary_of(database)
        seen.append((found["reading"], rows(database, "select count(*) from answers")[0][0], found["all"]["asked"]))
        return share

    stop = threading.Event()
    watcher = threading.Thread(target=lambda: [watch(0) for _ in iter(lambda: stop.wait(0.05), True)])
    watcher.start()
    refresh(RunDir.read(path), database)
    stop.set()
    watcher.join()
    parts = [share for share, _, _ in seen if share is not None]
    assert parts == sorted(parts)
    assert any(count for share, count, _ in seen if share is not None and share > 0)  # seen before the end
    assert summary_of(database)["reading"] is None
    whole = tmp_path / "whole.sqlite"
    refresh(RunDir.read(path), whole)
    for table in ("answers", "questions", "rejects"):
        assert rows(database, f"select * from {table} order by id") == rows(whole, f"select * from {table} order by id")
    revision = int(rows(database, "select value from about where name = 'revision'")[0][0])
    (path / "samples.jsonl").write_text("")
    refresh(RunDir.read(path), database)
    assert int(rows(database, "select value from about where name = 'revision'")[0][0]) > revision


def summary_of(database):
    return json.loads(rows(database, "select value from about where name = 'summary'")[0][0])
