# act.pxi: the one place that carries out a verdict: forward, answer or drop.
#
# Output is written into the arena of OutBatch: the packet's bytes with a few
# edits, so what was screened is what goes on. Every datagram has room of its
# own there; what stands behind the last edit isn't copied but leaves from where it
# came in. It never decides and never sends.

cdef enum:
    MAX_EDITS = 32
    SCRATCH = 128           # received, rport and Max-Forwards, and 16 bytes for ea_copy

cdef const char *ROUTE_OPEN = b"Route: <\0\0\0\0\0\0\0\0"     # padded for ea_copy
cdef const char *ROUTE_CLOSE = b">\r\n\0\0\0\0\0\0\0\0\0\0\0\0\0"

cdef struct Edit:           # replace [off, off + cut) by text
    uint32_t off
    uint32_t cut
    uint32_t len
    const uint8_t *text

cdef struct Edits:
    uint32_t count
    uint8_t *free           # of scratch
    Edit edit[MAX_EDITS]
    uint8_t scratch[SCRATCH]


cdef inline void edits_init(Edits *e) noexcept nogil:
    e.count = 0
    e.free = e.scratch


# Kept in order of offset; equal offsets in order of arrival.
cdef void edit_add(Edits *e, uint32_t off, uint32_t cut, const uint8_t *text, uint32_t n) noexcept nogil:
    cdef uint32_t i = e.count
    if e.count == MAX_EDITS:
        return
    while i and e.edit[i - 1].off > off:
        e.edit[i] = e.edit[i - 1]
        i -= 1
    e.edit[i].off = off
    e.edit[i].cut = cut
    e.edit[i].text = text
    e.edit[i].len = n
    e.count += 1


# Text from `start` (inside scratch) up to `end` becomes an edit.
cdef inline void edit_scratch(Edits *e, uint32_t off, uint32_t cut, uint8_t *end) noexcept nogil:
    edit_add(e, off, cut, e.free, <uint32_t>(end - e.free))
    e.free = end


# [*start, end) of the packet up to behind the last edit that lies in it, where *start is then.
cdef uint8_t *edits_put(uint8_t *to, const uint8_t *p, uint32_t *start, uint32_t end, Edits *e) noexcept nogil:
    cdef uint32_t i
    cdef Edit *one
    for i in range(e.count):
        one = &e.edit[i]
        if one.off < start[0] or one.off + one.cut > end:
            continue
        to = ea_copy(to, p + start[0], one.off - start[0])
        to = ea_copy(to, one.text, one.len)
        start[0] = one.off + one.cut
    return to


# [start, end) of the packet with the edits that lie in it.
cdef uint8_t *edits_copy(uint8_t *to, const uint8_t *p, uint32_t start, uint32_t end, Edits *e) noexcept nogil:
    to = edits_put(to, p, &start, end, e)
    return ea_copy(to, p + start, end - start)


# received and rport of the topmost Via (RFC 3261 §18.2.1, RFC 3581 §4): what the
# sender wrote there himself is overwritten.
cdef void edit_via(Edits *e, Screen *s) noexcept nogil:
    cdef Via *via = &s.m.via[0]
    cdef EaAddr sent_by
    cdef uint8_t *to
    if via.rport >= 0:
        to = e.free
        if via.rport_value.len == 0:
            to = ea_put(to, b"=", 1)
        to = ea_put_uint(to, s.packet.source.port)
        edit_scratch(e, via.rport_value.off, via.rport_value.len, to)
    elif via.received.len == 0 and host_address(s.p, via.host, via.v6, &sent_by) and ea_addr_same_host(
            &sent_by, &s.packet.source):
        return
    to = e.free
    if via.received.len:
        to = ea_put_host(to, &s.packet.source)
        edit_scratch(e, via.received.off, via.received.len, to)
    else:
        to = ea_put(to, b";received=", 10)
        to = ea_put_host(to, &s.packet.source)
        edit_scratch(e, via.value.off + via.value.len, 0, to)


# Cuts the Route values [first, last) that routing used up.
cdef void edit_routes(Edits *e, Screen *s, uint32_t first, uint32_t last) noexcept nogil:
    cdef SipMsg *m = s.m
    cdef Row *row
    cdef uint32_t i = first, k, start, end
    while i < last:
        k = i
        while k + 1 < last and m.route_row[k + 1] == m.route_row[i]:
            k += 1
        row = &m.row[m.route_row[i]]
        start = m.route_value[i].off
        end = m.route_value[k].off + m.route_value[k].len
        if start == row.value and end == row.value + row.value_len:
            edit_add(e, row.off, row.end - row.off, NULL, 0)
        elif end == row.value + row.value_len:
            # The last values of a row: the comma before them goes too.
            start = m.route_value[i - 1].off + m.route_value[i - 1].len
            edit_add(e, start, end - start, NULL, 0)
        else:
            while s.p[end] != b',':
                end += 1
            edit_add(e, start, end + 1 - start, NULL, 0)
        i = k + 1


# From `start` to the message's end, with its edits and without some headers (bits H_): Routes would lead an emergency
# call past its upstream, Contacts of a refusal mean nothing, a forged marking is nobody's.
cdef uint8_t *copy_without(uint8_t *to, Screen *s, uint64_t ids, uint32_t start, Edits *e) noexcept nogil:
    cdef int i
    for i in range(s.m.rows):
        if ids >> s.m.row[i].id & 1:
            to = edits_copy(to, s.p, start, s.m.row[i].off, e)
            start = s.m.row[i].end
    return edits_copy(to, s.p, start, s.m.length, e)


# host[:port] of the Request-URI, brackets too.
cdef Slice uri_authority(const uint8_t *p, Uri *u) noexcept nogil:
    cdef uint32_t start = u.host.off, end = u.host.off + u.host.len, stop = u.whole.off + u.whole.len
    if u.flags & URI_V6:
        start -= 1
        end += 1
    if end < stop and p[end] == b':':
        end = parse_digits(p, end + 1, stop)
    return slice_of(start, end)


cdef uint8_t *put_record_route(uint8_t *to, Screen *s, uint16_t listener, const uint8_t *cookie, uint32_t n) noexcept nogil:
    cdef Listener *l = &s.policy.listeners[listener]
    to = ea_put(to, b"Record-Route: <sip:", 19)
    to = ea_copy(to, cookie, n)
    to = ea_put(to, b"@", 1)
    to = ea_copy(to, s.policy.text + l.sent_by.off, l.sent_by.len)
    return ea_put(to, b";lr>\r\n", 6)


cdef uint8_t *put_own_headers(uint8_t *to, Screen *s) noexcept nogil:
    cdef Route *r = &s.v.route
    cdef Peer *peer = &s.policy.peers[r.peer]
    cdef Listener *l = &s.policy.listeners[r.listener]
    cdef Cookie cookie
    cdef uint8_t text[2 * COOKIE_ROOM]
    cdef uint32_t n
    to = ea_put(to, b"Via: SIP/2.0/UDP ", 17)
    to = ea_copy(to, s.policy.text + l.sent_by.off, l.sent_by.len)
    to = ea_put(to, b";branch=", 8)
    to = branch_put(to, route_came_by(s), peer.id, s.loop, route_mac(s))
    if EA_UNLIKELY((peer.overload_control & OC_HEED) != 0):
        to = ea_put(to, b";oc;oc-algo=\"loss\"", 18)
    to = ea_put(to, b"\r\n", 2)
    if r.flags & ROUTE_RECORD:
        if s.cookie_state == COOKIE_GOOD:
            cookie = s.cookie
        else:
            memset(&cookie, 0, sizeof(Cookie))
            cookie.from_upstream = s.dir == DIR_UPSTREAM
            cookie.peer_id = peer.id if cookie.from_upstream else s.peer.id
            cookie.from_service = cookie.from_upstream and emergency_match(
                &s.policy.emergencies[peer.emergency_table], s.p, &s.m.from_) != LANE_NONE
            cookie.emergency = (r.flags & ROUTE_EMERGENCY) != 0
            cookie.vouched = s.v.vouched
            cookie.originator = s.packet.source
            if s.m.method == M_INVITE:
                cookie.lease = lease_called(s)
        # A re-INVITE's Record-Route changes nothing (RFC 3261 §16.6 step 4), so a new one is as good as none.
        if s.cookie_state != COOKIE_GOOD:
            n = <uint32_t>(cookie_put(text, s.state, &cookie, s.p, s.m) - text)
            to = put_record_route(to, s, r.listener, text, n)
            if r.listener != s.packet.listener:
                to = put_record_route(to, s, s.packet.listener, text, n)
    if s.m.max_forwards == -1:
        to = ea_put(to, b"Max-Forwards: ", 14)
        to = ea_put_uint(to, s.policy.max_forwards)
        to = ea_put(to, b"\r\n", 2)
    if EA_UNLIKELY((r.flags & ROUTE_EMERGENCY) != 0):
        to = put_location(to, s)
    return to


# Without the headers that a URI may carry: those are never sent on (RFC 4475 §3.1.2.11).
cdef inline Slice uri_bare(Uri *u) noexcept nogil:
    cdef Slice bare = u.whole
    if u.flags & URI_HEADERS:
        bare.len = u.params.off + u.params.len - u.whole.off
    return bare


# The start line, with the Request-URI that the next hop must see.
cdef uint8_t *put_start_line(uint8_t *to, Screen *s) noexcept nogil:
    cdef Route *r = &s.v.route
    cdef SipMsg *m = s.m
    cdef Peer *peer = &s.policy.peers[r.peer]
    cdef Target *at
    cdef Slice cut, text
    cdef const uint8_t *source = s.p
    cdef uint32_t rest, end = m.uri.whole.off + m.uri.whole.len
    if r.flags & ROUTE_STRICT_IN:
        cut = s.uri_written
        text = uri_bare(&m.uri)
        end = cut.off + cut.len
    elif r.flags & ROUTE_STRICT_OUT:
        # RFC 3261 §16.6 step 6: the strict router's URI goes into the start line, the target behind the Routes.
        cut = m.uri.whole
        text = uri_bare(&m.route[r.pop])
    elif EA_UNLIKELY((r.flags & ROUTE_EMERGENCY) != 0) and lane_marks(s):
        to = put_marked_uri(ea_copy(to, s.p, m.uri.whole.off), s)
        return ea_copy(to, s.p + end, m.first_row - end)
    elif r.flags & ROUTE_URI_HOST and peer.domain.len:
        cut = uri_authority(s.p, &m.uri)
        text = peer.domain
        if EA_UNLIKELY(r.target != 0) and r.target < peer.target_count:
            at = &s.policy.targets[peer.first_target + r.target]
            text = at.text if at.text.len else text
        source = s.policy.text
    elif EA_LIKELY(not m.uri.flags & URI_HEADERS):
        return ea_copy(to, s.p, m.first_row)
    else:
        cut = text = slice_of(m.uri.whole.off, m.uri.whole.off)
    to = ea_copy(to, s.p, cut.off)
    to = ea_copy(to, source + text.off, text.len)
    rest = cut.off + cut.len
    if EA_UNLIKELY((m.uri.flags & URI_HEADERS) != 0) and rest != end:
        text = uri_bare(&m.uri)
        to = ea_copy(to, s.p + rest, text.off + text.len - rest)
        rest = end
    return ea_copy(to, s.p + rest, m.first_row - rest)


# Everything behind our own headers.
cdef void edit_request(Edits *e, Screen *s) noexcept nogil:
    cdef Route *r = &s.v.route
    cdef SipMsg *m = s.m
    cdef uint8_t *to
    cdef uint32_t next_ = r.pop
    if r.flags & ROUTE_STRICT_IN:
        edit_routes(e, s, m.routes, m.routes + 1)
    elif r.flags & ROUTE_STRICT_OUT:
        edit_add(e, m.header_end - 2, 0, <const uint8_t *>ROUTE_OPEN, 8)
        edit_add(e, m.header_end - 2, 0, s.p + m.uri.whole.off, uri_bare(&m.uri).len)
        edit_add(e, m.header_end - 2, 0, <const uint8_t *>ROUTE_CLOSE, 3)
        next_ += 1
    edit_via(e, s)
    if EA_UNLIKELY(s.v.verstat != VERSTAT_NONE):
        edit_verstat(e, s)
    if EA_UNLIKELY(s.deferred != NULL) and s.deferred.text_len:
        edit_add(e, m.header_end - 2, 0, s.deferred.text, s.deferred.text_len)
    if next_:
        edit_routes(e, s, 0, next_)
    if m.max_forwards > 0 or m.max_forwards == -2:
        to = ea_put_uint(e.free, <uint64_t>m.max_forwards - 1 if m.max_forwards > 0 else s.policy.max_forwards)
        edit_scratch(e, m.max_forwards_value.off, m.max_forwards_value.len, to)


# Who follows a redirection makes headers of those that its URIs carry.
cdef void edit_contacts(Edits *e, Screen *s) noexcept nogil:
    cdef Slice bare
    cdef uint32_t i
    for i in range(s.m.contacts if s.m.contacts < MAX_CONTACTS else MAX_CONTACTS):
        bare = uri_bare(&s.m.contact[i])
        if bare.len != s.m.contact[i].whole.len:
            edit_add(e, bare.off + bare.len, s.m.contact[i].whole.len - bare.len, NULL, 0)


# Our Via off the top of a response.
cdef void edit_response(Edits *e, Screen *s) noexcept nogil:
    cdef Row *row
    cdef int i
    if EA_UNLIKELY(s.v.told != 0):
        edit_told(e, s)
    if s.v.route.peer != NO_PEER and s.policy.peers[s.v.route.peer].overload_control:
        edit_overload(e, s, &s.m.via[1])
    if EA_UNLIKELY(300 <= s.m.status < 400):
        edit_contacts(e, s)
    for i in range(s.m.rows):
        row = &s.m.row[i]
        if row.id != H_VIA:
            continue
        if s.m.via[1].value.off < row.end:
            edit_add(e, s.m.via[0].value.off, s.m.via[1].value.off - s.m.via[0].value.off, NULL, 0)
        else:
            edit_add(e, row.off, row.end - row.off, NULL, 0)
        return


cdef bint out_begin(OutBatch out, uint32_t need) noexcept nogil:
    return out.count < MAX_BATCH and out.used + need <= OUT_BYTES


cdef void out_end(Screen *s, OutBatch out, uint8_t *end, uint32_t blank, uint16_t listener, EaAddr *to) noexcept nogil:
    cdef Datagram *d = &out.datagram[out.count]
    d.off = out.used
    d.blank = blank
    d.len = <uint32_t>(end - out.arena) - out.used
    d.rest_len = 0
    d.listener = listener
    d.destination = to[0]
    d.pinned = 0
    if EA_UNLIKELY(s.policy.listeners[listener].wildcard and listener == s.packet.listener):
        # What is sent on is of the same call: its answers come back to where it came in.
        d.local = s.packet.local
        d.pinned = (d.local.hi | d.local.lo) != 0
    out.used += (d.len + 63) & ~<uint32_t>63
    out.count += 1


cdef bint act_forward(Screen *s, OutBatch out) noexcept nogil:
    cdef Edits e
    cdef Datagram *d
    cdef uint8_t *to = out.arena + out.used
    cdef uint32_t blank = 0, copied = 0
    cdef uint64_t cut = 0
    if not out_begin(out, s.m.length + MAX_GROWTH + (DEFER_TEXT if s.deferred != NULL else 0)):
        return False
    edits_init(&e)
    if EA_UNLIKELY(marking_any(s.m)):
        cut = marking_edits(&e, s)
        if EA_UNLIKELY(privacy_hides(s)):
            s.hidden = 1
            cut |= <uint64_t>1 << H_P_ASSERTED_IDENTITY
    if s.v.route.flags & ROUTE_RESPONSE:
        edit_response(&e, s)
    else:
        to = put_start_line(to, s)
        copied = s.m.first_row
        blank = <uint32_t>(to - out.arena) - out.used + 4       # behind the colon of our own Via
        to = put_own_headers(to, s)
        edit_request(&e, s)
    if EA_UNLIKELY(s.v.route.flags & ROUTE_CUT):
        cut |= <uint64_t>1 << H_ROUTE
    if EA_UNLIKELY(s.v.route.flags & ROUTE_REFUSE):
        to = copy_without(put_status_line(to, &s.v), s, <uint64_t>1 << H_CONTACT, s.m.first_row, &e)
    elif EA_UNLIKELY(cut != 0):
        to = copy_without(to, s, cut, copied, &e)
    elif EA_UNLIKELY(s.deferred != NULL):
        # Where it waited is another call's by the time that this is sent.
        to = edits_copy(to, s.p, copied, s.m.length, &e)
    else:
        d = &out.datagram[out.count]
        out_end(s, out, edits_put(to, s.p, &copied, s.m.length, &e), blank, s.v.route.listener, &s.v.route.address)
        d.rest = s.p + copied
        d.rest_len = s.m.length - copied
        return True
    out_end(s, out, to, blank, s.v.route.listener, &s.v.route.address)
    return True


cdef const char *METHOD_NAMES[M_COUNT]
METHOD_NAMES[:] = [b"", b"INVITE", b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"REFER", b"UPDATE", b"PRACK", b"NOTIFY",
                   b"INFO", b"REGISTER", b"SUBSCRIBE", b"MESSAGE", b"PUBLISH"]


cdef uint8_t *put_allow(uint8_t *to, uint32_t methods) noexcept nogil:
    cdef int i
    cdef bint more = False
    to = ea_put(to, b"Allow: ", 7)
    for i in range(1, M_COUNT):
        if methods >> i & 1:
            if more:
                to = ea_put(to, b", ", 2)
            to = ea_put(to, METHOD_NAMES[i], <uint32_t>strlen(METHOD_NAMES[i]))
            more = True
    return ea_put(to, b"\r\n", 2)


# over_limit may choose another status than the reason's own; then its standard phrase goes with it.
cdef uint8_t *put_status_line(uint8_t *to, Verdict *v) noexcept nogil:
    cdef const EaReason *reason = &ea_reasons[v.reason]
    to = ea_put(to, b"SIP/2.0 ", 8)
    to = ea_put_uint(to, v.status)
    to = ea_put(to, b" ", 1)
    if v.status == reason.status:
        to = ea_put(to, reason.phrase, reason.phrase_len)
    elif v.status == 480:
        to = ea_put(to, b"Temporarily Unavailable", 23)
    elif v.status == 503:
        to = ea_put(to, b"Service Unavailable", 19)
    elif v.status == 603:
        to = ea_put(to, b"Decline", 7)
    else:
        to = ea_put(to, b"Refused", 7)
    return ea_put(to, b"\r\n", 2)


cdef uint8_t *put_extra(uint8_t *to, Screen *s) noexcept nogil:
    cdef int i
    cdef uint32_t methods = s.policy.interface_methods
    if s.dir == DIR_TRUNK:
        methods = lane_methods(s) if s.v.reason == RSN_EMERGENCY_METHOD else s.policy.peers[s.peer.upstream].methods
    if s.v.status == 405 or (s.v.status == 200 and s.m.method == M_OPTIONS):
        to = put_allow(to, methods)
    if s.v.reason == RSN_EMERGENCY_REDIRECTED:
        to = put_redirect(to, s)
    if behaviour_answers(s.v.reason):
        to = put_analytics(to, s)
    if s.v.status == 415 or (s.v.status == 200 and s.m.method == M_OPTIONS):
        to = ea_put(to, b"Accept: application/sdp\r\n", 25)
    if s.v.status == 417:
        # RFC 4412 §3.2: of the namespaces none is this sender's to use.
        to = ea_put(to, b"Accept-Resource-Priority:\r\n", 27)
    if s.v.status == 420:
        # RFC 3261 §8.2.2.3: Unsupported names what was required.
        for i in range(s.m.rows):
            if s.m.row[i].id == H_PROXY_REQUIRE:
                to = ea_put(to, b"Unsupported: ", 13)
                to = ea_put(to, s.p + s.m.row[i].value, s.m.row[i].value_len)
                to = ea_put(to, b"\r\n", 2)
    return ea_put(to, b"Content-Length: 0\r\n\r\n", 21)


# A stateless reply (RFC 3261 §8.2.6, §8.2.7): Via, From, To, Call-ID and CSeq as
# they came, a To tag that says it is ours.
cdef bint act_answer(Screen *s, OutBatch out) noexcept nogil:
    cdef SipMsg *m = s.m
    cdef Edits e
    cdef Row *row
    cdef uint8_t *to
    cdef uint64_t seen = 0, need = (<uint64_t>1 << H_VIA | <uint64_t>1 << H_FROM | <uint64_t>1 << H_TO
                                    | <uint64_t>1 << H_CALL_ID | <uint64_t>1 << H_CSEQ)
    cdef int i
    if not out_begin(out, m.length + MAX_GROWTH):
        return False
    edits_init(&e)
    if m.vias:
        edit_via(&e, s)
        if s.peer != NULL and s.peer.overload_control:
            edit_overload(&e, s, &m.via[0])
    to = put_status_line(out.arena + out.used, &s.v)
    for i in range(m.rows):
        row = &m.row[i]
        if row.id == H_OTHER or not need >> row.id & 1 or row.bad:
            continue
        if row.id != H_VIA and seen >> row.id & 1:
            continue
        seen |= <uint64_t>1 << row.id
        to = edits_copy(to, s.p, row.off, row.value + row.value_len, &e)
        if row.id == H_TO and m.to_tag.len == 0 and m.reason != RSN_TO:
            to = ea_put(to, b";tag=", 5)
            to = tag_put(to, s.state, s.p, m, &s.packet.source, s.first)
        to = ea_put(to, b"\r\n", 2)
    # Of a request that can't be read, what is sound is echoed; without a Via nobody can be told.
    if seen != need and (m.reason == 0 or not seen >> H_VIA & 1):
        return False
    to = put_extra(to, s)
    if (s.peer == NULL or s.held) and <uint32_t>(to - out.arena) - out.used > m.length:
        s.v.reason = RSN_REPLY_TOO_LARGE
        return False
    # Behind the colon of Content-Length, which put_extra writes last.
    out_end(s, out, to, <uint32_t>(to - out.arena) - out.used - 6, s.packet.listener, &s.reply_to)
    return True


cdef void act(Screen *s, OutBatch out) noexcept nogil:
    if s.v.action == ACT_FORWARD:
        if not act_forward(s, out):
            s.v.action = ACT_DROP
            s.v.reason = RSN_NO_ROOM
            s.v.status = 0
    elif s.v.action == ACT_ANSWER:
        if not act_answer(s, out):
            # Nobody can be answered without his Via; a stranger never with more than he sent.
            s.v.action = ACT_DROP
            s.v.status = 0
