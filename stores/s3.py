"""The lake on S3: gzip JSON lines, written whole, in parts when large."""

import gzip
import io
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final, cast

from contracts.errors import BadRequest, Transient, Unusable
from stores.aws_client import Refused, Service
from stores.lake_format import SUFFIX, key_parts, read_lines, write_lines

#: Objects from this size on go in parts of it, which S3 puts together: a broken part is sent again alone.
PART_BYTES: Final = 16 << 20
#: Objects below this never touch the disk.
MAX_IN_MEMORY: Final = 4 << 20
READ_BYTES: Final = 1 << 20
_ABSENT: Final = ("NoSuchKey", "404", "NotFound")


class S3Lake:
    """`contracts.ports.Lake` in one bucket."""

    def __init__(self, s3: Service, bucket: str) -> None:
        self._s3 = s3
        self.bucket = bucket

    def put(self, key: str, lines: Iterable[bytes]) -> None:
        """Write an object atomically; the same key again replaces it. Nothing is sent before the last line was taken,
        so lines that fail leave the object as it was. Raises `BadRequest` for a key that is not one."""
        key_parts(key)
        with tempfile.SpooledTemporaryFile(max_size=MAX_IN_MEMORY) as file:
            write_lines(cast(BinaryIO, file), lines)
            size = file.tell()
            file.seek(0)
            if size <= PART_BYTES:
                self._call("put_object", key, Body=file.read(), ContentType="application/gzip")
            else:
                self._put_parts(key, cast(BinaryIO, file))

    def read(self, key: str) -> Iterator[bytes]:
        """The lines of an object. Raises `BadRequest` when it is not there, `BadEvent("unparseable")` when it is
        damaged (after the lines before the damage)."""
        from botocore.exceptions import BotoCoreError

        key_parts(key)
        try:
            body = self._call("get_object", key, expect=_ABSENT)["Body"]
        except Refused:
            raise BadRequest(f"the lake has no object {key!r}") from None
        file = gzip.GzipFile(fileobj=io.BufferedReader(_Streaming(body), READ_BYTES), mode="rb")
        return read_lines(key, file, (BotoCoreError, OSError), lambda error: Transient("lake", f"{key}: {error}"))

    def keys(self, prefix: str = "") -> list[str]:
        """Ascending keys under a prefix."""
        found: list[str] = []
        start: dict[str, Any] = {}
        while True:
            answer = self._call("list_objects_v2", None, Prefix=prefix, **start)
            found += [each["Key"] for each in answer.get("Contents", ()) if each["Key"].endswith(SUFFIX)]
            if not answer.get("IsTruncated"):
                return sorted(found)
            start = {"ContinuationToken": answer["NextContinuationToken"]}

    def _put_parts(self, key: str, file: BinaryIO) -> None:
        """A multipart upload; one that fails is taken back, so no parts are paid for that nobody sees."""
        upload = self._call("create_multipart_upload", key, ContentType="application/gzip")["UploadId"]
        try:
            parts: list[dict[str, Any]] = []
            while body := file.read(PART_BYTES):
                number = len(parts) + 1
                answer = self._call("upload_part", key, UploadId=upload, PartNumber=number, Body=body)
                parts.append({"ETag": answer["ETag"], "PartNumber": number})
            self._call("complete_multipart_upload", key, UploadId=upload, MultipartUpload={"Parts": parts})
        except BaseException:
            self._call("abort_multipart_upload", key, UploadId=upload)
            raise

    def _call(self, operation: str, key: str | None, expect: tuple[str, ...] = (), **given: Any) -> dict[str, Any]:
        if key is not None:
            given["Key"] = key
        try:
            return self._s3.call(operation, expect=(*expect, "NoSuchBucket"), Bucket=self.bucket, **given)
        except Refused as refused:
            if refused.code != "NoSuchBucket":
                raise
            raise Unusable(
                f"bucket {self.bucket} does not exist; `candlewick deploy` makes it, or name yours in "
                "CANDLEWICK_LAKE_BUCKET"
            ) from None


class _Streaming(io.RawIOBase):
    """botocore's body as a file that can be buffered."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()


def create_bucket(s3: Service, bucket: str, region: str) -> None:
    """Make it; no-op when it is ours already."""
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.call("create_bucket", expect=("BucketAlreadyOwnedByYou",), Bucket=bucket, **place)
    except Refused:
        return
