package app

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/catalog"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/schemas/deployment"
)

// frozenOf is the change that deploys an API to every stage that it names, or to the one when it names none.
func frozenOf(api *gateway.API, stage gateway.StageName, now time.Time) (catalog.Change, error) {
	if len(api.Stages) == 0 {
		api.Stages = map[gateway.StageName]*gateway.Stage{stage: {}}
	}
	document, err := json.Marshal(api)
	if err != nil {
		return catalog.Change{}, fmt.Errorf("encode API %s: %w", api.APIID, err)
	}
	return catalog.Change{
		Deployment: &deployment.Frozen{Version: deployment.Version, API: api.APIID, ID: deploymentID(api), CreatedAt: now.UTC(), Definition: document},
		Stages:     stagesOf(api),
	}, nil
}
