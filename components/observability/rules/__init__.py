"""Prometheus' rules: what is computed ahead for dashboards, and what wakes or informs the engineer on call."""

from components.observability.rules.catalogue import RULE_FILES, alerts, manifests
from components.observability.rules.component import Rules, RulesArgs
from components.observability.rules.limits import Limits

__all__ = ["RULE_FILES", "Limits", "Rules", "RulesArgs", "alerts", "manifests"]
