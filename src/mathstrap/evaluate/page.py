"""Write one self-contained page: the numbers with their settings, and every wrong answer beside the gold.

`render` escapes every text of a model or a file; the page has no script and loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from mathstrap.errors import counted
from mathstrap.evaluate.record import Evaluation, describe
from mathstrap.evaluate.score import REASON_TEXT, SCORES, ScoredDraw
from mathstrap.evaluate.summary import Summary
from mathstrap.render import TimeBudget, render, render_answer
from mathstrap.render.hostile import escape
from mathstrap.stats.estimates import Estimate

# After this time the page's remaining formulas are shown as their source.
MATH_SECONDS = 20.0
# The page is one file that a browser must hold; all draws are in draws.jsonl.
MAX_CARDS = 3_000
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --bad: #c22; --good: #2a7; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 78rem; padding: 1rem 1.5rem 4rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; margin: .6rem 0 1.2rem; } th, td { padding: .2rem .8rem .2rem 0; text-align: left;
border-bottom: 1px solid var(--line); vertical-align: baseline; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.made { color: #888; font-size: .85rem; } .big { font-size: 1.6rem; font-weight: 600; }
.note { border-left: 3px solid #c80;
padding-left: .7rem; } .bar { display: inline-block; height: .7rem; background: var(--soft);
width: 10rem; position: relative;
border: 1px solid var(--line); } .bar i { position: absolute; top: 0; bottom: 0; background: #48c8; }
.bar b { position: absolute; top: -2px; bottom: -2px; width: 2px; margin-left: -1px; background: currentColor; }
body > table { display: block; overflow-x: auto; }
.card { border: 1px solid var(--line); border-radius: 6px; margin: .8rem 0; padding: .6rem .9rem; }
.card > p { margin: .3rem 0; } .text { white-space: pre-wrap; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.2rem; }
.pair > div { overflow-x: auto; }
.pair h4 { margin: .2rem 0; font-size: .85rem; color: #888; }
.got { color: var(--bad); font-weight: 600; } .gold { color: var(--good); font-weight: 600; }
.tag { border: 1px solid var(--line); border-radius: 9px; padding: 0 .5rem; font-size: .8rem; margin-right: .3rem; }
.pick label { margin-right: 1rem; cursor: pointer; } math .boxed, .boxed { border: 1px solid; padding: .1em .2em; }
math { max-width: 100%; overflow-x: auto; overflow-y: hidden; }
.unseen { background: #fc06; } .cut, .calculator { color: #888; } code.tex { font-size: .9em; }
@media (max-width: 50rem) { .pair { grid-template-columns: minmax(0, 1fr); } }
"""


def page(evaluation: Evaluation, draws: Sequence[ScoredDraw]) -> str:
    """Return the page as HTML."""
    wrong = [draw for draw in draws if not draw.is_correct]
    reasons = [reason for reason in REASON_TEXT if any(draw.reason == reason for draw in wrong)]
    rules = "".join(
        f"#only-{reason}:checked ~ .cards > .card:not(.{reason}) {{ display: none; }}\n" for reason in reasons
    )  # fmt: skip
    budget = TimeBudget(seconds=MATH_SECONDS if find_spec("latex2mathml") else 0.0)
    body = [
        f"<h1>Evaluation of {escape(evaluation.model)}</h1>",
        overview(evaluation),
        *(one_set(summary) for summary in evaluation.summaries),
        f"<h2>Wrong answers ({len(wrong):,})</h2>",
        pick(reasons, wrong),
        '<div class="cards">',
        *(card(draw, budget) for draw in wrong[:MAX_CARDS]),
        f"<p>{len(wrong) - MAX_CARDS:,} more in draws.jsonl.</p>" if len(wrong) > MAX_CARDS else "",
        "</div></div>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(evaluation.model)}: evaluation</title><style>{STYLE}{rules}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def overview(evaluation: Evaluation) -> str:
    """Return the table of headline numbers, and the settings they depend on."""
    rows = [
        f"<tr><td>{escape(s.benchmark)}</td><td class=n>{s.num_problems:,}</td><td class=n>{s.num_draws}</td>"
        f'<td class="n big">{s.accuracy.value:.1%}</td><td class=n>{interval(s.accuracy)}</td>'
        + "".join(f"<td class=n>{s.scores[name].value:.1%}</td>" for name in SCORES)
        + f"<td class=n>{s.truncated.value:.1%}</td><td class=n>{s.unparseable.value:.1%}</td>"
        + "".join(f"<td class=n>{cost}</td>" for cost in costs(s))
        + "</tr>"
        for s in evaluation.summaries
    ]
    head = "".join(f"<th class=n>{name}" for name in SCORES)
    sentences = [describe(style, provenance) for style, provenance in evaluation.provenance.items()]
    settings = "".join(f", {name} {value}" for name, value in evaluation.settings.items())
    versions = ", ".join(f"{name} {version}" for name, version in evaluation.versions.items())
    return (
        "<table><tr><th>set<th class=n>questions<th class=n>draws<th class=n>accuracy<th class=n>95 % interval"
        f"{head}<th class=n>cut off<th class=n>no answer<th class=n>tokens<th class=n>seconds</tr>"
        f"{''.join(rows)}</table>"
        f"<p class=made>{escape(' '.join(sentences))} Backend {escape(evaluation.backend + settings)}. "
        f"{escape(versions)}.</p>"
    )


def costs(summary: Summary) -> tuple[str, str]:
    """Return mean tokens and seconds of a reply; empty where a file of outputs has none."""
    tokens, seconds = summary.tokens_out.value, summary.seconds.value
    return f"{tokens:,.0f}" if tokens else "", f"{seconds:,.2f}" if seconds else ""


def one_set(summary: Summary) -> str:
    """Return the section of one test set: notes, several draws, disagreements, slices."""
    parts = [f"<h2>{escape(summary.benchmark)}</h2><p class=made>{escape(summary.source)}</p>"]
    parts += [f"<p class=note>{escape(note)}</p>" for note in summary.notes]
    if summary.num_unusable_rows:
        parts.append(f"<p class=note>{summary.num_unusable_rows} rows of the file could not be used.</p>")
    if summary.pass_at:
        rows = "".join(
            f"<tr><td class=n>{k}</td><td>{number(summary.pass_at[k])}</td><td>{number(summary.maj_at[k])}</td></tr>"
            for k in summary.pass_at
        )
        parts.append(
            "<h3>Several draws</h3><table><tr><th class=n>k<th>pass@k"
            f"<th>maj@k (ties: {summary.tie_rule})</tr>{rows}</table>"
        )
    if summary.disagreements:
        rows = "".join(
            "<tr>" + "".join(f"<td>{'right' if getattr(row, name) else 'wrong'}</td>" for name in SCORES)
            + f"<td class=n>{row.count}</td><td class=made>{escape(', '.join(row.examples[:4]))}</td></tr>"
            for row in summary.disagreements
        )  # fmt: skip
        heads = "".join(f"<th>{name}" for name in SCORES)
        heads += "<th class=n>draws<th>such as"
        parts.append(f"<h3>Where the scores disagree</h3><table><tr>{heads}</tr>{rows}</table>")
    parts.append("<h3>Slices</h3><table>")
    for name, values in summary.slices.items():
        for place, (value, score) in enumerate(values.items()):
            cells = (escape(name) if not place else "", escape(value), bar(score), number(score))
            parts.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    parts.append("</table>")
    return "\n".join(parts)


def pick(reasons: Sequence[str], wrong: Sequence[ScoredDraw]) -> str:
    """Return the buttons that filter the cards by reason, through CSS. Leaves the cards' parent element open."""
    inputs = [
        '<div class="pick"><input type="radio" name="only" id="only-all" checked>',
        '<label for="only-all">all</label>',
    ]
    for reason in reasons:
        count = sum(draw.reason == reason for draw in wrong)
        inputs.append(
            f'<input type="radio" name="only" id="only-{reason}"><label for="only-{reason}">'
            f"{escape(REASON_TEXT[reason])} ({count:,})</label>"  # type: ignore[index]
        )
    return "\n".join(inputs)


def card(draw: ScoredDraw, budget: TimeBudget) -> str:
    """Return a wrong answer beside the gold."""
    got = render_answer(draw.got, draw.style, budget=budget) if draw.got else "no answer"
    facts = [draw.detail] if draw.detail else []
    facts.append("right by: " + (", ".join(name for name in SCORES if getattr(draw, name)) or "none"))
    if draw.tokens_out:
        facts.append(f"{counted(draw.tokens_out, 'token')}, {draw.seconds:.1f} s")
    if draw.finish_reason != "unknown":
        facts.append("cut off" if draw.finish_reason == "length" else draw.finish_reason)
    return (
        f'<div class="card {draw.reason}" id="{escape(draw.id)}"><p><b>{escape(draw.id)}</b> '
        f"<span class=tag>{draw.reason}</span>"
        f"<span class=made>{escape('; '.join(facts))}</span></p>"
        f"<p class=text>{render(draw.question, draw.style, budget=budget)}</p><div class=pair><div><h4>The model: "
        f"<span class=got>{got}</span></h4><div class=text>{render(draw.text, draw.style, budget=budget)}</div></div>"
        f"<div><h4>The gold: <span class=gold>{render_answer(draw.expected, draw.style, budget=budget)}</span></h4>"
        f"<div class=text>{render(draw.solution, draw.style, budget=budget)}</div></div></div></div>"
    )


def interval(score: Estimate) -> str:
    """Return an interval as text."""
    return f"{score.low:.1%} to {score.high:.1%}"


def number(score: Estimate) -> str:
    """Return a score with its interval and size."""
    return f"{score.value:.1%} <span class=made>({interval(score)}, {score.num})</span>"


def bar(score: Estimate) -> str:
    """Return a bar from the low to the high end of the interval, with a mark at the value."""
    left, width = score.low * 100, max(1.0, (score.high - score.low) * 100)
    interval_bar = f'<i style="left:{left:.1f}%;width:{min(width, 100 - left):.1f}%"></i>'
    return f'<span class=bar>{interval_bar}<b style="left:{score.value * 100:.1f}%"></b></span>'
