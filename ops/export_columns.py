"""The columns of an export to Parquet: said here, not guessed from the first rows, which may lack what others have."""

import json
from collections.abc import Mapping
from typing import Any, Final

from contracts.errors import BadRequest

_TEXT, _NUMBER, _WHOLE, _FLAG = "string", "double", "int64", "bool"


def _texts(names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), _TEXT)


_ASIDE: Final = _texts("reason detail stream shard_id sequence_number") | {
    "part": _WHOLE, "arrived_at": _TEXT, "event_key": _TEXT, "bytes": _WHOLE, "data": _TEXT,
}  # fmt: skip
#: What can be exported, and the columns: lists and objects are JSON text, bytes set aside are in base64.
COLUMNS: Final[dict[str, dict[str, str]]] = {
    "buckets": _texts("ticker resolution start end")
    | dict.fromkeys(("open", "high", "low", "close", "sum"), _NUMBER)
    | dict.fromkeys(("count", "positive", "neutral", "negative"), _WHOLE)
    | _texts("sources model_versions open_at open_event_id close_at close_event_id")
    | {"rev": _WHOLE, "is_partial": _FLAG, "last_updated": _TEXT},
    "raw": _texts(
        "schema article_id source publisher url title snippet author language published_at ingested_at tickers tags"
        " raw_key"
    ),
    "scored": _texts("schema event_id article_id subject source event_time ingested_at scored_at label")
    | {"confidence": _NUMBER, "polarity": _NUMBER, "model_version": _TEXT},
    "items": _texts("source_id ingested_at source_type source_url text_snippet sentiment")
    | {"score": _NUMBER, "polarity": _NUMBER}
    | _texts("model_version scored_at matched_tags matched_tickers status metadata sources story_key raw_key"),
    "late": _ASIDE,
    "quarantined": _ASIDE,
}


def flat(document: dict[str, Any]) -> dict[str, Any]:
    """One level: `label_counts.positive` becomes `positive`, lists are joined with `|`."""
    row: dict[str, Any] = {}
    for name, value in document.items():
        if name == "label_counts":
            row |= value
        elif name in ("open_at", "close_at"):
            row |= {name: value["time"], f"{name.removesuffix('_at')}_event_id": value["event_id"]}
        else:
            row[name] = "|".join(value) if isinstance(value, list) else value
    return row


def row_of(what: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """A document's values by column. Raises `BadRequest` for a field that has no column: it would be lost."""
    fields = flat(dict(document)) if what == "buckets" else document
    kinds = COLUMNS[what]
    unknown = sorted(fields.keys() - kinds.keys())
    if unknown:
        raise BadRequest(f"{', '.join(unknown)}: no column of {what} in parquet; use --format jsonl")
    return {name: _valued(fields.get(name), kind) for name, kind in kinds.items()}


def _valued(value: Any, kind: str) -> Any:
    if value is None or kind in (_WHOLE, _FLAG):
        return value
    if kind == _NUMBER:
        return float(value)
    return value if isinstance(value, str) else json.dumps(value, default=float, ensure_ascii=False)
