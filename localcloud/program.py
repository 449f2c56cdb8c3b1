"""Runs the project's own program, `infra/__main__.py`, for one of its stacks without an engine."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from localcloud.graph import Graph
from localcloud.recorder import Backend, record

ROOT = Path(__file__).resolve().parent.parent
ENTRY = ROOT / "infra" / "__main__.py"
STACKS = ("dev", "staging", "prod", "local")

# Images that exist nowhere, so that a plan holds the pods of those that an operator builds or looks up.
EXAMPLE_IMAGE = "registry.example.com/serveml/inference@sha256:" + "0" * 64
EXAMPLE_ADAPTER_IMAGE = "registry.example.com/prometheus-adapter@sha256:" + "1" * 64
EXAMPLE_CONTROLLER_IMAGE = "registry.example.com/serveml/canary-controller@sha256:" + "2" * 64
WITHOUT_METRICS = frozenset({"dev"})
"""Stacks whose clusters have no Prometheus, which these would ask."""


def example_overrides(stack: str) -> dict[str, str]:
    """Configuration for a stack that stands in for what no file of the repository can hold."""
    images = {"serveml:image": EXAMPLE_IMAGE}
    if stack in WITHOUT_METRICS:
        return images
    asking = {"adapter_image": EXAMPLE_ADAPTER_IMAGE, "controller_image": EXAMPLE_CONTROLLER_IMAGE}
    return {**images, "serveml:observability": json.dumps(asking)}


def stack_config(stack: str, root: Path = ROOT) -> dict[str, str]:
    """What an engine hands the program: `config` of Pulumi.<stack>.yaml, objects as JSON; empty without the file."""
    path = root / f"Pulumi.{stack}.yaml"
    if not path.exists():
        return {}
    document = cast(dict[str, Any], yaml.safe_load(path.read_text()) or {})
    config = cast(dict[str, Any], document.get("config") or {})
    return {key: _as_pulumi_passes_it(value) for key, value in config.items()}


def _as_pulumi_passes_it(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def run(
    stack: str,
    backend: Backend,
    *,
    overrides: Mapping[str, str] | None = None,
    preview: bool = False,
) -> Graph:
    """Run the program for `stack` and return its graph.

    `overrides` are configuration values on top of the stack's file, as `pulumi up --config` takes them.
    Raises pulumi.RunError for settings that cannot be used, RegistrationFailed for what the backend refuses.
    """
    config = {**stack_config(stack), **(overrides or {})}
    return record(
        lambda: runpy.run_path(str(ENTRY), run_name="__main__"), backend, stack=stack, config=config, preview=preview
    )
