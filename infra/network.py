"""A network of one kind of subnet in two zones, which writes down for a week what flows through it."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct


def make_network(scope: Construct, subnet_name: str, subnet_type: ec2.SubnetType) -> ec2.Vpc:
    """The first two zones that CloudFormation finds when it deploys: an account does not have every letter, and an L2
    Vpc in a concrete region would ask AWS while it is synthesised, which fails offline."""
    vpc = ec2.Vpc(
        scope,
        "Vpc",
        availability_zones=[cdk.Fn.select(number, cdk.Fn.get_azs()) for number in (0, 1)],
        nat_gateways=0,
        subnet_configuration=[ec2.SubnetConfiguration(name=subnet_name, subnet_type=subnet_type)],
    )
    flow_logs = logs.LogGroup(
        scope, "FlowLogs", retention=logs.RetentionDays.ONE_WEEK, removal_policy=cdk.RemovalPolicy.DESTROY
    )
    vpc.add_flow_log("Flow", destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_logs))
    return vpc
