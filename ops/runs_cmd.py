"""`candlewick runs list|show`: what replays there are and how far each came."""

import sys
from typing import Annotated, Any

import typer

from ops.console import plain_errors, put_json, say
from ops.home import DEFAULT_DATA_DIR, DataDir, Json, home_of

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def runs_list(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: Json = False) -> None:
    """All runs, newest first, and which generation is live."""
    with plain_errors():
        from contracts.generation import live_generation
        from ops.replay.runs import all_runs

        home = home_of(data_dir)[0]
        live = live_generation(home.control)
        runs = sorted(all_runs(home.control).values(), key=lambda run: run["created_at"], reverse=True)
        if as_json:
            put_json({"live": live, "runs": runs})
            return
        if not runs:
            say(f"no runs yet; generation {live} is live")
            return
        form = "{:<6}{:<8}{:<13}{:>14}  {:<14}{:<26}{}\n"
        sys.stdout.write(form.format("run", "builds", "state", "units", "model", "created", "digest"))
        for run in runs:
            units = f"{run['units_done']:,}/{run['units_total']:,}"
            shown = (run["id"], run["generation"], run["state"], units, run["model"] or "-", run["created_at"])
            sys.stdout.write(form.format(*shown, (run.get("digest") or "")[:16]))
        sys.stdout.write(f"live: {live}\n")


@app.command("show")
def runs_show(
    run: Annotated[str, typer.Argument(help="A run (r1) or the generation it builds.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Json = False,
) -> None:
    """What is known of a run: counts, label flips, digest, error, its last compare, audit; `--json` has more."""
    with plain_errors():
        from contracts.generation import AUDIT_KIND, COMPARE_KIND
        from ops.replay.runs import get_run

        home = home_of(data_dir)[0]
        found = get_run(home.control, run)
        found["compare"] = home.control.get(COMPARE_KIND, found["id"]).value
        found["audit"] = [
            record for record in home.control.list(AUDIT_KIND).values() if record["generation"] == found["generation"]
        ]
        if as_json:
            put_json(found)
            return
        for name, value in found.items():
            for number, text in enumerate(_lines(name, value)):
                sys.stdout.write(f"{'' if number else name:<18} {text}\n")


def _lines(name: str, value: Any) -> list[str]:
    """A field of a run for a person; nothing for what only programs read."""
    if value is None or name in ("scores", "reached", "rescored_to", "measured"):
        return []
    if name == "flips":
        changed = {key: count for key, count in value.items() if key.partition(">")[0] != key.partition(">")[2]}
        value = {key.replace(">", " → "): changed[key] for key in sorted(changed, key=lambda key: -changed[key])}
    if name == "compare":
        counts = ", ".join(f"{count:,} {verdict.replace('_', ' ')}" for verdict, count in value["counts"].items())
        outside = [f"outside: {breach}" for breach in value["breaches"]] or ["inside all thresholds"]
        return [f"with {value['a']} at {value['at']}: {counts}", *outside]
    if name == "audit":
        records = sorted(value, key=lambda record: str(record["at"]))
        return [f"{one['at']}  {one['action']} {one.get('reason') or ''}".rstrip() for one in records]
    if isinstance(value, dict):
        return [", ".join(f"{key.replace('_', ' ')} {count:,}" for key, count in value.items())] if value else []
    return [f"{value:,}" if isinstance(value, int) else str(value)]
