"""`/configurations`: a user's watch lists, and their streams, which follow an edit at once."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.answers import Configuration, Configurations
from api.auth import Authenticated
from api.context import Services, Use
from api.logs import note
from api.params import SUBJECT_SCHEMA, resolutions_of, subject_of
from api.problems import HttpProblem
from api.rate import address_of
from api.respond import json_answer
from api.routes.stream import EVENT_STREAM, Cursor, LastEventId, Resolutions, Since, Until, open_stream, place_of
from api.sse.filters import make_filter
from api.watch_lists import MAX_SUBJECTS, NoSuchList
from contracts.errors import Transient
from contracts.instants import parse_ms

router = APIRouter(tags=["configurations"])
Identity = Annotated[str, Path(description="id of the watch list", pattern=r"^[0-9a-f]{16}$")]
Name = Annotated[str, Field(min_length=1, max_length=80, examples=["Chips"])]
Subject = Annotated[str, Field(max_length=60, json_schema_extra=SUBJECT_SCHEMA)]
Subjects = Annotated[list[Subject], Field(min_length=1, max_length=MAX_SUBJECTS, examples=[["NVDA", "AMD"]])]


class NewConfiguration(BaseModel):
    """A watch list to be made."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    subjects: Subjects


class ChangedConfiguration(BaseModel):
    """What is to change of a watch list."""

    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    subjects: Subjects | None = None


def _canonical(subjects: list[str]) -> list[str]:
    return list(dict.fromkeys(subject_of(each) for each in subjects))


def _document(made: dict[str, Any]) -> dict[str, Any]:
    return made | {"stream": f"/api/v2/configurations/{made['id']}/stream"}


def _missing(error: NoSuchList) -> HttpProblem:
    return HttpProblem(404, f"you have no watch list {error}")


async def _one(services: Services, user: str, identity: str) -> dict[str, Any]:
    try:
        return await services.run("control", services.watch_lists.one_of, user, identity)
    except NoSuchList as error:
        raise _missing(error) from None


@router.get("/configurations", response_model=Configurations, summary="My watch lists")
async def configurations(request: Request, services: Use, caller: Authenticated) -> Response:
    """The caller's watch lists, oldest first."""
    found = await services.run("control", services.watch_lists.all_of, caller.user)
    ordered = sorted(found.values(), key=lambda each: (each["created_at"], each["id"]))
    return json_answer(request, {"configurations": [_document(each) for each in ordered]})


@router.post("/configurations", response_model=Configuration, status_code=201, summary="Make a watch list")
async def create(request: Request, services: Use, caller: Authenticated, new: NewConfiguration) -> Response:
    """A watch list of up to five subjects; 409 when the caller has as many lists as allowed, or has none and
    there is room for nobody else's."""
    made = await services.run("control", services.watch_lists.create, caller.user, new.name, _canonical(new.subjects))
    answer = json_answer(request, _document(made), status=201)
    answer.headers["Location"] = f"/api/v2/configurations/{made['id']}"
    return answer


@router.get("/configurations/{identity}", response_model=Configuration, summary="One watch list")
async def one(request: Request, services: Use, caller: Authenticated, identity: Identity) -> Response:
    """A watch list of the caller."""
    return json_answer(request, _document(await _one(services, caller.user, identity)))


@router.patch("/configurations/{identity}", response_model=Configuration, summary="Change a watch list")
async def change(
    request: Request, services: Use, caller: Authenticated, identity: Identity, changes: ChangedConfiguration
) -> Response:
    """Replaces what is given; open streams of the list follow at once."""
    subjects = _canonical(changes.subjects) if changes.subjects is not None else None
    try:
        made = await services.run("control", services.watch_lists.update, caller.user, identity, changes.name, subjects)
    except NoSuchList as error:
        raise _missing(error) from None
    await _follow(services, caller.user, identity)
    return json_answer(request, _document(made))


@router.delete("/configurations/{identity}", status_code=204, summary="Delete a watch list")
async def delete(services: Use, caller: Authenticated, identity: Identity) -> Response:
    """Its streams say `bye`."""
    try:
        await services.run("control", services.watch_lists.delete, caller.user, identity)
    except NoSuchList as error:
        raise _missing(error) from None
    await _follow(services, caller.user, identity)
    return Response(status_code=204)


async def _follow(services: Services, user: str, identity: str) -> None:
    """Tell the list's open streams. The edit is stored: where they cannot follow now, they do within a second."""
    try:
        await services.follower.changed(user, identity)
    except Transient as error:
        note(logging.WARNING, "the streams of an edited list follow later", cause=str(error))


@router.get(
    "/configurations/{identity}/stream",
    tags=["stream"],
    summary="Live events of a watch list",
    response_class=Response,
    responses=EVENT_STREAM,
)
async def stream(
    request: Request,
    services: Use,
    caller: Authenticated,
    identity: Identity,
    resolutions: Resolutions = "1m",
    cursor: Cursor = None,
    since: Since = None,
    until: Until = None,
    last_event_id: LastEventId = None,
) -> Response:
    """As `/stream`, of the list's subjects; when the list is edited, a `snapshot` of the new ones follows at once, or
    as soon as a client that was away comes back."""
    found = await _one(services, caller.user, identity)
    wanted = make_filter(found["subjects"], resolutions_of(resolutions))
    start, until_ms = place_of(cursor, since, until, last_event_id)
    edited_ms = parse_ms(found["updated_at"])
    address = address_of(request.scope, services.options.trusted_hops)
    return await open_stream(services, address, wanted, start, until_ms, (caller.user, identity), edited_ms)
