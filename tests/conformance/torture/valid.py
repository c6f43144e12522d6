"""RFC 4475 §3.1.1: odd, long and unusual messages that are nevertheless SIP. A proxy forwards each of them."""

from __future__ import annotations

from tests.conformance.torture.build import CLOUD, OURS, Torture, message, offer

SDP = "Content-Type: application/sdp"
LONG = "averyverylongword"

VALID: tuple[Torture, ...] = (
    Torture(
        "wsinv", "4475 3.1.1.1", "blanks and folds wherever the grammar has LWS, any case, leading zeros, empty values",
        "forward",
        message(
            f"INVITE sip:+12125550140@{CLOUD};novelparam SIP/2.0",
            "tO  :\r\n\t <sip:+12125550140@cloud.example.net>  ;\r\n  tag \t =  41-wren",
            'FROM\t: "Wren \\\\ \\"W\\" Otis"  \t  <sip:+12125550123@pbx.example.org>\r\n \t;\r\n tag =\r\n 77q',
            "max-FORWARDS:   0061",
            "cAlL-iD: wsinv.5510@192.0.2.31",
            f"Content-length  : {len(offer())}",
            "CSEQ: 00031\r\n \tINVITE",
            "vIA \t: SIP /  2.0\r\n  / UDP\r\n\t192.0.2.31 : 5062 ; branch = 4711wren",
            "S:",
            "Novelty-Header:  begins here\r\n and ends here",
            "Header-Of-Signs: ,,;;,;=<,",
            SDP,
            f"rOuTe:\r\n <sip:{OURS};lr;novel=one;two>",
            "V: SIP/ 2.0 /TCP   hub.example.org ;\r\n branch= z9hG4bKhub-6 ,\r\n SIP / 2.0/ UDP 198.51.100.9 ;branch=\r\n"
            " z9hG4bKleaf-9",
            'M : "W \\"O\\"" <sip:wren@192.0.2.31> ; novel =\r\n one ;\r\n two ; q = 0.7',
            body=offer(), length=False,
        ),
        reads={
            "kind": "request", "max_forwards": 61, "via_count": 3, "cseq": 31, "from_tag": b"77q", "to_tag": b"41-wren",
            "content_length": len(offer()),
        },
    ),
    Torture(
        "intmeth", "4475 3.1.1.2", "every character that a method, a user, a password, a token and a header name may hold",
        "forward",
        message(
            f"~odd.Method_0'1`2%3*4+5-6! sip:half_way.User~(yes!yes)&it's+a$/slash?comma,/;;*:"
            f"&a+pass=2,w0rd!*of$si~gns_(it.is)@{CLOUD} SIP/2.0",
            "Via: SIP/2.0/UDP pbx3.example.org;branch=z9hG4bK-.!%66*_+`'~",
            b'To: "bell:\\\x07 nothing:\\\x00 rubout:\\\x7f" <sip:half_way.User~(yes!yes)&it\'s+a$/slash?comma,/;;*'
            b"@cloud.example.net>",
            "From: words1 words~` words'.%20* words-!_+ <sip:mundane@pbx.example.org>;tag=_tag'*+1`-2!.~%3",
            "Call-ID: odd%Id.0word*(5)!_+'`~<>:\\\"/[]?{}",
            "CSeq: 2147483647 ~odd.Method_0'1`2%3*4+5-6!",
            "Max-Forwards: 255",
            "odd_Header.0!1%2*3+4`5'6~-Ext: \xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb".encode("latin-1"),
        ),
        reads={"kind": "request", "cseq": 2**31 - 1, "max_forwards": 255, "via_count": 1},
    ),
    Torture(
        "esc01", "4475 3.1.1.3", "percent escapes in users and parameters; an escaped '@' makes no second host", "forward",
        message(
            f"INVITE sip:sips%3A%2B12125550141%40cloud.example.org@{CLOUD} SIP/2.0",
            "To: sip:%6fti%73@cloud.example.net",
            "From: <sip:two%20words%20here@pbx.example.org>;tag=esc1",
            "Max-Forwards: 44",
            "i: esc01.8821-otis",
            "CSeq: 7001 INVITE",
            "Via: SIP/2.0/UDP pbx3.example.org;branch=z9hG4bKesc1",
            "C: application/sdp",
            "Contact:\r\n  <sip:o%74is@pbx3.example.org;%70aram;wi%74h=valu%65%25%33%30>",
            body=offer(),
        ),
        reads={"uri": {
            "scheme": "sip", "user": b"sips%3A%2B12125550141%40cloud.example.org", "host": b"cloud.example.net", "port": 0,
            "number": "", "display": b"",
        }},
    ),
    Torture(
        "escnull", "4475 3.1.1.4", "an escaped NUL is a character of the user and ends nothing", "forward",
        message(
            f"REGISTER sip:{CLOUD} SIP/2.0",
            "To: sip:empty-%00-and-more@cloud.example.net",
            "From: sip:empty-%00-and-more@cloud.example.net;tag=esc0",
            "Max-Forwards: 71",
            "Call-ID: escnull.20@192.0.2.31",
            "CSeq: 15 REGISTER",
            "Via: SIP/2.0/UDP pbx3.example.org;branch=z9hG4bKescnull",
            "Contact: <sip:%00@pbx3.example.org>",
            "Contact: <sip:%00%00@pbx3.example.org>",
            "l: 0", length=False,
        ),
        reads={"content_length": 0},
    ),
    Torture(
        "esc02", "4475 3.1.1.5", "'%' in a method, a header name, a branch and a quoted string is just a character",
        "forward",
        message(
            f"IN%56ITE sip:{CLOUD} SIP/2.0",
            'To: "%4%41" <sip:otis@cloud.example.net>',
            'From: "%4%41" <sip:otis@cloud.example.net>;tag=esc2%',
            "Call-ID: esc02.66%20",
            "Via: SIP/2.0/TCP pbx3.example.org;branch=z9hG4bK99%zzesc2",
            "CSeq: 803 IN%56ITE",
            "Max-Forwards: 70",
            "Contact: <sip:first@pbx3.example.org>",
            "C%6Fntact: <sip:second@pbx3.example.org>",
            "Contact: <sip:third@pbx3.example.org>",
            "l: 0", length=False,
        ),
        reads={"method": "IN%56ITE", "cseq_method": "IN%56ITE"},
    ),
    Torture(
        "lwsdisp", "4475 3.1.1.6", "no blank between the display name and '<'", "forward",
        message(
            f"OPTIONS sip:otis@{CLOUD} SIP/2.0",
            "To: sip:otis@cloud.example.net",
            "From: wren<sip:wren@pbx.example.org>;tag=disp1",
            "Max-Forwards: 70",
            "Call-ID: lwsdisp.31@pbx3.example.org",
            "CSeq: 61 OPTIONS",
            "Via: SIP/2.0/UDP pbx3.example.org;branch=z9hG4bKlwsdisp",
            "l: 0", length=False,
        ),
        reads={"from_tag": b"disp1"},
    ),
    Torture(
        "longreq", "4475 3.1.1.7", "long values everywhere and 34 Vias in mixed forms", "forward",
        message(
            f"INVITE sip:otis@{CLOUD} SIP/2.0",
            f'To: "{(LONG + " ") * 9}"<sip:otis@{CLOUD}:5066;long{LONG * 4}=yes{LONG * 4};{LONG * 3}>',
            f"F: sip:{LONG * 7}@pbx.example.org;tag={LONG * 3};long{LONG * 4}={LONG * 5};valueless{LONG * 3}",
            f"Call-ID: longreq.{LONG * 8}",
            "CSeq: 904417 INVITE",
            f"Unheard-Of-{LONG * 6}-Header: {LONG * 10}; with={LONG * 8}",
            *(
                f"{('Via', 'v', 'V', 'vIA', 'VIA', 'via')[n % 6]}{('', ' ', '  ')[n % 3]}: SIP/2.0/TCP hop{33 - n}.example.org"
                for n in range(33)
            ),
            f"Via  : SIP/2.0/TCP pbx3.example.org;received=192.0.2.31;branch={LONG * 6}",
            "Max-Forwards: 70",
            f"Contact: <sip:{LONG * 7}@pbx3.example.org>",
            SDP,
            body=offer(),
        ),
        reads={"via_count": 34},
    ),
    Torture(
        "dblreq", "4475 3.1.1.8", "octets behind the body of a datagram are no second request: cut, not forwarded",
        "forward",
        message(
            f"REGISTER sip:{CLOUD} SIP/2.0",
            "To: sip:otis@cloud.example.net",
            "From: sip:otis@cloud.example.net;tag=dbl1",
            "Max-Forwards: 8",
            "Call-ID: dblreq.first",
            "CSeq: 2 REGISTER",
            "Via: SIP/2.0/UDP 192.0.2.31;branch=z9hG4bKdbl1",
            "Contact: <sip:otis@192.0.2.31>",
        )
        + b"\r\n\r\n\r\n"
        + message(
            f"INVITE sip:wren@{CLOUD} SIP/2.0",
            "t: sip:wren@cloud.example.net",
            "From: sip:otis@cloud.example.net;tag=dbl2",
            "Call-ID: dblreq.second",
            "CSeq: 9 INVITE",
            "Via: SIP/2.0/UDP 192.0.2.32;branch=z9hG4bKdbl2",
            body=offer(),
        ),
        reads={"method": "REGISTER", "call_id": b"dblreq.first", "content_length": 0},
    ),
    Torture(
        "semiuri", "4475 3.1.1.9", "';' and '?' before an '@' belong to the user", "forward",
        message(
            f"OPTIONS sip:otis;as=a%40b?c=d@{CLOUD} SIP/2.0",
            "To: sip:o_tis@cloud.example.net",
            "From: sip:wren@pbx.example.org;tag=semi",
            "Max-Forwards: 5",
            "Call-ID: semiuri.1",
            "CSeq: 8 OPTIONS",
            "Accept: application/sdp, application/pkcs7-mime,\r\n   multipart/mixed, multipart/signed",
            "Via: SIP/2.0/UDP 192.0.2.31;branch=z9hG4bKsemi",
            "l: 0", length=False,
        ),
        reads={"uri": {
            "scheme": "sip", "user": b"otis;as=a%40b?c=d", "host": b"cloud.example.net", "port": 0, "number": "",
            "display": b"",
        }},
    ),
    Torture(
        "transports", "4475 3.1.1.10", "Vias of known, planned and unheard-of transports", "forward",
        message(
            f"OPTIONS sip:otis@{CLOUD} SIP/2.0",
            "To: sip:otis@cloud.example.net",
            "From: <sip:wren@pbx.example.org>;tag=tran",
            "Max-Forwards: 70",
            "Call-ID: transports.11@pbx3.example.org",
            "CSeq: 60 OPTIONS",
            "Via: SIP/2.0/UDP t1.example.org;branch=z9hG4bKtr1",
            "Via: SIP/2.0/SCTP t2.example.org;branch=z9hG4bKtr2",
            "Via: SIP/2.0/TLS t3.example.org;branch=z9hG4bKtr3",
            "Via: SIP/2.0/PIGEON t4.example.org;branch=z9hG4bKtr4",
            "Via: SIP/2.0/TCP t5.example.org;branch=z9hG4bKtr5",
            "l: 0", length=False,
        ),
        reads={"via_count": 5},
    ),
    Torture(
        "mpart01", "4475 3.1.1.11", "a multipart body with a binary part: NULs and CRs pass untouched", "forward",
        message(
            f"MESSAGE sip:otis@{CLOUD} SIP/2.0",
            "Via: SIP/2.0/UDP 192.0.2.31:5070;branch=z9hG4bK-mpart",
            "Max-Forwards: 70",
            f"Route: <sip:{OURS};lr>",
            "From: <sip:wren@pbx.example.org>;tag=mpart",
            "To: <sip:otis@cloud.example.net>",
            "Call-ID: mpart01.3",
            "CSeq: 4127 MESSAGE",
            "MIME-Version: 1.0",
            'Content-Type: multipart/mixed;boundary="cut-here"',
            body=b"--cut-here\r\nContent-Type: text/plain\r\n\r\nGood day\r\n--cut-here\r\n"
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            + bytes(range(256)) + b"\x00\r\n\r\n\n\r\x00\r\n--cut-here--\r\n",
        ),
        reads={"method": "MESSAGE"},
    ),
    Torture(
        "unreason", "4475 3.1.1.12", "a reason phrase of signs and UTF-8; nobody asked for this response", "drop",
        message(
            b"SIP/2.0 200 = 2**2 * 50 \xd1\x82\xd0\xb0\xd0\xba: (yes), it's \xe2\x89\xa1 %",
            "Via: SIP/2.0/UDP 192.0.2.31;branch=z9hG4bKunre",
            "Call-ID: unreason.50",
            "CSeq: 35 INVITE",
            "From: sip:wren@pbx.example.org;tag=unre1",
            "To: sip:otis@cloud.example.net;tag=unre2",
            "Contact: <sip:otis@192.0.2.60>",
            SDP,
            body=offer(),
        ),
        source="upstream", reads={"kind": "response", "status": 200},
    ),
    Torture(
        "noreason", "4475 3.1.1.13", "an empty reason phrase behind its blank; nobody asked for this response", "drop",
        message(
            "SIP/2.0 180 ",
            "Via: SIP/2.0/UDP 192.0.2.31;branch=z9hG4bKnore",
            "Call-ID: noreason.18",
            "CSeq: 35 INVITE",
            "From: <sip:wren@pbx.example.org>;tag=nore1",
            "To: <sip:otis@cloud.example.net>;tag=nore2",
            "Contact: <sip:otis@192.0.2.60>",
        ),
        source="upstream", reads={"kind": "response", "status": 180},
    ),
)  # fmt: skip
