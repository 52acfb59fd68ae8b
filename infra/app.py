"""The CDK app. `-c stage=dev|preprod|prod`, and for one deployment `-c replicas=R,R`, `-c cache=on`, `-c active=off`,
`-c region=R`, `-c stream=fargate`, `-c standby=on`, `-c telemetry_layer=ARN`; for tests `-c bundle=source|stub`,
`-c windows=driver`.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aws_cdk as cdk

from infra.acknowledgements import acknowledge
from infra.api_stack import ApiStack
from infra.cache_stack import CacheStack
from infra.data_stack import DataStack
from infra.guardrail_stack import GuardrailStack
from infra.ops_stack import OpsStack
from infra.pipeline_stack import PipelineStack
from infra.replica_stack import ReplicaStack
from infra.stages import Stage, stage_of

#: Templates do not depend on the account; the CLI fills it in when it deploys.
OFFLINE_ACCOUNT = "111122223333"


#: CDK's feature flags; in code, so that tests and the CLI make the same templates.
FLAGS = {
    "@aws-cdk/core:target-partitions": ["aws"],
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-lambda:recognizeLayerVersion": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/core:checkSecretUsage": True,
}


#: What `-c` asks for beyond the stage's row; `candlewick deploy` refuses to drop one in silence. Not where and who.
ASKED = ("active", "cache", "guardrail", "replicas", "standby", "stream", "telemetry_layer")


class Stacks(NamedTuple):
    """All stacks of a stage; the last two are optional."""

    data: DataStack
    pipeline: PipelineStack
    api: ApiStack
    ops: OpsStack
    guardrail: GuardrailStack | None
    cache: CacheStack | None
    replicas: tuple[ReplicaStack, ...]


def build(
    app: cdk.App,
    stage: Stage,
    bundle_mode: str = "lambda",
    drive_windows: bool = False,
    account: str = "",
    guardrail: bool = True,
    context: Mapping[str, str] | None = None,
) -> Stacks:
    """Add a stage's stacks to an app. `context`: what was asked for on the command line, to be written down."""
    for flag, value in FLAGS.items():
        app.node.set_context(flag, value)
    environment = cdk.Environment(account=account or OFFLINE_ACCOUNT, region=stage.region)

    def named(name: str) -> dict[str, Any]:
        return {"stack_name": f"{stage.name}-candlewick-{name}", "env": environment}

    data = DataStack(app, "Data", stage, termination_protection=stage.retain_data, **named("data"))
    replicas = tuple(_replica(app, stage, region, account or OFFLINE_ACCOUNT) for region in stage.replicas)
    for replica in replicas:
        data.add_dependency(replica, "S3 copies only into buckets that are there")
    pipeline = PipelineStack(app, "Pipeline", stage, data, bundle_mode, drive_windows, **named("pipeline"))
    api = ApiStack(app, "Api", stage, data, bundle_mode, **named("api"))
    ops = OpsStack(app, "Ops", stage, api.http_api.api_id, **named("ops"))
    for stack in (data, ops) if context else ():
        # The next deployment must know; one that breaks off has changed the first of them and not the last.
        cdk.CfnOutput(stack, "Context", value=json.dumps(dict(context or {}), sort_keys=True))
    # A budget is the account's, not a region's: the stage has it already.
    wanted = guardrail and not stage.standby
    budget = GuardrailStack(app, "Guardrail", stage, **named("guardrail")) if wanted else None
    if budget is not None:
        budget.add_dependency(ops, "it tells the topic")
    cache = CacheStack(app, "Cache", stage, **named("cache")) if stage.cache else None
    acknowledge(app, stage, account or OFFLINE_ACCOUNT)
    cdk.Tags.of(app).add("project", "candlewick")
    cdk.Tags.of(app).add("stage", stage.name)
    return Stacks(data, pipeline, api, ops, budget, cache, replicas)


def _replica(app: cdk.App, stage: Stage, region: str, account: str) -> ReplicaStack:
    return ReplicaStack(
        app,
        f"Replica-{region}",
        stage,
        stack_name=f"{stage.name}-candlewick-replica",
        env=cdk.Environment(account=account, region=region),
    )


def main() -> None:
    """What `cdk` runs."""
    app = cdk.App(outdir=os.environ.get("CDK_OUTDIR", str(Path("build") / "cdk.out")))

    def asked(name: str, default: str = "") -> str:
        return str(app.node.try_get_context(name) or default)

    stage = stage_of(
        asked("stage", "dev"),
        asked("replicas"),
        asked("cache"),
        asked("active"),
        asked("region"),
        asked("stream"),
        asked("standby"),
        asked("items_stream"),
        asked("telemetry_layer"),
    )
    build(
        app,
        stage,
        asked("bundle", "lambda"),
        asked("windows") == "driver",
        asked("account", os.environ.get("CDK_DEFAULT_ACCOUNT", "")),
        asked("guardrail", "on") == "on",
        {name: asked(name) for name in ASKED if asked(name)},
    )
    app.synth()


if __name__ == "__main__":
    main()
