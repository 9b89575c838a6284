"""Map the Unicode that models write to the ASCII and LaTeX the parser reads. Letters of other scripts stay as they are.

Only digits, punctuation, mathematical signs and Greek letters are mapped: a Cyrillic letter that looks like a digit is
not that digit.
"""

from __future__ import annotations

import unicodedata

from mathstrap.patterns import regex

_SIGNS = {
    "−": "-", "–": "-", "—": "-", "﹣": "-", "－": "-", "‐": "-", "‑": "-", "‒": "-", "⁻": "^{-}",
    "×": r"\times ", "⋅": r"\cdot ", "·": r"\cdot ", "∙": r"\cdot ", "÷": "/", "∕": "/", "⁄": "/", "∗": "*",
    "√": r"\sqrt ", "∛": r"\sqrt[3]", "π": r"\pi ", "𝜋": r"\pi ", "∞": r"\infty ", "±": r"\pm ", "∓": r"\mp ",
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≦": r"\le ", "≧": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "Ø": r"\emptyset ", "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "ℚ": r"\mathbb{Q}", "ℕ": r"\mathbb{N}", "ℂ": r"\mathbb{C}", "°": r"^\circ ", "º": r"^\circ ",
    "…": r"\ldots ", "⋯": r"\ldots ", "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"', "″": '"',
    "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "", "\ufeff": "", "\u00ad": "", "\u2061": "", "\u2062": "",
    "∶": ":", "∣": "|", "⟨": r"\langle ", "⟩": r"\rangle ", "≡": r"\equiv ", "∠": r"\angle ", "△": r"\triangle ",
    "→": r"\to ", "∖": r"\setminus ", "、": ",", "。": ".", "।": ".", "،": ",", "؛": ";", "٫": ".", "٬": ",", "٪": "%",
    "￥": "¥", "＄": "$", "￡": "£", "¢": r"\text{ cents}", "≮": r"\ge ", "≯": r"\le ", "⌊": r"\lfloor ",
    "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "℃": r"^\circ C",
    "℉": r"^\circ F", "‰": r"\text{ per mille}", "∀": r"\forall ", "✓": "", "✅": "",
}  # fmt: skip
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi",
    "ϕ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda",
    "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
# The zeros of other scripts' digits, Arabic-Indic to Mongolian; the nine others follow each.
_DIGIT_BLOCKS = (0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xF20,
0x1040,
                 0x17E0, 0x1810)  # fmt: skip
_CIRCLED = frozenset("①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳")
_CIRCLED_RUN = regex("[①-⑳](?:[、,，;；和与及 ]{0,3}[①-⑳])*")
_FRACTIONS = "¼½¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒"


def _build() -> dict[int, str]:
    table = {ord(sign): text for sign, text in _SIGNS.items()}
    table |= {ord(letter): f"\\{name} " for letter, name in _GREEK.items()}
    table |= {ord(digit): f"_{{{plain}}}" for digit, plain in _SUBSCRIPTS.items()}
    for sign in _FRACTIONS:
        top, _, bottom = unicodedata.normalize("NFKC", sign).partition("\u2044")
        table[ord(sign)] = rf"\frac{{{top}}}{{{bottom}}}"
    for code in (0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000):
        table[code] = " "
    for code in range(0xFF01, 0xFF5F):  # full-width ASCII
        table.setdefault(code, chr(code - 0xFEE0))
    for code in range(0x1D400, 0x1D800):  # mathematical letters and digits
        plain = unicodedata.normalize("NFKC", chr(code))
        if plain.isascii() and code not in table:
            table[code] = plain
    for start in _DIGIT_BLOCKS:
        table |= {start + value: str(value) for value in range(10)}
    return table


_TABLE = _build()


def to_ascii(text: str) -> str:
    """Return the text with mapped characters replaced; `x²³` becomes `x^{23}`."""
    if text.isascii():
        return text
    if not _CIRCLED.isdisjoint(text):  # the statements (1) and (3) of a list, as in "①③"
        text = _CIRCLED_RUN.sub(
            lambda run: ", ".join(str(int(unicodedata.numeric(char))) for char in run[0] if char in _CIRCLED), text
        )
    if not _SUPERSCRIPTS.keys().isdisjoint(text):
        text = _join_superscripts(text)
    return text.translate(_TABLE)


def _join_superscripts(text: str) -> str:
    parts: list[str] = []
    raised: list[str] = []
    for char in text:
        plain = _SUPERSCRIPTS.get(char)
        if plain is not None:
            raised.append(plain)
            continue
        if raised:
            parts.append("^{" + "".join(raised) + "}")
            raised.clear()
        parts.append(char)
    if raised:
        parts.append("^{" + "".join(raised) + "}")
    return "".join(parts)
