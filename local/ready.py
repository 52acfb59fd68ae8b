"""What must be right before the line starts: a fault is named at once, and not by the first article."""

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from contracts.errors import Unusable
from contracts.settings import ClassifierSettings, ProducerSettings, Settings, load
from local.driver_context import LambdaContext
from local.line import entry_point


def check_line(env: Mapping[str, str], sources: bool) -> None:
    """Load what the environment names: sources (when they are fetched), model, symbols. Raises `Unusable`. The handler
    keeps the model; the shipped one waits for the first article, which not every start has."""
    if sources:
        from producers.sources.registry import load_sources

        load_sources(load(ProducerSettings, env).sources_file)
    settings = load(ClassifierSettings, env)
    if settings.model or settings.symbols_file:
        entry_point("consumers.classifier.handler")({"Records": []}, LambdaContext("classifier", "start"))


def log_level(env: Mapping[str, str]) -> int:
    """The level of the program's own log. Raises `Unusable`."""
    name = env.get("CANDLEWICK_LOG") or "warning"
    found = logging.getLevelNamesMapping().get(name.upper())
    if found is None:
        raise Unusable(f"CANDLEWICK_LOG={name!r} is no level: debug, info, warning or error")
    return found


def check_aws(settings: Settings) -> None:
    """Raises `Unusable` for an endpoint that is no URL and for a profile that is not set up."""
    if settings.home != "aws":
        return
    if settings.endpoint_url and not _is_url(settings.endpoint_url):
        raise Unusable(f"endpoint {settings.endpoint_url!r} is no URL, such as http://localhost:4566")
    try:
        import boto3
        from botocore.exceptions import ProfileNotFound
    except ImportError:
        return  # the home says so itself, with the remedy
    try:
        boto3.session.Session()
    except ProfileNotFound as error:
        raise Unusable(f"{error}; set AWS_PROFILE to one of `aws configure list-profiles`") from error


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
