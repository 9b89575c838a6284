"""How many rewordings of test questions decontamination finds, and how many clean training questions it flags.

    python bench/rewordings.py --data DATA --rewordings gsmplus_testmini.jsonl

`--rewordings` is GSM-Plus (`question`, `seed_question`, `perturbation_type`), whose seeds are GSM8K's test questions.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path

from curate_data import write_result

from mathstrap.curate.decontaminate import DecontaminateOptions, TestSetIndex
from mathstrap.problems.testsets import DEFAULT, load_test_sets


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rewordings", type=Path, required=True)
    given = parser.parse_args()
    sets = load_test_sets(DEFAULT, data=given.data)
    place = {text: test_id for test_id, text in sets["gsm8k"]}
    rows = [json.loads(line) for line in given.rewordings.read_text(encoding="utf-8").splitlines()]
    train = (Path(given.data) / "gsm8k_train.jsonl").read_text(encoding="utf-8").splitlines()
    clean = [json.loads(line)["question"] for line in train]
    report: dict[str, object] = {}
    for rewordings in (False, True):
        index = TestSetIndex.build(sets, DecontaminateOptions(rewordings=rewordings))
        start = time.process_time()
        flagged = sum(bool(index.find("q", text)) for text in clean)
        seconds = time.process_time() - start
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for row in rows:
            kind, seed = row["perturbation_type"], place.get(row["seed_question"])
            matches = index.find("q", row["question"])
            hits = {match.test_id for match in matches if match.test_set == "gsm8k"}
            found[kind].update(rows=1, found=int(seed in hits))
        report["with rewordings" if rewordings else "word runs alone"] = {
            "clean": {
                "rows": len(clean), "flagged": flagged, "processor_ms_a_row": round(1000 * seconds / len(clean), 3),
            },
            "perturbed": {kind: dict(counts) for kind, counts in sorted(found.items())},
        }
    print(json.dumps(report, indent=2))
    write_result("rewordings", report)


if __name__ == "__main__":
    main()
