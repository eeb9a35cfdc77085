package control

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/sallyport/sallyport/gateway"
)

// Ready asks the process whether it takes traffic, and returns its reasons why not; none means that it does. The error is
// that of an answer that did not come, or that no gateway gave.
func (c *Client) Ready(ctx context.Context) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+pathReady, nil)
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeBadRequest, "%s%s is no URL", c.base, pathReady).Because(err)
	}
	request.Header.Set("User-Agent", "sallyport")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreached(ctx, err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	switch response.StatusCode {
	case http.StatusOK:
		return nil, nil
	case http.StatusServiceUnavailable:
		return c.reasons(response.Body)
	}
	return nil, c.refusal(response)
}

// reasons reads the body of a process that is not ready.
func (c *Client) reasons(body io.Reader) ([]string, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	var answer notReady
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || len(answer.Reasons) == 0 {
		return nil, gateway.Errorf(gateway.CodeUnavailable, "%s answered 503 without a reason: is that the gateway's --admin address?", c.base).Because(err)
	}
	return answer.Reasons, nil
}
