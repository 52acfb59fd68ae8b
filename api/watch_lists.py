"""Watch lists: up to five subjects under a name, a few per user.

All lists of a user are one control document (kind `watch`, name = user), written with optimistic locking, so a cap
holds however many requests come at once. Its `subjects` is the union, which is what the classifier reads. As nobody
can come back with a token that has expired, a document that is not used for so long is gone too, and one that was used
on its first day only when there is no room for somebody new.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from api.watch_places import Places
from contracts.clock import Clock
from contracts.errors import Conflict, Transient
from contracts.identity import series_of
from contracts.instants import iso_ms
from contracts.ports import ControlStore
from contracts.resolution import DAY_MS
from contracts.watched import WATCH_KIND

KIND = WATCH_KIND
MAX_SUBJECTS = 5
#: A document that is only read is written again after so long.
RENEW_AFTER_MS = DAY_MS
ATTEMPTS = 100
Lists = dict[str, dict[str, Any]]
Answer = TypeVar("Answer")


class NoSuchList(Exception):
    """The user has no list of that id."""


class WatchLists:
    """The watch lists of all users. Every method blocks and may raise `Transient`."""

    def __init__(self, control: ControlStore, clock: Clock, most: int, keep_days: int = 30) -> None:
        """`keep_days`: the life of a token; unused lists live as long, and a day more."""
        self._control = control
        self._clock = clock
        self._most = most
        self._places = Places(control, clock)
        self._keep_ms = keep_days * DAY_MS

    def all_of(self, user: str) -> Lists:
        """The user's lists by id."""
        stored = self._control.get(KIND, user)
        if stored.value and self._clock.now_ms() - int(stored.value.get("used_ms", 0)) >= RENEW_AFTER_MS:
            with suppress(Conflict):  # whoever changed it has renewed it
                self._keep(user, stored.value, stored.version)
        return _lists_in(stored.value)

    def one_of(self, user: str, identity: str) -> dict[str, Any]:
        """A list. Raises `NoSuchList`, for another user's as well."""
        found = self.all_of(user).get(identity)
        if found is None:
            raise NoSuchList(identity)
        return found

    def create(self, user: str, name: str, subjects: list[str]) -> dict[str, Any]:
        """A new list. Raises `Conflict` when the user has as many as allowed, or has none and all places are taken."""

        def change(lists: Lists) -> dict[str, Any]:
            if len(lists) >= self._most:
                raise Conflict(f"{self._most} watch lists are the most; delete one first")
            now = iso_ms(self._clock.now_ms())
            identity = secrets.token_hex(8)
            made = {"id": identity, "name": name, "subjects": subjects, "created_at": now, "updated_at": now}
            lists[identity] = made
            return made

        return self._change(user, change)

    def update(self, user: str, identity: str, name: str | None, subjects: list[str] | None) -> dict[str, Any]:
        """The list with what is given replaced. Raises `NoSuchList`."""

        def change(lists: Lists) -> dict[str, Any]:
            if identity not in lists:
                raise NoSuchList(identity)
            new = {"name": name, "subjects": subjects, "updated_at": iso_ms(self._clock.now_ms())}
            lists[identity] = lists[identity] | {key: value for key, value in new.items() if value is not None}
            return lists[identity]

        return self._change(user, change)

    def delete(self, user: str, identity: str) -> None:
        """Raises `NoSuchList`."""

        def change(lists: Lists) -> None:
            if lists.pop(identity, None) is None:
                raise NoSuchList(identity)

        self._change(user, change)

    def _change(self, user: str, change: Callable[[Lists], Answer]) -> Answer:
        for _ in range(ATTEMPTS):
            stored = self._control.get(KIND, user)
            lists = _lists_in(stored.value)
            answer = change(lists)
            if stored.value is None:  # a first list: there is nothing else to change
                self._places.take()
            union = sorted({subject for each in lists.values() for subject in each["subjects"]})
            try:
                self._keep(user, {"lists": lists, "subjects": union}, stored.version)
            except Conflict:
                continue
            return answer
        raise Transient("control", f"{ATTEMPTS} writes in a row lost against other requests")

    def _keep(self, user: str, value: dict[str, Any], version: int) -> None:
        now_ms = self._clock.now_ms()
        expires_ms = now_ms + self._keep_ms + RENEW_AFTER_MS
        self._control.put(KIND, user, value | {"used_ms": now_ms}, version, expires_ms)


def _lists_in(document: Mapping[str, Any] | None) -> Lists:
    """The lists of a document, their subjects by the names of their series: older ones may have others."""
    lists = (document or {}).get("lists", {})
    return {
        identity: each | {"subjects": list(dict.fromkeys(map(series_of, each["subjects"])))}
        for identity, each in lists.items()
    }
