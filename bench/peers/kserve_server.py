# pyright: basic, reportMissingImports=false
# Runs in an environment of its own, which the type checker does not see.
"""KServe's SDK: a custom model on its model server, the v1 protocol, a worker process for each core."""

from __future__ import annotations

import functools
from typing import Any

import kserve
import uvicorn

from bench.peers import session

NAME = "diagnosis"


@functools.cache
def _session() -> Any:
    # In the worker: the model is sent there pickled, and a session cannot be.
    return session.load()


class Diagnosis(kserve.Model):
    def load(self) -> bool:
        self.ready = True
        return True

    async def predict(self, payload: dict, headers: object = None, response_headers: object = None) -> dict:
        label, probabilities = session.run(_session(), payload["instances"])
        return {"predictions": label, "probabilities": probabilities}


def _listen_on_loopback() -> None:
    """KServe writes the address 0.0.0.0 itself and takes no other."""
    original = uvicorn.Config.__init__

    @functools.wraps(original)
    def init(self: uvicorn.Config, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.host = session.HOST

    uvicorn.Config.__init__ = init


if __name__ == "__main__":
    _listen_on_loopback()
    model = Diagnosis(NAME)
    model.load()
    kserve.ModelServer(
        http_port=session.PORT, workers=session.WORKERS, enable_grpc=False, access_log_format=None
    ).start([model])
