"""What a reload leaves as it runs: exactly the settings of life span "start", each named once."""

from typing import Any

from edge_agent.lifespan import keep_running
from edge_agent.policy.settings import Settings


def settings(**sections: Any) -> Settings:
    listen = sections.pop("listen", [{"address": "127.0.0.1:5060"}])
    upstream = [{"name": "cloud", "targets": ["127.0.0.1:5080"]}]
    return Settings.model_validate({"listen": listen, "upstream": upstream} | sections)


def test_nothing_changed() -> None:
    assert keep_running(settings(), settings()) == (settings(), [])


def test_reload_settings_go_through() -> None:
    written = settings(
        agent={"mode": "monitor", "aliases": ["sbc.example.net"]},
        keys={"grace": "1h"},
        rules={"scanner": {"mode": "off"}},
        trunk=[{"name": "acme", "upstream": "cloud", "sources": ["127.0.0.10/32"]}],
    )
    assert keep_running(settings(), written) == (written, [])


def test_start_settings_stay_and_are_named() -> None:
    running = settings(agent={"workers": 2})
    written = settings(
        agent={"workers": 4, "state_dir": "/tmp/x", "mode": "monitor"},
        tables={"rates_mib": 32},
        admin={"socket": "/tmp/s"},
        events={"log": "stderr"},
        keys={"dialog": "file:other.key"},
        listen=[{"address": "127.0.0.1:5061"}, {"address": "127.0.0.1:5062"}],
    )
    kept, keys = keep_running(running, written)
    assert sorted(keys) == sorted(
        ["agent.workers", "agent.state_dir", "tables.rates_mib", "admin.socket", "events.log", "keys.dialog", "listen"]
    )
    assert kept.agent.workers == 2 and kept.agent.mode == "monitor"
    assert kept.listen == running.listen and kept.tables == running.tables and kept.keys == running.keys


def test_upstreams_and_trunks_are_not_held_back() -> None:
    written = settings()
    other = written.model_copy(update={"upstream": [written.upstream[0].model_copy(update={"domains": ["x.example"]})]})
    assert keep_running(written, other) == (other, [])
