"""The Pulumi program: load the stack's settings, build the platform, export what its users need."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.runtime import config as runtime_config

from infra.errors import InvalidInput
from infra.settings import SettingsError, load
from stacks.environments import defaults
from stacks.platform import build


def configuration() -> dict[str, Any]:
    """The stack's whole configuration by full key, so that a misspelt key is seen; pulumi.Config cannot list keys."""
    return {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}


def main() -> None:
    stack = pulumi.get_stack()
    try:
        settings = load(configuration(), stack=stack, defaults=defaults)
        exports = build(settings)
    except (SettingsError, InvalidInput) as error:
        raise pulumi.RunError(str(error)) from None
    for name, value in exports.items():
        pulumi.export(name, value)


main()
