#!/bin/bash
# What a GPU shows, in one go: `bash scripts/gpu.sh` on a machine with one, `bash scripts/gpu.sh rehearse` on a CPU.
# Results go to $OUT (./gpu-results); every part has its own limit in seconds, fifteen minutes in all, so that one that
# hangs costs no other. The last two parts need vLLM in the environment.
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
    part mfu 300 python bench/mfu.py --shape tiny --steps 3 --batch 4 --length 128 --out "$OUT/mfu.json"
    part qlora 300 python bench/mfu.py --shape tiny --method qlora --steps 3 --batch 4 --length 128 --out "$OUT/qlora.json"
    exit
fi
part gpu-tests 180 python -m pytest -q -m gpu tests/train/test_gpu.py
part mfu-1b 90 python bench/mfu.py --shape 1b --compile --steps 10 --out "$OUT/mfu-1b.json"
part mfu-7b 110 python bench/mfu.py --shape 7b --compile --steps 4 --batch 32 --out "$OUT/mfu-7b.json"
part qlora-70b 200 python bench/mfu.py --shape 70b --method qlora --steps 3 --warm 1 --batch 16 --out "$OUT/qlora-70b.json"
part families 60 python -m pytest -q tests/train/test_families.py -k "share_a_row or qwen2.5-base"
part vllm 150 python bench/vllm_teacher.py gpu
part vllm-killed 90 python -m pytest -q -m slow tests/backends/test_vllm.py -k killed
