"""docs/reference/: settings, metrics, alarms, commands, events, endpoints and targets, each from the table the program
itself uses. `python -m ops.reference` writes the pages; a test writes them again and compares.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.settings import PREFIX

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "reference"
#: Read beside the settings models: by composition roots, or by the secrets of a home.
OTHER_VARIABLES: Final[dict[str, str]] = {
    "CANDLEWICK_LOG": "level of the program's own log on stderr: `debug info warning error`; default `warning`",
    "CANDLEWICK_HOST": "address `python -m api.stream_app` listens on; default `127.0.0.1`",
    "PORT": "port `python -m api.stream_app` listens on; default 8000",
    "CANDLEWICK_ADMIN_KEY": "secret: what `X-Admin-Key` must hold",
    "CANDLEWICK_SIGNING_KEYS": "secret: keys that sign tokens, `id:secret,id:secret`; the first one signs, all verify",
    "FINNHUB_API_KEY": "secret: key of Finnhub",
    "TIINGO_API_KEY": "secret: key of Tiingo",
    "NEWSAPI_API_KEY": "secret: key of NewsAPI",
    "ALPHAVANTAGE_API_KEY": "secret: key of Alpha Vantage",
    "CANDLEWICK_CDK": "the CDK command line `deploy` runs, when one is installed; else `npx` fetches the pinned one",
    "CANDLEWICK_DATA": "folder of the training data: `models eval`, the trainer",
    "AWS_ENDPOINT_URL": "the AWS-compatible endpoint `up` runs on, as its `--endpoint-url`; every other command works "
    "on the data directory unless `CANDLEWICK_HOME=aws` and `CANDLEWICK_ENDPOINT_URL` are set",
}


SECRETS: Final = frozenset(name for name, meaning in OTHER_VARIABLES.items() if meaning.startswith("secret: "))


def _models() -> dict[str, Any]:
    """The settings models, by who reads them."""
    from api.options import ApiOptions
    from contracts import settings as models

    return {
        "Every process": models.Settings,
        "Aggregator, finaliser": models.AggregatorSettings,
        "Classifier": models.ClassifierSettings,
        "Producers": models.ProducerSettings,
        "API, event stream": ApiOptions,
    }


def variables() -> frozenset[str]:
    """The names of all environment variables that the program reads."""
    fields = (name for model in _models().values() for name in model.model_fields)
    return frozenset([*OTHER_VARIABLES, *(f"{PREFIX}{name.upper()}" for name in fields)])


def _page(title: str, source: str, lines: Iterable[str]) -> str:
    head = f"# {title}\n\nMade by `make docs` from {source}; a test compares.\n\n"
    return head + "\n".join(lines).rstrip() + "\n"


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _table(*titles: str) -> list[str]:
    return [_row(*titles), _row(*("---" for _ in titles))]


# ---- settings -------------------------------------------------------------------------------------------------------
def settings_page() -> str:
    from contracts.settings import Settings

    lines: list[str] = [
        "Empty counts as unset. Secrets, and nothing else, may also stand in `.env` of the data directory. `candlewick "
        "doctor` names variables that nobody reads. A wheel of the program has no "
        "dashboard in it: `make web` builds one, `CANDLEWICK_WEB_DIR` names its folder.",
        "",
    ]
    base = set(Settings.model_fields)
    for title, model in _models().items():
        lines += [f"## {title}", "", *_table("variable", "default", "meaning")]
        for name, field in model.model_fields.items():
            if model is Settings or name not in base:
                default = "" if field.default in (None, "") else f"`{_plain(field.default)}`"
                lines.append(_row(f"`{PREFIX}{name.upper()}`", default, field.description))
        lines.append("")
    lines += ["## Others", "", *_table("variable", "meaning")]
    lines += [_row(f"`{name}`", meaning) for name, meaning in OTHER_VARIABLES.items()]
    return _page("Settings", "`contracts/settings.py` and `api/options.py`", lines)


def _plain(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


# ---- metrics and alarms ---------------------------------------------------------------------------------------------
def metrics_page() -> str:
    from contracts.metrics import METRICS, NAMESPACE

    lines = [f"CloudWatch namespace `{NAMESPACE}`; the only dimension is the environment.", ""]
    lines += _table("metric", "unit", "counts")
    lines += [_row(f"`{name}`", metric.unit, metric.meaning) for name, metric in METRICS.items()]
    return _page("Metrics", "`contracts/metrics.py`", lines)


def alarms_page() -> str:
    from infra.alarms import ALARMS

    lines = _table("alarm", "rings when", "because", "runbook")
    for alarm in ALARMS:
        metric = f"{alarm.of} {alarm.metric}".strip()
        sign = "<" if alarm.below else "≥"
        when = f"{alarm.statistic} of {metric} {sign} {alarm.threshold:g} in {alarm.periods} × {alarm.period_s} s"
        lines.append(_row(f"`{alarm.name}`", when, alarm.why, f"[{alarm.runbook}](../runbooks/{alarm.runbook}.md)"))
    return _page("Alarms", "`infra/alarms.py`", lines)


# ---- commands -------------------------------------------------------------------------------------------------------
def commands_page() -> str:
    import typer.main

    from ops.cli import app
    from ops.console import EXIT_CODES

    lines = ["Data goes to stdout, everything else to stderr.", ""]
    for path, command in sorted(commands_of(typer.main.get_command(app))):
        lines += [f"## {' '.join(path)}", "", " ".join((command.help or "").split()), ""]
        options = [parameter for parameter in command.params if parameter.name != "help"]
        if options:
            lines += [*_table("argument", "default", "meaning"), *map(_parameter, options), ""]
    lines += ["## Exit codes", "", *_table("code", "meaning")]
    lines += [_row(code, text) for code, text in EXIT_CODES.items()]
    return _page("Commands", "the command line itself", lines)


def commands_of(command: Any, path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    """Every command below one, with its path."""
    for name, child in getattr(command, "commands", {}).items():
        if hasattr(child, "commands"):
            yield from commands_of(child, (*path, name))
        else:
            yield (*path, name), child


def _parameter(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    name = parameter.name.upper() if is_argument else " ".join([*parameter.opts, *parameter.secondary_opts])
    shown = parameter.opts[0] if parameter.default is True else parameter.default
    silent = shown is None or shown is False or shown == "" or shown == () or callable(shown) or parameter.required
    return _row(f"`{name}`", "required" if parameter.required else "" if silent else f"`{shown}`", parameter.help or "")


# ---- events ---------------------------------------------------------------------------------------------------------
def events_page() -> str:
    from api.stream_answers import EVENTS
    from contracts.errors import QUARANTINE_REASONS
    from contracts.events import RawArticle, ScoredEvent

    lines = ["## raw-article/1", "", *_table("field", "type", "required")]
    schema = RawArticle.model_json_schema(by_alias=True)
    lines += [
        _row(f"`{name}`", _json_type(told), "yes" if name in schema["required"] else "")
        for name, told in schema["properties"].items()
    ]
    lines += ["", "## scored-article/1", "", *_table("field", "type", "required")]
    (scored,) = msgspec.json.schema_components([ScoredEvent])[1].values()
    lines += [
        _row(f"`{name}`", _json_type(told), "yes" if name in scored["required"] else "")
        for name, told in scored["properties"].items()
    ]
    lines += ["", "## The event stream", "", *_table("event", "fields", "what it says")]
    for name, model in EVENTS.items():
        fields = ", ".join(f"`{field}`" for field in model.model_fields)
        lines.append(_row(f"`{name}`", fields, " ".join(inspect.cleandoc(model.__doc__ or "").split())))
    lines += ["", "## Why a record is quarantined", "", *_table("reason", "meaning")]
    lines += [_row(f"`{reason}`", meaning) for reason, meaning in QUARANTINE_REASONS.items()]
    return _page("Events", "the models that read them", lines)


def _json_type(told: dict[str, Any]) -> str:
    if "anyOf" in told:
        return " or ".join(_json_type(each) for each in told["anyOf"])
    if "const" in told or "enum" in told:
        return ", ".join(f"`{value}`" for value in told.get("enum", [told.get("const")]))
    bounds = {"minLength": "at least {}", "maxLength": "at most {} characters", "minimum": "≥ {}", "maximum": "≤ {}",
              "maxItems": "at most {}", "pattern": "`{}`"}  # fmt: skip
    kind = str(told.get("type", "any"))
    if kind == "array":
        kind = f"list of {_json_type(told.get('items', {}))}"
    return ", ".join([kind, *(text.format(told[name]) for name, text in bounds.items() if name in told)])


# ---- endpoints ------------------------------------------------------------------------------------------------------
def endpoints_page() -> str:
    document = _openapi()
    lines = _table("endpoint", "answers", "parameters", "status")
    for path, operations in sorted(document["paths"].items()):
        for method, told in operations.items():
            parameters = ", ".join(f"`{each['name']}`" for each in told.get("parameters", ()))
            statuses = " ".join(sorted(told["responses"]))
            lines.append(_row(f"`{method.upper()} {path}`", told.get("summary", ""), parameters, statuses))
    return _page("Endpoints", "the OpenAPI document, which `GET /api/v2/openapi.json` answers with in full", lines)


def _openapi() -> dict[str, Any]:
    """The document of an API over nothing; describing itself touches no store."""
    from types import SimpleNamespace

    from api.app import create_app
    from api.options import ApiOptions
    from contracts.clock import SystemClock

    nothing: Any = SimpleNamespace(get=lambda name: None)
    home: Any = SimpleNamespace(
        buckets=nothing, items=nothing, control=nothing, secrets=nothing, log=nothing, lake=nothing, clock=SystemClock()
    )
    return create_app(home, ApiOptions()).openapi()


# ---- targets --------------------------------------------------------------------------------------------------------
def targets_page() -> str:
    text = (FOLDER.parent.parent / "Makefile").read_text()
    lines = _table("target", "what it does")
    for name, told in re.findall(r"^([a-z-]+):.*?## (.*)$", text, re.MULTILINE):
        lines.append(_row(f"`make {name}`", told))
    return _page("Targets of make", "the `Makefile`", lines)


PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "alarms.md": alarms_page,
    "commands.md": commands_page,
    "events.md": events_page,
    "endpoints.md": endpoints_page,
    "targets.md": targets_page,
}

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file_name, make in PAGES.items():
        (FOLDER / file_name).write_text(make())
