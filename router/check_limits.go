package router

import (
	"fmt"

	"github.com/sallyport/sallyport/gateway"
)

// base64 turns 3 bytes into 4.
const (
	base64Numerator   = 3
	base64Denominator = 4
)

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
	for _, f := range s.Figures(c.api.Protocol) {
		c.checkFigure(f)
	}
	c.checkPayloadCap(s)
}

func (c *check) checkFigure(f gateway.Figure) {
	if f.Value == nil || *f.Value >= f.Min && *f.Value <= f.Max || f.OrZero && *f.Value == 0 {
		return
	}
	hint := fmt.Sprintf("%d to %d", f.Min, f.Max)
	if f.OrZero {
		hint += ", or 0 for no limit"
	}
	c.fault(at("limits", f.Key), fmt.Sprintf("%d is out of range", *f.Value), hint)
}

// checkPayloadCap reports what the definition asks for and this NATS can't carry (DESIGN §3.10). Figures that only the
// profile gives are lowered instead.
func (c *check) checkPayloadCap(s *gateway.LimitSettings) {
	most := payloadCap(c.api, c.config)
	if most == 0 {
		return
	}
	for _, f := range s.Figures(c.api.Protocol) {
		carried := f.Key == "maxMessageBytes" || f.Key == "maxBodyBytes"
		if carried && f.Value != nil && *f.Value > most {
			c.fault(at("limits", f.Key), fmt.Sprintf("%d bytes are more than NATS carries", *f.Value),
				fmt.Sprintf("at most %d with this server's max_payload", most))
		}
	}
}

// effectiveLimits returns the figures in force.
func effectiveLimits(api *gateway.API, config Config) gateway.Limits {
	l := api.Limits.Resolve(api.Protocol)
	if most := payloadCap(api, config); most > 0 {
		l.MaxMessageBytes = min(l.MaxMessageBytes, most)
		l.MaxBodyBytes = min(l.MaxBodyBytes, most)
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
