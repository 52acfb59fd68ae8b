"""Sequence numbers of a stream's records. Lambda names the records of Kinesis; the log counts the user records within
them, those of an aggregate, by `SUB_DIGITS` more. The embedded log's numbers are shorter and the same everywhere."""

from typing import Final

#: Digits of Kinesis' own sequence numbers, and of the place within an aggregate.
KINESIS_DIGITS: Final = 56
SUB_DIGITS: Final = 5
LAST_SUB: Final = 10**SUB_DIGITS - 1


def user_record(number: str, sub: int) -> str:
    """A user record's number from its Kinesis record's and its place in there."""
    return f"{number}{sub:0{SUB_DIGITS}d}"


def as_the_log_counts(number: str, sub: int, like: str) -> str:
    """The same where `number` is one of Lambda's, which is known by one of the log's, `like`: that is longer by as much
    (emulators have numbers of their own length). One of the log's as it is."""
    return user_record(number, sub) if len(number) + SUB_DIGITS == len(like) else number


def end_of_record(number: str) -> str:
    """The highest number that a user record of the same Kinesis record can have."""
    whole = len(number) == KINESIS_DIGITS + SUB_DIGITS
    return user_record(number[:KINESIS_DIGITS], LAST_SUB) if whole else number
