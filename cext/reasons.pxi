# Written by gen.py from edge_agent/reasons.py: reason ids, and what the wire shows of them.

cdef enum:
    RSN_PASS = 0
    RSN_KEEPALIVE = 1
    RSN_ACK_ABSORBED = 2
    RSN_ACK_UNMATCHED = 3
    RSN_RESPONSE_UNMATCHED = 4
    RSN_RESPONSE_SOURCE = 5
    RSN_RESPONSE_ROUTE = 6
    RSN_RETRANSMISSION = 7
    RSN_OPTIONS_UP = 8
    RSN_OPTIONS_DOWN = 9
    RSN_UPSTREAM_DOWN = 10
    RSN_NO_OWNER = 11
    RSN_CANCEL_UNMATCHED = 12
    RSN_REPLY_TOO_LARGE = 13
    RSN_NO_ROOM = 14
    RSN_START_LINE = 15
    RSN_LINE_END = 16
    RSN_CONTROL_BYTE = 17
    RSN_HEADER_NAME = 18
    RSN_TOO_MANY_HEADERS = 19
    RSN_NO_END = 20
    RSN_MISSING_HEADER = 21
    RSN_DUPLICATE_HEADER = 22
    RSN_CONTENT_LENGTH = 23
    RSN_VIA = 24
    RSN_TOO_MANY_VIAS = 25
    RSN_FROM = 26
    RSN_TO = 27
    RSN_CALL_ID = 28
    RSN_CSEQ = 29
    RSN_CSEQ_METHOD = 30
    RSN_REQUEST_URI = 31
    RSN_MAX_FORWARDS = 32
    RSN_IDENTITY_HEADER = 33
    RSN_CONTACT = 34
    RSN_ROUTE = 35
    RSN_TOO_LARGE = 36
    RSN_REQUEST_CHANGED = 37
    RSN_UNKNOWN_SOURCE = 38
    RSN_HOPS = 39
    RSN_LOOP = 40
    RSN_TARGET_HOST = 41
    RSN_TARGET_ROUTE = 42
    RSN_TARGET_HEADERS = 43
    RSN_TARGET_ROUTING = 44
    RSN_TARGET_REFER = 45
    RSN_TARGET_NEXT_HOP = 46
    RSN_METHOD = 47
    RSN_METHOD_UNKNOWN = 48
    RSN_VERSION = 49
    RSN_SCHEME = 50
    RSN_PROXY_REQUIRE = 51
    RSN_BODY_TYPE = 52
    RSN_BODY_SIZE = 53
    RSN_DIALOG_PROOF = 54
    RSN_DIALOG_GRACE = 55
    RSN_SCANNER_AGENT = 56
    RSN_SCANNER_SHAPE = 57
    RSN_SOURCE_RATE = 58
    RSN_PREFIX_RATE = 59
    RSN_SOURCE_TABLE_FULL = 60
    RSN_TRUNK_RATE = 61
    RSN_CALLER_NONE = 62
    RSN_CALLER_LENGTH = 63
    RSN_CALLER_COUNTRY = 64
    RSN_CALLER_PLAN = 65
    RSN_CALLER_OWNED = 66
    RSN_CALLER_FORWARD = 67
    RSN_CALLER_CONSISTENT = 68
    RSN_CALLER_ANONYMOUS = 69
    RSN_EMERGENCY_ROUTED = 70
    RSN_EMERGENCY_TEST = 71
    RSN_EMERGENCY_NOT_AUTHORISED = 72
    RSN_EMERGENCY_UNKNOWN = 73
    RSN_EMERGENCY_LIMIT = 74
    RSN_EMERGENCY_REFER = 75
    RSN_DIALOG_RATE = 76
    RSN_COPIES = 77
    RSN_BANNED = 78
    RSN_DENIED = 79
    RSN_SOURCE_HOPS = 80
    RSN_TRUNK_CALLS = 81
    RSN_METHOD_RATE = 82
    RSN_ANSWER_LIMIT = 83
    RSN_CALLER_RATE = 84
    RSN_CALLEE_RATE = 85
    RSN_SWEEP = 86
    RSN_AUTH_ABUSE = 87
    RSN_OVERLOAD = 88
    RSN_OVERLOAD_UPSTREAM = 89
    RSN_IDENTITY_SIZE = 90
    RSN_IDENTITY_SYNTAX = 91
    RSN_IDENTITY_INFO = 92
    RSN_IDENTITY_MISSING = 93
    RSN_PASSPORT_SIZE = 94
    RSN_PASSPORT_SYNTAX = 95
    RSN_PASSPORT_HEADER = 96
    RSN_PASSPORT_ALGORITHM = 97
    RSN_PASSPORT_CLAIMS = 98
    RSN_PASSPORT_SIGNATURE = 99
    RSN_PASSPORT_STALE = 100
    RSN_PASSPORT_ORIG = 101
    RSN_PASSPORT_DEST = 102
    RSN_PASSPORT_CHAIN = 103
    RSN_CERTIFICATE_URL = 104
    RSN_CERTIFICATE_UNAVAILABLE = 105
    RSN_CERTIFICATE_SYNTAX = 106
    RSN_CERTIFICATE_PATH = 107
    RSN_CERTIFICATE_TIME = 108
    RSN_CERTIFICATE_REVOKED = 109
    RSN_CERTIFICATE_PROFILE = 110
    RSN_CERTIFICATE_NUMBER = 111
    RSN_CERTIFICATE_REFERENCE = 112
    RSN_CERTIFICATE_CONSTRAINT = 113
    RSN_DO_NOT_ORIGINATE = 114
    RSN_EMERGENCY_DIALOG = 115
    RSN_EMERGENCY_METHOD = 116
    RSN_DISPLAY_NUMBER = 117
    RSN_DISPLAY_HIDDEN = 118
    RSN_DISPLAY_MARK = 119
    RSN_SOURCE_PORT = 120
    RSN_EMERGENCY_REDIRECT = 121
    RSN_UNPROVEN_SHARE = 122
    RSN_TRYING = 123
    RSN_CANCEL_DEFERRED = 124
    RSN_CANCELLED = 125
    RSN_CALLER_UNALLOCATED = 126
    RSN_STIR_REPLAY = 127
    RSN_ATTESTATION_LEVEL = 128
    RSN_ATTESTATION_RATE = 129
    RSN_SIGNER_RATE = 130
    RSN_MARKING_VERSTAT = 131
    RSN_MARKING_ASSERTED = 132
    RSN_MARKING_PRIORITY = 133
    RSN_MARKING_CHARGE = 134
    RSN_MARKING_INTERNAL = 135
    RSN_MARKING_RESOURCE = 136
    RSN_MARKING_UNKNOWN = 137
    RSN_MARKING_REPEATED = 138
    RSN_OWN_NUMBER_INBOUND = 139
    RSN_CALLER_DIVERSIONS = 140
    RSN_CALLER_CREDENTIALS = 141
    RSN_DISPLAY_URI = 142
    RSN_EMERGENCY_REDIRECTED = 143
    RSN_EMERGENCY_CALLBACK = 144
    RSN_EMERGENCY_TO = 145
    RSN_DESTINATION = 146
    RSN_CALLING_HOURS = 147
    RSN_DO_NOT_CALL = 148
    RSN_DO_NOT_CALL_REQUEST = 149
    RSN_TOLL_CALLS = 150
    RSN_TOLL_MINUTES = 151
    RSN_TOLL_SPEND = 152
    RSN_TOLL_CLASS_CALLS = 153
    RSN_TOLL_CLASS_MINUTES = 154
    RSN_TOLL_CLASS_SPEND = 155
    RSN_TOLL_CALLER_CALLS = 156
    RSN_TOLL_CALLER_MINUTES = 157
    RSN_TOLL_CALLER_SPEND = 158
    RSN_TOLL_OFF_HOURS_CALLS = 159
    RSN_TOLL_OFF_HOURS_MINUTES = 160
    RSN_TOLL_OFF_HOURS_SPEND = 161
    RSN_TOLL_WARNING_CALLS = 162
    RSN_TOLL_WARNING_MINUTES = 163
    RSN_TOLL_WARNING_SPEND = 164
    RSN_BEHAVIOUR = 165
    RSN_DISPERSAL = 166
    RSN_SEQUENTIAL = 167
    RSN_SHORT_CALLS = 168
    RSN_LOW_ANSWER = 169
    RSN_WANGIRI = 170
    RSN_EVASION = 171
    RSN_COUNT = 172

cdef extern from *:
    """
    typedef struct { const char *name, *phrase; uint16_t status, phrase_len; } EaReason;
    static const EaReason ea_reasons[172] = {
        {"pass", "", 0, 0},
        {"keepalive", "", 0, 0},
        {"ack-absorbed", "", 0, 0},
        {"ack-unmatched", "", 0, 0},
        {"response-unmatched", "", 0, 0},
        {"response-source", "", 0, 0},
        {"response-route", "", 0, 0},
        {"retransmission", "", 0, 0},
        {"options-up", "OK", 200, 2},
        {"options-down", "Service Unavailable", 503, 19},
        {"upstream-down", "Service Unavailable", 503, 19},
        {"no-owner", "Not Found", 404, 9},
        {"cancel-unmatched", "Call/Transaction Does Not Exist", 481, 31},
        {"reply-too-large", "", 0, 0},
        {"no-room", "", 0, 0},
        {"start-line", "Bad Start Line", 400, 14},
        {"line-end", "Bad Line End", 400, 12},
        {"control-byte", "Control Byte In Header", 400, 22},
        {"header-name", "Bad Header Name", 400, 15},
        {"too-many-headers", "Too Many Headers", 400, 16},
        {"no-end", "Incomplete Header", 400, 17},
        {"missing-header", "Missing Mandatory Header", 400, 24},
        {"duplicate-header", "Duplicate Header", 400, 16},
        {"content-length", "Bad Content-Length", 400, 18},
        {"via", "Bad Via", 400, 7},
        {"too-many-vias", "Too Many Via Headers", 400, 20},
        {"from", "Bad From", 400, 8},
        {"to", "Bad To", 400, 6},
        {"call-id", "Bad Call-ID", 400, 11},
        {"cseq", "Bad CSeq", 400, 8},
        {"cseq-method", "CSeq Method Mismatch", 400, 20},
        {"request-uri", "Bad Request-URI", 400, 15},
        {"max-forwards", "Bad Max-Forwards", 400, 16},
        {"identity-header", "Bad Identity Header", 400, 19},
        {"contact", "Bad Contact", 400, 11},
        {"route", "Bad Route", 400, 9},
        {"too-large", "Message Too Large", 513, 17},
        {"request-changed", "Request Changed", 400, 15},
        {"unknown-source", "", 0, 0},
        {"hops", "Too Many Hops", 483, 13},
        {"loop", "Loop Detected", 482, 13},
        {"target-host", "Target Not Allowed", 403, 18},
        {"target-route", "Route Not Allowed", 403, 17},
        {"target-headers", "Headers In URI Not Allowed", 403, 26},
        {"target-routing", "Routing Parameters Not Allowed", 403, 30},
        {"target-refer", "Refer-To Not Allowed", 403, 20},
        {"target-next-hop", "Next Hop Not Allowed", 403, 20},
        {"method", "Method Not Allowed", 405, 18},
        {"method-unknown", "Not Implemented", 501, 15},
        {"version", "Version Not Supported", 505, 21},
        {"scheme", "Unsupported URI Scheme", 416, 22},
        {"proxy-require", "Bad Extension", 420, 13},
        {"body-type", "Unsupported Media Type", 415, 22},
        {"body-size", "Message Too Large", 513, 17},
        {"dialog-proof", "Call/Transaction Does Not Exist", 481, 31},
        {"dialog-grace", "Call/Transaction Does Not Exist", 481, 31},
        {"scanner-agent", "Forbidden", 403, 9},
        {"scanner-shape", "Forbidden", 403, 9},
        {"source-rate", "Busy Here", 486, 9},
        {"prefix-rate", "Busy Here", 486, 9},
        {"source-table-full", "Busy Here", 486, 9},
        {"trunk-rate", "Busy Here", 486, 9},
        {"caller-none", "Caller ID Not A Number", 403, 22},
        {"caller-length", "Caller ID Not A Number", 403, 22},
        {"caller-country", "Caller ID Not A Number", 403, 22},
        {"caller-plan", "Caller ID Not Assignable", 403, 24},
        {"caller-owned", "Caller ID Not Allowed", 403, 21},
        {"caller-forward", "Forwarded Caller ID Not Proven", 403, 30},
        {"caller-consistent", "Caller ID Mismatch", 403, 18},
        {"caller-anonymous", "Anonymity Disallowed", 433, 20},
        {"emergency-routed", "", 0, 0},
        {"emergency-test", "", 0, 0},
        {"emergency-not-authorised", "Emergency Calling Not Activated", 403, 31},
        {"emergency-unknown", "Emergency Calling Not Activated", 403, 31},
        {"emergency-limit", "Busy Here", 486, 9},
        {"emergency-refer", "Emergency Calling Not Activated", 403, 31},
        {"dialog-rate", "Busy Here", 486, 9},
        {"copies", "", 0, 0},
        {"banned", "", 0, 0},
        {"denied", "", 0, 0},
        {"source-hops", "Source Not Recognised", 403, 21},
        {"trunk-calls", "Busy Here", 486, 9},
        {"method-rate", "Busy Here", 486, 9},
        {"answer-limit", "", 0, 0},
        {"caller-rate", "Busy Here", 486, 9},
        {"callee-rate", "Busy Here", 486, 9},
        {"sweep", "", 0, 0},
        {"auth-abuse", "", 0, 0},
        {"overload", "Service Unavailable", 503, 19},
        {"overload-upstream", "Service Unavailable", 503, 19},
        {"identity-size", "Invalid Identity Header", 438, 23},
        {"identity-syntax", "Invalid Identity Header", 438, 23},
        {"identity-info", "Invalid Identity Header", 438, 23},
        {"identity-missing", "Use Identity Header", 428, 19},
        {"passport-size", "Invalid PASSporT", 438, 16},
        {"passport-syntax", "Invalid PASSporT", 438, 16},
        {"passport-header", "Invalid PASSporT", 438, 16},
        {"passport-algorithm", "Unsupported Credential", 437, 22},
        {"passport-claims", "Invalid PASSporT", 438, 16},
        {"passport-signature", "Invalid Identity Header", 438, 23},
        {"passport-stale", "Stale Date", 403, 10},
        {"passport-orig", "Invalid Identity Header", 438, 23},
        {"passport-dest", "Invalid Identity Header", 438, 23},
        {"passport-chain", "Invalid Identity Header", 438, 23},
        {"certificate-url", "Bad Identity Info", 436, 17},
        {"certificate-unavailable", "Bad Identity Info", 436, 17},
        {"certificate-syntax", "Unsupported Credential", 437, 22},
        {"certificate-path", "Unsupported Credential", 437, 22},
        {"certificate-time", "Unsupported Credential", 437, 22},
        {"certificate-revoked", "Unsupported Credential", 437, 22},
        {"certificate-profile", "Unsupported Credential", 437, 22},
        {"certificate-number", "Unsupported Credential", 437, 22},
        {"certificate-reference", "Unsupported Credential", 437, 22},
        {"certificate-constraint", "Invalid PASSporT", 438, 16},
        {"do-not-originate", "Caller ID Does Not Originate", 403, 28},
        {"emergency-dialog", "Emergency Needs Its Own Call", 403, 28},
        {"emergency-method", "Method Not Allowed", 405, 18},
        {"display-number", "Display Name Not Allowed", 403, 24},
        {"display-hidden", "Display Name Not Allowed", 403, 24},
        {"display-mark", "Display Name Not Allowed", 403, 24},
        {"source-port", "", 0, 0},
        {"emergency-redirect", "Emergency Calling Not Activated", 403, 31},
        {"unproven-share", "Busy Here", 486, 9},
        {"trying", "Trying", 100, 6},
        {"cancel-deferred", "OK", 200, 2},
        {"cancelled", "Request Terminated", 487, 18},
        {"caller-unallocated", "Caller ID Not Allocated", 403, 23},
        {"stir-replay", "Identity Already Used", 403, 21},
        {"attestation-level", "Attestation Too Low", 403, 19},
        {"attestation-rate", "Busy Here", 486, 9},
        {"signer-rate", "Busy Here", 486, 9},
        {"marking-verstat", "", 0, 0},
        {"marking-asserted", "", 0, 0},
        {"marking-priority", "", 0, 0},
        {"marking-charge", "", 0, 0},
        {"marking-internal", "", 0, 0},
        {"marking-resource", "Resource Priority Not Authorised", 403, 32},
        {"marking-unknown", "Unknown Resource-Priority", 417, 25},
        {"marking-repeated", "Bad Marking", 400, 11},
        {"own-number-inbound", "Caller ID Not Allowed", 403, 21},
        {"caller-diversions", "Too Many Diversions", 403, 19},
        {"caller-credentials", "", 0, 0},
        {"display-uri", "Display Name Not Allowed", 403, 24},
        {"emergency-redirected", "Moved Temporarily", 302, 17},
        {"emergency-callback", "", 0, 0},
        {"emergency-to", "", 0, 0},
        {"destination", "Destination Not Allowed", 403, 23},
        {"calling-hours", "Outside Calling Hours", 403, 21},
        {"do-not-call", "Callee Not To Be Called", 403, 23},
        {"do-not-call-request", "Callee Not To Be Called", 403, 23},
        {"toll-calls", "Toll Limit Reached", 403, 18},
        {"toll-minutes", "Toll Limit Reached", 403, 18},
        {"toll-spend", "Toll Limit Reached", 403, 18},
        {"toll-class-calls", "Toll Limit Reached", 403, 18},
        {"toll-class-minutes", "Toll Limit Reached", 403, 18},
        {"toll-class-spend", "Toll Limit Reached", 403, 18},
        {"toll-caller-calls", "Toll Limit Reached", 403, 18},
        {"toll-caller-minutes", "Toll Limit Reached", 403, 18},
        {"toll-caller-spend", "Toll Limit Reached", 403, 18},
        {"toll-off-hours-calls", "Toll Limit Reached", 403, 18},
        {"toll-off-hours-minutes", "Toll Limit Reached", 403, 18},
        {"toll-off-hours-spend", "Toll Limit Reached", 403, 18},
        {"toll-warning-calls", "", 0, 0},
        {"toll-warning-minutes", "", 0, 0},
        {"toll-warning-spend", "", 0, 0},
        {"behaviour", "", 0, 0},
        {"dispersal", "Network Blocked", 603, 15},
        {"sequential", "Network Blocked", 603, 15},
        {"short-calls", "Network Blocked", 603, 15},
        {"low-answer", "Network Blocked", 603, 15},
        {"wangiri", "Network Blocked", 603, 15},
        {"evasion", "", 0, 0},
    };
    """
    ctypedef struct EaReason:
        const char *name
        const char *phrase
        uint16_t status, phrase_len
    const EaReason *ea_reasons
