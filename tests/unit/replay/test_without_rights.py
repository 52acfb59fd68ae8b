"""Where AWS refuses what a replay needs, the command says so, and ends as any other that is refused."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.ports import Versioned
from ops.console import AUTH, _code
from ops.replay.lock import exclusive
from ops.replay.worker import _answer, raise_again
from tests.unit.replay.kit import settings_of


def refuse(*given: Any, **named: Any) -> int:
    answer = {"Error": {"Code": "AccessDeniedException", "Message": "may not write"}}
    raise Unusable("dynamodb: AccessDeniedException: may not write") from ClientError(answer, "PutItem")


def test_a_lease_that_may_not_be_written_is_nobody_elses(tmp_path: Path) -> None:
    control = SimpleNamespace(get=lambda kind, name: Versioned(None, 0), put=refuse)
    home: Any = SimpleNamespace(control=control, clock=ManualClock())
    refused = pytest.raises(Unusable, match="may not write")
    with refused as found, exclusive(home, settings_of(tmp_path, home="aws", lake_bucket="lake"), "promote"):
        pass
    assert _code(found.value) == AUTH


def test_what_a_worker_was_refused_is_told_as_if_it_had_happened_here() -> None:
    work: Any = SimpleNamespace(do=refuse)
    with pytest.raises(Unusable, match="may not write") as found:
        raise_again(_answer(work, {"build": "a"}))
    assert _code(found.value) == AUTH
