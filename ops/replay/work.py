"""What a worker does: fill a part of the spool, build the units of a task, score texts. Tasks and answers are JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from contracts.settings import AggregatorSettings
from ops.replay.plan import Group, Plan, tasks_of
from ops.replay.rescore import ARTICLES
from ops.replay.spool import Spool, parts_of
from ops.replay.units import Score, UnitStates, add_up, build, task_name
from ops.replay.write import GenerationWriter
from stores.home import Home
from stores.sqlite_scores import SqliteScores

#: Records of one task: about a fifth of a second of work.
TASK_RECORDS: Final = 16_000


class Work:
    """The work of one run in one process."""

    def __init__(
        self, home: Home, settings: AggregatorSettings, plan: Plan, run_id: str, generation: str, folder: Path
    ) -> None:
        self._home = home
        self._settings = settings
        self._plan = plan
        self._generation = generation
        self._folder = folder
        self._parts = parts_of(plan.segments)
        self._tasks: dict[str, tuple[Group, ...]] = {task_name(task): task for task in tasks_of(plan, TASK_RECORDS)}
        self._spool = Spool(folder)
        self._states = UnitStates(home.control, run_id)
        self._articles: SqliteScores | None = None
        self._model: Any = None

    def do(self, task: dict[str, Any]) -> dict[str, Any]:
        """One task: `{"spool": part}`, `{"build": task name}` or `{"score": [texts]}`."""
        if "spool" in task:
            return {"records": self._spool.fill(self._home, self._plan, task["spool"], self._parts[task["spool"]])}
        if "build" in task:
            return self._build(task["build"])
        return {"scores": self._score(task["score"])}

    def _build(self, name: str) -> dict[str, Any]:
        groups = self._tasks[name]
        scores = None if self._plan.model is None else self._scores_of
        now_ms = self._home.clock.now_ms()
        buckets, tallies = [], []
        for group in groups:
            built, tally = build(self._plan, self._spool, group.subject, group.day, now_ms, scores)
            buckets += built
            tallies.append(tally)
        tally = add_up(tallies)
        writer = GenerationWriter(self._home.buckets, self._generation, self._home.clock, self._settings.expire)
        kept = writer.alive(buckets)
        tally.buckets = len(kept)
        hours = writer.write(kept, self._states.hours_written(name), lambda hours: self._states.keep(name, hours))
        self._states.finish(name, hours, tally)
        return {
            "records": tally.records,
            "units": sum(len(group.hours) for group in groups),
            "buckets": tally.buckets,
            "throttles": writer.throttles,
        }

    def _scores_of(self, article_ids: Sequence[str]) -> dict[str, Score]:
        if self._articles is None:
            self._articles = SqliteScores(self._folder / "articles.db")
        found = self._articles.get_many(ARTICLES, [name.encode() for name in article_ids])
        return {key.decode(): score for key, score in found.items()}

    def _score(self, texts: Sequence[str]) -> list[Score]:
        if self._model is None:
            from consumers.classifier.models.registry import load

            assert self._plan.model is not None
            self._model = load(self._plan.model)
        return [tuple(score) for score in self._model.score(texts)]
