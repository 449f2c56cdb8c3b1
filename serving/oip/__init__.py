"""The Open Inference Protocol v2 over REST, with its binary tensor extension.

Specification: github.com/kserve/open-inference-protocol, `specification/protocol/inference_rest.md`; the extension:
github.com/triton-inference-server/server, `docs/protocol/extension_binary_data.md`.
"""
