package router

import (
	"fmt"
	"time"

	"github.com/sallyport/sallyport/gateway"
)

// The ranges of the limits: members. Where nothing else is said, a lower bound keeps a figure from meaning "nothing gets
// through" and an upper one keeps a slip of the finger from exhausting memory or overflowing a duration.
const (
	minLimitBytes     = 1
	minSendQueue      = 1 << 10
	maxSendQueue      = 64 << 20 // eight of the largest messages
	maxLimitSeconds   = 365 * 24 * 3600
	maxPingSeconds    = 24 * 3600
	maxPatience       = 3600                         // seconds: pong and slow client
	longestExtension  = 15 * time.Minute             // what the default profile allows an integration, as REST streaming does (contract/rest-api.md §5.6)
	base64Numerator   = 3                            // base64 turns 3 bytes
	base64Denominator = 4                            // into 4
	shortestAnswer    = gateway.MinIntegrationMillis // milliseconds
)

// bound is the range of one member of limits:. Zero is allowed beside it where it means "no limit".
type bound struct {
	key      string
	value    *int
	min, max int
	orZero   bool
}

func (c *check) checkLimits() {
	c.limits = effectiveLimits(c.api, c.config)
	s := c.api.Limits
	if s == nil {
		return
	}
	if s.Profile != "" && s.Profile != gateway.ProfileDefault && s.Profile != gateway.ProfileAWS {
		c.fault(at("limits", "profile"), fmt.Sprintf("unknown profile %q", s.Profile), "default or aws")
	}
	if s.Binary != "" && s.Binary != gateway.BinaryAccept && s.Binary != gateway.BinaryRefuse {
		c.fault(at("limits", "binary"), fmt.Sprintf("unknown policy %q", s.Binary), "accept or refuse")
	}
	for _, b := range []bound{
		{"maxMessageBytes", s.MaxMessageBytes, minLimitBytes, gateway.MaxMessageCeiling, false},
		{"maxFrameBytes", s.MaxFrameBytes, minLimitBytes, gateway.MaxMessageCeiling, false},
		{"idleTimeoutSeconds", s.IdleTimeoutSeconds, 1, maxLimitSeconds, true},
		{"maxConnectionSeconds", s.MaxConnectionSeconds, 1, maxLimitSeconds, true},
		{"pingIntervalSeconds", s.PingIntervalSeconds, 1, maxPingSeconds, true},
		{"pongTimeoutSeconds", s.PongTimeoutSeconds, 1, maxPatience, true},
		{"sendQueueBytes", s.SendQueueBytes, minSendQueue, maxSendQueue, false},
		{"slowClientSeconds", s.SlowClientSeconds, 1, maxPatience, false},
		{"integrationTimeoutMillis", s.IntegrationTimeoutMillis, shortestAnswer, c.longestIntegration(), false},
		{"maxBodyBytes", s.MaxBodyBytes, minLimitBytes, gateway.MaxBodyCeiling, false},
	} {
		c.checkBound(b)
	}
	c.checkPayloadCap(s)
	if s.SendQueueBytes != nil && *s.SendQueueBytes < c.limits.MaxMessageBytes {
		c.fault(at("limits", "sendQueueBytes"), "the queue is smaller than one message",
			fmt.Sprintf("at least maxMessageBytes, which is %d", c.limits.MaxMessageBytes))
	}
}

func (c *check) checkBound(b bound) {
	if b.value == nil || *b.value >= b.min && *b.value <= b.max || b.orZero && *b.value == 0 {
		return
	}
	hint := fmt.Sprintf("%d to %d", b.min, b.max)
	if b.orZero {
		hint += ", or 0 for no limit"
	}
	c.fault(at("limits", b.key), fmt.Sprintf("%d is out of range", *b.value), hint)
}

// checkPayloadCap reports what the definition asks for and this NATS can't carry (DESIGN §3.10). Figures that only the
// profile gives are lowered instead.
func (c *check) checkPayloadCap(s *gateway.LimitSettings) {
	most := payloadCap(c.api, c.config)
	if most == 0 {
		return
	}
	for _, b := range []bound{
		{key: "maxMessageBytes", value: s.MaxMessageBytes},
		{key: "maxBodyBytes", value: s.MaxBodyBytes},
	} {
		if b.value != nil && *b.value > most {
			c.fault(at("limits", b.key), fmt.Sprintf("%d bytes are more than NATS carries", *b.value),
				fmt.Sprintf("at most %d with this server's max_payload", most))
		}
	}
}

// longestIntegration returns the most milliseconds that an integration may take: Amazon's figure in the aws profile
// (contract/websocket-api.md §7.1, contract/http-api.md §1.10), more as an extension in the default one.
func (c *check) longestIntegration() int {
	longest := longestExtension
	if c.api.Limits != nil && c.api.Limits.Profile == gateway.ProfileAWS {
		longest = gateway.Profile(gateway.ProfileAWS, c.api.Protocol).Integration
	}
	return int(longest / time.Millisecond)
}

// effectiveLimits returns the figures in force.
func effectiveLimits(api *gateway.API, config Config) gateway.Limits {
	l := api.Limits.Resolve(api.Protocol)
	if most := payloadCap(api, config); most > 0 {
		l.MaxMessageBytes = min(l.MaxMessageBytes, most)
		l.MaxBodyBytes = min(l.MaxBodyBytes, most)
	}
	if api.Limits == nil || api.Limits.SendQueueBytes == nil {
		// A queue that the definition does not size must take the largest message that it allows.
		l.SendQueueBytes = max(l.SendQueueBytes, l.MaxMessageBytes)
	}
	return l
}

// payloadCap returns the most bytes of a message, 0 for no cap. A NATS integration that asks for proxy events carries
// binary bodies as base64.
func payloadCap(api *gateway.API, config Config) int {
	for _, i := range integrationsOf(api) {
		if i.Type == gateway.IntegrationNATS && i.PayloadFormatVersion != "" {
			return config.PayloadCap / base64Denominator * base64Numerator
		}
	}
	return config.PayloadCap
}
