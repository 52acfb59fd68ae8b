"""The lake's bucket, in the stage's own region and as its copy in others: the same name but for the region, so that a
region that takes over finds its own lake with everything that was copied in it.
"""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.stages import Stage

ACCESS_LOG_DAYS: Final = 90


def bucket_name(stage: Stage, kind: str, account: str, region: str) -> str:
    """`{env}-candlewick-{kind}-{account}-{region}`."""
    return f"{stage.name}-candlewick-{kind}-{account}-{region}"


def removal_of(stage: Stage) -> cdk.RemovalPolicy:
    """What happens to data when its stack is deleted."""
    return cdk.RemovalPolicy.RETAIN if stage.retain_data else cdk.RemovalPolicy.DESTROY


def bucket_defaults(stage: Stage) -> dict[str, object]:
    """What holds of every bucket."""
    return {
        "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
        "encryption": s3.BucketEncryption.S3_MANAGED,
        "enforce_ssl": True,
        "minimum_tls_version": 1.2,
        "removal_policy": removal_of(stage),
    }


def make_access_logs(scope: Construct, stage: Stage, name: str) -> s3.Bucket:
    """Where S3, CloudFront and load balancers write who asked."""
    return s3.Bucket(
        scope,
        "AccessLogs",
        bucket_name=name,
        lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(ACCESS_LOG_DAYS))],
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
        **bucket_defaults(stage),
    )


def make_lake(scope: Construct, stage: Stage, name: str, access_logs: s3.Bucket, **more: object) -> s3.Bucket:
    """The bucket; versions are needed to copy it, and kept for a month."""
    return s3.Bucket(
        scope,
        "Lake",
        bucket_name=name,
        versioned=True,
        server_access_logs_bucket=access_logs,
        server_access_logs_prefix="lake/",
        lifecycle_rules=[_to_cold("raw/"), _to_cold("scored/"), _expiring_versions()],
        **bucket_defaults(stage),
        **more,
    )


def _to_cold(prefix: str) -> s3.LifecycleRule:
    """The log is the truth, and is read back seldom: after a month cheap, after half a year cold."""
    days, kinds = cdk.Duration.days, s3.StorageClass
    return s3.LifecycleRule(
        prefix=prefix,
        transitions=[
            s3.Transition(storage_class=kinds.INFREQUENT_ACCESS, transition_after=days(30)),
            s3.Transition(
                storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL, transition_after=cdk.Duration.days(180)
            ),
        ],
    )


def _expiring_versions() -> s3.LifecycleRule:
    return s3.LifecycleRule(
        noncurrent_version_expiration=cdk.Duration.days(30),
        abort_incomplete_multipart_upload_after=cdk.Duration.days(2),
    )
