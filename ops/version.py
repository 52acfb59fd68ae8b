"""`candlewick version`."""

from importlib.metadata import version
from platform import python_version


def versions() -> dict[str, str]:
    """Program, interpreter, default model, event schemas and format of the data directory."""
    from consumers.classifier.models.registry import DEFAULT
    from contracts.events import RAW_SCHEMA, SCORED_SCHEMA
    from stores.data_dir import FORMAT

    return {
        "candlewick": version("candlewick"),
        "python": python_version(),
        "model": DEFAULT,
        "raw schema": RAW_SCHEMA,
        "scored schema": SCORED_SCHEMA,
        "data format": str(FORMAT),
    }
