"""Screen: what the stages of one message share, from classification to account. Declarations only."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from cext.batch cimport Packet
from cext.hot cimport EaAddr, EaSum
from cext.msg cimport SipMsg, Slice
from cext.policy cimport MAX_RULES, Peer, PolicyImage
from cext.state cimport DeferSlot, State, Worker
from cext.verdict cimport Verdict

cdef enum:                  # bits of Screen.dir
    DIR_TRUNK = 1
    DIR_UPSTREAM = 2
    DIR_UNKNOWN = 4

cdef enum:                  # what a Request-URI asks of the emergency lane
    LANE_NONE = 0
    LANE_CALL = 1
    LANE_TEST = 2

cdef enum:                  # whose a host name is
    NAME_SELF = 1
    NAME_OWNER = 2

cdef enum:
    COOKIE_NONE = 0         # no own Route
    COOKIE_BAD = 1          # an own Route whose proof fails, or of another peer
    COOKIE_GOOD = 2

cdef enum:                  # is this the resubmission of a challenged call?
    AGAIN_UNASKED = 0
    AGAIN_NO
    AGAIN_YES

cdef struct Cookie:         # proof of a dialog, see cookie.pxi
    uint32_t peer_id        # the trunk of the call
    uint32_t lease
    uint8_t key
    uint8_t from_upstream   # 1: the upstream sent the INVITE
    uint8_t vouched         # VOUCH_ of its originator
    uint8_t emergency
    uint8_t from_service    # 1: the upstream's caller is an emergency number of the trunk's country
    EaAddr originator       # where the INVITE came from

cdef struct Caller:         # what the caller rules look at, computed once a call
    bint known              # the fields below are set
    bint anonymous          # nobody is named in From
    bint verified           # From was looked up by caller-owned, or that rule is off
    bint forwarded          # a foreign caller that a diversion explains
    uint64_t from_          # canonical, 0: none or not readable
    uint64_t asserted       # canonical number of PAI, else PPI; 0: none

cdef struct Marking:        # markings that this peer may not assert, worked out once a message
    bint known              # the fields below are set
    bint promote            # P-Preferred-Identity goes on as P-Asserted-Identity
    uint16_t refuse         # RSN_ of one that the standard has refused, 0: none
    uint16_t reason         # RSN_ of the first that is taken out, 0: none
    uint16_t values         # bit k: identity[k] alone is taken out of its list
    uint16_t verstats       # parameters to take out
    uint8_t open            # VOUCH_: markings among them that a PASSporT may vouch for
    uint64_t cut            # bit H_: no row of this header goes on

cdef struct Parties:        # keys of caller-rate and callee-rate; 0: no number to count by
    bint known              # the fields below are set
    uint64_t caller
    uint64_t callee
    uint64_t pair           # this caller has called this number
    uint64_t called         # the called number, canonical
    uint32_t tag            # of the caller in behaviour.pxi, NOBODY: no number to count by

cdef struct Behaving:       # what the ops of the patterns ask, worked out once a call
    bint known              # the fields below are set
    uint8_t found           # bit PATTERN_: part of a score above the level that blocks
    uint8_t enforced        # the same, of rules in enforce mode alone
    uint8_t warned          # part of one that is told of
    uint32_t score          # the higher one, of caller and trunk

cdef struct TraceStep:           # one line of explain
    uint8_t rule
    uint8_t mode
    uint8_t applies
    uint16_t reason
    uint64_t value
    uint64_t limit

cdef struct Trace:          # filled only by explain
    uint32_t count
    TraceStep step[MAX_RULES]

cdef struct Screen:
    PolicyImage *policy
    State *state
    Worker *worker
    Packet *packet
    const uint8_t *p        # first byte of the start line
    SipMsg *m
    Peer *peer              # of the source, NULL: unknown
    Trace *trace            # NULL but for explain, which changes no state
    DeferSlot *deferred      # the call that is resumed, NULL: this message came just now
    uint64_t now            # monotonic ns
    uint64_t first          # time of the first copy of this request
    EaSum via               # of what the next Via of a response will say
    uint64_t key            # of the transaction cache
    uint64_t call_key       # of an INVITE's leases: Call-ID and originating tag
    uint64_t source         # key of a stranger, of an open trunk's caller, or of the trunk that a response is about
    uint64_t digest
    uint64_t loop
    uint64_t mac            # of the branch that the request goes on with, 0: not worked out yet
    uint64_t found          # of an op: what it saw
    uint64_t limit          # and its threshold
    uint32_t ops            # bits OP_ that apply to this request
    uint16_t toll           # place of the called number in toll_rates, 0: it isn't dear
    uint64_t uri_number     # canonical, of the Request-URI; 0: not worked out yet, or none
    uint32_t lease          # hash of the called number, 0: not worked out yet
    uint16_t peer_index
    uint16_t own_routes     # leading Route values that name us
    uint8_t dir             # DIR_
    uint8_t lane            # LANE_
    uint8_t cookie_state    # COOKIE_
    uint8_t listed          # LIST_, of a source that is no peer's or an open trunk's caller
    uint8_t again           # AGAIN_
    uint8_t told            # what is held may be answered
    uint8_t callback        # CALLBACK_
    uint8_t hidden          # 1: P-Asserted-Identity goes no further, see privacy.pxi
    uint16_t held           # RSN_ of an open trunk's caller who is denied, banned or over his rate, or of a peer banned by force
    Peer *subject           # whom a finding on a response is about, NULL: who sent the message
    uint8_t uri_names       # NAME_ of the Request-URI: an own name, one of the peer it goes to
    Slice uri_written       # the Request-URI as it stands, m.uri may be the strict router's
    EaAddr reply_to         # RFC 3261 §18.2.2, RFC 3581 §4
    Cookie cookie
    Caller caller
    Parties parties
    Behaving behaving
    uint32_t caller_tag     # who calls, in behaviour.pxi; 0: this message isn't counted there
    Marking marking
    uint8_t pending         # VOUCH_: markings that stay if a PASSporT vouches for them; asked when the call is verified
    uint16_t unproven       # LEFT_: what holds unless a PASSporT vouches for the caller; asked when the call is verified
    Verdict v
