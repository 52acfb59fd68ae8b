"""docs/faults.md from the results of `make chaos`."""

from typing import Any

HEAD = """# What happens when something breaks

Written by `make chaos` from what it measured (`faults.json` beside this page); a test holds the two against each other.

While forty scored events a second are published by another process, something is broken. A client polls REST four times
a second and follows the event stream, as the dashboard does. In the end every bucket must equal an independent
oracle of everything that was acknowledged, `verify` must agree, and no candle may have gone back before the client.

| what broke | what users saw | how it healed |
|---|---|---|
"""


def page(rows: list[dict[str, Any]]) -> str:
    return HEAD + "".join(f"| {_broke(row)} | {_seen(row)} | {_healed(row)} |\n" for row in rows)


def _broke(row: dict[str, Any]) -> str:
    return f"**{row['fault']}**; {row['done']}".replace("|", "\\|")


def _seen(row: dict[str, Any]) -> str:
    seen = row["seen"]
    failed = ", ".join(f"{count} × {what}" for what, count in seen["failed"].items())
    count = sum(seen["failed"].values())
    rest = (
        f"REST: {count} of {seen['polls']} polls failed ({failed}), {seen['outage_s']} s in a row"
        if failed
        else f"REST: all {seen['polls']} polls answered"
    )
    times = {0: "never disconnected", 1: "reconnected once"}
    stream = times.get(seen["reconnects"], f"reconnected {seen['reconnects']} times")
    more = f"; {seen['more']}" if seen.get("more") else ""
    return (
        f"{rest}, the slowest good one in {seen['slowest_s']} s; stream: {stream}, candles stood "
        f"still for at most {seen['still_s']} s{more}"
    )


def _healed(row: dict[str, Any]) -> str:
    checked = row["checked"]
    account = f"{checked['acknowledged']:,} acknowledged, all counted once" if "acknowledged" in checked else ""
    refused = f", {checked['refused']} refused and offered again" if checked.get("refused") else ""
    return f"{row['healed']}; whole after {row['healed_s']} s. {account}{refused}".replace("|", "\\|")
