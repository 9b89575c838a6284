"""The process that asks `math-verify` about one pair per line; started and killed by `fallback.py`, never imported.

It limits its own memory and file size before it reads anything, and works in an empty directory: `math-verify` builds
expressions with SymPy, which has executed text before.
"""

from __future__ import annotations

import json
import resource
import sys


def main() -> None:
    """Answer each line `[gold, answer]` with one line: true, false, or null when the library failed."""
    memory_mib = int(sys.argv[1])
    from math_verify import parse, verify

    resource.setrlimit(resource.RLIMIT_AS, (memory_mib << 20, memory_mib << 20))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    replies, sys.stdout = sys.stdout, sys.stderr  # whatever prints must not be taken for an answer
    print("ready", file=replies, flush=True)
    for line in sys.stdin:
        gold, got = json.loads(line)
        answer: bool | None
        try:
            gold_parsed = parse(f"${gold}$", parsing_timeout=None)
            got_parsed = parse(f"${got}$", parsing_timeout=None)
            answer = bool(verify(gold_parsed, got_parsed, timeout_seconds=None)) if gold_parsed and got_parsed else None
        except Exception:  # noqa: BLE001  whatever the library raises means that it could not tell
            answer = None
        print(json.dumps(answer), file=replies, flush=True)


if __name__ == "__main__":
    main()
