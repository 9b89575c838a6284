"""Whatever the text, curation answers: it never raises, and its answers hang together."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mathstrap.audit.defects import DEFECTS, AuditRow
from mathstrap.audit.unmask import find_hidden
from mathstrap.curate.decontaminate import TestSetIndex
from mathstrap.curate.dedup import DedupOptions, find_duplicates
from mathstrap.curate.paths import false_equations, read_reasoning, select_paths
from mathstrap.curate.sampling import SamplingOptions, next_draws
from mathstrap.curate.vote import VoteOptions, vote
from mathstrap.curate.wording import words

MATHS = st.text(alphabet="0123456789+-*/=^()<>$\\{}.,%xX abfrc\n", max_size=80)
TEXT = st.one_of(st.text(max_size=80), MATHS)
MORE = settings(max_examples=150, deadline=None)


@MORE
@given(TEXT)
def test_any_text_has_words_equations_and_arithmetic(text: str) -> None:
    assert all(words(text))
    assert all("=" in equation for equation in read_reasoning(text).path)
    assert all("=" in equation for equation in false_equations(text))


@MORE
@given(st.integers(0, 999), st.integers(1, 999), st.sampled_from("+-*/"))
def test_a_true_equation_is_never_called_false_and_a_wrong_one_always_is(a: int, b: int, sign: str) -> None:
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[sign]
    is_whole = sign != "/" or a % b == 0
    assert bool(false_equations(f"So it is {a} {sign} {b} = {value}.")) == (not is_whole)
    assert false_equations(f"So it is {a} {sign} {b} = {value + 2}.")


@MORE
@given(TEXT, TEXT)
def test_a_hidden_number_is_found_or_not_and_never_raises(original: str, masked: str) -> None:
    hidden = find_hidden(original, masked)
    assert hidden is None or hidden.answer


@MORE
@given(TEXT, TEXT, st.sampled_from(["gsm8k", "math"]))
def test_every_detector_answers_for_any_row(query: str, response: str, style: str) -> None:
    row = AuditRow(line=1, query=query, response=response, style=style, stated=response[:5], gold=query[:5])  # type: ignore[arg-type]
    for defect in DEFECTS.values():
        if defect.applies(row):
            assert defect.find(row) is None or isinstance(defect.find(row), str)


@MORE
@given(st.lists(TEXT, max_size=12))
def test_a_dropped_question_always_names_a_kept_one(texts: list[str]) -> None:
    items = [(str(number), text) for number, text in enumerate(texts)]
    for options in (DedupOptions(), DedupOptions(numbers="ignore"), DedupOptions(shingle_words=1)):
        gone = find_duplicates(items, options).dropped()
        assert not set(gone) & set(gone.values())
        assert all(int(kept) < int(item) for item, kept in gone.items())
    kept = select_paths(items)
    assert len(set(kept)) == len(kept)
    assert kept[:1] == (["0"] if texts else [])


@MORE
@given(st.lists(TEXT, min_size=1, max_size=8), TEXT)
def test_a_test_question_is_always_found_in_itself(tests: list[str], text: str) -> None:
    index = TestSetIndex.build({"test": [(str(number), question) for number, question in enumerate(tests)]})
    for number, question in enumerate(tests):
        if words(question):
            assert str(number) in {match.test_id for match in index.find("q", question)}
    assert all(0 < match.score <= 1 for match in index.find("q", text))


@MORE
@given(st.lists(st.sampled_from(["1", "2", "1.0", "", "x"]), max_size=12), st.sampled_from(["drop", "first"]))
def test_a_label_has_the_votes_it_claims(answers: list[str], ties: str) -> None:
    found = vote(answers, VoteOptions(ties=ties))  # type: ignore[arg-type]
    assert 0 <= found.confidence <= 1
    assert found.answer is None or found.num_votes >= 2
    assert (found.answer is None) == bool(found.reason)


@MORE
@given(
    st.dictionaries(
        st.text("ab/c", min_size=1, max_size=4),
        st.integers(0, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    ),
    st.sampled_from(["fixed", "until", "uniform", "prop2diff"]),
    st.integers(0, 60),
    st.sampled_from(["wanted", "equal", "weights"]),
)
def test_a_round_stays_within_the_budget_and_uses_it(
    tried: dict[str, tuple[int, int]], policy: str, left: int, share: str
) -> None:
    options = SamplingOptions(policy=policy, share=share, weights={"a": 1.0}, max_tries=12)  # type: ignore[arg-type]
    free = next_draws(options, tried)
    given_draws = next_draws(options, tried, left=left, group_of=lambda problem: problem[0])
    assert sum(given_draws.values()) == min(left, sum(free.values()))
    assert all(0 < count <= free[problem] for problem, count in given_draws.items())
