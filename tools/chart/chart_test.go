package chart_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// everything switches on what is off by default.
const everything = `
imagePullSecrets: [{name: pull}]
image: {digest: "sha256:` + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + `"}
protectorKey: {nextSecret: swarm2}
ipfs: {ackreplicas: 2, zone: cellar}
config: {log: {level: warn}, auth: {htpasswd: {realm: images, path: /auth/htpasswd}}}
bootstrappers: [/dns4/registry.example.com/tcp/4619]
persistence: {storageClass: fast, labels: {team: images}, whenScaled: Delete}
mirror: {upstreams: [docker.io, "registry.example.com:5000"], hostDirs: [/etc/containerd, /var/lib/rancher], directory: /etc/containerd/certs.d, extraMirrors: ["http://registry.example.com"]}
service: {type: NodePort, nodePort: 30500, annotations: {a: b}}
ingress: {enabled: true, className: nginx, tlsSecret: tls, annotations: {a: b}}
podAnnotations: {a: b}
podLabels: {team: images}
nodeSelector: {disk: ssd}
tolerations: [{key: images, operator: Exists}]
affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}
priorityClassName: high
updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1}}
extraEnv: [{name: REGISTRY_HTTP_SECRET, valueFrom: {secretKeyRef: {name: http, key: secret}}}]
extraVolumes: [{name: auth, secret: {secretName: auth}}]
extraVolumeMounts: [{name: auth, mountPath: /auth}]
networkPolicy: {clients: [{namespaceSelector: {}}], members: [{ipBlock: {cidr: 192.0.2.0/24}}], monitoring: [{namespaceSelector: {}}]}
serviceMonitor: {enabled: true, labels: {a: b}}
prometheusRule: {enabled: true, labels: {a: b}}
dashboard: {enabled: true, annotations: {a: b}}
serviceAccount: {annotations: {a: b}}
`

const daemonset = "mode: daemonset\n"

// TestLint: helm finds nothing to complain of.
func TestLint(t *testing.T) {
	lint := action.NewLint()
	lint.Strict = true
	for name, values := range map[string]string{"as it comes": "", "daemonset": daemonset, "everything": everything, "everything on nodes": daemonset + everything} {
		var own map[string]any
		if err := yaml.Unmarshal([]byte(values), &own); err != nil {
			t.Fatal(err)
		}
		result := lint.Run([]string{dir}, own)
		for _, m := range result.Messages {
			if m.Severity > 1 { // an icon is recommended
				t.Errorf("%s: %s", name, m)
			}
		}
		for _, err := range result.Errors {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKinds: what is made, by which values, and that Kubernetes knows each field of it.
func TestKinds(t *testing.T) {
	always := []string{"ConfigMap/images-registry", "NetworkPolicy/images-registry", "Secret/images-registry-swarm", "Service/images-registry", "Service/images-registry-peers", "ServiceAccount/images-registry"}
	stateful := []string{"PodDisruptionBudget/images-registry", "Role/images-registry", "RoleBinding/images-registry", "StatefulSet/images-registry"}
	more := []string{"ConfigMap/images-registry-dashboard", "Ingress/images-registry", "PrometheusRule/images-registry", "ServiceMonitor/images-registry"}
	for values, want := range map[string][]string{
		"":                     slices.Concat(always, stateful),
		everything:             slices.Concat(always, stateful, more),
		daemonset:              slices.Concat(always, []string{"DaemonSet/images-registry"}),
		daemonset + everything: slices.Concat(always, []string{"DaemonSet/images-registry"}, more),
		"networkPolicy: {enabled: false}\npodDisruptionBudget: {enabled: false}\nprotectorKey: {existingSecret: mine}\npreStop: {enabled: false}\nserviceAccount: {name: mine}": {
			"ConfigMap/images-registry", "Service/images-registry", "Service/images-registry-peers", "StatefulSet/images-registry",
		},
		daemonset + "daemonset: {hostNetwork: true}\ntopologySpreadConstraints: []\nzoneLabel: ''": slices.Concat(always, []string{"DaemonSet/images-registry"}),
	} {
		slices.Sort(want)
		if is := slices.Sorted(maps.Keys(render(t, "", values))); !slices.Equal(is, want) {
			t.Errorf("with %q\n%s\nand not\n%s", values, is, want)
		}
	}
}

// TestWrongValues are refused before anything is made, and a key that nobody knows is one. What is set by another
// value says which.
func TestWrongValues(t *testing.T) {
	const mirrored = daemonset + "mirror: {upstreams: [docker.io]}\n"
	for values, says := range map[string]string{
		"mode: deployment":                                  "/mode",
		"replicas: -1":                                      "/replicas",
		"replicas: three":                                   "/replicas",
		"replica: 3":                                        "'replica' not allowed",
		"image: {tags: v1}":                                 "'tags' not allowed",
		"image: {digest: abc}":                              "/image/digest",
		"preStop: {linger: soon}":                           "/preStop/linger",
		"bootstrappers: [r.example.com]":                    "/bootstrappers/0",
		"daemonset: {hostPath: data}":                       "/daemonset/hostPath",
		"persistence: {whenScaled: Forget}":                 "/persistence/whenScaled",
		"ipfs: {ackreplica: 2}":                             "'ackreplica' not allowed",
		"ipfs: {protectorkey: abc}":                         "use protectorKey.existingSecret",
		"ipfs: {protectorkeynextfile: /k}":                  "use protectorKey.nextSecret",
		"ipfs: {datastorepath: /data}":                      "use persistence",
		"ipfs: {bootstrappers: [/dns4/r]}":                  "use bootstrappers",
		"config: {storage: {ipfs: {protectorkeyfile: /k}}}": "config.storage.ipfs.protectorkeyfile: the chart sets it",
		"config: {http: {addr: ':6000'}}":                   "use service.port",
		"config: {http: {debug: {addr: ':6001'}}}":          "at port 5001",
		mirrored + "config: {http: {tls: {certificate: /c, key: /key}}}\n": "would never get an image",
	} {
		if _, err := templates(t, "", values); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, and not %q", values, err, says)
		}
	}
	for _, values := range []string{
		"config: {http: {tls: {certificate: /c, key: /key}}}",
		"config: {http: {debug: {prometheus: {path: /m}}}, storage: {ipfs: {replicas: 3}}}",
		daemonset + "config: {http: {tls: {certificate: /c, key: /key}}}",
	} {
		if _, err := templates(t, "", values); err != nil {
			t.Errorf("%s: %v", values, err)
		}
	}
}

// TestKeysOfIPFS: the schema knows the keys that the driver reads.
func TestKeysOfIPFS(t *testing.T) {
	source, err := os.ReadFile("../../driver/parameters.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, tag := range regexp.MustCompile(`mapstructure:"([a-z]+)"`).FindAllSubmatch(source, -1) {
		want = append(want, string(tag[1]))
	}
	var schema struct {
		Properties struct {
			IPFS struct{ Properties map[string]any }
		}
	}
	if err := yaml.Unmarshal(load(t).Schema, &schema); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if is := slices.Sorted(maps.Keys(schema.Properties.IPFS.Properties)); len(want) < 40 || !slices.Equal(is, want) {
		t.Errorf("%s\nand not\n%s", is, want)
	}
}

// TestKey: it is made at the first install, and is what it was at each upgrade.
func TestKey(t *testing.T) {
	const key = "Secret/images-registry-swarm"
	first := get[*corev1.Secret](t, render(t, "", ""), key)
	if text := string(first.Data["swarm.key"]); !regexp.MustCompile(`^/key/swarm/psk/1\.0\.0/\n/base16/\n[0-9a-f]{64}\n$`).MatchString(text) {
		t.Errorf("the key is %q", text)
	}
	if first.Annotations["helm.sh/resource-policy"] != "keep" {
		t.Error("an uninstall would take it along")
	}
	if other := get[*corev1.Secret](t, render(t, "", ""), key); string(other.Data["swarm.key"]) == string(first.Data["swarm.key"]) {
		t.Error("two installs have one key")
	}
	first.Namespace = "team"
	if again := get[*corev1.Secret](t, render(t, "9.9.9", "", first), key); string(again.Data["swarm.key"]) != string(first.Data["swarm.key"]) {
		t.Error("an upgrade makes another key")
	}
	pods := get[*appsv1.StatefulSet](t, render(t, "", "protectorKey: {existingSecret: mine, key: psk}"), "StatefulSet/images-registry")
	for _, v := range pods.Spec.Template.Spec.Volumes {
		if v.Name == "swarm" && (v.Secret.SecretName != "mine" || v.Secret.Items[0].Key != "psk" || v.Secret.Items[0].Path != "swarm.key") {
			t.Errorf("the key that is given: %+v", v.Secret)
		}
	}
}

// TestNextKey: while the key is changed, pods have both, and their configuration names both.
func TestNextKey(t *testing.T) {
	all := render(t, "", "protectorKey: {nextSecret: swarm2, key: psk}")
	config := get[*corev1.ConfigMap](t, all, "ConfigMap/images-registry").Data["config.yml"]
	pod := get[*appsv1.StatefulSet](t, all, "StatefulSet/images-registry").Spec.Template.Spec
	for secret, key := range map[string]string{"images-registry-swarm": "protectorkeyfile", "swarm2": "protectorkeynextfile"} {
		var at string
		for _, v := range pod.Volumes {
			if v.Secret != nil && v.Secret.SecretName == secret && v.Secret.Items[0].Key == "psk" {
				at = mountOf(pod, v.Name) + "/" + v.Secret.Items[0].Path
			}
		}
		if at == "" || !strings.Contains(config, key+": "+at+"\n") {
			t.Errorf("%s is at %q, and the configuration is\n%s", secret, at, config)
		}
	}
}

func mountOf(pod corev1.PodSpec, volume string) string {
	for _, m := range pod.Containers[0].VolumeMounts {
		if m.Name == volume {
			return m.MountPath
		}
	}
	return ""
}

// TestUpgrade: nothing that Kubernetes forbids to change depends on the version, and pods are
// restarted for another configuration.
func TestUpgrade(t *testing.T) {
	const key = "StatefulSet/images-registry"
	from := get[*appsv1.StatefulSet](t, render(t, "0.1.0", ""), key)
	to := get[*appsv1.StatefulSet](t, render(t, "0.2.0", ""), key)
	if from.Spec.Template.Spec.Containers[0].Image == to.Spec.Template.Spec.Containers[0].Image {
		t.Error("the image is the same")
	}
	for what, pair := range map[string][2]any{
		"volumeClaimTemplates": {from.Spec.VolumeClaimTemplates, to.Spec.VolumeClaimTemplates},
		"selector":             {from.Spec.Selector, to.Spec.Selector},
		"serviceName":          {from.Spec.ServiceName, to.Spec.ServiceName},
		"podManagementPolicy":  {from.Spec.PodManagementPolicy, to.Spec.PodManagementPolicy},
		"annotations of pods":  {from.Spec.Template.Annotations, to.Spec.Template.Annotations},
	} {
		if !equality.Semantic.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %v and %v", what, pair[0], pair[1])
		}
	}
	if other := get[*appsv1.StatefulSet](t, render(t, "0.1.0", "ipfs: {replicas: 3}"), key); equality.Semantic.DeepEqual(other.Spec.Template.Annotations, from.Spec.Template.Annotations) {
		t.Error("another configuration restarts no pod")
	}
}

// TestRestricted: pods of a StatefulSet are what the Pod Security Standard "restricted" allows
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/); those on nodes have no capability.
func TestRestricted(t *testing.T) {
	pod := get[*appsv1.StatefulSet](t, render(t, "", ""), "StatefulSet/images-registry").Spec.Template.Spec
	if c := pod.SecurityContext; !*c.RunAsNonRoot || *c.RunAsUser == 0 || c.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%+v", c)
	}
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			t.Errorf("%s is a directory of the node", v.Name)
		}
	}
	nodes := get[*appsv1.DaemonSet](t, render(t, "", daemonset+everything), "DaemonSet/images-registry").Spec.Template.Spec
	for _, c := range append(pod.Containers, nodes.Containers...) {
		s := c.SecurityContext
		if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			t.Errorf("%s: %+v", c.Name, s)
		}
	}
}

// TestEnd: a pod of a StatefulSet asks whether it goes for good, and may ask nothing else; one on a
// node only waits until clients have gone.
func TestEnd(t *testing.T) {
	all := render(t, "", "")
	pod := get[*appsv1.StatefulSet](t, all, "StatefulSet/images-registry").Spec.Template.Spec
	hook := container(t, pod, "registry").Lifecycle.PreStop.Exec.Command
	if want := []string{"/usr/local/bin/registry", "prestop", "--linger=10s", "--statefulset=images-registry", "/etc/registry/config.yml"}; !slices.Equal(hook, want) {
		t.Errorf("%q", hook)
	}
	if !*pod.AutomountServiceAccountToken {
		t.Error("it has no token to ask with")
	}
	role := get[*rbacv1.Role](t, all, "Role/images-registry")
	if want := []rbacv1.PolicyRule{{APIGroups: []string{"apps"}, Resources: []string{"statefulsets"}, ResourceNames: []string{"images-registry"}, Verbs: []string{"get"}}}; !equality.Semantic.DeepEqual(role.Rules, want) {
		t.Errorf("%+v", role.Rules)
	}
	nodes := get[*appsv1.DaemonSet](t, render(t, "", daemonset), "DaemonSet/images-registry").Spec.Template.Spec
	if hook := container(t, nodes, "registry").Lifecycle.PreStop.Exec.Command; slices.ContainsFunc(hook, func(a string) bool { return strings.Contains(a, "statefulset") }) || *nodes.AutomountServiceAccountToken {
		t.Errorf("%q", hook)
	}
	off := get[*appsv1.StatefulSet](t, render(t, "", "preStop: {enabled: false}"), "StatefulSet/images-registry").Spec.Template.Spec
	if container(t, off, "registry").Lifecycle != nil || *off.AutomountServiceAccountToken {
		t.Error("it is not off")
	}
}

// TestMirror: on nodes a container of its own has containerd ask the registry first, where that is
// asked for, and reaches nothing but the directories that are named.
func TestMirror(t *testing.T) {
	const key = "DaemonSet/images-registry"
	if n := len(get[*appsv1.DaemonSet](t, render(t, "", daemonset), key).Spec.Template.Spec.Containers); n != 1 {
		t.Errorf("without upstreams there are %d containers", n)
	}
	pod := get[*appsv1.DaemonSet](t, render(t, "", daemonset+everything), key).Spec.Template.Spec
	mirror := container(t, pod, "mirror")
	want := []string{
		"ipfs", "hosts", "--until-stopped", "--root=/host", "--dir=/host/etc/containerd/certs.d", "--mirror=http://127.0.0.1:5000",
		"--mirror=http://registry.example.com", "--upstream=docker.io", "--upstream=registry.example.com:5000", "/etc/registry/config.yml",
	}
	if !slices.Equal(mirror.Args, want) {
		t.Errorf("%q", mirror.Args)
	}
	var at []string
	for _, m := range mirror.VolumeMounts {
		at = append(at, m.MountPath)
	}
	if want := []string{"/etc/registry", "/host/etc/containerd", "/host/var/lib/rancher"}; !slices.Equal(at, want) {
		t.Errorf("%q", at)
	}
	port := container(t, pod, "registry").Ports[0]
	if port.HostPort != 5000 || port.HostIP != "127.0.0.1" {
		t.Errorf("%+v", port)
	}
}

// TestConfiguration: pods find each other by the headless service, before they are ready, and what is
// configured counts above what the chart says.
func TestConfiguration(t *testing.T) {
	all := render(t, "", everything)
	var c struct {
		Log     struct{ Level string }
		Auth    struct{ Htpasswd struct{ Path string } }
		Storage struct {
			Delete struct{ Enabled bool }
			IPFS   struct {
				Bootstrappers []string
				AckReplicas   int
			}
		}
	}
	if err := yaml.UnmarshalStrict([]byte(get[*corev1.ConfigMap](t, all, "ConfigMap/images-registry").Data["config.yml"]), &c, yaml.DisallowUnknownFields); err == nil {
		t.Error("it has nothing else in it")
	}
	if err := yaml.Unmarshal([]byte(get[*corev1.ConfigMap](t, all, "ConfigMap/images-registry").Data["config.yml"]), &c); err != nil {
		t.Fatal(err)
	}
	if c.Log.Level != "warn" || c.Auth.Htpasswd.Path != "/auth/htpasswd" || !c.Storage.Delete.Enabled || c.Storage.IPFS.AckReplicas != 2 {
		t.Errorf("%+v", c)
	}
	if want := []string{"/dns4/images-registry-peers/tcp/4619", "/dns4/registry.example.com/tcp/4619"}; !slices.Equal(c.Storage.IPFS.Bootstrappers, want) {
		t.Errorf("%q", c.Storage.IPFS.Bootstrappers)
	}
	if peers := get[*corev1.Service](t, all, "Service/images-registry-peers").Spec; peers.ClusterIP != "None" || !peers.PublishNotReadyAddresses {
		t.Errorf("%+v", peers)
	}
	if *get[*appsv1.StatefulSet](t, all, "StatefulSet/images-registry").Spec.Template.Spec.EnableServiceLinks {
		t.Error("REGISTRY_PORT of Kubernetes would be taken for configuration")
	}
}

// TestPorts: from outside of the release nobody reaches probes, metrics and the page, unless that is
// said; each rule names a port that the pods have.
func TestPorts(t *testing.T) {
	all := render(t, "", "")
	pod := get[*appsv1.StatefulSet](t, all, "StatefulSet/images-registry").Spec.Template.Spec
	has := map[string]bool{}
	for _, p := range container(t, pod, "registry").Ports {
		has[p.Name] = true
	}
	for _, rule := range get[*netv1.NetworkPolicy](t, all, "NetworkPolicy/images-registry").Spec.Ingress {
		for _, p := range rule.Ports {
			if name := p.Port.StrVal; !has[name] || name == "debug" {
				t.Errorf("%s is reached", name)
			}
		}
	}
	rules := get[*netv1.NetworkPolicy](t, render(t, "", everything), "NetworkPolicy/images-registry").Spec.Ingress
	if last := rules[len(rules)-1]; last.Ports[0].Port.StrVal != "debug" || len(last.From) != 1 || len(rules[0].From) != 1 || len(rules[1].From) != 2 {
		t.Errorf("%+v", rules)
	}
}

// TestMonitoring: alerts and dashboard are those of deploy/, of which there is one copy.
func TestMonitoring(t *testing.T) {
	all := render(t, "", everything)
	board, err := os.ReadFile("../../deploy/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if is := get[*corev1.ConfigMap](t, all, "ConfigMap/images-registry-dashboard").Data["registry.json"]; strings.TrimSpace(is) != strings.TrimSpace(string(board)) {
		t.Errorf("another dashboard, of %d bytes", len(is))
	}
	alerts, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var want monitoringv1.PrometheusRuleSpec
	if err := yaml.Unmarshal(alerts, &want); err != nil {
		t.Fatal(err)
	}
	if is := get[*monitoringv1.PrometheusRule](t, all, "PrometheusRule/images-registry").Spec; len(want.Groups) == 0 || !equality.Semantic.DeepEqual(is, want) {
		t.Error("other alerts")
	}
	monitor := get[*monitoringv1.ServiceMonitor](t, all, "ServiceMonitor/images-registry").Spec
	service := get[*corev1.Service](t, all, "Service/images-registry-peers")
	for k, v := range monitor.Selector.MatchLabels {
		if service.Labels[k] != v {
			t.Errorf("the monitor does not find the service: %s=%s", k, v)
		}
	}
}

// TestNotes say how to push.
func TestNotes(t *testing.T) {
	for values, want := range map[string]string{"": "service/images-registry 5000:5000", daemonset + "mirror: {upstreams: [docker.io]}": "images of docker.io"} {
		files, err := templates(t, "", values)
		if err != nil {
			t.Fatal(err)
		}
		if notes := files["registry/templates/NOTES.txt"]; !strings.Contains(notes, want) || !strings.Contains(notes, "docker push localhost:5000/") || !strings.Contains(notes, "may push") {
			t.Errorf("%s", notes)
		}
	}
	files, err := templates(t, "", everything)
	if err != nil {
		t.Fatal(err)
	}
	if notes := files["registry/templates/NOTES.txt"]; strings.Contains(notes, "may push") || !strings.Contains(notes, "or to registry.example.com/") {
		t.Errorf("with config.auth and an ingress\n%s", notes)
	}
}
