"""What readers may see of the buckets that a store still has."""

from collections.abc import Mapping

from contracts.bucket import Bucket, BucketKey
from contracts.ports import BucketStore


def shown(store: BucketStore, found: Mapping[BucketKey, Bucket]) -> dict[BucketKey, Bucket]:
    """Without those whose time to live is over: DynamoDB deletes them days later, and writers must know them until
    then. A store that deletes at once has no `is_over`."""
    is_over = getattr(store, "is_over", None)
    return {key: bucket for key, bucket in found.items() if is_over is None or not is_over(key)}
