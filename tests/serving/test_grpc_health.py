"""Health and reflection over gRPC: what is told, and to whom it is told again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from serving.rpc.protocol import SERVICE
from tests.serving.oip_versions import Echo
from tests.serving.rpc_server import ECHO, PATIENCE_SECONDS, RpcServing


@pytest.fixture
def serving() -> Iterator[RpcServing]:
    with RpcServing(Echo(ECHO)) as started:
        yield started


def health(serving: RpcServing) -> Any:
    return health_pb2_grpc.HealthStub(serving.channel)


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_says_for_the_server_and_the_service_whether_calls_may_come(serving: RpcServing, service: str) -> None:
    asked = health_pb2.HealthCheckRequest(service=service)
    assert health(serving).Check(asked).status == health_pb2.HealthCheckResponse.SERVING
    serving.ready = False
    assert health(serving).Check(asked).status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_health_knows_no_other_service(serving: RpcServing) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        health(serving).Check(health_pb2.HealthCheckRequest(service="other"))
    refused: Any = caught.value
    assert refused.code() is grpc.StatusCode.NOT_FOUND
    watched = health(serving).Watch(health_pb2.HealthCheckRequest(service="other"), timeout=PATIENCE_SECONDS)
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watched.cancel()


def test_who_watches_health_is_told_of_each_change(serving: RpcServing) -> None:
    watched = health(serving).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS)
    told = [next(watched).status]
    serving.ready = False
    told.append(next(watched).status)
    serving.ready = True
    told.append(next(watched).status)
    watched.cancel()
    serving_, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    assert told == [serving_, not_serving, serving_]


def test_reflection_lists_the_services_and_describes_their_calls(serving: RpcServing) -> None:
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
    ]
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(serving.channel)
    listed, described = stub.ServerReflectionInfo(iter(asked), timeout=PATIENCE_SECONDS)
    assert {service.name for service in listed.list_services_response.service} == {
        SERVICE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert b"ModelInferRequest" in described.file_descriptor_response.file_descriptor_proto[0]
