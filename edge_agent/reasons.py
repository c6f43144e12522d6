"""Every reason a verdict can have: its id, name, rule, SIP status, phrase and a sentence for people.

The position in ``REASONS`` is the id that the engine writes into verdicts and
events; ``cext/gen.py`` turns this table into ``cext/reasons.pxi``. Names are
what logs, metrics and ``explain`` show, so they stay stable once shipped:
append, never reorder.

Status 0 means that the reason never answers a request (a pass, a drop or an
absorbed ACK).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Reason(NamedTuple):
    """One reason. ``phrase`` is the reason phrase on the wire (RFC 3261 §7.2)."""

    name: str
    rule: str
    status: int
    phrase: str
    sentence: str


def _toll() -> Iterator[Reason]:
    """Those of toll-fraud: the engine counts on calls, minutes and spend standing in this order, of each budget."""
    measures = (("calls", "as many calls"), ("minutes", "as many minutes"), ("spend", "as much (in hundredths)"))
    budgets = (
        ("toll", "the trunk"),
        ("toll-class", "for this class of prefixes the trunk"),
        ("toll-caller", "the caller"),
        ("toll-off-hours", "outside of its business hours the trunk"),
    )
    for name, who in budgets:
        for measure, what in measures:
            sentence = f"{who} has used {what} on dear prefixes as a day may"
            yield Reason(f"{name}-{measure}", "toll-fraud", 403, "Toll Limit Reached", sentence)
    for measure, what in measures:
        sentence = f"a budget of dear prefixes is nearly used up, of {what} as a day may; it is only recorded"
        yield Reason(f"toll-warning-{measure}", "toll-fraud", 0, "", sentence)


REASONS: tuple[Reason, ...] = (
    Reason("pass", "", 0, "", "nothing was found against it"),
    # The engine's own housekeeping: no rule decides these.
    Reason("keepalive", "", 0, "", "a keep-alive datagram without a SIP message; ignored"),
    Reason("ack-absorbed", "", 0, "", "ACK of a reply that this agent gave; it ends here"),
    Reason("ack-unmatched", "", 0, "", "ACK of a call that this agent doesn't know, above its peer's budget"),
    Reason("response-unmatched", "", 0, "", "response to a request that this agent never forwarded"),
    Reason("response-source", "", 0, "", "response from an address that is not the peer's it was sent to"),
    Reason("response-route", "", 0, "", "response without a further Via, or with one that names no address"),
    Reason("retransmission", "", 0, "", "copy of a request already decided; it gets the same verdict"),
    Reason("options-up", "", 200, "OK", "OPTIONS of a trunk, answered while its upstream has a live target"),
    Reason("options-down", "", 503, "Service Unavailable", "OPTIONS of a trunk whose upstream has no live target"),
    Reason("upstream-down", "", 503, "Service Unavailable", "no target of the upstream answers its probes"),
    Reason("no-owner", "", 404, "Not Found", "the called number belongs to no trunk"),
    Reason("cancel-unmatched", "", 481, "Call/Transaction Does Not Exist", "CANCEL of an INVITE that was refused here"),
    Reason("reply-too-large", "", 0, "", "the reply would be larger than the request of an unknown source"),
    Reason("no-room", "", 0, "", "the batch had no room left for the reply or the rewritten message"),
    # malformed
    Reason(
        "start-line", "malformed", 400, "Bad Start Line", "the first line is neither a request line nor a status line"
    ),
    Reason("line-end", "malformed", 400, "Bad Line End", "a line ends in a bare CR or LF"),
    Reason("control-byte", "malformed", 400, "Control Byte In Header", "a NUL or control byte outside a quoted pair"),
    Reason("header-name", "malformed", 400, "Bad Header Name", "a header line has no name or no colon"),
    Reason("too-many-headers", "malformed", 400, "Too Many Headers", "more header lines than the limit"),
    Reason("no-end", "malformed", 400, "Incomplete Header", "the header has no empty line at its end"),
    Reason("missing-header", "malformed", 400, "Missing Mandatory Header", "Via, From, To, Call-ID or CSeq is missing"),
    Reason("duplicate-header", "malformed", 400, "Duplicate Header", "a header that may stand once stands twice"),
    Reason(
        "content-length",
        "malformed",
        400,
        "Bad Content-Length",
        "Content-Length is no number, or larger than the message",
    ),
    Reason("via", "malformed", 400, "Bad Via", "a Via can't be read, or its branch is empty"),
    Reason("too-many-vias", "malformed", 400, "Too Many Via Headers", "more than 70 Via values"),
    Reason("from", "malformed", 400, "Bad From", "From can't be read"),
    Reason("to", "malformed", 400, "Bad To", "To can't be read"),
    Reason("call-id", "malformed", 400, "Bad Call-ID", "Call-ID is empty, too long or holds blanks"),
    Reason("cseq", "malformed", 400, "Bad CSeq", "CSeq is no number below 2^31 and a method"),
    Reason("cseq-method", "malformed", 400, "CSeq Method Mismatch", "the method in CSeq is not that of the request"),
    Reason("request-uri", "malformed", 400, "Bad Request-URI", "the Request-URI can't be read"),
    Reason("max-forwards", "malformed", 400, "Bad Max-Forwards", "Max-Forwards is no number up to 255"),
    Reason(
        "identity-header",
        "malformed",
        400,
        "Bad Identity Header",
        "an identity header can't be read, or names two callers of one scheme",
    ),
    Reason("contact", "malformed", 400, "Bad Contact", "Contact can't be read"),
    Reason("route", "malformed", 400, "Bad Route", "Route or Record-Route can't be read"),
    Reason("too-large", "malformed", 513, "Message Too Large", "the message is larger than can be forwarded"),
    Reason(
        "request-changed",
        "malformed",
        400,
        "Request Changed",
        "a retransmission whose screened headers differ from its first copy",
    ),
    # sources, hops, target, interface, dialog
    Reason("unknown-source", "unknown-source", 0, "", "the source address belongs to no trunk and no upstream"),
    Reason("hops", "hops", 483, "Too Many Hops", "Max-Forwards is used up"),
    Reason("loop", "hops", 482, "Loop Detected", "the same request came through this agent before"),
    Reason(
        "target-host",
        "target",
        403,
        "Target Not Allowed",
        "the Request-URI names a host that is no target of this trunk",
    ),
    Reason("target-route", "target", 403, "Route Not Allowed", "a Route header outside a dialog names another host"),
    Reason(
        "target-headers",
        "target",
        403,
        "Headers In URI Not Allowed",
        "a URI that may hold none carries escaped headers",
    ),
    Reason(
        "target-routing",
        "target",
        403,
        "Routing Parameters Not Allowed",
        "the called number has rn, cic, tgrp or trunk-context, which this trunk may not set",
    ),
    Reason(
        "target-refer", "target", 403, "Refer-To Not Allowed", "Refer-To names a host that is no target of this trunk"
    ),
    Reason(
        "target-next-hop", "target", 403, "Next Hop Not Allowed", "the next hop inside the dialog is not the other peer"
    ),
    Reason("method", "interface", 405, "Method Not Allowed", "a method that the upstream doesn't offer"),
    Reason("method-unknown", "interface", 501, "Not Implemented", "a method that no SIP standard names"),
    Reason("version", "interface", 505, "Version Not Supported", "not SIP/2.0"),
    Reason(
        "scheme", "interface", 416, "Unsupported URI Scheme", "the Request-URI is not sip, tel or an emergency service"
    ),
    Reason("proxy-require", "interface", 420, "Bad Extension", "Proxy-Require names an extension"),
    Reason("body-type", "interface", 415, "Unsupported Media Type", "a body type that the upstream doesn't take"),
    Reason("body-size", "interface", 513, "Message Too Large", "larger than the interface takes"),
    Reason(
        "dialog-proof",
        "dialog",
        481,
        "Call/Transaction Does Not Exist",
        "an in-dialog request without proof of its dialog",
    ),
    Reason(
        "dialog-grace",
        "dialog",
        481,
        "Call/Transaction Does Not Exist",
        "an unproven in-dialog request, above the budget of the grace time",
    ),
    # scanner, rates
    Reason("scanner-agent", "scanner", 403, "Forbidden", "a header carries the name of an attack tool"),
    Reason("scanner-shape", "scanner", 403, "Forbidden", "the request has the shape that only an attack tool sends"),
    Reason("source-rate", "source-rate", 486, "Busy Here", "more messages per second than one source may send"),
    Reason("prefix-rate", "source-rate", 486, "Busy Here", "more messages per second than one network prefix may send"),
    Reason("source-table-full", "source-rate", 486, "Busy Here", "no free rate cell for a new source"),
    Reason("trunk-rate", "trunk-rate", 486, "Busy Here", "more calls per second than the trunk's limit"),
    # caller identity
    Reason(
        "caller-none",
        "caller-format",
        403,
        "Caller ID Not A Number",
        "From holds no number and the call is not anonymous",
    ),
    Reason(
        "caller-length",
        "caller-format",
        403,
        "Caller ID Not A Number",
        "longer or shorter than any number of that country",
    ),
    Reason("caller-country", "caller-format", 403, "Caller ID Not A Number", "starts with no country code"),
    Reason(
        "caller-plan", "caller-format", 403, "Caller ID Not Assignable", "a number that the numbering plan can't assign"
    ),
    Reason(
        "caller-owned", "caller-owned", 403, "Caller ID Not Allowed", "the caller's number is not on the trunk's list"
    ),
    Reason(
        "caller-forward",
        "caller-owned",
        403,
        "Forwarded Caller ID Not Proven",
        "a foreign caller on a forwarded call that nothing proves",
    ),
    Reason(
        "caller-consistent",
        "caller-consistent",
        403,
        "Caller ID Mismatch",
        "two caller headers name different numbers and one is not the trunk's",
    ),
    Reason(
        "caller-anonymous",
        "caller-anonymous",
        433,
        "Anonymity Disallowed",
        "an anonymous call without an asserted number of the trunk",
    ),
    # emergency lane
    Reason("emergency-routed", "emergency", 0, "", "an authorised emergency call, routed to the emergency upstream"),
    Reason("emergency-test", "emergency", 0, "", "an authorised emergency test call, routed to the emergency upstream"),
    Reason(
        "emergency-not-authorised",
        "emergency",
        403,
        "Emergency Calling Not Activated",
        "an emergency call from a trunk that has no emergency route",
    ),
    Reason(
        "emergency-unknown",
        "emergency",
        403,
        "Emergency Calling Not Activated",
        "an emergency call from an unknown source",
    ),
    Reason("emergency-limit", "emergency", 486, "Busy Here", "more emergency calls than the lane's own limit"),
    Reason(
        "emergency-refer", "emergency", 403, "Emergency Calling Not Activated", "Refer-To names an emergency service"
    ),
    Reason("dialog-rate", "dialog", 486, "Busy Here", "more requests per second than one dialog may have"),
    Reason("copies", "", 0, "", "more copies of one request than any retransmission rule sends"),
    # floods, bans, concurrency
    Reason("banned", "banned", 0, "", "the source is on the ban list"),
    Reason("denied", "banned", 0, "", "the source's network is on the deny list"),
    Reason(
        "source-hops",
        "unknown-source",
        403,
        "Source Not Recognised",
        "a trunk's address, but from another distance (hop count) than what has proven to be the trunk's",
    ),
    Reason("trunk-calls", "trunk-calls", 486, "Busy Here", "more concurrent calls than the trunk may have"),
    Reason("method-rate", "trunk-rate", 486, "Busy Here", "more requests of this method per second than its budget"),
    Reason("answer-limit", "", 0, "", "more answers per second than the agent gives one peer outside of calls"),
    Reason("caller-rate", "caller-rate", 486, "Busy Here", "more calls per second than one caller may make"),
    Reason("callee-rate", "callee-rate", 486, "Busy Here", "more calls per second than one called number may get"),
    Reason("sweep", "sweep", 0, "", "many targets that don't exist, tried one after the other"),
    Reason("auth-abuse", "auth-abuse", 0, "", "challenge after challenge without a success, or changing users"),
    Reason("overload", "overload", 503, "Service Unavailable", "the agent's own queue is too long"),
    Reason(
        "overload-upstream",
        "overload",
        503,
        "Service Unavailable",
        "the upstream asked for fewer calls (RFC 7339)",
    ),
    # STIR: per header first, then what all headers of a call come to
    Reason("identity-size", "stir-signature", 438, "Invalid Identity Header", "an Identity header of more than 16 KiB"),
    Reason("identity-syntax", "stir-signature", 438, "Invalid Identity Header", "an Identity header can't be read"),
    Reason("identity-info", "stir-signature", 438, "Invalid Identity Header", "info and the token's x5u differ"),
    Reason("identity-missing", "stir-signature", 428, "Use Identity Header", "no Identity header of a kind we verify"),
    Reason("passport-size", "stir-signature", 438, "Invalid PASSporT", "the token is larger or deeper than any can be"),
    Reason("passport-syntax", "stir-signature", 438, "Invalid PASSporT", "the token is no JSON in base64url"),
    Reason("passport-header", "stir-signature", 438, "Invalid PASSporT", "the token's header lacks or changes a field"),
    Reason("passport-algorithm", "stir-signature", 437, "Unsupported Credential", "the token isn't signed by ES256"),
    Reason("passport-claims", "stir-signature", 438, "Invalid PASSporT", "a claim is missing or says what it can't"),
    Reason("passport-signature", "stir-signature", 438, "Invalid Identity Header", "the signature isn't the key's"),
    Reason("passport-stale", "stir-signature", 403, "Stale Date", "signed too long ago, or in the future"),
    Reason("passport-orig", "stir-signature", 438, "Invalid Identity Header", "signed for another caller"),
    Reason("passport-dest", "stir-signature", 438, "Invalid Identity Header", "signed for another called number"),
    Reason("passport-chain", "stir-signature", 438, "Invalid Identity Header", "a chain of div tokens with a gap"),
    Reason("certificate-url", "stir-signature", 436, "Bad Identity Info", "the certificate's URL isn't one we fetch"),
    Reason("certificate-unavailable", "stir-signature", 436, "Bad Identity Info", "the certificate can't be had"),
    Reason("certificate-syntax", "stir-signature", 437, "Unsupported Credential", "the certificate can't be read"),
    Reason("certificate-path", "stir-signature", 437, "Unsupported Credential", "no path to a trusted root"),
    Reason("certificate-time", "stir-signature", 437, "Unsupported Credential", "the certificate isn't valid now"),
    Reason("certificate-revoked", "stir-signature", 437, "Unsupported Credential", "the certificate was revoked"),
    Reason("certificate-profile", "stir-signature", 437, "Unsupported Credential", "not a certificate for telephony"),
    Reason("certificate-number", "stir-signature", 437, "Unsupported Credential", "the number isn't the certificate's"),
    Reason("certificate-reference", "stir-signature", 437, "Unsupported Credential", "its numbers are by reference"),
    Reason("certificate-constraint", "stir-signature", 438, "Invalid PASSporT", "a claim the certificate forbids"),
    Reason("do-not-originate", "do-not-originate", 403, "Caller ID Does Not Originate", "the caller never makes calls"),
    # the emergency lane's odd ends
    Reason(
        "emergency-dialog",
        "emergency",
        403,
        "Emergency Needs Its Own Call",
        "a request inside an ordinary call that turns to an emergency number",
    ),
    Reason(
        "emergency-method",
        "emergency",
        405,
        "Method Not Allowed",
        "a method towards an emergency service that opens no call and that its upstream doesn't list",
    ),
    Reason("display-number", "display-name", 403, "Display Name Not Allowed", "the name shows another's number"),
    Reason("display-hidden", "display-name", 403, "Display Name Not Allowed", "the name holds what nobody sees"),
    Reason("display-mark", "display-name", 403, "Display Name Not Allowed", "the name shows a protected mark"),
    Reason("source-port", "malformed", 0, "", "a datagram from port 0, where no answer can go"),
    Reason(
        "emergency-redirect",
        "emergency",
        403,
        "Emergency Calling Not Activated",
        "a redirection to an emergency service; a trunk's is told to the caller as a refusal",
    ),
    Reason(
        "unproven-share",
        "source-rate",
        486,
        "Busy Here",
        "callers of an open trunk that proved nothing are above their share of its budget",
    ),
    # a call that waits for a verification
    Reason("trying", "", 100, "Trying", "copy of an INVITE that waits to be verified or signed"),
    Reason("cancel-deferred", "", 200, "OK", "CANCEL of an INVITE that waits to be verified or signed"),
    Reason("cancelled", "", 487, "Request Terminated", "an INVITE that was cancelled while it waited"),
    Reason(
        "caller-unallocated",
        "do-not-originate",
        403,
        "Caller ID Not Allocated",
        "a number of an area code, exchange or block that nobody was given",
    ),
    Reason("stir-replay", "stir-replay", 403, "Identity Already Used", "signed for one call, and used for others"),
    Reason(
        "attestation-level",
        "stir-attestation",
        403,
        "Attestation Too Low",
        "vouched for at a lower level than the trunk asks for",
    ),
    Reason(
        "attestation-rate",
        "stir-attestation",
        486,
        "Busy Here",
        "more calls per second than those of this attestation may be",
    ),
    Reason("signer-rate", "stir-attestation", 486, "Busy Here", "more calls per second than one signer may vouch for"),
    # markings
    Reason(
        "marking-verstat",
        "forged-marking",
        0,
        "",
        "a verstat parameter, which only who verifies may set; taken out where enforced",
    ),
    Reason(
        "marking-asserted",
        "forged-marking",
        0,
        "",
        "P-Asserted-Identity of one who may not assert it; taken out where enforced",
    ),
    Reason(
        "marking-priority", "forged-marking", 0, "", "Priority emergency or psap-callback; taken out where enforced"
    ),
    Reason(
        "marking-charge",
        "forged-marking",
        0,
        "",
        "P-Charge-Info, which only the trust domain may set; taken out where enforced",
    ),
    Reason(
        "marking-internal",
        "forged-marking",
        0,
        "",
        "a header X-Edge-*, which are this agent's own; taken out where enforced",
    ),
    Reason(
        "marking-resource",
        "forged-marking",
        403,
        "Resource Priority Not Authorised",
        "a Resource-Priority namespace that the sender is not authorised for",
    ),
    Reason(
        "marking-unknown",
        "forged-marking",
        417,
        "Unknown Resource-Priority",
        "Require: resource-priority, and a namespace that isn't known",
    ),
    Reason(
        "marking-repeated",
        "forged-marking",
        400,
        "Bad Marking",
        "Resource-Priority that can't be read or names a namespace twice, or more verstat parameters than are taken out",
    ),
    Reason(
        "own-number-inbound",
        "own-number-inbound",
        403,
        "Caller ID Not Allowed",
        "a number of a trunk as caller of a call from outside that went out here to nobody",
    ),
    Reason(
        "caller-diversions",
        "caller-consistent",
        403,
        "Too Many Diversions",
        "a call that says it was diverted more often than any is",
    ),
    Reason(
        "caller-credentials",
        "caller-consistent",
        0,
        "",
        "credentials of another number than the trunk's; only recorded",
    ),
    Reason("display-uri", "display-name", 403, "Display Name Not Allowed", "the name holds a SIP URI"),
    # calls for help, once more
    Reason(
        "emergency-redirected",
        "emergency",
        302,
        "Moved Temporarily",
        "an emergency call of a trunk that is told the way to the emergency upstream",
    ),
    Reason("emergency-callback", "emergency", 0, "", "a call to somebody who called an emergency service just now"),
    Reason(
        "emergency-to",
        "emergency",
        0,
        "",
        "To names an emergency service, but the call goes elsewhere; it is only recorded",
    ),
    Reason("destination", "destination", 403, "Destination Not Allowed", "the called number is under a denied prefix"),
    Reason(
        "calling-hours", "calling-hours", 403, "Outside Calling Hours", "it is too early or too late at the callee's"
    ),
    # dear and unwanted destinations
    Reason("do-not-call", "do-not-call", 403, "Callee Not To Be Called", "the called number is on a do-not-call list"),
    Reason(
        "do-not-call-request",
        "do-not-call",
        403,
        "Callee Not To Be Called",
        "the callee asked not to be called from here",
    ),
    *_toll(),
    # patterns of behaviour: a score of several makes one; the five stand together
    Reason("behaviour", "", 0, "", "a caller's or trunk's calls begin to look like unwanted ones; only told of"),
    Reason("dispersal", "dispersal", 603, "Network Blocked", "a caller or trunk whose calls go to ever new numbers"),
    Reason("sequential", "sequential", 603, "Network Blocked", "a caller or trunk that dials number by number"),
    Reason("short-calls", "short-calls", 603, "Network Blocked", "a caller or trunk whose calls end within seconds"),
    Reason("low-answer", "low-answer", 603, "Network Blocked", "a caller or trunk whose calls are hardly answered"),
    Reason("wangiri", "wangiri", 603, "Network Blocked", "a caller or trunk that gives calls up after one ring"),
    Reason("evasion", "sweep", 0, "", "refused calls that come again in another form"),
)

BY_NAME: dict[str, int] = {reason.name: number for number, reason in enumerate(REASONS)}
