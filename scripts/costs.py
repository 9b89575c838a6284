"""Write the cost table of docs/choose-teacher.md from dry runs of the starter recipe on the bundled word problems.

    python scripts/costs.py            # writes the table; --check only says whether it differs

Prices change with each release of genai-prices, so the page is made with the pinned one.
"""

from __future__ import annotations

import re
import sys

from pages import ROOT, write

from mathstrap.engine.thinkers import THINKER_MAX_TOKENS
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.preview import preview
from mathstrap.recipe import load_recipe

PAGE = ROOT / "docs" / "choose-teacher.md"
# Those that think get the limits `mathstrap init --teacher` writes for them, and no word about thinking.
CHATS = ["gpt-6-luna", "mistral-small-2603", "gemini-3.5-flash-lite", "gpt-4.1-mini"]
THINKERS = ["gpt-oss-120b", "gpt-6-luna", "deepseek-v4-flash"]
BLOCK = re.compile(r"(<!-- made by scripts/costs.py -->\n).*?(<!-- end -->)", re.DOTALL)


def table() -> str:
    """Return the rows: expected and most for the bundled problems, expected for a thousand questions."""
    lines = [
        "| model | thinks | expected | at most | 1,000 such questions |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for model, thinks in [*((model, False) for model in CHATS), *((model, True) for model in THINKERS)]:
        changes = ["seeds.source=bundled:gsm8k", f"teacher.model={model}"]
        for stage in ("rewriting", "solving"):
            if thinks:
                changes += [f"{stage}.max_tokens={THINKER_MAX_TOKENS}", f"{stage}.reasoning_effort="]
        found = preview(load_recipe(RunRecipe, "starter", changes))
        assert found.usd_expected is not None, f"genai-prices knows no {model}"
        assert found.usd_most is not None, f"genai-prices knows no {model}"
        thousand = found.usd_expected / found.num_seeds * 1000
        mark = "yes" if thinks else "no"
        lines.append(f"| `{model}` | {mark} | ${found.usd_expected:.2f} | ${found.usd_most:.2f} | ${thousand:.2f} |")
    return "\n".join(lines) + "\n"


def made_page(text: str) -> str:
    """Return the page with its table made anew."""
    return BLOCK.sub(lambda match: f"{match[1]}{table()}{match[2]}", text)


if __name__ == "__main__":
    sys.exit(write({PAGE: made_page(PAGE.read_text(encoding="utf-8"))}))
