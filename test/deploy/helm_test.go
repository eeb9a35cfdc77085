package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(filepath.Join(root, "deploy/helm/sallyport"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// render renders the chart as `helm template demo` does, and returns its objects by "Kind/name".
func render(t *testing.T, values string) (map[string]any, error) {
	t.Helper()
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	c := loadChart(t)
	scope, err := chartutil.ToRenderValues(c, given, chartutil.ReleaseOptions{Name: "demo", Namespace: "edge", Revision: 1, IsInstall: true}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := (engine.Engine{Strict: true}).Render(c, scope)
	if err != nil {
		return nil, err
	}
	objects := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "NOTES.txt") {
			continue
		}
		documents := utilyaml.NewYAMLReader(newReader(files[name]))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := decode(objects, document); err != nil {
				t.Errorf("%s: %v\n%s", name, err, document)
			}
		}
	}
	return objects, nil
}

// monitor is a ServiceMonitor as the chart makes it. The Prometheus operator's module has the type, and half of Kubernetes
// behind it.
type monitor struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// decode reads one document into the type of its kind. A field that the type does not have is an error.
func decode(objects map[string]any, document []byte) error {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := yaml.Unmarshal(document, &head); err != nil {
		return err
	}
	if head.Kind == "" && len(bytes.TrimSpace(document)) == 0 {
		return nil
	}
	var object any
	switch head.APIVersion + " " + head.Kind {
	case " ":
		return nil // a comment alone
	case "apps/v1 StatefulSet":
		object = &appsv1.StatefulSet{}
	case "apps/v1 Deployment":
		object = &appsv1.Deployment{}
	case "v1 Service":
		object = &corev1.Service{}
	case "v1 ConfigMap":
		object = &corev1.ConfigMap{}
	case "v1 ServiceAccount":
		object = &corev1.ServiceAccount{}
	case "policy/v1 PodDisruptionBudget":
		object = &policyv1.PodDisruptionBudget{}
	case "networking.k8s.io/v1 NetworkPolicy":
		object = &networkingv1.NetworkPolicy{}
	case "networking.k8s.io/v1 Ingress":
		object = &networkingv1.Ingress{}
	case "monitoring.coreos.com/v1 ServiceMonitor":
		object = &monitor{}
	default:
		return fmt.Errorf("no type for %s %s", head.APIVersion, head.Kind)
	}
	key := head.Kind + "/" + head.Metadata.Name
	if _, twice := objects[key]; twice {
		return fmt.Errorf("%s twice", key)
	}
	objects[key] = object
	return yaml.UnmarshalStrict(document, object)
}
