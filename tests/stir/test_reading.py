"""identity, passport, base64url: what makes reading a token quick changes nothing of what is read."""

from __future__ import annotations

import pytest

from edge_agent.stir import base64url, identity, passport, sign
from tests.ca import Identity
from tests.stir.conftest import URL, World
from tests.stir.test_verify import PASSED, came_to


@pytest.fixture
def signer(world: World) -> Identity:
    return world.serve(world.authority.leaf())


def test_the_usual_header_reads_as_the_whole_grammar_reads_it(world: World, signer: Identity) -> None:
    """One look at what nearly every signer writes, and the same result from the reader of everything."""
    value = world.shaken(signer)
    for usual in (value, value.replace("ppt=shaken", 'ppt="shaken"'), value.replace(";ppt=shaken", "")):
        assert identity._USUAL.fullmatch(usual)
        assert identity.parse(usual) == identity.parse(usual + " ")
    for other in (value + ";x=y", value.replace("ES256", '"ES256"'), value.replace(";info", " ;info"), ".." + value):
        assert not identity._USUAL.fullmatch(other)


def test_heads_that_were_read_before_are_bounded_and_change_nothing(world: World, signer: Identity) -> None:
    passport._good_heads.clear()
    good = world.shaken(signer)
    for _ in range(2):
        assert came_to(world, good) == (PASSED, 0, "pass")
        assert len(passport._good_heads) == 1
    # A known head saves its own reading only.
    assert came_to(world, good.replace(";ppt=shaken", ""))[2] == "passport-header"
    assert came_to(world, good.replace(f"info=<{URL}>", "info=<https://a/b>"))[2] == "identity-info"
    for count in range(passport.HEADS + 5):
        url = f"https://a/{count}"
        passport.read(identity.parse(sign.header(signer.key, url, "shaken", world.claims())))
    assert len(passport._good_heads) <= passport.HEADS
    long = sign.header(signer.key, "https://a/" + "b" * 1000, "shaken", world.claims())
    before = len(passport._good_heads)
    passport.read(identity.parse(long))
    assert len(passport._good_heads) == before


@pytest.mark.parametrize("text", ["QQ", "QUE", "QUFB", "", "_-8"])
def test_base64url_has_one_spelling(text: str) -> None:
    data = base64url.decode(text)
    assert base64url.encode(data) == text
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n\0\u00e9"
    for last in alphabet:
        for other in (text + last, text[:-1] + last, last + text):
            try:
                found = base64url.decode(other)
            except ValueError:
                continue
            assert base64url.encode(found) == other
