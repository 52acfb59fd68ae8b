"""`/runs`, the marks of `/generations`, and a series of a generation that is not live."""

from api.app import create_app
from contracts.generation import POINTER
from tests.unit.api.kit import NOW_MS, RUN, Line, TestHome, Told, article, calling, live, options


@live
async def test_runs_newest_first_with_their_progress(home: TestHome) -> None:
    home.control.put("replay-run", "r1", RUN)
    home.control.put(
        "replay-run", "r2", RUN | {"id": "r2", "generation": "g3", "created_at": "2025-12-21T09:10:00.000Z"}
    )
    async with calling(create_app(home, options())) as client:
        answer = (await client.get("/api/v2/runs")).json()
        assert answer["live"] == "g1"
        assert [(run["id"], run["units_done"], run["units_total"]) for run in answer["runs"]] == [
            ("r2", 4, 10),
            ("r1", 4, 10),
        ]


@live
async def test_which_run_is_live_the_pointer_says_and_not_its_document(home: TestHome) -> None:
    """A promote was cut short between the swap and the book: nobody has written it down yet."""
    home.control.put("replay-run", "r1", RUN | {"state": "completed", "generation": "g1"})
    home.control.put("replay-run", "r2", RUN | {"id": "r2", "state": "live", "generation": "g3"})
    async with calling(create_app(home, options())) as client:
        answer = (await client.get("/api/v2/runs")).json()
        assert {run["id"]: run["state"] for run in answer["runs"]} == {"r1": "live", "r2": "retired"}
        assert (await client.get("/api/v2/runs/r1")).json()["state"] == "live"


@live
async def test_where_all_buckets_are_too_many_to_read_the_command_compares(home: TestHome, line: Line) -> None:
    home.buckets.down = True
    async with calling(create_app(home, options(home="aws"), live=False)) as client:
        refused = await client.get("/api/v2/generations/g1/compare/g2")
        assert (refused.status_code, "`candlewick replay compare g1 g2`" in refused.json()["detail"]) == (409, True)


@live
async def test_one_run_with_its_compare_and_what_was_done(home: TestHome) -> None:
    home.control.put("replay-run", "r1", RUN)
    home.control.put("replay-compare", "r1", {"a": "g1", "b": "g2", "breaches": []})
    for minute, action in ((3, "promote"), (1, "run")):
        at = f"2025-12-21T09:0{minute}:00.000Z"
        home.control.put("audit", f"{at} {action} g2", {"at": at, "action": action, "generation": "g2"})
    home.control.put("audit", "x", {"at": "2025-12-21T09:00:00.000Z", "action": "run", "generation": "g3"})
    async with calling(create_app(home, options())) as client:
        for name in ("r1", "g2"):
            answer = (await client.get(f"/api/v2/runs/{name}")).json()
            assert answer["compare"]["a"] == "g1"
            assert [each["action"] for each in answer["audit"]] == ["run", "promote"]
        assert (await client.get("/api/v2/runs/r9")).status_code == 404


@live
async def test_swaps_are_told_oldest_first_and_nothing_else_is(home: TestHome) -> None:
    for minute, action in ((5, "rollback"), (3, "promote"), (1, "run")):
        at = f"2025-12-21T09:0{minute}:00.000Z"
        home.control.put(
            "audit", at, {"at": at, "action": action, "generation": "g2", "previous": "g1", "by": "process 7"}
        )
    async with calling(create_app(home, options())) as client:
        swaps = (await client.get("/api/v2/generations")).json()["swaps"]
        assert [swap["action"] for swap in swaps] == ["promote", "rollback"]
        assert swaps[0] == {
            "at": "2025-12-21T09:03:00.000Z", "action": "promote", "generation": "g2", "previous": "g1", "reason": "",
        }  # fmt: skip


@live
async def test_a_series_of_a_generation_that_is_not_live(home: TestHome, line: Line) -> None:
    line.tell(Told("AAPL", NOW_MS - 60_000, 500, article(1)))
    Line(home, "g2").tell(Told("AAPL", NOW_MS - 60_000, -700, article(1)))
    home.control.put("replay-run", "r1", RUN)
    home.control.put("generation", "g2", {"id": "r1"})
    async with calling(create_app(home, options())) as client:
        for generation, close in (("g1", 0.05), ("g2", -0.07), ("g1", 0.05)):
            answer = (await client.get(f"/api/v2/timeseries/AAPL?resolution=1m&generation={generation}")).json()
            assert answer["generation"] == generation
            assert [bucket["close"] for bucket in answer["buckets"]] == [close]
        swap = {"at": "2025-12-21T09:03:00.000Z", "action": "promote", "generation": "g2", "previous": "g1"}
        home.control.put("audit", "x", swap)
        home.control.put(*POINTER, {"generation": "g2", "previous": "g1", "swapped_at": swap["at"]})
    async with calling(create_app(home, options())) as client:
        known = (await client.get("/api/v2/generations")).json()["generations"]
        assert [(each["name"], each["live"]) for each in known] == [("g1", False), ("g2", True)]
        left = await client.get("/api/v2/timeseries/AAPL?resolution=1m&generation=g1")
        assert left.status_code == 200, "what was live before, and no replay built"
        assert [bucket["close"] for bucket in left.json()["buckets"]] == [0.05]
        refused = await client.get("/api/v2/timeseries/AAPL?resolution=1m&generation=g9")
        assert refused.status_code == 404
        assert "g9 is no known generation" in refused.json()["detail"]


@live
async def test_what_a_run_failed_of_names_no_file_and_no_account(home: TestHome) -> None:
    for more in ({"error_kind": "Altered"}, {}):
        failed = RUN | {"state": "failed", "error": "file /srv/secret of arn:aws:s3:::mine is gone"} | more
        home.control.put("replay-run", "r1", failed)
        home.control.put("generation", "g2", failed)
        async with calling(create_app(home, options())) as client:
            for path in ("runs", "runs/r1", "runs/g2", "generations"):
                text = (await client.get(f"/api/v2/{path}")).text
                assert "/srv/secret" not in text
                assert "arn:" not in text
                assert f"{more.get('error_kind', 'error')}: `candlewick runs show r1` says what it was" in text
