"""Whatever stands in the file, loading ends in settings or in problems: never in another exception."""

from __future__ import annotations

import json
import math
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.policy.load import ConfigError, load
from edge_agent.policy.settings import Settings, keys_of
from edge_agent.rules import RULES

WORDS = [
    "", "udp", "enforce", "off", "route", "require", "GB", "10s", "24h", "cloud", "acme", "127.0.0.1:5060",
    "[::1]:5060", "0.0.0.0/0", "192.0.2.0/24", "+12125550100", "+1212555..", "*", "file:", "file:gone.txt",
    "sbc.example.net", "redis://", "https://[", "\x00", "\u202e", "é" * 300,
]  # fmt: skip

scalars = st.one_of(
    st.sampled_from(WORDS),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
)
names = st.sampled_from(sorted({key for name in Settings.model_fields for key in keys_of((name,))} | {"mode", "x", ""}))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


def tables(section: str) -> st.SearchStrategy[object]:
    """The section, with some of its keys and one that may not be there."""
    known = st.sampled_from([*keys_of((section,)), "unknown"])
    return st.dictionaries(known, values, max_size=5) | values


documents = st.fixed_dictionaries(
    {},
    optional={
        **{
            name: tables(name) | st.lists(tables(name), max_size=3) for name in Settings.model_fields if name != "rules"
        },
        "rules": st.dictionaries(st.sampled_from([rule.name for rule in RULES]), values, max_size=3) | values,
        "unknown": values,
    },
)


def to_toml(value: Any) -> str:
    """Any tree as one inline value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {to_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    # JSON leaves DEL as it is, which TOML doesn't take.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked up."""

    def getaddrinfo(*_: object, **__: object) -> object:
        raise OSError("no names here")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=200
)
@given(document=documents, drop_in=documents)
def test_any_tree(tmp_path: Path, document: dict[str, object], drop_in: dict[str, object]) -> None:
    (tmp_path / "conf.d").mkdir(exist_ok=True)
    for file, tree in (("edge_agent.toml", document), ("conf.d/a.toml", drop_in)):
        text = "".join(f"{name} = {to_toml(value)}\n" for name, value in tree.items())
        (tmp_path / file).write_text(text, encoding="utf-8")
    try:
        load(tmp_path / "edge_agent.toml")
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.code != "not-toml", problem
            assert problem.message and "{" not in problem.hint


def test_a_tree_without_end(tmp_path: Path) -> None:
    file = tmp_path / "edge_agent.toml"
    file.write_text("x = " + "[" * 100_000)
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(file)


@pytest.mark.parametrize("section", list(Settings.model_fields))
@pytest.mark.parametrize("value", ["5", "[5]", "{}", "[]", "[[]]", "[{}]", "1979-05-27", "''"])
def test_a_section_that_is_none(tmp_path: Path, section: str, value: str) -> None:
    file = tmp_path / "edge_agent.toml"
    file.write_text(f"{section} = {value}\n")
    with pytest.raises(ConfigError) as error:
        load(file)
    assert all(str(problem).startswith(str(file)) for problem in error.value.problems)
