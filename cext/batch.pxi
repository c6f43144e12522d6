# batch.pxi: Batch and OutBatch: the arenas of one worker, made once. They hold packets and know nothing of SIP.

import socket as _socket

cdef enum:
    # An odd number of cache lines, so that the first lines of the slots don't share cache sets.
    SLOT_STRIDE = SLOT_BYTES + SLOT_PAD + 1152


cdef bint addr_from_text(EaAddr *a, text, port) except False:
    cdef uint32_t v4
    cdef const uint8_t *raw
    packed = _socket.inet_pton(_socket.AF_INET6 if ":" in text else _socket.AF_INET, text)
    raw = packed
    if len(packed) == 4:
        memcpy(&v4, raw, 4)
        ea_addr_v4(a, v4, port)
    else:
        ea_addr_v6(a, raw, port)
    return True


cdef tuple addr_to_text(EaAddr *a):
    cdef uint8_t text[64]
    cdef uint8_t *end = ea_put_host(text, a)
    return PyBytes_FromStringAndSize(<char *>text, end - text).decode(), a.port


cdef class Batch:
    """Packets on their way in. ``slots`` (1..64) datagrams of up to 65,535 bytes."""

    cdef uint8_t *arena
    cdef SipMsg *msg
    cdef Packet *packet
    cdef mmsghdr *header
    cdef iovec *vector
    cdef sockaddr_storage *name
    cdef uint8_t *control
    cdef bint controlled        # the headers ask for control data
    cdef uint32_t slots
    cdef uint32_t count

    def __cinit__(self, slots: int = MAX_BATCH):
        cdef uint32_t i
        if not 1 <= slots <= MAX_BATCH:
            raise ValueError(f"a batch has 1 to {MAX_BATCH} slots")
        self.slots = slots
        self.arena = <uint8_t *>ea_table_alloc(<size_t>slots * SLOT_STRIDE)
        self.msg = <SipMsg *>ea_calloc_now(slots, sizeof(SipMsg))
        self.packet = <Packet *>ea_calloc_now(slots, sizeof(Packet))
        self.header = <mmsghdr *>ea_calloc_now(slots, sizeof(mmsghdr))
        self.vector = <iovec *>ea_calloc_now(slots, sizeof(iovec))
        self.name = <sockaddr_storage *>ea_calloc_now(slots, sizeof(sockaddr_storage))
        self.control = <uint8_t *>ea_calloc_now(slots, RECEIVE_CONTROL)
        if not (self.arena and self.msg and self.packet and self.header and self.vector and self.name and self.control):
            raise MemoryError
        for i in range(self.slots):
            self.packet[i].data = self.arena + <size_t>i * SLOT_STRIDE
            self.vector[i].iov_base = self.packet[i].data
            self.vector[i].iov_len = SLOT_BYTES
            self.header[i].msg_hdr.msg_iov = &self.vector[i]
            self.header[i].msg_hdr.msg_iovlen = 1
            self.header[i].msg_hdr.msg_name = &self.name[i]

    def __dealloc__(self):
        if self.arena != NULL:
            munmap(self.arena, <size_t>self.slots * SLOT_STRIDE)
        free(self.msg)
        free(self.packet)
        free(self.header)
        free(self.vector)
        free(self.name)
        free(self.control)

    def __len__(self) -> int:
        return self.count

    def add(self, data: bytes, source: tuple, listener: int = 0, pad: int = 0, distance: int = 0) -> None:
        """Appends a datagram. ``pad`` fills the bytes behind it, which must never matter; ``distance``: hops that it had
        left, 0 not known. IndexError when full.
        """
        cdef Packet *packet
        cdef const uint8_t *raw = data
        if self.count == self.slots:
            raise IndexError("the batch is full")
        if len(data) > SLOT_BYTES:
            raise ValueError("a datagram has at most 65,536 bytes")
        packet = &self.packet[self.count]
        addr_from_text(&packet.source, source[0], source[1])
        memcpy(packet.data, raw, len(data))
        memset(packet.data + len(data), pad, SLOT_PAD)
        packet.len = <uint32_t>len(data)
        packet.listener = listener
        packet.truncated = 0
        packet.distance = distance
        memset(&packet.local, 0, sizeof(packet.local))
        self.count += 1

    def clear(self) -> None:
        """Empties the batch."""
        self.count = 0

    def parse(self) -> None:
        """Reads every packet and keeps nothing: what parsing alone costs."""
        cdef uint32_t i
        with nogil:
            for i in range(self.count):
                parse_message(self.packet[i].data, self.packet[i].len, &self.msg[i])


cdef class OutBatch:
    """Datagrams on their way out, with room for one answer to every packet of a full Batch."""

    cdef uint8_t *arena
    cdef Datagram *datagram
    cdef mmsghdr *header        # of each datagram
    cdef mmsghdr *message       # for the kernel: trains and single datagrams
    cdef iovec *vector
    cdef uint8_t *control
    cdef sockaddr_storage *name
    cdef Batch origin           # where the rest of its datagrams lies
    cdef uint32_t used
    cdef uint32_t count

    def __cinit__(self):
        self.arena = <uint8_t *>ea_table_alloc(OUT_BYTES)
        self.datagram = <Datagram *>ea_calloc_now(MAX_BATCH, sizeof(Datagram))
        self.header = <mmsghdr *>ea_calloc_now(MAX_BATCH, sizeof(mmsghdr))
        self.message = <mmsghdr *>ea_calloc_now(MAX_BATCH, sizeof(mmsghdr))
        self.vector = <iovec *>ea_calloc_now(VECTORS * MAX_BATCH, sizeof(iovec))
        self.control = <uint8_t *>ea_calloc_now(MAX_BATCH, CONTROL_BYTES)
        self.name = <sockaddr_storage *>ea_calloc_now(MAX_BATCH, sizeof(sockaddr_storage))
        if not (self.arena and self.datagram and self.header and self.message and self.vector and self.control
                and self.name):
            raise MemoryError

    def __dealloc__(self):
        if self.arena != NULL:
            munmap(self.arena, OUT_BYTES)
        free(self.datagram)
        free(self.header)
        free(self.message)
        free(self.vector)
        free(self.control)
        free(self.name)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple:
        """(bytes, (host, port), listener index) of one datagram, as long as its batch holds what came in."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        cdef Datagram *d = &self.datagram[<uint32_t>index]
        data = PyBytes_FromStringAndSize(<char *>self.arena + d.off, d.len)
        if d.rest_len:
            data += PyBytes_FromStringAndSize(<const char *>d.rest, d.rest_len)
        return data, addr_to_text(&d.destination), d.listener

    def clear(self) -> None:
        """Empties the batch."""
        self.used = 0
        self.count = 0
