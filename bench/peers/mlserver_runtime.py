# pyright: basic, reportMissingImports=false
# Runs in an environment of its own, which the type checker does not see.
"""MLServer: a custom runtime, as its documentation writes one, on the Open Inference Protocol."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from bench.peers import session


class Diagnosis(MLModel):
    async def load(self) -> bool:
        self._session = session.load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        outputs = self._session.run(session.OUTPUTS, {session.INPUT: rows})
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                NumpyCodec.encode_output(name, values) for name, values in zip(session.OUTPUTS, outputs, strict=True)
            ],
        )
