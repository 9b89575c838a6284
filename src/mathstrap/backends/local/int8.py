"""Write a GGUF model once as an OpenVINO model with 8-bit weights: one scale for each row of a matrix.

openvino-genai reads a GGUF by itself, but multiplies blocks of 16 or 32 weights with a scale each at two thirds of the
speed, and matrices in F16 with three to four times the memory. One scale a row is what its fast products are made for.
The price is a second rounding: a weight moves by at most 1/254 of the largest weight of its row.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathstrap.backends.local.gguf import fingerprint, write_as, written_once

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NAME = "openvino_model"  # openvino-genai looks for this name in the folder
_ROWS_AT_ONCE = 4096  # in float32, all of a vocabulary's rows would be the largest piece of memory


def int8_model(path: Path, cache: Path | None = None) -> Path:
    """Return the folder of the model in 8 bits, written the first time; the folder holds no tokenizer.

    It takes one byte per weight; writing it takes about three bytes per weight on disk and in memory.
    Raises RuntimeError if openvino-genai cannot read the model.
    """

    def write(weights: Path) -> None:
        with tempfile.TemporaryDirectory(dir=weights.parent) as folder:
            _write(path, Path(folder))
            # The weights come last: where they are, their description is.
            (Path(folder) / f"{_NAME}.xml").replace(weights.parent / f"{_NAME}.xml")
            (Path(folder) / f"{_NAME}.bin").replace(weights)

    return written_once(path, f"{path.stem}-{fingerprint(path)}-int8/{_NAME}.bin", write, cache).parent


def _write(source: Path, folder: Path) -> None:
    import openvino
    import openvino_genai

    read = folder / "read"
    read.mkdir()
    write_as(source, read / "model.gguf", "Q8_0")
    schedule = openvino_genai.SchedulerConfig()
    schedule.cache_size = 1
    # With this property, the library writes what it read beside the file.
    openvino_genai.ContinuousBatchingPipeline(
        str(read / "model.gguf"), schedule, "CPU", {"enable_save_ov_model": True}
    )
    model = openvino.Core().read_model(read / f"{_NAME}.xml")
    for node in model.get_ordered_ops():
        blocks = _blocks(node)
        if blocks is not None:
            whole, scales = rounded_rows(*blocks)
            for consumer in node.output(0).get_target_inputs():
                consumer.replace_source_output(_product(whole, scales))
    openvino.save_model(model, folder / f"{_NAME}.xml", compress_to_fp16=False)


def _blocks(node: Any) -> tuple[NDArray[np.uint8], NDArray[np.float16]] | None:
    """Return the numbers (rows, blocks, 32) and scales (rows, blocks, 1) that end in this conversion to float32.

    None for every other operation. The chain is constant -> convert -> minus 128 -> times scale -> reshape -> convert.
    """
    names = ("Convert", "Reshape", "Multiply", "Subtract", "Convert", "Constant")
    chain = [node]
    for _ in names[1:]:
        if not chain[-1].get_input_size():
            return None
        chain.append(chain[-1].input_value(0).get_node())
    if tuple(each.get_type_name() for each in chain) != names or chain[-1].data.dtype != "uint8":
        return None
    return chain[-1].data, chain[2].input_value(1).get_node().data


def rounded_rows(
    numbers: NDArray[np.uint8], scales: NDArray[np.float16]
) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Return the weights (numbers - 128) * scales as whole numbers (rows, columns) and one scale a row (rows, 1).

    A weight moves by at most half a step, which is 1/254 of the largest weight of its row (and float16's rounding).
    """
    import numpy as np

    whole = np.empty((numbers.shape[0], numbers.shape[1] * numbers.shape[2]), np.int8)
    steps = np.empty((numbers.shape[0], 1), np.float16)
    for start in range(0, len(numbers), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        weights = ((numbers[rows].astype(np.float32) - 128) * scales[rows]).reshape(whole[rows].shape)
        step = (np.abs(weights).max(axis=1, keepdims=True) / 127).astype(np.float16)
        step[step == 0] = 1  # a row of zeros
        steps[rows] = step
        whole[rows] = np.clip(np.rint(weights / step.astype(np.float32)), -127, 127)
    return whole, steps


def _product(whole: NDArray[np.int8], scales: NDArray[np.float16]) -> Any:
    from openvino import opset13 as op

    weights = op.multiply(op.convert(op.constant(whole), "f16"), op.constant(scales))
    return op.convert(weights, "f32").output(0)
