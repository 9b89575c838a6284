#!/bin/bash
# What a GPU shows, in one go: `bash scripts/gpu.sh` on a machine with one, `bash scripts/gpu.sh rehearse` on a CPU.
# Results go to $OUT (./gpu-results); every part has its own limit in seconds, so that one that hangs costs no other.
set -u
cd "$(dirname "$0")/.." || exit 2
OUT=${OUT:-gpu-results}
mkdir -p "$OUT"
part() { # name, seconds, command
    local name=$1 seconds=$2
    shift 2
    echo "== $name"
    timeout "$seconds" "$@" >"$OUT/$name.log" 2>&1
    echo "$name: rc $?" | tee -a "$OUT/summary.txt"
    tail -3 "$OUT/$name.log"
}
if [ "${1:-}" = rehearse ]; then
    # The same parts, as small as a CPU takes: what is wrong with a command or a path shows here.
    part families 600 python -m pytest -q tests/train/test_families.py -k "share_a_row or qwen2.5-base"
    part mfu 300 python bench/mfu.py --shape tiny --steps 3 --batch 4 --length 64 --out "$OUT/mfu.json"
    exit
fi
part gpu-tests 240 python -m pytest -q -m gpu tests/train/test_gpu.py
part mfu-1b 120 python bench/mfu.py --shape 1b --compile --steps 10 --out "$OUT/mfu-1b.json"
part mfu-7b 150 python bench/mfu.py --shape 7b --compile --steps 4 --batch 32 --out "$OUT/mfu-7b.json"
part families 120 python -m pytest -q tests/train/test_families.py -k "share_a_row or qwen2.5-base"
part vllm 240 python bench/vllm_teacher.py gpu
