"""The event stream as one small Fargate service: many connections a process, for when streams outgrow the function.

About 0.25 vCPU and 512 MB (arm64) hold 1,000 watchers. Balancer, public addresses and Container Insights included, it
costs what some always-open streams of the function cost: docs/cost.md says how many.
"""

from pathlib import Path
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as images
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as balancing
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.alarming import TOPIC, make_alarm
from infra.alarms import ON_FARGATE, alarms_of
from infra.data_stack import DataStack
from infra.functions import ROWS, retention_of, settings_of, table_arns
from infra.names import physical
from infra.network import make_network
from infra.stages import Stage

PORT: Final = 8000
CONNECTIONS: Final = 1_000
#: Of these, what one address may hold: an office behind one is let in, and nobody takes them all.
CONNECTIONS_PER_ADDRESS: Final = 200
LIFETIME_S: Final = 900
#: The balancer closes a connection on which nothing went for so long; the heartbeat is every 10 s.
IDLE_S: Final = 60
ROOT: Final = Path(__file__).resolve().parent.parent
#: CloudFront, then the balancer: nothing else reaches the container, and both append whom they heard it from.
TRUSTED_HOPS: Final = 2


#: Only CloudFront may ask: its addresses are a prefix list that AWS keeps, another in each region.
CLOUDFRONT_LISTS: Final = {
    "ap-northeast-1": "pl-58a04531",
    "ap-south-1": "pl-9aa247f3",
    "ap-southeast-1": "pl-31a34658",
    "ap-southeast-2": "pl-b8a742d1",
    "ca-central-1": "pl-38a64351",
    "eu-central-1": "pl-a3a144ca",
    "eu-north-1": "pl-fab65393",
    "eu-west-1": "pl-4fa04526",
    "us-east-1": "pl-3b927c52",
    "us-west-2": "pl-82a045eb",
}


def cloudfront_addresses(region: str) -> str:
    """The prefix list there. Raises `ValueError` where it is not known."""
    if region not in CLOUDFRONT_LISTS:
        raise ValueError(
            f"stream=fargate in {region}: add CloudFront's prefix list to CLOUDFRONT_LISTS in infra/fargate.py "
            f"(`aws ec2 describe-managed-prefix-lists --region {region}`: …cloudfront.origin-facing)"
        )
    return CLOUDFRONT_LISTS[region]


class StreamService(Construct):
    """Cluster, task, service and load balancer. Deploying builds and pushes the image, which is named by its content: a
    changed one is another task. `.dockerignore` says what it is made from."""

    def __init__(self, scope: Construct, name: str, stage: Stage, data: DataStack) -> None:
        super().__init__(scope, name)
        vpc = make_network(self, "public", ec2.SubnetType.PUBLIC)
        cluster = ecs.Cluster(self, "Cluster", vpc=vpc, container_insights_v2=ecs.ContainerInsights.ENABLED)
        task = self._task(stage, data)
        service = ecs.FargateService(
            self,
            "Service",
            cluster=cluster,
            task_definition=task,
            desired_count=stage.stream_tasks,
            assign_public_ip=True,
            min_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
        )
        self.balancer = balancing.ApplicationLoadBalancer(
            self, "Balancer", vpc=vpc, internet_facing=True, idle_timeout=cdk.Duration.seconds(IDLE_S)
        )
        self.balancer.log_access_logs(data.access_logs, "balancer")
        listener = self.balancer.add_listener("Http", port=80, open=False, protocol=balancing.ApplicationProtocol.HTTP)
        group = listener.add_targets(
            "Streams",
            port=PORT,
            protocol=balancing.ApplicationProtocol.HTTP,
            targets=[service],
            # Alive, not ready: streams outlive a store that is away for a minute, and another task would be no better.
            health_check=balancing.HealthCheck(path="/health"),
            deregistration_delay=cdk.Duration.seconds(30),
        )
        listener.connections.allow_default_port_from(ec2.Peer.prefix_list(cloudfront_addresses(stage.region)))
        self._alarms(stage, group, service)

    def origin(self) -> cloudfront.IOrigin:
        """For the distribution."""
        return origins.LoadBalancerV2Origin(self.balancer, protocol_policy=cloudfront.OriginProtocolPolicy.HTTP_ONLY)

    def _alarms(self, stage: Stage, group: balancing.ApplicationTargetGroup, service: ecs.FargateService) -> None:
        """Here and not with the others: a stack that imports a balancer's name keeps it from ever being taken away. So
        the topic is called by its name too; it is made after this stack."""
        arn = cdk.Stack.of(self).format_arn(service="sns", resource=physical(stage.name, TOPIC))
        topic = sns.Topic.from_topic_arn(self, "AlarmsTopic", arn)
        balancer = {"LoadBalancer": self.balancer.load_balancer_full_name}
        known = {"balancer": balancer, "targets": balancer | {"TargetGroup": group.target_group_full_name}}
        for row in alarms_of("fargate"):
            if row.source in ON_FARGATE:
                # Not before the first task is well.
                make_alarm(self, row, stage, topic, known).node.add_dependency(service)

    def _task(self, stage: Stage, data: DataStack) -> ecs.FargateTaskDefinition:
        stack = cdk.Stack.of(self)
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=256,
            memory_limit_mib=512,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        environment = settings_of(ROWS["stream"], stage, data.lake.bucket_name)
        environment |= {"CANDLEWICK_MAX_CONNECTIONS": str(CONNECTIONS), "CANDLEWICK_MAX_LIFETIME_S": str(LIFETIME_S)}
        environment |= {"CANDLEWICK_STREAMS_PER_ADDRESS": str(CONNECTIONS_PER_ADDRESS)}
        environment |= {"CANDLEWICK_HOST": "0.0.0.0", "PORT": str(PORT), "CANDLEWICK_TRUSTED_HOPS": str(TRUSTED_HOPS)}
        image = ecs.ContainerImage.from_asset(
            str(ROOT), file="infra/stream.Dockerfile", platform=images.Platform.LINUX_ARM64
        )
        group = logs.LogGroup(self, "Logs", retention=retention_of(stage), removal_policy=cdk.RemovalPolicy.DESTROY)
        task.add_container(
            "stream",
            image=image,
            command=["python", "-m", "api.stream_app"],
            environment=environment,
            port_mappings=[ecs.PortMapping(container_port=PORT)],
            logging=ecs.LogDriver.aws_logs(stream_prefix="stream", log_group=group),
            readonly_root_filesystem=True,
        )
        for access in ROWS["stream"].access:
            arns = table_arns(stack, stage, data, access.table)
            task.add_to_task_role_policy(iam.PolicyStatement(actions=list(access.actions), resources=arns))
        data.secret.grant_read(task.task_role)
        return task
