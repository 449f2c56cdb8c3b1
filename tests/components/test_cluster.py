"""The cluster on mocks: its control plane, who may use it, and what lies inside it from the start."""

from __future__ import annotations

import json
from typing import Any

import pulumi_aws as aws
import pytest

from components.cluster import Cluster, ClusterArgs, general_pool, gpu_pool, spot_pool
from components.cluster.access import InvalidAccess
from components.cluster.addons import InvalidAddon
from components.cluster.node_pools import InvalidNodePool
from localcloud.graph import Graph, Node
from tests.support.components import TAGS, graph_of, place

ACCOUNT = "123456789012"
NAME = "serveml-test-euw1"
SECRETS_KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/secrets"
LOGS_KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/logs"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/deployer"
ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")
GENERAL = general_pool(zones=ZONES, cpu_limit=64, memory_limit_gib=128)


def build(**changes: Any) -> Cluster:
    group = aws.ec2.SecurityGroup("pods", region="eu-west-1")
    settings: dict[str, Any] = {
        "place": place(),
        "cluster_name": NAME,
        "kubernetes_version": "1.34",
        "account_id": ACCOUNT,
        "subnet_ids": ["subnet-a", "subnet-b", "subnet-c"],
        "secrets_key_arn": SECRETS_KEY,
        "logs_key_arn": LOGS_KEY,
        "log_retention_days": 30,
        "endpoint_public_access": False,
        "endpoint_public_cidrs": [],
        "admin_principal_arns": [ADMIN],
        "pod_security_group_id": group.id,
        "addon_versions": {"metrics-server": "v0.8.1-eksbuild.6"},
        "node_pools": [
            GENERAL,
            spot_pool(zones=ZONES, cpu_limit=64, memory_limit_gib=256),
            gpu_pool(zones=ZONES, cpu_limit=32, memory_limit_gib=128, gpu_limit=4),
        ],
        "deletion_protection": True,
    }
    return Cluster("cluster", ClusterArgs(**{**settings, **changes}))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(build)


@pytest.fixture(scope="module")
def eks(graph: Graph) -> Node:
    return graph.one("aws:eks/cluster:Cluster")


def objects(graph: Graph) -> list[Node]:
    return [node for node in graph if node.is_kubernetes]


class TestControlPlane:
    def test_auto_modes_three_capabilities_are_on_together(self, eks: Node) -> None:
        assert eks.inputs["computeConfig"]["enabled"] is True
        assert eks.inputs["storageConfig"] == {"blockStorage": {"enabled": True}}
        assert eks.inputs["kubernetesNetworkConfig"] == {"elasticLoadBalancing": {"enabled": True}}
        assert eks.inputs["bootstrapSelfManagedAddons"] is False

    def test_only_the_system_pool_is_built_in(self, eks: Node) -> None:
        assert eks.inputs["computeConfig"]["nodePools"] == ["system"]

    def test_all_five_logs_go_to_an_encrypted_group_that_is_there_first(self, graph: Graph, eks: Node) -> None:
        logs = graph.one("LogGroup")
        assert set(eks.inputs["enabledClusterLogTypes"]) == {
            "api",
            "audit",
            "authenticator",
            "controllerManager",
            "scheduler",
        }
        assert logs.inputs["name"] == f"/aws/eks/{NAME}/cluster"
        assert (logs.inputs["kmsKeyId"], logs.inputs["retentionInDays"]) == (LOGS_KEY, 30)
        assert logs.urn in eks.dependencies

    def test_secrets_are_encrypted_with_our_key(self, eks: Node) -> None:
        assert eks.inputs["encryptionConfig"] == {"provider": {"keyArn": SECRETS_KEY}, "resources": ["secrets"]}

    def test_the_endpoint_is_private_unless_asked_otherwise(self, eks: Node) -> None:
        network = eks.inputs["vpcConfig"]
        assert (network["endpointPrivateAccess"], network["endpointPublicAccess"]) == (True, False)
        assert "publicAccessCidrs" not in network

    def test_a_public_endpoint_stays_private_as_well_and_takes_the_given_networks(self) -> None:
        cidrs = ["203.0.113.0/24"]
        eks = graph_of(lambda: build(endpoint_public_access=True, endpoint_public_cidrs=cidrs)).one(
            "aws:eks/cluster:Cluster"
        )
        assert eks.inputs["vpcConfig"]["publicAccessCidrs"] == cidrs
        assert eks.inputs["vpcConfig"]["endpointPrivateAccess"] is True

    def test_a_public_endpoint_for_everybody_is_refused(self) -> None:
        with pytest.raises(InvalidAccess):
            graph_of(lambda: build(endpoint_public_access=True, endpoint_public_cidrs=["0.0.0.0/0"]))

    @pytest.mark.parametrize("on", [True, False])
    def test_deletion_protection_is_by_setting(self, on: bool) -> None:
        found = graph_of(lambda: build(deletion_protection=on)).one("aws:eks/cluster:Cluster")
        assert found.inputs["deletionProtection"] is on

    def test_standard_support_and_zonal_shift(self, eks: Node) -> None:
        assert eks.inputs["upgradePolicy"] == {"supportType": "STANDARD"}
        assert eks.inputs["zonalShiftConfig"] == {"enabled": True}


class TestAccess:
    def test_access_is_by_entries_and_the_creator_gets_none_of_its_own(self, eks: Node) -> None:
        assert eks.inputs["accessConfig"] == {
            "authenticationMode": "API",
            "bootstrapClusterCreatorAdminPermissions": False,
        }

    def test_without_administrators_the_creator_is_one(self) -> None:
        eks = graph_of(lambda: build(admin_principal_arns=[])).one("aws:eks/cluster:Cluster")
        assert eks.inputs["accessConfig"]["bootstrapClusterCreatorAdminPermissions"] is True

    def test_naming_the_first_administrator_later_does_not_replace_the_cluster(self, eks: Node) -> None:
        assert eks.ignore_changes == ("accessConfig.bootstrapClusterCreatorAdminPermissions",)

    def test_administrators_administer_the_whole_cluster(self, graph: Graph) -> None:
        association = graph.one("AccessPolicyAssociation", "deployer")
        assert association.inputs["principalArn"] == ADMIN
        assert association.inputs["policyArn"].endswith("/AmazonEKSClusterAdminPolicy")
        assert association.inputs["accessScope"] == {"type": "cluster"}

    def test_nodes_of_our_class_may_join(self, graph: Graph) -> None:
        entry = graph.one("AccessEntry", "access-node")
        role = graph.one("aws:iam/role:Role", "roles-node")
        assert (entry.inputs["type"], entry.inputs["principalArn"]) == ("EC2", role.outputs["arn"])
        assert (
            graph.one("AccessPolicyAssociation", "access-node").inputs["policyArn"].endswith("/AmazonEKSAutoNodePolicy")
        )

    def test_the_role_whose_entry_eks_makes_itself_gets_no_second_one(self, graph: Graph, eks: Node) -> None:
        built_in = eks.inputs["computeConfig"]["nodeRoleArn"]
        assert built_in not in {entry.inputs["principalArn"] for entry in graph.of_type("AccessEntry")}


class TestRoles:
    def test_the_cluster_has_its_rights_before_it_is_made_and_until_it_is_gone(self, graph: Graph, eks: Node) -> None:
        rights = [*graph.of_type("RolePolicyAttachment"), *graph.of_type("RolePolicy")]
        of_cluster = {node.urn for node in rights if node.inputs["role"].endswith("-cluster")}
        assert len(of_cluster) == 6
        assert of_cluster <= set(eks.dependencies)

    def test_nodes_have_the_two_minimal_policies_and_none_inline(self, graph: Graph) -> None:
        attached: dict[str, set[str]] = {}
        for node in graph.of_type("RolePolicyAttachment"):
            attached.setdefault(node.inputs["role"], set()).add(node.inputs["policyArn"].rsplit("/", 1)[-1])
        minimal = {"AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"}
        assert attached["serveml-test-euw1-node"] == attached["serveml-test-euw1-system-node"] == minimal
        assert [node.inputs["role"] for node in graph.of_type("RolePolicy")] == ["serveml-test-euw1-cluster"]

    def test_the_cluster_role_may_use_the_disk_key_and_no_other(self, graph: Graph) -> None:
        statements = json.loads(graph.one("RolePolicy").inputs["policy"])["Statement"]
        assert [s["Resource"] for s in statements if s["Action"][0].startswith("kms:")] == [[SECRETS_KEY]] * 2


class TestInsideTheCluster:
    def test_every_object_goes_through_the_provider_and_goes_with_the_cluster(self, graph: Graph, eks: Node) -> None:
        provider = graph.one("pulumi:providers:kubernetes")
        assert len(objects(graph)) == 5
        for node in objects(graph):
            assert node.provider.startswith(provider.urn)
            assert node.deleted_with == eks.urn

    def test_objects_wait_until_someone_may_apply_them(self, graph: Graph) -> None:
        provider = graph.one("pulumi:providers:kubernetes")
        assert graph.one("AccessPolicyAssociation", "deployer").urn in provider.dependencies

    def test_network_policies_are_switched_on(self, graph: Graph) -> None:
        switch = graph.one("kubernetes:core/v1:ConfigMap")
        assert switch.inputs["metadata"] == {"name": "amazon-vpc-cni", "namespace": "kube-system"}
        assert switch.inputs["data"] == {"enable-network-policy-controller": "true"}

    def test_the_three_pools_are_there_and_follow_the_node_class(self, graph: Graph) -> None:
        node_class = graph.one("kubernetes:eks.amazonaws.com/v1:NodeClass")
        pools = graph.of_type("kubernetes:karpenter.sh/v1:NodePool")
        assert [pool.inputs["metadata"]["name"] for pool in pools] == ["general", "spot", "gpu"]
        assert all(node_class.urn in pool.dependencies for pool in pools)

    def test_nodes_are_tagged_and_encrypted_and_pods_are_in_their_own_group(self, graph: Graph, eks: Node) -> None:
        spec = graph.one("kubernetes:eks.amazonaws.com/v1:NodeClass").inputs["spec"]
        assert spec["tags"] == TAGS
        assert spec["role"] == "serveml-test-euw1-node"
        assert spec["ephemeralStorage"]["kmsKeyID"] == SECRETS_KEY
        assert spec["podSecurityGroupSelectorTerms"] == [{"id": graph.one("SecurityGroup").id}]
        assert spec["securityGroupSelectorTerms"] == [{"id": eks.outputs["vpcConfig"]["clusterSecurityGroupId"]}]

    def test_a_pool_given_twice_is_refused(self) -> None:
        with pytest.raises(InvalidNodePool, match="'general' is given 2 times"):
            graph_of(lambda: build(node_pools=[GENERAL, GENERAL]))

    @pytest.mark.parametrize("preview", [False, True])
    def test_the_pods_group_outlives_the_cluster_whose_nodes_are_in_it(self, preview: bool) -> None:
        graph = graph_of(build, preview=preview)
        eks = graph.one("aws:eks/cluster:Cluster")
        assert {graph.one("SecurityGroup").urn, graph.one("LogGroup").urn} <= set(eks.dependencies)

    def test_pods_reach_the_api_server_and_only_by_https(self, graph: Graph, eks: Node) -> None:
        rule = graph.one("SecurityGroupIngressRule").inputs
        assert rule["securityGroupId"] == eks.outputs["vpcConfig"]["clusterSecurityGroupId"]
        assert rule["referencedSecurityGroupId"] == graph.one("SecurityGroup").id
        assert (rule["fromPort"], rule["toPort"], rule["ipProtocol"]) == (443, 443, "tcp")

    def test_the_provider_knows_its_cluster_by_arn_and_forgets_nothing(self, graph: Graph, eks: Node) -> None:
        inputs = graph.one("pulumi:providers:kubernetes").inputs
        config = json.loads(inputs["kubeconfig"])
        assert inputs["clusterIdentifier"] == eks.outputs["arn"]
        assert inputs["deleteUnreachable"] == "false"
        assert config["clusters"][0]["cluster"]["server"] == eks.outputs["endpoint"]

    def test_with_a_directory_objects_are_written_there_and_no_cluster_is_asked(self) -> None:
        graph = graph_of(lambda: build(manifests_directory="manifests"))
        inputs = graph.one("pulumi:providers:kubernetes").inputs
        assert inputs["renderYamlToDirectory"] == "manifests"
        assert "kubeconfig" not in inputs
        assert {node.urn for node in graph} == {node.urn for node in graph_of(build)}


class TestAddons:
    def test_add_ons_are_pinned_and_the_program_wins(self, graph: Graph) -> None:
        addon = graph.one("aws:eks/addon:Addon").inputs
        assert (addon["addonName"], addon["addonVersion"]) == ("metrics-server", "v0.8.1-eksbuild.6")
        assert addon["resolveConflictsOnUpdate"] == "OVERWRITE"
        assert json.loads(addon["configurationValues"])["nodeSelector"] == {"karpenter.sh/nodepool": "system"}

    def test_an_add_on_that_auto_mode_brings_is_refused(self) -> None:
        with pytest.raises(InvalidAddon, match="remove it"):
            graph_of(lambda: build(addon_versions={"coredns": "v1.11.4-eksbuild.2"}))


def test_a_preview_plans_the_same_resources() -> None:
    assert {node.urn for node in graph_of(build, preview=True)} == {node.urn for node in graph_of(build)}


def test_regional_resources_are_in_the_places_region_and_taggable_ones_are_tagged(graph: Graph) -> None:
    for node in graph.custom():
        if not node.is_aws or node.name == "pods":
            continue
        assert node.region == (None if node.type.startswith("aws:iam/") else "eu-west-1"), node.urn
        if not node.type.endswith((":AccessPolicyAssociation", ":RolePolicy", ":RolePolicyAttachment")):
            assert TAGS.items() <= node.inputs["tags"].items(), node.urn


def test_outputs_are_registered(graph: Graph, eks: Node) -> None:
    cluster = next(node for node in graph.components() if node.type == "serveml:cluster:Cluster")
    assert cluster.registered_outputs is not None
    assert cluster.registered_outputs["cluster_name"] == NAME
    assert cluster.registered_outputs["cluster_arn"] == eks.outputs["arn"]
    assert cluster.registered_outputs["certificate_authority"] == eks.outputs["certificateAuthority"]["data"]
    assert cluster.registered_outputs["cluster_security_group_id"].startswith("sg-")
    assert cluster.registered_outputs["node_role_arn"].endswith(":role/serveml-test-euw1-node")
