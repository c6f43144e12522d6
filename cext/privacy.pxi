# privacy.pxi: an asserted identity stays in the trust domain when its caller asks for it (RFC 3325 §7, §9.3).
#
# Inside are the upstreams, and the trunks that may assert PAI themselves. Identity is never taken out for it (RFC 8224
# §11), the screen has read the asserted number before, and a call from an emergency service that comes back is let be.
# Like all edits it follows from the message and the policy, so copies say the same. It refuses nothing.

# Is "id" among the tokens of a Privacy row? Two rows say what one would.
cdef bint privacy_id(Screen *s) noexcept nogil:
    cdef Row *row
    cdef int i
    for i in range(s.m.rows):
        row = &s.m.row[i]
        if row.id == H_PRIVACY and slice_has_token(s.p, slice_of(row.value, row.value + row.value_len), b"id", 2):
            return True
    return False


# Does P-Asserted-Identity of this message, which goes on, end here? A response may go where no peer is known to be.
cdef bint privacy_hides(Screen *s) noexcept nogil:
    cdef Peer *to
    if not s.m.present >> H_P_ASSERTED_IDENTITY & 1 or not s.m.present >> H_PRIVACY & 1 or s.dir != DIR_UPSTREAM:
        return False
    if s.callback == CALLBACK_YES or s.v.route.flags & ROUTE_EMERGENCY:
        return False
    if s.cookie_state == COOKIE_GOOD and s.cookie.emergency:
        return False
    if s.v.route.peer != NO_PEER:
        to = &s.policy.peers[s.v.route.peer]
        if to.kind != PEER_TRUNK or to.asserts & ASSERT_PAI:
            return False
    return privacy_id(s)
