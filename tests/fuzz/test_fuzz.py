"""Every target over its seeds, then over what becomes of them.

`CANDLEWICK_FUZZ=n` tries n inputs a target (`make fuzz`); without it a few dozen, the same ones every time. What breaks
a target is written to `corpus/<target>/` and is a seed from then on.
"""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from producers.sources.registry import KINDS
from tests.fuzz.mutations import mutated
from tests.fuzz.page import COUNTS
from tests.fuzz.targets import OPTIONS, TARGETS

CORPUS = Path(__file__).parent / "corpus"
GOLDEN = Path(__file__).parents[1] / "golden" / "sources"
LONG = int(os.environ.get("CANDLEWICK_FUZZ", "0"))
SHORT = 40


def seeds(target: str) -> list[bytes]:
    """The corpus of a target; for a source, the recorded pages of its kind too."""
    found = [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]
    kind = target.removeprefix("source_")
    if kind != target:
        found += [path.read_bytes() for path in sorted(GOLDEN.glob("*")) if kind in path.name or kind == "rss"]
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_no_seed_breaks_it(target: str) -> None:
    known = seeds(target)
    assert known, f"{target} has no seed"
    for data in known:
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_near_a_seed_breaks_it(target: str) -> None:
    broke: list[bytes] = []
    tried = [0]

    @settings(
        max_examples=LONG or SHORT,
        deadline=None,
        derandomize=not LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(st.binary(max_size=60) | mutated(seeds(target)))
    def fuzz(data: bytes) -> None:
        tried[0] += 1
        try:
            TARGETS[target](data)
        except BaseException:
            broke.append(data)
            raise

    try:
        fuzz()
    except BaseException:
        if broke:
            kept = CORPUS / target / f"found-{hashlib.sha256(broke[-1]).hexdigest()[:12]}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(broke[-1])
        raise
    finally:
        if LONG:
            COUNTS.mkdir(parents=True, exist_ok=True)
            told = {"seeds": len(seeds(target)), "inputs": tried[0], "broke": len(broke)}
            (COUNTS / f"{target}.json").write_text(json.dumps(told))


def test_every_kind_of_source_that_is_polled_is_fuzzed() -> None:
    assert set(OPTIONS) == set(KINDS)


def test_canary_a_target_that_breaks_on_one_byte_is_found() -> None:
    @settings(max_examples=2_000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated([b"0123456789"]))
    def fuzz(data: bytes) -> None:
        assert b"\xff" not in data

    with pytest.raises(AssertionError):
        fuzz()
