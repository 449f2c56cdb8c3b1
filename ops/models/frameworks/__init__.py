"""The libraries whose models are taken: opened, converted to ONNX and held against the original, in a process apart."""
