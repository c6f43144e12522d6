# receive.pxi: socket to Batch, with one recvmmsg. It looks at no byte.
#
# A burst wakes the worker at its first packet, and a worker that is faster than
# the sender would sleep and wake several times within the burst; each wake costs
# as much as ten packets. So after a small first catch it pauses once, for
# PAUSE_NS, as a network card moderates its interrupts: but only while the pauses
# pay, that is, while they bring more packets. Sparse traffic is never delayed.

cdef enum:
    PAUSE_NS = 40000
    PAUSE_BELOW = 16        # a catch of so many needs no pause
    PAUSE_PAYS = 4          # packets that a pause must bring
    PAUSE_REST = 1023       # wakes without a pause, at most, after pauses that didn't pay

cdef struct Pacing:
    uint32_t rest           # wakes until a pause is tried again
    uint32_t penalty


# Control data is asked for where a listener's own address doesn't say which of ours a packet was sent to, and where a
# trunk's distance is looked at.
cdef void batch_control(Batch batch, bint wanted) noexcept nogil:
    cdef uint32_t i
    for i in range(batch.slots):
        batch.header[i].msg_hdr.msg_control = batch.control + i * RECEIVE_CONTROL if wanted else NULL
        batch.header[i].msg_hdr.msg_controllen = RECEIVE_CONTROL if wanted else 0
    batch.controlled = wanted


# Adds what waits at the socket to the batch. Returns how many packets that were, negative on an error.
cdef int receive_more(Batch batch, int fd, uint16_t listener, int control) noexcept nogil:
    cdef uint32_t i, first = batch.count
    cdef int n
    cdef Packet *packet
    for i in range(first, batch.slots):
        batch.header[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage)
    if EA_UNLIKELY(control or batch.controlled):
        batch_control(batch, control != 0)
    n = recvmmsg(fd, batch.header + first, batch.slots - first, MSG_DONTWAIT, NULL)
    if n <= 0:
        return n
    for i in range(first, first + <uint32_t>n):
        packet = &batch.packet[i]
        packet.len = batch.header[i].msg_len
        packet.truncated = (batch.header[i].msg_hdr.msg_flags & MSG_TRUNC) != 0
        packet.listener = listener
        ea_from_sockaddr(&packet.source, &batch.name[i])
        packet.distance = 0
        if EA_UNLIKELY(control & CONTROL_LOCAL):
            ea_local(&packet.local, &batch.header[i].msg_hdr)
        if EA_UNLIKELY(control & CONTROL_DISTANCE):
            packet.distance = ea_distance(&batch.header[i].msg_hdr)
    batch.count = first + <uint32_t>n
    return n


# One batch. `pacing` NULL: without a pause.
cdef int receive_batch(Batch batch, int fd, uint16_t listener, int control, Pacing *pacing) noexcept nogil:
    cdef int n, more
    batch.count = 0
    n = receive_more(batch, fd, listener, control)
    if n <= 0 or n >= PAUSE_BELOW or pacing == NULL:
        return n
    if pacing.rest:
        pacing.rest -= 1
        return n
    ea_pause(PAUSE_NS)
    more = receive_more(batch, fd, listener, control)
    if more >= PAUSE_PAYS:
        pacing.penalty = 0
    else:
        pacing.penalty = 2 * pacing.penalty + 1 if pacing.penalty < PAUSE_REST / 2 else PAUSE_REST
        pacing.rest = pacing.penalty
    return <int>batch.count
