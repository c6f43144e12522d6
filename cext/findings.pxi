# findings.pxi: of the calls that went on, how many each rule in monitor mode would have refused, and how many were answered.
#
# What is only told of in any mode isn't counted. Whom a rule would have refused and the called side then answered was likely no
# nuisance. Counted with leases, so once for each call; emergency calls aren't. It
# never changes what becomes of a call.

cdef enum:
    ALL_CALLS = MAX_RULES       # behind those of the rules
    FINDINGS = MAX_RULES + 1
    FINDING_KINDS = 2           # LEASE_OUT, LEASE_IN
    FINDINGS_BYTES = FINDINGS * FINDING_KINDS * 2 * 8       # of a peer

cdef extern from *:
    """
    #define STORY_ANSWERED (1ull << 63)     /* beside the rules of a story */
    """
    uint64_t STORY_ANSWERED


cdef inline uint64_t *findings_of(Worker *w, uint32_t slot, int kind, bint answered) noexcept nogil:
    return w.findings + ((slot * FINDING_KINDS + kind) * 2 + answered) * FINDINGS


cdef void findings_count(Worker *w, Lease *e, uint64_t rules, bint answered) noexcept nogil:
    cdef uint64_t *count
    cdef int rule
    if e.kind >= FINDING_KINDS:
        return
    count = findings_of(w, e.slot, e.kind, answered)
    ea_count(&count[ALL_CALLS], 1)
    if EA_UNLIKELY(rules != 0):
        for rule in range(MAX_RULES - 1):
            if rules >> rule & 1:
                ea_count(&count[rule], 1)
