"""Typed settings of a stack: one definition of each, every error reported at once.

`model` and `sections` say what can be set, `checks` which combinations make sense, `load` reads a stack's
configuration over its environment's defaults, `reference` writes the table and the schema that editors use.
"""

from infra.settings.errors import SettingsError
from infra.settings.load import load
from infra.settings.model import Environment, Settings

__all__ = ["Environment", "Settings", "SettingsError", "load"]
