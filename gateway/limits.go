package gateway

import "time"

// LimitProfile names a set of limits.
type LimitProfile string

// The profiles of DESIGN §3.10.
const (
	ProfileDefault LimitProfile = "default"
	ProfileAWS     LimitProfile = "aws"
)

// BinaryPolicy says what happens to binary frames.
type BinaryPolicy string

// The policies for binary frames. Refused ones close the connection with 1003 (contract/websocket-api.md §4.4).
const (
	BinaryAccept BinaryPolicy = "accept"
	BinaryRefuse BinaryPolicy = "refuse"
)

// LimitSettings is the limits: member of a definition: a profile's name, or an object that starts from a profile and
// changes some of its figures. A nil pointer leaves the profile's figure; 0 means no limit where the profile can have none.
type LimitSettings struct {
	Profile                  LimitProfile `json:"profile,omitempty"`
	MaxMessageBytes          *int         `json:"maxMessageBytes,omitempty"`
	MaxFrameBytes            *int         `json:"maxFrameBytes,omitempty"`
	IdleTimeoutSeconds       *int         `json:"idleTimeoutSeconds,omitempty"`
	MaxConnectionSeconds     *int         `json:"maxConnectionSeconds,omitempty"`
	PingIntervalSeconds      *int         `json:"pingIntervalSeconds,omitempty"`
	PongTimeoutSeconds       *int         `json:"pongTimeoutSeconds,omitempty"`
	SendQueueBytes           *int         `json:"sendQueueBytes,omitempty"`
	SlowClientSeconds        *int         `json:"slowClientSeconds,omitempty"`
	IntegrationTimeoutMillis *int         `json:"integrationTimeoutMillis,omitempty"`
	MaxBodyBytes             *int         `json:"maxBodyBytes,omitempty"`
	Binary                   BinaryPolicy `json:"binary,omitempty"`
}

// Limits are the figures in force for one API.
type Limits struct {
	MaxMessageBytes int           // a message after reassembly, also one pushed by a callback
	MaxFrameBytes   int           // one frame's payload on the wire
	IdleTimeout     time.Duration // 0: none
	MaxConnection   time.Duration // 0: none
	PingInterval    time.Duration // 0: the server sends no pings
	PongTimeout     time.Duration // after a ping; 0: none
	SendQueueBytes  int           // what may wait for a client that reads slowly, beside one larger message that is being written
	SlowClient      time.Duration // how long the queue may stay full before the client is closed with 1008
	Integration     time.Duration // what an integration without timeoutInMillis gets
	MaxBodyBytes    int           // an HTTP request's body
	Binary          BinaryPolicy
}

const (
	kib = 1 << 10
	mib = 1 << 20

	// MaxMessageCeiling bounds what a definition may ask for: the embedded server's max_payload is 12 MiB and counts
	// headers and base64 growth (nats-facts §3.7).
	MaxMessageCeiling = 8 * mib
	// MaxBodyCeiling is Amazon's HTTP body limit and ours (contract/http-api.md §15).
	MaxBodyCeiling = 10 * mib
)

// Where nothing else is said, a lower bound keeps a figure from meaning "nothing gets through", and an upper one keeps a
// slip of the finger from exhausting memory or overflowing a duration.
const (
	minSendQueue = kib
	maxSendQueue = 64 * mib // eight of the largest messages
	// Seconds.
	maxLifeSeconds     = 365 * 24 * 3600
	maxPingSeconds     = 24 * 3600
	maxPatienceSeconds = 3600 // pong and slow client
)

// Figure is one number of a LimitSettings, and what it may be.
type Figure struct {
	// Key is its name in a document.
	Key string
	// Value is nil where the profile's figure holds.
	Value *int
	// Min and Max are its range; with OrZero 0 is allowed beside it and means no limit.
	Min, Max int
	OrZero   bool
}

// Figures returns all numbers of s, for an API of protocol p, in the order of the fields.
func (s *LimitSettings) Figures(p Protocol) []Figure {
	return []Figure{
		{Key: "maxMessageBytes", Value: s.MaxMessageBytes, Min: 1, Max: MaxMessageCeiling},
		{Key: "maxFrameBytes", Value: s.MaxFrameBytes, Min: 1, Max: MaxMessageCeiling},
		{Key: "idleTimeoutSeconds", Value: s.IdleTimeoutSeconds, Min: 1, Max: maxLifeSeconds, OrZero: true},
		{Key: "maxConnectionSeconds", Value: s.MaxConnectionSeconds, Min: 1, Max: maxLifeSeconds, OrZero: true},
		{Key: "pingIntervalSeconds", Value: s.PingIntervalSeconds, Min: 1, Max: maxPingSeconds, OrZero: true},
		{Key: "pongTimeoutSeconds", Value: s.PongTimeoutSeconds, Min: 1, Max: maxPatienceSeconds, OrZero: true},
		{Key: "sendQueueBytes", Value: s.SendQueueBytes, Min: minSendQueue, Max: maxSendQueue},
		{Key: "slowClientSeconds", Value: s.SlowClientSeconds, Min: 1, Max: maxPatienceSeconds},
		{
			Key: "integrationTimeoutMillis", Value: s.IntegrationTimeoutMillis,
			Min: MinIntegrationMillis, Max: s.MaxIntegrationMillis(p),
		},
		{Key: "maxBodyBytes", Value: s.MaxBodyBytes, Min: 1, Max: MaxBodyCeiling},
	}
}

// MaxIntegrationMillis returns how long an integration of an API with these settings may take at most: Amazon's figure
// in the aws profile, more as an extension in the default one. s may be nil.
func (s *LimitSettings) MaxIntegrationMillis(p Protocol) int {
	switch {
	case s == nil || s.Profile != ProfileAWS:
		return MaxExtendedMillis
	case p == ProtocolHTTP:
		return MaxHTTPMillis
	}
	return MaxWebSocketMillis
}

// Profile returns the limits of a profile for APIs of protocol p: the table of DESIGN §3.10. An unknown name gives the
// default profile.
func Profile(name LimitProfile, p Protocol) Limits {
	l := Limits{
		MaxMessageBytes: mib,
		MaxFrameBytes:   mib,
		PingInterval:    60 * time.Second,
		PongTimeout:     20 * time.Second,
		SendQueueBytes:  64 * kib,
		SlowClient:      10 * time.Second,
		Integration:     MaxWebSocketMillis * time.Millisecond,
		MaxBodyBytes:    MaxBodyCeiling,
		Binary:          BinaryAccept,
	}
	if name == ProfileAWS {
		l.MaxMessageBytes = 128 * kib
		l.MaxFrameBytes = 32 * kib
		l.IdleTimeout = 10 * time.Minute
		l.MaxConnection = 2 * time.Hour
		l.PingInterval, l.PongTimeout = 0, 0
		l.Binary = BinaryRefuse
	}
	if p == ProtocolHTTP {
		l.Integration = MaxHTTPMillis * time.Millisecond
	}
	return l
}

// Resolve returns the limits that s stands for; a nil s is the default profile.
func (s *LimitSettings) Resolve(p Protocol) Limits {
	if s == nil {
		return Profile(ProfileDefault, p)
	}
	l := Profile(s.Profile, p)
	setInt(&l.MaxMessageBytes, s.MaxMessageBytes)
	setInt(&l.MaxFrameBytes, s.MaxFrameBytes)
	setInt(&l.SendQueueBytes, s.SendQueueBytes)
	setInt(&l.MaxBodyBytes, s.MaxBodyBytes)
	setDuration(&l.IdleTimeout, s.IdleTimeoutSeconds, time.Second)
	setDuration(&l.MaxConnection, s.MaxConnectionSeconds, time.Second)
	setDuration(&l.PingInterval, s.PingIntervalSeconds, time.Second)
	setDuration(&l.PongTimeout, s.PongTimeoutSeconds, time.Second)
	setDuration(&l.SlowClient, s.SlowClientSeconds, time.Second)
	setDuration(&l.Integration, s.IntegrationTimeoutMillis, time.Millisecond)
	if s.Binary != "" {
		l.Binary = s.Binary
	}
	return l
}

func setInt(dst, src *int) {
	if src != nil {
		*dst = *src
	}
}

func setDuration(dst *time.Duration, src *int, unit time.Duration) {
	if src != nil {
		*dst = time.Duration(*src) * unit
	}
}
