"""A bucket as a DynamoDB item (design section 6), and back. Pure.

PK           AAPL#5m                       subject (and ~lane) # resolution
SK           2025-12-21T10:35:00Z          start of the window
open high low close sum                    numbers with at most four decimals
open_at close_at                           2025-12-21T10:35:12.000Z#<event id>: who made them
children     map                           child start (ISO) or lane number → its summary, packed
members      binary                        8 bytes an event id, ascending; 1m only
parts        list of names                 members beyond the item limit: PK `AAPL#1m#members`, SK `<SK>#<name>`, named
                                           by their content; they live PARTS_STAY_S longer
touched      partial/<0-3> or the hour     key of the index `by_touch`, see `touched_of`
ttl          seconds                       end of the window + the resolution's TTL
"""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from zlib import crc32

from contracts.bucket import E4, Bucket, BucketKey, FlatChildren, Summary, ascending, flat
from contracts.instants import iso_ms, iso_s, parse_ms
from contracts.member_parts import join_parts, member_parts
from contracts.resolution import BY_NAME, DAY_MS
from stores.bucket_codec import decode_members, decode_summary, encode_summary
from stores.dynamo import Row

KEY_SEPARATOR: Final = "#"
PARTS_SUFFIX: Final = "#members"
SUBJECTS: Final = "#subjects"
PARTIAL_SHARDS: Final = 4
#: Parts go this long after their bucket: DynamoDB deletes in any order, and days late.
PARTS_STAY_S: Final = 7 * DAY_MS // 1000
_HIGHEST_DIGITS: Final = len("2025-12-21T10:35:00Z")

assert KEY_SEPARATOR not in "~.:-", "subjects, lanes and resolutions never hold the separator"


def partition_of(subject: str, resolution: str) -> str:
    """PK of a series."""
    return f"{subject}{KEY_SEPARATOR}{resolution}"


def key_row(key: BucketKey) -> Row:
    """Primary key of a bucket."""
    return {"PK": {"S": partition_of(key.subject, key.resolution)}, "SK": {"S": iso_s(key.start_ms)}}


def is_bucket_row(row: Row) -> bool:
    """False for the table's other items: parts of members, and the list of subjects."""
    partition = row["PK"]["S"]
    return not partition.startswith(SUBJECTS) and not partition.endswith(PARTS_SUFFIX)


def key_of(row: Row) -> BucketKey:
    """Inverse of `key_row`."""
    subject, _, resolution = row["PK"]["S"].rpartition(KEY_SEPARATOR)
    return BucketKey(subject, resolution, parse_ms(row["SK"]["S"]))


def ttl_s(resolution: str, start_ms: int) -> int:
    """When the bucket may go: seconds of the epoch, as DynamoDB's TTL wants them."""
    row = BY_NAME[resolution]
    return (start_ms + row.width_ms + row.ttl_ms) // 1000


def touched_of(bucket: Bucket) -> str:
    """The index key by which the finaliser finds what it must look at: all buckets still marked partial, and those
    written within an hour. It changes rarely (a bucket is created, ends, is revised in a later hour), and an index
    whose keys do not change is not written, so it costs about three write units in a bucket's life."""
    if bucket.is_partial:
        return f"partial/{crc32(bucket.subject.encode()) % PARTIAL_SHARDS}"
    return iso_ms(bucket.last_updated_ms)[:13]


def bucket_row(bucket: Bucket) -> tuple[Row, list[Row]]:
    """The bucket's item, and the items of its member parts (none, but for a giant minute)."""
    summary = bucket.summary
    members = member_parts(ascending(bucket.packed))
    row: Row = key_row(bucket.key) | {
        "open": _number_e4(summary.open_e4),
        "high": _number_e4(summary.high_e4),
        "low": _number_e4(summary.low_e4),
        "close": _number_e4(summary.close_e4),
        "sum": _number_e4(summary.sum_e4),
        "count": {"N": str(summary.count)},
        "label_counts": {
            "M": {
                "positive": {"N": str(summary.positive)},
                "neutral": {"N": str(summary.neutral)},
                "negative": {"N": str(summary.negative)},
            }
        },
        "open_at": {"S": f"{iso_ms(summary.open_ms)}{KEY_SEPARATOR}{summary.open_id}"},
        "close_at": {"S": f"{iso_ms(summary.close_ms)}{KEY_SEPARATOR}{summary.close_id}"},
        "last_updated": {"S": iso_ms(bucket.last_updated_ms)},
        "is_partial": {"BOOL": bucket.is_partial},
        "rev": {"N": str(bucket.rev)},
        "touched": {"S": touched_of(bucket)},
        "ttl": {"N": str(ttl_s(bucket.resolution, bucket.start_ms))},
    }
    if summary.sources:
        row["sources"] = {"SS": list(summary.sources)}
    if summary.model_versions:
        row["model_versions"] = {"SS": list(summary.model_versions)}
    if bucket.flat_children:
        row["children"] = {"M": {_child_name(at): {"B": encode_summary(child)} for at, child in bucket.children}}
    if len(members) == 1:
        if members[0]:
            row["members"] = {"B": members[0]}
        return row, []
    names = [hashlib.blake2b(part, digest_size=12).hexdigest() for part in members]
    row["parts"] = {"L": [{"S": name} for name in names]}
    ttl = {"N": str(ttl_s(bucket.resolution, bucket.start_ms) + PARTS_STAY_S)}
    return row, [key | {"members": {"B": part}, "ttl": ttl} for key, part in zip(part_keys(row), members, strict=True)]


def part_keys(row: Row) -> list[Row]:
    """Primary keys of the parts an item names, in order."""
    if "parts" not in row:
        return []
    partition, start = {"S": row["PK"]["S"] + PARTS_SUFFIX}, row["SK"]["S"]
    return [{"PK": partition, "SK": {"S": f"{start}{KEY_SEPARATOR}{each['S']}"}} for each in row["parts"]["L"]]


def bucket_of(row: Row, parts: Mapping[str, Row] | None = None, whole: bool = True) -> Bucket:
    """The bucket of an item and its parts (by SK); without members and children unless `whole`."""
    key = key_of(row)
    members = b""
    children: FlatChildren = ()
    if whole:
        parted = [bytes((parts or {})[key["SK"]["S"]]["members"]["B"]) for key in part_keys(row)]
        parted += [bytes(row["members"]["B"])] if "members" in row else []
        members = decode_members(join_parts(parted))
        named = row["children"]["M"] if "children" in row else {}
        children = flat(sorted((_child_at(name), decode_summary(bytes(value["B"]))) for name, value in named.items()))
    return Bucket(
        key,
        _summary_of(row),
        members,
        children,
        int(row["rev"]["N"]),
        parse_ms(row["last_updated"]["S"]),
        bool(row["is_partial"]["BOOL"]),
    )


def _summary_of(row: Row) -> Summary:
    labels: dict[str, Any] = row["label_counts"]["M"]
    open_at, _, open_id = row["open_at"]["S"].partition(KEY_SEPARATOR)
    close_at, _, close_id = row["close_at"]["S"].partition(KEY_SEPARATOR)
    return Summary(
        int(row["count"]["N"]),
        _e4(row["sum"]),
        _e4(row["high"]),
        _e4(row["low"]),
        _e4(row["open"]),
        parse_ms(open_at),
        open_id,
        _e4(row["close"]),
        parse_ms(close_at),
        close_id,
        int(labels["positive"]["N"]),
        int(labels["neutral"]["N"]),
        int(labels["negative"]["N"]),
        tuple(sorted(row["sources"]["SS"])) if "sources" in row else (),
        tuple(sorted(row["model_versions"]["SS"])) if "model_versions" in row else (),
    )


def _number_e4(value_e4: int) -> dict[str, Any]:
    """Exact: an integer of ten-thousandths has at most four decimals."""
    return {"N": format(Decimal(value_e4).scaleb(-4), "f")}


def _e4(value: dict[str, Any]) -> int:
    scaled = Decimal(value["N"]) * E4
    assert scaled == int(scaled), f"{value['N']} has more than four decimals"
    return int(scaled)


def _child_name(at: int) -> str:
    """A window's start as text; a lane (a small number) as it is."""
    return iso_s(at) if at >= 1_000_000 else str(at)


def _child_at(name: str) -> int:
    return parse_ms(name) if len(name) == _HIGHEST_DIGITS else int(name)
