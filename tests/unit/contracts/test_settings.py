"""Settings that do not go together are refused."""

import pytest

from contracts.errors import Unusable
from contracts.resolution import FINEST
from contracts.settings import AggregatorSettings, load


@pytest.mark.parametrize("where", [{"CANDLEWICK_HOME": "aws"}, {"CANDLEWICK_EXPIRE": "true"}])
def test_no_event_may_be_later_than_its_minute_lives(where: dict[str, str]) -> None:
    with_lateness = lambda lateness_ms: where | {"CANDLEWICK_ALLOWED_LATENESS_MS": str(lateness_ms)}  # noqa: E731
    assert load(AggregatorSettings, with_lateness(FINEST.ttl_ms)).expire
    with pytest.raises(Unusable, match=r"bad settings: .*CANDLEWICK_ALLOWED_LATENESS_MS.*at most 172800000"):
        load(AggregatorSettings, with_lateness(FINEST.ttl_ms + 1))
    assert not load(AggregatorSettings, with_lateness(FINEST.ttl_ms + 1) | {"CANDLEWICK_EXPIRE": "false"}).expire
