"""A limit of concurrent calls with real ones: SIPp as customer and as cloud. No rate limits here."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.daemon import Daemon
from tests.e2e.sipp import Sipp, free_address


def test_five_of_ten_calls_at_once(tmp_path: Path) -> None:
    """Five are up, five are told 486; when all is over, nothing counts any more."""
    with Daemon(tmp_path, burst="1000\nconcurrent_calls = 5") as daemon:
        daemon.start()
        keys = {"domain": str(daemon.cloud)}
        caller = Sipp(
            tmp_path / "uac", "uac_limited", free_address("127.0.0.10"), to=daemon.agent, calls=10, rate=1000, keys=keys,
            arguments=["-d", "1500"],
        )  # fmt: skip
        with Sipp(tmp_path / "uas", "uas_call", daemon.cloud, calls=5) as called, caller:
            daemon.until(lambda: daemon.status()["calls"][0]["out"] == 5)
            ended = caller.wait().require(10)
            called.wait().require(5)
        assert len({m.header("Call-ID") for m in ended.received("INVITE", 486)}) == 5
        assert len({m.header("Call-ID") for m in ended.received("INVITE", 200)}) == 5
        status = daemon.status()
        assert status["calls"] == [{"trunk": "acme", "out": 0, "in": 0, "emergency": 0, "limit": 5}]
        assert "Calls" in daemon.command("status").stdout
        refused = [row for row in status["counters"]["verdicts"] if row["rule"] == "trunk-calls"]
        assert [(row["action"], row["count"]) for row in refused] == [("answer", 5)]
