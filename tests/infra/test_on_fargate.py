"""Event streams on Fargate: what rings when they are down, and where they stand."""

from collections.abc import Callable

from tests.infra.conftest import Template, resources

Templates = Callable[[str], dict[str, Template]]


def test_a_task_that_is_gone_and_failures_at_the_balancer_ring(templates: Templates):
    """A task that cannot start tells of nothing: no data is the worst there is. Where the balancer is, so that going
    back to the function takes both away at once."""
    api = templates("all")["Api"]
    alarms = {each["Properties"]["MetricName"]: each for each in resources(api, "AWS::CloudWatch::Alarm").values()}
    gone, failing = alarms["HealthyHostCount"]["Properties"], alarms["HTTPCode_ELB_5XX_Count"]["Properties"]
    assert (gone["ComparisonOperator"], gone["Threshold"]) == ("LessThanThreshold", 1)
    assert (gone["Statistic"], gone["TreatMissingData"]) == ("Maximum", "breaching")
    assert {each["Name"] for each in gone["Dimensions"]} == {"LoadBalancer", "TargetGroup"}
    assert {each["Name"] for each in failing["Dimensions"]} == {"LoadBalancer"}, "it is counted of no target group"
    (service,) = resources(api, "AWS::ECS::Service")
    assert all(service in each["DependsOn"] for each in alarms.values()), "or they ring while it begins"


def test_zones_are_those_the_account_has(templates: Templates):
    """No letter is sure: most accounts have no ap-northeast-1b."""
    for stack in ("Api", "Cache"):
        subnets = resources(templates("all")[stack], "AWS::EC2::Subnet").values()
        zones = [each["Properties"]["AvailabilityZone"] for each in subnets]
        assert zones == [{"Fn::Select": [number, {"Fn::GetAZs": ""}]} for number in (0, 1)], stack
