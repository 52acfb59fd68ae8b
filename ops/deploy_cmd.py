"""`candlewick deploy`: doctor, synth, diff, deploy, upload the site, smoke test. Says what it will do, asks."""

import fcntl
import json
import mimetypes
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts.errors import BadRequest, Conflict, Transient, Unusable
from ops.console import say

ROOT: Final = Path(__file__).resolve().parent.parent
#: Exactly this one: a later major was tagged `latest` by accident and cannot read these assemblies.
CDK: Final = "aws-cdk@2.1148.1"
STAGES: Final = ("dev", "preprod", "prod")
MIN_NODE: Final = 20
STDERR: Final = 2
OUTPUTS: Final = Path("build") / "deploy-outputs.json"
ASSEMBLY: Final = Path("build") / "cdk.out"
LOCK: Final = Path("build") / "deploy.lock"
#: The stacks that say what the last deployment was asked for with `-c`: one of the first and the last, since one that
#: broke off came to the first alone.
TOLD_BY: Final = ("{stage}-candlewick-ops", "{stage}-candlewick-data")
#: The table whose change stream a standby region must be told.
ITEMS: Final = "{stage}-sentiment-items-primary"

ON_OFF: Final = ("on", "off")
#: What `-c` may say of a stage (infra/app.py asks for it; a test compares), and the values; without: any. Empty takes
#: back what was said before.
CONTEXT: Final[dict[str, tuple[str, ...]]] = {
    "account": (),
    "active": ON_OFF,
    "bundle": (),
    "cache": ON_OFF,
    "guardrail": ON_OFF,
    "items_stream": (),
    "replicas": (),
    "standby": ON_OFF,
    "stream": ("lambda", "fargate"),
    "telemetry_layer": (),
    "windows": ("driver",),
}


class Plan(NamedTuple):
    """What is to be deployed where."""

    stage: str
    region: str
    context: tuple[str, ...]

    def arguments(self) -> list[str]:
        """The CDK app's context, as the CLI takes it."""
        pairs = [f"stage={self.stage}", *([f"region={self.region}"] if self.region else []), *self.context]
        return [part for pair in pairs for part in ("-c", pair)]

    def asked(self) -> dict[str, str]:
        """The context by name."""
        return {name: value for name, _, value in (pair.partition("=") for pair in self.context)}


class Step(NamedTuple):
    """One thing that happens, and how to do it."""

    name: str
    text: str
    run: Callable[[], None]


def plan_of(stage: str, region: str, context: Sequence[str]) -> Plan:
    """Raises `BadRequest` for a stage or a `-c` that is not one."""
    if stage not in STAGES:
        raise BadRequest(f"--stage {stage!r}", STAGES)
    for each in context:
        name, separator, value = each.partition("=")
        if not separator:
            raise BadRequest(f"-c {each!r} is not name=value, such as -c replicas=us-west-2")
        if name not in CONTEXT:
            raise BadRequest(f"-c {name}: no such name", tuple(CONTEXT))
        if value and CONTEXT[name] and value not in CONTEXT[name]:
            raise BadRequest(f"-c {each}", CONTEXT[name])
    return Plan(stage, region, tuple(context))


def deploy(plan: Plan, yes: bool, dry_run: bool, root: Path = ROOT) -> bool:
    """All steps in order; before the first that changes anything, ask. Whether they were done. Raises `Unusable` with
    the remedy."""
    steps = steps_of(plan, root)
    say(f"candlewick: deploying stage {plan.stage}" + (f" to {plan.region}" if plan.region else "") + ":")
    for number, step in enumerate(steps, 1):
        say(f"  {number}. {step.name}: {step.text}")
    say(who_hears(plan))
    if dry_run:
        say("nothing was done (--dry-run)")
        return False
    with alone(plan, root):
        for step in steps[:3]:
            say(f"— {step.name}")
            step.run()
        if not yes and not _agreed(plan):
            say("nothing was changed")
            return False
        for step in steps[3:]:
            say(f"— {step.name}")
            step.run()
    return True


@contextmanager
def alone(plan: Plan, root: Path) -> Iterator[None]:
    """No other deployment from this checkout meanwhile: it would write other templates over those that were agreed to.
    Raises `Conflict`."""
    path = root / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            other = file.read().strip() or "another stage"
            raise Conflict(f"{other} is being deployed from this checkout: wait, or use another checkout") from None
        file.truncate(0)
        file.write(f"{plan.stage} {plan.region} (process {os.getpid()})\n".replace("  ", " "))
        file.flush()
        yield


def steps_of(plan: Plan, root: Path) -> list[Step]:
    """The steps; the first three change nothing."""
    from_assembly = ["--app", str(ASSEMBLY)]

    def cdk(*arguments: str) -> Callable[[], None]:
        return lambda: run([*cdk_command(), *arguments], root)

    def synth() -> None:
        run([*cdk_command(), "synth", "--quiet", *found_copies(plan).arguments()], root)

    deploying = ["deploy", "--all", "--require-approval", "never", "--outputs-file", str(OUTPUTS), *from_assembly]
    return [
        Step("doctor", "tools, credentials, built dashboard, what was asked for before", lambda: doctor(plan, root)),
        Step("synth", "templates and zips into build/cdk.out", synth),
        Step("diff", "what would change", cdk("diff", *from_assembly)),
        Step("deploy", "every stack of the templates, in order", cdk(*deploying)),
        Step("site", "upload the dashboard, invalidate CloudFront", lambda: upload_site(plan, root)),
        Step("smoke", "ask the API and the page, also for what there is not", lambda: smoke(root)),
    ]


def who_hears(plan: Plan) -> str:
    """Whom the stage's alarms and its budget tell."""
    from infra.stages import STAGES

    email = STAGES[plan.stage].alarm_email
    if not email:
        return f"alarms and budget tell nobody: alarm_email of {plan.stage} in infra/stages.py is empty"
    return f"alarms and budget tell {email}, once the mail that asks for it is confirmed"


def found_copies(plan: Plan) -> Plan:
    """On standby the line runs over copies; the change stream of the articles' copy has a name only DynamoDB knows.
    Raises `Unusable` when nothing was copied to that region."""
    given = plan.asked()
    if given.get("standby") != "on" or "items_stream" in given:
        return plan
    if not plan.region:
        raise BadRequest("-c standby=on needs --region: where the copies are")
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    name = ITEMS.format(stage=plan.stage)
    try:
        table = boto3.client("dynamodb", region_name=plan.region).describe_table(TableName=name)["Table"]
    except (BotoCoreError, ClientError) as error:
        remedy = f"deploy the stage's own region with -c replicas={plan.region} first"
        raise Unusable(f"no copy of {name} in {plan.region} ({error}): {remedy}") from error
    return plan._replace(context=(*plan.context, f"items_stream={table['LatestStreamArn']}"))


def refuse_to_drop(plan: Plan) -> None:
    """What a deployment is not asked for again, it takes away: copies in other regions, the standstill of a failover.
    Raises `BadRequest` unless each `-c` of the last one is given again, or ended by another value or by none."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from infra.stages import STAGES

    region = plan.region or STAGES[plan.stage].region
    try:
        cloudformation = boto3.client("cloudformation", region_name=region)
        told = [_told_by(cloudformation, name.format(stage=plan.stage)) for name in TOLD_BY]
    except (BotoCoreError, ClientError) as error:
        raise Unusable(f"CloudFormation: {error}") from error
    before: dict[str, str] = {}
    for each in told:
        before |= each or {}
    dropped = [f"-c {name}={value}" for name, value in sorted(before.items()) if name not in plan.asked()]
    if dropped:
        raise BadRequest(f"the last deployment had {' '.join(dropped)}: give it again, or end it with -c NAME=")
    had, wanted = _regions(before), _regions(plan.asked())
    is_there = any(each is not None for each in told)  # a new table is made with all its copies
    if is_there and len(had ^ wanted) > 1:
        raise BadRequest(
            f"-c replicas: {', '.join(sorted(had)) or 'none'} before, {', '.join(sorted(wanted)) or 'none'} now, but a "
            "table's copies change by one region in each deployment: deploy once for each"
        )
    for command in left_behind(plan, before, region):
        say(f"stays, and costs, until you delete it: {command}")


def _told_by(cloudformation: Any, name: str) -> dict[str, str] | None:
    """The context a stack was deployed with; None where there is no such stack."""
    from botocore.exceptions import ClientError

    try:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}
    context: dict[str, str] = json.loads(outputs.get("Context", "{}"))
    return context


def _regions(asked: Mapping[str, str]) -> frozenset[str]:
    return frozenset(each for each in asked.get("replicas", "").split(",") if each)


def left_behind(plan: Plan, before: Mapping[str, str], region: str) -> list[str]:
    """How to delete the stacks that a deployment no longer has: CDK deploys the stacks there are, and no more."""
    now = plan.asked()
    gone = [(f"{plan.stage}-candlewick-replica", each) for each in sorted(_regions(before) - _regions(now))]
    if before.get("cache") == "on" and now.get("cache") != "on":
        gone.append((f"{plan.stage}-candlewick-cache", region))
    if before.get("guardrail") != "off" and now.get("guardrail") == "off":
        gone.append((f"{plan.stage}-candlewick-guardrail", region))
    return [f"aws cloudformation delete-stack --region {where} --stack-name {name}" for name, where in gone]


def cdk_command() -> list[str]:
    """The CDK CLI; `CANDLEWICK_CDK` names one that is installed already."""
    installed = os.environ.get("CANDLEWICK_CDK")
    return installed.split() if installed else ["npx", "--yes", CDK]


def doctor(plan: Plan, root: Path) -> None:
    """Everything deploying needs. Raises `Unusable` that lists all faults at once, each with its remedy."""
    faults: list[str] = []
    refused: Exception | None = None
    if not (root / ".venv-infra" / "bin" / "python").exists():
        faults.append("the infrastructure's venv is missing: `make infra-venv`")
    node = shutil.which("node", path=search_path(root))
    if node is None:
        faults.append(f"Node is missing: `make infra-venv` brings one, or install {MIN_NODE} or newer")
    else:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        if int(version.strip().lstrip("v").partition(".")[0] or 0) < MIN_NODE:
            faults.append(f"Node {version.strip()} is too old: install {MIN_NODE} or newer")
    if not (root / "web" / "dist" / "index.html").exists():
        faults.append("the dashboard is not built: `make web`")
    if plan.asked().get("stream") == "fargate" and shutil.which("docker") is None:
        faults.append("Docker is missing: it builds the image of -c stream=fargate")
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            boto3.client("sts", region_name="us-east-1").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            refused = error
            faults.append(f"no AWS credentials that work ({error}): set AWS_PROFILE")
    except ImportError:
        faults.append("boto3 is missing: `pip install candlewick[aws]`")
    if faults:
        raise Unusable("cannot deploy:\n  - " + "\n  - ".join(faults)) from refused
    refuse_to_drop(plan)


def search_path(root: Path) -> str:
    """Where tools are looked for: the infrastructure's venv, which has a Node of its own, then as usual."""
    return f"{root / '.venv-infra' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"


def run(command: Sequence[str], root: Path) -> None:
    """Run a tool, its output shown on stderr: it is no answer. Raises `Unusable` when it fails."""
    env = {**os.environ, "PATH": search_path(root)}
    try:
        ended = subprocess.run(command, cwd=root, env=env, stdout=STDERR, check=False)
    except FileNotFoundError:
        raise Unusable(f"{command[0]} is not installed") from None
    if ended.returncode:
        raise Unusable(f"`{' '.join(command[:4])} …` ended with {ended.returncode}; its last lines say why")


def outputs(root: Path) -> dict[str, str]:
    """The stacks' outputs, as the CLI wrote them."""
    found = json.loads((root / OUTPUTS).read_text())
    merged: dict[str, str] = {}
    for stack in found.values():
        merged |= stack
    return merged


def upload_site(plan: Plan, root: Path) -> None:
    """The built dashboard into its bucket: hashed files for a year, pages never cached; what is gone stays a while.
    Raises `Unusable` where AWS refuses it."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _upload(plan, root)
    except (BotoCoreError, ClientError) as error:
        raise Unusable(f"the dashboard is not uploaded, or not shown yet ({error}); deploy again") from error


def _upload(plan: Plan, root: Path) -> None:
    import boto3

    found = outputs(root)
    session = boto3.session.Session(region_name=plan.region or None)
    s3, folder = session.client("s3"), root / "web" / "dist"
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.suffix == ".html")
    for path in files:  # pages last: they name the others
        name = path.relative_to(folder).as_posix()
        forever = name.startswith("assets/")
        s3.put_object(
            Bucket=found["SiteBucket"],
            Key=name,
            Body=path.read_bytes(),
            ContentType=mimetypes.guess_type(name)[0] or "application/octet-stream",
            CacheControl="public, max-age=31536000, immutable" if forever else "no-cache",
        )
    say(f"{len(files)} files in {found['SiteBucket']}")
    if "DistributionId" in found:
        session.client("cloudfront").create_invalidation(
            DistributionId=found["DistributionId"],
            InvalidationBatch={
                "Paths": {"Quantity": 1, "Items": ["/*"]},
                "CallerReference": str(os.stat(root / OUTPUTS).st_mtime_ns),
            },
        )


def smoke(root: Path) -> None:
    """The deployed API is ready, the page is there at each of its addresses, and what there is not is not there. Raises
    `Transient` naming what answers otherwise."""
    found = outputs(root)
    asked = [("API", f"{found['HttpApiUrl']}/ready", 200)]
    if page := found.get("DashboardUrl"):
        asked += [("dashboard", f"{page}/", 200), ("an address of the page", f"{page}/records", 200)]
        asked += [("an unknown article", f"{page}/api/v2/items/nothing", 404)]
    for name, url, wanted in asked:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        except (urllib.error.URLError, TimeoutError) as error:
            raise Transient(name, f"{url}: {error}; look at its function's log") from None
        if status != wanted:
            raise Transient(name, f"{url}: {status} instead of {wanted}; look at its function's log")
        say(f"{name}: {status} {url}")


def _agreed(plan: Plan) -> bool:
    if not sys.stdin.isatty():
        raise Unusable("nobody is there to ask: give --yes")
    sys.stderr.write(f"deploy stage {plan.stage}? type its name: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == plan.stage


def as_json(plan: Plan, root: Path = ROOT) -> dict[str, Any]:
    """What would be done."""
    steps = [{"name": step.name, "what": step.text} for step in steps_of(plan, root)]
    return {"stage": plan.stage, "region": plan.region or "the stage's", "context": list(plan.context), "steps": steps}
