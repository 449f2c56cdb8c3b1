"""The EKS cluster in Auto Mode: its control plane, who may enter, its nodes, and the provider for its objects.

What runs inside it belongs to the workload, observability and data components, which take the provider from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.cluster import access, addons, policies
from components.cluster.kubeconfig import kubeconfig
from components.cluster.node_pools import NodePoolArgs
from components.cluster.nodes import Nodes, NodesArgs
from components.cluster.roles import ClusterRoles, ClusterRolesArgs

CONTROL_PLANE_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
HTTPS_PORT = 443


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    place: Place
    cluster_name: str
    """Known at plan time: target groups that this cluster's pods join carry it as the tag `eks:eks-cluster-name`."""
    kubernetes_version: str
    account_id: str
    subnet_ids: Sequence[pulumi.Input[str]]
    """Private subnets, for the control plane's interfaces, the nodes and the pods."""
    secrets_key_arn: pulumi.Input[str]
    """Encrypts Kubernetes secrets in etcd, and the nodes' disks."""
    logs_key_arn: pulumi.Input[str]
    log_retention_days: int
    endpoint_public_access: bool
    endpoint_public_cidrs: Sequence[str]
    """Who may reach the public endpoint; read only where that is on. The private endpoint is always on."""
    admin_principal_arns: Sequence[str]
    """IAM roles and users who administer the cluster. The identity that runs Pulumi must be among them.

    Empty, the identity that creates the cluster administers it: enough for a trial, and nobody else can then enter.
    """
    pod_security_group_id: pulumi.Input[str]
    """The security group of all pods on the pools below."""
    addon_versions: Mapping[str, str]
    """Version by name of the managed add-ons beyond those that Auto Mode runs itself."""
    node_pools: Sequence[NodePoolArgs]
    deletion_protection: bool
    manifests_directory: str | None = None
    """Where objects are written as YAML files, with no cluster to apply them to; None applies them."""


class Cluster(Component, area="cluster"):
    """An EKS cluster in Auto Mode.

    Children: the control plane's log group; the roles (`ClusterRoles`); the cluster; a security group rule that lets
    pods reach the API server; access entries of the administrators and of the nodes; the managed add-ons; the
    Kubernetes provider; and the objects inside the cluster that say which nodes there may be (`Nodes`).

    Beside the outputs it has two attributes for components of objects inside the cluster: `provider`, and `cluster`,
    the resource that their objects may be deleted with.
    """

    cluster_name: pulumi.Output[str]
    cluster_arn: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    certificate_authority: pulumi.Output[str]
    cluster_security_group_id: pulumi.Output[str]
    node_role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        administrators = access.administrators(args.admin_principal_arns, args.account_id)

        logs = self._log_group()
        roles = ClusterRoles(
            self.child_name("roles"),
            ClusterRolesArgs(
                place=args.place,
                account_id=args.account_id,
                cluster_name=args.cluster_name,
                disk_key_arn=args.secrets_key_arn,
            ),
            self.child(),
        )
        cluster = self._cluster(roles, after=[logs, roles])
        self.cluster_name = cluster.name
        self.cluster_arn = cluster.arn
        self.endpoint = cluster.endpoint
        self.certificate_authority = cluster.certificate_authority.apply(lambda authority: authority.data or "")
        self.cluster_security_group_id = cluster.vpc_config.apply(lambda vpc: vpc.cluster_security_group_id or "")
        self.node_role_arn = roles.node_role_arn

        self._open_api_server_to_pods()
        entered = [
            self._access_entry(label, arn, "STANDARD", policies.ADMIN_ACCESS_POLICY_ARN)
            for label, arn in administrators.items()
        ]
        nodes_entered = self._access_entry("node", roles.node_role_arn, "EC2", policies.NODE_ACCESS_POLICY_ARN)
        self._managed_addons()
        # Objects are applied once someone may apply them, and deleted while someone still may.
        self.provider = self._kubernetes_provider(after=entered)
        Nodes(
            self.child_name("nodes"),
            NodesArgs(
                place=args.place,
                provider=self.provider,
                cluster=cluster,
                after=[nodes_entered],
                role_name=roles.node_role_name,
                subnet_ids=args.subnet_ids,
                node_security_group_id=self.cluster_security_group_id,
                pod_security_group_id=args.pod_security_group_id,
                disk_key_arn=args.secrets_key_arn,
                pools=args.node_pools,
            ),
            self.child(),
        )
        self.cluster = cluster
        self.finish()

    def _log_group(self) -> aws.cloudwatch.LogGroup:
        # EKS writes to this name, and would make the group itself: unencrypted, and kept for ever.
        name = f"/aws/eks/{self._args.cluster_name}/cluster"
        return aws.cloudwatch.LogGroup(
            self.child_name("logs"),
            name=name,
            kms_key_id=self._args.logs_key_arn,
            retention_in_days=self._args.log_retention_days,
            region=self.region,
            tags=self.tagged(name),
            opts=self.child(),
        )

    def _cluster(self, roles: ClusterRoles, *, after: Sequence[pulumi.Resource]) -> aws.eks.Cluster:
        args = self._args
        on = True  # Auto Mode's three capabilities are turned on together or not at all.
        options = self.child(
            depends_on=after,
            # Read at creation alone: naming the first administrator later must not replace the cluster.
            ignore_changes=["accessConfig.bootstrapClusterCreatorAdminPermissions"],
        )
        return aws.eks.Cluster(
            self.child_name("eks"),
            name=args.cluster_name,
            version=args.kubernetes_version,
            role_arn=roles.cluster_role_arn,
            # Auto Mode brings its own; the self-managed ones would run beside them.
            bootstrap_self_managed_addons=False,
            compute_config=aws.eks.ClusterComputeConfigArgs(
                enabled=on, node_pools=[addons.SYSTEM_POOL], node_role_arn=roles.system_node_role_arn
            ),
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(
                elastic_load_balancing=aws.eks.ClusterKubernetesNetworkConfigElasticLoadBalancingArgs(enabled=on)
            ),
            storage_config=aws.eks.ClusterStorageConfigArgs(
                block_storage=aws.eks.ClusterStorageConfigBlockStorageArgs(enabled=on)
            ),
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=list(args.subnet_ids),
                endpoint_private_access=True,
                endpoint_public_access=args.endpoint_public_access,
                public_access_cidrs=access.public_cidrs(
                    public=args.endpoint_public_access, cidrs=args.endpoint_public_cidrs
                ),
            ),
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API",
                bootstrap_cluster_creator_admin_permissions=not args.admin_principal_arns,
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=args.secrets_key_arn),
                resources=["secrets"],
            ),
            enabled_cluster_log_types=list(CONTROL_PLANE_LOGS),
            # When standard support of the version ends EKS upgrades the cluster; extended support would bill instead.
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            zonal_shift_config=aws.eks.ClusterZonalShiftConfigArgs(enabled=True),
            deletion_protection=args.deletion_protection,
            region=self.region,
            tags=self.tagged(args.cluster_name),
            opts=pulumi.ResourceOptions.merge(options, _after_value(args.pod_security_group_id)),
        )

    def _open_api_server_to_pods(self) -> None:
        name = self.child_name("api-from-pods")
        aws.vpc.SecurityGroupIngressRule(
            name,
            description="Kubernetes API from pods",
            security_group_id=self.cluster_security_group_id,
            referenced_security_group_id=self._args.pod_security_group_id,
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            region=self.region,
            tags=self.tagged(name),
            opts=self.child(),
        )

    def _access_entry(
        self, label: str, principal_arn: pulumi.Input[str], kind: str, policy_arn: str
    ) -> aws.eks.AccessPolicyAssociation:
        name = self.child_name("access", label)
        entry = aws.eks.AccessEntry(
            name,
            cluster_name=self.cluster_name,
            principal_arn=principal_arn,
            type=kind,
            region=self.region,
            tags=self.tagged(name),
            opts=self.child(),
        )
        return aws.eks.AccessPolicyAssociation(
            name,
            cluster_name=self.cluster_name,
            principal_arn=entry.principal_arn,
            policy_arn=policy_arn,
            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            region=self.region,
            opts=self.child(depends_on=[entry]),
        )

    def _managed_addons(self) -> None:
        for addon, version in addons.checked(self._args.addon_versions):
            values = addons.configuration(addon)
            aws.eks.Addon(
                self.child_name("addon", addon),
                cluster_name=self.cluster_name,
                addon_name=addon,
                addon_version=version,
                configuration_values=None if values is None else pulumi.Output.json_dumps(values),
                # The program is the only source of an add-on's configuration: edits by hand do not survive an update.
                resolve_conflicts_on_create="OVERWRITE",
                resolve_conflicts_on_update="OVERWRITE",
                region=self.region,
                tags=self.tagged(f"{self._args.cluster_name}-{addon}"),
                opts=self.child(),
            )

    def _kubernetes_provider(self, *, after: Sequence[pulumi.Resource]) -> kubernetes.Provider:
        directory = self._args.manifests_directory
        config = kubeconfig(
            cluster_name=self._args.cluster_name,
            region=self.region,
            endpoint=self.endpoint,
            certificate_authority=self.certificate_authority,
        )
        return kubernetes.Provider(
            self.child_name("kubernetes"),
            kubeconfig=pulumi.Output.json_dumps(config) if directory is None else None,
            render_yaml_to_directory=directory,
            # Names the cluster whatever the kubeconfig says: a change of the latter replaces nothing.
            cluster_identifier=self.cluster_arn,
            # A cluster that cannot be reached is an error, not a reason to forget what runs in it.
            delete_unreachable=False,
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            enable_server_side_apply=True,
            opts=self.child(depends_on=after),
        )


def _after_value(value: pulumi.Input[str]) -> pulumi.ResourceOptions:
    """Order a resource after those that `value` comes from, without giving it the value.

    The cluster takes no pod security group, yet it must be deleted before that group is: the nodes' interfaces, which
    are in the group, go only when the cluster does.
    """
    no_resource_itself = cast(pulumi.Output[pulumi.Resource], pulumi.Output.from_input(value).apply(lambda _: None))
    return pulumi.ResourceOptions(depends_on=[no_resource_itself])
