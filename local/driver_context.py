"""The `context` argument of handlers, with what Lambda's own has."""

import uuid
from dataclasses import dataclass
from typing import Final

REGION: Final = "us-east-1"
ACCOUNT: Final = "000000000000"
ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/candlewick-local"
VERSION: Final = "$LATEST"
_NAMESPACE: Final = uuid.UUID("6f1c2a50-6c9e-5d0b-9a3e-0c7d6a1e4b11")


@dataclass(frozen=True)
class LambdaContext:
    """One invocation. There is no time limit here: the remaining time is always the longest Lambda grants."""

    function_name: str
    aws_request_id: str
    function_version: str = VERSION
    memory_limit_in_mb: int = 1_024
    log_group_name: str = "/local"
    log_stream_name: str = "local"

    @property
    def invoked_function_arn(self) -> str:
        return function_arn(self.function_name)

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def request_id(*parts: object) -> str:
    """An id that the same invocation always has: it comes from what is invoked, not from chance."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, parts))))
