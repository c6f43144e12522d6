"""Files to settings: drop-ins, every cross check, every notice, and the line that an operator reads."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from edge_agent.errors import CATALOGUE, ConfigError, Problem
from edge_agent.policy import checks
from edge_agent.policy.load import Loaded, load
from edge_agent.policy.values import Address
from edge_agent.rules import BY_NAME, RULES
from edge_agent.rules.hops import HopsSettings
from tests.unit.policies import ACME, BASE, CLOUD, LISTEN

ROOT = Path(__file__).resolve().parents[2]

OFF = '(for no limit: [trunk.rules.trunk-rate] mode = "off")'

Load = Callable[..., Loaded]


@pytest.fixture(autouse=True)
def ample_receive_buffers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kernel of this machine grants is no part of the tests."""
    file = tmp_path / "rmem_max"
    file.write_text("67108864\n")
    monkeypatch.setattr(checks, "RMEM_MAX", file)
    return file


@pytest.fixture
def read(tmp_path: Path) -> Load:
    """Loads a configuration from text; keyword arguments are drop-ins by the stem of their names."""

    def load_text(text: str, **drop_ins: str) -> Loaded:
        (tmp_path / "edge_agent.toml").write_text(text)
        (tmp_path / "conf.d").mkdir()
        for name, drop_in in drop_ins.items():
            (tmp_path / "conf.d" / f"{name}.toml").write_text(drop_in)
        return load(tmp_path / "edge_agent.toml")

    return load_text


def refused(read: Load, text: str, **drop_ins: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as error:
        read(text, **drop_ins)
    return error.value.problems


def told(problems: Iterable[Problem]) -> set[tuple[str, str]]:
    return {(problem.code, problem.key) for problem in problems}


# Good ones


def test_a_small_configuration_has_nothing_to_say(read: Load, tmp_path: Path) -> None:
    loaded = read(BASE)
    assert loaded.notices == ()
    assert loaded.files == (tmp_path / "edge_agent.toml",)
    assert [listen.address for listen in loaded.settings.listen] == [Address("127.0.0.1", 5060)]
    assert len(loaded.settings.rules) == len(RULES)


@pytest.mark.parametrize("name", ["edge_agent.toml", "examples/small-pbx.toml", "examples/carrier-edge.toml"])
def test_what_ships_is_good(name: str) -> None:
    assert load(ROOT / "config" / name).notices == ()


def test_what_follows_from_other_keys_is_filled_in(read: Load) -> None:
    settings = read('[agent]\ncountry = "GB"\n' + BASE).settings
    assert settings.upstream[0].sources == [ip_network("127.0.0.1/32")]
    assert settings.trunk[0].country == "GB"


def test_a_target_without_a_port_is_on_the_usual_one(read: Load) -> None:
    assert read(BASE.replace("127.0.0.1:5080", "192.0.2.20")).settings.upstream[0].targets == [
        Address("192.0.2.20", 5060)
    ]


# Files and drop-ins


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "nothing.toml")
    assert str(error.value).startswith(f"{tmp_path / 'nothing.toml'}: can't be read: No such file")


def test_a_folder_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"[agent\n", "line 1"),
        (b'[agent]\nname = "a"\nname = "b"\n', "overwrite"),
        (b'[agent]\nname = "\xff"\n', "byte 17"),
    ],
)
def test_what_is_no_toml(tmp_path: Path, content: bytes, what: str) -> None:
    file = tmp_path / "edge_agent.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load(file)
    (problem,) = error.value.problems
    assert problem.code == "not-toml" and what in problem.message


def test_an_empty_file_lacks_a_listener_and_an_upstream(read: Load) -> None:
    assert told(refused(read, "")) == {("no-listener", "listen"), ("no-upstream", "upstream")}


def test_drop_ins_merge_in_the_order_of_their_names(read: Load, tmp_path: Path) -> None:
    loaded = read(
        BASE + '[rules.hops]\nmax_forwards = 10\n[agent]\nname = "a"\ncountry = "US"\n',
        b='[agent]\nname = "c"\n',
        a='[agent]\nname = "b"\ncountry = "GB"\n[rules.hops]\nmax_forwards = 20\n',
    )
    assert (loaded.settings.agent.name, loaded.settings.agent.country) == ("c", "GB")
    assert loaded.settings.rules["hops"] == HopsSettings(max_forwards=20)
    assert loaded.files == tuple(tmp_path / name for name in ("edge_agent.toml", "conf.d/a.toml", "conf.d/b.toml"))


def test_drop_ins_change_entries_by_name_and_add_new_ones(read: Load) -> None:
    other = ACME.replace("acme", "other").replace("127.0.0.10", "127.0.0.11").replace("0100", "0101")
    settings = read(BASE, a='[[trunk]]\nname = "acme"\nburst = 7\ncaller_ids = ["+12125550199"]\n' + other).settings
    assert [(trunk.name, trunk.burst) for trunk in settings.trunk] == [("acme", 7), ("other", 40)]
    assert settings.trunk[0].caller_ids == ["+12125550199"], "lists are replaced"
    assert settings.trunk[0].contact == [Address("127.0.0.10", 5070)], "what isn't written stays"


def test_drop_ins_change_listeners_by_address(read: Load) -> None:
    drop_in = LISTEN + 'advertise = "sbc.example.net:5060"\n' + LISTEN.replace("5060", "5062")
    listen = read(BASE, a=drop_in).settings.listen
    assert [str(one.public) for one in listen] == ["sbc.example.net:5060", "127.0.0.1:5062"]


def test_other_files_beside_drop_ins_are_left_alone(read: Load, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "README").write_text("[[[")
    (tmp_path / "conf.d" / "old.toml.bak").write_text("[[[")
    (tmp_path / "edge_agent.toml").write_text(BASE)
    assert load(tmp_path / "edge_agent.toml").notices == ()


def test_errors_name_the_file_of_the_key(read: Load, tmp_path: Path) -> None:
    problems = refused(read, BASE, a="[agent]\nworker = 1\n", b='[[trunk]]\nname = "acme"\nburst = -1\n', c="[[")
    files = {problem.key: Path(problem.file).relative_to(tmp_path).as_posix() for problem in problems}
    assert files == {"agent.worker": "conf.d/a.toml", "trunk[acme].burst": "conf.d/b.toml", "": "conf.d/c.toml"}


# The line that an operator reads


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BASE + "[agent]\nworker = 1\n", 'agent.worker: there is no such key (did you mean "workers"?)'),
        (BASE + "[agnet]\nworkers = 1\n", 'agnet: there is no such key (did you mean "agent"?)'),
        (BASE + "[rules.scaner]\n", 'rules.scaner: there is no such key (did you mean "scanner"?)'),
        (BASE + "[scanner]\n", "scanner: there is no such key (write [rules.scanner])"),
        (
            BASE + "[agent]\nemergency_prefixes = []\n",
            "agent.emergency_prefixes: there is no such key (it is a key of [[trunk]])",
        ),
        (BASE + "[agent]\nfreshness = '1s'\n", "agent.freshness: there is no such key (it is a key of [stir])"),
        (
            BASE + "[redress]\nxyz = 1\n",
            "redress.xyz: there is no such key (known here: url, tel, email)",
        ),
        (
            BASE + "[rules.trunk-rate]\nper_second = 5\n",
            "rules.trunk-rate.per_second: there is no such key (that is calls_per_second of the [[trunk]])",
        ),
        (BASE + "[agent]\nworkers = '1'\n", "agent.workers: must be an integer"),
        (BASE + "[agent]\nworkers = 65\n", "agent.workers: must be at most 64"),
        (BASE + "[agent]\nmode = 'on'\n", "agent.mode: must be 'enforce' or 'monitor'"),
        (BASE + "[tables]\nrates_mib = 0\n", "tables.rates_mib: must be at least 1"),
        (BASE + "over_limit = 487\n", "trunk[acme].over_limit: must be 486, 480, 503 or 603"),
        (BASE + "calls_per_second = 0\n", f"trunk[acme].calls_per_second: must be at least 0.0001 {OFF}"),
        (BASE + "calls_per_second = 2e7\n", f"trunk[acme].calls_per_second: must be at most 10000000 {OFF}"),
        (BASE + "calls_per_second = inf\n", "trunk[acme].calls_per_second: must be a finite number"),
        (BASE + "open = 'no'\n", "trunk[acme].open: must be true or false"),
        (BASE + "ports = 5060\n", "trunk[acme].ports: must be a list"),
        (
            BASE + "[trunk.rules.scanner]\nmode = 1\n",
            "trunk[acme].rules.scanner.mode: must be 'off', 'monitor' or 'enforce'",
        ),
        (BASE + "[rules]\nhops = 5\n", "rules.hops: must be a table"),
        ("agent = 5\n" + BASE, "agent: must be a table"),
        ("rules = 5\n" + BASE, "rules: is no table of rules (write [rules.NAME] and the keys of that rule below)"),
        (LISTEN + CLOUD + '[trunk]\nname = "acme"\n', "trunk: must be a list of tables (write [[trunk]])"),
        (
            LISTEN + CLOUD + "[[trunk]]\nupstream = 'cloud'\nsources = ['192.0.2.1']\n",
            "trunk[0].name: this key is missing (write name = …)",
        ),
        (
            CLOUD + ACME + "[[listen]]\naddress = '127.0.0.1'\n",
            'listen[127.0.0.1].address: the port is missing (write "127.0.0.1:5060")',
        ),
        (
            BASE + "[keys]\ngrace = 10\n",
            'keys.grace: a duration needs its unit (write "10s", or ms, m, h or d)',
        ),
    ],
)
def test_lines(read: Load, tmp_path: Path, text: str, line: str) -> None:
    (problem,) = refused(read, text)
    assert str(problem) == f"{tmp_path / 'edge_agent.toml'}: {line}"


def test_all_errors_are_told_at_once(read: Load) -> None:
    text = BASE.replace('"cloud"\ncontact', '"clowd"\ncontact') + "over_limit = 487\n"
    text += "[agent]\nworkers = 99\nstate_dir = 5\n[rules.hops]\nmode = 'off'\n[rules.dispersal]\nmode = 'enforce'\n"
    text += "[[trunk]]\nnam = 'second'\nsources = ['127.0.0.10']\n"
    assert told(refused(read, text)) == {
        ("no-such-upstream", "trunk[acme].upstream"),
        ("bad-value", "trunk[acme].over_limit"),
        ("bad-value", "agent.workers"),
        ("bad-value", "agent.state_dir"),
        ("rule-structural", "rules.hops.mode"),
        ("redress-missing", "rules.dispersal.mode"),
        ("unknown-key", "trunk[1].nam"),
        ("missing-key", "trunk[1].name"),
        ("missing-key", "trunk[1].upstream"),
        ("sources-shared", "trunk[1].sources"),
    }


def test_a_wrong_key_is_told_once(read: Load) -> None:
    """Sources that can't be read are not missing as well; an upstream with an error is still one."""
    text = LISTEN + CLOUD.replace("5080", "99999") + ACME.replace("127.0.0.10/32", "sbc.acme.example")
    assert told(refused(read, text)) == {
        ("bad-value", "upstream[cloud].targets[0]"),
        ("bad-value", "trunk[acme].sources[0]"),
    }


def test_a_list_that_is_empty_without_its_wrong_entries_hides_nothing(read: Load) -> None:
    text = BASE + "[rules.interface]\nmethods = ['invite']\n[rules.target]\nmode = 'monitor'\n"
    assert told(refused(read, text)) == {
        ("bad-value", "rules.interface.methods[0]"),
        ("rule-structural", "rules.target.mode"),
    }


# Cross checks


SECOND = ACME.replace('"acme"', '"second"').replace("0100", "0101")


@pytest.mark.parametrize(
    ("text", "code", "key"),
    [
        (CLOUD + ACME, "no-listener", "listen"),
        (BASE + LISTEN, "duplicate-listener", "listen[127.0.0.1:5060].address"),
        (
            CLOUD + ACME + '[[listen]]\naddress = "0.0.0.0:5060"\n',
            "advertise-missing",
            "listen[0.0.0.0:5060].advertise",
        ),
        (BASE + '[[listen]]\naddress = "[::]:5060"\n', "advertise-missing", "listen[[::]:5060].advertise"),
        (BASE.replace("127.0.0.1:5080", "127.0.0.1:5060"), "target-is-listener", "upstream[cloud].targets"),
        (BASE.replace("127.0.0.10:5070", "127.0.0.1:5060"), "target-is-listener", "trunk[acme].contact"),
        (BASE + CLOUD.replace("5080", "5090"), "duplicate-name", "upstream[cloud].name"),
        (BASE + ACME.replace("127.0.0.10", "127.0.0.11").replace("0100", "0101"), "duplicate-name", "trunk[acme].name"),
        (BASE.replace('"acme"', '"cloud"'), "duplicate-name", "trunk[cloud].name"),
        (BASE + SECOND, "sources-shared", "trunk[second].sources"),
        (BASE + "ports = [5060]" + SECOND + "ports = [5060, 5070]", "sources-shared", "trunk[second].sources"),
        (BASE + "ports = [5060]" + SECOND, "sources-shared", "trunk[second].sources"),
        (BASE.replace("127.0.0.10/32", "127.0.0.1/32"), "sources-shared", "trunk[acme].sources"),
        (
            BASE.replace('5080"]', '5080"]\nsources = ["127.0.0.10"]'),
            "sources-shared",
            "trunk[acme].sources",
        ),
        (BASE.replace('sources = ["127.0.0.10/32"]', ""), "sources-missing", "trunk[acme].sources"),
        (BASE.replace('upstream = "cloud"', 'upstream = "claud"'), "no-such-upstream", "trunk[acme].upstream"),
        (BASE + 'emergency_upstream = "psap"\n', "no-such-upstream", "trunk[acme].emergency_upstream"),
        (BASE + 'emergency = "route"\n', "emergency-upstream-missing", "trunk[acme].emergency_upstream"),
        (BASE + '[bans]\nfirst = "2h"\n', "bans-order", "bans.first"),
        (BASE + "[behaviour]\nwarn = 101\n", "behaviour-order", "behaviour.warn"),
        (BASE + '[rules.malformed]\nmode = "monitor"\n', "rule-structural", "rules.malformed.mode"),
        (BASE + '[trunk.rules.emergency]\nmode = "off"\n', "rule-structural", "trunk[acme].rules.emergency.mode"),
        (BASE + '[rules.wangiri]\nmode = "enforce"\n', "redress-missing", "rules.wangiri.mode"),
        (
            BASE + '[trunk.rules.dispersal]\nmode = "enforce"\n',
            "redress-missing",
            "trunk[acme].rules.dispersal.mode",
        ),
        (BASE + 'emergency = "redirect"\n', "emergency-upstream-missing", "trunk[acme].emergency_upstream"),
        (LISTEN + 'transport = "tcp"\n' + CLOUD + ACME, "not-built-refused", "listen[127.0.0.1:5060].transport"),
        (LISTEN + 'transport = "tls"\n' + CLOUD + ACME, "not-built-refused", "listen[127.0.0.1:5060].transport"),
        (LISTEN + 'role = "redirect"\n' + CLOUD + ACME, "not-built-refused", "listen[127.0.0.1:5060].role"),
    ],
)
def test_cross_checks_refuse(read: Load, text: str, code: str, key: str) -> None:
    (problem,) = refused(read, text)
    assert (problem.code, problem.key) == (code, key)
    assert not CATALOGUE[code].notice


@pytest.mark.parametrize(
    "text",
    [
        BASE + "ports = [5060]" + SECOND + "ports = [5061]",
        BASE + SECOND.replace("127.0.0.10/32", "127.0.0.0/24"),
        BASE
        + CLOUD.replace("cloud", "psap").replace("5080", "5090")
        + '[[trunk]]\nname = "b"\nsources = ["192.0.2.1"]\n'
        'upstream = "cloud"\ncontact = ["192.0.2.1"]\ncaller_ids = ["+12125550155"]\n'
        'emergency = "route"\nemergency_upstream = "psap"\n',
        BASE
        + 'emergency = "redirect"\nemergency_upstream = "cloud"\nemergency_location = "https://lis.example/a?b=c"\n',
        BASE + '[events]\nwebhook = "https://example.net/hook?key=x"\n',
        BASE + '[events]\nwebhook = "http://127.0.0.1:8080/hook"\n',
        CLOUD + ACME + '[[listen]]\naddress = "0.0.0.0:5060"\nadvertise = "sbc.example.net:5060"\n',
        BASE + '[rules.hops]\nmode = "enforce"\n',
        BASE + '[rules.dispersal]\nmode = "off"\n',
        BASE + '[rules.wangiri]\nmode = "enforce"\n[redress]\nemail = "help@example.net"\n',
        BASE + '[rules.caller-owned]\nmode = "monitor"\n[trunk.rules.caller-owned]\nmode = "off"\n',
        BASE + 'stir = "ignore"\nclass = "conversational"\nopen = false\ntls_names = []\nasserts = []\n',
        BASE + '[admin]\nhttp = ""\n[events]\nstore = ""\nwebhook = ""\nhep = ""\n[cluster]\nurl = ""\n',
        BASE + '[bans]\nfirst = "30s"\nlongest = "2h"\nstrikes = 5\nforget = "1m"\nkernel = true\n',
        BASE + "[bans]\nkernel = false\n[lists]\ndo_not_call = []\n",
    ],
)
def test_cross_checks_let_pass(read: Load, text: str) -> None:
    assert read(text).notices == ()


@pytest.mark.parametrize(
    ("text", "code", "key"),
    [
        (LISTEN + CLOUD, "no-trunk", "trunk"),
        (BASE.replace('["+12125550100"]', "[]"), "no-numbers", "trunk[acme].caller_ids"),
        (BASE.replace('["127.0.0.10:5070"]', "[]"), "no-contact", "trunk[acme].contact"),
        (BASE.replace("127.0.0.10/32", "0.0.0.0/0"), "every-address", "trunk[acme].sources"),
        (BASE.replace("127.0.0.10/32", "::/0"), "every-address", "trunk[acme].sources"),
        (BASE + CLOUD.replace('"cloud"', '"psap"'), "targets-shared", "upstream[psap].targets"),
        (BASE + "[trunk.rules.source-rate]\nburst = 5\n", "trunk-unaffected", "trunk[acme].rules.source-rate"),
        (BASE + 'class = "wholesale"\n', "not-built", "trunk[acme].class"),
        (BASE + 'tls_names = ["sbc.acme.example"]\n', "not-built", "trunk[acme].tls_names"),
        (BASE + "[tables]\nexplain_mib = 16\n", "not-built", "tables.explain_mib"),
        (BASE + '[lists]\ndo_not_call = ["+12125550100"]\n', "list-wide", "lists.do_not_call"),
        (BASE + 'stir = "tag"\n[stir]\nfreshness = "60s"\n', "no-roots", "stir.roots"),
        (BASE + '[admin]\nhttp = "127.0.0.1:9061"\n', "not-built", "admin.http"),
        (BASE + '[events]\nstore = "events.db"\n', "not-built", "events.store"),
        (BASE + '[events]\nhep = "127.0.0.1:9060"\n', "not-built", "events.hep"),
        (BASE + '[events]\nwebhook = "http://example.net/hook"\n', "webhook-plain", "events.webhook"),
        (BASE + '[cluster]\nurl = "redis://127.0.0.1/0"\n', "not-built", "cluster.url"),
    ],
)
def test_notices(read: Load, text: str, code: str, key: str) -> None:
    (notice,) = read(text).notices
    assert (notice.code, notice.key) == (code, key)
    assert CATALOGUE[code].notice


def test_an_unbuilt_rule_is_refused_to_enforce_and_noticed_to_monitor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever rule that is: none is left that isn't built."""
    monkeypatch.setitem(BY_NAME, "display-name", replace(BY_NAME["display-name"], built=False))
    file = tmp_path / "edge_agent.toml"
    for where, key in (("rules", "rules"), ("trunk.rules", "trunk[acme].rules")):
        file.write_text(BASE + f'[{where}.display-name]\nmode = "enforce"\n')
        with pytest.raises(ConfigError) as error:
            load(file)
        assert told(error.value.problems) == {("rule-not-built", f"{key}.display-name.mode")}
        file.write_text(BASE + f'[{where}.display-name]\nmode = "monitor"\n')
        assert told(load(file).notices) == {("not-built", f"{key}.display-name")}


def test_a_small_receive_buffer_is_noticed(read: Load, ample_receive_buffers: Path) -> None:
    ample_receive_buffers.write_text("212992\n")
    (notice,) = read(BASE).notices
    assert (
        notice.code == "receive-buffer" and "212992" in notice.message and "sysctl -w net.core.rmem_max=" in notice.hint
    )


@pytest.mark.parametrize("content", [None, "", "many"])
def test_a_receive_buffer_that_cant_be_asked_for_is_no_notice(
    read: Load, ample_receive_buffers: Path, content: str | None
) -> None:
    ample_receive_buffers.unlink()
    if content is not None:
        ample_receive_buffers.write_text(content)
    assert read(BASE).notices == ()


# Names


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The only names there are."""
    known: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def test_names_become_addresses_in_their_order(read: Load, names: dict[str, list[str]]) -> None:
    names["cloud.example.net"] = ["192.0.2.20", "2001:db8::20", "192.0.2.20"]
    names["pbx.acme.example"] = ["127.0.0.10"]
    text = BASE.replace('"127.0.0.1:5080"', '"192.0.2.19:5080", "Cloud.Example.NET:5082"')
    text += '[[listen]]\naddress = "[::1]:5060"\n'
    loaded = read(text.replace("127.0.0.10:5070", "pbx.acme.example:5070"))
    upstream = loaded.settings.upstream[0]
    assert [str(target) for target in upstream.targets] == ["192.0.2.19:5080", "192.0.2.20:5082", "[2001:db8::20]:5082"]
    assert upstream.domains == ["cloud.example.net"], "a Request-URI may still name it"
    assert upstream.sources == [ip_network(text) for text in ("192.0.2.19", "192.0.2.20", "2001:db8::20")]
    assert loaded.settings.trunk[0].contact == [Address("127.0.0.10", 5070)]
    assert loaded.notices == ()


def test_addresses_of_a_name_that_no_listener_can_reach_are_left_out(read: Load, names: dict[str, list[str]]) -> None:
    names["cloud.example.net"] = ["2001:db8::20", "192.0.2.20"]
    targets = read(BASE.replace("127.0.0.1:5080", "cloud.example.net:5080")).settings.upstream[0].targets
    assert targets == [Address("192.0.2.20", 5080)]


def test_a_name_without_a_port_wants_srv_records(read: Load, names: dict[str, list[str]]) -> None:
    names["cloud.example.net"] = ["192.0.2.20"]
    loaded = read(BASE.replace("127.0.0.1:5080", "cloud.example.net"))
    assert loaded.settings.upstream[0].targets == [Address("192.0.2.20", 5060)]
    assert told(loaded.notices) == {("name-without-port", "upstream[cloud].targets[0]")}


def test_names_without_an_address_are_refused(read: Load, names: dict[str, list[str]]) -> None:
    text = BASE.replace("127.0.0.1:5080", "cloud.example.net:5080").replace("127.0.0.10:5070", "pbx.acme.example")
    problems = refused(read, text)
    assert told(problems) == {
        ("unresolvable", "upstream[cloud].targets[0]"),
        ("unresolvable", "trunk[acme].contact[0]"),
    }
    assert "Name or service not known" in problems[0].message


def test_a_name_that_leads_back_here_is_refused(read: Load, names: dict[str, list[str]]) -> None:
    names["cloud.example.net"] = ["127.0.0.1"]
    assert told(refused(read, BASE.replace("127.0.0.1:5080", "cloud.example.net:5060"))) == {
        ("target-is-listener", "upstream[cloud].targets")
    }


# The catalogue


def test_every_entry_of_the_catalogue_is_used() -> None:
    source = "".join(file.read_text() for file in (ROOT / "edge_agent").rglob("*.py") if file.name != "errors.py")
    assert not [code for code in CATALOGUE if f'"{code}"' not in source]
