"""scanner: names and request shapes of attack tools. It never decides on a name that real equipment sends too.

That is why the default list leaves out what block lists in the wild hold as
well: soft phones and SDKs (eyeBeam, CSipSimple, PortSIP, VaxSIPUserAgent,
MizuPhone), test tools with honest users (SIPp, sipsak), and words so short
that they stand inside other products' names (iWar, smap, Gulp).
"""

from typing import Annotated

from pydantic import Field

from edge_agent.policy.values import matching
from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings

Signature = Annotated[str, matching(r"[\x20-\x7e]{3,64}", "signature", "3 to 64 printable ASCII characters")]


class ScannerSettings(RuleSettings):
    """Names looked for in User-Agent and the other headers where tools sign themselves."""

    signatures: list[Signature] = Field(
        default=[
            # the sipvicious family, under the names of its versions and of its copies
            "sipvicious",
            "friendly-scanner",
            "friendly-request",
            "sundayddr",
            "sundayaddr",
            "svmap",
            "svwar",
            "svcrack",
            # other scanners and password guessers
            "sipcli",
            "sip-scan",
            "SIPScan",
            "pplsip",
            "VaxIPUserAgent",
            "siparmyknife",
            "SIVuS",
            "voiphopper",
            "Nmap NSE",
            "sippts",
            "sipptk",
            "Hacker",
            # fixed fillers of tools that don't sign
            "aaaaaaaa",
            "fgfdhgfxjfhyjhkj",
        ],
        max_length=256,
        description="Names of attack tools, found anywhere in the header, in any case. Replaces the shipped list.",
    )


RULE = Rule(
    name="scanner",
    family="scanning",
    clauses=(5,),
    directions={"T": Mode.ENFORCE, "X": Mode.ENFORCE},
    finds="the name or the request shape of an attack tool",
    answer="403 and a strike; unknown sources get no reply",
    settings=ScannerSettings,
    rows=(Row("scanner"),),
)
