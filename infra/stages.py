"""What differs between stages: one row each. Nothing else in `infra/` asks which stage it is."""

from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, Literal

from contracts.resolution import FINEST, HOUR_MS
from infra.bundles import LEFT_OUT

ROOT: Final = Path(__file__).resolve().parent.parent
#: Fixed, so that templates do not depend on who synthesises them.
DEFAULT_REGION: Final = "us-east-1"


@dataclass(frozen=True)
class Stage:
    """One deployment. Sizes in shards, MB and days; money in USD a month.

    Shards: one takes 1 MB/s and 1,000 records/s in, 2 MB/s out over all consumers that share it. The documents' load is
    13 subjects and 18,000 bucket writes a day: 0.03 articles/s x 1 KB, which is 0.003 % of a shard. Two provisioned
    shards (one a stream) are therefore the floor, and cost 2 x 10.95 = 21.90; the same streams on demand would cost
    2 x 29.20 = 58.40 before any data, the whole budget. Past 800 records/s on a shard (80 %), split it. Streams forget
    after a day: a week would be 14.60 more a shard, and the lake has everything by then.
    """

    name: str
    region: str = DEFAULT_REGION
    raw_shards: int = 1
    scored_shards: int = 1
    on_demand_streams: bool = False
    stream_retention_hours: int = 24
    stream_on: Literal["lambda", "fargate"] = "lambda"
    #: Tasks of the event streams where they are on Fargate, for 1,000 watchers each.
    stream_tasks: int = 1
    stream_concurrency: int = 10
    api_concurrency: int = 10
    retain_data: bool = False
    log_days: Literal[7, 14, 30] = 7
    budget_usd: int = 60
    #: Who hears of the alarms and the budget; "": nobody.
    alarm_email: str = ""
    model: str = ""
    lanes: int = 1
    #: How long after its minute an event still counts. NewsAPI's free plan tells of articles a day late.
    allowed_lateness_hours: int = 24
    #: What the producers call themselves; "": their own default, as with the next two.
    user_agent: str = ""
    #: Files of the checkout, below the folder that `OWN_FILES` names: they go into the function's zip.
    sources_file: str = ""
    symbols_file: str = ""
    generation: str = "g1"
    replicas: tuple[str, ...] = ()
    cache: bool = False
    active: bool = True
    #: ARN of a layer that brings the OpenTelemetry SDK (AWS' is AWSOpenTelemetryDistroPython, another in each region);
    #: without one, spans of ours go nowhere and X-Ray has the functions' own.
    telemetry_layer: str = ""
    #: In another region, over the copies that the stage's own region keeps there (`replicas`).
    standby: bool = False
    #: The change stream of the copied articles' table there; only DynamoDB knows its name.
    items_stream: str = ""

    @property
    def allowed_lateness_ms(self) -> int:
        """As the functions' setting says it."""
        return self.allowed_lateness_hours * HOUR_MS


#: What the classifier's zip can load; "" is the default. A test compares them with the registry.
MODELS: Final = ("", "minilm-news-1", "vader")
#: Where a stage's own files must lie: the folders that the zips of the producers and the classifier are made from.
OWN_FILES: Final = {"sources_file": "producers", "symbols_file": "consumers/classifier"}

STAGES: Final[dict[str, Stage]] = {
    stage.name: stage
    for stage in (
        Stage("dev"),
        Stage("preprod", log_days=14, retain_data=True),
        Stage(
            "prod",
            log_days=30,
            retain_data=True,
            stream_concurrency=50,
            api_concurrency=50,
        ),
    )
}

#: Regions that replicas may be asked for; `-c replicas=us-west-2,eu-west-1`.
REPLICA_REGIONS: Final = ("us-west-2", "eu-west-1", "ap-south-1")


def stage_of(
    name: str,
    replicas: str = "",
    cache: str = "",
    active: str = "",
    region: str = "",
    stream_on: str = "",
    standby: str = "",
    items_stream: str = "",
    telemetry_layer: str = "",
) -> Stage:
    """A stage with what the command line changes about it. Raises `ValueError` naming what is allowed."""
    if name not in STAGES:
        raise ValueError(f"stage {name!r}: one of {', '.join(STAGES)}")
    asked = tuple(each for each in replicas.split(",") if each)
    unknown = [each for each in asked if each not in REPLICA_REGIONS]
    if unknown:
        raise ValueError(f"replicas {', '.join(unknown)}: any of {', '.join(REPLICA_REGIONS)}")
    stage = replace(checked(STAGES[name]), replicas=asked, cache=cache == "on", active=active != "off")
    stage = replace(stage, telemetry_layer=telemetry_layer)
    if stream_on == "fargate":
        stage = replace(stage, stream_on="fargate")
    stage = replace(stage, region=region) if region else stage
    return _standing_by(stage, items_stream) if standby == "on" else stage


def checked(stage: Stage) -> Stage:
    """A stage whose functions can start with what its row says. Raises `ValueError`."""
    if stage.model not in MODELS:
        raise ValueError(
            f"model {stage.model}: the classifier's zip has {', '.join(filter(None, MODELS))}, and no other"
        )
    longest = FINEST.ttl_ms // HOUR_MS
    if not 0 <= stage.allowed_lateness_hours <= longest:
        raise ValueError(f"allowed_lateness_hours {stage.allowed_lateness_hours}: 0 to {longest}, as a minute is kept")
    for field, folder in OWN_FILES.items():
        path = getattr(stage, field)
        if path and not _is_zipped(path, folder):
            raise ValueError(
                f"{field} {path}: not in the function's zip; it has what is below {folder}/ but {', '.join(LEFT_OUT)}"
            )
        if path and not (ROOT / path).is_file():
            raise ValueError(f"{field}: no file {path} of this checkout")
    return stage


def _is_zipped(path: str, folder: str) -> bool:
    """By name alone: the zip is made with the same patterns, and follows links."""
    parts = Path(path).parts
    left_out = any(fnmatch(part, pattern) for part in parts for pattern in LEFT_OUT)
    return path.startswith(f"{folder}/") and ".." not in parts and not left_out


def _standing_by(stage: Stage, items_stream: str) -> Stage:
    if stage.region not in REPLICA_REGIONS:
        raise ValueError(f"standby in {stage.region}: any of {', '.join(REPLICA_REGIONS)}")
    if stage.replicas or not items_stream:
        raise ValueError(
            "standby=on takes no replicas, and needs the change stream of the articles' table in that region, which"
            " `candlewick deploy` finds: the LatestStreamArn of `aws dynamodb describe-table`, as -c items_stream="
        )
    return replace(stage, standby=True, items_stream=items_stream)
