"""What the invariants let pass, each with its reason. A line that is no longer needed fails a test."""

from __future__ import annotations

# Services without regions: their resources take no `region`.
GLOBAL_TYPES = frozenset(
    {
        "aws:budgets/budget:Budget",
        "aws:cloudfront/cachePolicy:CachePolicy",
        "aws:cloudfront/distribution:Distribution",
        "aws:cloudfront/originAccessControl:OriginAccessControl",
        "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
        "aws:iam/policy:Policy",
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:route53/healthCheck:HealthCheck",
        "aws:route53/record:Record",
        "aws:route53/zone:Zone",
    }
)

# What CloudFront and Route 53 keep in us-east-1 wherever the platform runs.
PINNED_TO_US_EAST_1 = frozenset(
    {
        "aws:acm/certificate:Certificate",
        "aws:acm/certificateValidation:CertificateValidation",
        "aws:cloudwatch/logDelivery:LogDelivery",
        "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination",
        "aws:cloudwatch/logDeliverySource:LogDeliverySource",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "aws:kms/alias:Alias",
        "aws:kms/key:Key",
        "aws:sns/topic:Topic",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
        "aws:wafv2/webAcl:WebAcl",
        "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",
    }
)

# (what is enforced, namespace) where pods may do more than Pod Security's `baseline` allows.
PRIVILEGED_NAMESPACES: dict[tuple[str, str], str] = {
    ("privileged", "logging"): "what ships logs mounts a directory of the node, to read its containers' log files",
}

_THIS_KEY = 'in a key\'s policy, * means the key that carries it (KMS developer guide, "Key policies")'

# (resource type, statement id) of statements that name every action of a service or every resource.
WILDCARDS: dict[tuple[str, str], str] = {
    **{
        ("aws:kms/key:Key", sid): _THIS_KEY
        for sid in (
            "AdministrationByIam",
            "UseThroughServicesByIam",
            "UseByIam",
            "LogGroups",
            "Trail",
            "FlowLogs",
            "Alarms",
            "Budgets",
        )
    },
    **{
        ("aws:kms/keyPolicy:KeyPolicy", sid): _THIS_KEY
        for sid in ("AdministrationByIam", "UseThroughServicesByIam", "DistributionDecrypts")
    },
    ("aws:iam/rolePolicy:RolePolicy", "WriteTraces"): (
        "X-Ray has no resource for it (Service Authorization Reference, AWS X-Ray, column of resource types)"
    ),
    ("aws:ec2/vpcEndpoint:VpcEndpoint", "CallsOfThisAccount"): (
        "an endpoint's policy grants nothing, it narrows what passes: here to callers and resources of this account"
    ),
}
