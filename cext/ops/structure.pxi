# ops/structure.pxi: hops, target, interface: what the message itself and the policy's tables decide, without state.
#
# Each op returns the RSN_ of its finding or 0, and leaves what it saw in
# `found` and its threshold in `limit`. It never changes anything else but the
# route flags of the verdict.

cdef enum:
    ROUTING_NUMBER = 1      # rn
    ROUTING_GROUP = 2       # cic, tgrp, trunk-context


# hops: Max-Forwards used up (RFC 3261 §16.3), or the same request seen before (RFC 5393 §4.2).
cdef int op_hops(Screen *s) noexcept nogil:
    cdef uint64_t loop
    cdef int i
    s.found = <uint64_t>s.m.max_forwards if s.m.max_forwards >= 0 else s.policy.max_forwards
    s.limit = 1
    if s.m.max_forwards == 0:
        return RSN_HOPS
    for i in range(s.m.own_vias):
        if ea_get_hex(s.p + s.m.own_via[i].off + 20, 16, &loop) and loop == s.loop:
            s.found = s.m.vias
            return RSN_LOOP
    return 0


# A host that a request of this peer may name: an own name, or one of the peer it goes to.
cdef inline bint host_allowed(Screen *s, Uri *u) noexcept nogil:
    return name_match(s.policy, s.p, u, s.peer.upstream if s.dir == DIR_TRUNK else OWNER_SELF) != 0


# Parameters of the user part or the URI that lead a call elsewhere than its number says (RFC 4694, RFC 4904): bits
# ROUTING_. A name with escapes may be any of them, and an escaped ';' one to who decodes first.
cdef int uri_routing(const uint8_t *p, Uri *u) noexcept nogil:
    cdef uint32_t i = u.user.off if u.user.len else u.params.off, end = u.whole.off + u.whole.len, n
    cdef int found = 0
    if EA_LIKELY(u.flags & (URI_USER_PARAMS | URI_ESCAPED) == 0):
        if u.params.len == 0:
            return 0
        i = u.params.off
    while i < end:
        n = 3 if p[i] == b'%' and i + 3 < end and p[i + 1] == b'3' and p[i + 2] | 0x20 == b'b' else 1
        if n == 1 and p[i] != b';':
            i += 1
            continue
        i = <uint32_t>parse_blanks(p, i + n, end)
        n = 0
        while i + n < end and EA_IS(p[i + n], CLS_TOKEN):
            n += 1
        if (n == 2 and ea_same_fold(p + i, b"rn", 2)) or memchr(p + i, b'%', n) != NULL:
            found |= ROUTING_NUMBER
        elif (n == 3 and ea_same_fold(p + i, b"cic", 3)) or (n == 4 and ea_same_fold(p + i, b"tgrp", 4)) or (
                n == 13 and ea_same_fold(p + i, b"trunk-context", 13)):
            found |= ROUTING_GROUP
        i += n
    return found


# Do URIs that may hold none carry headers (RFC 3261 §19.1.1, table 1)? In a dialog From and To are as its INVITE had
# them, and a Contact of BYE or ACK says nothing. An emergency call goes on whatever it carries.
cdef bint uris_with_headers(Screen *s) noexcept nogil:
    cdef uint8_t flags = s.m.uri.flags
    cdef uint32_t i
    if s.cookie_state == COOKIE_GOOD and s.cookie.emergency:
        return flags & URI_HEADERS
    if s.m.to_tag.len == 0:
        flags |= s.m.from_.flags | s.m.to.flags
    for i in range(s.own_routes, s.m.routes):
        flags |= s.m.route[i].flags
    if s.m.method == M_INVITE or s.m.method == M_UPDATE or s.m.method == M_REFER or s.m.method == M_SUBSCRIBE:
        for i in range(s.m.contacts if s.m.contacts < MAX_CONTACTS else MAX_CONTACTS):
            flags |= s.m.contact[i].flags
    return flags & URI_HEADERS


cdef int refer_finding(Screen *s) noexcept nogil:
    cdef Uri *u = &s.m.refer_to
    if u.flags & URI_HEADERS:
        return RSN_TARGET_HEADERS
    if s.dir == DIR_TRUNK and not s.peer.asserts & ASSERT_ROUTING and uri_routing(s.p, u):
        return RSN_TARGET_ROUTING
    if u.scheme == SCHEME_TEL:
        return 0
    if not uri_is_sip(u) or u.flags & URI_MADDR:
        return RSN_TARGET_REFER
    if host_allowed(s, u):
        return 0
    # A transfer names a party of the call: the sender's own side will do too.
    return 0 if name_match(s.policy, s.p, u, s.peer_index) & NAME_OWNER else RSN_TARGET_REFER


# Behind a To tag the Request-URI may be the far side's Contact, which names its trunk group, but never a routing number.
# What isn't an INVITE or REFER ends or changes a call, or opens none.
cdef inline bint routing_finding(Screen *s) noexcept nogil:
    cdef int found = uri_routing(s.p, &s.m.uri)
    if EA_LIKELY(found == 0) or s.m.to_tag.len == 0:
        return found != 0
    return found & ROUTING_NUMBER and (s.m.method == M_INVITE or s.m.method == M_REFER)


# target: where the request asks to go (design: the proxy's laws on Request-URI and Route).
cdef int op_target(Screen *s) noexcept nogil:
    cdef Uri *u = &s.m.uri
    cdef EaAddr contact
    cdef int found
    s.found = s.m.routes_total
    s.limit = s.own_routes
    if EA_UNLIKELY(uris_with_headers(s)):
        return RSN_TARGET_HEADERS
    if s.m.present >> H_REFER_TO & 1:
        found = refer_finding(s)
        if found:
            return found
    if s.cookie_state == COOKIE_GOOD and s.cookie.emergency:
        return 0
    if s.dir == DIR_TRUNK and not s.peer.asserts & ASSERT_ROUTING and routing_finding(s):
        return RSN_TARGET_ROUTING
    if s.cookie_state == COOKIE_GOOD:
        # The next hop is checked where it is chosen, in route.pxi; the ones behind it may each become the Request-URI.
        return RSN_TARGET_ROUTE if EA_UNLIKELY(s.m.routes_total > s.m.routes) and routes_unread(s) else 0
    if s.m.to_tag.len:
        if (s.m.method != M_ACK and s.m.method != M_CANCEL and s.now >= s.policy.grace_until
                and s.peer.mode[s.policy.reason_rule[RSN_DIALOG_PROOF]] == MODE_ENFORCE):
            return 0                # `dialog` refuses it
        if route_contact(s, &contact) != NO_PEER:
            return 0
    if not uri_is_sip(u) and u.scheme != SCHEME_TEL and s.dir == DIR_TRUNK and (
            s.peer.mode[s.policy.reason_rule[RSN_SCHEME]] == MODE_ENFORCE):
        return 0                    # interface answers it, with the better status
    if u.scheme != SCHEME_TEL and (u.flags & URI_MADDR or s.uri_names == 0):
        return RSN_TARGET_HOST
    if s.m.routes_total > s.own_routes and not (s.m.to_tag.len and routes_allowed(s)):
        return RSN_TARGET_ROUTE
    return 0


# More Routes than were read, where what they name matters: not in what ends a call or belongs to its setup.
cdef bint routes_unread(Screen *s) noexcept nogil:
    return s.dir == DIR_TRUNK and not s.cookie.from_service and s.m.method != M_BYE and s.m.method != M_PRACK


# An in-dialog request without proof (grace): its further Routes must stay with the peer it goes to.
cdef bint routes_allowed(Screen *s) noexcept nogil:
    cdef int i
    if s.m.routes_total > s.m.routes or lane_of_routes(s) != LANE_NONE:
        return False
    for i in range(s.own_routes, s.m.routes):
        if not host_allowed(s, &s.m.route[i]):
            return False
    return True


cdef bint body_type_listed(Screen *s, const uint8_t *type_, uint32_t n) noexcept nogil:
    cdef uint32_t at = 0, length
    while at < s.policy.body_type_bytes:
        length = s.policy.body_types[at]
        if length == n and ea_same_fold(type_, <const char *>s.policy.body_types + at + 1, n):
            return True
        at += length + 1
    return False


cdef bint body_allowed(Screen *s) noexcept nogil:
    cdef uint32_t body = s.m.length - s.m.header_end, n
    cdef const uint8_t *type_ = s.p + s.m.content_type.off
    if body == 0:
        return True
    n = ea_find(type_, 0, s.m.content_type.len, b';')
    while n and type_[n - 1] <= 32:
        n -= 1
    if body_type_listed(s, type_, n):
        return True
    if n > 10 and ea_same_fold(type_, b"multipart/", 10):
        return memmem(s.p + s.m.header_end, body, b"application/sdp", 15) != NULL
    return False


# interface: what the upstream offers: methods, schemes, extensions, bodies.
cdef int op_interface(Screen *s) noexcept nogil:
    cdef uint32_t allowed = s.policy.peers[s.peer.upstream].methods if s.dir == DIR_TRUNK else s.policy.interface_methods
    if s.m.to_tag.len:
        allowed |= s.policy.dialog_methods
    s.found = s.m.method
    s.limit = allowed
    if s.m.method == M_UNKNOWN:
        return RSN_METHOD_UNKNOWN
    if not allowed >> s.m.method & 1:
        return RSN_METHOD
    if s.m.uri.scheme == SCHEME_URN or s.m.uri.scheme == SCHEME_OTHER:
        return RSN_SCHEME
    if s.m.present >> H_PROXY_REQUIRE & 1:
        return RSN_PROXY_REQUIRE
    s.found = s.m.length
    s.limit = s.policy.interface_max_bytes
    if s.m.length > s.policy.interface_max_bytes:
        return RSN_BODY_SIZE
    if not body_allowed(s):
        return RSN_BODY_TYPE
    return 0
