"""Serve a GGUF file behind llama.cpp's own HTTP server, for the benches that need a real teacher on this machine.

    python bench/llama_server.py model.gguf [--port 8091] [--parallel 8] [--context 1280] [--threads 1]

It answers `/v1/chat/completions` with what the file's chat template makes of the messages. On a machine that is busy
with other work one thread does more than two: llama.cpp's threads wait for each other after every operation. Each of
the `--parallel` slots keeps the prompt it read last, so prompts that begin alike are read once a slot.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path


def main() -> None:
    """Serve until the parent process ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--parallel", type=int, default=8, help="replies at once")
    parser.add_argument("--context", type=int, default=1280, help="tokens of one prompt and its reply")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(args.model)
    params.model_alias = {args.model.stem}
    params.port = args.port
    params.n_parallel = args.parallel
    params.n_ctx = args.parallel * args.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    params.verbosity = -1
    params.warmup = False
    params.fit_params = False
    params.cache_ram_mib = 0
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1 serves {args.model.stem}", flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)


if __name__ == "__main__":
    main()
