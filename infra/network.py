"""A network of one kind of subnet in two zones, which writes down for a week what flows through it."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.stages import Stage


def make_network(scope: Construct, stage: Stage, subnet_name: str, subnet_type: ec2.SubnetType) -> ec2.Vpc:
    """Named zones: an L2 Vpc in a concrete region would ask AWS for them, which fails offline."""
    vpc = ec2.Vpc(
        scope,
        "Vpc",
        availability_zones=[f"{stage.region}a", f"{stage.region}b"],
        nat_gateways=0,
        subnet_configuration=[ec2.SubnetConfiguration(name=subnet_name, subnet_type=subnet_type)],
    )
    flow_logs = logs.LogGroup(
        scope, "FlowLogs", retention=logs.RetentionDays.ONE_WEEK, removal_policy=cdk.RemovalPolicy.DESTROY
    )
    vpc.add_flow_log("Flow", destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_logs))
    return vpc
