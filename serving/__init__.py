"""The serving container: loads a model version from the models bucket and answers `/predict`.

It imports `contract` and its own dependencies, and nothing of the infrastructure.
"""

VERSION = "0.1.0"
