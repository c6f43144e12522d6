# number_ranges.pxi: ranges of a list that overlap, to ranges that don't: where several do, the one that lasts longest has it.
#
# In place where nothing has an end, by a heap of open ranges where something has.
# Keys and ends as in a table (ops/numbers.pxi). It reads no text.

cdef uint64_t KEY_MASK = (<uint64_t>1 << 51) - 1

cdef struct Span:           # of the sweep over ranges that overlap
    uint64_t until
    uint64_t high
    uint64_t end            # index of `until`, where a word has it


cdef int range_compare(const void *a, const void *b) noexcept nogil:
    cdef uint64_t x = (<const uint64_t *>a)[0] & KEY_MASK, y = (<const uint64_t *>b)[0] & KEY_MASK
    return (x > y) - (x < y)


# Sorted ranges without ends, joined in place. Returns how many are left.
cdef uint64_t ranges_join(uint64_t *ranges, uint64_t n) noexcept nogil:
    cdef uint64_t i, count = 0
    for i in range(n):
        # A key of another length is never the next one.
        if count and ranges[2 * i] <= ranges[2 * count - 1] + 1:
            ranges[2 * count - 1] = max(ranges[2 * count - 1], ranges[2 * i + 1])
        else:
            ranges[2 * count] = ranges[2 * i]
            ranges[2 * count + 1] = ranges[2 * i + 1]
            count += 1
    return count


cdef void span_push(Span *heap, uint64_t n, Span *span) noexcept nogil:
    while n and heap[(n - 1) / 2].until < span.until:
        heap[n] = heap[(n - 1) / 2]
        n = (n - 1) / 2
    heap[n] = span[0]


# Takes the first away; n are left.
cdef void span_pop(Span *heap, uint64_t n) noexcept nogil:
    cdef Span *last = &heap[n]
    cdef uint64_t i = 0, child
    while 2 * i + 1 < n:
        child = 2 * i + 1
        if child + 1 < n and heap[child + 1].until > heap[child].until:
            child += 1
        if heap[child].until <= last.until:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = last[0]


# Sorted ranges with ends to disjoint ones, at most two for each; `heap` holds those that are open.
cdef uint64_t ranges_sweep(const uint64_t *ranges, uint64_t n, const uint64_t *until, Span *heap,
                           uint64_t *to) noexcept nogil:
    cdef uint64_t i = 0, open_ = 0, at = 0, high, count = 0
    cdef Span span
    while i < n or open_:
        if open_ == 0:
            at = ranges[2 * i] & KEY_MASK
        while i < n and (ranges[2 * i] & KEY_MASK) <= at:
            span.end = ranges[2 * i] >> SET_KEY_BITS
            span.until = until[span.end]
            span.high = ranges[2 * i + 1]
            span_push(heap, open_, &span)
            open_ += 1
            i += 1
        while open_ and heap[0].high < at:
            open_ -= 1
            span_pop(heap, open_)
        if open_ == 0:
            continue
        high = heap[0].high
        if i < n:
            high = min(high, (ranges[2 * i] & KEY_MASK) - 1)
        if count and to[2 * count - 2] >> SET_KEY_BITS == heap[0].end and to[2 * count - 1] + 1 == at:
            to[2 * count - 1] = high
        else:
            to[2 * count] = at | heap[0].end << SET_KEY_BITS
            to[2 * count + 1] = high
            count += 1
        at = high + 1
    return count
