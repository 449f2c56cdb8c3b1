"""The Open Inference Protocol v2 over gRPC, with Triton's calls for streams and the repository, health and reflection.

Specification: github.com/kserve/open-inference-protocol, `specification/protocol/inference_grpc.md`. Nothing outside
this package imports gRPC, and within it `opening` and `settings` do not: it is loaded where it is served, in a worker
and never before the fork, which gRPC does not survive.

`open_inference_pb2.py` and its types are generated, from the repository's root:
`uvx --from grpcio-tools==1.81.1 python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. serving/rpc/*.proto`
"""
