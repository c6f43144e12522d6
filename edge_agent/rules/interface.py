"""interface: the published interface of the provider. It never judges who calls whom.

The lists hold what a provider's trunk usually offers; an upstream that offers
other methods says so with its own ``methods``.
"""

from typing import Annotated

from pydantic import Field

from edge_agent.policy.values import Kind, matching
from edge_agent.rules._shape import Mode, Row, Rule, RuleSettings

Method = Annotated[str, matching(r"[A-Z]{1,32}", "method", "capital letters, as INVITE"), Kind("method")]
BodyType = Annotated[
    str,
    matching(r"[a-z0-9.+-]{1,64}/[a-z0-9.+_-]{1,64}", "body type", "type/subtype in small letters"),
    Kind("type/subtype"),
]


class InterfaceSettings(RuleSettings):
    """Methods, body types and sizes that pass."""

    methods: list[Method] = Field(
        default=["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REFER", "UPDATE", "PRACK"],
        min_length=1,
        max_length=32,
        description="Methods that pass where the upstream names none of its own.",
    )
    dialog_methods: list[Method] = Field(
        default=["NOTIFY", "INFO"], max_length=32, description="Methods that pass as well, but only inside a dialog."
    )
    body_types: list[BodyType] = Field(
        default=["application/sdp", "application/dtmf", "application/dtmf-relay", "message/sipfrag"],
        max_length=32,
        description="Body types that pass; a multipart body passes when it holds one of them.",
    )
    max_bytes: Annotated[int, Field(ge=1024, le=65535)] = Field(
        default=16384, description="Largest message that passes, header and body together."
    )


RULE = Rule(
    name="interface",
    family="interface",
    clauses=(7, 11, 17, 25),
    directions={"T": Mode.ENFORCE},
    finds="a method, version, URI scheme, extension, body type or size that the upstream doesn't offer",
    answer="405 with Allow, 501, 505, 416, 420, 415 or 513",
    settings=InterfaceSettings,
    rows=(Row("interface"),),
)
