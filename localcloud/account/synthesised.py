"""AWS types that moto lacks, each with the reason; their answers are made up by localcloud.synthetic.

A test holds this list as it stands, so that it grows only by a decision.
"""

from __future__ import annotations

_EKS = "moto's EKS has clusters and node groups only"
_CLOUDFRONT = "moto's CloudFront has distributions and origin access controls, and no policies"

REASONS: dict[str, str] = {
    "aws:eks/accessEntry:AccessEntry": _EKS,
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": _EKS,
    "aws:eks/addon:Addon": _EKS,
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": _EKS,
    "aws:cloudfront/cachePolicy:CachePolicy": _CLOUDFRONT,
    "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": _CLOUDFRONT,
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": _CLOUDFRONT,
    "aws:s3/bucketLogging:BucketLogging": (
        "moto's PutBucketLogging answers 500 where the target's policy has a statement for every principal, "
        "as ours has to refuse plain HTTP (moto 5.2.1, s3/models.py, _log_permissions_enabled_policy)"
    ),
    "aws:s3/bucketIntelligentTieringConfiguration:BucketIntelligentTieringConfiguration": (
        "moto's S3 does not route the intelligent-tiering sub-resource of a bucket"
    ),
}
