"""The image build's check: imports and opens all that the container may need, so that a wrong trim fails the build.

What it does not do is serve: that takes a bucket, and is the tests' part.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import ssl
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import boto3
import numpy as np
import onnxruntime

import contract
import serving

REGION = "us-east-1"
# Those that the container calls, and those that botocore calls for credentials.
SERVICES = ("s3", "dynamodb", "sts", "sso", "sso-oidc", "signin")

# An ONNX model whose output y is its input x, one float: a ModelProto of onnx/onnx.proto, written out since what makes
# such files is not in the image. In order: IR version, node, graph name, input, output, operator set.
IDENTITY = bytes.fromhex(
    "0808 3a38"
    "0a10 0a0178 120179 22084964656e74697479"
    "12026964"
    "5a0f 0a0178 120a 0a08 0801 1204 0a020801"
    "620f 0a0179 120a 0a08 0801 1204 0a020801"
    "4204 0a00 1011"
)


def check() -> int:
    """Raise for what is missing; how many modules were imported."""
    modules = [*_modules_of(serving), *_modules_of(contract), *_extension_modules()]
    for name in modules:
        importlib.import_module(name)
    session = boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name=REGION)
    for service in SERVICES:
        session.client(service)
    _check_certificates()
    # Through the linear algebra and the random numbers, which are libraries of their own.
    np.linalg.inv(np.random.default_rng(0).random((2, 2)))
    _check_inference()
    return len(modules)


def _modules_of(package: ModuleType) -> list[str]:
    paths, name = package.__path__, package.__name__
    found = pkgutil.walk_packages(paths, f"{name}.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def _extension_modules() -> list[str]:
    """Python's own modules in C: each needs its Debian library."""
    # Of the interpreter below the virtual environment, which has no library of its own.
    directory = Path(os.__file__).parent / "lib-dynload"
    return [path.name.partition(".")[0] for path in directory.glob("*.so")]


def _check_inference() -> None:
    question = np.ones(1, dtype=np.float32)
    session = onnxruntime.InferenceSession(IDENTITY, providers=["CPUExecutionProvider"])
    (answer,) = cast(list[Any], session.run(None, {"x": question}))
    if answer != question:
        raise ArithmeticError(f"ONNX Runtime answers {answer} for {question}")


def _check_certificates() -> None:
    """TLS to others than AWS, whose certificates botocore brings, trusts Debian's."""
    paths = ssl.get_default_verify_paths()
    directory = Path(paths.capath or paths.openssl_capath)
    if not any(directory.glob("*.0")):
        raise FileNotFoundError(f"no certificates in {directory}")


if __name__ == "__main__":
    print(f"{check()} modules can be imported")
