"""base64url without padding (RFC 7515 §2), in its one canonical spelling."""

from __future__ import annotations

import base64
import binascii

# To the alphabet that the library knows; what base64url hasn't becomes what nobody has.
_PLAIN = bytes.maketrans(b"-_+/=", b"+/\0\0\0")
_PADDING = (b"", None, b"==", b"=")
# The last characters whose spare bits are zero, by what is over.
_LAST = ("", "", "AQgw", "AEIMQUYcgkosw048")


def encode(data: bytes) -> str:
    """The text of ``data``."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of ``text``. ValueError for any other spelling: padding, blanks, bits that say nothing.

    Python's own decoder skips what it doesn't know, so two texts could mean one token.
    """
    over = len(text) % 4
    padding = _PADDING[over]
    if padding is None or (over and text[-1] not in _LAST[over]):
        raise ValueError("not the canonical spelling")
    return binascii.a2b_base64(text.encode("ascii").translate(_PLAIN) + padding, strict_mode=True)
