"""Print lm-evaluation-harness's own verdicts on replies; run by the Python that has it, a JSON line each.

Reads {"style", "text", "gold", "solution"} from standard input. Its filters, metric and normalisation come from its own
task files; nothing of it is rewritten here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    import lm_eval
    import yaml
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters import build_filter_ensemble
    from lm_eval.tasks.hendrycks_math import utils as hendrycks

    tasks = Path(lm_eval.__file__).parent / "tasks"
    config = yaml.safe_load((tasks / "gsm8k" / "gsm8k.yaml").read_text())
    metric = config["metric_list"][0]
    options = {key: metric[key] for key in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")}
    filters = {}
    for entry in config["filter_list"]:
        steps = [[step["function"], {k: v for k, v in step.items() if k != "function"}] for step in entry["filter"]]
        filters[entry["name"]] = build_filter_ensemble(entry["name"], steps)
    for line in sys.stdin:
        row = json.loads(line)
        if row["style"] == "math":
            found = hendrycks.process_results({"solution": f"\\boxed{{{row['gold']}}}"}, [row["text"]])
            print(json.dumps({"hendrycks_math": bool(found["exact_match"])}))
            continue
        verdicts = {}
        for name, ensemble in filters.items():
            answers = [[row["text"]]]
            for step in ensemble.filters:
                answers = list(step().apply(answers, [{}]))
            answer = answers[0] if isinstance(answers[0], str) else answers[0][0]
            target = f"{row['solution']}\n#### {row['gold']}"
            score = exact_match_hf_evaluate(predictions=[answer], references=[target], **options)
            verdicts[name] = bool(score["exact_match"])
        print(json.dumps(verdicts))


if __name__ == "__main__":
    main()
