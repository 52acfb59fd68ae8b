"""Polling the sources that are due, each on its own: one that fails, hangs or lies never stops another.

What is remembered of a source (`source_state`) is written after its articles are on the stream: a crash in between
publishes them again, and the classifier knows them.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from contracts.aside import Aside, digest_key, put_asides
from contracts.clock import Clock
from contracts.errors import Conflict, Transient
from contracts.events import RAW_STREAM, RawArticle
from contracts.instants import date_of
from contracts.ports import ControlStore, Entry, EventLog, Lake, Secrets
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.telemetry import record
from contracts.watched import WATCH_KIND as WATCH_KIND
from contracts.watched import watched_subjects
from producers.excerpt import excerpt
from producers.fetch import FetchFailed, OverBudget, Web
from producers.fetch_round import ROUND_MS, Done, FetchRound
from producers.publisher import Publisher
from producers.source_state import (
    after_answer,
    after_failure,
    ahead_note,
    arrived,
    asked,
    asks_early,
    key_mark,
    late_note,
    next_due_ms,
    refused_note,
    remembered,
    remembered_as,
    set_up,
    without_key,
)
from producers.sources.registry import Fetched, Rejected, Request, Source, adapter, asked_for, notes, secrets_of

KIND: Final = "source"
#: What an operator set for a source: {"enabled": bool, "every_s": int}, both optional.
SETTING_KIND: Final = "source-setting"
#: Sources that producers have in their settings: {"told_ms": {name: ms}}, in one document.
NAMES_KIND: Final = "source-names"
#: What keys have spent: {"calls": [ms, …]} by the key's name.
PACE_KIND: Final = "source-pace"
#: A key that was put into Secrets, or another process' poll, is noticed within it.
LOOK_AGAIN_MS: Final = 60_000
_ASIDE_STREAM: Final = "sources"
_SLEEPING: Final = ("paused", "gone", "no key")
log = logging.getLogger(__name__)


class Polled(NamedTuple):
    """Counts of one round."""

    polled: int = 0
    failed: int = 0
    fetched: int = 0
    published: int = 0
    rejected: int = 0

    def plus(self, other: "Polled") -> "Polled":
        """Both together."""
        return Polled(*(a + b for a, b in zip(self, other, strict=True)))

    def metrics(self) -> dict[str, float]:
        """Those that are metrics."""
        return {
            "ArticlesFetched": self.fetched,
            "ArticlesPublished": self.published,
            "SourceErrors": self.failed,
            "EventsQuarantined": self.rejected,
        }


class Known(NamedTuple):
    """A source, its state, and the version that guards the state's next write; `watched`: what of the watch lists it is
    asked for this time; `asked_ms`: the turn at which it was."""

    source: Source
    state: dict[str, Any]
    version: int
    watched: frozenset[str] = frozenset()
    asked_ms: int = 0


class ProducerService:
    """The producers over their ports. Network only happens in worker threads, stores only in the caller's."""

    def __init__(
        self,
        *,
        log: EventLog,
        control: ControlStore,
        lake: Lake,
        secrets: Secrets,
        clock: Clock,
        web: Web,
        sources: Sequence[Source],
        round_ms: float = ROUND_MS,
        early_ms: int = 0,
        lateness_ms: int = DAY_MS,
    ) -> None:
        """`round_ms`: how long one poll waits for answers; what comes later is taken by the next poll. `early_ms`: so
        much before its turn a source is asked already, as the next poll may be much later than its turn.
        `lateness_ms`: how late an article may come and still count."""
        self._publisher = Publisher(log, clock)
        self._control = control
        self._lake = lake
        self._secrets = secrets
        self._clock = clock
        self._web = web
        self._sources = sources
        self._early_ms = early_ms
        self._lateness_ms = lateness_ms
        self._round: FetchRound[Fetched] = FetchRound(clock, round_ms)
        self._asked: dict[str, Known] = {}
        self._failing: set[str] = set()
        self._next_ms: dict[str, int] = {}
        self._wishes: tuple[Any, ...] = ()
        self._looked_ms = -1
        self._told_ms = -HOUR_MS

    def poll(self, only: str | None = None) -> Polled:
        """Poll every source that is due, or the one named whether due or not. Raises `Transient` when our own stores
        fail (then the round is repeated); a failing source shows in its state."""
        watched = watched_subjects(self._control)
        settings = self._control.list(SETTING_KIND)
        if only is None and self._is_too_early(watched, settings) and not self._round.is_expecting:
            return Polled()
        busy = self._round.busy
        due = [
            each
            for each in self._looked_at(watched, settings, only)
            if each.source.name not in busy and (each.source.name == only if only is not None else self._is_due(each))
        ]
        if not due and not self._round.is_expecting:
            return Polled()
        answering = {each.source.name for each in due if each.state["state"] == "healthy"}
        self._asked |= {each.source.name: each._replace(asked_ms=self._turn_ms(each)) for each in due}
        self._web.pace.merge({name: value["calls"] for name, value in self._control.list(PACE_KIND).items()})
        totals = Polled()
        bugs: list[BaseException] = []
        fetches = {each.source.name: partial(self._fetch, each, watched) for each in due}
        try:
            for done in self._round.run(fetches, answering):
                totals = totals.plus(self._take(self._refreshed(self._asked[done.name]), done, bugs))
        except BaseException:
            with suppress(Transient):  # the first error is the one to tell
                self._keep_pace()
            raise
        finally:
            record(totals.metrics())
        self._keep_pace()
        if bugs:
            raise bugs[0]  # after every other source had its turn
        return totals

    def _keep_pace(self) -> None:
        """What was asked was asked, whatever became of the answer."""
        for name, calls in self._web.pace.changed().items():
            self._control.put(PACE_KIND, name, {"calls": calls})

    def _is_too_early(self, watched: Sequence[str], settings: Mapping[str, Any]) -> bool:
        """Whether nothing can be due yet, by what this process remembers: looking is cheap then, and may be often."""
        now_ms, wishes = self._clock.now_ms(), (tuple(watched), dict(settings))
        remembered_until_ms = min([self._looked_ms + LOOK_AGAIN_MS, *self._next_ms.values()])
        return wishes == self._wishes and self._looked_ms <= now_ms < remembered_until_ms

    def _looked_at(self, watched: Sequence[str], settings: Mapping[str, Any], only: str | None) -> list[Known]:
        """Every source. The next poll looks again when this one does not come to all, as our own stores fail, or asks
        only one."""
        now_ms, self._looked_ms = self._clock.now_ms(), -1
        self._forget_others(now_ms)
        known = list(self._known(settings, watched))
        if only is None:
            self._wishes, self._looked_ms = (tuple(watched), dict(settings)), now_ms
        return known

    def _forget_others(self, now_ms: int) -> None:
        """Forget sources that were in no producer's settings for a day: there may be others, with other settings. Once
        an hour each says which are its own."""
        if 0 <= now_ms - self._told_ms < HOUR_MS:
            return
        stored, states = self._control.get(NAMES_KIND, "all"), self._control.list(KIND)
        told_ms = (stored.value or {}).get("told_ms") or dict.fromkeys(states, now_ms)
        named = {name: at_ms for name, at_ms in told_ms.items() if at_ms > now_ms - DAY_MS}
        named |= dict.fromkeys((source.name for source in self._sources), now_ms)
        with suppress(Conflict):  # another one tells at this moment: the next look tells ours
            self._control.put(NAMES_KIND, "all", {"told_ms": named}, stored.version)
            for name in states.keys() - named.keys():
                # On AWS the producers may write and not delete.
                self._control.put(KIND, name, states[name], expires_ms=now_ms)
            self._told_ms = now_ms

    def _known(self, settings: Mapping[str, Mapping[str, Any]], watched: Sequence[str]) -> Iterator[Known]:
        for source in self._sources:
            setting = settings.get(source.name, {})
            stored = self._control.get(KIND, source.name)
            state = set_up(stored.value, source, int(setting.get("every_s", source.every_s)))
            following = self._woken(source, state, bool(setting.get("enabled", source.enabled)))
            version = stored.version
            if following is not state and following["state"] in _SLEEPING:
                version = self._remember(source, following, version)
            self._expect(source, following)
            yield Known(source, following, version, frozenset(asked_for(source, watched)))

    def _woken(self, source: Source, state: dict[str, Any], enabled: bool) -> dict[str, Any]:
        """The state, after an operator's wish and the presence of the key; the same object when nothing changed."""
        if not enabled:
            return state if state["state"] == "paused" else state | {"state": "paused", "next_due_ms": 0, "error": None}
        keys = self._keys(source)
        missing = next((name for name, key in keys.items() if not key), None)
        if missing is not None:
            waiting = without_key(state, missing)
            return state if waiting == state else waiting
        has_another_key = bool(keys) and state.get("refused_key") not in (None, key_mark(*keys.values()))
        if has_another_key or state["state"] in ("paused", "no key"):
            return state | {"state": "new", "next_due_ms": 0, "failures": [], "refused_key": None}
        return state

    def _keys(self, source: Source) -> dict[str, str]:
        """All secrets a source is asked with, by their names; "" for one that is not there."""
        return {name: self._secrets.get(name) or "" for name in secrets_of(source)}

    def _is_due(self, known: Known) -> bool:
        state, now_ms = known.state, self._clock.now_ms()
        if state["state"] in _SLEEPING:
            return False
        return next_due_ms(state, now_ms) <= self._reach_ms(state) or asks_early(state, known.watched, now_ms)

    def _reach_ms(self, state: Mapping[str, Any]) -> int:
        """Whoever's turn is until then is asked now."""
        return self._clock.now_ms() + (self._early_ms if state["state"] == "healthy" else 0)

    def _turn_ms(self, known: Known) -> int:
        """The turn at which a source is asked: now, or the one for which it is asked early. Counted from when it was
        asked, each turn would be early once more."""
        now_ms = self._clock.now_ms()
        due_ms = next_due_ms(known.state, now_ms)
        return due_ms if now_ms < due_ms <= self._reach_ms(known.state) else now_ms

    def _fetch(self, known: Known, watched: Sequence[str]) -> Fetched:
        source, cursor = known.source, known.state.get("cursor") or {}
        asked_ms = self._clock.now_ms()
        fetched = adapter(source.kind)(Request(source, cursor, self._web, self._secrets, asked_ms, tuple(watched)))
        return arrived(fetched, asked_ms, self._clock.now_ms())

    def _refreshed(self, known: Known) -> Known:
        """What is known of a source now: an answer may come rounds after it was asked for."""
        stored = self._control.get(KIND, known.source.name)
        if stored.value is None or stored.version == known.version:
            return known
        return known._replace(state=set_up(stored.value, known.source, known.state["every_s"]), version=stored.version)

    def _take(self, known: Known, done: Done[Fetched], bugs: list[BaseException]) -> Polled:
        source, error = known.source, done.error
        state = asked(known.state, known.watched, self._clock.now_ms())
        if done.answer is not None:
            return self._finish(known._replace(state=state), done.answer)
        if isinstance(error, TimeoutError):
            error = FetchFailed(source.name, str(error))
        elif not isinstance(error, FetchFailed):
            assert error is not None
            bugs.append(error)
            error = FetchFailed(source.name, f"its adapter broke: {type(error).__name__}")
        following = self._key_noted(source, after_failure(state, error, self._clock.now_ms()), error)
        self._remember(source, following, known.version)
        self._note(source, error)
        return Polled(polled=1, failed=0 if isinstance(error, OverBudget) else 1)

    def _finish(self, known: Known, fetched: Fetched) -> Polled:
        """Publish first, remember second."""
        source, state, now_ms = known.source, known.state, self._clock.now_ms()
        seen = set(state.get("seen", ()))
        chosen, folded = newest_of_each(fetched.articles)
        articles = {remembered_as(each): each for each in chosen}
        rejects = {remembered(digest_key(each.data)): each for each in fetched.rejected}
        fresh = {each.article_id: each for name, each in articles.items() if name not in seen}
        bad = {digest_key(each.data): each for name, each in rejects.items() if name not in seen}
        published = self._publisher.publish(
            RAW_STREAM, (Entry(article.article_id, article.encode()) for article in fresh.values())
        )
        put_asides(self._lake, [_aside(source, key, each, now_ms) for key, each in bad.items()])
        self._keep_opinions(source, [each for each in fetched.opinions if each["article_id"] in fresh], now_ms)
        # What came late is told until something new comes.
        came_late = late_note(fresh.values(), self._lateness_ms) if fresh else state.get("came_late")
        refused = refused_note(len(rejects), len(articles) + len(rejects))
        fetched = fetched._replace(note=notes(fetched.note, folded, ahead_note(chosen), refused, came_late))
        told = [*articles, *rejects]
        following = after_answer(
            dict(state) | {"came_late": came_late}, fetched, told, published, known.asked_ms, now_ms
        )
        self._remember(source, self._key_noted(source, following, fetched.trouble), known.version)
        self._note(source, fetched.trouble)
        failed = fetched.trouble is not None and not isinstance(fetched.trouble, OverBudget)
        return Polled(1, int(failed), len(fetched.articles), published, len(bad))

    def _key_noted(self, source: Source, state: dict[str, Any], error: FetchFailed | None) -> dict[str, Any]:
        """A key that was refused is noted, so that another one is tried as soon as it is there."""
        if error is None or error.status not in (401, 403) or not secrets_of(source):
            return state
        return state | {"refused_key": key_mark(*self._keys(source).values())}

    def _keep_opinions(self, source: Source, opinions: Sequence[Mapping[str, Any]], now_ms: int) -> None:
        """What a source itself thinks of its articles, for comparison. The name comes from the content, so a retry
        writes the same object again."""
        if not opinions:
            return
        lines = [msgspec.json.encode(each, order="deterministic") for each in opinions]
        digest = digest_key(b"\n".join(lines)).rpartition(":")[2]
        self._lake.put(f"opinions/source={source.name}/date={date_of(now_ms)}/{digest}.jsonl.gz", lines)

    def _expect(self, source: Source, state: Mapping[str, Any]) -> None:
        self._next_ms.pop(source.name, None)
        if state["state"] not in _SLEEPING:
            self._next_ms[source.name] = next_due_ms(state, self._clock.now_ms())

    def _remember(self, source: Source, state: Mapping[str, Any], version: int) -> int:
        self._expect(source, state)
        try:
            return self._control.put(KIND, source.name, state, version)
        except Conflict:
            # Another process polled the same source meanwhile: its memory is as good as ours.
            return version

    def _note(self, source: Source, error: FetchFailed | None) -> None:
        """One line when the first source fails, one when the last has recovered: seventeen feeds without a network are
        one line, not seventeen a minute."""
        before = bool(self._failing)
        if error is None or isinstance(error, OverBudget):
            self._failing.discard(source.name)
        else:
            self._failing.add(source.name)
        if bool(self._failing) != before:
            told = f"{source.name} does not answer ({error}), perhaps others" if error else "every source answers again"
            log.warning(json.dumps({"message": f"{told}; `candlewick status` shows them all"}))


def newest_of_each(articles: Sequence[RawArticle]) -> tuple[list[RawArticle], str | None]:
    """The newest article of each id, the first of several that are as new, and a note of what had to give way."""
    kept: dict[str, RawArticle] = {}
    folded = 0
    for article in articles:
        known = kept.setdefault(article.article_id, article)
        folded += known.title != article.title
        if article.published_ms > known.published_ms:
            kept[article.article_id] = article
    note = f"{folded} entries have the link of another one; the newest was taken" if folded else None
    return list(kept.values()), note


def _aside(source: Source, key: str, rejected: Rejected, now_ms: int) -> Aside:
    error, place = rejected.error, key.rpartition(":")[2]
    return Aside(
        "quarantined", error.reason, error.detail, _ASIDE_STREAM, source.name, place, 0, now_ms, key,
        excerpt(rejected.data),
    )  # fmt: skip
