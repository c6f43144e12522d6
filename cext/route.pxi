# route.pxi: where a message goes on: Routes that name us, the dialog's other side, the upstream, the owner, the next Via.
#
# It fills the verdict's Route and never sends. Everything is chosen from the
# message and the policy alone (RFC 3261 §16.11), so copies, CANCEL and ACK go
# the way their INVITE went; only a target's health may differ, and then the
# transaction cache remembers.

# The one that the message came in at, unless it can't send there (policy/ways.py). Other addresses of a peer are taken
# to lie where its target does.
cdef uint16_t route_listener(Screen *s, EaAddr *to, Target *at) noexcept nogil:
    cdef uint16_t i = s.packet.listener
    if at != NULL and at.able and (at.address.v4 != 0) == (to.v4 != 0):
        return i if at.able >> i & 1 else <uint16_t>at.listener
    if (s.policy.listeners[i].v6 == 0) == (to.v4 != 0):
        return i
    for i in range(<uint16_t>s.policy.listener_count):
        if (s.policy.listeners[i].v6 == 0) == (to.v4 != 0):
            return i
    return s.packet.listener


cdef void route_to(Screen *s, uint16_t peer, uint16_t target, EaAddr *address) noexcept nogil:
    cdef Peer *p = &s.policy.peers[peer]
    s.v.route.peer = peer
    s.v.route.target = target
    s.v.route.address = address[0]
    s.v.route.listener = route_listener(
        s, address, &s.policy.targets[p.first_target + target] if target < p.target_count else NULL)


# The first live target of a peer. False when probes say that none is: a trunk's first contact is tried all the same.
cdef bint route_live(PolicyImage *policy, Peer *peer, uint16_t *target) noexcept nogil:
    cdef uint32_t i
    target[0] = 0
    if not peer.probed:
        return peer.target_count != 0
    for i in range(peer.target_count):
        if policy.targets[peer.first_target + i].up:
            target[0] = <uint16_t>i
            return True
    return peer.kind == PEER_TRUNK and peer.target_count != 0


# The peer has a target: its caller made sure.
cdef bint route_to_peer(Screen *s, uint16_t index) noexcept nogil:
    cdef Peer *peer = &s.policy.peers[index]
    cdef uint16_t target
    cdef bint live = route_live(s.policy, peer, &target)
    route_to(s, index, target, &s.policy.targets[peer.first_target + target].address)
    return live


# The way of an INVITE that was decided before.
cdef bint route_again(Screen *s, Verdict *was) noexcept nogil:
    cdef Peer *peer
    if not route_choose(s, (was.route.flags & ROUTE_EMERGENCY) != 0):
        return False
    peer = &s.policy.peers[s.v.route.peer]
    if was.route.target < peer.target_count:
        route_to(s, s.v.route.peer, was.route.target,
                 &s.policy.targets[peer.first_target + was.route.target].address)
    return True


# Inside a dialog that nothing proves, an upstream names a trunk by its address: the trunk, or NO_PEER.
cdef uint16_t route_contact(Screen *s, EaAddr *address) noexcept nogil:
    cdef Uri *u = &s.m.uri
    cdef uint16_t index
    cdef Peer *peer
    if s.dir != DIR_UPSTREAM or s.m.to_tag.len == 0 or not uri_is_sip(u):
        return NO_PEER
    if not host_address(s.p, u.host, (u.flags & URI_V6) != 0, address):
        return NO_PEER
    address.port = u.port if u.port else 5060
    index = source_peer(s.policy, address, True)
    if index == NO_PEER:
        return NO_PEER
    peer = &s.policy.peers[index]
    return index if s.peer_index == peer.upstream or s.peer_index == peer.emergency_upstream else NO_PEER


# Out of a dialog: a trunk's request goes to its upstream, an upstream's to the
# trunk that owns the called number. False when there is no such peer.
cdef bint route_choose(Screen *s, bint emergency) noexcept nogil:
    cdef uint16_t index
    cdef uint64_t number
    cdef EaAddr contact
    index = route_contact(s, &contact)
    if index != NO_PEER:
        route_to(s, index, 0, &contact)
        return True
    if s.dir == DIR_TRUNK:
        index = s.peer.emergency_upstream if emergency else s.peer.upstream
        if emergency:
            s.v.route.flags |= ROUTE_EMERGENCY
            if s.m.routes_total:
                s.v.route.flags |= ROUTE_CUT
                s.v.route.pop = 0
    else:
        number = uri_called(s)
        index = number_owner(s.policy, number) if number else NO_PEER
    if index == NO_PEER:
        return False
    if s.policy.peers[index].target_count == 0:
        return False                # a trunk without contact: nobody is there
    if s.uri_names & NAME_SELF:
        s.v.route.flags |= ROUTE_URI_HOST
    route_to_peer(s, index)
    return True


# Leading Routes that name us, the cookie they carry, and the strict router's form (RFC 3261 §16.4).
cdef void route_own(Screen *s) noexcept nogil:
    cdef SipMsg *m = s.m
    cdef Uri *first
    cdef int i
    s.uri_written = m.uri.whole
    if uri_is_sip(&m.uri):
        s.uri_names = <uint8_t>name_match(
            s.policy, s.p, &m.uri, s.peer.upstream if s.dir == DIR_TRUNK else OWNER_SELF)
    if (m.routes_total and m.routes == m.routes_total and m.uri.user.len and m.to_tag.len
            and s.uri_names & NAME_SELF and cookie_check(s, m.uri.user)):
        s.v.route.flags |= ROUTE_STRICT_IN
        m.routes -= 1
        m.routes_total -= 1
        m.uri = m.route[m.routes]
        s.uri_names = 0
        s.uri_number = 0
        return
    for i in range(m.routes):
        if not uri_is_own(s.policy, s.p, &m.route[i]):
            break
        first = &m.route[0]
        # Two Record-Routes of one call (two listeners) carry the same cookie.
        if i and (m.route[i].user.len != first.user.len
                  or memcmp(s.p + m.route[i].user.off, s.p + first.user.off, first.user.len) != 0):
            break
        s.own_routes += 1
    s.v.route.pop = s.own_routes
    if s.own_routes and m.to_tag.len:
        s.cookie_state = COOKIE_GOOD if cookie_check(s, m.route[0].user) else COOKIE_BAD


cdef bint cookie_check(Screen *s, Slice user) noexcept nogil:
    cdef uint16_t trunk
    cdef Peer *peer
    if not cookie_get(s.state, s.p, user, s.m, &s.cookie, s.dir == DIR_UPSTREAM):
        return False
    trunk = peer_by_id(s.policy, s.cookie.peer_id)
    if trunk == NO_PEER:
        return False
    peer = &s.policy.peers[trunk]
    if s.dir == DIR_TRUNK:
        if trunk != s.peer_index:
            return False
    elif s.peer_index != (peer.emergency_upstream if s.cookie.emergency else peer.upstream):
        return False
    # Any address could send what another caller of an open trunk was given.
    if s.peer.open and not s.cookie.from_upstream and not caller_same(&s.packet.source, &s.cookie.originator):
        return False
    s.cookie_state = COOKIE_GOOD
    return True


# May a dialog's next hop have this port? Not one of the system's services, unless a target has it.
cdef bint route_port(PolicyImage *policy, Peer *peer, uint16_t port) noexcept nogil:
    cdef uint32_t i
    if port >= 1024:
        return True
    for i in range(peer.target_count):
        if policy.targets[peer.first_target + i].address.port == port:
            return True
    return False


# Inside a proven dialog: to the originator's flow as the cookie says, or to the
# other peer where Route or Request-URI name it. RSN_ when they name another.
cdef int route_dialog(Screen *s) noexcept nogil:
    cdef uint16_t trunk = peer_by_id(s.policy, s.cookie.peer_id), other
    cdef Peer *peer = &s.policy.peers[trunk]
    cdef Uri *next_ = &s.m.route[s.own_routes] if s.m.routes > s.own_routes else &s.m.uri
    cdef bint v6 = (next_.flags & URI_V6) != 0
    cdef EaAddr address
    other = trunk if s.dir == DIR_UPSTREAM else (peer.emergency_upstream if s.cookie.emergency else peer.upstream)
    if other == NO_PEER:
        return RSN_TARGET_NEXT_HOP      # a reload took the emergency route away
    if s.cookie.emergency:
        s.v.route.flags |= ROUTE_EMERGENCY
    if s.m.routes > s.own_routes and not next_.flags & URI_LR and s.m.routes == s.m.routes_total:
        s.v.route.flags |= ROUTE_STRICT_OUT
    if (s.cookie.from_upstream != 0) == (s.dir == DIR_TRUNK):
        s.v.route.flags |= ROUTE_REVERSE
        route_to(s, other, 0, &s.cookie.originator)
        return 0
    peer = &s.policy.peers[other]
    if uri_is_sip(next_):
        if host_address(s.p, next_.host, v6, &address):
            address.port = next_.port if next_.port else 5060
            if (source_belongs(s.policy, &address, other) and route_port(s.policy, peer, address.port)
                    and not uri_is_own(s.policy, s.p, next_)):
                route_to(s, other, 0, &address)
                return 0
        elif peer.target_count and name_match(s.policy, s.p, next_, other) & NAME_OWNER:
            route_to_peer(s, other)
            return 0
    # A trunk behind NAT names its inside address; its configured contact is the way to it.
    if peer.kind == PEER_TRUNK and peer.target_count:
        route_to_peer(s, other)
        return 0
    return RSN_TARGET_NEXT_HOP


# Where a Via says its response goes (RFC 3261 §18.2.2, RFC 3581 §4). False when it names no address.
cdef bint via_address(const uint8_t *p, Via *via, EaAddr *to) noexcept nogil:
    cdef Slice host = via.host
    cdef bint v6 = via.v6
    if via.received.len:
        host = via.received
        v6 = memchr(p + host.off, b':', host.len) != NULL
        # RFC 5118 §4.5: with and without brackets.
        if v6 and host.len > 2 and p[host.off] == b'[':
            host.off += 1
            host.len -= 2
    if not host_address(p, host, v6, to):
        return False
    to.port = <uint16_t>via.rport if via.rport > 0 else (via.port if via.port else 5060)
    return True


# The listener as the branch has it: with the lane's bits.
cdef inline uint16_t route_came_by(Screen *s) noexcept nogil:
    if EA_LIKELY(not s.v.route.flags & ROUTE_EMERGENCY):
        return s.packet.listener
    # Tests, and what is asked inside a dialog.
    return s.packet.listener | BRANCH_LANE | (
        0 if s.lane == LANE_CALL and s.cookie_state != COOKIE_GOOD else BRANCH_CALM)


# The MAC of the branch that this request goes on with: its lease knows the transaction by it.
cdef uint64_t route_mac(Screen *s) noexcept nogil:
    if s.mac == 0:
        s.mac = branch_mac(s.state, &s.via, s.loop, s.policy.peers[s.v.route.peer].id, route_came_by(s))
    return s.mac


# A response: is it to a request that we forwarded, from the peer it went to? Then to its next Via.
cdef int route_response(Screen *s) noexcept nogil:
    cdef SipMsg *m = s.m
    cdef const uint8_t *branch = s.p + m.via[0].branch.off
    cdef uint64_t listener, peer_id, loop, mac
    cdef EaSum sum
    cdef uint16_t peer, trunk
    cdef bint calm = True
    if m.via[0].branch.len != OWN_BRANCH_LEN or memcmp(branch, b"z9hG4bKea1", 10) != 0:
        return RSN_RESPONSE_UNMATCHED
    if not (ea_get_hex(branch + 10, 2, &listener) and ea_get_hex(branch + 12, 8, &peer_id)
            and ea_get_hex(branch + 20, 16, &loop) and ea_get_hex(branch + 36, 16, &mac)):
        return RSN_RESPONSE_UNMATCHED
    if m.vias < 2 or not via_address(s.p, &m.via[1], &s.reply_to):
        return RSN_RESPONSE_ROUTE
    call_id_sum(s.state, s.p, m, &sum)
    via_sum(s.p, m, &m.via[1], &s.reply_to, &sum)
    if branch_mac(s.state, &sum, loop, <uint32_t>peer_id, <uint16_t>listener) != mac:
        return RSN_RESPONSE_UNMATCHED
    peer = peer_by_id(s.policy, <uint32_t>peer_id)
    if peer == NO_PEER or not source_belongs(s.policy, &s.packet.source, peer):
        return RSN_RESPONSE_SOURCE
    if listener & BRANCH_LANE:
        s.v.route.flags = ROUTE_EMERGENCY
        calm = (listener & BRANCH_CALM) != 0
        listener &= ~<uint64_t>(BRANCH_LANE | BRANCH_CALM)
    if listener >= s.policy.listener_count:
        return RSN_RESPONSE_ROUTE
    trunk = source_peer(s.policy, &s.reply_to, False)
    s.v.route.peer = trunk
    s.v.route.listener = <uint16_t>listener
    s.v.route.address = s.reply_to
    s.v.route.flags |= ROUTE_RESPONSE
    if EA_UNLIKELY((s.policy.peers[peer].overload_control & OC_HEED) != 0) and s.trace == NULL:
        overload_told(s, &s.policy.peers[peer])
    if s.trace == NULL:
        lease_response(s, peer, trunk, mac)
    if (m.status == 401 or m.status == 407) and m.method == M_INVITE and trunk != NO_PEER and s.trace == NULL:
        mark_set(&s.state.marks, challenge_hash(s.state, s.p, m, s.policy.peers[trunk].id), s.now, 32000000000ULL)
    if EA_UNLIKELY(not calm) and m.method == M_INVITE and m.status // 100 == 2 and s.trace == NULL:
        callback_grant(s, peer, trunk)
    if trunk != NO_PEER:
        caller_response(s, trunk, loop)
    return 0
