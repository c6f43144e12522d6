"""Packet, and the arenas that hold a batch of them: made at start, used again for every batch. Declarations only."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from cext.hot cimport EaAddr

cdef enum:
    SLOT_BYTES = 65536      # a whole UDP datagram: signed INVITEs are long
    SLOT_PAD = 64           # vector loads read past the end
    MAX_BATCH = 64
    # What forwarding may add to a message: Via, two Record-Routes, received, a
    # new Request-URI host. Larger messages are refused before.
    MAX_GROWTH = 1664
    OUT_BYTES = MAX_BATCH * (SLOT_BYTES + MAX_GROWTH)

    RECEIVE_CONTROL = 64    # bytes of control data with a packet: IPV6_PKTINFO and the hop limit
    CONTROL_LOCAL = 1       # what of it is wanted: the address that it was sent to
    CONTROL_DISTANCE = 2    # and its hop count
    CONTROL_BYTES = 64      # and with what is sent: that, and UDP_SEGMENT

    VECTORS = 4             # of one datagram: up to the blanks, these, behind them, and the rest
    MAX_BLANKS = 192        # put into one datagram to bring it to the length of its train

cdef struct Packet:
    uint8_t *data
    uint32_t len
    uint16_t listener
    uint16_t truncated
    uint32_t distance       # hops that it had left (TTL); 0: not known
    EaAddr source
    EaAddr local            # that it was sent to; of a wildcard listener only, and zero when the kernel doesn't say

cdef struct Datagram:
    uint32_t off            # into the arena of OutBatch
    uint32_t len            # of what lies there
    const uint8_t *rest     # what follows it, in the packet that it goes on from
    uint32_t rest_len
    uint32_t blank          # where blanks may be put in without changing what it says; 0: nowhere
    uint16_t listener
    uint16_t pinned         # leaves from `local`, not from where the route says
    EaAddr destination
    EaAddr local
