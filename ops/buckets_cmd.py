"""`candlewick buckets`: a subject's stored buckets."""

from typing import Final

from contracts.documents import bucket_document
from contracts.errors import BadEvent, BadRequest
from contracts.generation import live_generation
from contracts.identity import series_of
from contracts.instants import parse_ms
from contracts.resolution import NAMES
from contracts.subjects import parse_subject
from ops.bucket_output import FORMATS, write_buckets
from ops.console import say
from stores.home import Home

SHOWN_SUBJECTS: Final = 10


def print_buckets(
    home: Home,
    subject: str,
    resolution: str,
    start: str | None,
    end: str | None,
    limit: int,
    form: str,
    content_only: bool,
) -> None:
    """Print them in the chosen form. Raises `BadRequest` naming what is allowed."""
    if resolution not in NAMES:
        raise BadRequest(f"no resolution {resolution!r}", NAMES)
    if form not in FORMATS:
        raise BadRequest(f"no format {form!r}", FORMATS)
    try:
        name = parse_subject(subject)
        start_ms = parse_ms(start) if start else None
        end_ms = parse_ms(end) if end else None
    except BadEvent as error:
        raise BadRequest(error.detail) from None
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        raise BadRequest(f"start {start} is not before end {end}")
    generation = live_generation(home.control)
    if name != series_of(name) and name not in home.buckets.subjects(generation):  # of before both were one
        name = series_of(name)
    found = home.buckets.range(generation, name, resolution, start_ms, end_ms, limit, newest=True)
    now_ms = home.clock.now_ms()
    write_buckets(
        [{"ticker": name, "resolution": resolution} | bucket_document(bucket, now_ms) for bucket in found],
        form,
        content_only,
    )
    if not found:
        subjects = home.buckets.subjects(generation)
        more = f" and {len(subjects) - SHOWN_SUBJECTS:,} more" if len(subjects) > SHOWN_SUBJECTS else ""
        known = ", ".join(subjects[:SHOWN_SUBJECTS]) or "none yet"
        say(f"no {resolution} buckets of {name} in that range; subjects with data: {known}{more}")
