# screen.pxi: one message to one verdict.
#
# Order: source, structure, emergency lane, transaction cache, then the rows of
# the policy, cheap ones first, up to the first finding in enforce mode; findings
# in monitor mode are collected. What is decided for the first copy of a request
# holds for its copies, its CANCEL and its ACK. It never writes to the packet and
# never sends.

cdef enum:
    OPS_ALL = 0x7fffffff
    OPS_STRUCTURE = 1 << OP_HOPS | 1 << OP_TARGET | 1 << OP_INTERFACE | 1 << OP_DIALOG
    OPS_CALLER = (1 << OP_CALLER_FORMAT | 1 << OP_CALLER_OWNED | 1 << OP_CALLER_CONSISTENT
                  | 1 << OP_CALLER_ANONYMOUS | 1 << OP_DO_NOT_ORIGINATE | 1 << OP_DISPLAY_NAME)
    OPS_CALLEE = 1 << OP_DESTINATION | 1 << OP_TOLL_FRAUD | 1 << OP_DO_NOT_CALL | 1 << OP_CALLING_HOURS
    OPS_BEHAVIOUR = (1 << OP_DISPERSAL | 1 << OP_SEQUENTIAL | 1 << OP_SHORT_CALLS | 1 << OP_LOW_ANSWER | 1 << OP_WANGIRI)
    OPS_NEW_CALL = (OPS_STRUCTURE | OPS_CALLER | OPS_CALLEE | OPS_BEHAVIOUR | 1 << OP_SCANNER | 1 << OP_OPEN_RATE | 1 << OP_TRUNK_RATE
                    | 1 << OP_CALLER_RATE | 1 << OP_CALLEE_RATE | 1 << OP_OVERLOAD | 1 << OP_OWN_NUMBER_INBOUND)
    OPS_NEW_OTHER = OPS_STRUCTURE | 1 << OP_SCANNER | 1 << OP_OPEN_RATE | 1 << OP_METHOD_RATE | 1 << OP_OVERLOAD


cdef inline void decide(Screen *s, int action, int reason) noexcept nogil:
    s.v.action = <uint8_t>action
    s.v.reason = <uint16_t>reason
    s.v.rule = s.policy.reason_rule[reason]
    s.v.status = ea_reasons[reason].status if action == ACT_ANSWER else 0


ctypedef int (*Op)(Screen *s) noexcept nogil

# In the order of OP_.
cdef Op OPS[OP_COUNT]
OPS[:] = [op_hops, op_target, op_interface, op_dialog, op_overload, op_scanner, op_source_rate, op_open_rate,
          op_trunk_rate, op_method_rate, op_trunk_calls, op_caller_rate, op_callee_rate, op_caller_format, op_caller_owned,
          op_caller_consistent, op_caller_anonymous, op_do_not_originate, op_display_name, op_own_number_inbound,
          op_forged_marking, op_destination, op_toll_fraud, op_do_not_call, op_calling_hours, op_dispersal, op_sequential,
          op_short_calls, op_low_answer, op_wangiri]


# What a rule found, by its mode for this peer: True when it decides, else it is only recorded.
cdef bint screen_finding(Screen *s, int rule, int reason) noexcept nogil:
    # A reason without a status refuses nothing in any mode: a marking that is taken out as the message goes on.
    if s.peer.mode[rule] == MODE_MONITOR or ea_reasons[reason].status == 0:
        if s.v.monitored == 0:
            s.v.value = s.found
            s.v.limit = s.limit
            s.v.finding = <uint16_t>reason
        s.v.monitored |= <uint64_t>1 << rule
        if ea_reasons[reason].status:
            s.v.refusable |= <uint64_t>1 << rule
        return False
    decide(s, ACT_ANSWER, reason)
    if reason == RSN_TRUNK_RATE or reason == RSN_TRUNK_CALLS:
        s.v.status = s.peer.over_limit
    s.v.value = s.found
    s.v.limit = s.limit
    return True


# The rows of these ops on this request. True when one decided.
cdef bint screen_rows(Screen *s, uint32_t ops) noexcept nogil:
    cdef uint64_t left = ops & s.ops & s.peer.ops
    cdef size_t op
    cdef int reason
    if s.trace != NULL:
        return screen_rows_told(s, ops)
    while left:
        op = ea_low_bit(left)
        left &= left - 1
        reason = OPS[op](s)
        if EA_UNLIKELY(reason != 0) and screen_finding(s, s.policy.op_rule[op], reason):
            return True
    return False


# The same for explain: every row leaves a step, and the rows behind the one that decides tell what they see.
cdef bint screen_rows_told(Screen *s, uint32_t ops) noexcept nogil:
    cdef TraceStep *step
    cdef int op
    for op in range(OP_COUNT):
        if not ops & s.policy.ops & <uint32_t>1 << op:
            continue
        step = &s.trace.step[s.trace.count]
        s.trace.count += 1
        memset(step, 0, sizeof(TraceStep))
        step.rule = s.policy.op_rule[op]
        step.mode = s.peer.mode[step.rule]
        step.applies = s.ops & s.peer.ops & <uint32_t>1 << op != 0
        if not step.applies:
            continue
        step.reason = <uint16_t>OPS[op](s)
        step.value = s.found
        step.limit = s.limit
        if step.reason and s.v.action == ACT_NONE:
            screen_finding(s, step.rule, step.reason)
    return s.v.action != ACT_NONE


# Where the answer to this request goes.
cdef inline void screen_address(Screen *s) noexcept nogil:
    cdef Via *via = &s.m.via[0]
    s.reply_to = s.packet.source
    if s.m.vias and via.rport < 0:
        s.reply_to.port = via.port if via.port else 5060


# Of the next Via, the call, and whose request it is.
cdef void screen_key(Screen *s) noexcept nogil:
    cdef EaSum sum = s.via
    ea_sum_pair(&sum, s.call_key, s.packet.source.lo ^ s.packet.source.hi ^ s.peer.id)
    s.key = txn_key(ea_sum_mac(&sum, &s.state.keys.table))


# The first of two passes over a group of messages: what the second will look up is fetched meanwhile.
cdef void screen_prepare(Screen *s) noexcept nogil:
    cdef bint keyed
    if s.m.kind != KIND_REQUEST:
        return
    screen_address(s)
    if s.peer == NULL:
        return
    call_id_sum(s.state, s.p, s.m, &s.via)
    keyed = s.m.method == M_INVITE or s.m.method == M_ACK or s.m.method == M_CANCEL
    if keyed:
        s.call_key = call_key(s.state, s.p, &s.via, s.m.from_tag)
        if s.m.method == M_INVITE:
            lease_prefetch(&s.state.leases, s.call_key)
    if s.m.vias:
        via_sum(s.p, s.m, &s.m.via[0], &s.reply_to, &s.via)
    if keyed:
        screen_key(s)
        txn_prefetch(&s.state.transactions, s.key)
        if s.m.method == M_INVITE and s.m.to_tag.len == 0 and s.m.reason == 0:
            parties_prefetch(s)
            originate_prefetch(s)
            do_not_call_prefetch(s)


# What they brought says what else will be looked up: fetched while the message before is screened.
cdef inline void screen_ahead(Screen *s) noexcept nogil:
    if s.parties.known:
        lease_prefetch_free(&s.state.leases, s.call_key)
        caller_prefetch_place(s)


# A keyed digest of all that is screened.
cdef void screen_digest(Screen *s) noexcept nogil:
    cdef uint64_t headers = (
        <uint64_t>1 << H_FROM | <uint64_t>1 << H_TO | <uint64_t>1 << H_P_ASSERTED_IDENTITY
        | <uint64_t>1 << H_P_PREFERRED_IDENTITY | <uint64_t>1 << H_REMOTE_PARTY_ID | <uint64_t>1 << H_DIVERSION
        | <uint64_t>1 << H_HISTORY_INFO | <uint64_t>1 << H_PRIVACY | <uint64_t>1 << H_IDENTITY
        | <uint64_t>1 << H_RESOURCE_PRIORITY | <uint64_t>1 << H_REQUIRE | <uint64_t>1 << H_USER_AGENT)
    cdef EaSum sum
    cdef Row *row
    cdef int i
    ea_sum_init(&sum, s.state.keys.sum)
    ea_sum_pair(&sum, s.loop, 0)        # Request-URI and Routes
    for i in range(s.m.rows):
        row = &s.m.row[i]
        if headers >> row.id & 1:
            ea_sum_tagged(&sum, s.p + row.value, row.value_len, row.id)
    s.digest = ea_sum_mac(&sum, &s.state.keys.table)


cdef void screen_options(Screen *s) noexcept nogil:
    cdef uint16_t target
    cdef Peer *peer = s.peer if s.dir == DIR_UPSTREAM else &s.policy.peers[s.peer.upstream]
    decide(s, ACT_ANSWER, RSN_OPTIONS_UP if s.dir == DIR_UPSTREAM or route_live(s.policy, peer, &target)
           else RSN_OPTIONS_DOWN)


# What follows an INVITE has its Request-URI and Routes (RFC 3261 §9.1, §17.1.1.3), so they pass where those did.
cdef bint screen_follows(Screen *s, Verdict *was) noexcept nogil:
    s.v.verstat = was.verstat       # every edit made to an INVITE is made to these too
    s.v.vouched = was.vouched
    return (was.route.flags & ROUTE_EMERGENCY) != 0 or op_target(s) == 0


# ACK is never answered (RFC 3261 §17.1.1.3, §13.2.2.4).
cdef void screen_ack(Screen *s) noexcept nogil:
    cdef Verdict was
    cdef bint known
    if s.m.max_forwards == 0:
        decide(s, ACT_DROP, RSN_HOPS)
        return
    if tag_is_own(s.state, s.p, s.m, &s.packet.source, s.now):
        distance_learn(s)
        if s.peer.open and s.trace == NULL:
            caller_ack(s)
        decide(s, ACT_DROP, RSN_ACK_ABSORBED)
        return
    if s.peer.open and s.trace == NULL:
        caller_answer_acked(s)
    known = txn_peek(&s.state.transactions, s.key, s.now, &was)
    if known and s.trace == NULL and not txn_follows(&s.state.transactions, s.key):
        decide(s, ACT_DROP, RSN_COPIES)
        return
    if known and was.action == ACT_ANSWER:
        decide(s, ACT_DROP, RSN_ACK_ABSORBED)
        return
    if known and was.action == ACT_NONE:
        decide(s, ACT_DROP, RSN_ACK_UNMATCHED)      # of a call that waits: nobody has answered it
        return
    # The cookie comes first: some phones send the ACK of a 2xx with its INVITE's branch.
    if s.cookie_state == COOKIE_GOOD:
        distance_learn(s)
        if dialog_limit(s):
            decide(s, ACT_DROP, RSN_DIALOG_RATE)
        elif route_dialog(s) == 0:
            decide(s, ACT_FORWARD, RSN_PASS)
        else:
            decide(s, ACT_DROP, RSN_TARGET_NEXT_HOP)
        return
    if known:
        if screen_follows(s, &was) and route_again(s, &was):
            decide(s, ACT_FORWARD, RSN_PASS)
        else:
            decide(s, ACT_DROP, RSN_ACK_UNMATCHED)
        return
    if screen_stateless(s):
        decide(s, ACT_FORWARD, RSN_PASS)
    else:
        decide(s, ACT_DROP, RSN_ACK_UNMATCHED)


# ACK and CANCEL that match nothing here: on their own merits, within the peer's small budget.
cdef bint screen_stateless(Screen *s) noexcept nogil:
    cdef bint emergency = s.lane != LANE_NONE
    if emergency and (s.dir != DIR_TRUNK or s.peer.emergency != EMERGENCY_ROUTE):
        return False
    if not emergency and op_target(s) != 0:
        return False
    if s.trace == NULL and not rate_take_own(&s.state.peers[s.peer.slot].ack, s.now, &s.policy.ack_budget):
        return False
    return route_choose(s, emergency)


cdef void screen_cancel(Screen *s) noexcept nogil:
    cdef Verdict was
    if s.m.max_forwards == 0:
        decide(s, ACT_ANSWER, RSN_HOPS)
        return
    if txn_peek(&s.state.transactions, s.key, s.now, &was):
        if s.trace == NULL and not txn_follows(&s.state.transactions, s.key):
            decide(s, ACT_DROP, RSN_COPIES)
        elif was.action == ACT_NONE and deferred_cancel(s, was.route.target):
            decide(s, ACT_ANSWER, RSN_CANCEL_DEFERRED)
        elif was.action == ACT_NONE:
            decide(s, ACT_DROP, RSN_CANCEL_UNMATCHED)   # decided this moment: its copy will see how
        elif was.action == ACT_FORWARD and screen_follows(s, &was) and route_again(s, &was):
            decide(s, ACT_FORWARD, RSN_PASS)
        else:
            decide(s, ACT_ANSWER, RSN_CANCEL_UNMATCHED)
    elif s.cookie_state == COOKIE_GOOD:
        if dialog_limit(s):
            decide(s, ACT_ANSWER, RSN_DIALOG_RATE)
        elif route_dialog(s) == 0:
            decide(s, ACT_FORWARD, RSN_PASS)
        else:
            decide(s, ACT_ANSWER, RSN_TARGET_NEXT_HOP)
    elif screen_stateless(s):
        decide(s, ACT_FORWARD, RSN_PASS)
    else:
        decide(s, ACT_ANSWER, RSN_CANCEL_UNMATCHED)


# A request inside a dialog that its cookie proves.
cdef void screen_in_dialog(Screen *s) noexcept nogil:
    cdef int reason
    distance_learn(s)
    s.ops = OPS_STRUCTURE
    # The originator chose its caller ID; the other side's From is what it was called, but its other headers are its own.
    if s.m.method in (M_INVITE, M_UPDATE, M_REFER) and not s.cookie.emergency:
        s.ops |= OPS_CALLER if (s.cookie.from_upstream == 0) == (s.dir == DIR_TRUNK) else 1 << OP_CALLER_CONSISTENT
        if EA_UNLIKELY(marking_any(s.m)) or s.trace != NULL:
            s.ops |= 1 << OP_FORGED_MARKING
        if s.m.present >> H_REFER_TO & 1:
            s.ops |= OPS_CALLEE     # a transfer is a new call
        elif s.m.method == M_INVITE and s.dir == DIR_TRUNK and not s.cookie.from_upstream:
            s.ops |= 1 << OP_DESTINATION
    if screen_rows(s, OPS_ALL):
        return
    reason = dialog_limit(s)
    if reason:
        decide(s, ACT_ANSWER, reason)
        return
    if lane_turns(s):
        return
    reason = route_dialog(s)
    if reason:
        decide(s, ACT_ANSWER, reason)
        return
    decide(s, ACT_FORWARD, RSN_PASS)
    if s.m.method == M_INVITE:
        s.v.route.flags |= ROUTE_RECORD


# A new INVITE: the cache, then the rows, then its way.
cdef void screen_new(Screen *s) noexcept nogil:
    cdef Verdict was
    cdef uint32_t copies = 0
    cdef int seen
    cdef bint call = s.m.method == M_INVITE
    # REFER makes a call too, and says who asks for it.
    s.ops = OPS_NEW_CALL if call or s.m.method == M_REFER else OPS_NEW_OTHER
    # An INVITE with a To tag is of a call that is up, so no new one.
    if call and s.m.to_tag.len == 0:
        s.ops |= 1 << OP_TRUNK_CALLS
    if EA_UNLIKELY(marking_any(s.m)) or s.trace != NULL:
        s.ops |= 1 << OP_FORGED_MARKING
    lane_spares(s)
    if screen_rows(s, OPS_STRUCTURE) and s.trace == NULL:
        return
    if call and s.trace == NULL:
        screen_digest(s)
        seen = txn_find(&s.state.transactions, s.key, s.digest, s.now, &was, &s.first, &copies)
        if seen == TXN_CHANGED:
            decide(s, ACT_ANSWER, RSN_REQUEST_CHANGED)
            return
        if seen == TXN_SAME:
            if copies > MAX_COPIES:
                decide(s, ACT_DROP, RSN_COPIES)
            elif was.action == ACT_NONE:
                s.v.repeated = 1
                decide(s, ACT_ANSWER, RSN_TRYING)
            else:
                screen_repeat(s, &was)
                # The first copy may be the one that got lost: this one is signed as well.
                if EA_UNLIKELY(was.signed_) and s.v.action == ACT_FORWARD and deferred_put(
                        s, s.peer_index, ASK_SIGN, stir_owned(s)):
                    s.v.action = ACT_DEFER
            return
    if s.lane != LANE_NONE:
        if s.v.action == ACT_NONE:
            screen_lane(s)
    elif EA_UNLIKELY(s.peer.distance != MODE_OFF) and distance_finding(s):
        pass
    elif not screen_rows(s, OPS_ALL & ~OPS_STRUCTURE) and s.v.action == ACT_NONE:
        screen_pass(s)
        if call and s.v.action == ACT_FORWARD and s.callback != CALLBACK_YES:
            stir_ask(s)
    if call and s.trace == NULL:
        if s.v.action == ACT_FORWARD:
            screen_goes(s)
        txn_put(&s.state.transactions, s.key, s.digest, s.now, txn_pack(&s.v, s.peer.slot))
    elif s.m.method == M_REFER and s.v.action == ACT_FORWARD:
        s.caller_tag = behaviour_tag(s)
        if s.caller_tag:
            behaviour_call(s)


# A new call that goes on takes its lease, and leaves behind what later messages are asked about.
cdef void screen_goes(Screen *s) noexcept nogil:
    calls_forward(s)
    if s.v.action != ACT_FORWARD:
        return
    if EA_UNLIKELY(s.v.told != 0):
        stir_remember(s)
    if s.dir == DIR_UPSTREAM:
        # The trunk may forward this very call: 200 s is the longest that it rings.
        mark_set(&s.state.marks, passed_hash(
            s.state, s.policy.peers[s.v.route.peer].id,
            uri_called(s),
            uri_canonical(s.p, &s.m.from_, &s.policy.plans[s.peer.plan])), s.now,
            mark_span(s.now, 200000000000ULL, s.policy.forwards_per_call))
    elif s.policy.own_numbers:
        own_number_passes(s)


# Nothing was found: forward, unless nobody is there to take it.
cdef void screen_pass(Screen *s) noexcept nogil:
    cdef uint16_t target
    if not route_choose(s, False):
        decide(s, ACT_ANSWER, RSN_NO_OWNER)
        return
    if not route_live(s.policy, &s.policy.peers[s.v.route.peer], &target):
        decide(s, ACT_ANSWER, RSN_UPSTREAM_DOWN)
        return
    decide(s, ACT_FORWARD, RSN_EMERGENCY_CALLBACK if s.callback == CALLBACK_YES else RSN_PASS)
    if s.m.method == M_INVITE or s.m.method == M_REFER or s.m.method == M_SUBSCRIBE:
        s.v.route.flags |= ROUTE_RECORD


cdef void screen_repeat(Screen *s, Verdict *was) noexcept nogil:
    s.v.repeated = 1
    decide(s, was.action, was.reason)
    s.v.status = was.status
    s.v.route.target = was.route.target
    if was.action == ACT_FORWARD:
        if not route_again(s, was):
            decide(s, ACT_ANSWER, RSN_NO_OWNER)
            return
        s.v.route.flags |= was.route.flags & (ROUTE_RECORD | ROUTE_EMERGENCY)
        s.v.verstat = was.verstat
        s.v.vouched = was.vouched


cdef void screen_request(Screen *s) noexcept nogil:
    s.v.refusable = s.v.monitored       # before it was read only source-rate looked at it
    route_own(s)
    s.loop = loop_hash(s.state, s.p, s.m, s.peer.id)
    # Inside a dialog an upstream names a trunk's Contact, and an extension may be called 112.
    if s.dir == DIR_TRUNK or s.m.to_tag.len == 0:
        s.lane = <uint8_t>emergency_match(&s.policy.emergencies[s.peer.emergency_table], s.p, &s.m.uri)
    if EA_UNLIKELY(s.held != 0) and caller_held(s):
        return
    if EA_UNLIKELY(s.m.reason != 0) and not screen_soft(s):
        return
    if s.m.method == M_ACK:
        screen_ack(s)
    elif s.m.method == M_CANCEL:
        screen_cancel(s)
    elif s.m.method == M_OPTIONS and s.m.to_tag.len == 0 and s.uri_names & NAME_SELF:
        screen_options(s)
    elif screen_refer_lane(s) != LANE_NONE:
        decide(s, ACT_ANSWER, RSN_EMERGENCY_REFER)
    elif s.m.to_tag.len and s.cookie_state == COOKIE_GOOD:
        screen_in_dialog(s)
    else:
        screen_new(s)


# The refusal of an INVITE that has a To tag can't carry ours: the cache must tell its ACK.
cdef void screen_remember(Screen *s) noexcept nogil:
    if s.m.method != M_INVITE or s.m.to_tag.len == 0 or s.trace != NULL:
        return
    txn_put(&s.state.transactions, s.key, 0, s.now, txn_pack(&s.v, s.peer.slot))


# Answers that no call needs have a budget: who writes a peer's address on packets makes us send no more than that.
# OPTIONS has its own, as a peer that gets no answer to it may take us for dead. A call to an emergency service is told
# what is wrong with it, whatever else its trunk seems to send.
cdef void screen_answer(Screen *s) noexcept nogil:
    cdef PeerCells *cells = &s.state.peers[s.peer.slot]
    if s.trace != NULL or rate_take_own(&cells.answers if s.m.reason else &cells.options, s.now, &s.policy.answers):
        return
    if s.m.method == M_INVITE and s.lane != LANE_NONE:
        return
    decide(s, ACT_DROP, RSN_ANSWER_LIMIT)


cdef void screen_message(Screen *s) noexcept nogil:
    cdef int reason
    if s.m.kind == KIND_KEEPALIVE:
        decide(s, ACT_DROP, RSN_KEEPALIVE)
    elif s.peer == NULL:
        screen_unknown(s)
    elif EA_UNLIKELY(s.held != 0) and (s.m.kind == KIND_RESPONSE or s.m.core):
        caller_held(s)
    elif s.m.kind == KIND_RESPONSE:
        reason = screen_soft_response(s) if s.m.reason else route_response(s)
        decide(s, ACT_DROP if reason else ACT_FORWARD, reason)
        if EA_UNLIKELY(300 <= s.m.status < 400) and reason == 0:
            screen_redirect(s)
        if reason == 0:
            distance_learn(s)
            stir_tell(s)
            if EA_UNLIKELY(marking_any(s.m)):
                marking_response(s)
    elif s.m.core:
        lane_of_broken(s)
        decide(s, ACT_DROP if s.m.kind != KIND_REQUEST or s.m.method == M_ACK else ACT_ANSWER, s.m.reason)
    else:
        screen_request(s)
    if s.v.action == ACT_ANSWER and s.peer != NULL:
        if s.m.reason or s.v.reason == RSN_OPTIONS_UP or s.v.reason == RSN_OPTIONS_DOWN:
            screen_answer(s)
        screen_remember(s)
    screen_credentials(s)
    if s.m.kind == KIND_REQUEST and s.m.reason == 0:
        evasion_ask(s)


# Credentials go on: what their answer will be read against.
cdef inline void screen_credentials(Screen *s) noexcept nogil:
    if EA_UNLIKELY((s.m.present & (<uint64_t>1 << H_AUTHORIZATION | <uint64_t>1 << H_PROXY_AUTHORIZATION)) != 0):
        if s.m.kind == KIND_REQUEST and s.v.action == ACT_FORWARD and s.dir == DIR_TRUNK and s.trace == NULL:
            caller_credentials(s)
