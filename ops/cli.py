"""The command line. Every command imports what it needs when it runs, so that `--help` answers at once."""

import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from contracts.errors import BadRequest
from ops.console import DIFFERENT, ERROR, PARTIAL, plain_errors, put_json, replace_closed_streams, say
from ops.home import DEFAULT_DATA_DIR, MAX_LIMIT, AlwaysJson, DataDir, Json, home_of, is_there, settings_of, somebodys

app = typer.Typer(
    name="candlewick",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"candlewick {version('candlewick')}\n")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Its version alone.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """A live stream of news in, sentiment candles out."""


def main() -> None:
    """Entry point of the `candlewick` program."""
    replace_closed_streams()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a screen that cannot show a letter shows a question mark
    app()


@app.command()
def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Play recorded news as if it arrived now.")] = False,
    sources: Annotated[bool, typer.Option("--sources/--no-sources", help="Fetch the configured news sources.")] = True,
    endpoint_url: Annotated[
        str | None, typer.Option(envvar="AWS_ENDPOINT_URL", help="AWS-compatible endpoint to run on, for this command.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the whole line in one process: sources, classifier, aggregator, archiver, REST, stream, dashboard."""
    with plain_errors():
        from local.runner import run_up
        from ops.admin_actions import ACTIONS

        run_up(data_dir, host, port, demo, sources, endpoint_url, as_json, ACTIONS)


@app.command()
def publish(
    file: Annotated[str, typer.Argument(help="JSON lines, csv or parquet, optionally gzip; `-` reads stdin.")],
    kind: Annotated[
        str | None, typer.Option("--as", help="raw (raw-article/1) or scored (scored-article/1); unset: as each says.")
    ] = None,
    speed: Annotated[str, typer.Option(help="`max`, or a multiple of event time such as `60x`.")] = "max",
    backfill: Annotated[bool, typer.Option(help="Stamp history as ingested at its event time.")] = False,
    column: Annotated[
        list[str] | None, typer.Option("--map", help="csv and parquet: our field=their column, repeatable.")
    ] = None,
    source: Annotated[str, typer.Option(help="Source name of rows that have none.")] = "file",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AlwaysJson = False,
) -> None:
    """Put the events of a file on the stream; prints {"read","published","rejected"}."""
    with plain_errors():
        from ops.publish import asked, publish_command

        wanted = asked(file, kind, speed, backfill, column or [], source)
        if not is_there(settings_of(data_dir)):
            say(f"{data_dir} is a new data directory")
        counts = publish_command(home_of(data_dir, must_exist=False), wanted)
        put_json(counts)
        if counts["rejected"]:
            raise typer.Exit(PARTIAL)


@app.command()
def drain(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AlwaysJson = False) -> None:
    """Process all that is pending through the same handlers, then print what the whole log came to."""
    with plain_errors():
        from local.drain import drain_all
        from ops.accounting import account
        from ops.progress import counter

        home, settings = home_of(data_dir)
        with counter("processing", "records") as advance:
            drain_all(home, settings, say, advance)
        with counter("accounting", "records") as advance:
            found = account(home, settings.allowed_lateness_ms, settings.expire, advance)
        put_json(found._asdict())
        if not found.balanced:
            say("candlewick: law 3 does not hold: received ≠ counted + too_late + quarantined; run `candlewick verify`")
            raise typer.Exit(ERROR)


@app.command()
def buckets(
    subject: Annotated[str, typer.Argument(help="A ticker (AAPL) or a tag (tag:ai-regulation).")],
    resolution: Annotated[str, typer.Option("--resolution", "-r", help="1m 5m 10m 1h 3h 6h 12h 24h")] = "1m",
    start: Annotated[str | None, typer.Option(help="First window start, inclusive, ISO-8601 with Z.")] = None,
    end: Annotated[str | None, typer.Option(help="End of the range, exclusive.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="At most so many, the newest.")] = 1_000_000,
    form: Annotated[str | None, typer.Option("--format", help="table json jsonl csv parquet")] = None,
    content: Annotated[bool, typer.Option("--content", help="Leave out rev, last_updated and is_partial.")] = False,
    as_json: Json = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """The stored buckets of a subject, ascending; fields as in REST."""
    with plain_errors():
        from ops.buckets_cmd import print_buckets

        if as_json and form not in (None, "json", "jsonl"):
            raise BadRequest(f"--json and --format {form} contradict each other")
        chosen = form or ("json" if as_json else "table")
        print_buckets(home_of(data_dir)[0], subject, resolution, start, end, limit, chosen, content)


@app.command()
def verify(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: Json = False) -> None:
    """Rebuild from the log and compare byte for byte; check law 2 on all buckets. Exit 6 if anything differs, 3 if some
    were being written all the time."""
    with plain_errors():
        from ops.progress import counter
        from ops.verify import verify as run_verify

        home, settings = home_of(data_dir)
        with counter("rebuilding", "records") as advance:
            report = run_verify(home, settings, advance)
        if as_json:
            put_json(report.as_json())
        else:
            print_report(report)
        if report.total_differences:
            raise typer.Exit(DIFFERENT)
        if report.being_written:
            raise typer.Exit(PARTIAL)


def print_report(report: Any) -> None:
    """`verify` for a person: one line when all is well, else the first differences."""
    out = sys.stdout.write
    if report.being_written:
        out(f"{report.being_written} buckets were being written all the time: verify again when it is quieter\n")
    if not report.total_differences:
        equal = f"{max(0, report.buckets - report.being_written)} buckets equal a rebuild of {report.events} events"
        out(f"the other {equal}\n" if report.being_written else f"ok: {equal}; digest {report.digest[:16]}\n")
        return
    out(f"{report.total_differences} differences in {report.buckets} buckets; the first {len(report.differences)}:\n")
    for one in report.differences:
        out(f"  {one.subject} {one.resolution} {one.start}  {one.fault}\n")
    out("remedy: `candlewick drain`, then `verify` again; what still differs is damage\n")


@app.command()
def restore(
    source: Annotated[
        str,
        typer.Argument(metavar="FROM", help="The damaged data directory; its lake is read.", callback=somebodys),
    ],
    data_dir: DataDir,
    take_altered: Annotated[
        bool,
        typer.Option("--take-altered", help="Also what can be read of objects with other bytes than were written."),
    ] = False,
    as_json: Json = False,
) -> None:
    """A new data directory from the lake of a damaged one; then `drain` and `verify` there. Exit 3 if the lake or
    control.db is damaged too."""
    with plain_errors():
        from pathlib import Path

        from ops.progress import counter
        from ops.restore import check_places, next_steps, print_restored
        from ops.restore import restore as run_restore

        damaged = Path(source).expanduser()
        check_places(damaged, data_dir)
        home, settings = home_of(data_dir, must_exist=False)
        with counter("restoring", "records") as advance:
            found = run_restore(home, settings, damaged, advance, take_altered)
        if as_json:
            put_json(found._asdict() | {"next": next_steps(settings)})
        else:
            print_restored(found, settings, sys.stdout.write)
        if found.damaged or found.altered or found.settings is None:
            raise typer.Exit(PARTIAL)


@app.command()
def status(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every two seconds.")] = False,
    as_json: Json = False,
) -> None:
    """Is it live, and where is it stuck: streams, lag, sources, buckets, what was set aside."""
    with plain_errors():
        from ops.status import show_status

        try:
            show_status(*home_of(data_dir), watch, as_json)
        except KeyboardInterrupt:
            raise typer.Exit(0) from None


@app.command()
def tail(
    subjects: Annotated[list[str] | None, typer.Argument(help="Tickers or tag:name; all without.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    history: Annotated[
        int, typer.Option("-n", min=0, max=MAX_LIMIT, help="So many events that were counted before.")
    ] = 10,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Go on until Ctrl-C.")] = True,
    as_json: Json = False,
) -> None:
    """Events as they are counted, one line each, with their headline."""
    with plain_errors():
        from ops.tail import tail as run_tail

        try:
            run_tail(home_of(data_dir)[0], subjects or [], history, follow, as_json)
        except KeyboardInterrupt:
            raise typer.Exit(0) from None


@app.command()
def doctor(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: Json = False) -> None:
    """What is wrong with this installation, and what to do about it. Exit 1 for a fault, not for
    a warning."""
    with plain_errors():
        from ops.doctor import examine, print_findings

        found = examine(settings_of(data_dir))
        if as_json:
            put_json([finding._asdict() for finding in found])
        else:
            print_findings(found, sys.stdout.write)
        if any(finding.state == "fault" for finding in found):
            raise typer.Exit(ERROR)


@app.command()
def export(
    what: Annotated[str, typer.Argument(help="buckets, raw, scored, items, late or quarantined.")],
    form: Annotated[str, typer.Option("--format", help="jsonl or parquet.")] = "jsonl",
    out: Annotated[str | None, typer.Option(help="File to write; unset: standard output.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only this ticker or tag:name.")] = None,
    start: Annotated[str | None, typer.Option(help="At or after, ISO-8601 with Z.")] = None,
    end: Annotated[str | None, typer.Option(help="Before.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="As --format jsonl, which is the default.")] = False,
) -> None:
    """Buckets, events, articles or what was set aside, as JSON lines or parquet."""
    with plain_errors():
        from ops.export import export as run_export
        from ops.progress import counter, output_is_file

        if as_json and form != "jsonl":
            raise BadRequest(f"--json and --format {form} contradict each other")
        with counter("exporting", "rows", beside=out is not None or output_is_file()) as advance:
            count = run_export(home_of(data_dir)[0], what, form, out, subject, start, end, advance)
        say(f"{count:,} rows" + (f" in {out}" if out else ""))


@app.command()
def cost(
    articles_per_hour: Annotated[float, typer.Option(help="Articles that arrive in an hour.")] = 60,
    subjects_per_article: Annotated[float, typer.Option(help="Events an article becomes.")] = 2,
    tickers: Annotated[int, typer.Option(min=1, help="Subjects that are followed.")] = 13,
    viewers: Annotated[float, typer.Option(help="Watching at once, on average.")] = 2,
    shards: Annotated[int, typer.Option(min=1, help="Kinesis shards of both streams.")] = 2,
    replicas: Annotated[int, typer.Option(min=0, help="Further regions.")] = 0,
    dax: Annotated[bool, typer.Option("--dax", help="With the cache.")] = False,
    stream: Annotated[str, typer.Option(help="Event streams on: lambda, fargate, poll.")] = "lambda",
    as_json: Json = False,
) -> None:
    """What the AWS home costs a month for a load, and where the budget goes."""
    with plain_errors():
        from ops.cost_cmd import as_json as cost_json
        from ops.cost_cmd import load_of, print_cost

        load = load_of(
            stream,
            articles_per_hour=articles_per_hour,
            subjects_per_article=subjects_per_article,
            tickers=tickers,
            viewers=viewers,
            shards=shards,
            replicas=replicas,
            dax=dax,
        )
        if as_json:
            put_json(cost_json(load))
        else:
            print_cost(load)


@app.command()
def deploy(
    stage: Annotated[str, typer.Option(help="dev, preprod or prod.")] = "dev",
    region: Annotated[str, typer.Option(help="Region; empty: the stage's.")] = "",
    context: Annotated[
        list[str] | None, typer.Option("--context", "-c", help="name=value for the CDK app, repeatable.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Deploy the AWS home: doctor, synth, diff, deploy, upload the site, smoke test. Says what it will do and asks."""
    with plain_errors():
        from ops.deploy_cmd import as_json as deploy_json
        from ops.deploy_cmd import deploy as run_deploy
        from ops.deploy_cmd import plan_of

        plan = plan_of(stage, region, context or [])
        done = run_deploy(plan, yes, dry_run)
        if as_json:
            put_json(deploy_json(plan) | {"done": done})


@app.command()
def version(as_json: Json = False) -> None:
    """Version of the program, its model and its data formats."""
    with plain_errors():
        from ops.version import versions

        found = versions()
        if as_json:
            put_json(found)
        else:
            for name, value in found.items():
                sys.stdout.write(f"{name:<14} {value}\n")


def _add_groups() -> None:
    from ops.asides_cmd import late_app, quarantine_app
    from ops.dashboards_cmd import app as dashboards_app
    from ops.failed_cmd import app as failed_app
    from ops.models_cmd import app as models_app
    from ops.replay.replay_cmd import app as replay_app
    from ops.runs_cmd import app as runs_app
    from ops.sources_cmd import app as sources_app
    from ops.symbols_cmd import app as symbols_app

    app.add_typer(quarantine_app, name="quarantine", help="Records set aside as bad.")
    app.add_typer(late_app, name="late", help="Events that came too late to count.")
    app.add_typer(failed_app, name="failed", help="Batches that were given up on.")
    app.add_typer(dashboards_app, name="dashboards", help="The operators' dashboard on AWS.")
    app.add_typer(models_app, name="models", help="The sentiment models.")
    app.add_typer(symbols_app, name="symbols", help="The companies that are recognised in text.")
    app.add_typer(sources_app, name="sources", help="The news sources: how they are doing, what one would bring.")
    app.add_typer(replay_app, name="replay", help="Rebuild into a new generation, compare, promote, roll back.")
    app.add_typer(runs_app, name="runs", help="What replays there are.")


_add_groups()

if __name__ == "__main__":
    main()
