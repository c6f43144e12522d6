"""A torture set of our own: one message for each of RFC 4475 (49) and RFC 5118 (12), the same ideas in other words.

``TORTURE`` has them all in the order of the RFCs. The bytes are built here and never read from a file, as many
hold NULs, escapes and deliberate faults that an editor would mend.
"""

from __future__ import annotations

from tests.conformance.torture.build import HOSTS, Torture
from tests.conformance.torture.invalid import INVALID
from tests.conformance.torture.ipv6 import IPV6
from tests.conformance.torture.meaning import MEANING
from tests.conformance.torture.valid import VALID

TORTURE: tuple[Torture, ...] = (*VALID, *INVALID, *MEANING, *IPV6)

__all__ = ["HOSTS", "TORTURE", "Torture"]
