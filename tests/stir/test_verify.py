"""verify: the order of RFC 8224 §6.2, and what each fault comes to."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.stir import base64url, sign, tnauthlist
from edge_agent.stir.chain import Revocations
from edge_agent.stir.passport import signing_input
from edge_agent.stir.refused import Refused
from tests.ca import Authority, Identity, by_reference, claim_constraints, number, number_range, raw, spc, tn_auth_list
from tests.stir.conftest import CALLED, CALLER, FOURTH, THIRD, URL, World

HOUR = timedelta(hours=1)
PASSED, FAILED, NONE = "TN-Validation-Passed", "TN-Validation-Failed", "No-TN-Validation"


def came_to(world: World, *values: str, **call: Any) -> tuple[str, int, str]:
    result = world.verify(*values, **call)
    return result.verstat, result.reason.status, result.reason.name


@pytest.fixture
def signer(world: World) -> Identity:
    return world.serve(world.authority.leaf())


def test_a_good_call(world: World, signer: Identity) -> None:
    result = world.verify(world.shaken(signer, attest="B"))
    assert (result.verstat, result.reason.name, result.attest) == (PASSED, "pass", "B")
    assert len(result.content) == 32


def test_spellings_of_the_header(world: World, signer: Identity) -> None:
    """ppt and alg in quotes, blanks, other orders, no alg: as equipment and the RFCs' examples write them."""
    good = world.shaken(signer)
    token = good.partition(";")[0]
    for parameters in (
        f'info=<{URL}>;alg="ES256";ppt="shaken"',
        f" info = <{URL}> ; alg=ES256 ; ppt=shaken ",
        f"ppt=shaken;info=<{URL}>",
        f"info=<{URL}>;ppt=shaken;canon=whatever;flag",
    ):
        assert came_to(world, f"{token};{parameters}") == (PASSED, 0, "pass"), parameters


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "identity-syntax"),
        ("a.b.c", "identity-syntax"),
        (";info=<https://a/b>", "identity-syntax"),
        ("a.b;info=<https://a/b>", "identity-syntax"),
        ("a.b.c;alg=ES256", "identity-syntax"),
        ("a.b.c;info=https://a/b", "identity-syntax"),
        ("a.b.c;info=<>", "identity-syntax"),
        ("a.b.c;info=<https://a/b>;info=<https://a/c>", "identity-syntax"),
        (".b.c;info=<https://a/b>", "identity-syntax"),
        ("a..c;info=<https://a/b>", "passport-syntax"),
        ("a.b.c;info=<https://a/b>;ppt=shaken", "passport-syntax"),
        ("a.b.c;" + "x;" * 40, "identity-syntax"),
        ("a" * 20_000 + ".b.c;info=<https://a/b>", "identity-size"),
    ],
)
def test_headers_that_cannot_be_read(world: World, value: str, reason: str) -> None:
    assert came_to(world, value) == (FAILED, 438, reason)


CLAIMS: list[tuple[str, dict[str, Any], str]] = [
    ("no attest", {"attest": None}, "passport-claims"),
    ("an attest that isn't", {"attest": "D"}, "passport-claims"),
    ("no origid", {"origid": None}, "passport-claims"),
    ("an origid that is no UUID", {"origid": "ref"}, "passport-claims"),
    ("no orig", {"orig": None}, "passport-claims"),
    ("orig is a string", {"orig": CALLER}, "passport-claims"),
    ("orig is a list", {"orig": {"tn": [CALLER]}}, "passport-claims"),
    ("two origs", {"orig": {"tn": CALLER, "uri": "sip:a@b"}}, "passport-claims"),
    ("a plus", {"orig": {"tn": "+" + CALLER}}, "passport-claims"),
    ("letters", {"orig": {"tn": "1202FLOWERS"}}, "passport-claims"),
    ("another field", {"orig": {"tn": CALLER, "x": 1}}, "passport-claims"),
    ("no dest", {"dest": None}, "passport-claims"),
    ("dest is a string", {"dest": {"tn": CALLED}}, "passport-claims"),
    ("an empty dest", {"dest": {"tn": []}}, "passport-claims"),
    ("no iat", {"iat": None}, "passport-claims"),
    ("iat is true", {"iat": True}, "passport-claims"),
    ("iat is a fraction", {"iat": 1.5}, "passport-claims"),
    ("iat 0", {"iat": 0}, "passport-stale"),
    ("iat before time", {"iat": -5}, "passport-stale"),
    ("another caller", {"orig": {"tn": "12025550199"}}, "passport-orig"),
    ("another called number", {"dest": {"tn": ["12125559999"]}}, "passport-dest"),
]


@pytest.mark.parametrize(("claims", "reason"), [(c, r) for _, c, r in CLAIMS], ids=[name for name, _, _ in CLAIMS])
def test_claims(world: World, signer: Identity, claims: dict[str, Any], reason: str) -> None:
    value = sign.header(signer.key, URL, "shaken", world.claims(**claims))
    assert came_to(world, value)[2] == reason


def test_iat_as_a_string_of_digits(world: World, signer: Identity) -> None:
    """As the examples of RFC 8224 have it."""
    value = sign.header(signer.key, URL, "shaken", world.claims(iat=str(int(world.now))))
    assert came_to(world, value)[0] == PASSED


@pytest.mark.parametrize(
    ("age", "reason"),
    [(59, "pass"), (61, "passport-stale"), (-59, "pass"), (-62, "passport-stale"), (86_400, "passport-stale")],
)
def test_freshness_both_ways(world: World, signer: Identity, age: float, reason: str) -> None:
    verstat, status, name = came_to(world, world.shaken(signer, age=age))
    assert name == reason
    assert (verstat, status) == ((PASSED, 0) if reason == "pass" else (FAILED, 403))


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = bytes(64)) -> str:
    return f"{signing_input(header, claims).decode()}.{base64url.encode(signature)};info=<{URL}>;ppt=shaken"


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({"alg": "none"}, 437, "passport-algorithm"),
        ({"alg": "HS256"}, 437, "passport-algorithm"),
        ({"alg": "ES384"}, 437, "passport-algorithm"),
        ({"alg": ["ES256"]}, 437, "passport-algorithm"),
        ({"typ": "JWT"}, 438, "passport-header"),
        ({"ppt": "div"}, 438, "passport-claims"),
        ({"ppt": ""}, 438, "passport-header"),
        ({"ppt": ["shaken"]}, 438, "passport-header"),
        ({"x5u": ""}, 438, "passport-header"),
        ({"x5u": "https://elsewhere.example/a.pem"}, 438, "identity-info"),
        ({"crit": ["b64"]}, 438, "passport-header"),
    ],
)
def test_headers_of_tokens(world: World, changed: dict[str, Any], status: int, reason: str) -> None:
    header = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": URL} | changed
    assert came_to(world, forged(header, world.claims())) == (FAILED, status, reason)


def test_hs256_with_the_public_key_is_no_signature(world: World, signer: Identity) -> None:
    """The classic confusion: a MAC keyed with what everybody knows."""
    header = {"alg": "HS256", "ppt": "shaken", "typ": "passport", "x5u": URL}
    signed = signing_input(header, world.claims())
    tag = hmac.new(signer.pem, signed, "sha256").digest()
    value = f"{signed.decode()}.{base64url.encode(tag + tag)};info=<{URL}>;ppt=shaken"
    assert came_to(world, value)[:2] == (FAILED, 437)


def test_a_changed_byte_anywhere_is_refused(world: World, signer: Identity) -> None:
    good = world.shaken(signer)
    token, _, parameters = good.partition(";")
    for at in range(0, len(token), 7):
        if token[at] != ".":
            other = "A" if token[at] != "A" else "B"
            assert came_to(world, token[:at] + other + token[at + 1 :] + ";" + parameters)[0] != PASSED


def test_a_signature_has_one_spelling(world: World, signer: Identity) -> None:
    """The last character of 64 bytes carries four bits of nothing."""
    token, _, parameters = world.shaken(signer).partition(";")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    slack = alphabet[alphabet.index(token[-1]) ^ 1]
    assert came_to(world, f"{token[:-1]}{slack};{parameters}")[2] == "passport-syntax"
    assert came_to(world, f"{token}==;{parameters}")[0] == FAILED


def test_two_signatures_of_one_content_are_one_token(world: World, signer: Identity) -> None:
    first, second = world.shaken(signer), world.shaken(signer)
    assert first != second
    assert world.verify(first).content == world.verify(second).content


@pytest.mark.parametrize(
    "payload",
    [
        b'{"attest":"A","attest":"C"}',
        b'{"iat":1,"iat":2}',
        b"[" * 50_000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b'{"iat":' + b"9" * 5000 + b"}",
        b'{"iat":NaN}',
        b'{"iat":1e400}',
        b"[]",
        b'"x"',
        b"\xff\xfe{}",
        b"{",
        b"",
    ],
    ids=[
        "twice",
        "iat twice",
        "brackets",
        "deep",
        "digits",
        "nan",
        "huge",
        "list",
        "string",
        "no UTF-8",
        "open",
        "none",
    ],
)
def test_json_that_no_token_has(world: World, payload: bytes) -> None:
    head = base64url.encode(json.dumps({"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": URL}).encode())
    value = f"{head}.{base64url.encode(payload)}.{base64url.encode(bytes(64))};info=<{URL}>;ppt=shaken"
    assert came_to(world, value)[:2] == (FAILED, 438)


# Certificates


def test_no_certificate(world: World) -> None:
    """Unfetchable: the call is unverified, not false."""
    stranger = world.authority.leaf()
    assert came_to(world, world.shaken(stranger)) == (NONE, 436, "certificate-unavailable")


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"ends": -HOUR}, "certificate-time"),
        ({"begins": HOUR}, "certificate-time"),
        ({"curve": ec.SECP384R1()}, "certificate-profile"),
        ({"ca": True}, "certificate-profile"),
        ({"usage": "wrong"}, "certificate-profile"),
        ({"extensions": ()}, "certificate-profile"),
        ({"extensions": (by_reference(),)}, "certificate-reference"),
        ({"extensions": (raw(tnauthlist.OID, b"\x30\x84\xff\xff\xff\xff"),)}, "certificate-profile"),
        (
            {"extensions": (tn_auth_list(spc("1")), raw("1.3.6.1.4.1.99999.1", b"\x05\x00", True))},
            "certificate-profile",
        ),
    ],
    ids=[
        "expired",
        "not yet",
        "P-384",
        "a CA",
        "no signatures",
        "no list",
        "by reference",
        "absurd length",
        "critical",
    ],
)
def test_leaves(world: World, wishes: dict[str, Any], reason: str) -> None:
    leaf = world.serve(world.authority.leaf(**wishes))
    verstat, status, name = came_to(world, sign.header(signing_key(leaf), URL, "shaken", world.claims()))
    assert (verstat, status, name) == (FAILED, 437, reason)


def test_a_key_without_a_purpose_may_sign(world: World) -> None:
    leaf = world.serve(world.authority.leaf(usage="none"))
    assert came_to(world, world.shaken(leaf))[0] == PASSED


def signing_key(leaf: Identity) -> ec.EllipticCurvePrivateKey:
    """The leaf's own, or one of the right curve: the certificate is looked at before the signature."""
    return leaf.key if isinstance(leaf.key.curve, ec.SECP256R1) else ec.generate_private_key(ec.SECP256R1())


def test_another_root(world: World) -> None:
    leaf = world.serve(Authority(world.authority.now).leaf())
    assert came_to(world, world.shaken(leaf)) == (FAILED, 437, "certificate-path")


def test_intermediates(world: World) -> None:
    authority = world.authority
    upper = authority.intermediate()
    lower = authority.intermediate(upper, name="STI-CA 2", path_length=0)
    leaf = world.serve(authority.leaf(issuer=lower))
    assert came_to(world, world.shaken(leaf))[0] == PASSED
    # Without the upper one nothing leads to the root.
    world.serve(replace(leaf, path=leaf.path[:1]))
    assert came_to(world, world.shaken(leaf)) == (FAILED, 437, "certificate-path")
    # Their order is no matter; more of them than the path length allows is.
    world.serve(replace(leaf, path=tuple(reversed(leaf.path))))
    assert came_to(world, world.shaken(leaf))[0] == PASSED
    third = authority.intermediate(lower, name="STI-CA 3", path_length=0)
    deep = world.serve(authority.leaf(issuer=third))
    assert came_to(world, world.shaken(deep))[2] == "certificate-path"


def test_a_leaf_may_not_issue(world: World) -> None:
    leaf = world.authority.leaf()
    fake = world.serve(world.authority.leaf(issuer=leaf, name="forged"))
    assert came_to(world, world.shaken(fake)) == (FAILED, 437, "certificate-path")


def test_a_revoked_leaf(world: World) -> None:
    good, bad = world.authority.leaf(name="good"), world.authority.leaf(name="bad")
    crl, signer = world.authority.revocations(bad)
    world.revoked = Revocations(crl, signer.certificate)
    world.serve(bad)
    assert came_to(world, world.shaken(bad)) == (FAILED, 437, "certificate-revoked")
    world.serve(good)
    assert came_to(world, world.shaken(good))[0] == PASSED


def test_a_list_that_its_signer_did_not_sign(world: World) -> None:
    crl, _ = world.authority.revocations()
    with pytest.raises(Refused):
        Revocations(crl, world.authority.leaf().certificate)


def test_a_thousand_certificates(world: World) -> None:
    leaf = world.authority.leaf()
    world.serve(replace(leaf, path=(leaf.certificate,) * 1000))
    assert came_to(world, world.shaken(leaf)) == (FAILED, 437, "certificate-syntax")


@pytest.mark.parametrize(
    ("entries", "covered"),
    [
        ((spc("818H"),), True),
        ((number(CALLER),), True),
        ((number("12025550144"),), False),
        ((number_range("12025550140", 4),), True),
        ((number_range("12025550140", 3),), False),
        ((number_range("2025550140", 10),), False),
        ((number("12125550000"), number_range("12025550000", 1000)), True),
    ],
)
def test_whose_numbers(world: World, entries: tuple[bytes, ...], covered: bool) -> None:
    leaf = world.serve(world.authority.leaf(*entries))
    expected = (PASSED, 0, "pass") if covered else (FAILED, 437, "certificate-number")
    assert came_to(world, world.shaken(leaf)) == expected


def test_a_delegate_has_no_more_than_its_issuer(world: World) -> None:
    """RFC 9060 §4."""
    authority = world.authority
    parent = authority.intermediate(extensions=(tn_auth_list(number_range("12025550100", 50)),))
    for entry, good in ((number(CALLER), True), (number_range("12025550140", 20), False), (spc("1234"), False)):
        leaf = world.serve(authority.leaf(entry, issuer=parent))
        assert (came_to(world, world.shaken(leaf))[0] == PASSED) is good


@pytest.mark.parametrize(
    ("extension", "good"),
    [
        (claim_constraints(include=("attest",)), True),
        (claim_constraints(include=("rcd",)), False),
        (claim_constraints(permitted={"attest": ("A", "B")}), True),
        (claim_constraints(permitted={"attest": ("C",)}), False),
        (claim_constraints(permitted={"orig": (CALLER,)}), True),
        (claim_constraints(exclude=("rcd",)), True),
        (claim_constraints(exclude=("attest",)), False),
    ],
)
def test_claim_constraints(world: World, extension: Any, good: bool) -> None:
    leaf = world.serve(world.authority.leaf(extensions=(tn_auth_list(spc("1234")), extension)))
    expected = (PASSED, 0, "pass") if good else (FAILED, 438, "certificate-constraint")
    assert came_to(world, world.shaken(leaf)) == expected


# Several headers, diversions, priorities


def test_one_good_header_is_enough(world: World, signer: Identity) -> None:
    good = world.shaken(signer, attest="C")
    assert came_to(world, "garbage", good, world.shaken(signer, orig=THIRD))[0] == PASSED
    best = world.verify(good, world.shaken(signer, attest="A"), world.shaken(signer, attest="B"))
    assert best.attest == "A"


def test_what_many_faults_come_to(world: World, signer: Identity) -> None:
    """RFC 8224 §6.2.2: 436 when no certificate could be had, 437 when those that could are no good, else 438."""
    lost = sign.header(signer.key, URL + "x", "shaken", world.claims())
    world.serve(world.authority.leaf(ca=True), URL + "y")
    unusable = sign.header(signer.key, URL + "y", "shaken", world.claims())
    wrong = world.shaken(signer, orig=THIRD)
    assert came_to(world, lost, lost)[1] == 436
    assert came_to(world, lost, unusable)[1] == 437
    assert came_to(world, lost, unusable, wrong)[1] == 438


def test_unknown_kinds_are_passed_over(world: World, signer: Identity) -> None:
    other = world.shaken(signer).replace("ppt=shaken", "ppt=rcd")
    assert came_to(world, other) == (NONE, 428, "identity-missing")
    assert came_to(world, other, world.shaken(signer))[0] == PASSED
    assert came_to(world) == (NONE, 428, "identity-missing")


def test_a_forwarded_call_without_a_chain(world: World, signer: Identity) -> None:
    """To still says whom the caller called."""
    assert came_to(world, world.shaken(signer), to=CALLED, called=THIRD)[0] == PASSED
    assert came_to(world, world.shaken(signer), to=THIRD, called=THIRD)[2] == "passport-dest"


def test_a_chain_of_diversions(world: World, signer: Identity) -> None:
    first = world.shaken(signer, age=120)
    one, two = world.div(signer, CALLED, THIRD, age=100), world.div(signer, THIRD, FOURTH)
    assert came_to(world, first, one, two, to=FOURTH, called=FOURTH) == (PASSED, 0, "pass")
    assert came_to(world, two, one, first, to=FOURTH, called=FOURTH)[0] == PASSED


def test_chains_with_a_gap(world: World, signer: Identity) -> None:
    first = world.shaken(signer)
    one, two = world.div(signer, CALLED, THIRD), world.div(signer, THIRD, FOURTH)
    assert came_to(world, first, two, to=FOURTH, called=FOURTH)[2] == "passport-chain"
    assert came_to(world, first, one, to=FOURTH, called=FOURTH)[2] == "passport-chain"
    other = world.div(signer, CALLED, THIRD, orig=FOURTH)
    assert came_to(world, first, other, to=THIRD, called=THIRD)[2] == "passport-chain"
    # A circle ends: each link is used once.
    back = world.div(signer, THIRD, CALLED)
    assert came_to(world, first, one, back, to=FOURTH, called=FOURTH)[2] == "passport-chain"


def test_a_chain_is_as_good_as_its_links(world: World, signer: Identity) -> None:
    first, stranger = world.shaken(signer), world.authority.leaf()
    forged_link = sign.diverted(stranger.key, URL, CALLER, THIRD, CALLED, int(world.now))
    assert came_to(world, first, forged_link, to=THIRD, called=THIRD)[2] == "passport-signature"
    old = world.div(signer, CALLED, THIRD, age=600)
    assert came_to(world, first, old, to=THIRD, called=THIRD)[2] == "passport-stale"
    # Who diverts must have the number that diverts.
    world.serve(world.authority.leaf(number(FOURTH)), URL + "2")
    owner = world.served[URL + "2"]
    assert isinstance(owner, Identity)
    not_his = world.div(owner, CALLED, THIRD, url=URL + "2")
    assert came_to(world, first, not_his, to=THIRD, called=THIRD)[2] == "certificate-number"


def test_priorities(world: World, signer: Identity) -> None:
    """rph vouches for Resource-Priority, never for a caller; sph stands beside esnet only (RFC 9027)."""
    base = {"dest": {"tn": [CALLED]}, "iat": int(world.now), "orig": {"tn": CALLER}}
    good = sign.header(signer.key, URL, "rph", base | {"rph": {"auth": ["esnet.1"]}, "sph": "psap-callback"})
    result = world.verify(good)
    assert (result.priority, result.callback, result.reason.name) == (("esnet.1",), True, "identity-missing")
    for rph, sph in (({"auth": ["ets.0"]}, "psap-callback"), ({"auth": ["esnet.1"]}, "other"), ({}, None)):
        claims = base | {"rph": rph} | ({"sph": sph} if sph else {})
        assert world.verify(sign.header(signer.key, URL, "rph", claims)).priority == ()


def compact(world: World, by: Identity, date: float, dest: str = CALLED) -> str:
    full = sign.header(by.key, URL, "", {"dest": {"tn": [dest]}, "iat": int(date), "orig": {"tn": CALLER}})
    token, _, parameters = full.partition(";")
    return ".." + token.rpartition(".")[2] + ";" + parameters


def test_compact_form(world: World, signer: Identity) -> None:
    value = compact(world, signer, world.now)
    assert came_to(world, value, date=int(world.now))[0] == PASSED
    assert came_to(world, value, date=int(world.now), to=THIRD)[0] == PASSED  # the Request-URI's
    assert came_to(world, value, date=int(world.now) - 1)[2] == "passport-signature"
    assert came_to(world, value, date=int(world.now), caller=THIRD)[2] == "passport-signature"
    assert came_to(world, value)[2] == "passport-claims"  # no Date, so no iat
    stale = compact(world, signer, world.now - 90)
    assert came_to(world, stale, date=int(world.now) - 90)[2] == "passport-stale"
    assert came_to(world, value + ";ppt=shaken", date=int(world.now))[2] == "passport-claims"
