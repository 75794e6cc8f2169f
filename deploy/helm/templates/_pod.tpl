{{- /* The template of the pods, of both modes. */ -}}
{{- define "registry.pod" -}}
{{- $daemonset := include "registry.daemonset" . -}}
{{- $hostNetwork := and $daemonset .Values.daemonset.hostNetwork -}}
metadata:
  labels:
    {{- include "registry.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "registry.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "registry.serviceAccount" . }}
  automountServiceAccountToken: {{ if include "registry.asksKubernetes" . }}true{{ else }}false{{ end }}
  enableServiceLinks: false # else REGISTRY_PORT and its kind would be taken for configuration
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- if $hostNetwork }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  securityContext:
    {{- if $daemonset }}
    {{- mergeOverwrite (dict "runAsUser" 0 "runAsGroup" 0 "seccompProfile" (dict "type" "RuntimeDefault")) .Values.podSecurityContext | toYaml | nindent 4 }}
    {{- else }}
    {{- mergeOverwrite (dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "fsGroup" 65532 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault")) .Values.podSecurityContext | toYaml | nindent 4 }}
    {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with ternary .Values.daemonset.tolerations .Values.tolerations (not (empty $daemonset)) }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if not $daemonset }}
  {{- if kindIs "slice" .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "registry.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- end }}
  containers:
    - name: registry
      image: {{ include "registry.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --undrain, /etc/registry/config.yml]
      env:
        - name: REGISTRY_STORAGE_IPFS_NAME
          valueFrom: {fieldRef: {fieldPath: {{ if $daemonset }}spec.nodeName{{ else }}metadata.name{{ end }}}}
        {{- if and .Values.zoneLabel (not .Values.ipfs.zone) }}
        - name: REGISTRY_STORAGE_IPFS_ZONE
          valueFrom: {fieldRef: {fieldPath: "metadata.labels['{{ .Values.zoneLabel }}']"}}
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: registry
          containerPort: {{ ternary .Values.daemonset.hostPort 5000 (not (empty $hostNetwork)) }}
          {{- if and $daemonset (not $hostNetwork) }}
          hostPort: {{ .Values.daemonset.hostPort }}
          hostIP: 127.0.0.1
          {{- end }}
        - {name: swarm, containerPort: 4619}
        - {name: data, containerPort: 4620}
        - {name: debug, containerPort: 5001}
      livenessProbe:
        httpGet: {path: /livez, port: debug{{ if $hostNetwork }}, host: 127.0.0.1{{ end }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: debug{{ if $hostNetwork }}, host: 127.0.0.1{{ end }}}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 2
      {{- if .Values.preStop.enabled }}
      lifecycle:
        preStop:
          exec:
            command:
              - /usr/local/bin/registry
              - prestop
              - --linger={{ .Values.preStop.linger }}
              {{- if not $daemonset }}
              - --statefulset={{ include "registry.fullname" . }}
              {{- end }}
              - /etc/registry/config.yml
      {{- end }}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext: {{- include "registry.securityContext" . | nindent 8 }}
      volumeMounts:
        - {name: data, mountPath: /var/lib/registry}
        - {name: config, mountPath: /etc/registry, readOnly: true}
        - {name: swarm, mountPath: /var/run/secrets/{{ include "registry.keySecret" . }}, readOnly: true}
        {{- with .Values.protectorKey.nextSecret }}
        - {name: swarm-next, mountPath: /var/run/secrets/{{ . }}, readOnly: true}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- if and $daemonset .Values.mirror.upstreams }}
    {{- include "registry.mirror" . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "registry.fullname" . }}}
    - name: swarm
      secret:
        secretName: {{ include "registry.keySecret" . }}
        defaultMode: {{ ternary 256 288 (not (empty $daemonset)) }} # 0400, and with a group 0440
        items: [{key: {{ .Values.protectorKey.key }}, path: swarm.key}]
    {{- with .Values.protectorKey.nextSecret }}
    - name: swarm-next
      secret:
        secretName: {{ . }}
        defaultMode: {{ ternary 256 288 (not (empty $daemonset)) }}
        items: [{key: {{ $.Values.protectorKey.key }}, path: swarm.key}]
    {{- end }}
    {{- if $daemonset }}
    - name: data
      hostPath: {path: {{ .Values.daemonset.hostPath }}, type: DirectoryOrCreate}
    {{- if .Values.mirror.upstreams }}
    {{- range $i, $dir := .Values.mirror.hostDirs }}
    - name: host-{{ $i }}
      hostPath: {path: {{ $dir }}}
    {{- end }}
    {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "registry.securityContext" -}}
{{- mergeOverwrite (dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL"))) .Values.securityContext | toYaml -}}
{{- end -}}

{{- /* A container that has the node's containerd ask the registry first for as long as the pod is there. */ -}}
{{- define "registry.mirror" -}}
- name: mirror
  image: {{ include "registry.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - ipfs
    - hosts
    - --until-stopped
    - --root=/host
    {{- with .Values.mirror.directory }}
    - --dir=/host{{ . }}
    {{- end }}
    - --mirror=http://127.0.0.1:{{ .Values.daemonset.hostPort }}
    {{- range .Values.mirror.extraMirrors }}
    - --mirror={{ . }}
    {{- end }}
    {{- range .Values.mirror.upstreams }}
    - --upstream={{ . }}
    {{- end }}
    - /etc/registry/config.yml
  resources:
    requests: {cpu: 1m, memory: 16Mi}
  securityContext: # the directories are root's
    runAsUser: 0
    runAsNonRoot: false
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
  volumeMounts:
    - {name: config, mountPath: /etc/registry, readOnly: true}
    {{- range $i, $dir := .Values.mirror.hostDirs }}
    - {name: host-{{ $i }}, mountPath: /host{{ $dir }}}
    {{- end }}
{{- end -}}
