"""Load balancers, target groups, listeners and their rules (the second generation: `elbv2`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.account.clients import Client, Clients
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import inputs, send
from localcloud.recorder import Created, Registration

# Inputs that AWS takes as attributes after creation (API reference, LoadBalancerAttribute and TargetGroupAttribute).
LOAD_BALANCER_ATTRIBUTES = {
    "clientKeepAlive": "client_keep_alive.seconds",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
    "enableTlsVersionAndCipherSuiteHeaders": "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
    "enableWafFailOpen": "waf.fail_open.enabled",
    "enableXffClientPort": "routing.http.xff_client_port.enabled",
    "enableZonalShift": "zonal_shift.config.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
    "xffHeaderProcessingMode": "routing.http.xff_header_processing.mode",
}
TARGET_GROUP_ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "loadBalancingAnomalyMitigation": "load_balancing.algorithm.anomaly_mitigation",
    "loadBalancingCrossZoneEnabled": "load_balancing.cross_zone.enabled",
    "preserveClientIp": "preserve_client_ip.enabled",
    "proxyProtocolV2": "proxy_protocol_v2.enabled",
    "slowStart": "slow_start.duration_seconds",
}
STICKINESS_ATTRIBUTES = {
    "enabled": "stickiness.enabled",
    "type": "stickiness.type",
    "cookieDuration": "stickiness.lb_cookie.duration_seconds",
    "cookieName": "stickiness.app_cookie.cookie_name",
}

GROUP_HEALTH_ATTRIBUTES = {
    "dnsFailover": {
        "minimumHealthyTargetsCount": "target_group_health.dns_failover.minimum_healthy_targets.count",
        "minimumHealthyTargetsPercentage": "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    },
    "unhealthyStateRouting": {
        "minimumHealthyTargetsCount": "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
        "minimumHealthyTargetsPercentage": (
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"
        ),
    },
}

HEALTH_CHECK = {
    "enabled": "healthCheckEnabled",
    "healthyThreshold": "healthyThresholdCount",
    "unhealthyThreshold": "unhealthyThresholdCount",
    "interval": "healthCheckIntervalSeconds",
    "timeout": "healthCheckTimeoutSeconds",
    "path": "healthCheckPath",
    "port": "healthCheckPort",
    "protocol": "healthCheckProtocol",
}

# What the provider calls the parts of an action, and AWS does.
ACTION_NAMES = {
    "redirect": "RedirectConfig",
    "fixedResponse": "FixedResponseConfig",
    "forward": "ForwardConfig",
    "arn": "TargetGroupArn",
    "stickiness": "TargetGroupStickinessConfig",
    "duration": "DurationSeconds",
}


def _attributes(given: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    return {attribute: given[key] for key, attribute in keys.items() if given.get(key) is not None}


@creates("aws:lb/loadBalancer:LoadBalancer")
def load_balancer(clients: Clients, r: Registration) -> Created:
    elb, name = clients.of("elbv2", r), physical_name(r)
    logs = ("accessLogs", "connectionLogs")
    values = {
        **inputs(r, *LOAD_BALANCER_ATTRIBUTES, *logs, "name", "internal", "loadBalancerType"),
        "name": name,
        "scheme": "internal" if r.inputs.get("internal") else "internet-facing",
        "type": r.inputs.get("loadBalancerType"),
    }
    made = send(elb, "create_load_balancer", values)["LoadBalancers"][0]
    attributes = _attributes(r.inputs, LOAD_BALANCER_ATTRIBUTES)
    for key, prefix in zip(logs, ("access_logs.s3", "connection_logs.s3"), strict=True):
        fields = ("enabled", "bucket", "prefix")
        attributes.update(_attributes(r.inputs.get(key, {}), {field: f"{prefix}.{field}" for field in fields}))
    if attributes:
        send(
            elb,
            "modify_load_balancer_attributes",
            {"loadBalancerArn": made["LoadBalancerArn"], "attributes": attributes},
        )
    arn = made["LoadBalancerArn"]
    outputs = {
        "name": name,
        "arn": arn,
        "arnSuffix": arn.split(":loadbalancer/")[1],
        "dnsName": made["DNSName"],
        "zoneId": made["CanonicalHostedZoneId"],
        "vpcId": made["VpcId"],
    }
    return Created(arn, outputs)


@creates("aws:lb/targetGroup:TargetGroup")
def target_group(clients: Clients, r: Registration) -> Created:
    elb, name = clients.of("elbv2", r), physical_name(r)
    check = dict(r.inputs.get("healthCheck", {}))
    matcher = check.pop("matcher", None)
    code = "grpcCode" if r.inputs.get("protocolVersion") == "GRPC" else "httpCode"
    values = {
        **inputs(r, *TARGET_GROUP_ATTRIBUTES, "name", "healthCheck", "stickiness", "targetGroupHealth"),
        **{HEALTH_CHECK[key]: value for key, value in check.items()},
        "name": name,
        "matcher": {code: matcher} if matcher else None,
    }
    made = send(elb, "create_target_group", values)["TargetGroups"][0]
    arn = made["TargetGroupArn"]
    attributes = _attributes(r.inputs, TARGET_GROUP_ATTRIBUTES)
    attributes.update(_attributes(r.inputs.get("stickiness", {}), STICKINESS_ATTRIBUTES))
    for part, keys in GROUP_HEALTH_ATTRIBUTES.items():
        attributes.update(_attributes(r.inputs.get("targetGroupHealth", {}).get(part, {}), keys))
    if attributes:
        send(elb, "modify_target_group_attributes", {"targetGroupArn": arn, "attributes": attributes})
    return Created(arn, {"name": name, "arn": arn, "arnSuffix": arn.split(":", 5)[5]})


@creates("aws:lb/listener:Listener")
def listener(clients: Clients, r: Registration) -> Created:
    elb = clients.of("elbv2", r)
    values = inputs(r, "certificateArn")
    if "certificateArn" in r.inputs:
        values["certificates"] = [{"certificateArn": r.inputs["certificateArn"]}]
    headers = {key: values.pop(key) for key in list(values) if key.startswith("routingHttp")}
    made = send(elb, "create_listener", values, ACTION_NAMES)["Listeners"][0]
    if headers:
        _header_attributes(elb, made["ListenerArn"], headers)
    return Created(made["ListenerArn"], {"arn": made["ListenerArn"]})


def _header_attributes(elb: Client, arn: str, headers: Mapping[str, Any]) -> None:
    """`routingHttpResponseServerEnabled` is the attribute `routing.http.response.server.enabled`."""
    attributes = {header_attribute(key): value for key, value in headers.items()}
    send(elb, "modify_listener_attributes", {"listenerArn": arn, "attributes": attributes})


def header_attribute(key: str) -> str:
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
    for direction in ("request", "response"):
        head = f"routing_http_{direction}_"
        if words.startswith(head):
            name, _, last = words.removeprefix(head).rpartition("_")
            name = name.removesuffix("_header") if last in ("name", "value") else name
            last = f"header_{last}" if last in ("name", "value") else last
            return f"routing.http.{direction}.{name}.{last}"
    raise ValueError(f"{key!r} is not an attribute of a listener's headers")


_CONDITIONS = {
    "pathPattern": "path-pattern",
    "hostHeader": "host-header",
    "httpHeader": "http-header",
    "httpRequestMethod": "http-request-method",
    "queryStrings": "query-string",
    "sourceIp": "source-ip",
}


@creates("aws:lb/listenerRule:ListenerRule")
def listener_rule(clients: Clients, r: Registration) -> Created:
    conditions = [
        {"field": _CONDITIONS[key], f"{key.removesuffix('s')}Config": _condition(key, value)}
        for condition in r.inputs["conditions"]
        for key, value in condition.items()
    ]
    values = {**inputs(r, "conditions"), "conditions": conditions}
    made = send(clients.of("elbv2", r), "create_rule", values, ACTION_NAMES)["Rules"][0]
    return Created(made["RuleArn"], {"arn": made["RuleArn"]})


def _condition(key: str, value: Any) -> Any:
    return {"values": value} if key == "queryStrings" else value
