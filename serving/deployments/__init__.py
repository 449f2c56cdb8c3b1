"""Following the deployment records of the models that are served: see `contract.deployment` for their shape."""
