"""Hostile text becomes safe HTML: money stays money, mathematics becomes MathML, nothing else is interpreted."""
# ruff: noqa: E501, RUF005

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathstrap.render import MAX_TEXT_CHARS, TimeBudget, render, render_answer
from mathstrap.render.hostile import escape, printable
from mathstrap.render.mathml import to_mathml


def seen(text, style="gsm8k"):
    """Return the rendered text with each formula replaced by its source in corner brackets."""
    return re.sub(r'<math[^>]*alttext="([^"]*)".*?</math>', r"⟦\1⟧", render(text, style), flags=re.DOTALL)


@pytest.mark.parametrize(
    "text",
    [
        "Weng earns $12 an hour, then $10.",
        "($5-$3) and $5/$10",
        "She earns $x an hour and paid $x for it.",
        "He pays $x, she pays $y.",
        "sold for $5 per day,$3 per night",
        "$5 + 3=$8",
        "$12-15$",
        "A $100 bill and $1,000.50 with 5% of $200.",
        "He has $500 for books: 4*$20=$80, so 4*20=80 is left",
        "5 * 3 * 2 and _this_ and # that stay as they are",
    ],
)
def test_money_is_left_alone(text):
    assert seen(text) == escape(text)


@pytest.mark.parametrize(
    ("text", "style", "want"),
    [
        ("Let $x$ be $x^2$.", "gsm8k", "Let ⟦x⟧ be ⟦x^2⟧."),
        ("$48/2 = 24$ in all", "gsm8k", "⟦48/2 = 24⟧ in all"),
        ("He has $5 and $x=3$", "gsm8k", "He has $5 and ⟦x=3⟧"),
        ("It is $12$ now, or $-1,250.5$.", "gsm8k", "It is ⟦12⟧ now, or ⟦-1,250.5⟧."),
        ("It costs $12 or $13.", "gsm8k", "It costs $12 or $13."),
        ("pay $12$15", "gsm8k", "pay $12$15"),
        (r"If $f(x) = \frac12$ and \$5 then $y$-axis", "math", r"If ⟦f(x) = \frac12⟧ and $5 then ⟦y⟧-axis"),
        (r"\[x^2\] and \(y\) and $$z$$", "math", "⟦x^2⟧ and ⟦y⟧ and ⟦z⟧"),
        ("$2$ apples and $3$ pears", "math", "⟦2⟧ apples and ⟦3⟧ pears"),
        ("the pairs $(1,2),$ $(2,1),$ for a total of $n$", "math", "the pairs ⟦(1,2),⟧ ⟦(2,1),⟧ for a total of ⟦n⟧"),
        ("the shirt costs $5, while the hat costs $7$", "math", "the shirt costs $5, while the hat costs ⟦7⟧"),
        (r"The answer is: \frac{1}{4}", "math", r"The answer is: ⟦\frac{1}{4}⟧"),
        ("The answer is: 42", "math", "The answer is: 42"),
        (r"so \boxed{\frac{1}{2}} it is", "math", r"so ⟦\boxed{\frac{1}{2}}⟧ it is"),
        ("no closing $x", "math", "no closing $x"),
        (r"\begin{align*}a\end{align*}", "math", r"⟦\begin{align*}a\end{align*}⟧"),
    ],
)
def test_mathematics_is_found(text, style, want):
    assert seen(text, style) == want


def test_a_formula_becomes_mathml_with_its_source_as_alternative_text():
    html = render(r"$\frac{1}{2}$", "math")
    assert html.startswith('<math display="inline" alttext="\\frac{1}{2}">')
    assert "<mfrac>" in html


def test_what_cannot_be_parsed_is_shown_as_source():
    assert render(r"$\frac{1}{$ and $a_b_c$", "math").count('<code class="tex">') >= 1


def test_calculator_notes_are_kept_but_quiet():
    assert render("48/2=<<48/2=24>>24") == '48/2=<span class="calculator">&lt;&lt;48/2=24&gt;&gt;</span>24'


@pytest.mark.parametrize(
    ("answer", "is_formula"), [(r"\frac{3}{4}", True), ("x^2", True), ("759", False), ("$5", False)]
)
def test_a_bare_answer_is_a_formula_only_where_it_is_latex(answer, is_formula):
    assert ("<math" in render_answer(answer, "math")) is is_formula


ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    r"$\text{<img src=x onerror=alert(1)>}$",
    r"$\href{javascript:alert(1)}{x}$",
    r"$\style{background:url(//evil)}{x}$ $\class{a}{b}$ $\color{red}{x}$",
    r"$\unicode{x3C}script\unicode{x3E}$ $\text{&#x3C;script&#x3E;}$",
    r"$x\newcommand{\a}{\a\a}\a$ $\def\b{\b\b}\b$ $\let\c\c$",
    '"><svg/onload=alert(1)>',
    "$x' onmouseover='alert(1)$",
    "\x1b]8;;http://evil\x07click\x1b]8;;\x07 \x00 \x9b31m",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200b",
    "\ud800 lone",
    r"\begin{array}{c}" * 50,
    "{{ 7*7 }} {% raw %}",
    "]]><!--",
]


class Strict(HTMLParser):
    """Refuse any element or attribute that the renderer has no business to write."""

    elements = frozenset(
        ["math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "ms", "msup", "msub", "msubsup", "mfrac", "msqrt", "mroot"]
        + ["mover", "munder", "munderover", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "merror"]
        + ["span", "code"]
    )  # fmt: skip
    attributes = frozenset(
        ["class", "title", "display", "alttext", "displaystyle", "stretchy", "fence", "separator", "largeop", "form"]
        + ["movablelimits", "accent", "accentunder", "symmetric", "mathvariant", "scriptlevel", "columnalign", "width"]
        + ["rowlines", "columnlines", "height", "depth", "lspace", "rspace", "linethickness", "minsize", "maxsize"]
        + ["voffset", "rowspacing", "columnspacing"]
    )  # fmt: skip

    def handle_starttag(self, tag, attrs):
        assert tag in self.elements, tag
        for name, value in attrs:
            assert name in self.attributes, name
            if name not in ("alttext", "title"):
                assert re.fullmatch(r"[\w\s.+-]*", value or ""), (name, value)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment


def check_safe(html):
    parser = Strict(convert_charrefs=True)
    parser.feed(html)
    parser.close()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    html.encode("utf-8")


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("style", ["gsm8k", "math"])
def test_attacks_are_text(attack, style):
    check_safe(render(attack, style))
    check_safe(render_answer(attack, style))


PIECES = st.sampled_from(
    ["$", "$$", r"\(", r"\)", r"\[", r"\]", "{", "}", r"\frac", r"\text{", r"\href{javascript:x}{", r"\style{a:b}{", "<img ",
     "onerror=", ">", "&", '"', "'", "x", "^", "_", "\\", "\n", " ", r"\boxed{", "&#x3c;", r"\left(", r"\right)", r"\sqrt[",
     r"\begin{array}{c}", r"\end{array}", "The answer is: ", "<<1+1=2>>", "\x1b", "\u202e", "1", r"\color{red}", r"\hspace{9em}"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join), st.sampled_from(["gsm8k", "math"]))
def test_no_mixture_of_latex_and_html_escapes_the_allow_list(text, style):
    check_safe(render(text, style))


@pytest.mark.parametrize(
    "bomb",
    [
        "{" * 5_000 + "}" * 5_000,
        r"\frac{1}{" * 900 + "}" * 900,
        r"\sqrt" * 400 + "x",
        "x^{" * 500 + "}" * 500,
        r"\left(" * 300 + r"\right)" * 300,
        r"\begin{matrix}" * 100,
        "&" * 2_000,
        "a_" * 900,
        r"\newcommand{\a}{\a\a}\a",
        "9" * 2_000,
    ],
)
def test_latex_bombs_end_soon_and_are_shown_as_source_or_small(bomb):
    started = time.process_time()
    html = render(f"${bomb}$", "math")
    assert time.process_time() - started < 20
    assert len(html) < 20 * len(bomb) + 1_000
    check_safe(html)


def test_a_spent_budget_leaves_the_rest_as_source():
    ticks = iter(range(100))
    budget = TimeBudget(seconds=1.5, clock=lambda: float(next(ticks)))
    html = "".join(render(f"$x^{{{n}}}$", "math", budget=budget) for n in range(4))
    assert html.count("<math") == 2
    assert html.count('<code class="tex">') == 2


def test_a_text_of_megabytes_is_cut_and_says_so():
    html = render("x" * (MAX_TEXT_CHARS + 5))
    assert html.endswith("5 more characters</span>")
    assert len(html) < MAX_TEXT_CHARS + 200


def test_long_texts_of_dollars_are_read_in_linear_time():
    started = time.process_time()
    for text in ("$5 " * 6_000, "$" * 19_999, "$x" * 9_999, r"\boxed{" * 2_500, "<<" * 9_999, r"\(" * 9_000):
        render(text, "math")
        render(text, "gsm8k")
    assert time.process_time() - started < 30


def test_terminal_text_has_no_escapes():
    assert printable("a\x1b[31mb\u202e\nc") == r"a\x1b[31mb\x202e c"


def test_every_formula_of_the_math_test_set_is_rendered(data_path):
    failed = formulas = 0
    with (data_path / "math_test.jsonl").open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number % 10 == 0:
                row = json.loads(line)
                for name in ("problem", "question", "solution"):
                    html = render(row.get(name, ""), "math", budget=TimeBudget(seconds=60))
                    formulas += html.count("<math")
                    failed += html.count('<code class="tex">')
    assert formulas > 3_000
    assert failed == 0


def test_no_price_of_the_gsm8k_training_set_is_taken_for_mathematics(data_path):
    with (data_path / "gsm8k_train.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            assert "<math" not in render(f"{row['question']}\n{row['answer']}", "gsm8k"), row["question"]


def test_a_formula_keeps_its_box_and_loses_what_is_not_mathml():
    html = to_mathml(r"\boxed{\color{red}{5}}", display=False)
    assert '<mrow class="boxed">' in html
    assert "menclose" not in html
    assert "red" not in html.partition(">")[2]  # the colour is in the source text only
