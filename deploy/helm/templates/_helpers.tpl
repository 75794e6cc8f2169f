{{- define "registry.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- /* Short enough for what is appended: a StatefulSet's pods have a hash of some 11 letters in a label. */ -}}
{{- define "registry.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 42 | trimSuffix "-" -}}
{{- else if contains (include "registry.name" .) .Release.Name -}}
{{- .Release.Name | trunc 42 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "registry.name" .) | trunc 42 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "registry.selector" -}}
app.kubernetes.io/name: {{ include "registry.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "registry.labels" -}}
{{ include "registry.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "registry.daemonset" -}}
{{- if eq .Values.mode "daemonset" }}true{{ end -}}
{{- end -}}

{{- define "registry.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "registry.peers" -}}{{ include "registry.fullname" . }}-peers{{- end -}}
{{- define "registry.keySecret" -}}{{ .Values.protectorKey.existingSecret | default (printf "%s-swarm" (include "registry.fullname" .)) }}{{- end -}}
{{- define "registry.serviceAccount" -}}{{ .Values.serviceAccount.name | default (include "registry.fullname" .) }}{{- end -}}

{{- /* One that is scaled down asks for that; nobody else has to ask the API server for anything. */ -}}
{{- define "registry.asksKubernetes" -}}
{{- if and (not (include "registry.daemonset" .)) .Values.preStop.enabled }}true{{ end -}}
{{- end -}}

{{- /* What is set by values of its own, and would break the pods if it were set beside them: an error that names the value. */ -}}
{{- define "registry.check" -}}
{{- $instead := dict "datastorepath" "persistence, or daemonset.hostPath" "protectorkey" "protectorKey.existingSecret" "protectorkeyfile" "protectorKey.existingSecret"
  "protectorkeynext" "protectorKey.nextSecret" "protectorkeynextfile" "protectorKey.nextSecret" "bootstrappers" "bootstrappers" "name" "nothing: it is that of the pod, or of its node" -}}
{{- range $at, $set := dict "ipfs" .Values.ipfs "config.storage.ipfs" (dig "storage" "ipfs" dict .Values.config) -}}
{{- range $key, $_ := $set -}}
{{- if hasKey $instead $key }}{{ fail (printf "%s.%s: the chart sets it: use %s" $at $key (get $instead $key)) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $http := dig "http" dict .Values.config -}}
{{- if hasKey $http "addr" }}{{ fail "config.http.addr: the chart sets it: use service.port, or daemonset.hostPort" }}{{ end -}}
{{- if hasKey ($http.debug | default dict) "addr" }}{{ fail "config.http.debug.addr: the chart sets it: probes and metrics are at port 5001" }}{{ end -}}
{{- if and (include "registry.daemonset" .) .Values.mirror.upstreams $http.tls -}}
{{- fail "config.http.tls: containerd asks the registry of its node at http://127.0.0.1, and would never get an image: set no mirror.upstreams, or have an ingress do TLS for the others" }}
{{- end -}}
{{- end -}}

{{- /* The configuration as the pods read it. All pods see a new one at once, and get other Secrets one by one: each Secret has
a path of its own, so that none finds the key of before where the one that follows is meant. */ -}}
{{- define "registry.config" -}}
{{- include "registry.check" . -}}
{{- $members := prepend .Values.bootstrappers (printf "/dns4/%s/tcp/4619" (include "registry.peers" .)) -}}
{{- $ipfs := dict "datastorepath" "/var/lib/registry/ipfs" "protectorkeyfile" (printf "/var/run/secrets/%s/swarm.key" (include "registry.keySecret" .)) "bootstrappers" $members -}}
{{- if .Values.protectorKey.nextSecret -}}
{{- $_ := set $ipfs "protectorkeynextfile" (printf "/var/run/secrets/%s/swarm.key" .Values.protectorKey.nextSecret) -}}
{{- end -}}
{{- $addr := ":5000" -}}
{{- $debugAddr := ":5001" -}}
{{- if and (include "registry.daemonset" .) .Values.daemonset.hostNetwork -}}
{{- $addr = printf "127.0.0.1:%d" (int .Values.daemonset.hostPort) -}}
{{- $debugAddr = "127.0.0.1:5001" -}}
{{- end -}}
{{- $debug := dict "addr" $debugAddr "prometheus" (dict "enabled" true) -}}
{{- $all := dict "version" 0.1 "log" (dict "level" "info")
  "storage" (dict "delete" (dict "enabled" true) "ipfs" $ipfs)
  "http" (dict "addr" $addr "debug" $debug) -}}
{{- $all = mergeOverwrite $all (deepCopy .Values.config) (dict "storage" (dict "ipfs" (deepCopy .Values.ipfs))) -}}
{{- toYaml $all -}}
{{- end -}}
