package telemetry

import (
	"fmt"
	"slices"
	"strings"
)

// exporter is a value of OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER.
type exporter string

const (
	exporterNone       exporter = "none"
	exporterOTLP       exporter = "otlp"
	exporterConsole    exporter = "console"
	exporterPrometheus exporter = "prometheus" // always there, so asking for it changes nothing
)

// protocolHTTP is the only OTLP transport that is linked in: gRPC would double the modules of the binary.
const protocolHTTP = "http/protobuf"

type exporterKinds struct{ traces, metrics exporter }

// exporters decides what is exported. The specification's default is OTLP to localhost, which fills logs with errors
// where no collector runs, so ours is none unless an exporter or an OTLP endpoint is named.
func exporters(getenv func(string) string) (exporterKinds, error) {
	none := exporterKinds{traces: exporterNone, metrics: exporterNone}
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return none, nil
	}
	kinds := none
	var err error
	if kinds.traces, err = signal(getenv, "TRACES", exporterOTLP, exporterConsole); err != nil {
		return none, err
	}
	if kinds.metrics, err = signal(getenv, "METRICS", exporterOTLP, exporterPrometheus); err != nil {
		return none, err
	}
	return kinds, nil
}

func signal(getenv func(string) string, name string, known ...exporter) (exporter, error) {
	variable := "OTEL_" + name + "_EXPORTER"
	kind := exporter(strings.ToLower(strings.TrimSpace(getenv(variable))))
	endpoint := getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_"+name+"_ENDPOINT") != ""
	switch {
	case kind == "" && endpoint:
		kind = exporterOTLP
	case kind == "" || kind == exporterNone:
		return exporterNone, nil
	}
	if !slices.Contains(known, kind) {
		return "", fmt.Errorf("%s=%s is not an exporter of this build; use one of none, %s", variable, kind, join(known))
	}
	if kind == exporterOTLP {
		if err := checkProtocol(getenv, name); err != nil {
			return "", err
		}
	}
	return kind, nil
}

func checkProtocol(getenv func(string) string, name string) error {
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_" + name + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if v := getenv(variable); v != "" {
			if v != protocolHTTP {
				return fmt.Errorf("%s=%s: only %s is built in; point it at the collector's HTTP port (4318)", variable, v, protocolHTTP)
			}
			return nil
		}
	}
	return nil
}

func join(list []exporter) string {
	words := make([]string, len(list))
	for i, e := range list {
		words[i] = string(e)
	}
	return strings.Join(words, ", ")
}
