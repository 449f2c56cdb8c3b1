"""The nodes a cluster may have, and the pure parts beside them: add-ons, access and IAM documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.cluster import access, addons, node_pools, policies
from components.cluster.kubeconfig import kubeconfig
from components.cluster.node_pools import (
    GPU_TAINT,
    MAX_NODE_HOURS,
    SPOT_TAINT,
    InvalidNodePool,
    NodePoolArgs,
    general_pool,
    gpu_pool,
    node_class,
    node_pool,
    pod_placement,
    spot_pool,
)

ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")
ACCOUNT = "123456789012"

POOLS = {
    "general": general_pool(zones=ZONES, cpu_limit=100, memory_limit_gib=200),
    "spot": spot_pool(zones=ZONES, cpu_limit=64, memory_limit_gib=256),
    "gpu": gpu_pool(zones=ZONES[:1], cpu_limit=32, memory_limit_gib=128, gpu_limit=4),
}


def requirement(manifest: dict[str, Any], key: str) -> dict[str, Any]:
    return next(r for r in manifest["spec"]["template"]["spec"]["requirements"] if r["key"] == key)


def class_manifest() -> dict[str, Any]:
    return node_class(
        role_name="node-role",
        subnet_ids=["subnet-a", "subnet-b"],
        node_security_group_id="sg-nodes",
        pod_security_group_id="sg-pods",
        volume_key_arn="arn:aws:kms:eu-west-1:123456789012:key/k",
        tags={"Environment": "test"},
    )


class TestPools:
    @pytest.mark.parametrize(("name", "capacity"), [("general", "on-demand"), ("spot", "spot"), ("gpu", "on-demand")])
    def test_buys_capacity_of_its_kind_alone(self, name: str, capacity: str) -> None:
        found = requirement(node_pool(POOLS[name]), "karpenter.sh/capacity-type")
        assert found == {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [capacity]}

    def test_limits_bound_the_cost_in_karpenters_units(self) -> None:
        assert node_pool(POOLS["general"])["spec"]["limits"] == {"cpu": "100", "memory": "200Gi"}
        assert node_pool(POOLS["gpu"])["spec"]["limits"] == {"cpu": "32", "memory": "128Gi", "nvidia.com/gpu": "4"}

    def test_spot_and_gpu_nodes_refuse_pods_that_do_not_ask_for_them(self) -> None:
        taints = {name: node_pool(args)["spec"]["template"]["spec"]["taints"] for name, args in POOLS.items()}
        assert taints["general"] == []
        assert [taint["effect"] for taint in taints["spot"]] == ["NoSchedule"]
        assert [taint["key"] for taint in taints["gpu"]] == ["nvidia.com/gpu"]

    def test_gpu_nodes_have_nvidia_cards(self) -> None:
        assert requirement(node_pool(POOLS["gpu"]), "eks.amazonaws.com/instance-gpu-manufacturer")["values"] == [
            "nvidia"
        ]

    @pytest.mark.parametrize("name", POOLS)
    def test_nodes_are_in_the_given_zones_and_of_our_class(self, name: str) -> None:
        manifest = node_pool(POOLS[name])
        assert requirement(manifest, "topology.kubernetes.io/zone")["values"] == list(POOLS[name].zones)
        assert manifest["spec"]["template"]["spec"]["nodeClassRef"] == {
            "group": "eks.amazonaws.com",
            "kind": "NodeClass",
            "name": class_manifest()["metadata"]["name"],
        }

    @pytest.mark.parametrize("name", POOLS)
    def test_nodes_are_replaced_within_the_life_that_aws_allows(self, name: str) -> None:
        hours = int(node_pool(POOLS[name])["spec"]["template"]["spec"]["expireAfter"].removesuffix("h"))
        assert 0 < hours <= MAX_NODE_HOURS == 504

    def test_running_jobs_are_not_moved_to_save_a_node(self) -> None:
        policy = {name: node_pool(args)["spec"]["disruption"]["consolidationPolicy"] for name, args in POOLS.items()}
        assert policy == {"general": "WhenEmptyOrUnderutilized", "spot": "WhenEmpty", "gpu": "WhenEmpty"}

    def test_serving_nodes_are_replaced_a_few_at_a_time(self) -> None:
        assert node_pool(POOLS["general"])["spec"]["disruption"]["budgets"] == [{"nodes": "10%"}]

    @pytest.mark.parametrize("name", POOLS)
    def test_placement_tolerates_exactly_the_taints_of_its_pool(self, name: str) -> None:
        placement = pod_placement(POOLS[name].name)
        assert placement["nodeSelector"] == {"karpenter.sh/nodepool": name}
        tolerated = [(t["key"], t["value"], t["effect"]) for t in placement["tolerations"]]
        assert tolerated == [(t.key, t.value, t.effect) for t in POOLS[name].taints]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"zones": ()}, "zones is empty"),
            ({"cpu_limit": 0}, "cpu_limit is 0"),
            ({"memory_limit_gib": -1}, "memory_limit_gib is -1"),
            ({"expire_after_hours": 505}, "AWS allows 1 to 504"),
            ({"disruption_percent": 0}, "0 would stop all replacement"),
            ({"gpu_limit": 1}, "the others have none"),
            ({"name": "spot"}, "lacks the taint serveml/spot"),
            ({"name": "gpu", "taints": (GPU_TAINT,)}, "the gpu pool needs at least 1"),
            ({"name": "gpu", "gpu_limit": 1, "taints": (SPOT_TAINT,)}, "lacks the taint nvidia.com/gpu"),
        ],
    )
    def test_a_pool_that_could_not_work_is_refused_with_the_reason(self, change: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidNodePool, match=said):
            NodePoolArgs(**{**vars(POOLS["general"]), **change})


class TestNodeClass:
    def test_nodes_are_private_and_their_disks_encrypted_with_our_key(self) -> None:
        spec = class_manifest()["spec"]
        assert spec["advancedNetworking"] == {"associatePublicIPAddress": False}
        assert spec["ephemeralStorage"]["kmsKeyID"] == "arn:aws:kms:eu-west-1:123456789012:key/k"
        assert spec["subnetSelectorTerms"] == [{"id": "subnet-a"}, {"id": "subnet-b"}]

    def test_pods_have_a_security_group_of_their_own_in_the_nodes_zones(self) -> None:
        spec = class_manifest()["spec"]
        assert spec["securityGroupSelectorTerms"] == [{"id": "sg-nodes"}]
        assert spec["podSecurityGroupSelectorTerms"] == [{"id": "sg-pods"}]
        assert spec["podSubnetSelectorTerms"] == spec["subnetSelectorTerms"]

    def test_its_name_is_not_the_one_that_eks_keeps_for_itself(self) -> None:
        assert class_manifest()["metadata"]["name"] != "default"

    def test_nodes_carry_the_tags(self) -> None:
        assert class_manifest()["spec"]["tags"] == {"Environment": "test"}


def test_network_policies_are_switched_on_by_the_config_map_that_auto_mode_reads() -> None:
    switch = node_pools.network_policy_switch()
    assert (switch["metadata"]["namespace"], switch["metadata"]["name"]) == ("kube-system", "amazon-vpc-cni")
    assert switch["data"] == {"enable-network-policy-controller": "true"}


class TestAddons:
    @pytest.mark.parametrize(
        "name", ["vpc-cni", "kube-proxy", "coredns", "aws-ebs-csi-driver", "eks-pod-identity-agent"]
    )
    def test_what_auto_mode_runs_itself_is_refused(self, name: str) -> None:
        with pytest.raises(addons.InvalidAddon, match="part of EKS Auto Mode"):
            addons.checked({name: "v1.0.0-eksbuild.1"})

    @pytest.mark.parametrize("version", ["latest", "v0.8.1", "0.8.1-eksbuild.6", ""])
    def test_a_version_that_is_not_pinned_to_a_build_is_refused(self, version: str) -> None:
        with pytest.raises(addons.InvalidAddon, match="not pinned"):
            addons.checked({"metrics-server": version})

    def test_the_metrics_server_runs_where_the_api_server_can_reach_it(self) -> None:
        assert addons.configuration("metrics-server") == {
            "nodeSelector": {"karpenter.sh/nodepool": "system"},
            "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        }


class TestAccess:
    @pytest.mark.parametrize("cidrs", [[], ["0.0.0.0/0"], ["203.0.113.0/24", "0.0.0.0/0"]])
    def test_a_public_endpoint_is_never_open_to_all(self, cidrs: list[str]) -> None:
        with pytest.raises(access.InvalidAccess, match="turn public access off"):
            access.public_cidrs(public=True, cidrs=cidrs)

    def test_labels_do_not_depend_on_the_order_and_tell_accounts_apart(self) -> None:
        arns = [f"arn:aws:iam::{ACCOUNT}:role/ci/deployer", "arn:aws:iam::999999999999:role/ci/deployer"]
        labels = access.administrators(arns, ACCOUNT)
        assert labels == {"role-ci-deployer": arns[0], "999999999999-role-ci-deployer": arns[1]}
        assert access.administrators(arns[::-1], ACCOUNT) == labels

    @pytest.mark.parametrize(
        "arn",
        [
            f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/session",
            f"arn:aws:iam::{ACCOUNT}:root",
            "deployer",
        ],
    )
    def test_an_administrator_is_a_role_or_a_user(self, arn: str) -> None:
        with pytest.raises(access.InvalidAccess, match="the role itself, not a session"):
            access.administrators([arn], ACCOUNT)

    def test_an_administrator_named_twice_is_refused(self) -> None:
        arn = f"arn:aws:iam::{ACCOUNT}:role/deployer"
        with pytest.raises(access.InvalidAccess, match="twice"):
            access.administrators([arn, arn], ACCOUNT)


class TestPolicies:
    def permissions(self) -> list[dict[str, Any]]:
        return policies.cluster_permissions(
            region="eu-west-1", account_id=ACCOUNT, cluster_name="ml", key_arn="arn:aws:kms:::key/k"
        )["Statement"]

    def test_tagging_is_bound_to_this_cluster_in_this_account_and_region(self) -> None:
        tagging = [statement for statement in self.permissions() if statement["Sid"].startswith("Tag")]
        assert len(tagging) == 3
        for statement in tagging:
            assert statement["Condition"]["StringEquals"] == {"aws:RequestTag/eks:eks-cluster-name": "ml"}
            assert all(arn.startswith(f"arn:aws:ec2:eu-west-1:{ACCOUNT}:") for arn in statement["Resource"])

    def test_no_action_is_a_wildcard_and_no_resource_is_everything(self) -> None:
        for statement in self.permissions():
            assert not any("*" in action for action in statement["Action"])
            assert "*" not in statement["Resource"]

    def test_the_disk_key_is_granted_to_aws_services_alone(self) -> None:
        grant = next(s for s in self.permissions() if "kms:CreateGrant" in s["Action"])
        assert grant["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}

    def test_nodes_may_join_and_pull_images_and_nothing_else(self) -> None:
        assert set(policies.NODE_POLICIES) == {"AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"}

    def test_auto_mode_may_tag_its_session(self) -> None:
        statement = policies.cluster_trust(ACCOUNT)["Statement"][0]
        assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_the_kubeconfig_signs_in_with_aws_credentials_and_holds_no_secret() -> None:
    config = kubeconfig(cluster_name="ml", region="eu-west-1", endpoint="https://api", certificate_authority="Q0E=")
    user = config["users"][0]["user"]
    assert list(user) == ["exec"]
    assert user["exec"]["command"] == "aws"
    assert user["exec"]["args"][:2] == ["eks", "get-token"]
    assert config["clusters"][0]["cluster"] == {"server": "https://api", "certificate-authority-data": "Q0E="}
    assert config["current-context"] == config["contexts"][0]["name"]
    json.dumps(config)
