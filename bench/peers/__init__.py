"""The servers that the container is measured against, each a module that runs in an environment of its own.

They take the path of the model from BENCH_MODEL and the port from BENCH_PORT, and listen on loopback only.
"""
