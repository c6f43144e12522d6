"""base64url without padding (RFC 7515 §2), in its one canonical spelling."""

from __future__ import annotations

import base64
import binascii


def encode(data: bytes) -> str:
    """The text of ``data``."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of ``text``. ValueError for any other spelling: padding, blanks, bits that say nothing.

    Python's own decoder skips what it doesn't know, so two texts could mean one token.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if encode(data) != text:
        raise ValueError("not the canonical spelling")
    return data
