"""Models and their versions: what each answers, how well and how fast, and a version on trial beside the stable one."""

from __future__ import annotations

from components.observability.dashboards.model_runs import quantile_or, running
from components.observability.dashboards.panel import Dashboard, Panel, Query, Row, Scale, Variable, Wanted, bad_above
from components.observability.rules.limits import WHOLE_PERCENT, Limits
from components.observability.rules.promql import RATE, serving

_MODEL = 'model=~"$model"'
_VERSION = f'{_MODEL},model_version=~"$version"'
_PREDICTIONS = "model_version:model_predictions"
_SECONDS = "model_version:model_prediction_duration_seconds"
_NAMED = "{{model}} {{model_version}}"


def ml_metrics(wanted: Wanted) -> Dashboard:
    limits = wanted.limits
    return Dashboard(
        uid="serveml-ml-metrics",
        title="ML Metrics",
        description=f"Models and versions. Rates, shares and times are over {RATE} unless they say otherwise.",
        variables=[
            Variable(name="model", label="Model", values=f"label_values({_PREDICTIONS}:rate5m, model)"),
            Variable(
                name="version",
                label="Version",
                values=f"label_values({_PREDICTIONS}:rate5m{{{_MODEL}}}, model_version)",
            ),
        ],
        rows=[
            Row(title="Versions side by side", panels=[_side_by_side(), _shares(), _revisions()]),
            Row(title="Predictions", panels=_predictions(limits)),
            Row(title="Time to predict", panels=_times()),
            Row(title="On trial", panels=_trial(limits)),
            Row(title="How models run, and what they need", panels=running(limits)),
        ],
    )


def _side_by_side() -> Panel:
    # The gauge of the served version names its labels otherwise.
    gauge = serving("model_version", 'name=~"$model"', 'version=~"$version"')
    named = f'label_replace({gauge} == 1, "model", "$1", "name", "(.+)")'
    current = f'count by (model, model_version) (label_replace({named}, "model_version", "$1", "version", "(.+)"))'

    def column(series: str) -> str:
        # A percentile of nothing is no number.
        return f"sum by (model, model_version) ({series}{{{_VERSION}}} >= 0)"

    return Panel(
        title="Versions",
        description="A version on trial beside the stable one. `current on` counts the pods whose stable version it "
        "is: none, for a version on trial.",
        kind="table",
        unit="none",
        queries=[
            Query(expression=f"({current} or {column(f'{_PREDICTIONS}:rate5m')} * 0)", legend="current on"),
            Query(expression=column(f"{_PREDICTIONS}:rate5m"), legend="predictions", unit="reqps"),
            Query(expression=column(f"{_PREDICTIONS}:share5m"), legend="share", unit="percentunit"),
            Query(expression=column(f"{_PREDICTIONS}_failed:ratio5m"), legend="failed", unit="percentunit"),
            Query(expression=column(f"{_SECONDS}:p50"), legend="p50", unit="s"),
            Query(expression=column(f"{_SECONDS}:p95"), legend="p95", unit="s"),
        ],
        runbooks=["deployment-not-followed"],
        width=24,
        height=6,
    )


def _shares() -> Panel:
    return Panel(
        title="Share of the predictions",
        description="Follows the deployment's weights: steps are those of a canary, a return to one version is its end "
        "or a rollback.",
        kind="timeseries",
        unit="percentunit",
        queries=[Query(expression=f"{_PREDICTIONS}:share5m{{{_VERSION}}}", legend=_NAMED)],
        stacked=True,
        whole=1,
        width=12,
    )


def _revisions() -> Panel:
    revision = serving("model_deployment_revision", _MODEL)
    return Panel(
        title="Revision of the deployment's record",
        description="The newest that a pod follows, and the oldest. Where they stay apart, a step or a rollback is not "
        "in force everywhere.",
        kind="timeseries",
        unit="none",
        queries=[
            Query(expression=f"max by (model) ({revision})", legend="{{model}} newest"),
            Query(expression=f"min by (model) ({revision})", legend="{{model}} oldest"),
        ],
        runbooks=["deployment-not-followed", "deployments-table-away"],
        width=12,
    )


def _predictions(limits: Limits) -> list[Panel]:
    return [
        Panel(
            title="Predictions by version",
            description="Requests that a version answered or failed to; what was refused for what the client sent does "
            "not count.",
            kind="timeseries",
            unit="reqps",
            queries=[Query(expression=f"{_PREDICTIONS}:rate5m{{{_VERSION}}}", legend=_NAMED)],
        ),
        Panel(
            title="Outcomes",
            description="Answered, refused for what the client sent, or not answered by the model.",
            kind="timeseries",
            unit="reqps",
            queries=[
                Query(
                    expression=f"sum by (outcome) (model_version_outcome:model_predictions:rate5m{{{_VERSION}}})",
                    legend="{{outcome}}",
                )
            ],
            stacked=True,
        ),
        Panel(
            title="Failed by version",
            description="Share of the requests that a version could not answer.",
            kind="timeseries",
            unit="percentunit",
            queries=[Query(expression=f"{_PREDICTIONS}_failed:ratio5m{{{_VERSION}}}", legend=_NAMED)],
            scale=bad_above(limits.failed_predictions_percent / WHOLE_PERCENT),
            runbooks=["model-predictions-failing"],
        ),
    ]


def _times() -> list[Panel]:
    buckets = serving("model_prediction_duration_seconds_bucket", _VERSION)
    return [
        Panel(
            title=f"{said} by version",
            description="Of the time to read the rows, run the model and write the answer.",
            kind="timeseries",
            unit="s",
            queries=[Query(expression=f"{_SECONDS}:{name}{{{_VERSION}}}", legend=_NAMED)],
        )
        for name, said in (("p50", "Median"), ("p95", "95th percentile"))
    ] + [
        Panel(
            title="Distribution",
            description="Predictions a second by how long they took, of the chosen versions.",
            kind="heatmap",
            unit="s",
            queries=[Query(expression=f"sum by (le) (rate({buckets}[{RATE}]))", legend="{{le}}")],
        )
    ]


def _trial(limits: Limits) -> list[Panel]:
    differences = serving("model_shadow_difference_bucket", _VERSION)
    copies = serving("model_shadow_total", _VERSION)
    fallbacks = serving("model_fallbacks_total", _VERSION)
    by = "model, model_version"
    return [
        Panel(
            title="Copies that differ",
            description="Share of the copies of half an hour that a version on trial answered otherwise than the "
            "stable one, or not at all.",
            kind="timeseries",
            unit="percentunit",
            queries=[Query(expression=f"model_version:model_shadow_differing:ratio30m{{{_VERSION}}}", legend=_NAMED)],
            scale=_differing(limits),
            runbooks=["model-shadow-differs"],
            width=6,
        ),
        Panel(
            title="Copies by outcome",
            description="Copies that agree, differ, fail, or are dropped because there is more important work.",
            kind="timeseries",
            unit="reqps",
            queries=[
                Query(
                    expression=f"sum by (model_version, outcome) (rate({copies}[{RATE}]))",
                    legend="{{model_version}} {{outcome}}",
                )
            ],
            stacked=True,
            width=6,
        ),
        Panel(
            title="How far copies differ",
            description="95 of 100 copies differ by less, in the largest number of an answer. 0 where nothing was "
            "compared.",
            kind="timeseries",
            unit="none",
            queries=[
                Query(
                    expression=quantile_or(
                        f"sum by ({by}, le) (rate({differences}[{RATE}]))",
                        f"{_PREDICTIONS}:rate5m{{{_VERSION}}} * 0",
                    ),
                    legend=_NAMED,
                )
            ],
            runbooks=["model-shadow-differs"],
            width=6,
        ),
        Panel(
            title="Answered by the stable version instead",
            description="Requests a second for a version that a pod does not hold.",
            kind="timeseries",
            unit="reqps",
            queries=[
                Query(
                    expression=f"sum by ({by}) (rate({fallbacks}[{RATE}]))\nor\n"
                    f"{_PREDICTIONS}:rate5m{{{_VERSION}}} * 0",
                    legend=_NAMED,
                )
            ],
            runbooks=["model-fallbacks"],
            width=6,
        ),
    ]


def _differing(limits: Limits) -> Scale:
    return bad_above(limits.shadow_differing_percent / WHOLE_PERCENT)
