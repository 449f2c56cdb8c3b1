"""Fluent Bit's pods may do little and run everywhere, and the log group is the platform's own."""

from __future__ import annotations

from functools import cache
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

from components.observability import fluent_bit, logs
from components.observability.log_shipping import LogShipping, LogShippingArgs
from components.workload.labels import Manifest
from localcloud.graph import Graph, Node
from tests.support.components import graph_of, place

REGION = "eu-west-1"
GROUP = logs.log_group_name("serveml", "test", "serveml-test-euw1-cluster")
KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/logs"


def one(kind: str, *, group: str = GROUP) -> Manifest:
    [found] = [each for each in logs.manifests(region=REGION, log_group=group) if each["kind"] == kind]
    return found


def pod() -> dict[str, Any]:
    return one("DaemonSet")["spec"]["template"]["spec"]


@cache
def shipping(*, preview: bool = False) -> Graph:
    def stand_in(name: str) -> pulumi.Resource:
        return kubernetes.core.v1.ConfigMap(name, metadata={"name": name})

    def program() -> None:
        LogShipping(
            "logs",
            LogShippingArgs(
                place=place(),
                provider=kubernetes.Provider("provider", kubeconfig="{}"),
                cluster=stand_in("cluster"),
                after=[stand_in("prepared")],
                log_group_name=GROUP,
                retention_days=30,
                key_arn=pulumi.Output.from_input(KEY_ARN),
            ),
        )

    return graph_of(program, preview=preview)


def objects() -> list[Node]:
    return [node for node in shipping().custom() if node.parent.endswith("::logs") and node.is_kubernetes]


def before(node: Node) -> set[str]:
    return {urn.rpartition("::")[2] for urn in node.dependencies}


def test_the_group_tells_project_environment_and_cluster() -> None:
    assert GROUP == "/serveml/test/serveml-test-euw1-cluster/application"


def test_its_pods_may_begin_streams_of_the_group_and_write_to_them_and_nothing_else() -> None:
    arn = logs.log_group_arn(GROUP, region=REGION, account_id="123456789012")
    [statement] = logs.statements(arn)
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert statement["Resource"] == [f"arn:aws:logs:eu-west-1:123456789012:log-group:{GROUP}:*"]


def test_it_may_ask_the_api_for_a_pod_by_name_alone() -> None:
    assert one("ClusterRole")["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    assert one("ClusterRoleBinding")["subjects"] == [
        {"kind": "ServiceAccount", "name": "fluent-bit", "namespace": "logging"}
    ]


def test_it_reads_the_node_s_log_files_as_another_user_than_root_and_writes_to_none_of_its_folders() -> None:
    assert pod()["securityContext"]["runAsNonRoot"]
    assert pod()["securityContext"]["runAsUser"] > 0
    [container] = pod()["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not container["securityContext"]["privileged"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    of_node = {volume["name"]: volume["hostPath"]["path"] for volume in pod()["volumes"] if "hostPath" in volume}
    assert sorted(of_node.values()) == ["/var/log/containers", "/var/log/pods"]
    for mount in container["volumeMounts"]:
        if mount["name"] in of_node:
            assert mount["mountPath"] == of_node[mount["name"]]
            assert mount["readOnly"]


def test_no_node_is_left_out_and_none_gives_it_up() -> None:
    assert pod()["tolerations"] == [{"operator": "Exists"}]
    assert "nodeSelector" not in pod()
    assert pod()["priorityClassName"] == "system-node-critical"


def test_the_node_s_disk_bounds_what_is_kept_of_lines_that_cannot_go() -> None:
    [state] = [volume for volume in pod()["volumes"] if volume["name"] == "state"]
    [container] = pod()["containers"]
    room = int(state["emptyDir"]["sizeLimit"].removesuffix("Mi"))
    allowed = int(container["resources"]["limits"]["ephemeral-storage"].removesuffix("Mi"))
    assert fluent_bit.BUFFER_MIB < room < allowed
    [output] = fluent_bit.configuration(region=REGION, log_group=GROUP)["pipeline"]["outputs"]
    assert output["storage.total_limit_size"] == f"{fluent_bit.BUFFER_MIB}M"
    [tail] = fluent_bit.configuration(region=REGION, log_group=GROUP)["pipeline"]["inputs"]
    assert tail["storage.type"] == "filesystem"


def test_paths_and_ports_of_the_configuration_are_those_of_the_pod() -> None:
    configuration = yaml.safe_load(one("ConfigMap")["data"]["fluent-bit.yaml"])
    [container] = pod()["containers"]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    [tail] = configuration["pipeline"]["inputs"]
    assert {tail["path"].rpartition("/")[0], tail["db"].rpartition("/")[0]} <= mounted
    assert configuration["service"]["storage.path"].startswith(f"{fluent_bit.STATE_PATH}/")
    assert container["ports"] == [{"name": "metrics", "containerPort": 2020, "protocol": "TCP"}]
    assert configuration["service"]["http_port"] == 2020
    assert container["args"] == ["-c", "/etc/fluent-bit/fluent-bit.yaml"]
    assert one("Service")["spec"]["ports"][0]["port"] == 2020


def test_the_group_is_never_made_by_the_pods() -> None:
    [output] = fluent_bit.configuration(region=REGION, log_group=GROUP)["pipeline"]["outputs"]
    assert output["auto_create_group"] == "off"
    assert output["log_group_name"] == GROUP


def test_a_changed_configuration_replaces_the_pods() -> None:
    def annotations(group: str) -> dict[str, str]:
        return one("DaemonSet", group=group)["spec"]["template"]["metadata"]["annotations"]

    assert annotations(GROUP) == annotations(GROUP)
    assert annotations(GROUP) != annotations("/another")


def test_the_group_is_encrypted_and_kept_for_as_long_as_it_was_asked() -> None:
    group = shipping().one("aws:cloudwatch/logGroup:LogGroup")
    assert group.inputs["name"] == GROUP
    assert group.inputs["kmsKeyId"] == KEY_ARN
    assert group.inputs["retentionInDays"] == 30
    assert group.region == REGION


def test_everything_waits_for_what_it_was_told_to_and_goes_with_the_cluster() -> None:
    assert len(objects()) == 6
    for node in objects():
        assert {"prepared", "logs-group"} <= before(node), node.name
        assert node.deleted_with.endswith("::cluster"), node.name
    [daemon_set] = [node for node in objects() if node.type.endswith(":DaemonSet")]
    assert {"logs-configmap", "logs-clusterrolebinding"} <= before(daemon_set)


def test_a_preview_registers_the_same() -> None:
    assert sorted(node.urn for node in shipping()) == sorted(node.urn for node in shipping(preview=True))
