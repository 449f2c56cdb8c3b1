"""The image build's check: imports and opens all that the controller may need, so that a wrong trim fails the build."""

from __future__ import annotations

import importlib
import os
import ssl
import sys
from pathlib import Path

import boto3

from ops.image.services import SERVICES

REGION = "us-east-1"
PROGRAM = "ops.canary.__main__"


def check() -> int:
    """Raise for what is missing; how many of our modules were imported."""
    # Imports all of its parts, and runs nothing: it is no main module here.
    importlib.import_module(PROGRAM)
    # Python's own modules in C, of the interpreter below the virtual environment: each needs its Debian library.
    for path in (Path(os.__file__).parent / "lib-dynload").glob("*.so"):
        importlib.import_module(path.name.partition(".")[0])
    session = boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name=REGION)
    for service in SERVICES:
        session.client(service)  # pyright: ignore[reportArgumentType, reportCallIssue]
    # TLS to others than AWS, whose certificates botocore brings, trusts Debian's.
    paths = ssl.get_default_verify_paths()
    directory = Path(paths.capath or paths.openssl_capath)
    if not any(directory.glob("*.0")):
        raise FileNotFoundError(f"no certificates in {directory}")
    return sum(name.partition(".")[0] in ("ops", "contract") for name in sys.modules)


if __name__ == "__main__":
    print(f"{check()} modules can be imported")
