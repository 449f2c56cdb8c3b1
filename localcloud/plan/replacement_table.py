"""The inputs of each resource type whose change replaces the resource, in the wire names of the plan.

AWS: the Terraform AWS provider's schemas, which Pulumi's AWS provider bridges (repository
hashicorp/terraform-provider-aws, internal/service/<service>/<file>.go): `ForceNew`, `RequiresReplace` and what
CustomizeDiff forces. The comment above a type names its file, at the revision that was read, or its year where the copy
names none. Kubernetes: `forceNewProperties` in provider/pkg/provider/diff.go of pulumi/pulumi-kubernetes (v4).

An input that replaces only for certain values stands here if its usual change replaces. Left out, because their usual
change does not: a subnet's ipv6CidrBlock, a gateway endpoint's privateDnsEnabled, less warmThroughput of a table, a
security group rule whose kind of source changes, a log delivery destination of another service, and the subnets and
security groups of load balancers that are not application load balancers.
"""

from __future__ import annotations

from collections.abc import Mapping

_NAMED = ("name", "namePrefix")
_BUCKET = ("bucket", "expectedBucketOwner")


def _regional(*inputs: str) -> frozenset[str]:
    """A resource of one region: `region`, which every such resource has, replaces too."""
    return frozenset({"region", *inputs})


def _global(*inputs: str) -> frozenset[str]:
    return frozenset(inputs)


def _object(*inputs: str) -> frozenset[str]:
    """A Kubernetes object: what names it replaces it."""
    return frozenset({"apiVersion", "kind", "metadata.name", "metadata.namespace", *inputs})


_NETWORK: Mapping[str, frozenset[str]] = {
    # ec2/vpc_.go@00081ce4. Only from dedicated to default does instanceTenancy change in place.
    "aws:ec2/vpc:Vpc": _regional("cidrBlock", "instanceTenancy", "ipv4IpamPoolId", "ipv4NetmaskLength"),
    # ec2/vpc_subnet.go@00cda125
    "aws:ec2/subnet:Subnet": _regional(
        "availabilityZone",
        "availabilityZoneId",
        "cidrBlock",
        "ipv4IpamPoolId",
        "ipv4NetmaskLength",
        "ipv6IpamPoolId",
        "ipv6Native",
        "ipv6NetmaskLength",
        "outpostArn",
        "vpcId",
    ),
    # ec2/vpc_internet_gateway.go@08923b68: detaches from one VPC and attaches to the other.
    "aws:ec2/internetGateway:InternetGateway": _regional(),
    # ec2/vpc_nat_gateway.go of 2026
    "aws:ec2/natGateway:NatGateway": _regional(
        "allocationId", "availabilityMode", "connectivityType", "privateIp", "subnetId", "vpcId"
    ),
    # ec2/ec2_eip.go@01606926
    "aws:ec2/eip:Eip": _regional("address", "domain", "ipamPoolId", "networkBorderGroup", "publicIpv4Pool"),
    # ec2/vpc_route_table.go@02209241
    "aws:ec2/routeTable:RouteTable": _regional("vpcId"),
    # ec2/vpc_route.go@0128541e: another target is a change in place.
    "aws:ec2/route:Route": _regional(
        "destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId", "routeTableId"
    ),
    # ec2/vpc_route_table_association.go@0be71beb
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _regional("gatewayId", "subnetId"),
    # ec2/vpc_security_group.go@01606926
    "aws:ec2/securityGroup:SecurityGroup": _regional("description", *_NAMED, "vpcId"),
    # ec2/vpc_default_security_group.go@01f43111
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": _regional("vpcId"),
    # ec2/vpc_security_group_ingress_rule.go@00a32209, whose schema the egress rule shares
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _regional("securityGroupId"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _regional("securityGroupId"),
    # ec2/vpc_endpoint.go@008db85a
    "aws:ec2/vpcEndpoint:VpcEndpoint": _regional(
        "dnsOptions.privateDnsPreference",
        "dnsOptions.privateDnsSpecifiedDomains",
        "resourceConfigurationArn",
        "serviceName",
        "serviceNetworkArn",
        "serviceRegion",
        "vpcEndpointType",
        "vpcId",
    ),
    # ec2/vpc_flow_log.go@00a35305: only its tags change in place.
    "aws:ec2/flowLog:FlowLog": _regional(
        "deliverCrossAccountRole",
        "destinationOptions",
        "eniId",
        "iamRoleArn",
        "logDestination",
        "logDestinationType",
        "logFormat",
        "maxAggregationInterval",
        "regionalNatGatewayId",
        "subnetId",
        "trafficType",
        "transitGatewayAttachmentId",
        "transitGatewayId",
        "vpcId",
    ),
}

_CLUSTER: Mapping[str, frozenset[str]] = {
    # eks/cluster.go of 2026. Encryption that goes replaces the cluster. Another key the provider accepts and never
    # applies, so that too takes a new cluster. Only the first encryption of a cluster comes in place.
    "aws:eks/cluster:Cluster": _regional(
        "accessConfig.bootstrapClusterCreatorAdminPermissions",
        "bootstrapSelfManagedAddons",
        "encryptionConfig",
        "kubernetesNetworkConfig.ipFamily",
        "kubernetesNetworkConfig.serviceIpv4Cidr",
        "name",
        "outpostConfig.controlPlaneInstanceType",
        "outpostConfig.controlPlanePlacement.groupName",
        "roleArn",
    ),
    # eks/addon.go@00a35305
    "aws:eks/addon:Addon": _regional("addonName", "clusterName"),
    # eks/access_entry.go@01f43111
    "aws:eks/accessEntry:AccessEntry": _regional("clusterName", "principalArn", "type"),
    # eks/access_policy_association.go@01f43111
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": _regional(
        "accessScope", "clusterName", "policyArn", "principalArn"
    ),
    # eks/pod_identity_association.go@00a35305
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": _regional("clusterName", "namespace", "serviceAccount"),
    # ecr/repository.go@0072eea2
    "aws:ecr/repository:Repository": _regional("encryptionConfigurations", "name"),
    # ecr/lifecycle_policy.go@00a35305: another policy is another resource.
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": _regional("policy", "repository"),
    # ecr/repository_policy.go@004b82ba
    "aws:ecr/repositoryPolicy:RepositoryPolicy": _regional("repository"),
    # ecr/replication_configuration.go@00a35305
    "aws:ecr/replicationConfiguration:ReplicationConfiguration": _regional(),
}

_IDENTITY: Mapping[str, frozenset[str]] = {
    # iam/role.go@0040ea69
    "aws:iam/role:Role": _global(*_NAMED, "path"),
    # iam/role_policy.go@02f97af8
    "aws:iam/rolePolicy:RolePolicy": _global(*_NAMED, "role"),
    # iam/role_policy_attachment.go@04c79849
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _global("policyArn", "role"),
    # iam/policy.go@01ccd9a2
    "aws:iam/policy:Policy": _global("description", *_NAMED, "path"),
    # secretsmanager/secret.go@00c21ced, secret_version.go@0042e8ea
    "aws:secretsmanager/secret:Secret": _regional(*_NAMED),
    "aws:secretsmanager/secretVersion:SecretVersion": _regional("secretBinary", "secretId", "secretString"),
    # internal/provider/resource_password.go@0117aa60 of hashicorp/terraform-provider-random
    "random:index/randomPassword:RandomPassword": _global(
        *("keepers", "length", "lower", "minLower", "minNumeric", "minSpecial", "minUpper"),
        *("number", "numeric", "overrideSpecial", "special", "upper"),
    ),
    # kms/key.go@00a35305
    "aws:kms/key:Key": _regional("customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"),
    # kms/alias.go@01c08000: pointing at another key is a change in place.
    "aws:kms/alias:Alias": _regional(*_NAMED),
    # kms/key_policy.go@076b89bb
    "aws:kms/keyPolicy:KeyPolicy": _regional(),
}

_EDGE: Mapping[str, frozenset[str]] = {
    # acm/certificate.go@01661ea3
    "aws:acm/certificate:Certificate": _regional(
        "certificateAuthorityArn",
        "domainName",
        "keyAlgorithm",
        "subjectAlternativeNames",
        "validationMethod",
        "validationOptions",
    ),
    # acm/certificate_validation.go@004eea7f
    "aws:acm/certificateValidation:CertificateValidation": _regional("certificateArn", "validationRecordFqdns"),
    # cloudfront/cache_policy.go@01c08000, distribution.go@023c8e5c, origin_access_control.go@01c08000,
    # response_headers_policy.go@0015017a: their names change in place.
    "aws:cloudfront/cachePolicy:CachePolicy": _global(),
    "aws:cloudfront/distribution:Distribution": _global(),
    "aws:cloudfront/originAccessControl:OriginAccessControl": _global(),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": _global(),
    # elbv2/load_balancer.go@00edc94b
    "aws:lb/loadBalancer:LoadBalancer": _regional("customerOwnedIpv4Pool", "internal", "loadBalancerType", *_NAMED),
    # elbv2/listener.go@01c08000
    "aws:lb/listener:Listener": _regional("loadBalancerArn"),
    # elbv2/target_group.go@013cfb4c
    "aws:lb/targetGroup:TargetGroup": _regional(
        "ipAddressType", *_NAMED, "port", "protocol", "protocolVersion", "targetType", "vpcId"
    ),
    # route53/health_check.go@01606926
    "aws:route53/healthCheck:HealthCheck": _global(
        "measureLatency", "referenceName", "requestInterval", "routingControlArn", "type"
    ),
    # route53/record.go@00655c16: even its type and setIdentifier change in place.
    "aws:route53/record:Record": _global("name", "zoneId"),
    # route53/zone.go@036631a1
    "aws:route53/zone:Zone": _global("delegationSetId", "name"),
    # wafv2/web_acl.go@0073593e, web_acl_association.go@011a8eed, web_acl_logging_configuration.go@012f18cf
    "aws:wafv2/webAcl:WebAcl": _regional(*_NAMED, "scope"),
    "aws:wafv2/webAclAssociation:WebAclAssociation": _regional("resourceArn", "webAclArn"),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": _regional(
        "logDestinationConfigs", "resourceArn"
    ),
}

_DATA: Mapping[str, frozenset[str]] = {
    # dynamodb/table.go of 2026
    "aws:dynamodb/table:Table": _regional(
        "hashKey",
        "importTable.s3BucketSource",
        "localSecondaryIndexes",
        "name",
        "rangeKey",
        "restoreDateTime",
        "restoreSourceName",
        "restoreSourceTableArn",
        "restoreToLatestTime",
    ),
    # dynamodb/table_replica.go@050ac111
    "aws:dynamodb/tableReplica:TableReplica": _regional("globalTableArn", "kmsKeyArn", "tableClassOverride"),
    # s3/bucket.go@0070bcd1; objectLockEnabled of 2024
    "aws:s3/bucket:Bucket": _regional("bucket", "bucketPrefix", "objectLockEnabled"),
    # s3/bucket_lifecycle_configuration.go@01606926
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _regional(*_BUCKET),
    # s3/bucket_logging.go@01f43111
    "aws:s3/bucketLogging:BucketLogging": _regional(*_BUCKET),
    # s3/bucket_notification.go@033c721b
    "aws:s3/bucketNotification:BucketNotification": _regional("bucket"),
    # s3/bucket_object_lock_configuration.go@01c08000
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _regional(*_BUCKET, "objectLockEnabled"),
    # s3/bucket_ownership_controls.go@adeb8422
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _regional("bucket"),
    # s3/bucket_policy.go@0073593e
    "aws:s3/bucketPolicy:BucketPolicy": _regional("bucket"),
    # s3/bucket_public_access_block.go@01606926
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _regional("bucket"),
    # s3/bucket_replication_configuration.go@028665b1
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": _regional("bucket"),
    # s3/bucket_server_side_encryption_configuration.go@01606926
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _regional(*_BUCKET),
    # s3/bucket_versioning.go@01c08000
    "aws:s3/bucketVersioning:BucketVersioning": _regional(*_BUCKET),
}

_WATCH: Mapping[str, frozenset[str]] = {
    # budgets/budget.go@01d5888a
    "aws:budgets/budget:Budget": _global("accountId", *_NAMED),
    # cloudwatch/metric_alarm.go@055611a6, where the name is called alarm_name
    "aws:cloudwatch/metricAlarm:MetricAlarm": _regional("name"),
    # cloudwatch/dashboard.go@0620f2a6
    "aws:cloudwatch/dashboard:Dashboard": _regional("dashboardName"),
    # logs/group.go@0073593e
    "aws:cloudwatch/logGroup:LogGroup": _regional("logGroupClass", *_NAMED),
    # logs/delivery.go@009ebbba
    "aws:cloudwatch/logDelivery:LogDelivery": _regional("deliveryDestinationArn", "deliverySourceName"),
    # logs/delivery_destination.go@1e67cc5d
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": _regional("name", "outputFormat"),
    # logs/delivery_source.go@00a35305
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": _regional("logType", "name", "resourceArn"),
    # sns/topic.go@00a35305, topic_policy.go@00a35305
    "aws:sns/topic:Topic": _regional("fifoTopic", *_NAMED),
    "aws:sns/topicPolicy:TopicPolicy": _regional("arn"),
    # sns/topic_subscription.go@04a2e6e5, where the topic's ARN is called topic_arn
    "aws:sns/topicSubscription:TopicSubscription": _regional("endpoint", "protocol", "topic"),
}

_KUBERNETES: Mapping[str, frozenset[str]] = {
    "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition": _object(),
    "kubernetes:apiregistration.k8s.io/v1:APIService": _object(),
    # Our provider is told that the data of both may change (enableConfigMapMutable, enableSecretMutable).
    "kubernetes:core/v1:ConfigMap": _object(),
    "kubernetes:core/v1:Secret": _object("type"),
    "kubernetes:core/v1:LimitRange": _object(),
    "kubernetes:core/v1:Namespace": _object(),
    "kubernetes:core/v1:ResourceQuota": _object("spec.scopes"),
    "kubernetes:core/v1:Service": _object("spec.clusterIP"),
    "kubernetes:core/v1:ServiceAccount": _object(),
    "kubernetes:apps/v1:DaemonSet": _object("spec.selector"),
    "kubernetes:apps/v1:Deployment": _object("spec.selector"),
    "kubernetes:autoscaling/v2:HorizontalPodAutoscaler": _object(),
    "kubernetes:networking.k8s.io/v1:NetworkPolicy": _object(),
    "kubernetes:policy/v1:PodDisruptionBudget": _object(),
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole": _object(),
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding": _object("roleRef"),
    "kubernetes:rbac.authorization.k8s.io/v1:Role": _object(),
    "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding": _object("roleRef"),
    # The API server refuses both changes and only a new class can make them; the provider does not know and would try
    # in place (pulumi/pulumi-kubernetes issue 1830).
    "kubernetes:scheduling.k8s.io/v1:PriorityClass": _object("preemptionPolicy", "value"),
    "kubernetes:storage.k8s.io/v1:StorageClass": _object("parameters", "provisioner"),
    "kubernetes:eks.amazonaws.com/v1:NodeClass": _object(),
    "kubernetes:eks.amazonaws.com/v1:TargetGroupBinding": _object(),
    "kubernetes:external-secrets.io/v1:ExternalSecret": _object(),
    "kubernetes:external-secrets.io/v1:SecretStore": _object(),
    "kubernetes:karpenter.sh/v1:NodePool": _object(),
    "kubernetes:monitoring.coreos.com/v1:Alertmanager": _object(),
    "kubernetes:monitoring.coreos.com/v1:Prometheus": _object(),
    "kubernetes:monitoring.coreos.com/v1:PrometheusRule": _object(),
    "kubernetes:monitoring.coreos.com/v1:ServiceMonitor": _object(),
    # The provider itself, which takes every object with it; so says the SDK's documentation of clusterIdentifier.
    "pulumi:providers:kubernetes": frozenset({"clusterIdentifier"}),
}

FORCING: Mapping[str, frozenset[str]] = {
    **_NETWORK,
    **_CLUSTER,
    **_IDENTITY,
    **_EDGE,
    **_DATA,
    **_WATCH,
    **_KUBERNETES,
}
"""Type token to paths of inputs: top-level names, or dotted into an object."""
