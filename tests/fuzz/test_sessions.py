"""Whatever a client sends, it and the next one are answered, and the run is what it was."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.packets import session
from tests.fuzz.target import Target

#: Sessions held, and messages that they must have come to, of each kind of run.
_SESSIONS = {"finished": 500, "live": 100}


@pytest.mark.parametrize("kind", _SESSIONS)
def test_nothing_a_client_says_does_harm(kind: str) -> None:
    target = Target(live=kind == "live")

    @settings(deadline=None, max_examples=_SESSIONS[kind], suppress_health_check=list(HealthCheck))
    @given(session)
    def hold(said: tuple[list[bytes], bool]) -> None:
        target.hold(*said)

    try:
        hold()
    finally:
        target.close()
    print(f"{target.messages} messages in {target.sessions} sessions")
    assert target.messages >= 3 * _SESSIONS[kind]
