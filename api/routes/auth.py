"""`/auth`: anonymous tokens."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import Token
from api.auth import COOKIE, check_origin, issue
from api.context import Use
from contracts.instants import iso_ms

router = APIRouter(tags=["auth"])


@router.post("/auth/anonymous", response_model=Token, status_code=201, summary="A token for somebody new")
async def anonymous(request: Request, services: Use) -> Response:
    """A signed token that stands for a new anonymous user: in the answer for programs (`Authorization: Bearer`), and
    as an httpOnly cookie for browsers."""
    check_origin(request, services)
    options = services.options
    now_ms = services.clock.now_ms()
    token, caller = await services.run("control", issue, services.keyring, now_ms, options.token_days)
    answer = Token(token=token, user=caller.user, expires_at=iso_ms(caller.expires_ms))
    response = Response(answer.model_dump_json(), 201, {"Cache-Control": "no-store"}, media_type="application/json")
    response.set_cookie(
        COOKIE,
        token,
        max_age=(caller.expires_ms - now_ms) // 1000,
        path="/api/v2",
        secure=options.behind_tls,
        httponly=True,
        samesite="strict",
    )
    return response
