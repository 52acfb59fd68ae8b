"""What an error of botocore's is to us: gone by later, for a person to mend, or our own bug."""

from typing import Any

import pytest

from contracts.clock import ManualClock
from contracts.errors import Transient, Unusable
from stores.aws_client import NO_CREDENTIALS, Service, no_credentials

exceptions = pytest.importorskip("botocore.exceptions")

CASES: dict[str, tuple[type[Exception], str, dict[str, Any]]] = {
    "NoCredentialsError": (Unusable, "AWS_PROFILE", {}),
    "UnauthorizedSSOTokenError": (Unusable, "log in", {}),
    "SSOTokenLoadError": (Unusable, "log in", {"error_msg": "expired"}),
    "TokenRetrievalError": (Unusable, "log in", {"provider": "sso", "error_msg": "Token has expired"}),
    "CredentialRetrievalError": (Unusable, "log in", {"provider": "custom-process", "error_msg": "no"}),
    "NoRegionError": (Unusable, "AWS_DEFAULT_REGION", {}),
    "InvalidRegionError": (Unusable, "AWS_DEFAULT_REGION", {"region_name": "eu_west"}),
    "ParamValidationError": (AssertionError, "ParamValidationError", {"report": "Missing parameter: Key"}),
    "EndpointConnectionError": (Transient, "", {"endpoint_url": "https://aws"}),
    "ReadTimeoutError": (Transient, "", {"endpoint_url": "https://aws"}),
}


@pytest.mark.parametrize("name", list(CASES))
def test_an_error_is_what_can_be_done_about_it(name: str) -> None:
    kind, remedy, given = CASES[name]
    service = Service("dynamodb", lambda: None, ManualClock())
    found = service.translated(getattr(exceptions, name)(**given))
    assert type(found) is kind
    assert remedy in str(found)


@pytest.mark.parametrize("provider", ["container-role", "iam-role"])
def test_the_role_of_a_machine_that_does_not_answer_may_answer_later(provider: str) -> None:
    error = exceptions.CredentialRetrievalError(provider=provider, error_msg="timed out")
    assert isinstance(Service("dynamodb", lambda: None, ManualClock()).translated(error), Transient)


def test_a_bucket_by_a_name_no_bucket_can_have_is_for_who_named_it() -> None:
    error = exceptions.ParamValidationError(report='Invalid bucket name "a/b": must match')
    assert isinstance(Service("s3", lambda: None, ManualClock()).translated(error), Unusable)


def test_errors_of_credentials_are_those_botocore_has() -> None:
    assert {error.__name__ for error in no_credentials()} == set(NO_CREDENTIALS)


def test_a_region_that_is_none_is_told_at_the_first_call() -> None:
    def open_client() -> Any:
        raise exceptions.InvalidRegionError(region_name="eu_west")

    with pytest.raises(Unusable, match="eu_west"):
        Service("s3", open_client, ManualClock()).call("list_buckets")
