# act_lane.pxi: what is written differently for emergency calls: the Request-URI's mark, a default location, a redirection.
#
# RFC 6881 asks a proxy to mark the call with the service URN and to supply a
# location where it has none. Whatever is written follows from the message and
# the policy alone, so CANCEL and the ACK of a failure get what their INVITE got.
# It never looks into a location and never answers 424.

# Is this request of the lane's own, or of a dialog that it opened? In a dialog the Request-URI is the far side's Contact.
cdef inline bint lane_own(Screen *s) noexcept nogil:
    return s.lane != LANE_NONE and s.cookie_state != COOKIE_GOOD and (
        s.m.to_tag.len == 0 or s.m.method in (M_INVITE, M_ACK, M_CANCEL))


# Does its Request-URI become the service URN?
cdef inline bint lane_marks(Screen *s) noexcept nogil:
    return s.policy.peers[s.v.route.peer].emergency_urn and s.m.uri.scheme != SCHEME_URN and lane_own(s)


cdef bint service_plain(ServiceText *service) noexcept nogil:
    cdef uint32_t i
    cdef uint8_t c
    for i in range(service.len):
        c = service.text[i]
        if not (97 <= c <= 122 or 48 <= c <= 57 or c == b'.' or c == b'-'):
            return False
    return True


# The service that a Request-URI asks for: "sos", "sos.fire", "test.sos". A number names none of those below sos.
cdef uint8_t *put_service(uint8_t *to, Screen *s) noexcept nogil:
    cdef Uri *u = &s.m.uri
    cdef ServiceText service
    cdef int lane = LANE_NONE, at
    service.len = 0
    if s.lane == LANE_TEST:
        to = ea_put(to, b"test.", 5)
    if u.scheme == SCHEME_URN:
        if emergency_text(s.p + u.host.off, u.host.len, &service) and service.len >= 11:
            at = service_at(&service, 8, &lane)
            if at >= 0:
                service.len -= <uint32_t>at
                memmove(service.text, service.text + at, service.len)
    elif u.number == 0 and uri_is_sip(u) and u.user.len:
        lane = emergency_service(s.p + u.user.off, service_length(s.p, u), &service)
    if lane != LANE_NONE and service_plain(&service):
        return ea_put(to, service.text, service.len)
    return ea_put(to, b"sos", 3)


cdef uint8_t *put_marked_uri(uint8_t *to, Screen *s) noexcept nogil:
    return put_service(ea_put(to, b"urn:service:", 12), s)


# The location that the call says for itself: the first URI of its Geolocation (RFC 6442); empty: none.
cdef Slice lane_location(Screen *s, bint *said) noexcept nogil:
    cdef Slice found
    cdef Row *row
    cdef uint32_t i, end
    found.off = found.len = 0
    said[0] = False
    for i in range(s.m.rows):
        row = &s.m.row[i]
        if row.id == H_OTHER and row_named(s.p, row, b"geolocation", 11):
            said[0] = True
            end = row.value + row.value_len
            found.off = ea_find(s.p, row.value, end, b'<') + 1
            if found.off < end:
                found.len = ea_find(s.p, found.off, end, b'>') - found.off
                return found
            found.off = 0
    return found


cdef inline bint row_named(const uint8_t *p, Row *row, const char *name, uint32_t n) noexcept nogil:
    return row.value - row.off > n and ea_same_fold(p + row.off, name, n) and p[row.off + n] in b": \t"


# Is the trunk's default location put into this call? Only where the call brings none: a worse one would be no help.
cdef bint lane_locates(Screen *s) noexcept nogil:
    cdef bint said = False
    if s.dir != DIR_TRUNK or s.peer.location.len == 0 or s.m.method != M_INVITE or not lane_own(s):
        return False
    lane_location(s, &said)
    return not said


cdef uint8_t *put_location(uint8_t *to, Screen *s) noexcept nogil:
    cdef uint32_t i
    if not lane_locates(s):
        return to
    to = ea_put(to, b"Geolocation: <", 14)
    to = ea_copy(to, s.policy.text + s.peer.location.off, s.peer.location.len)
    to = ea_put(to, b">\r\n", 3)
    for i in range(s.m.rows):
        if s.m.row[i].id == H_OTHER and row_named(s.p, &s.m.row[i], b"geolocation-routing", 19):
            return to
    return ea_put(to, b"Geolocation-Routing: yes\r\n", 26)


# What was dialled, as the user part of a sip URI.
cdef uint8_t *put_dialled(uint8_t *to, Screen *s) noexcept nogil:
    cdef Uri *u = &s.m.uri
    cdef uint32_t i
    cdef uint8_t c
    if u.scheme == SCHEME_URN or u.user.len > 64:
        return put_service(to, s)
    for i in range(u.user.len):
        c = s.p[u.user.off + i]
        if c == b'#':               # a tel URI may hold it
            to = ea_put(to, b"%23", 3)
        else:
            to[0] = c
            to += 1
    return to if u.user.len else ea_copy(to, s.p + u.host.off, u.host.len)


# Contact of a 302: the same call at the PSAP's gateway. Copies name the same target.
cdef uint8_t *put_redirect(uint8_t *to, Screen *s) noexcept nogil:
    cdef Peer *psap
    cdef EaAddr *address
    if s.peer == NULL or s.peer.emergency_upstream == NO_PEER:
        return to                   # a reload took the route away meanwhile
    psap = &s.policy.peers[s.peer.emergency_upstream]
    address = &s.policy.targets[psap.first_target + (
        s.v.route.target if s.v.route.target < psap.target_count else 0)].address
    to = ea_put(to, b"Contact: <sip:", 14)
    to = put_dialled(to, s)
    to = ea_put(to, b"@", 1)
    if not address.v4:
        to = ea_put(to, b"[", 1)
    to = ea_put_host(to, address)
    if not address.v4:
        to = ea_put(to, b"]", 1)
    to = ea_put(to, b":", 1)
    to = ea_put_uint(to, address.port)
    return ea_put(to, b">\r\n", 3)
