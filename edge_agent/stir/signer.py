"""Identity headers for calls towards an upstream that is vouched to: whose key, what level, which origid. Pure but for the key.

The level comes from what the rules established: A only for a caller whose number
is the trunk's own, else B, since the agent knows the trunk. Never signs a call
without a caller's number, nor one that has an Identity header.
"""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge_agent.stir import sign


class Signer:
    """What signs for one upstream. One thread."""

    def __init__(self, key: EllipticCurvePrivateKey, x5u: str, attest: str) -> None:
        self._key, self._x5u, self._attest = key, x5u, attest
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._space = UUID(bytes=sha256(public).digest()[:16])
        self._origids: dict[str, UUID] = {}

    def origid(self, trunk: str) -> UUID:
        """The same for all calls of a trunk, so that its operator can trace them, and for nobody else's (RFC 8588 §5)."""
        if trunk not in self._origids:
            self._origids[trunk] = uuid5(self._space, trunk)
        return self._origids[trunk]

    def level(self, owned: bool) -> str:
        """The attestation of a call."""
        return self._attest if self._attest in ("B", "C") else "A" if owned else "B"

    def identity(self, trunk: str, caller: str, to: str, called: str, owned: bool, now: float) -> bytes:
        """The header's value; empty when the call names no caller or nobody called.

        ``dest`` is To (RFC 8224 §4.1); a call without a number there names the Request-URI's.
        """
        dest = to or called
        if not caller or not dest:
            return b""
        value = sign.shaken(self._key, self._x5u, caller, dest, self.level(owned), self.origid(trunk), int(now))
        return value.encode()
