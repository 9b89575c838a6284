"""Cut text into the word pieces of an uncased BERT vocabulary. Knows nothing of models."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from mathstrap.patterns import regex

PAD, UNK, CLS, SEP = 0, 100, 101, 102
MAX_WORD = 100  # BERT's own limit: a longer run of letters is one unknown token
# The cache stops here: a corpus with ever new words must not fill the memory.
MAX_CACHED_WORDS = 500_000

# A run of letters and digits, or one mark; every CJK character is its own word.
WORD = regex(r"[㐀-䶿一-鿿豈-﫿]|(?:(?![㐀-䶿一-鿿豈-﫿_])\w)+|[^\w\s]|_")


class WordPiece:
    """Greedy longest-match pieces, lower case and without accents, as BERT was trained on."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        pieces = list(vocabulary[:-1] if vocabulary and not vocabulary[-1] else vocabulary)
        self.vocabulary = {piece.rstrip("\r"): index for index, piece in enumerate(pieces)}
        self._words: dict[str, tuple[int, ...]] = {}

    def tokens(self, text: str) -> list[int]:
        """Return the ids of the pieces of `text`, without the marks for start and end."""
        if not text.isascii():
            folded = unicodedata.normalize("NFD", text.lower())
            text = "".join(letter for letter in folded if unicodedata.category(letter) != "Mn")
        ids: list[int] = []
        for word in WORD.findall(text.lower()):
            pieces = self._words.get(word)
            if pieces is None:
                pieces = self._split(word)
                if len(self._words) < MAX_CACHED_WORDS:
                    self._words[word] = pieces
            ids.extend(pieces)
        return ids

    def _split(self, word: str) -> tuple[int, ...]:
        if len(word) > MAX_WORD:
            return (UNK,)
        pieces: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.vocabulary.get(word[start:end] if not start else "##" + word[start:end])
                if piece is not None:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return (UNK,)
        return tuple(pieces)
