"""Cache: DAX before the bucket tables. Off by default: one t3.small node is 29.20 a month, half the budget, and the
REST function's own cache already answers repeated questions. Nothing of ours reads through it; other clients may.
"""

import aws_cdk as cdk
from aws_cdk import aws_dax as dax
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.functions import READ
from infra.names import physical
from infra.network import make_network
from infra.stages import Stage
from stores.dynamo_schema import TIMESERIES


class CacheStack(cdk.Stack):
    """A cluster of one node in a network of its own."""

    def __init__(self, scope: Construct, name: str, stage: Stage, **more: object) -> None:
        super().__init__(scope, name, **more)
        vpc = make_network(self, "cache", ec2.SubnetType.PRIVATE_ISOLATED)
        vpc.add_gateway_endpoint("Dynamo", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        group = ec2.SecurityGroup(self, "Group", vpc=vpc, allow_all_outbound=False, description="DAX, TLS only")
        group.add_ingress_rule(ec2.Peer.ipv4(vpc.vpc_cidr_block), ec2.Port.tcp(9111), "DAX with TLS")
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("dax.amazonaws.com"))
        table = self.format_arn(
            service="dynamodb", resource="table", resource_name=physical(stage.name, f"{TIMESERIES}-*")
        )
        role.add_to_policy(iam.PolicyStatement(actions=[*READ, "dynamodb:DescribeTable"], resources=[table]))
        subnets = dax.CfnSubnetGroup(
            self,
            "Subnets",
            subnet_ids=[subnet.subnet_id for subnet in vpc.isolated_subnets],
            subnet_group_name=physical(stage.name, "candlewick"),
        )
        cluster = dax.CfnCluster(
            self,
            "Cluster",
            cluster_name=f"{stage.name}-candlewick",
            node_type="dax.t3.small",
            replication_factor=1,
            iam_role_arn=role.role_arn,
            subnet_group_name=subnets.ref,
            security_group_ids=[group.security_group_id],
            sse_specification=dax.CfnCluster.SSESpecificationProperty(sse_enabled=True),
            cluster_endpoint_encryption_type="TLS",
        )
        cdk.CfnOutput(self, "Endpoint", value=cluster.attr_cluster_discovery_endpoint)
