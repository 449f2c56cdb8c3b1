"""The serving container: loads a model version from the models bucket and answers `/predict`.

It imports `contract` and its own dependencies, and nothing of the infrastructure.
"""

VERSION = "0.1.0"

METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""Where several workers keep their metrics. The client library looks for the variable as it is imported, so it stands
here, where naming it imports nothing."""
