"""The report: complete, offline, safe against what a model wrote, and readable wide, narrow, light and dark."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from browser import Watched, chromium
from mathstrap.files.rundir import RunDir
from mathstrap.render import render
from mathstrap.render.pages import TEMPLATES
from mathstrap.render.picks import Few, pick_fallen, pick_samples
from mathstrap.report.analysis import Rereadable, analyse_run
from mathstrap.report.compare import compare_runs
from mathstrap.report.extras import load_extras, save_gains, save_perplexities
from mathstrap.report.page import render_report, write_report
from mathstrap.stats import FUNNEL
from synthetic_run import make, synthetic_run, write

SECTIONS = [
    "made",
    "funnel",
    "yields",
    "lengths",
    "diversity",
    "contamination",
    "cost",
    "samples",
    "rejects",
    "reproduce",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return synthetic_run(tmp_path_factory.mktemp("runs") / "hostile", 60, hostile=True)


@pytest.fixture(scope="module")
def html(run):
    return render_report(RunDir.read(run))


def test_every_section_is_there(html):
    for section in SECTIONS:
        assert f'<section id="{section}">' in html


def test_the_numbers_are_those_of_the_run(run, html):
    analysis = analyse_run(RunDir.read(run))
    assert f"<dd>{analysis.everything.counts['kept']:,}</dd>" in html
    funnel = re.search(r'<section id="funnel">(.*?)</section>', html, re.DOTALL).group(1)
    for name, group in [*analysis.by_method.items(), ("all", analysis.everything)]:
        for stage in FUNNEL:
            assert re.search(rf">\s*{group.counts[stage]:,}\b", funnel), (name, stage)


def test_it_needs_nothing_from_anywhere(html):
    assert not re.search(r"<(script|link|img|iframe|object|embed|base)\b", html)
    assert not re.search(r"(?:src|href)=[\"'](?!#)", html)
    assert "url(" not in html
    assert "@import" not in html


def test_ten_samples_of_each_method_and_ten_rows_of_each_reason(run):
    opened = RunDir.read(run)
    made = make(60, hostile=True)
    samples = pick_samples(made.samples, 10)
    assert {method: len(rows) for method, rows in samples.items()} == dict.fromkeys(samples, 10)
    fallen = pick_fallen(made.rejects, made.verdicts, lambda ids: opened.replies_to("solve", ids), made.problems, 10)
    assert all(len(rows) <= 10 for rows in fallen.values())
    assert {"no_answer", "wrong", "duplicate"} <= set(fallen)
    assert all(row.reply for row in fallen["no_answer"])
    assert all(row.expected for row in fallen["wrong"])


def test_the_choice_of_examples_does_not_depend_on_order():
    few, turned = Few(3), Few(3)
    for name in "abcdefgh":
        few.offer("x", name, name)
    for name in "hgfedcba":
        turned.offer("x", name, name)
    assert few.chosen() == turned.chosen()


def test_the_same_run_gives_the_same_bytes(run, html):
    assert render_report(RunDir.read(run)) == html


def test_writing_it_needs_the_lock_and_names_the_file(tmp_path):
    path = synthetic_run(tmp_path / "r", 4)
    with RunDir.open(path) as opened:
        assert write_report(opened) == path / "report.html"


def test_a_run_that_has_only_begun_has_a_report(tmp_path):
    with RunDir.open(tmp_path / "new") as opened:
        assert "No training rows yet" in render_report(opened)
    made = make(5)
    made.candidates, made.verdicts, made.samples = [], [], []
    assert "No rows to measure" in render_report(RunDir.read(write(made, tmp_path / "begun")))


def test_saved_diversity_and_perplexity_are_shown(tmp_path):
    from mathstrap.stats.diversity import Gain
    from mathstrap.stats.estimates import NOTHING, Estimate
    from mathstrap.stats.perplexity import PartPerplexity

    path = synthetic_run(tmp_path / "r", 4)
    gain = Estimate(value=0.1234, low=0.1, high=0.15, num=9, clusters=4)
    part = PartPerplexity(part="answer only", median=NOTHING, pooled=7.25, num_texts=1, num_tokens=9, num_cut=0)
    with RunDir.open(path) as opened:
        save_gains(opened, [Gain(method="fobar", gain=gain, num_new=9, num_base=5)], "embedded by hand")
        save_perplexities(opened, [part], "under a toy")
        assert load_extras(opened).gains[0].gain == gain
        html = render_report(opened)
    assert "0.1234 ± 0.0250" in html
    assert "embedded by hand" in html
    assert "7.25" in html


def test_a_file_that_is_not_saved_numbers_counts_as_missing_and_is_named(tmp_path, caplog):
    path = synthetic_run(tmp_path / "r", 3)
    (path / "diversity.json").write_text('{"gains": [{"method": 3}]}')
    assert not load_extras(RunDir.read(path)).gains
    assert "diversity.json" in caplog.text


def test_two_runs_are_set_side_by_side(tmp_path):
    a = synthetic_run(tmp_path / "a", 40, right=0.9)
    b = synthetic_run(tmp_path / "b", 40, right=0.5)
    found = compare_runs(a, b)
    accuracy = next(line for line in found.lines if line.group == "All" and line.name == "correct of answered")
    assert accuracy.is_clear
    assert accuracy.difference.startswith("-")
    text = str(found)
    assert "correct of answered" in text
    assert all(len(line) < 120 for line in text.splitlines())
    assert "<strong>-" in found.html
    same = compare_runs(a, a)
    assert not any(line.is_clear for line in same.lines)


def test_the_certificate_and_the_quirks_are_shown(tmp_path):
    from mathstrap.curate.certificate import Certificate, Overlap
    from mathstrap.curate.decontaminate import DecontaminateOptions, Match

    path = synthetic_run(tmp_path / "r", 12)
    match = Match(
        id="gsm8k-train-00001/fobar.1", test_set="gsm8k", test_id="7", kind="ngram", score=0.91, span="a <b> c"
    )
    overlap = Overlap(
        test_set="gsm8k",
        num_items=1319,
        seed_items=3,
        seeds=4,
        derived_items=5,
        derived=17,
        introduced=2,
        items_introduced=2,
    )
    certificate = Certificate(
        num_seeds=12,
        num_derived=48,
        dropped=1,
        options=DecontaminateOptions(),
        overlaps=(overlap,),
        derived_examples=(match,),
    )
    with RunDir.open(path) as opened:
        opened.write_json("contamination.json", certificate)
        html = render_report(opened)
    assert "1,319" in html
    assert "a &lt;b&gt; c" in html
    assert "Would be affected" in html
    (path / "contamination.json").write_text('{"num_seeds": "x"}')
    html = render_report(RunDir.read(path))  # damage is `mathstrap doctor`'s to mend: the rest can still be shown
    assert "1,319" not in html
    assert "Would be affected" in html


def test_a_stream_can_be_gone_through_twice():
    rows = Rereadable(lambda: iter("ab"))
    assert list(rows) == list(rows) == ["a", "b"]


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_is_short_enough_to_be_read_also_on_a_phone(browser, tmp_path, width):
    path = synthetic_run(tmp_path / "plain", 60)
    watched = Watched(browser, width=width)
    watched.page.set_content(render_report(RunDir.read(path), measure=False))
    assert watched.page.evaluate("document.documentElement.scrollHeight") < 8_000
    assert watched.overflow() <= 0


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")])
def test_in_a_browser_nothing_runs_nothing_is_fetched_and_nothing_sticks_out(browser, html, tmp_path, width, scheme):
    path = tmp_path / "report.html"
    path.write_text(html)
    watched = Watched(browser, width=width, scheme=scheme, home=path.as_uri())
    watched.page.goto(path.as_uri())
    assert watched.page.title().endswith("Mathstrap report")
    assert watched.errors == []
    assert watched.outside == []
    assert watched.overflow() <= 0
    assert watched.page.locator("math mfrac").count() > 0
    background = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(22, 22, 20)") is (scheme == "dark")


def test_on_paper_it_is_dark_on_white(browser, html, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(html)
    watched = Watched(browser, scheme="dark", home=path.as_uri())
    watched.page.goto(path.as_uri())
    watched.page.emulate_media(media="print")
    colours = watched.page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert len(watched.page.pdf()) > 50_000


def test_a_long_formula_scrolls_in_its_place(browser):
    source = "$" + "+".join(f"x_{{{place}}}^{{{place}}}" for place in range(80)) + "$"
    css = (TEMPLATES / "look.css").read_text(encoding="utf-8")
    watched = Watched(browser, width=400)
    text = f'<div class="card"><div class="text">{render(source, "math")}</div></div>'
    watched.page.set_content(f"<style>{css}</style>{text}")
    assert "<math" in watched.page.content()
    assert watched.overflow() <= 0


def test_three_of_each_kind_are_open_and_the_rest_is_folded(html):
    parts = html.split('<details class="rest"><summary>')
    folded = [(before, after) for before, after in pairwise(parts) if re.match(r"\d+ more<", after)]
    assert folded
    for before, after in folded:
        assert before.rpartition('<div class="cards">')[2].count('<article class="card">') == 3
        assert after.partition("</details>")[0].count('<article class="card">') == int(after.split()[0]) <= 7
