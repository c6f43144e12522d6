"""RFC 5118: where IPv6 addresses stand in SIP, and how they are written wrongly."""

from __future__ import annotations

from tests.conformance.torture.build import CLOUD, Torture, message, offer, v6_line_feeds

US = "2001:db8:5::60"
THEM = "2001:db8:7::31"
SDP = "Content-Type: application/sdp"

TWO_FAMILIES = (
    b"v=0\r\no=wren 9 9 IN IP4 pbx3.example.org\r\ns=\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\nc=IN IP4 192.0.2.31\r\n"
    b"m=video 40002 RTP/AVP 96\r\nc=IN IP6 2001:db8:7::31\r\na=rtpmap:96 VP8/90000\r\n"
)


def uri(host: str, port: int = 0) -> dict[str, object]:
    """What a reader finds in a Request-URI without a user."""
    return {"scheme": "sip", "user": b"", "host": host.encode(), "port": port, "number": "", "display": b""}


def register(name: str, host: str) -> bytes:
    return message(
        f"REGISTER sip:{host} SIP/2.0",
        "To: sip:otis@cloud.example.net",
        "From: sip:otis@cloud.example.net;tag=v6",
        f"Via: SIP/2.0/UDP [{THEM}];branch=z9hG4bK-{name}",
        f"Call-ID: {name}.1",
        "Max-Forwards: 70",
        f'Contact: "Wren" <sip:wren@[{THEM}]>',
        "CSeq: 98 REGISTER",
    )


def bye(name: str, received: str) -> bytes:
    return message(
        f"BYE sip:[{US}] SIP/2.0",
        "To: sip:otis@cloud.example.net;tag=v6b",
        "From: sip:wren@pbx.example.org;tag=v6a",
        f"Via: SIP/2.0/UDP [{THEM}];received={received};branch=z9hG4bK-{name}",
        f"Call-ID: {name}.1",
        "Max-Forwards: 70",
        "CSeq: 321 BYE",
    )


def invite(name: str, body: bytes, *more: str, length: int) -> bytes:
    return message(
        f"INVITE sip:otis@[{US}] SIP/2.0",
        f"To: sip:otis@[{US}]",
        "From: sip:wren@pbx.example.org;tag=v6",
        f"Via: SIP/2.0/UDP [{THEM}];branch=z9hG4bK-{name}",
        *more,
        f"Call-ID: {name}.1",
        f'Contact: "Wren" <sip:wren@[{THEM}]>',
        "CSeq: 8612 INVITE",
        "Max-Forwards: 70",
        SDP,
        f"Content-Length: {length}",
        body=body,
        length=False,
    )


def options(name: str, host: str) -> bytes:
    return message(
        f"OPTIONS sip:otis@{host} SIP/2.0",
        f"To: sip:otis@{host}",
        "From: sip:wren@pbx.example.org;tag=v6",
        f"Via: SIP/2.0/UDP pbx3.example.org;branch=z9hG4bK-{name}",
        f"Call-ID: {name}.1",
        "CSeq: 689 OPTIONS",
        "Max-Forwards: 70",
    )


AUDIO_V6 = offer(THEM, "IP6", media=1)
MAPPED = offer("192.0.2.31").replace(b"c=IN IP4 192.0.2.31", b"c=IN IP6 ::ffff:192.0.2.31")

IPV6: tuple[Torture, ...] = (
    Torture("ipv6-good", "5118 4.1", "an IPv6 reference in the Request-URI", "forward", register("good", f"[{US}]"),
            reads={"uri": uri(US)}),
    Torture("ipv6-bad", "5118 4.2", "an IPv6 address without its brackets", "400", register("bad", US),
            reason="request-uri"),
    Torture("port-ambiguous", "5118 4.3", "a port inside the brackets is part of the address", "forward",
            register("ambiguous", f"[{US}:5070]"), reads={"uri": uri(f"{US}:5070")}),
    Torture("port-unambiguous", "5118 4.4", "a port behind the brackets", "forward",
            register("unambiguous", f"[{US}]:5070"), reads={"uri": uri(US, 5070)}),
    Torture("via-received-delim", "5118 4.5", "received in brackets, as old stacks wrote it", "forward",
            bye("delim", f"[{THEM}:2]")),
    Torture("via-received-bare", "5118 4.5", "received without brackets, as the grammar says", "forward",
            bye("bare", f"{THEM}:2")),
    Torture("ipv6-in-sdp", "5118 4.6", "addresses of the body; its length counts lines as if they ended in LF",
            "forward", invite("in-sdp", AUDIO_V6, length=v6_line_feeds(AUDIO_V6)),
            reads={"content_length": v6_line_feeds(AUDIO_V6)}),
    Torture("mult-ip-in-header", "5118 4.7", "Vias of both families", "forward",
            invite("mult-header", AUDIO_V6, "Via: SIP/2.0/UDP 192.0.2.31;received=192.0.2.33;branch=z9hG4bK-two",
                   length=len(AUDIO_V6)),
            reads={"via_count": 2}),
    Torture("mult-ip-in-sdp", "5118 4.8", "streams of both families in the body", "forward",
            invite("mult-sdp", TWO_FAMILIES, length=len(TWO_FAMILIES))),
    Torture("ipv4-mapped-ipv6", "5118 4.9", "an IPv4 address written as an IPv6 one", "forward",
            message(
                f"INVITE sip:otis@{CLOUD} SIP/2.0",
                "To: sip:otis@cloud.example.net",
                "From: sip:wren@pbx.example.org;tag=v6",
                "Via: SIP/2.0/UDP [::ffff:192.0.2.31]:5060;branch=z9hG4bK-mapped",
                'Contact: "Wren" <sip:wren@[::ffff:192.0.2.31]>',
                "Call-ID: mapped.1", "CSeq: 35 INVITE", "Max-Forwards: 70", SDP, body=MAPPED,
            )),
    Torture("three-colons", "5118 4.10", "':::', which the grammar of RFC 3261 allows by mistake", "forward",
            options("three", "[2001:db8:5:::192.0.2.60]")),
    Torture("two-colons", "5118 4.10", "the same address as it should be written", "forward",
            options("two", "[2001:db8:5::192.0.2.60]")),
)  # fmt: skip
