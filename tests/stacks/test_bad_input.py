"""What a user gets wrong costs one clear message, an exit code that is not zero, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from localcloud.program import ROOT, run
from localcloud.recorder import Created, Registration
from localcloud.synthetic import Synthetic

pytestmark = pytest.mark.xdist_group("bad-input")


class Untouched:
    """A backend that counts what reaches it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._synthetic = Synthetic()

    def create(self, registration: Registration) -> Created:
        self.calls.append(registration.urn)
        return self._synthetic.create(registration)

    def invoke(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        self.calls.append(token)
        return self._synthetic.invoke(token, args)


MISTAKES = {
    "a misspelt key": ("prod", {"serveml:residencey": "eu"}, "did you mean 'residency'?"),
    "overlapping ranges": (
        "prod",
        {"serveml:network": json.dumps({"secondary_cidr": "10.0.0.0/16"})},
        "10.0.0.0/16 overlaps network.primary_cidr 10.0.0.0/16",
    ),
    "an image by tag": ("prod", {"serveml:image": "inference:latest"}, "by digest, never by tag"),
    "prod with one region": ("prod", {"serveml:secondary_region": "false"}, "prod runs in two regions"),
    "prod that lets everybody call": (
        "prod",
        {"serveml:access": json.dumps({"authentication": "off"})},
        "serveml:access.authentication: 'off' was given; only dev and local",
    ),
    "a residency that is not there": ("dev", {"serveml:residency": "moon"}, "'us', 'eu' or 'apac'"),
    "an over-long name": ("prod", {"serveml:project": "a" * 30}, "AWS allows 32; shorten project by"),
    "a stack without settings": ("nosuch", {}, "create Pulumi.nosuch.yaml"),
    "a zone count that is not there": ("dev", {"serveml:network": json.dumps({"zones": 9})}, "network.zones"),
    "an add-on that is not pinned": (
        "dev",
        {"serveml:cluster": json.dumps({"addon_versions": {"metrics-server": "latest"}})},
        "addon_versions",
    ),
    "a session as administrator": (
        "dev",
        {"serveml:cluster": json.dumps({"admin_principal_arns": ["arn:aws:sts::123456789012:assumed-role/a/b"]})},
        "admin_principal_arns",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_message_before_anything_is_registered(mistake: str) -> None:
    stack, config, said = MISTAKES[mistake]
    backend = Untouched()
    with pytest.raises(pulumi.RunError) as error:
        run(stack, backend, overrides=config)
    message = str(error.value)
    assert said in message
    assert message.startswith(f"stack '{stack}' has ")
    assert "in its settings; nothing was changed:" in message
    assert backend.calls == []


def test_a_region_with_too_few_zones_is_one_message_too() -> None:
    class Narrow(Synthetic):
        def invoke(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
            answer = super().invoke(token, args)
            return {"names": answer["names"][:2]} if token.endswith("getAvailabilityZones") else answer

    with pytest.raises(pulumi.RunError, match=r"offers 2 availability zones .* lower serveml:network\.zones"):
        run("dev", Narrow())


def plan(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localcloud.plan", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_the_plan_command_shows_the_message_without_a_traceback_and_writes_nothing(tmp_path: Path) -> None:
    result = plan("--check", "--stack", "prod", "--config", "residency=moon", "--golden", str(tmp_path))
    assert result.returncode == 1
    assert "'moon' was given; input should be 'us', 'eu' or 'apac'" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_the_plan_command_refuses_to_write_what_was_only_tried_out() -> None:
    result = plan("--stack", "dev", "--config", "owner=me")
    assert result.returncode == 2
    assert "--check" in result.stderr
