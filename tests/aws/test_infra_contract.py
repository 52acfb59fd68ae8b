"""What code and infrastructure must agree on, checked without CDK: the golden templates are what is deployed."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.options import ApiOptions
from api.server import KEEP_ALIVE_S
from api.sse.stream import JITTER
from contracts import events, metrics
from contracts.settings import PREFIX, AggregatorSettings, ClassifierSettings, ProducerSettings, Settings, load
from infra import names
from infra.alarms import ALARMS, BUDGET_RUNBOOK
from infra.bundles import BUNDLES, SHARED
from local.line import ITEMS_TABLE, LINE, entry_point
from stores.dynamo_schema import ITEMS_PRIMARY

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "infra" / "golden"
#: What each function reads its environment as.
MODELS: dict[str, tuple[type[Settings], ...]] = {
    "aggregator": (AggregatorSettings,), "finalizer": (AggregatorSettings,), "classifier": (ClassifierSettings,),
    "producers": (ProducerSettings, AggregatorSettings), "api": (ApiOptions,), "stream": (ApiOptions,),
    "archiver": (Settings,), "read-model": (Settings,),
}  # fmt: skip


BUNDLE_OF = {
    "producers": "producers", "classifier": "classifier", "aggregator": "core", "finalizer": "core", "archiver": "core",
    "read-model": "core", "api": "api",
}  # fmt: skip


def functions(stage: str) -> dict[str, dict[str, Any]]:
    """Properties by name, of all stacks."""
    found = {}
    for stack in ("pipeline", "api"):
        for each in json.loads((GOLDEN / f"{stage}-{stack}.json").read_text())["Resources"].values():
            if each["Type"] == "AWS::Lambda::Function":
                found[each["Properties"]["FunctionName"].partition("-candlewick-")[2]] = each["Properties"]
    return found


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_every_variable_of_a_function_is_a_setting_that_it_reads_and_valid(stage: str):
    for name, given in functions(stage).items():
        variables = given["Environment"]["Variables"]
        ours = {
            key: value if isinstance(value, str) else "bucket"
            for key, value in variables.items()
            if key.startswith(PREFIX)
        }
        known = {PREFIX + field.upper() for model in MODELS[name] for field in model.model_fields}
        assert set(ours) <= known, name
        for model in MODELS[name]:
            loaded = load(model, ours)
            assert (loaded.home, loaded.environment, loaded.metrics) == ("aws", stage, "emf")
    assert set(functions(stage)) == set(MODELS)


def test_every_variable_that_fargate_adds_is_a_setting_of_the_stream():
    """A name that nobody reads would be ignored in silence."""
    added = set(re.findall(rf'"({PREFIX}[A-Z_]+)"', (ROOT / "infra" / "fargate.py").read_text()))
    assert f"{PREFIX}TRUSTED_HOPS" in added
    assert added <= {PREFIX + field.upper() for field in ApiOptions.model_fields} | {f"{PREFIX}HOST"}


def test_the_balancer_lets_go_of_a_quiet_connection_first():
    """A task that closes it as a request comes in makes a 502 of that."""
    (idle_s,) = re.findall(r"^IDLE_S: Final = (\d+)$", (ROOT / "infra" / "fargate.py").read_text(), re.M)
    assert int(idle_s) < KEEP_ALIVE_S


def test_every_handler_is_an_entry_point():
    for name, given in functions("dev").items():
        if name != "stream":
            module, _, function = given["Handler"].rpartition(".")
            assert function == "lambda_handler"
            assert callable(entry_point(module)), name


def test_mappings_read_what_the_line_reads_with_the_same_batches_and_windows():
    resources = json.loads((GOLDEN / "dev-pipeline.json").read_text())["Resources"]
    deployed = set()
    for each in resources.values():
        if each["Type"] == "AWS::Lambda::EventSourceMapping":
            given = each["Properties"]
            source = "".join(
                re.findall(r"(RawArticles|ScoredArticles|ItemsPrimary)", json.dumps(given["EventSourceArn"]))
            )
            function = resources[given["FunctionName"]["Ref"]]["Properties"]["Handler"].removesuffix(".lambda_handler")
            deployed.add((source, function, given["BatchSize"], given.get("TumblingWindowInSeconds", 0)))
    title = {events.RAW_STREAM: "RawArticles", events.SCORED_STREAM: "ScoredArticles", ITEMS_TABLE: "ItemsPrimary"}
    local = {(title[row.stream], row.handler, row.batch_size, row.tumbling_window_s) for row in LINE}
    assert deployed == local


def test_names_are_the_codes_own():
    assert (names.RAW_STREAM, names.SCORED_STREAM) == (events.RAW_STREAM, events.SCORED_STREAM)
    assert (names.NAMESPACE, names.PREFIX) == (metrics.NAMESPACE, PREFIX)
    assert ITEMS_PRIMARY == ITEMS_TABLE


def test_every_alarm_has_a_runbook_and_watches_a_metric_that_exists():
    """That ours are emitted: tests/unit/test_counts.py."""
    for row in ALARMS:
        assert (ROOT / "docs" / "runbooks" / f"{row.runbook}.md").exists(), row.name
        assert row.source != "ours" or row.metric in metrics.METRICS, row.name
    assert (ROOT / "docs" / "runbooks" / f"{BUDGET_RUNBOOK}.md").exists()
    assert len({row.name for row in ALARMS}) == len(ALARMS)


IMPORTED = """
import importlib, json, sys
from importlib.metadata import packages_distributions
before = set(sys.modules)
for name in sys.argv[1:]:
    importlib.import_module(name)
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
known = packages_distributions()
ours = sorted({"/".join(name.split(".")[:2]) for name in sys.modules if name.split(".")[0] in
               ("aggregation", "api", "consumers", "contracts", "local", "ops", "producers", "stores")})
print(json.dumps({"libraries": sorted({d for top in tops for d in known.get(top, ())}), "ours": ours}))
"""
#: Imported when first needed, by the handler of that name.
LAZY = {
    "consumers.classifier.handler": (
        "consumers.classifier.models.minilm",
        "onnxruntime",
        "tokenizers",
        "stores.aws_home",
    ),
    "api.handler": ("api.stream_app", "uvicorn", "stores.aws_home"),
}
RUNTIME = {"boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "urllib3", "six", "candlewick"}


@pytest.mark.parametrize("name", list(BUNDLE_OF))
def test_a_zip_holds_every_library_and_package_its_handler_imports(name: str):
    module = functions("dev")[name]["Handler"].rpartition(".")[0]
    bundle = BUNDLES[BUNDLE_OF[name]]
    modules = (module, *LAZY.get(module, ("stores.aws_home",)))
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTED, *modules], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = json.loads(ended.stdout)
    assert {"msgspec", "tenacity", "pydantic"} <= set(found["libraries"]), "the looking itself works"
    held = {_canonical(each) for each in bundle.libraries} | RUNTIME
    assert {_canonical(each) for each in found["libraries"]} - held == set()
    packages = {*SHARED, *bundle.packages}
    loaded = {each for each in found["ours"] if "/" in each}
    assert {each for each in loaded if each not in packages and each.split("/")[0] not in packages} == set()


#: What a package of a zip imports when asked for, and nothing that runs from this zip asks for.
NEVER_ASKED_FOR = {
    "producers": {"numpy", "pyarrow"},  # buckets; `publish` of parquet
    "classifier": {"torch", "transformers"},  # export of `hf:` models
    "api": {"numpy", "onnxruntime", "tokenizers", "torch", "transformers", "vaderSentiment"},  # models; writing buckets
}
DISTRIBUTION = {
    "google": "protobuf", "opentelemetry": "opentelemetry-api", "aws_kinesis_agg": "aws-kinesis-agg",
    "aws_lambda_powertools": "aws-lambda-powertools", "sse_starlette": "sse-starlette",
    "pydantic_core": "pydantic-core",
}  # fmt: skip


@pytest.mark.parametrize("name", BUNDLES)
def test_a_zip_holds_what_its_packages_import_inside_of_functions(name: str):
    """A minute of more than 2,000 events asks for numpy at its first write, not when the function starts."""
    bundle = BUNDLES[name]
    wanted = set()
    for package in (*SHARED, *bundle.packages):
        for path in (ROOT / package).rglob("*.py"):
            if "training" not in path.parts and not path.name.startswith("bench"):
                wanted |= {top for top in _imports(path) if not (ROOT / top).is_dir()}
    wanted = {DISTRIBUTION.get(top, top) for top in wanted - sys.stdlib_module_names}
    assert {"msgspec", "numpy"} <= wanted, "the looking itself works"
    assert wanted - set(bundle.libraries) - RUNTIME == NEVER_ASKED_FOR.get(name, set())


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-")


def test_the_aws_home_reckons_with_expiry_unless_told_not_to():
    assert load(AggregatorSettings, {PREFIX + "HOME": "aws"}).expire
    assert not load(AggregatorSettings, {PREFIX + "HOME": "aws", PREFIX + "EXPIRE": "false"}).expire
    assert not load(AggregatorSettings, {}).expire


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_stream_says_farewell_before_its_function_is_cut(stage: str):
    """A planned lifetime varies by a fifth; what comes after the function's own end is cut without a word."""
    given = functions(stage)["stream"]
    longest_s = float(given["Environment"]["Variables"][f"{PREFIX}MAX_LIFETIME_S"]) * (1 + JITTER)
    assert longest_s < given["Timeout"]
    for name in ("api", "stream"):
        assert functions(stage)[name]["Environment"]["Variables"][f"{PREFIX}BEHIND_TLS"] == "true"


def test_the_stream_may_read_all_that_its_application_reads():
    """Headlines and the probes of /ready read articles, the end of a process deletes its row."""
    resources = json.loads((GOLDEN / "dev-api.json").read_text())["Resources"]
    (policy,) = [each for name, each in resources.items() if name.startswith("StreamRoleDefaultPolicy")]
    needed = {
        "ItemsPrimary": {"dynamodb:GetItem", "dynamodb:BatchGetItem"},
        "ItemsDashboard": {"dynamodb:Query"},
        "SentimentControl": {"dynamodb:DeleteItem"},
    }
    for table, actions in needed.items():
        allowed = {
            action
            for one in policy["Properties"]["PolicyDocument"]["Statement"]
            if table in json.dumps(one["Resource"])
            for action in one["Action"]
        }
        assert actions <= allowed, table
