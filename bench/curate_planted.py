"""Plant every defect in a known number of rows and print how many the audit finds.

python bench/curate_planted.py --data DATA
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

from curate_data import write_result

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from planted_defects import plant, score_planted


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rng-seeds", type=int, nargs="*", default=[1, 2, 3])
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {}
    for rng_seed in arguments.rng_seeds:
        made = plant(arguments.data, rng_seed=rng_seed)
        with tempfile.TemporaryDirectory() as folder:
            for score in score_planted(made, Path(folder)):
                rows.setdefault(score.defect, []).append(dataclasses.asdict(score))
    print("| defect | planted | found | precision | recall |\n| --- | ---: | ---: | ---: | ---: |")
    for defect, scores in rows.items():
        planted, found = (int(sum(score[name] for score in scores)) for name in ("planted", "found"))
        precision, recall = (sum(score[name] for score in scores) / len(scores) for name in ("precision", "recall"))
        print(f"| `{defect}` | {planted} | {found} | {precision:.3f} | {recall:.3f} |")
    write_result("curate_planted", {"num_rows": len(made.rows), "defects": rows})


if __name__ == "__main__":
    main()
