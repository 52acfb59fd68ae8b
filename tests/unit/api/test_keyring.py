"""The keys that sign tokens where the operator gives them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.app import create_app
from api.auth import BadToken, issue, verify
from api.keyring import SECRET_NAME, parse_keys
from contracts.errors import Transient, Unusable
from tests.fakes.stores import FakeSecrets
from tests.unit.api.kit import NOW_MS, TestHome, calling, keyring, live, options


@live
async def test_a_process_begins_while_the_secrets_cannot_be_read_and_asks_again(home: TestHome) -> None:
    class Hidden(FakeSecrets):
        hidden = True

        def get(self, name: str) -> str | None:
            if self.hidden:
                raise Transient("secrets", "told to be down")
            return super().get(name)

    secrets = home.secrets = Hidden(**{SECRET_NAME: f"a1:{'s' * 20}"})
    async with calling(create_app(home, options())) as client:
        assert (await client.get("/api/v2/subjects")).status_code == 200
        assert (await client.post("/api/v2/auth/anonymous")).status_code == 503
        secrets.hidden = False
        assert (await client.post("/api/v2/auth/anonymous")).json()["token"].startswith("cw1.a1.")
    secrets.values[SECRET_NAME] = "nonsense"
    with pytest.raises(Unusable):
        create_app(home, options())


def test_keys_of_the_operator_win_and_are_checked(home: TestHome) -> None:
    old, new = f"a1:{'o' * 20}", f"b2:{'n' * 20}"
    before = keyring(home, FakeSecrets(**{SECRET_NAME: old}))
    token, caller = issue(before, NOW_MS, 30)
    after = keyring(home, FakeSecrets(**{SECRET_NAME: f"{new},{old}"}))
    assert verify(after, token, NOW_MS) == caller
    assert issue(after, NOW_MS, 30)[0].split(".")[1] == "b2"
    with pytest.raises(BadToken):
        verify(keyring(home, FakeSecrets(**{SECRET_NAME: new})), token, NOW_MS)
    for bad in ("short", "a1:short", f":{'x' * 20}", f"a b:{'x' * 20}"):
        with pytest.raises(Unusable) as told:
            parse_keys(bad)
        assert "x" * 20 not in str(told.value)


class SlowSecrets(FakeSecrets):
    """Answers the second time when it is `told` to."""

    def __init__(self, **values: str) -> None:
        super().__init__(**values)
        self.asked, self.told = threading.Event(), threading.Event()
        self.told.set()

    def get(self, name: str) -> str | None:
        self.asked.set()
        assert self.told.wait(30)
        return super().get(name)


def test_tokens_are_verified_while_the_secret_is_read_again(home: TestHome, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = SlowSecrets(**{SECRET_NAME: f"a1:{'o' * 20}"})
    ring = keyring(home, secrets)
    token, caller = issue(ring, NOW_MS, 30)
    monkeypatch.setattr("api.keyring.READ_AGAIN_MS", 0.0)
    secrets.told.clear()
    secrets.asked.clear()
    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(verify, ring, token, NOW_MS)
        assert secrets.asked.wait(30)
        try:
            assert pool.submit(verify, ring, token, NOW_MS).result(10) == caller
        finally:
            secrets.told.set()
        assert reading.result(30) == caller


def test_a_rotated_secret_reaches_a_running_process(home: TestHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.keyring.UNKNOWN_AGAIN_MS", 0.0)
    old, new = f"a1:{'o' * 20}", f"b2:{'n' * 20}"
    secrets = FakeSecrets(**{SECRET_NAME: old})
    running = keyring(home, secrets)
    token, _ = issue(running, NOW_MS, 30)
    secrets.values[SECRET_NAME] = f"{new},{old}"
    fresh, _ = issue(keyring(home, secrets), NOW_MS, 30)
    assert verify(running, fresh, NOW_MS), "an unknown key is looked up at once"
    assert verify(running, token, NOW_MS)
    assert issue(running, NOW_MS, 30)[0].split(".")[1] == "b2"
    monkeypatch.setattr("api.keyring.READ_AGAIN_MS", 0.0)
    secrets.values[SECRET_NAME] = "nonsense"
    assert verify(running, fresh, NOW_MS), "a broken secret takes nobody's token away"
    secrets.values[SECRET_NAME] = new
    with pytest.raises(BadToken, match="no longer in use"):
        verify(running, token, NOW_MS)
