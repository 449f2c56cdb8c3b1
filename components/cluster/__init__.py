"""The EKS cluster, its nodes, and the AWS rights of its pods."""

from components.cluster.cluster import Cluster, ClusterArgs
from components.cluster.node_pools import NodePoolArgs, general_pool, gpu_pool, pod_placement, spot_pool
from components.cluster.pod_identity import PodIdentity, PodIdentityArgs

__all__ = [
    "Cluster",
    "ClusterArgs",
    "NodePoolArgs",
    "PodIdentity",
    "PodIdentityArgs",
    "general_pool",
    "gpu_pool",
    "pod_placement",
    "spot_pool",
]
