"""Verdict: what screening decided. A value; act.pxi is the one place that carries it out. Declarations only."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from cext.hot cimport EaAddr

cdef enum:
    ACT_NONE = 0            # not decided yet
    ACT_FORWARD
    ACT_ANSWER
    ACT_DROP                # silent; an absorbed ACK too
    ACT_COUNT               # of those that a message can end with
    ACT_DEFER = 4           # not yet: it waits, see deferred.pxi

cdef enum:                  # what the called side is told of the caller's number (3GPP TS 24.229 §7.2A.20)
    VERSTAT_NONE = 0
    VERSTAT_PASSED
    VERSTAT_FAILED
    VERSTAT_UNKNOWN         # no validation took place

cdef enum:                  # what a good rph token vouches for (RFC 8443, RFC 9027), bits
    VOUCH_PRIORITY = 1      # all values of Resource-Priority
    VOUCH_CALLBACK = 2      # Priority: psap-callback

cdef enum:                  # what forwarding does besides adding its Via
    ROUTE_RECORD = 1        # INVITE and the like: add the dialog cookie
    ROUTE_URI_HOST = 2      # the Request-URI named us: put the peer's domain or contact there
    ROUTE_STRICT_IN = 4     # a strict router put our Route into the Request-URI (RFC 3261 §16.4)
    ROUTE_STRICT_OUT = 8    # the next Route is a strict router (RFC 3261 §16.6 step 6)
    ROUTE_EMERGENCY = 16    # the dialog belongs to the emergency lane
    ROUTE_RESPONSE = 32     # strip our Via, follow the next one
    ROUTE_REVERSE = 64      # in-dialog, towards the originator
    ROUTE_CUT = 128         # no Route goes along
    ROUTE_REFUSE = 256      # a redirection that is told as a refusal

cdef struct Route:
    uint16_t peer           # index in the policy
    uint16_t target         # index into its targets, for the transaction cache
    uint16_t listener       # that sends
    uint16_t pop            # own Route values to remove
    uint32_t flags          # ROUTE_
    EaAddr address

cdef struct Verdict:
    uint8_t action          # ACT_
    uint8_t rule            # index in the policy's rules; 255: none
    uint8_t verstat         # VERSTAT_, of a request that goes on
    uint8_t vouched         # VOUCH_: markings that a PASSporT vouches for, and that stay
    uint8_t signed_         # it got an Identity header, and its copies get one too
    uint8_t told            # RSN_ of the failed verification that the replies tell of, 0: none
    uint16_t reason         # RSN_
    uint16_t status         # SIP status of an answer
    uint16_t repeated       # 1: a retransmission, counted once already
    uint16_t finding        # RSN_ of the first finding that was only recorded
    uint64_t monitored      # bit rule: found, in monitor mode or nothing to refuse
    uint64_t refusable      # of those, the rules that would have refused it, but for their mode
    uint64_t value          # what the deciding rule saw, and its limit, for explain and events
    uint64_t limit
    Route route
