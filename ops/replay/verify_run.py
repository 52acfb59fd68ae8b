"""`replay verify RUN`: build the run's plan again, without writing, and compare digests.

The same plan and model give the same digest on any machine and either home. The stored generation is compared too, as
long as it was never live (since then the aggregator has added to it) and its buckets do not expire.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from contracts.errors import Conflict
from contracts.settings import AggregatorSettings
from ops.replay.lock import exclusive
from ops.replay.plan import Plan, load_plan
from ops.replay.rescore import ARTICLES, open_cache, rescore_articles
from ops.replay.runs import FINISHED, check_model, get_run, run_folder, working_name
from ops.replay.spool import Spool, parts_of
from ops.replay.units import Score, build, digest_of, digests_of
from stores.home import Home
from stores.sqlite_scores import SqliteScores


def verify_run(
    home: Home, settings: AggregatorSettings, name: str, progress: Callable[[int], None] = lambda records: None
) -> dict[str, Any]:
    """Digests as recorded, as rebuilt and as stored (None where `not_compared` says why), and whether they agree.
    Raises `Altered` when the sources are not what was planned, `Unusable` when the model is not, `Conflict` for a run
    that was not finished and while another process verifies it."""
    run = get_run(home.control, name)
    if run["state"] not in FINISHED:
        raise Conflict(f"run {run['id']} is {run['state']}: only a finished run can be verified")
    plan = load_plan(home, run["plan"])
    check_model(plan)
    with exclusive(home, settings, f"{working_name(run)}-verify"):
        folder = run_folder(settings, f"{working_name(run)}-verify")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            rebuilt = digest_of(_rebuild(home, plan, folder, progress))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    run = get_run(home.control, run["id"])  # a promote may have begun meanwhile
    not_compared = _why_not(run, settings)
    stored = None if not_compared else digest_of(stored_digests(home, run["generation"]))
    if (state := get_run(home.control, run["id"])["state"]) not in FINISHED:
        raise Conflict(f"run {run['id']} was {state} meanwhile")
    recorded = run.get("digest")
    agree = recorded == rebuilt and stored in (None, rebuilt)
    return {
        "run": run["id"],
        "plan": plan.hash,
        "generation": run["generation"],
        "recorded": recorded,
        "rebuilt": rebuilt,
        "stored": stored,
        "not_compared": not_compared,
        "ok": agree,
    }


def _why_not(run: dict[str, Any], settings: AggregatorSettings) -> str | None:
    """Why the stored buckets need not be those that were built."""
    if run["state"] != "completed" or run.get("promoted_at"):
        return "it has been live"
    if run.get("added_to"):
        return "a promote that was cut short has added to it"
    return "its buckets expire here" if settings.expire else None


def _rebuild(home: Home, plan: Plan, folder: Path, progress: Callable[[int], None]) -> dict[str, str]:
    spool = Spool(folder)
    for number, segments in enumerate(parts_of(plan.segments)):
        progress(spool.fill(home, plan, number, segments))
    scores = _scores(home, plan, folder, spool) if plan.model else None
    digests: dict[str, str] = {}
    now_ms = home.clock.now_ms()
    for group in plan.groups:
        digests |= build(plan, spool, group.subject, group.day, now_ms, scores)[1].digests
    return digests


def _scores(home: Home, plan: Plan, folder: Path, spool: Spool) -> Callable[[Sequence[str]], dict[str, Score]]:
    from consumers.classifier.models.registry import load

    assert plan.model is not None
    model = load(plan.model)
    articles = SqliteScores(folder / "articles.db")
    cache = open_cache(folder.parent)

    def score(texts: Sequence[str]) -> list[Score]:
        return [(each.label, each.confidence_e4, each.polarity_e4) for each in model.score(texts)]

    rescore_articles(home, spool.articles(), model.version, score, cache, articles, spool.ids_of)
    cache.close()

    def scores_of(article_ids: Sequence[str]) -> dict[str, Score]:
        found = articles.get_many(ARTICLES, [name.encode() for name in article_ids])
        return {key.decode(): each for key, each in found.items()}

    return scores_of


def stored_digests(home: Home, generation: str) -> dict[str, str]:
    """`subject/day start` → digest of what the store holds."""
    digests: dict[str, str] = {}
    pending: list[Any] = []
    subject = None
    for bucket in home.buckets.scan(generation):
        if bucket.subject != subject and pending:
            digests |= digests_of(pending)
            pending = []
        subject = bucket.subject
        pending.append(bucket)
    return digests | digests_of(pending)
