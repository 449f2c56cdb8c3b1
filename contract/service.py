"""What the serving container promises to whoever runs, probes or calls it."""

from __future__ import annotations

SERVICE_NAME = "inference"

HTTP_PORT = 8000
PROBE_PORT = 8001

PREDICT_PATH = "/predict"
HEALTH_PATH = "/health"
METRICS_PATH = "/metrics"

MODEL_VERSION_HEADER = "X-Model-Version"
REQUEST_ID_HEADER = "X-Request-ID"

# Environment variables of the container: the ConfigMap of the workload and the local world set them by these names.
ENV_PREFIX = "SERVEML_"
ENV_ENVIRONMENT = "SERVEML_ENVIRONMENT"
ENV_LOG_LEVEL = "SERVEML_LOG_LEVEL"
ENV_MODELS_BUCKET = "SERVEML_MODELS_BUCKET"
ENV_MODEL_NAME = "SERVEML_MODEL_NAME"
ENV_MODEL_VERSION = "SERVEML_MODEL_VERSION"
ENV_HTTP_PORT = "SERVEML_HTTP_PORT"
ENV_PROBE_PORT = "SERVEML_PROBE_PORT"
ENV_MAX_BODY_BYTES = "SERVEML_MAX_BODY_BYTES"
ENV_DRAIN_SECONDS = "SERVEML_DRAIN_SECONDS"
ENV_REFRESH_SECONDS = "SERVEML_REFRESH_SECONDS"
ENV_CACHE_DIR = "SERVEML_CACHE_DIR"
ENV_POD_NAME = "SERVEML_POD_NAME"
ENV_HOST = "SERVEML_HOST"
ENV_MAX_ROWS = "SERVEML_MAX_ROWS"
ENV_REQUEST_TIMEOUT_SECONDS = "SERVEML_REQUEST_TIMEOUT_SECONDS"
ENV_KEEP_ALIVE_SECONDS = "SERVEML_KEEP_ALIVE_SECONDS"
ENV_INFERENCE_THREADS = "SERVEML_INFERENCE_THREADS"
ENV_WORKERS = "SERVEML_WORKERS"
ENV_TRUSTED_KEYS = "SERVEML_TRUSTED_KEYS"
ENV_CACHE_BYTES = "SERVEML_CACHE_BYTES"
ENV_MODEL_MEMORY_BYTES = "SERVEML_MODEL_MEMORY_BYTES"
ENV_DOWNLOAD_THREADS = "SERVEML_DOWNLOAD_THREADS"

LATEST_VERSION = "latest"
"""In place of a version: follow the highest release in the bucket."""

CACHE_DIR = "/var/cache/serveml"
"""Where verified model files lie in the container: the one path it writes to besides /tmp."""

# A pod that is told to stop answers for the drain, then finishes what is in flight: its termination grace period
# must be longer than both together.
DRAIN_SECONDS = 20
REQUEST_TIMEOUT_SECONDS = 30
