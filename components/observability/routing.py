"""Where alerts go: the configuration of Alertmanager. Which alerts there are is left to the rules."""

from __future__ import annotations

from typing import Any

import yaml

CRITICAL, WARNING = "critical", "warning"
SHOWN_ONLY = ("info", "none")
"""Severities that nobody is told of: they are seen in Alertmanager and in the dashboards alone."""

TOPIC_RECEIVER = "topic"
SHOWN_RECEIVER = "shown"

_GROUP_WAIT_SECONDS = 30
_GROUP_INTERVAL_SECONDS = 300
_REPEAT_HOURS = {CRITICAL: 4, WARNING: 24}
# Amazon SNS refuses a subject of 100 characters or more, and with it the message (API reference, action Publish).
# Alertmanager cuts a message that is too long, and no subject (notify/sns/sns.go at v0.33.1).
_SUBJECT_CHARACTERS = 99

_SUBJECT = (
    f"{{{{ printf `%.{_SUBJECT_CHARACTERS}s` (printf `[%s] %s in %s, %s` (.Status | toUpper) .GroupLabels.alertname "
    "(or .CommonLabels.environment `?`) (or .CommonLabels.region `?`)) }}"
)
_MESSAGE = """{{ range .Alerts -}}
{{ .Status | toUpper }} {{ .Labels.alertname }} ({{ or .Labels.severity `none` }}) \
since {{ .StartsAt.UTC.Format `2006-01-02 15:04:05` }} UTC
{{ .Annotations.summary }}
{{ .Annotations.description }}
{{ with .Annotations.runbook_url }}Runbook: {{ . }}
{{ end }}{{ range .Labels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}

{{ end -}}
"""


def written(topic_arn: str, region: str) -> str:
    """The configuration as Alertmanager reads it."""
    return yaml.safe_dump(configuration(topic_arn, region), sort_keys=False)


def configuration(topic_arn: str, region: str) -> dict[str, Any]:
    """Alerts of one name and namespace are told of together, to one topic; a critical one silences the warning of its
    name and namespace. What subscribers filter by is the message's attribute `severity`.

    A severity that is not known is told of like a warning. `topic_arn` is in `region`; the credentials are the pod's.
    """
    return {
        "route": {
            "receiver": TOPIC_RECEIVER,
            "group_by": ["alertname", "namespace", "severity"],
            "group_wait": f"{_GROUP_WAIT_SECONDS}s",
            "group_interval": f"{_GROUP_INTERVAL_SECONDS}s",
            "repeat_interval": f"{_REPEAT_HOURS[WARNING]}h",
            "routes": [
                {"receiver": SHOWN_RECEIVER, "matchers": [f'severity=~"{"|".join(SHOWN_ONLY)}"']},
                {
                    "receiver": TOPIC_RECEIVER,
                    "matchers": [f'severity="{CRITICAL}"'],
                    "repeat_interval": f"{_REPEAT_HOURS[CRITICAL]}h",
                },
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'severity="{CRITICAL}"'],
                "target_matchers": [f'severity="{WARNING}"'],
                "equal": ["alertname", "namespace"],
            }
        ],
        "receivers": [{"name": SHOWN_RECEIVER}, {"name": TOPIC_RECEIVER, "sns_configs": [_topic(topic_arn, region)]}],
    }


def _topic(topic_arn: str, region: str) -> dict[str, Any]:
    return {
        "topic_arn": topic_arn,
        "sigv4": {"region": region},
        "send_resolved": True,
        "subject": _SUBJECT,
        "message": _MESSAGE,
        # An attribute without a value would have the message refused.
        "attributes": {"severity": "{{ or .CommonLabels.severity `none` }}", "status": "{{ .Status }}"},
    }
