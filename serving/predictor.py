"""One version ready to answer: arrays in, arrays out, here or in a queue of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from contract.metadata import ModelMetadata
from contract.variants import Variant
from serving.loaded import Queue
from serving.model import Array, Model
from serving.runtime import Runtime
from serving.timing import Timing, timing_of

QueueOf = Callable[[Model, Timing], Queue | None]
"""Decides where a version runs, by what was measured; None: where it is called."""


class Predictor:
    """A model with the way it is run: without a `queue` it answers where it is called."""

    def __init__(self, model: Model, queue: Queue | None = None) -> None:
        self.name = model.metadata.name
        self.version = model.version
        self.queue = queue
        self._model = model
        self.predict: Callable[[Mapping[str, Array]], dict[str, Array]] = model.predict
        """Arrays by name in and out; raise InferenceFailed."""

    @classmethod
    def load(
        cls,
        metadata: ModelMetadata,
        path: Path,
        *,
        variant: Variant | None = None,
        runtime: Runtime | None = None,
        queue_of: QueueOf | None = None,
    ) -> Predictor:
        """Load, check, warm up and time a version's file, or that of its `variant`; raise ModelRefused."""
        model = Model.load(metadata, path, variant=variant, runtime=runtime or Runtime())
        return cls(model, queue_of(model, timing_of(model)) if queue_of is not None else None)

    @property
    def metadata(self) -> ModelMetadata:
        return self._model.metadata
