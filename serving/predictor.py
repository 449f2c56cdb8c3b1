"""One version ready to answer: the body of a request in, the body of its answer out.

Inference runs where it is called. A row takes microseconds, and the limit on rows bounds how long one request holds the
event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from contract.metadata import ModelMetadata
from serving.model import Array, Model
from serving.wire import RowFormat


class Predictor:
    """Joins a model to the format of its rows."""

    def __init__(self, model: Model, rows: RowFormat) -> None:
        self.name = model.metadata.name
        self.version = model.version
        self._model = model
        self._rows = rows
        self._input = model.metadata.inputs[0].name

    @classmethod
    def load(cls, metadata: ModelMetadata, path: Path, *, threads: int, max_rows: int) -> Predictor:
        """Raise ModelRefused for a model that cannot be served by rows."""
        rows = RowFormat(metadata, max_rows=max_rows)
        return cls(Model.load(metadata, path, threads=threads), rows)

    @property
    def metadata(self) -> ModelMetadata:
        return self._model.metadata

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Arrays in, arrays out; raise InferenceFailed."""
        return self._model.predict(inputs)

    def answer(self, body: bytes) -> bytes:
        """Raise InvalidRequest for what the client can mend, InferenceFailed for what it cannot."""
        array = self._rows.read(body)
        return self._rows.write(self._model.predict({self._input: array}))
