# networks.pxi: lists of networks, each with an optional end: read from text, and indexed for a policy.
#
# A list as it was read is a NetworkSet: sorted rows with ends in wall time, shared by
# the policies that name it. A policy's table holds the rows of all its lists by the hash
# of each network, with ends on the engine's clock, so that nobody who turns the wall
# clock moves them. sources.pxi asks it.

import datetime as _datetime
import ipaddress as _ipaddress

cdef enum:
    LIST_ERRORS = 20        # bad lines that are told


cdef int row_compare(const void *first, const void *second) noexcept nogil:
    cdef NetRow *a = <NetRow *>first
    cdef NetRow *b = <NetRow *>second
    cdef uint64_t x = swap64(a.hi), y = swap64(b.hi)
    if x == y:
        x = swap64(a.lo)
        y = swap64(b.lo)
    if x != y:
        return -1 if x < y else 1
    return <int>a.bits - <int>b.bits


class NetworkListError(ValueError):
    """A list of networks with bad lines. ``errors``: (line from 1, what is wrong, what to write), the first twenty."""

    def __init__(self, errors):
        super().__init__(f"{len(errors)} bad line(s)")
        self.errors = errors


def _network_end(text: str) -> int:
    """Wall nanoseconds at which a date (as a whole day) or a date and time is over; UTC unless it says otherwise."""
    end = _datetime.datetime.fromisoformat(text)
    if len(text) <= 10:
        end += _datetime.timedelta(days=1)
    if end.tzinfo is None:
        end = end.replace(tzinfo=_datetime.timezone.utc)
    return min(max(int(end.timestamp()), 1) * 10**9, 2**64 - 1)


def _network_fault(text: str) -> tuple:
    try:
        if "%" in text:
            raise ValueError
        network = _ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is no network", "write 192.0.2.0/24 or one address, and a date behind it if it ends"
    if network.version == 6 and network.network_address.ipv4_mapped is not None:
        return f"{text!r} is an IPv4 network written as IPv6", f"write {network.network_address.ipv4_mapped}"
    return f"{text!r} has bits set behind its length", f"write {network}"


cdef class NetworkSet:
    """An immutable list of networks, each with an optional end.

    ``text`` has one a line: ``203.0.113.0/24`` or an address, then perhaps a date
    (``2026-12-31``, to the end of that day) or a date and time; UTC unless it says
    otherwise. ``#`` starts a comment. Raises NetworkListError with every bad line
    (at most twenty).
    """

    cdef NetRow *row            # sorted by address, then by length; `next` is the line
    cdef readonly uint32_t count

    def __cinit__(self, text: bytes):
        cdef uint32_t room = text.count(b"\n") + 1, unique = 0, i
        cdef NetRow *row
        cdef EaAddr a
        cdef uint64_t hi, lo
        self.row = <NetRow *>calloc(room, sizeof(NetRow))
        if self.row == NULL:
            raise MemoryError
        errors = []
        for line, written in enumerate(text.split(b"\n"), 1):
            words = written.partition(b"#")[0].decode("utf-8", "replace").split(None, 1)
            if not words:
                continue
            row = &self.row[self.count]
            host, slash, length = words[0].partition("/")
            v6 = ":" in host
            try:
                addr_from_text(&a, host, 0)
                bits = int(length) if slash else 128 if v6 else 32
                if a.v4 and v6 or not 0 <= bits <= (128 if v6 else 32) or slash and not length.isdecimal():
                    raise ValueError
            except (OSError, ValueError, UnicodeError):
                errors.append((line, *_network_fault(words[0])))
            else:
                row.bits = bits if v6 else bits + 96
                source_mask(&a, row.bits, &hi, &lo)
                if (hi, lo) != (a.hi, a.lo):
                    errors.append((line, *_network_fault(words[0])))
                row.hi, row.lo, row.next = hi, lo, line
            if len(words) > 1:
                try:
                    row.until = _network_end(words[1].strip())
                except (ValueError, OverflowError):
                    errors.append((line, f"{words[1].strip()!r} is no date", "write 2026-12-31 or 2026-12-31T18:00Z"))
            self.count += 1
            if len(errors) >= LIST_ERRORS:
                break
        if errors:
            raise NetworkListError(errors)
        qsort(self.row, self.count, sizeof(NetRow), row_compare)
        for i in range(self.count):
            # Of a network that is listed twice the longer lasting entry holds.
            if unique and row_compare(&self.row[unique - 1], &self.row[i]) == 0:
                row = &self.row[unique - 1]
                if row.until and (self.row[i].until == 0 or self.row[i].until > row.until):
                    row[0] = self.row[i]
                continue
            self.row[unique] = self.row[i]
            unique += 1
        self.count = unique

    def __dealloc__(self):
        free(self.row)

    def __len__(self) -> int:
        return self.count

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.count * sizeof(NetRow)

    # The first row at or behind an address.
    cdef uint32_t find(self, NetRow *wanted):
        cdef uint32_t low = 0, high = self.count, middle
        while low < high:
            middle = (low + high) // 2
            if row_compare(&self.row[middle], wanted) < 0:
                low = middle + 1
            else:
                high = middle
        return low

    cdef fill(self, NetRow *to, text: str):
        cdef EaAddr a
        host, slash, length = text.partition("/")
        addr_from_text(&a, host, 0)
        to.bits = (int(length) + (96 if a.v4 else 0)) if slash else 128
        source_mask(&a, to.bits, &to.hi, &to.lo)

    cdef tuple told(self, uint32_t i):
        cdef EaAddr a
        memset(&a, 0, sizeof(a))
        a.hi, a.lo = self.row[i].hi, self.row[i].lo
        a.v4 = a.hi == 0 and self.row[i].bits >= 96 and swap64(a.lo) >> 32 == 0xffff
        host = addr_to_text(&a)[0].strip("[]")
        return f"{host}/{self.row[i].bits - (96 if a.v4 else 0)}", self.row[i].next

    def within(self, network: str) -> tuple | None:
        """The first listed network that is this one or lies inside it, with its line; None: none does."""
        cdef NetRow wanted
        cdef EaAddr a
        cdef uint64_t hi, lo
        cdef uint32_t i
        self.fill(&wanted, network)
        i = self.find(&wanted)
        if i == self.count:
            return None
        memset(&a, 0, sizeof(a))
        a.hi, a.lo = self.row[i].hi, self.row[i].lo
        source_mask(&a, wanted.bits, &hi, &lo)
        return self.told(i) if (hi, lo) == (wanted.hi, wanted.lo) and self.row[i].bits >= wanted.bits else None

    def touches(self, network: str, wall_ns: int) -> bool:
        """Does a listed network that is in force at that wall time overlap this one?"""
        cdef NetRow wanted
        cdef NetRow wide
        cdef EaAddr a
        cdef uint64_t hi, lo, now = wall_ns
        cdef uint32_t i
        cdef int bits
        self.fill(&wanted, network)
        memset(&a, 0, sizeof(a))
        i = self.find(&wanted)
        while i < self.count:
            a.hi, a.lo = self.row[i].hi, self.row[i].lo
            source_mask(&a, wanted.bits, &hi, &lo)
            if hi != wanted.hi or lo != wanted.lo:
                break
            if self.row[i].bits >= wanted.bits and row_live(&self.row[i], now):
                return True
            i += 1
        a.hi, a.lo = wanted.hi, wanted.lo
        for bits in range(wanted.bits):
            wide.bits = <uint16_t>bits
            source_mask(&a, wide.bits, &wide.hi, &wide.lo)
            i = self.find(&wide)
            if i < self.count and row_compare(&self.row[i], &wide) == 0 and row_live(&self.row[i], now):
                # ::/0 says nothing of IPv4, which is kept as a part of it.
                if bits >= 96 or ":" in network:
                    return True
        return False

    def shared(self, NetworkSet other) -> tuple | None:
        """A network that both list, with its line in either; None: there is none."""
        cdef uint32_t i = 0, k = 0
        cdef int order
        while i < self.count and k < other.count:
            order = row_compare(&self.row[i], &other.row[k])
            if order == 0:
                return *self.told(i), other.row[k].next
            if order < 0:
                i += 1
            else:
                k += 1
        return None


# The rows of all lists, indexed. `ahead` is how far the wall clock is ahead of the engine's.
cdef fill_list_table(NetTable *t, Policy policy, lists, ahead):
    cdef NetworkSet networks
    cdef NetRow *row
    cdef uint32_t i, at = 0, size = 2
    cdef uint64_t h
    t.count = sum(len(networks) for _, networks in lists)
    while size < 2 * t.count:
        size *= 2
    t.mask = size - 1
    t.row = <NetRow *>policy.room(t.count, sizeof(NetRow))
    t.head = <int32_t *>policy.room(size, 4)
    memset(t.head, 0xff, size * 4)
    v4, v6 = set(), set()
    for kind, networks in lists:
        for i in range(networks.count):
            row = &t.row[at]
            row[0] = networks.row[i]
            row.kind = LIST_ALLOW if kind == "allow" else LIST_DENY
            if row.until:
                row.until = max(row.until - ahead, 1)
            (v4 if row.hi == 0 and row.bits >= 96 and swap64(row.lo) >> 32 == 0xffff else v6).add(row.bits)
            h = source_hash(row.hi, row.lo, row.bits) & t.mask
            row.next = t.head[h]
            t.head[h] = <int32_t>at
            at += 1
    for i, bits in enumerate(sorted(v4, reverse=True)):
        t.v4_bits[i] = bits
    for i, bits in enumerate(sorted(v6, reverse=True)):
        t.v6_bits[i] = bits
    t.v4_count, t.v6_count = len(v4), len(v6)
