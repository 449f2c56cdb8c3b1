"""What rules ask of the serving pods is what these show, under the same names and labels."""

from __future__ import annotations

import re
from http import HTTPStatus
from types import SimpleNamespace
from typing import cast

from prometheus_client.parser import text_string_to_metric_families

from components.observability.rules import RULE_FILES
from components.observability.rules.model_alerts import LOOKUP_FAILURES
from components.observability.rules.promql import NO_ROUTE, SERVING
from serving import messages
from serving.cache.responses import SHARED
from serving.counting import CacheCounts, DeploymentCounts, FeatureCounts, QueueCounts, trace_report
from serving.docs import refusals
from serving.loaded import LoadedVersion
from serving.metrics import FAILED, Metrics
from serving.shadow.counts import AGREES, DIFFERS, ShadowCounts
from serving.shadow.counts import FAILED as COPY_FAILED
from serving.tracing import exporter
from tests.observability.promtool import LIMITS

# A selector's name and what it asks besides the target's own labels. Each of the server's names holds an underscore.
SELECTOR = re.compile(r"([a-z]+_[a-z_]+){" + re.escape(SERVING) + r",?([^}]*)}")
LABEL = re.compile(r'([a-z_]+)=~?"')


def shown() -> dict[str, set[str]]:
    """Labels by the name of each series of a pod that has counted one of everything."""
    metrics = Metrics()
    deployments, shadow = DeploymentCounts(metrics), ShadowCounts(metrics)
    QueueCounts(metrics)
    metrics.request("POST", "/predict", 500, 0.1)
    metrics.prediction("churn", "1.0.0", FAILED, 0.1)
    metrics.model_error("load")
    metrics.serving("churn", "1.0.0")
    deployments.revision("churn", 7)
    deployments.fallback("churn", "1.0.0")
    FeatureCounts(metrics).feature_lookup("ok", 0.1)
    CacheCounts(metrics).bypass(SHARED)
    trace_report(metrics)(exporter.DROPPED, 1)
    shadow.failed(cast(LoadedVersion, SimpleNamespace(name="churn", version="1.0.0")))
    page, _ = metrics.page()
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def expressions() -> str:
    return "\n".join(
        rule.expression for groups in RULE_FILES.values() for group in groups(LIMITS) for rule in group.rules
    )


def test_pods_show_every_series_that_is_asked_of_them() -> None:
    asked = {name for name, _ in SELECTOR.findall(expressions())}
    assert "http_requests_total" in asked
    assert asked - shown().keys() == set()


def test_series_have_the_labels_by_which_they_are_chosen() -> None:
    there = shown()
    lacking = {
        (name, label)
        for name, matchers in SELECTOR.findall(expressions())
        for label in LABEL.findall(matchers)
        if label not in there[name]
    }
    assert lacking == set()


def test_values_of_labels_are_the_servers_own_words() -> None:
    asked = expressions()
    assert NO_ROUTE == messages.NO_ROUTE
    assert f'level="{SHARED}"' in asked
    assert f'outcome="{FAILED}"' in asked
    assert f'outcome=~"{AGREES}|{DIFFERS}|{COPY_FAILED}"' in asked
    assert f'outcome=~"{exporter.FAILED}|{exporter.DROPPED}"' in asked


def test_failed_lookups_are_those_that_the_documented_answers_blame_on_the_service() -> None:
    blamed = {
        code
        for status, codes in refusals.FEATURES.items()
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR
        for code in codes
    }
    assert set(LOOKUP_FAILURES.split("|")) == blamed
