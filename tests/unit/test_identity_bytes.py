"""Addresses that are no proper text: findings of the fuzzer, kept."""

from contracts.identity import canonical_url


def test_bytes_of_a_query_that_are_no_utf8_tell_pages_apart() -> None:
    assert canonical_url("http://x.example/?q=%E9") != canonical_url("http://x.example/?q=%E8")


def test_a_lone_surrogate_is_no_reason_to_stop() -> None:
    once = canonical_url("http://x.example/\udc80?q=\ud800")
    assert canonical_url(once) == once
