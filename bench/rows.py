"""What a request costs without any server: its JSON to arrays, the model, and arrays to JSON, in microseconds.

`python -m bench.rows`. Beside ours stands what `bench.peers.floor` does, which checks nothing. The cases take turns and
the best time of each counts, so that whatever else the machine does meanwhile falls on all alike.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from timeit import timeit
from typing import Any, cast

import msgspec
import numpy as np
import onnxruntime

from contract.objects import Version
from ops import demo_model
from serving.model import Array, Model
from serving.wire import RowFormat

ROWS = (1, 32)
ROUNDS = 300
# For each case and round, about: long enough to count, short enough that many rounds find a quiet moment.
ROUND_SECONDS = 0.002


class _Body(msgspec.Struct):
    instances: list[list[float]]


def main() -> None:
    trained = demo_model.train(Version(1, 0, 0))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.onnx")
        path.write_bytes(trained.onnx)
        model = Model.load(trained.metadata, path)
        session = cast(Any, onnxruntime.InferenceSession(str(path), _one_thread(), providers=["CPUExecutionProvider"]))
    ours = RowFormat(trained.metadata, max_rows=max(ROWS))
    for count in ROWS:
        best = _best(_cases(ours, model, session, trained.metadata.feature_names or (), trained.holdout_rows[:count]))
        print(f"rows: {count}")
        for case, seconds in best.items():
            print(f"  {case:24}{seconds * 1e6:8.2f} µs")
        ratio = (best["read"] + best["write"]) / (best["read, floor"] + best["write, floor"])
        print(f"  read and write take {ratio:.2f} of the floor's time")


def _cases(
    ours: RowFormat, model: Model, session: Any, names: Sequence[str], rows: list[list[float]]
) -> dict[str, Callable[[], object]]:
    body = json.dumps({"instances": rows}).encode()
    named = json.dumps({"instances": [dict(zip(names, row, strict=True)) for row in rows]}).encode()
    decode, encode = msgspec.json.Decoder(_Body).decode, msgspec.json.Encoder().encode
    inputs = cast(Mapping[str, Array], ours.read(body))
    outputs = model.predict(inputs)
    return {
        "read": lambda: ours.read(body),
        "read, columns by name": lambda: ours.read(named),
        "read, floor": lambda: np.asarray(decode(body).instances, dtype=np.float32),
        "model": lambda: model.predict(inputs),
        "model, session.run": lambda: session.run(list(outputs), inputs),
        "write": lambda: ours.write(outputs),
        "write, floor": lambda: encode({name: array.tolist() for name, array in outputs.items()}),
    }


def _one_thread() -> Any:
    options = cast(Any, onnxruntime).SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options


def _best(cases: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of one call of each."""
    calls = {name: max(1, int(ROUND_SECONDS / timeit(case, number=10) * 10)) for name, case in cases.items()}
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(ROUNDS):
        for name, case in cases.items():
            best[name] = min(best[name], timeit(case, number=calls[name]) / calls[name])
    return best


if __name__ == "__main__":
    main()
