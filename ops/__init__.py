"""The operators' commands, on boto3: what people and CI do to a running platform."""
