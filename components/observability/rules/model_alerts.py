"""Alerts on models: versions that are refused or fail, records that are not followed, and what the models need."""

from __future__ import annotations

from components.observability.rules.limits import Limits
from components.observability.rules.promql import (
    HOUR,
    IN_SERVING,
    MINUTE,
    RATE,
    RATE_SECONDS,
    ratio,
    rose,
    serving,
    share,
)
from components.observability.rules.rule import Alert, Group, duration

REFUSED_WINDOW_SECONDS = HOUR
"""A version is refused once and remembered: the alert stands for this long after."""
STORE_FAILURES = 5
"""In ten minutes, of the twenty looks at the bucket that a worker takes by default."""
RECORD_FAILURES = 10
"""In five minutes, in which a worker reads its records some 150 times, or 30 times where it waits for each."""
REPORT_FAILURES = 5
"""In ten minutes, in which a worker reports some 30 times."""
LOOKUP_FAILURES = "features_unavailable|features_overloaded|feature_unreadable"
"""Outcomes that are the feature store's fault. The others are the caller's: features that are missing or too old."""


def model_alerts(limits: Limits) -> list[Group]:
    return [
        Group(name="serveml-versions-alerts", rules=_versions(limits)),
        Group(name="serveml-deployments-alerts", rules=_deployments()),
        Group(name="serveml-dependencies-alerts", rules=_dependencies(limits)),
    ]


def _versions(limits: Limits) -> list[Alert]:
    window = duration(REFUSED_WINDOW_SECONDS)

    def refused(kinds: str) -> str:
        errors = serving("model_errors_total", f'error_type=~"{kinds}"')
        return f"sum by (namespace, pod, error_type) ({rose(errors, window)})"

    store = serving("model_errors_total", 'error_type="store"')
    return [
        Alert(
            name="ModelVersionCorrupt",
            expression=refused("corrupt"),
            severity="critical",
            for_seconds=0,
            page="model-version-corrupt",
            summary="A model version's signature or checksums are wrong",
            description=f"{{{{ $labels.pod }}}} refused versions in the last {window} ({{{{ $value | humanize }}}}), "
            "because their files are not those that were signed. What was served before is served still.",
        ),
        Alert(
            name="ModelVersionRefused",
            expression=refused("load|memory|disk|missing"),
            severity="warning",
            for_seconds=0,
            page="model-version-refused",
            summary="A model version cannot be served",
            description=f"{{{{ $labels.pod }}}} refused versions in the last {window} ({{{{ $value | humanize }}}}, "
            "{{ $labels.error_type }}). What was served before is served still.",
        ),
        Alert(
            name="ModelStoreUnreachable",
            expression=f"sum by (namespace, pod) (increase({store}[10m])) > {STORE_FAILURES}",
            severity="warning",
            for_seconds=5 * MINUTE,
            page="model-store-unreachable",
            summary="A serving pod cannot reach the bucket of models",
            description="{{ $labels.pod }} failed to look at the bucket {{ $value | humanize }} times in ten minutes. "
            "It serves what it holds; a pod that starts serves what is on its disk, or nothing.",
        ),
        Alert(
            name="ModelPredictionsFailing",
            expression="model_version:model_predictions_failed:ratio5m > "
            f"{share(limits.failed_predictions_percent)}\n"
            f"and model_version:model_predictions:rate5m * {RATE_SECONDS} >= {limits.requests_min}",
            severity="warning",
            for_seconds=5 * MINUTE,
            page="model-predictions-failing",
            labels=IN_SERVING,
            summary=f"More than {limits.failed_predictions_percent:g}% of a version's predictions fail",
            description="{{ $labels.model }} {{ $labels.model_version }} could not answer "
            "{{ $value | humanizePercentage }} of its requests in the last five minutes.",
        ),
        Alert(
            name="ModelShadowDiffers",
            expression="model_version:model_shadow_differing:ratio30m > "
            f"{share(limits.shadow_differing_percent)}\n"
            f"and model_version:model_shadow:increase30m >= {limits.shadow_compared_min}",
            severity="warning",
            for_seconds=5 * MINUTE,
            page="model-shadow-differs",
            labels=IN_SERVING,
            summary="A version on trial answers otherwise than the version that serves",
            description="{{ $value | humanizePercentage }} of the copies that {{ $labels.model }} "
            "{{ $labels.model_version }} was given in half an hour were answered otherwise or not at all.",
        ),
    ]


def _deployments() -> list[Alert]:
    revision, version = serving("model_deployment_revision"), serving("model_version")
    return [
        Alert(
            name="DeploymentRevisionsDiffer",
            expression=f"max by (namespace, model) ({revision}) - min by (namespace, model) ({revision}) > 0",
            severity="critical",
            for_seconds=5 * MINUTE,
            page="deployment-not-followed",
            summary="Some pods do not follow the newest record of a deployment",
            description="A pod is {{ $value }} revisions of {{ $labels.model }} behind another: a canary step or a "
            "rollback is not in force there.",
        ),
        Alert(
            name="DeploymentRecordMissing",
            expression=f"count by (namespace, model) ({revision})\n"
            f"< on (namespace) group_left ()\ncount by (namespace) ({serving('up')} == 1)",
            severity="warning",
            for_seconds=10 * MINUTE,
            page="deployment-not-followed",
            summary="Some pods follow no record of a deployment that others follow",
            description="Only {{ $value }} of the serving pods have read the record of {{ $labels.model }}; the others "
            "serve the newest version that is published.",
        ),
        Alert(
            name="ModelVersionsDiffer",
            expression=f"count by (namespace, name) (count by (namespace, name, version) ({version} == 1)) > 1",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="deployment-not-followed",
            summary="Pods serve different versions of a model as the current one",
            description="{{ $value }} versions of {{ $labels.name }} are each the current one of some pod.",
        ),
        Alert(
            name="DeploymentsTableAway",
            expression="sum by (namespace, pod) (increase("
            f"{serving('deployments_away_total')}[{RATE}])) > {RECORD_FAILURES}",
            severity="warning",
            for_seconds=5 * MINUTE,
            page="deployments-table-away",
            summary="A serving pod cannot read the records of deployments",
            description="{{ $labels.pod }} failed to read its records {{ $value | humanize }} times in five minutes; "
            "it goes on with what it read last, and a rollback would not reach it.",
        ),
        Alert(
            name="DeploymentReportsFailing",
            expression="sum by (namespace, pod) (increase("
            f"{serving('deployment_reports_failed_total')}[10m])) > {REPORT_FAILURES}",
            severity="warning",
            for_seconds=10 * MINUTE,
            page="deployments-table-away",
            summary="A serving pod cannot report what it holds",
            description="{{ $labels.pod }} failed to report {{ $value | humanize }} times in ten minutes: canaries "
            "wait for it, and `serveml deployment show` counts it as ended.",
        ),
        Alert(
            name="ModelFallbacks",
            expression="sum by (namespace, model, model_version) "
            f"(rate({serving('model_fallbacks_total')}[{RATE}])) > 0",
            severity="warning",
            for_seconds=10 * MINUTE,
            page="model-fallbacks",
            summary="Requests for one version are answered by another",
            description="{{ $value | humanize }} requests a second that {{ $labels.model }} "
            "{{ $labels.model_version }} should answer are answered by the stable version, because pods do not hold "
            "it.",
        ),
    ]


def _dependencies(limits: Limits) -> list[Alert]:
    def part(metric: str, matcher: str, of: str = "") -> str:
        return ratio(
            f"sum(rate({serving(metric, *([of] if of else []), matcher)}[{RATE}]))",
            f"sum(rate({serving(metric, *([of] if of else []))}[{RATE}]))",
        )

    lookups = part("feature_lookup_duration_seconds_count", f'outcome=~"{LOOKUP_FAILURES}"')
    shared = part("response_cache_total", 'outcome="bypass"', 'level="redis"')
    spans = part("trace_spans_total", 'outcome=~"failed|dropped"')
    return [
        Alert(
            name="FeatureLookupsFailing",
            expression=f"{lookups} > {share(limits.failed_lookups_percent)}",
            severity="critical",
            for_seconds=5 * MINUTE,
            page="feature-lookups-failing",
            labels=IN_SERVING,
            summary=f"More than {limits.failed_lookups_percent:g}% of the feature look-ups fail",
            description="{{ $value | humanizePercentage }} of the look-ups in the feature store failed in the last "
            "five minutes, and with them requests that name entities.",
        ),
        Alert(
            name="ResponseCacheAway",
            expression=f"{shared} > {share(limits.failed_lookups_percent)}",
            severity="warning",
            for_seconds=10 * MINUTE,
            page="response-cache-away",
            labels=IN_SERVING,
            summary="The shared response cache does not answer",
            description="{{ $value | humanizePercentage }} of the calls to the shared response cache came to nothing "
            "in the last five minutes; answers are computed anew meanwhile.",
        ),
        Alert(
            name="TraceSpansLost",
            expression=f"{spans} > {share(limits.lost_spans_percent)}",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="traces-lost",
            labels=IN_SERVING,
            summary="Serving pods lose spans of traces",
            description="{{ $value | humanizePercentage }} of the spans did not reach the collector in the last five "
            "minutes.",
        ),
    ]
