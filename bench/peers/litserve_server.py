# pyright: basic, reportMissingImports=false
# Runs in an environment of its own, which the type checker does not see.
"""LitServe: an API of its four hooks, a worker and an API server for each core."""

from __future__ import annotations

import litserve

from bench.peers import session


class Diagnosis(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self._session = session.load()

    def decode_request(self, request: dict) -> list[list[float]]:
        return request["instances"]

    def predict(self, x: list[list[float]]) -> tuple[list[int], list[list[float]]]:
        return session.run(self._session, x)

    def encode_response(self, output: tuple[list[int], list[list[float]]]) -> dict:
        return {"label": output[0], "probabilities": output[1]}


if __name__ == "__main__":
    server = litserve.LitServer(Diagnosis(), accelerator="cpu", workers_per_device=session.WORKERS)
    server.run(
        host=session.HOST,
        port=session.PORT,
        num_api_servers=session.WORKERS,
        log_level="warning",
        generate_client_file=False,
    )
