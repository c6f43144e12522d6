# lane.pxi: what becomes of an emergency call, and of what belongs to one, once emergency.pxi has matched it.
#
# Routed for a trunk that may, redirected or refused with notice for everybody
# else; spared what a call can do without. It never looks at a caller's rights to a number.

# What a trunk may send to an emergency service. INVITE opens a call, and the others here follow one, perhaps without
# their proof; more (a MESSAGE where texts are answered, OPTIONS) only where the emergency upstream's `methods` say so.
# A REFER would have the service call somebody.
cdef uint32_t lane_methods(Screen *s) noexcept nogil:
    return (1 << M_INVITE | 1 << M_ACK | 1 << M_CANCEL | 1 << M_BYE | 1 << M_PRACK | 1 << M_UPDATE | 1 << M_INFO
            | s.policy.peers[s.peer.emergency_upstream].methods & ~(<uint32_t>1 << M_REFER))


# What of a trunk that is redirected gets a 302: calls, and texts and OPTIONS where the emergency upstream's `methods` list them.
cdef inline bint lane_redirectable(Screen *s) noexcept nogil:
    return s.m.method == M_INVITE or (s.m.method == M_MESSAGE or s.m.method == M_OPTIONS) and lane_methods(s) >> s.m.method & 1


# Who calls for help: From's number, or the asserted one where From names none; 0: nobody does.
cdef inline uint64_t lane_caller(Screen *s) noexcept nogil:
    cdef Caller *c = caller_of(s)
    return c.from_ if c.from_ else c.asserted


# The asserted number that isn't From's; 0: there is none.
cdef inline uint64_t lane_asserted(Screen *s) noexcept nogil:
    cdef Caller *c = caller_of(s)
    return c.asserted if c.asserted != c.from_ else 0


# Is it a number of the trunk? Any caller is helped; who isn't the trunk's is told of, and waits where calls are too many.
cdef inline bint lane_owned(Screen *s) noexcept nogil:
    cdef uint64_t caller = lane_caller(s)
    return caller != 0 and peer_owns(s.policy, s.peer, caller)


# An emergency call: routed for a trunk that may, told where to go or refused, with notice, for everybody else.
cdef void screen_lane(Screen *s) noexcept nogil:
    cdef int reason
    if s.dir != DIR_TRUNK or s.peer.emergency == EMERGENCY_REJECT or (
            s.peer.emergency == EMERGENCY_REDIRECT and not lane_redirectable(s)):
        decide(s, ACT_ANSWER, RSN_EMERGENCY_NOT_AUTHORISED)
        s.v.value = number_value(s.m.uri.number)
        return
    if s.peer.emergency == EMERGENCY_REDIRECT:
        decide(s, ACT_ANSWER, RSN_EMERGENCY_REDIRECTED)
        route_live(s.policy, &s.policy.peers[s.peer.emergency_upstream], &s.v.route.target)
        return
    if not lane_methods(s) >> s.m.method & 1:
        decide(s, ACT_ANSWER, RSN_EMERGENCY_METHOD)
        return
    # Only calls use the lane's budget up.
    reason = lane_limits(s) if s.m.method == M_INVITE else other_limit(s)
    if reason:
        decide(s, ACT_ANSWER, reason)
        return
    decide(s, ACT_FORWARD, RSN_EMERGENCY_TEST if s.lane == LANE_TEST else RSN_EMERGENCY_ROUTED)
    route_choose(s, True)
    s.v.route.flags |= ROUTE_RECORD
    if EA_UNLIKELY(marking_any(s.m)):
        marking_in_lane(s)
    if s.m.method == M_INVITE and s.lane == LANE_CALL and s.trace == NULL:
        callback_expect(s)


# To names an emergency service, the Request-URI somebody else: that is where the call goes, so it is only recorded.
cdef inline void lane_to(Screen *s) noexcept nogil:
    if s.m.method != M_INVITE or s.m.to_tag.len or s.dir != DIR_TRUNK:
        return
    if EA_UNLIKELY(emergency_match(&s.policy.emergencies[s.peer.emergency_table], s.p, &s.m.to) != LANE_NONE):
        s.v.monitored |= <uint64_t>1 << s.policy.reason_rule[RSN_EMERGENCY_TO]
        s.v.finding = RSN_EMERGENCY_TO


# Which rows a new request is spared: nearly all in the lane, those of calls where somebody calls back.
cdef inline void lane_spares(Screen *s) noexcept nogil:
    if s.lane != LANE_NONE:
        s.ops = 1 << OP_HOPS
    elif EA_UNLIKELY(callback_open(s)):
        s.ops &= 1 << OP_HOPS | 1 << OP_TARGET | 1 << OP_INTERFACE | 1 << OP_DIALOG
    else:
        lane_to(s)


# A call that can't be read was one for help all the same, where its Request-URI says so.
cdef void lane_of_broken(Screen *s) noexcept nogil:
    if s.m.method == M_INVITE and s.m.uri.scheme != SCHEME_NONE:
        s.lane = <uint8_t>emergency_match(&s.policy.emergencies[s.peer.emergency_table], s.p, &s.m.uri)


# A Route behind ours may be a Request-URI to come: a strict router's becomes it here, another's where the Routes before
# it are used up (RFC 3261 §16.4, §16.6 step 6). The emergency service that a trunk's Routes name; `target` lets none go
# on that weren't read.
cdef int lane_of_routes(Screen *s) noexcept nogil:
    cdef uint32_t i
    cdef int lane
    if s.dir != DIR_TRUNK or EA_LIKELY(s.m.routes_total == s.own_routes):
        return LANE_NONE
    for i in range(s.own_routes, s.m.routes):
        lane = emergency_match(&s.policy.emergencies[s.peer.emergency_table], s.p, &s.m.route[i])
        if lane != LANE_NONE:
            return lane
    return LANE_NONE


# Inside an ordinary dialog the Request-URI or a Route became an emergency number: the far side of that call is no PSAP,
# so an emergency call needs an INVITE of its own. What ends the call or belongs to its setup passes, and so does what
# goes back to one who called from such a number (the cookie says so, an answer's To is its writer's): a PSAP that calls
# back has a Contact like that. True when refused.
cdef bint lane_turns(Screen *s) noexcept nogil:
    cdef int lane = s.lane if EA_UNLIKELY(s.lane != LANE_NONE) else lane_of_routes(s)
    if EA_LIKELY(lane == LANE_NONE) or s.cookie.emergency or s.cookie.from_service:
        return False
    if s.m.method == M_BYE or s.m.method == M_PRACK:
        return False
    s.lane = <uint8_t>lane
    decide(s, ACT_ANSWER, RSN_EMERGENCY_DIALOG if s.peer.emergency != EMERGENCY_REJECT else RSN_EMERGENCY_NOT_AUTHORISED)
    return True


# A message whose soft faults its call survives goes on with every header as it came. Nothing of it is used but
# what a call is set up with.
cdef void screen_admit(Screen *s) noexcept nogil:
    s.v.finding = s.m.reason
    s.v.monitored |= <uint64_t>1 << s.policy.reason_rule[s.m.reason]
    s.m.reason = 0
    s.m.identities = 0
    s.m.contacts = 0


# Soft faults alone: True for an emergency call of a trunk that may make them, and for what follows in its dialog,
# where a Route has a say in the way and so must be readable. Everybody else is refused.
cdef bint screen_soft(Screen *s) noexcept nogil:
    cdef bint spared = s.lane != LANE_NONE and s.dir == DIR_TRUNK and s.peer.emergency != EMERGENCY_REJECT
    if s.cookie_state == COOKIE_GOOD:
        spared = s.cookie.emergency and not s.m.routes_total & ROUTES_BROKEN
    if spared:
        screen_admit(s)
    else:
        decide(s, ACT_DROP if s.m.method == M_ACK else ACT_ANSWER, s.m.reason)
    return spared


# The same of a response: does its branch say, and prove, that it belongs to the lane?
cdef int screen_soft_response(Screen *s) noexcept nogil:
    cdef int reason = s.m.reason
    cdef Slice branch
    cdef uint64_t listener
    if s.m.core:
        return reason
    branch = s.m.via[0].branch
    if branch.len != OWN_BRANCH_LEN or not ea_get_hex(s.p + branch.off + 10, 2, &listener):
        return reason
    if not listener & BRANCH_LANE or route_response(s):
        return reason
    screen_admit(s)
    return 0


# A transfer to an emergency service would be made by the other side, unseen here: only a PSAP's own call may go there.
cdef int screen_refer_lane(Screen *s) noexcept nogil:
    if s.m.present >> H_REFER_TO & 1 and not (s.cookie_state == COOKIE_GOOD and s.cookie.emergency):
        return emergency_match(&s.policy.emergencies[s.peer.emergency_table], s.p, &s.m.refer_to)
    return LANE_NONE


# Does a redirection lead to an emergency service? Of more Contacts than are kept nobody can tell.
cdef bint lane_redirects(Screen *s, Peer *trunk) noexcept nogil:
    cdef uint32_t i
    if s.m.contacts > MAX_CONTACTS:
        return True
    for i in range(s.m.contacts):
        if emergency_match(&s.policy.emergencies[trunk.emergency_table], s.p, &s.m.contact[i]) != LANE_NONE:
            return True
    return False


cdef void lane_refuses(Screen *s, int reason) noexcept nogil:
    decide(s, ACT_FORWARD, reason)
    s.v.status = ea_reasons[reason].status
    s.v.route.flags |= ROUTE_REFUSE


# A 3xx is a transfer by other means. A trunk's would be followed by the cloud, unseen here: its caller is told 403
# instead, which changes no transaction. The cloud's is followed by the trunk, whose INVITE comes through the lane: it
# is only recorded.
cdef void screen_redirect(Screen *s) noexcept nogil:
    if s.dir == DIR_TRUNK:
        if lane_redirects(s, s.peer):
            lane_refuses(s, RSN_EMERGENCY_REDIRECT)
        elif s.peer.ops & (1 << OP_DESTINATION | 1 << OP_TOLL_FRAUD | 1 << OP_DO_NOT_CALL):
            redirect_callees(s)
    elif s.v.route.peer != NO_PEER and s.m.contacts <= MAX_CONTACTS and lane_redirects(
            s, &s.policy.peers[s.v.route.peer]):
        s.v.monitored |= <uint64_t>1 << s.policy.reason_rule[RSN_EMERGENCY_REDIRECT]
        s.v.finding = RSN_EMERGENCY_REDIRECT
