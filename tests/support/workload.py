"""One workload with the figures of the specification, for the tests of its manifests and of its component."""

from __future__ import annotations

from components.workload.authentication import Authentication
from components.workload.autoscaling import Scaling
from components.workload.configuration import ServerSettings
from components.workload.isolation import Neighbours
from components.workload.pods import ServingPod
from infra.capacity import ContainerSize

DIGEST = "sha256:" + "a1" * 32
IMAGE = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/inference@{DIGEST}"
POD = ServingPod(
    image=IMAGE,
    size=ContainerSize(
        cpu_request_millicores=500, cpu_limit_millicores=2000, memory_request_mib=512, memory_limit_mib=2048
    ),
    zones=3,
    drain_seconds=20,
    startup_seconds=180,
    model_cache_mib=1024,
    grpc=True,
)
SCALING = Scaling(
    replicas_min=3,
    replicas_max=20,
    available_min=2,
    cpu_percent=70,
    memory_percent=80,
    requests_per_second=100,
    scale_up_period_seconds=30,
    scale_down_period_seconds=300,
)
AUTHENTICATION = Authentication(
    keys_table="serveml-prod-api-keys",
    keys_refresh_seconds=10,
    requests_per_minute=100,
    model_requests_per_minute={},
    token_issuer=None,
)
SETTINGS = ServerSettings(
    environment="prod",
    log_level="warning",
    models_bucket="serveml-prod-euw1-models",
    deployments_table="serveml-prod-deployments",
    model_name="churn",
    model_version="latest",
    max_body_bytes=1_048_576,
    drain_seconds=20,
    refresh_seconds=30,
    keep_alive_seconds=75,
    workers=2,
    max_wait_ms=100,
    max_connections=4096,
    grpc=True,
    authentication=AUTHENTICATION,
)
NEIGHBOURS = Neighbours(load_balancer_cidrs=["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"], vpc_cidr="10.0.0.0/16")
