"""cdk-nag findings we live with: each with the reason. A test fails on one that is used no more."""

from typing import NamedTuple

import aws_cdk as cdk

from infra.lake import bucket_name
from infra.stages import Stage


class Acknowledged(NamedTuple):
    """A rule, the stacks it is acknowledged in (by construct id, or its beginning), and why."""

    rule: str
    stacks: tuple[str, ...]
    reason: str


def acknowledged(stage: Stage, account: str) -> tuple[Acknowledged, ...]:
    """All of them; the names nag gives to wildcard findings hold stage, region and account."""
    timeseries = f"arn:<AWS::Partition>:dynamodb:{stage.region}:{account}:table/{stage.name}-sentiment-timeseries-*"
    lake = f"{stage.name}-candlewick-data:ExportsOutputFnGetAttLake5F1B88EAArn65E67816"
    if stage.standby:
        lake = _lake_arn(stage, account, stage.region)
    copied = [_lake_arn(stage, account, region) for region in stage.replicas]
    copied += ["<Lake5F1B88EA.Arn>"] if copied else []
    failed = f"{stage.name}-candlewick-data:ExportsOutputFnGetAttFailed178E83A2Arn252B1EF6"
    prefixes = "keys below a prefix the function owns; a lake's keys cannot be listed beforehand"
    generations = "replay makes generations of the bucket table, and any may be promoted; the name holds the stage"
    return (
        Acknowledged("AwsSolutions-SQS3", ("Data", "Pipeline"), "failures end in these queues: nothing reads on"),
        Acknowledged("AwsSolutions-SMG4", ("Data",), "the keys are other companies'; they are changed by hand, there"),
        Acknowledged(
            "AwsSolutions-IAM5[Resource::*]",
            ("Pipeline", "Api"),
            "X-Ray's put actions, dynamodb:ListStreams and ecr:GetAuthorizationToken know no resources",
        ),
        Acknowledged(f"AwsSolutions-IAM5[Resource::{timeseries}]", ("Pipeline", "Api", "Cache"), generations),
        Acknowledged(f"AwsSolutions-IAM5[Resource::{timeseries}/index/by_touch]", ("Pipeline", "Api"), generations),
        *(
            Acknowledged(f"AwsSolutions-IAM5[Resource::{lake}/{prefix}/*]", ("Pipeline",), prefixes)
            for prefix in ("late", "opinions", "quarantined", "raw", "scored")
        ),
        *(
            Acknowledged(
                f"AwsSolutions-IAM5[Resource::{each}/*]", ("Data",), "S3 copies the lake's objects, all of them"
            )
            for each in copied
        ),
        Acknowledged(f"AwsSolutions-IAM5[Resource::{failed}/aws/lambda/*]", ("Pipeline",), "Lambda makes up the keys"),
        Acknowledged("AwsSolutions-APIG4", ("Api",), "reading is public; the application checks tokens"),
        Acknowledged("AwsSolutions-CFR1", ("Api",), "news is for everyone"),
        Acknowledged("AwsSolutions-CFR2", ("Api",), "WAF costs a tenth of the budget; the API throttles"),
        Acknowledged(
            "AwsSolutions-CFR4",
            ("Api",),
            "CloudFront's own certificate has no other policy",
        ),
        Acknowledged(
            "AwsSolutions-CFR5",
            ("Api",),
            "Fargate: the balancer takes CloudFront's addresses only",
        ),
        Acknowledged("AwsSolutions-ECS2", ("Api",), "Fargate: settings, no secrets"),
        Acknowledged("AwsSolutions-EC23", ("Cache",), "the rule cannot read the VPC's range"),
    )


def _lake_arn(stage: Stage, account: str, region: str) -> str:
    return f"arn:<AWS::Partition>:s3:::{bucket_name(stage, 'lake', account, region)}"


def acknowledge(app: cdk.App, stage: Stage, account: str) -> None:
    """Tell nag, stack by stack."""
    rows = acknowledged(stage, account)
    for stack in app.node.children:
        mine = [row for row in rows if stack.node.id.startswith(row.stacks)]
        cdk.Validations.of(stack).acknowledge(*[cdk.Acknowledgment(id=row.rule, reason=row.reason) for row in mine])
