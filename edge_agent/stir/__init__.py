"""STIR: who vouches for a caller (RFC 8224, RFC 8225, RFC 8226, RFC 8588, RFC 8946).

    identity.py → passport.py → chain.py → verify.py
    header value   token and     certificate   what all of a call's
                   its claims    path          headers come to

All of these are pure: bytes and a time in, a value or ``Refused`` out. ``fetch.py``
is the one file that asks the network for certificates, ``sign.py`` makes headers.
"""
