"""Calling AWS: one place for patience and for what an error means.

botocore's own retries are off (one attempt); those here sleep through `contracts.clock`, so tests neither wait nor
race, and every service has the same policy: full-jitter back-off, at most `MAX_TRIES` attempts, then `Transient`.
"""

import random
import threading
from collections.abc import Callable, Container
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from contracts.clock import Clock
from contracts.errors import BadRequest, Transient, Unusable
from contracts.tracing import span

MAX_TRIES: Final = 8
FIRST_BACK_OFF_S: Final = 0.05
MAX_BACK_OFF_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 3
READ_TIMEOUT_S: Final = 15
MAX_CONNECTIONS: Final = 32
#: Between looks at what AWS is making or taking away.
LOOK_EVERY_S: Final = 1.5
DEFAULT_REGION: Final = "us-east-1"

#: What an error code means to the caller; of all others, HTTP 5xx is passing, and with 4xx our question is bad.
PASSING: Final = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceededException",
        "LimitExceededException",
        "ResourceInUseException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "KMSThrottlingException",
        "RequestTimeout",
        "TooManyRequestsException",
    }
)
CLOCK: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "KMSAccessDeniedException",
    }
)
#: Of botocore's errors: no credentials, or such as ran out, a login or a credential process. The last is a new one.
NO_CREDENTIALS: Final = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "SSOError",
    "LoginError",
)
#: Who gives credentials to a machine by itself, and may do so a moment later.
_MACHINE_ROLES: Final = frozenset({"container-role", "iam-role"})


class Refused(Exception):
    """An error code the caller said it expects; never leaves `stores`. `response` is the whole answer."""

    def __init__(self, code: str, response: dict[str, Any]) -> None:
        super().__init__(code)
        self.code = code
        self.response = response


class Service:
    """One AWS service, called by operation name, with retries and with errors of ours."""

    def __init__(self, name: str, open_client: Callable[[], Any], clock: Clock) -> None:
        """The client is made at the first call: a function pays only for the services it uses."""
        self.name = name
        self.clock = clock
        self._open_client = open_client
        self._client: Any = None
        self._opening = threading.Lock()

    @property
    def client(self) -> Any:
        """The boto3 client."""
        with self._opening:
            if self._client is None:
                self._client = self._open_client()
            return self._client

    def call(self, operation: str, expect: Container[str] = (), **parameters: Any) -> dict[str, Any]:
        """One answer. Raises `Refused` for a code in `expect`, `Transient` after `MAX_TRIES`, `Unusable` without
        credentials or rights or with a wrong clock, `BadRequest` for everything else that is refused."""
        retrying = Retrying(
            sleep=self.sleep,
            stop=stop_after_attempt(MAX_TRIES),
            wait=wait_random_exponential(multiplier=FIRST_BACK_OFF_S, max=MAX_BACK_OFF_S),
            retry=retry_if_exception_type(Transient),
            reraise=True,
        )
        with span(f"{self.name} {operation}"):
            return retrying(self._once, operation, expect, parameters)

    def call_once(self, operation: str, expect: Container[str] = (), **parameters: Any) -> dict[str, Any]:
        """`call` without patience, for who can do without the answer."""
        with span(f"{self.name} {operation}"):
            return self._once(operation, expect, parameters)

    def pause(self, failures: int) -> None:
        """Sleep as long as the policy says after so many failures in a row (of part of a call, say)."""
        self.sleep(random.uniform(0, min(MAX_BACK_OFF_S, FIRST_BACK_OFF_S * 2 ** min(failures, 16))))

    def sleep(self, seconds: float) -> None:
        """On the clock we were given."""
        self.clock.wait(threading.Event(), seconds * 1000)

    def _once(self, operation: str, expect: Container[str], parameters: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self.client, operation)(**parameters)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in expect:
                raise Refused(code, error.response) from None
            raise self.translated(error) from error
        except BotoCoreError as error:
            raise self.translated(error) from error
        return answer

    def translated(self, error: Exception) -> Exception:
        """What a botocore error is to us; a call that botocore itself refuses is our bug."""
        from botocore.exceptions import ClientError, InvalidRegionError, NoRegionError, ParamValidationError

        if isinstance(error, no_credentials()) and _told_by(error) not in _MACHINE_ROLES:
            return Unusable(f"{self.name}: {error}; log in again, or set AWS_PROFILE or AWS_ACCESS_KEY_ID")
        if isinstance(error, (NoRegionError, InvalidRegionError)):
            return Unusable(f"{self.name}: {error}; set AWS_DEFAULT_REGION")
        if isinstance(error, ParamValidationError):
            is_name = "Invalid bucket name" in str(error)
            return Unusable(f"{self.name}: {error}") if is_name else AssertionError(f"ParamValidationError: {error}")
        if not isinstance(error, ClientError):
            return Transient(self.name, f"{type(error).__name__}: {error}")
        code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        if code in CLOCK or ("Signature expired" in text or "Signature not yet current" in text):
            return Unusable(f"{self.name}: {code}: this machine's clock is off; set it (NTP) and start again")
        if code in DENIED:
            return Unusable(f"{self.name}: {code}: {text}; check the credentials and the role's policy")
        if code in PASSING or status >= 500:
            return Transient(self.name, f"{code}: {text}")
        return BadRequest(f"{self.name}: {code}: {text}")


@cache
def no_credentials() -> tuple[type[Exception], ...]:
    """The classes of `NO_CREDENTIALS`."""
    from botocore import exceptions

    return tuple(getattr(exceptions, name) for name in NO_CREDENTIALS if hasattr(exceptions, name))


def _told_by(error: Exception) -> str:
    """The provider of credentials an error is of."""
    return str(getattr(error, "kwargs", {}).get("provider", ""))


class Services:
    """The clients of one process: made once a service, shared by threads (boto3 clients are thread-safe)."""

    def __init__(self, endpoint_url: str | None, clock: Clock) -> None:
        """Raises `Unusable` when boto3 is not installed, for an endpoint that is no URL, for a profile not set up."""
        if endpoint_url and not _is_url(endpoint_url):
            raise Unusable(f"endpoint {endpoint_url!r} is no URL, such as http://localhost:4566")
        self._session = _session()
        self._endpoint_url = endpoint_url
        self._clock = clock

    @property
    def region(self) -> str:
        found: str | None = self._session.region_name
        return found or DEFAULT_REGION

    def open(self, name: str) -> Service:
        """A client. S3 on an endpoint of its own is addressed by path: such hosts know no bucket subdomains."""
        from botocore.config import Config

        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            max_pool_connections=MAX_CONNECTIONS,
            s3={"addressing_style": "path"} if self._endpoint_url else {},
        )

        def open_client() -> Any:
            with _session_lock:  # making clients is not thread-safe, using them is
                return self._session.client(
                    name, region_name=self.region, endpoint_url=self._endpoint_url, config=config
                )

        return Service(name, open_client, self._clock)


_session_lock = threading.Lock()


def _session() -> Any:
    """That of the profile the environment names, as botocore reads it."""
    try:
        from botocore.session import Session

        return _session_of(Session().profile or None)
    except ImportError:
        raise Unusable("the AWS home needs boto3: install the extra, `pip install candlewick[aws]`") from None


@cache
def _session_of(profile: str | None) -> Any:
    """One session a process: what it reads to make a client it reads once."""
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        return boto3.session.Session(profile_name=profile)
    except ProfileNotFound as error:
        raise Unusable(f"{error}; set AWS_PROFILE to one of `aws configure list-profiles`") from None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
