"""The serving pods, by value: what they run and may not do, and how they are replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.workload import access, configuration, labels
from components.workload.deployment import deployment, rollout_seconds, step_seconds
from components.workload.errors import InvalidWorkload
from components.workload.pods import grace_period_seconds, pod_spec
from contract import service
from tests.support.workload import DIGEST, POD


def violations(spec: dict[str, Any]) -> list[str]:
    """What Pod Security `restricted` (Kubernetes 1.33) would refuse in a pod specification."""
    pod_context = spec.get("securityContext", {})
    found = [field for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    allowed_volumes = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
    allowed_volumes |= {"projected", "secret"}
    found += [
        f"volume {volume['name']}" for volume in spec.get("volumes", []) if volume.keys() - {"name"} - allowed_volumes
    ]
    found += ["sysctls"] if pod_context.get("sysctls") else []
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        context = {**pod_context, **container.get("securityContext", {})}
        capabilities = context.get("capabilities", {})
        checks = {
            "privileged": not context.get("privileged"),
            "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": context.get("runAsNonRoot") is True,
            "runAsUser": context.get("runAsUser") != 0,
            "capabilities.drop": "ALL" in capabilities.get("drop", []),
            "capabilities.add": set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
            "seccompProfile": context.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "procMount": context.get("procMount", "Default") == "Default",
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", [])),
        }
        found += [f"{container['name']}: {check}" for check, holds in checks.items() if not holds]
    return found


def stable_deployment(*, replicas: int | None = None, await_rollout: bool = True) -> dict[str, Any]:
    return deployment("stable", POD, replicas=replicas, configuration_sha256="c0ffee", await_rollout=await_rollout)


def container() -> dict[str, Any]:
    (only,) = pod_spec(POD, "stable")["containers"]
    return only


# Pods


def test_serving_pods_pass_pod_security_restricted() -> None:
    assert violations(pod_spec(POD, "stable")) == []
    assert violations(pod_spec(POD, "canary")) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allowPrivilegeEscalation", True),
        ("privileged", True),
        ("runAsUser", 0),
        ("capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
        ("capabilities", {}),
    ],
)
def test_the_check_of_pod_security_sees_a_container_that_breaks_it(field: str, value: object) -> None:
    spec = pod_spec(POD, "stable")
    spec["containers"][0]["securityContext"][field] = value

    assert violations(spec) != []


def test_the_root_filesystem_is_read_only_and_what_is_written_has_a_bounded_volume() -> None:
    spec = pod_spec(POD, "stable")

    assert container()["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    assert mounts == {"model-cache": service.CACHE_DIR, "tmp": "/tmp", "credentials": "/etc/serveml/credentials"}
    assert {volume["name"]: volume["emptyDir"] for volume in spec["volumes"] if "emptyDir" in volume} == {
        "model-cache": {"sizeLimit": "1Gi"},
        "tmp": {"sizeLimit": "64Mi"},
    }
    assert container()["resources"]["requests"]["ephemeral-storage"] == "1088Mi"


def test_credentials_are_files_that_may_be_missing_and_that_others_cannot_read() -> None:
    (volume,) = [volume for volume in pod_spec(POD, "stable")["volumes"] if "secret" in volume]
    (mount,) = [mount for mount in container()["volumeMounts"] if mount["name"] == volume["name"]]

    assert volume["secret"] == {"secretName": "ml-credentials", "optional": True, "defaultMode": 0o440}
    assert mount["readOnly"] is True


def test_pods_hold_no_cluster_token() -> None:
    assert pod_spec(POD, "stable")["automountServiceAccountToken"] is False
    assert access.service_account()["automountServiceAccountToken"] is False


def test_resources_are_those_of_the_size() -> None:
    resources = container()["resources"]

    assert (resources["requests"]["cpu"], resources["requests"]["memory"]) == ("500m", "512Mi")
    assert (resources["limits"]["cpu"], resources["limits"]["memory"]) == ("2", "2Gi")


def test_a_pod_may_fill_its_volumes_and_log_before_its_node_turns_it_out() -> None:
    spec = pod_spec(POD, "stable")
    volumes = [volume["emptyDir"]["sizeLimit"] for volume in spec["volumes"] if "emptyDir" in volume]
    resources = spec["containers"][0]["resources"]

    assert volumes == ["1Gi", "64Mi"]
    assert resources["requests"]["ephemeral-storage"] == "1088Mi"
    assert resources["limits"]["ephemeral-storage"] == "1216Mi"


@pytest.mark.parametrize(
    "image",
    ["inference", "inference:latest", "inference:1.4.0", "inference@sha256:abc", f"@{DIGEST}", f"inference@{DIGEST} "],
)
def test_an_image_without_a_whole_digest_is_refused(image: str) -> None:
    with pytest.raises(InvalidWorkload, match="is not named by digest: write <repository>@sha256:"):
        replace(POD, image=image)


@pytest.mark.parametrize(
    ("probe", "path"),
    [
        ("startupProbe", "/health/startup"),
        ("livenessProbe", "/health/live"),
        ("readinessProbe", "/health/ready"),
    ],
)
def test_each_probe_asks_its_own_question_on_the_port_of_probes(probe: str, path: str) -> None:
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    target = container()[probe]["httpGet"]

    assert (target["path"], ports[target["port"]]) == (path, service.PROBE_PORT)


def test_a_pod_opens_the_port_of_grpc_only_where_it_is_served() -> None:
    def ports(grpc: bool) -> dict[str, int]:
        (only,) = pod_spec(replace(POD, grpc=grpc), "stable")["containers"]
        return {port["name"]: port["containerPort"] for port in only["ports"]}

    assert ports(grpc=True) == {"http": 8000, "probe": 8001, "grpc": 9000}
    assert ports(grpc=False) == {"http": 8000, "probe": 8001}


def test_the_first_model_gets_the_whole_startup_time_to_load() -> None:
    probe = container()["startupProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] == POD.startup_seconds


def test_a_stopping_pod_outlives_its_drain_and_the_longest_request() -> None:
    grace = pod_spec(POD, "stable")["terminationGracePeriodSeconds"]

    assert grace == grace_period_seconds(POD.drain_seconds)
    assert grace > POD.drain_seconds + service.REQUEST_TIMEOUT_SECONDS


def test_the_pod_tells_the_server_its_name() -> None:
    (variable,) = container()["env"]

    assert variable["name"] == service.ENV_POD_NAME
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_pods_are_spread_over_zones_by_rule_and_over_nodes_by_wish() -> None:
    zones, nodes = pod_spec(POD, "stable")["topologySpreadConstraints"]

    assert (zones["topologyKey"], zones["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "DoNotSchedule")
    assert (nodes["topologyKey"], nodes["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    assert zones["labelSelector"]["matchLabels"] == labels.track_selector("stable")


def test_the_loss_of_one_zone_does_not_stop_pods_from_starting_in_the_others() -> None:
    over_zones = pod_spec(POD, "stable")["topologySpreadConstraints"][0]

    assert over_zones["minDomains"] == POD.zones - 1
    assert over_zones["nodeTaintsPolicy"] == "Honor"


def test_with_a_single_zone_there_is_no_rule_about_zones() -> None:
    (only,) = pod_spec(replace(POD, zones=1), "stable")["topologySpreadConstraints"]

    assert only["topologyKey"] == "kubernetes.io/hostname"


# Deployments


def test_a_rolling_update_adds_one_pod_before_it_takes_one_away() -> None:
    assert stable_deployment()["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }


def test_the_autoscaler_alone_owns_the_number_of_stable_pods() -> None:
    assert "replicas" not in stable_deployment()["spec"]
    assert stable_deployment(replicas=2)["spec"]["replicas"] == 2


def test_a_deployment_selects_its_own_track_alone() -> None:
    stable = stable_deployment()["spec"]
    canary = deployment("canary", POD, replicas=1, configuration_sha256="c0ffee", await_rollout=True)["spec"]

    assert stable["selector"]["matchLabels"] == stable["template"]["metadata"]["labels"]
    assert stable_deployment()["metadata"]["name"] == "inference-stable"
    assert stable["selector"] != canary["selector"]


def test_other_configuration_rolls_the_pods() -> None:
    annotations = stable_deployment()["spec"]["template"]["metadata"]["annotations"]

    assert annotations == {configuration.CHECKSUM_ANNOTATION: "c0ffee"}
    assert configuration.checksum({"A": "1", "B": "2"}) == configuration.checksum({"B": "2", "A": "1"})
    assert configuration.checksum({"A": "1"}) != configuration.checksum({"A": "2"})


def test_an_update_waits_for_the_rollout_unless_there_is_no_model_to_serve() -> None:
    assert "annotations" not in stable_deployment()["metadata"]
    assert stable_deployment(await_rollout=False)["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_a_rollout_has_time_for_every_pod_in_its_turn() -> None:
    assert stable_deployment()["spec"]["progressDeadlineSeconds"] == step_seconds(POD) > POD.startup_seconds
    assert rollout_seconds(POD, 20) > 20 * step_seconds(POD)
