"""What a deployment is told of the last one, by CloudFormation: nothing is dropped in silence."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime

import boto3
import pytest
import typer
from botocore.client import BaseClient
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber

from contracts.errors import BadRequest
from ops import deploy_cmd
from ops.console import AUTH, plain_errors


def cloudformation(region: str, context: dict[str, str] | None) -> BaseClient:
    """CloudFormation that answers once for each stack, as a deployment left it that broke off before the last; None:
    there is none. Botocore checks both question and answer."""
    client = boto3.session.Session("key", "secret").client("cloudformation", region)
    stubber = Stubber(client)
    for name in ("prod-candlewick-ops", "prod-candlewick-data"):
        if context is None:
            stubber.add_client_error("describe_stacks", "ValidationError", f"Stack {name} does not exist")
            continue
        stack = {"StackName": name, "CreationTime": datetime.now(UTC), "StackStatus": "CREATE_COMPLETE"}
        told = context if name.endswith("data") else dict(list(context.items())[1:])
        written = [{"OutputKey": "Context", "OutputValue": json.dumps(told)}] if told else []
        stubber.add_response("describe_stacks", {"Stacks": [stack | {"Outputs": written}]}, {"StackName": name})
    stubber.activate()
    return client


@pytest.mark.parametrize(
    ("region", "before", "now", "dropped"),
    [
        ("", None, [], ""),
        ("", {}, ["active=off"], ""),
        ("", {"replicas": "us-west-2", "stream": "fargate"}, ["active=off"], "-c replicas=us-west-2 -c stream=fargate"),
        ("", {"replicas": "us-west-2", "stream": "fargate"}, ["replicas=us-west-2", "stream="], ""),
        ("us-west-2", {"active": "off", "standby": "on"}, ["standby=on"], "-c active=off"),
        ("us-west-2", {"active": "off", "standby": "on"}, ["standby=on", "active=on"], ""),
    ],
)
def test_what_the_last_deployment_was_asked_for_is_never_dropped_in_silence(region, before, now, dropped, monkeypatch):
    """Without `replicas` the copies would be deleted, without `active=off` two regions would write."""
    opened = []

    def client(service: str, region_name: str) -> BaseClient:
        opened.append((service, region_name))
        return cloudformation(region_name, before)

    monkeypatch.setattr(boto3, "client", client)
    refused = pytest.raises(BadRequest, match=f"had {dropped}:") if dropped else nullcontext()
    with refused:
        deploy_cmd.refuse_to_drop(deploy_cmd.plan_of("prod", region, now))
    assert opened == [("cloudformation", region or "us-east-1")]


@pytest.mark.parametrize(
    ("before", "now", "refused"),
    [
        ("", "us-west-2", False),
        ("us-west-2", "", False),
        ("us-west-2", "us-west-2,eu-west-1", False),
        ("", "us-west-2,eu-west-1", True),
        ("us-west-2", "eu-west-1", True),
        ("us-west-2,eu-west-1", "", True),
    ],
)
def test_copies_come_and_go_one_by_one(before, now, refused, monkeypatch):
    """CloudFormation adds or removes one replica of a global table in each update."""
    context = {"replicas": before} if before else {}
    monkeypatch.setattr(boto3, "client", lambda service, region_name: cloudformation(region_name, context))
    with pytest.raises(BadRequest, match="one region") if refused else nullcontext():
        deploy_cmd.refuse_to_drop(deploy_cmd.plan_of("prod", "", [f"replicas={now}"]))


def test_a_new_stage_is_made_with_all_its_copies(monkeypatch):
    monkeypatch.setattr(boto3, "client", lambda service, region_name: cloudformation(region_name, None))
    deploy_cmd.refuse_to_drop(deploy_cmd.plan_of("prod", "", ["replicas=us-west-2,eu-west-1,ap-south-1"]))


@pytest.mark.parametrize("step", [
    lambda root: deploy_cmd.doctor(deploy_cmd.plan_of("dev", "", []), root),
    lambda root: deploy_cmd.refuse_to_drop(deploy_cmd.plan_of("dev", "", [])),
    lambda root: deploy_cmd.found_copies(deploy_cmd.plan_of("dev", "us-west-2", ["standby=on"])),
])  # fmt: skip
def test_without_credentials_it_ends_with_the_code_for_it(step, tmp_path, monkeypatch):
    class Refused:
        def __getattr__(self, name: str):
            raise NoCredentialsError

    monkeypatch.setattr(boto3, "client", lambda *_, **__: Refused())
    with pytest.raises(typer.Exit) as told, plain_errors():
        step(tmp_path)
    assert told.value.exit_code == AUTH
