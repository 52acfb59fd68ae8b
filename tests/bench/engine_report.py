"""The window engine's sections of docs/benchmarks.md."""

from typing import Any, Final

from tests.bench.report import measured_on

NAMES: Final = {
    "candlewick": "Candlewick", "plain_loop": "plain optimised loop (no verdicts, no watermarks, no buckets)",
    "bytewax": "Bytewax 0.21, cascaded windows", "flink_sql": "Flink SQL 2.3, cascade, steady state",
    "pathway": "Pathway 0.33, cascade",
}  # fmt: skip
PLAIN_LOOP_OF_THE_BARS: Final = 1_060_000
"""Events a second of the peers' plain loop on the machine the bars were set on (their README)."""


def sections(engine: dict[str, Any]) -> list[str]:
    """Lines of the page, from `build/bench/engine.json`."""
    return [*_figures(engine), *_peers(engine), *_batches(engine), *_curve(engine)]


def _figures(engine: dict[str, Any]) -> list[str]:
    rates, stored, memory = engine["operator_events_per_s"], engine["embedded_store"], engine["memory"]
    all_rates = engine["operator_events_per_s_all"]
    peak = memory["peak_bytes_5000_subjects_24h"]
    lines = [
        "## Window engine",
        "",
        measured_on(engine),
        "",
        "JSON in, buckets at eight resolutions out, one core, with membership, verdicts and watermarks. 1,000,000 "
        f"events of one day from {engine['job']}, medians of {engine['rounds']} rounds, alternating; every single "
        f"result equal to the exact answer: **{engine['equal_to_oracle']}**.",
        "",
        "| what | figure | bar |",
        "|---|---|---|",
        f"| operator, 13 subjects | {rates['13']:,} events/s ({_span(all_rates['13'])}) | 800,000 |",
        f"| operator, 5,000 subjects, {memory['buckets']:,} buckets | {rates['5000']:,} events/s "
        f"({_span(all_rates['5000'])}) | 150,000 |",
    ]
    bars = {"100": "1", "1000": "3", "10000": "25"}
    lines += [
        f"| handler, {int(n):,} records, store excluded | {ms} ms CPU p50; KPL-aggregated "
        f"{engine['handler_aggregated_ms_p50'][n]} ms | {bars[n]} ms |"
        for n, ms in engine["handler_ms_p50"].items()
    ]
    lines += [
        f"| DynamoDB, {n} articles per batch and subject | {units} write units and "
        f"{engine['bucket_writes_per_article'][n]} bucket writes an article | {'8' if n != '1' else '—'} |"
        for n, units in engine["write_units_per_article"].items()
    ]
    return [
        *lines,
        f"| with the embedded store | {stored['events_per_cpu_s']:,} events per CPU second, {stored['cpu_s']} s for "
        f"{stored['events']:,} | — |",
        f"| a SIGKILL half-way ({stored['killed_runs']} kills), exact: {stored['equal']} | {stored['extra_percent']} % "
        "more CPU | 30 % |",
        f"| memory, 5,000 subjects × 24 h | {peak / 1e9:.2f} GB at its peak, a batch included | 2 GB |",
        f"| memory of an open bucket, of a member | {memory['bytes_per_bucket']} bytes, "
        f"{memory['bytes_per_member']} bytes | — |",
        "",
        *_on_the_machine_of_the_bars(engine),
    ]


def _on_the_machine_of_the_bars(engine: dict[str, Any]) -> list[str]:
    """The figures with a bar in seconds, by how fast the plain loop ran in the same run."""
    if "plain_loop_events_per_s" not in engine:
        return []
    share = engine["plain_loop_events_per_s"] / PLAIN_LOOP_OF_THE_BARS
    rates = [
        f"{engine['operator_events_per_s'][n] / share:,.0f} events/s at {int(n):,} subjects" for n in ("13", "5000")
    ]
    times = [
        f"{engine['handler_ms_p50'][n] * share:.2f} ms for {int(n):,} records "
        f"({engine['handler_aggregated_ms_p50'][n] * share:.2f} aggregated)"
        for n in engine["handler_ms_p50"]
    ]
    return [
        "The bars were set on a machine that runs the peers' plain loop, the first row below that is not ours, at "
        f"{PLAIN_LOOP_OF_THE_BARS:,} events/s. In this run it made {engine['plain_loop_events_per_s']:,}, "
        f"{share:.2f} of that; scaled by it the figures are {', '.join([*rates, *times])}.",
        "",
    ]


def _span(rates: list[int]) -> str:
    return f"{min(rates):,} to {max(rates):,}"


def _peers(engine: dict[str, Any]) -> list[str]:
    if len(engine["cpu_s"]) == 1:
        return []
    ours = engine["cpu_s"]["candlewick"]
    lines = [
        "## The same job elsewhere",
        "",
        "CPU seconds for 1,000,000 events at 13 subjects, start-up taken off everywhere"
        + (f"; peers: medians of {engine['peer_rounds']} rounds." if "peer_rounds" in engine else "."),
        "",
        "| engine | CPU s | × ours | bar | exact |",
        "|---|---|---|---|---|",
    ]
    bars = {"bytewax": "5", "flink_sql": "8", "pathway": "25"}
    for name, cpu_s in engine["cpu_s"].items():
        equal = engine["equal_to_oracle"] if name == "candlewick" else engine.get("peers_equal_to_oracle", {}).get(name)
        lines.append(
            f"| {NAMES[name]} | {cpu_s} | {cpu_s / ours:.1f} | {bars.get(name, '—')} | "
            f"{'—' if equal is None else 'yes' if equal else 'no'} |"
        )
    return [*lines, ""]


def _batches(engine: dict[str, Any]) -> list[str]:
    rows = engine["by_batch"]
    return [
        "## By batch",
        "",
        f"Events a second by how many are taken together; the figures above are of {rows[-1]['batch']:,}. A bucket "
        "that a batch leaves open the next makes again, and finds in cold memory. Lambda brings at most 10,000.",
        "",
        "| events in a batch | 13 subjects | 5,000 subjects |",
        "|---|---|---|",
        *[f"| {row['batch']:,} | {row['13']:,} | {row['5000']:,} |" for row in rows],
        "",
    ]


def _curve(engine: dict[str, Any]) -> list[str]:
    rows = engine["curve"]
    return [
        "## As it grows",
        "",
        "What an event costs follows how many buckets it opens, the third column, not how many events or subjects "
        "there are: of few events in a day, and of a day of 5,000 subjects, nearly every one opens a minute of its own "
        "and levels above it; of many events a bucket is shared by many.",
        "",
        "| events | subjects | buckets an event | µs an event | µs a bucket and event |",
        "|---|---|---|---|---|",
        *[
            f"| {row['events']:,} | {row['subjects']:,} | {row['buckets_per_event']} | {row['us_per_event']} | "
            f"{row['us_per_event'] / (1 + row['buckets_per_event']):.2f} |"
            for row in rows
        ],
        "",
    ]
