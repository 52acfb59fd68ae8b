"""Polling the sources that are due, each on its own: one that fails, hangs or lies never stops another.

What is remembered of a source is one control document (kind `source`), written after its articles are on the stream:
a crash in between publishes them again, and the classifier knows them.

    healthy ──failure──> unreachable ──5 failures in 5 min──> circuit open ──probe after 60 s──> healthy or still open
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Final, NamedTuple

from contracts.aside import Aside, digest_key, put_asides
from contracts.clock import Clock
from contracts.errors import Conflict
from contracts.events import RAW_STREAM
from contracts.ports import ControlStore, Entry, EventLog, Lake, Secrets
from contracts.resolution import HOUR_MS, MINUTE_MS
from producers.fetch import FetchFailed, Web
from producers.publisher import Publisher
from producers.sources.registry import Fetched, Request, Source, adapter

KIND: Final = "source"
#: What an operator set for a source: {"enabled": bool, "every_s": int}, both optional.
SETTING_KIND: Final = "source-setting"
FAILURES_TO_OPEN: Final = 5
FAILURE_WINDOW_MS: Final = 5 * MINUTE_MS
PROBE_AFTER_MS: Final = MINUTE_MS
FIRST_RETRY_MS: Final = 10_000
MAX_SEEN: Final = 2_000
MAX_PARALLEL: Final = 8
_ASIDE_STREAM: Final = "sources"


class Polled(NamedTuple):
    """Counts of one round."""

    polled: int
    failed: int
    fetched: int
    published: int
    rejected: int


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
    ) -> None:
        self._publisher = Publisher(log, clock)
        self._control = control
        self._lake = lake
        self._secrets = secrets
        self._clock = clock
        self._web = web
        self._sources = sources

    def poll(self, only: str | None = None) -> Polled:
        """Poll every source that is due, or the one named whether due or not. Raises `Transient` when our own stores
        fail (then the round is repeated); a failing source shows in its state."""
        due = [(source, state, version) for source, state, version in self._states() if only in (None, source.name)]
        if only is None:
            due = [each for each in due if self._is_due(each[1])]
        totals = Polled(0, 0, 0, 0, 0)
        bugs: list[BaseException] = []
        with ThreadPoolExecutor(MAX_PARALLEL, "fetch") as pool:
            running = {pool.submit(self._fetch, each[0], each[1]): each for each in due}
            for future in as_completed(running):
                source, state, version = running[future]
                error = future.exception()
                if error is None:
                    polled = self._finish(source, state, version, future.result())
                else:
                    if not isinstance(error, FetchFailed):
                        bugs.append(error)
                        error = FetchFailed(source.name, f"its adapter broke: {type(error).__name__}")
                    self._remember(source, after_failure(state, error, self._clock.now_ms()), version)
                    polled = Polled(1, 1, 0, 0, 0)
                totals = Polled(*(a + b for a, b in zip(totals, polled, strict=True)))
        if bugs:
            raise bugs[0]  # after every other source had its turn
        return totals

    def _states(self) -> Iterable[tuple[Source, dict[str, Any], int]]:
        settings = self._control.list(SETTING_KIND)
        for source in self._sources:
            setting = settings.get(source.name, {})
            stored = self._control.get(KIND, source.name)
            known = stored.value if stored.value and stored.value.get("url") == source.url else {"state": "new"}
            state = known | {
                "name": source.name,
                "kind": source.kind,
                "url": source.url,
                "every_s": int(setting.get("every_s", source.every_s)),
            }
            enabled = bool(setting.get("enabled", source.enabled))
            if not enabled and state["state"] != "paused":
                state |= {"state": "paused", "next_due_ms": 0}
                self._remember(source, state, stored.version)
            elif enabled and state["state"] == "paused":
                state["state"] = "new"
            yield source, state, stored.version

    def _is_due(self, state: Mapping[str, Any]) -> bool:
        return state["state"] not in ("paused", "gone") and int(state.get("next_due_ms", 0)) <= self._clock.now_ms()

    def _fetch(self, source: Source, state: Mapping[str, Any]) -> Fetched:
        cursor = state.get("cursor") or {}
        return adapter(source.kind)(Request(source, cursor, self._web, self._secrets, self._clock.now_ms()))

    def _finish(self, source: Source, state: dict[str, Any], version: int, fetched: Fetched) -> Polled:
        """Publish first, remember second."""
        now_ms = self._clock.now_ms()
        seen = set(state.get("seen", ()))
        fresh = {each.article_id: each for each in fetched.articles if each.article_id not in seen}
        bad = {digest_key(each.data): each for each in fetched.rejected if digest_key(each.data) not in seen}
        published = self._publisher.publish(
            RAW_STREAM, (Entry(article.article_id, article.encode()) for article in fresh.values())
        )
        put_asides(
            self._lake,
            [
                Aside(
                    "quarantined",
                    each.error.reason,
                    each.error.detail,
                    _ASIDE_STREAM,
                    source.name,
                    key.rpartition(":")[2],
                    0,
                    now_ms,
                    key,
                    each.data,
                )
                for key, each in bad.items()
            ],
        )
        self._remember(source, after_success(state, fetched, [*fresh, *bad], published, now_ms), version)
        return Polled(1, 0, len(fetched.articles), published, len(bad))

    def _remember(self, source: Source, state: Mapping[str, Any], version: int) -> None:
        try:
            self._control.put(KIND, source.name, state, version)
        except Conflict:
            # Another process polled the same source meanwhile: its memory is as good as ours.
            return


def after_success(
    state: Mapping[str, Any], fetched: Fetched, new_ids: Sequence[str], published: int, now_ms: int
) -> dict[str, Any]:
    """A source's state after an answer."""
    recent = [pair for pair in state.get("recent", ()) if pair[0] > now_ms - HOUR_MS]
    recent += [[now_ms, published]] if published else []
    return dict(state) | {
        "state": "gone" if fetched.gone else "healthy",
        "cursor": dict(fetched.cursor),
        "seen": [*state.get("seen", ()), *new_ids][-MAX_SEEN:],
        "recent": recent,
        "articles_per_hour": sum(count for _, count in recent),
        "published": int(state.get("published", 0)) + published,
        "last_attempt_ms": now_ms,
        "last_success_ms": now_ms,
        "next_due_ms": now_ms + int(state["every_s"]) * 1000,
        "failures": [],
        "error": "the source says it is gone (HTTP 410)" if fetched.gone else None,
    }


def after_failure(state: Mapping[str, Any], error: FetchFailed, now_ms: int) -> dict[str, Any]:
    """A source's state after a failure: a retry soon, then the open circuit with one probe a minute; a source that
    asked for patience gets it."""
    failures = [*state.get("failures", ()), now_ms]
    failures = [at_ms for at_ms in failures if at_ms > now_ms - FAILURE_WINDOW_MS][-FAILURES_TO_OPEN:]
    is_open = len(failures) >= FAILURES_TO_OPEN or state["state"] == "circuit open"
    every_ms = int(state["every_s"]) * 1000
    if is_open:
        wait_ms = PROBE_AFTER_MS
    elif error.again:
        wait_ms = min(every_ms, FIRST_RETRY_MS * 2 ** (len(failures) - 1))
    else:
        wait_ms = every_ms
    recent = [pair for pair in state.get("recent", ()) if pair[0] > now_ms - HOUR_MS]
    return dict(state) | {
        "state": "circuit open" if is_open else "unreachable",
        "failures": failures,
        "error": str(error)[:300],
        "last_attempt_ms": now_ms,
        "next_due_ms": now_ms + max(wait_ms, error.retry_after_ms or 0),
        "recent": recent,
        "articles_per_hour": sum(count for _, count in recent),
    }
