"""What each zip holds: our packages and the libraries they import. Pure rows; a test in the ordinary suite imports
every handler and compares what it loaded.
"""

from typing import Final, NamedTuple

_COMMON: Final = (
    "annotated-types", "aws-kinesis-agg", "aws-lambda-powertools", "jmespath", "msgspec", "opentelemetry-api",
    "protobuf", "pybase64", "pydantic", "pydantic-core", "six", "tenacity", "typing-extensions", "typing-inspection",
    "xxhash",
)  # fmt: skip
_HTTP: Final = ("certifi", "charset-normalizer", "idna", "requests", "urllib3")
SHARED: Final = ("contracts", "stores")
#: What the Web Adapter starts. The runtime does not start it, so the runtime's folder, where boto3 is, must be named.
RUN: Final = """#!/bin/sh
export PYTHONUNBUFFERED=1
export PYTHONPATH="$LAMBDA_TASK_ROOT:$LAMBDA_RUNTIME_DIR:$PYTHONPATH"
exec python -m uvicorn api.stream_app:app --host 127.0.0.1 --port 8000
"""


class Bundle(NamedTuple):
    """A zip: our packages, and libraries (pinned by constraints.txt, dependencies named, so that nothing slips in)."""

    packages: tuple[str, ...]
    libraries: tuple[str, ...]


BUNDLES: Final[dict[str, Bundle]] = {
    # numpy sorts the members of a hot minute (contracts/bucket.py).
    "core": Bundle(("aggregation", "consumers/archiver", "consumers/read_model"), (*_COMMON, "numpy")),
    "producers": Bundle(("producers",), (*_COMMON, *_HTTP, "feedparser", "feedparser-sgmllib")),
    "classifier": Bundle(
        ("consumers/classifier",),
        (*_COMMON, "flatbuffers", "numpy", "onnxruntime", "packaging", "tokenizers", "vaderSentiment", *_HTTP),
    ),
    "api": Bundle(
        ("api", "aggregation", "consumers/classifier"),
        (*_COMMON, "annotated-doc", "anyio", "click", "fastapi", "h11", "idna", "mangum", "sse-starlette", "starlette",
         "uvicorn"),
    ),
}  # fmt: skip

#: Training data and code stay out of every zip; the model itself only goes where it is run.
LEFT_OUT: Final = ("__pycache__", "training", "*.pyc", "bench*")
