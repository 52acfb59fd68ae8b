"""What must be right before the line starts: a fault is named at once, and not by the first article."""

import logging
from collections.abc import Mapping
from pathlib import Path

from consumers.classifier.subjects import read_symbols
from contracts.errors import Unusable
from contracts.settings import ClassifierSettings, ProducerSettings, load
from local.driver_context import LambdaContext
from local.line import entry_point


def check_line(env: Mapping[str, str], sources: bool) -> None:
    """Load what the environment names: sources (when they are fetched), symbols, model. Raises `Unusable`. The handler
    keeps the model; the shipped one waits for the first article, which not every start has."""
    if sources:
        from producers.sources.registry import load_sources

        load_sources(load(ProducerSettings, env).sources_file)
    settings = load(ClassifierSettings, env)
    table = symbol_table(settings)
    if table is not None:
        read_symbols(table)
    if settings.model:
        entry_point("consumers.classifier.handler")({"Records": []}, LambdaContext("classifier", "start"))


def symbol_table(settings: ClassifierSettings) -> Path | None:
    """The file the classifier has its companies from; None: the shipped table."""
    if settings.symbols_file:
        return Path(settings.symbols_file)
    refreshed = Path(settings.data_dir).expanduser() / "symbols.csv"
    return refreshed if settings.home == "embedded" and refreshed.exists() else None


def log_level(env: Mapping[str, str]) -> int:
    """The level of the program's own log. Raises `Unusable`."""
    name = env.get("CANDLEWICK_LOG") or "warning"
    found = logging.getLevelNamesMapping().get(name.upper())
    if found is None:
        raise Unusable(f"CANDLEWICK_LOG={name!r} is no level: debug, info, warning or error")
    return found
