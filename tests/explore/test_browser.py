"""The explorer in Chromium, served by the command line: it works by clicking, stays here and keeps fresh."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from browser import Watched, chromium
from mathstrap.files.rundir import RunDir
from mathstrap.render.pages import TEMPLATES
from mathstrap.types import to_json
from synthetic_run import make, synthetic_run, write

pytest.importorskip("datasette", reason='datasette is not installed: pip install "mathstrap[explore]"')


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Give (address, folder) of a served hostile run and of one that is still going."""
    folder = tmp_path_factory.mktemp("served")
    synthetic_run(folder / "first", 30, hostile=True)
    begun = make(12)
    begun.replies, begun.candidates, begun.verdicts, begun.samples = begun.replies[:20], [], [], []
    write(begun, folder / "going")
    command = [sys.executable, "-c", "from mathstrap.cli import main; main()", "explore", "--port", "0"]
    process = subprocess.Popen(
        [*command, str(folder / "first"), str(folder / "going")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process.stdout.readline().split()[0].rstrip("/"), folder
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


PAGES = [
    "/", "/first", "/first/answers?outcome=wrong", "/first/questions?status=seed", "/first/rejects",
    "/-/family/first?id=gsm8k-train-00001", "/-/family/first?id=math-train-00003", "/-/flips/first/going",
    "/first?sql=select+method,text+from+answers+limit+20", "/first/answers/3", "/nowhere",
]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        (375, "dark"),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
        pytest.param(375, "light", marks=pytest.mark.slow),
    ],
)
def test_no_page_runs_model_text_or_asks_another_machine_or_sticks_out(server, browser, width, scheme):
    home, _ = server
    watched = Watched(browser, width=width, scheme=scheme, home=home)
    for url in PAGES:
        watched.page.goto(home + url)
        assert watched.page.title() != "owned"
        assert watched.overflow() <= 0, url
    not_found = [line for line in watched.errors if "404" not in line]
    assert not_found == []
    assert watched.outside == []
    watched.context.close()


def test_a_bar_leads_to_its_rows_and_a_row_to_its_family(server, browser):
    home, _ = server
    watched = Watched(browser, home=home)
    page = watched.page
    page.goto(home + "/first")
    page.locator(".panels a.plot").nth(3).click()
    page.wait_for_url("**/answers?outcome=correct&method=ans_aug")
    assert page.locator("article.card").count() == 25
    page.locator("article.card a.mono").first.click()
    page.wait_for_url("**/-/family/first?id=*")
    assert page.locator(":target").count() == 1
    assert page.locator(":target .tag.good").count() >= 1
    watched.context.close()


def test_flagging_with_a_note_writes_it_and_taking_it_back_removes_it(server, browser):
    home, folder = server
    watched = Watched(browser, home=home)
    page = watched.page
    page.goto(home + "/-/family/first?id=gsm8k-train-00004")
    card = page.locator(".answers .card").first
    card.locator("details.flag > summary").click()
    card.locator("input[name=note]").fill("adds <b>twice</b>")
    card.locator("details.flag button", has_text="Flag").click()
    page.wait_for_selector(".marked.flag")
    assert "adds <b>twice</b>" in page.locator(".marked.flag").inner_text()
    assert list(RunDir.read(folder / "first").flags().values()) == ["adds <b>twice</b>"]
    page.goto(home + "/first/flags")
    assert "adds <b>twice</b>" in page.inner_text("main")
    page.goto(home + "/-/family/first?id=gsm8k-train-00004")
    page.locator(".marked button").click()
    page.wait_for_selector(".marked", state="detached")
    assert RunDir.read(folder / "first").flags() == {}
    assert watched.errors == []
    watched.context.close()


def test_the_page_of_a_going_run_grows_without_reloading(server, browser):
    home, folder = server
    watched = Watched(browser, home=home)
    page = watched.page
    page.goto(home + "/going")
    before = page.locator("#funnel .rows .number").first.inner_text()
    page.evaluate("window.mark = 1")
    page.wait_for_timeout(700)  # the first look at the revision
    with (folder / "going" / "completions-solve.jsonl").open("ab") as log:
        for reply in make(12).replies[20:70]:
            log.write(to_json(reply) + b"\n")
    deadline = time.monotonic() + 20
    while page.locator("#funnel .rows .number").first.inner_text() == before and time.monotonic() < deadline:
        page.wait_for_timeout(250)
    assert page.locator("#funnel .rows .number").first.inner_text() != before
    assert page.evaluate("window.mark") == 1
    assert watched.errors == []
    watched.context.close()


def test_numbers_in_a_wide_matrix_stay_whole_and_a_text_reads_in_its_own_direction(browser):
    from mathstrap.render.mathml import to_mathml

    cells = " & ".join(map(str, [7, *range(10, 36)]))
    formula = to_mathml(rf"\begin{{pmatrix}} {cells} \\ {cells} \end{{pmatrix}}", display=True)
    watched = Watched(browser, width=390)
    style = f"<style>{(TEMPLATES / 'look.css').read_text()}</style>"
    watched.page.set_content(f'{style}<p class="text">{formula}</p><p class="text" id="rtl">כמה הם 12?</p>')
    measured = watched.page.evaluate("""() => ({
        widths: [...document.querySelectorAll("mtd mn")].map(each => each.getBoundingClientRect().width),
        text: (range => (range.selectNodeContents(document.querySelector("#rtl")), range.getBoundingClientRect().left))(
            document.createRange()),
    })""")
    seven, *others = measured["widths"][:27]
    assert min(others) > 1.5 * seven, "the second digit of a number is hidden"
    assert measured["text"] > 200, "Hebrew begins on the right"
    assert watched.overflow() <= 0
    watched.context.close()
