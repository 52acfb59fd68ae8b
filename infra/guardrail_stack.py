"""Guardrail: the budget, which tells before the money is gone."""

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from constructs import Construct

from infra.alarming import TOPIC
from infra.names import physical
from infra.stages import Stage

#: Share of the budget → of what was spent, or of what the month is heading for.
STEPS = ((50.0, "ACTUAL"), (80.0, "ACTUAL"), (100.0, "ACTUAL"), (100.0, "FORECASTED"))


class GuardrailStack(cdk.Stack):
    """One monthly cost budget with notices to the operators' topic. It counts the whole account: a filter by tag would
    count nothing until somebody activates the tag for cost allocation, and never what bears none (metrics, traces, a
    replay's tables)."""

    def __init__(self, scope: Construct, name: str, stage: Stage, **more: object) -> None:
        super().__init__(scope, name, **more)
        # By its name: an import would keep the stack that makes the topic from letting go of this one.
        topic = self.format_arn(service="sns", resource=physical(stage.name, TOPIC))
        subscriber = budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=topic)
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=physical(stage.name, "candlewick"),
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=stage.budget_usd, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=threshold,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for threshold, kind in STEPS
            ],
        )
