"""Compare what the audit flags in answers with people's labels (MathClean): recall, false alarms, equations read.

python bench/audit_labels.py --data DATA
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from curate_data import write_result

from mathstrap.audit.check import Facts, check_row, read_row
from mathstrap.audit.compare import CHECKER
from mathstrap.problems.columns import find_columns
from mathstrap.steps.algebra import num_equations

FILES = ("answers_simple.jsonl", "wrong_answers_challenging.jsonl")


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    for name in FILES:
        lines = (arguments.data / "mathclean" / name).read_text(encoding="utf-8").splitlines()
        for number, row in enumerate(map(json.loads, lines)):
            facts = Facts(columns=find_columns(row, {"query": "question", "response": "answer"}, where=name))
            audited = read_row(number, row, facts)
            assert not isinstance(audited, str), audited
            is_flagged = any(finding.defect in CHECKER for finding in check_row(audited, facts).findings)
            is_computing = (row["type"] or "").startswith("computing")
            kind = "sound" if row["extent"] == "no error" else "computing error" if is_computing else "other error"
            half = "odd" if number % 2 else "even"
            has_calculation = audited.reasoning.num_calculations > 0
            for part in (kind, f"{kind}, {half} rows"):
                counts[part] += 1
                counts[f"{part}, flagged"] += is_flagged
            counts["answers"] += 1
            counts["answers with a calculation read"] += has_calculation
            counts["answers with any equation read"] += has_calculation or num_equations(audited.response) > 0
    for name, count in sorted(counts.items()):
        print(f"{name}: {count}")
    write_result("audit_labels", {"counts": dict(sorted(counts.items()))})


if __name__ == "__main__":
    main()
