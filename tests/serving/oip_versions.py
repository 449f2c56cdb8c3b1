"""Loaded versions that answer what they were sent, and requests to them as bytes on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from contract.metadata import ModelMetadata, TensorSpec
from contract.objects import Version
from serving.access.entrance import Entrance
from serving.answering import Answering
from serving.deployments.routing import Routing
from serving.errors import error_body
from serving.loaded import LoadedVersion
from serving.messages import Refused, Request, Response
from serving.model import Array, InferenceFailed
from serving.oip.routes import oip_routes

MAX_ROWS = 10


def spec(name: str, datatype: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def metadata_of(
    *inputs: TensorSpec, outputs: tuple[TensorSpec, ...] | None = None, name: str = "echo", version: str = "1.0.0"
) -> ModelMetadata:
    """An output for each input, unless others are given."""
    echoed = tuple(TensorSpec(name=f"same_{i.name}", datatype=i.datatype, shape=i.shape) for i in inputs)
    return ModelMetadata(
        name=name,
        version=Version.parse(version),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        framework="none",
        inputs=inputs,
        outputs=outputs or echoed,
    )


class Echo:
    """Answers each input as the output of its name, and remembers what it was given."""

    def __init__(self, metadata: ModelMetadata) -> None:
        self.metadata = metadata
        self.name = metadata.name
        self.version = str(metadata.version)
        self.queue = None
        self.given: dict[str, Array] = {}
        self.broken = False

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self.broken:
            raise InferenceFailed("ONNX Runtime raised Fail")
        self.given = dict(inputs)
        return {f"same_{name}": array for name, array in inputs.items()}


class Loaded:
    """What is loaded; without a version the last one of the name answers."""

    def __init__(self, *versions: LoadedVersion) -> None:
        self.versions = list(versions)
        self.missing: Sequence[str] = ()
        self.routings: Mapping[str, Routing] = {}

    @property
    def default(self) -> str:
        return self.versions[0].name

    def find(self, name: str, version: str | None = None) -> LoadedVersion | None:
        fitting = [v for v in self.versions if v.name == name and version in (None, v.version)]
        return fitting[-1] if fitting else None

    def loaded(self) -> Sequence[LoadedVersion]:
        return self.versions


class Counted:
    """The predictions and errors that were counted."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.errors: list[str] = []

    def prediction(self, model: str, version: str, outcome: str, seconds: float, trace_id: str | None = None) -> None:
        assert seconds >= 0
        self.outcomes.append((version, outcome))

    def model_error(self, error_type: str) -> None:
        self.errors.append(error_type)


class Server:
    """The routes, called as the engine calls them."""

    def __init__(self, *versions: LoadedVersion, ready: Callable[[], bool] = lambda: True) -> None:
        self.models = Loaded(*versions)
        self.counted = Counted()
        answering = Answering(self.models, Entrance(None, lambda _: 0.0, max_wait_seconds=1.0), self.counted)
        self._routes = oip_routes(answering, "0.1.0", max_rows=MAX_ROWS, ready=ready)

    def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[bytes, bytes] | None = None,
        name: str | None = None,
        version: str | None = None,
    ) -> Response:
        """`path` as the routes spell it, and the parts that it names."""
        request = Request(method, path, dict(headers or {}), body)
        parts = {"name": name, "version": version}
        request.parameters = {part: value for part, value in parts.items() if value is not None}
        self.last = request
        try:
            response = self._routes[path][method](request)
        except Refused as refused:
            return Response(refused.status, error_body(request, refused), refused.headers)
        assert isinstance(response, Response)
        return response

    def get(self, path: str, *, name: str | None = None, version: str | None = None) -> Any:
        response = self.call("GET", path, name=name, version=version)
        return response.status, json.loads(response.body)

    def infer(self, document: Any, *binary: bytes, headers: Mapping[bytes, bytes] | None = None) -> Response:
        """Infer with the last version of the first model; a document of bytes goes as it is."""
        head = document if isinstance(document, bytes) else json.dumps(document).encode()
        declared = {b"inference-header-content-length": str(len(head)).encode()} if binary else {}
        return self.call(
            "POST",
            "/v2/models/{name}/infer",
            head + b"".join(binary),
            {**declared, **(headers or {})},
            name=self.models.versions[0].name,
        )


def error_of(response: Response) -> tuple[int, str]:
    document = json.loads(response.body)
    assert list(document) == ["error"]
    assert isinstance(document["error"], str)
    return response.status, document["error"]


def tensor(name: str, datatype: str, shape: Sequence[int], data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": data}


def binary_tensor(name: str, datatype: str, shape: Sequence[int], size: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape), "parameters": {"binary_data_size": size}}


def tensors_of(response: Response) -> dict[str, Array]:
    """The outputs of an answer by name, as a client reads them off its JSON and the bytes behind it."""
    assert response.status == 200, response.body
    length = dict(response.headers).get(b"inference-header-content-length")
    end = len(response.body) if length is None else int(length)
    rest = response.body[end:]
    tensors: dict[str, Array] = {}
    for output in json.loads(response.body[:end])["outputs"]:
        if "data" in output:
            values = np.array(output["data"], dtype=dtype(output["datatype"]))
        else:
            size = output["parameters"]["binary_data_size"]
            values, rest = raw_values(rest[:size], output["datatype"]), rest[size:]
        tensors[output["name"]] = values.reshape(output["shape"])
    assert rest == b""
    return tensors


def dtype(datatype: str) -> np.dtype[Any]:
    """Spelt out from the protocol's table, not taken from what is tested."""
    return np.dtype(
        {"BOOL": "?", "BYTES": "O", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}.get(datatype)
        or f"<{'u' if datatype[0] == 'U' else 'i'}{int(datatype.lstrip('UINT')) // 8}"
    )


def raw(values: Any, datatype: str) -> bytes:
    if datatype != "BYTES":
        return np.asarray(values, dtype=dtype(datatype)).tobytes()
    texts = [text.encode() for text in np.asarray(values, dtype=object).ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def raw_values(data: bytes, datatype: str) -> Array:
    if datatype != "BYTES":
        return np.frombuffer(data, dtype=dtype(datatype))
    texts: list[str] = []
    while data:
        end = 4 + int.from_bytes(data[:4], "little")
        texts.append(data[4:end].decode())
        data = data[end:]
    return np.array(texts, dtype=object)
