"""Slice, Uri and SipMsg: one SIP message as offsets into its packet. Declarations only.

Offsets count from the first byte of the start line (leading CRLFs are cut
before). A struct is valid until its packet's slot is used again.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef struct Slice:
    uint32_t off
    uint32_t len

cdef enum:
    SCHEME_NONE = 0
    SCHEME_SIP
    SCHEME_SIPS
    SCHEME_TEL
    SCHEME_URN
    SCHEME_OTHER

cdef enum:
    URI_LR = 1              # ;lr: a loose router (RFC 3261 §19.1.1)
    URI_MADDR = 2           # ;maddr= names another address
    URI_HEADERS = 4         # ?name=value behind the parameters
    URI_V6 = 8              # host is an IPv6 reference, its slice without brackets
    URI_ESCAPED = 16        # the user part holds a percent escape
    URI_USER_PARAMS = 32    # and parameters, or a password
    URI_VERSTAT = 64        # a parameter is called verstat, or has a name with escapes

# A number as written, packed: digits' value, how many, and whether a '+' stood
# before them. 0: not a number. 15 digits are the longest (E.164 §6); more are
# NUM_LONG with no value.
cdef enum:
    NUM_LEN_SHIFT = 54
    NUM_PLUS_SHIFT = 59
    NUM_LEN_MASK = 31
cdef extern from *:
    """
    #define NUM_VALUE_MASK ((1ull << 54) - 1)
    #define NUM_PLUS (1ull << 59)
    #define NUM_LONG (1ull << 60)
    """
    uint64_t NUM_VALUE_MASK, NUM_PLUS, NUM_LONG

cdef struct Uri:
    uint64_t number         # packed, of the user part; see above
    Slice whole             # scheme to last parameter or header, no brackets
    Slice user              # raw, without password; user parameters cut off for numbers only
    Slice host              # raw, IPv6 without brackets; of a urn: all behind "urn:"
    Slice display           # raw, without quotes
    Slice params            # from the first ';' of the URI on, or empty
    uint16_t port           # 0: none written
    uint8_t scheme          # SCHEME_
    uint8_t flags           # URI_

cdef struct Via:
    Slice transport
    Slice host
    Slice branch
    Slice received
    Slice sent_by           # host and port as written
    Slice value             # the whole value
    Slice rport_value       # length 0: where "=port" would go
    int32_t rport           # -1 absent, 0 without value
    uint16_t port           # 0: none written
    uint16_t padded         # 1: the branch ends in '='
    bint v6

cdef enum:
    MAX_ROWS = 256          # header lines
    MAX_VIAS = 70           # RFC 3261 sets none; Max-Forwards starts at 70
    MAX_HEADER_BYTES = 32768
    MAX_IDENTITIES = 12     # identity values read; more are refused as malformed
    MAX_ROUTES = 8          # Route values read; more may follow
    MAX_CONTACTS = 4        # Contact values kept; more may follow
    MAX_OWN_VIAS = 4        # Vias of our own shape kept for the loop test
    MAX_CALL_ID = 512
    ROUTES_BROKEN = 0x8000  # in routes_total: a Route can't be read

cdef struct Row:
    uint32_t off            # first byte of the name
    uint32_t value          # first byte of the value, blanks skipped
    uint32_t value_len      # trailing blanks cut
    uint32_t end            # first byte of the next line
    uint16_t id             # H_
    uint16_t bad            # 1: held a byte that must not be echoed

cdef struct Identity:
    Uri uri
    uint8_t header          # H_
    uint8_t order           # of its kind in the message, 0 first
    uint16_t row
    Slice value             # with display name and parameters, as it stands in the list

cdef enum:
    KIND_ERROR = 0
    KIND_REQUEST
    KIND_RESPONSE
    KIND_KEEPALIVE

cdef enum:                  # methods in the order of their bits in an allow mask
    M_UNKNOWN = 0
    M_INVITE
    M_ACK
    M_BYE
    M_CANCEL
    M_OPTIONS
    M_REFER
    M_UPDATE
    M_PRACK
    M_NOTIFY
    M_INFO
    M_REGISTER
    M_SUBSCRIBE
    M_MESSAGE
    M_PUBLISH
    M_COUNT

cdef struct SipMsg:
    uint8_t kind            # KIND_
    uint8_t method          # M_; of a response that of its CSeq
    uint16_t reason         # RSN_ of the first fault, 0: well formed
    uint16_t core           # RSN_ of the first that no message survives, see parse_fault.pxi
    uint16_t status         # of a response
    uint16_t rows
    uint16_t identities
    uint16_t routes         # Route values read into route[]
    uint16_t routes_total   # and ROUTES_BROKEN
    uint16_t vias           # values counted
    uint16_t own_vias
    uint16_t contacts
    uint16_t marked         # 1: a caller header may hold a verstat parameter, see marking.pxi
    int32_t max_forwards    # -1: absent, -2: unreadable
    int32_t content_length  # -1: absent
    uint32_t cseq
    uint32_t length         # bytes of the message, header and body
    uint32_t header_end     # first byte of the body
    uint32_t first_row      # first byte behind the start line
    uint64_t present        # bit H_: seen
    Slice method_name
    Slice call_id
    Slice cseq_method
    Slice from_tag
    Slice to_tag
    Slice to_value
    Slice user_agent
    Slice content_type
    Slice privacy
    Slice max_forwards_value
    Uri uri                 # the Request-URI
    Uri from_
    Uri to
    Uri refer_to
    Uri contact[MAX_CONTACTS]
    Via via[2]
    Uri route[MAX_ROUTES]
    Slice route_value[MAX_ROUTES]   # each with its parameters, as it stands in the list
    uint16_t route_row[MAX_ROUTES]
    Slice own_via[MAX_OWN_VIAS]     # branches of our own shape
    Identity identity[MAX_IDENTITIES]
    Row row[MAX_ROWS]
