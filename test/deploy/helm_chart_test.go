package deploy

import (
	"bufio"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

func newReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

// everything sets each value that turns something on.
const everything = `
definitions: {chat.yaml: "name: Chat\nprotocolType: WEBSOCKET\n"}
rootKeySecret: root
tlsSecret: certificate
podAnnotations: {a: b}
podLabels: {team: messaging}
imagePullSecrets: [{name: registry}]
nodeSelector: {disk: fast}
tolerations: [{key: edge, operator: Exists}]
affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}
extraEnv: [{name: GOMEMLIMIT, value: 1800MiB}]
extraArgs: ["--log-level=debug"]
service: {type: LoadBalancer, port: 443, annotations: {x: z}}
ingress: {enabled: true, className: nginx, hosts: [api.example.com], tls: [{hosts: [api.example.com], secretName: web}], annotations: {x: "1"}}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
serviceAccount: {annotations: {x: z}}
node: {persistence: {storageClass: fast}}
`

const external = `
nats: {url: "nats://nats:4222", credentialsSecret: nats-creds, caSecret: nats-ca, clientCertificateSecret: nats-tls, jsDomain: hub}
`

func TestChart(t *testing.T) {
	for name, test := range map[string]struct {
		values string
		want   []string
	}{
		"one node": {"", []string{
			"NetworkPolicy/demo-sallyport", "Service/demo-sallyport", "Service/demo-sallyport-node", "ServiceAccount/demo-sallyport", "StatefulSet/demo-sallyport",
		}},
		"little": {"podDisruptionBudget: {enabled: false}\nnetworkPolicy: {enabled: false}\nserviceAccount: {create: false}", []string{
			"Service/demo-sallyport", "Service/demo-sallyport-node", "StatefulSet/demo-sallyport",
		}},
		"everything": {everything, []string{
			"ConfigMap/demo-sallyport-definitions", "Ingress/demo-sallyport", "NetworkPolicy/demo-sallyport", "Service/demo-sallyport",
			"Service/demo-sallyport-metrics", "Service/demo-sallyport-node", "ServiceAccount/demo-sallyport", "ServiceMonitor/demo-sallyport", "StatefulSet/demo-sallyport",
		}},
		"external NATS": {external, []string{
			"Deployment/demo-sallyport-edge", "Deployment/demo-sallyport-worker", "NetworkPolicy/demo-sallyport", "PodDisruptionBudget/demo-sallyport-edge",
			"PodDisruptionBudget/demo-sallyport-worker", "Service/demo-sallyport", "ServiceAccount/demo-sallyport",
		}},
		"everything on external NATS": {everything + external, []string{
			"ConfigMap/demo-sallyport-definitions", "Deployment/demo-sallyport-edge", "Deployment/demo-sallyport-worker", "Ingress/demo-sallyport",
			"NetworkPolicy/demo-sallyport", "PodDisruptionBudget/demo-sallyport-edge", "PodDisruptionBudget/demo-sallyport-worker", "Service/demo-sallyport",
			"Service/demo-sallyport-metrics", "ServiceAccount/demo-sallyport", "ServiceMonitor/demo-sallyport",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := render(t, test.values)
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Sorted(maps.Keys(objects)); !slices.Equal(got, test.want) {
				t.Errorf("objects\n%q, want\n%q", got, test.want)
			}
			pods := podsOf(objects)
			if len(pods) == 0 {
				t.Fatal("no pods")
			}
			for name, pod := range pods {
				checkPod(t, name, pod)
			}
			checkSelectors(t, objects, pods)
		})
	}
}

// podsOf are the pods by the name of what makes them.
func podsOf(objects map[string]any) map[string]corev1.PodTemplateSpec {
	pods := map[string]corev1.PodTemplateSpec{}
	for name, object := range objects {
		switch o := object.(type) {
		case *appsv1.StatefulSet:
			pod := o.Spec.Template
			for _, claim := range o.Spec.VolumeClaimTemplates {
				pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim.Name})
			}
			pods[name] = pod
		case *appsv1.Deployment:
			pods[name] = o.Spec.Template
		}
	}
	return pods
}

func checkPod(t *testing.T, name string, pod corev1.PodTemplateSpec) {
	t.Helper()
	c := pod.Spec.Containers[0]
	call := command{where: name, args: c.Args, env: map[string]string{}}
	for _, variable := range c.Env {
		call.env[variable.Name] = variable.Value
	}
	call.check(t)

	var volumes, ports []string
	for _, volume := range pod.Spec.Volumes {
		volumes = append(volumes, volume.Name)
	}
	for _, port := range c.Ports {
		ports = append(ports, port.Name)
	}
	var paths []string
	for _, mount := range c.VolumeMounts {
		paths = append(paths, mount.MountPath)
		if !slices.Contains(volumes, mount.Name) {
			t.Errorf("%s: no volume is named %s", name, mount.Name)
		}
	}
	for _, arg := range c.Args {
		if _, path, ok := strings.Cut(arg, "=/"); ok && !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix("/"+path, p) }) {
			t.Errorf("%s: %s is mounted nowhere", name, arg)
		}
	}
	for kind, probe := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != kind || !slices.Contains(ports, probe.HTTPGet.Port.StrVal) {
			t.Errorf("%s: probe of %s: %+v", name, kind, probe)
		}
	}
	// 5 s is what a stop may take beyond the drain.
	wait := c.Lifecycle.PreStop.Sleep.Seconds
	if grace := *pod.Spec.TerminationGracePeriodSeconds; grace < wait+30+5 {
		t.Errorf("%s: killed after %d s, before its drain has ended", name, grace)
	}
	if !*pod.Spec.SecurityContext.RunAsNonRoot || !*c.SecurityContext.ReadOnlyRootFilesystem || *c.SecurityContext.AllowPrivilegeEscalation {
		t.Errorf("%s: more rights than it needs", name)
	}
}

// checkSelectors: what selects pods selects some, and by ports that they have.
func checkSelectors(t *testing.T, objects map[string]any, pods map[string]corev1.PodTemplateSpec) {
	t.Helper()
	for name, object := range objects {
		var selector map[string]string
		var ports []corev1.ServicePort
		switch o := object.(type) {
		case *corev1.Service:
			selector, ports = o.Spec.Selector, o.Spec.Ports
		case *policyv1.PodDisruptionBudget:
			selector = o.Spec.Selector.MatchLabels
		case *appsv1.StatefulSet:
			selector = o.Spec.Selector.MatchLabels
		case *appsv1.Deployment:
			selector = o.Spec.Selector.MatchLabels
		default:
			continue
		}
		selected := 0
		for _, pod := range pods {
			if !matches(selector, pod.Labels) {
				continue
			}
			selected++
			for _, port := range ports {
				has := slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return p.Name == port.TargetPort.StrVal })
				if !has {
					t.Errorf("%s leads to port %s, which the pod does not have", name, port.TargetPort.StrVal)
				}
			}
		}
		if selected == 0 {
			t.Errorf("%s selects no pod by %v", name, selector)
		}
	}
}

func matches(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// TestValuesAreChecked: what the schema refuses never reaches a cluster.
func TestValuesAreChecked(t *testing.T) {
	for name, values := range map[string]string{
		"a misspelt key": "replicas: 3", "no workers": "worker: {replicas: 0}", "a file that is no definition": "definitions: {a.txt: x}",
		"an ingress without hosts": "ingress: {enabled: true}", "a prefix of two tokens": "prefix: a.b", "NATS by http": `nats: {url: "http://nats"}`,
	} {
		if _, err := render(t, values); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
