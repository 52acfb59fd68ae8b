"""`candlewick dashboards diff`: the CloudWatch dashboard as it is deployed, against the one in the repository."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import typer

from contracts.errors import Unusable
from ops.console import DIFFERENT, plain_errors, put_json
from ops.home import Json

app = typer.Typer(no_args_is_help=True)
ROOT: Final = Path(__file__).resolve().parent.parent
TEMPLATE: Final = Path("build") / "cdk.out" / "Ops.template.json"


@app.callback()
def dashboards() -> None:
    """The operators' dashboard."""


@app.command()
def diff(
    stage: str = typer.Option("dev", help="Stage the dashboard belongs to."),
    standby: str = typer.Option("", help="Region, when it is the dashboard of a line on standby there."),
    template: str = typer.Option("", help="Synthesised Ops template; without, the checkout's build/cdk.out."),
    as_json: Json = False,
) -> None:
    """Widgets that are only here, only there, or different. Exit 6 if there are any."""
    with plain_errors():
        wanted = wanted_widgets(Path(template) if template else ROOT / TEMPLATE)
        differences = compare(wanted, deployed_widgets(stage, standby))
        if as_json:
            put_json(differences)
        else:
            for kind, titles in differences.items():
                for title in titles:
                    sys.stdout.write(f"{kind:<10} {title}\n")
        if any(differences.values()):
            raise typer.Exit(DIFFERENT)


def compare(wanted: dict[str, Any], deployed: dict[str, Any]) -> dict[str, list[str]]:
    """Titles of widgets by how they differ; places and sizes count too."""
    both = wanted.keys() & deployed.keys()
    return {
        "missing": sorted(wanted.keys() - deployed.keys()),
        "extra": sorted(deployed.keys() - wanted.keys()),
        "different": sorted(title for title in both if wanted[title] != deployed[title]),
    }


def wanted_widgets(path: Path) -> dict[str, Any]:
    """From the template: its body is text with references, which stand for what only the deployment knows. Raises
    `Unusable` when it is not there or no such template."""
    if not path.exists():
        raise Unusable(
            f"{path} is not there: `candlewick deploy --dry-run` does not make it, `npx aws-cdk@2.1148.1 synth` does"
        )
    try:
        resources = json.loads(path.read_text())["Resources"].values()
        (board,) = (each for each in resources if each["Type"] == "AWS::CloudWatch::Dashboard")
        body = board["Properties"]["DashboardBody"]
        if isinstance(body, dict):
            body = "".join(part if isinstance(part, str) else "*" for part in body["Fn::Join"][1])
        return by_title(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unusable(f"{path} is no template with one dashboard: {error!r}") from None


def deployed_widgets(stage: str, standby: str = "") -> dict[str, Any]:
    """From CloudWatch. Raises `Unusable` when there is none."""
    from contracts.clock import SystemClock
    from stores.aws_client import Refused, Services

    cloudwatch = Services(None, SystemClock()).open("cloudwatch")
    name = f"{stage}-candlewick" + (f"-{standby}" if standby else "")
    try:
        answer = cloudwatch.call("get_dashboard", expect=("ResourceNotFound",), DashboardName=name)
    except Refused:
        raise Unusable(f"dashboard {name} is not deployed: `candlewick deploy --stage {stage}`") from None
    return by_title(answer["DashboardBody"])


def by_title(body: str) -> dict[str, Any]:
    """Widgets by title (a text's is its text), without what only one side knows: regions, accounts and alarms' ARNs.
    One made by hand may have no place and no size."""
    found = {}
    for widget in json.loads(body)["widgets"]:
        properties = widget["properties"]
        title = properties.get("title") or properties.get("markdown", "")
        known = {name: value for name, value in properties.items() if name not in ("region", "alarms")}
        shape = {name: widget.get(name) for name in ("type", "width", "height", "x", "y")}
        found[title] = shape | {"properties": known}
    return found
