# pyright: basic, reportMissingImports=false
# Runs in an environment of its own, which the type checker does not see.
"""BentoML: one service with a worker for each core."""

# Annotations stay objects here: BentoML reads them when it makes the API's schema.
import bentoml

from bench.peers import session


@bentoml.service(workers=session.WORKERS)
class Diagnosis:
    def __init__(self) -> None:
        self._session = session.load()

    @bentoml.api
    async def predict(self, instances: list[list[float]]) -> dict:
        label, probabilities = session.run(self._session, instances)
        return {"label": label, "probabilities": probabilities}
