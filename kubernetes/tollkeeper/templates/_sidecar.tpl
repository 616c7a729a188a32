{{- define "tollkeeper.sidecarSecrets" -}}
{{ include "tollkeeper.stores" . }}
{{ include "tollkeeper.redis" . }}
{{- with .Values.telemetry }}{{ if .existingSecret }}
- {setting: OTLP_HEADERS, existingSecret: {{ .existingSecret | quote }}, key: {{ .key | quote }}}
{{- end }}{{ end }}
{{- if .Values.gateway.grpc.enabled }}
- {setting: GRPC_SECRET, existingSecret: {{ .Values.gateway.grpc.existingSecret | quote }}, key: {{ .Values.gateway.grpc.key | quote }}}
{{- end }}
{{- end }}

{{/* What sidecar and `envoy render` have to agree on. */}}
{{- define "tollkeeper.envoySettings" -}}
- name: TOLLKEEPER_MODEL_CLUSTERS
  value: /run/tollkeeper/models/models.yaml
- name: TOLLKEEPER_ENVOY_ADMIN
  value: unix:/run/tollkeeper/envoy.sock
{{- include "tollkeeper.settings" . }}
{{- end }}

{{/* How long the sidecar serves on once it is told to end: nobody takes over inside a pod, so only as long as Envoys
elsewhere need to hear of it. Beside an Envoy it is told after that has ended. */}}
{{- define "tollkeeper.handoverSeconds" -}}
{{- if .Values.gateway.envoy.enabled }}0{{ else }}{{ .Values.gateway.grpc.handoverSeconds }}{{ end }}
{{- end }}

{{- define "tollkeeper.sidecar" -}}
{{- $gateway := .Values.gateway -}}
name: sidecar
{{ include "tollkeeper.container" . }}
args: [sidecar]
env:
- name: TOLLKEEPER_METRICS_LISTEN
  value: 0.0.0.0:9464
- name: TOLLKEEPER_WORKERS
  value: {{ $gateway.workers | quote }}
- name: TOLLKEEPER_HANDOVER_SECONDS
  value: {{ include "tollkeeper.handoverSeconds" . | quote }}
{{- if $gateway.envoy.enabled }}
{{ include "tollkeeper.envoySettings" . }}
{{- else }}
- name: TOLLKEEPER_ACCESS_LOG_FILE
  value: none
{{- include "tollkeeper.settings" . }}
{{- end }}
{{- if $gateway.grpc.enabled }}
- name: TOLLKEEPER_GRPC_LISTEN
  value: 0.0.0.0:{{ int $gateway.grpc.port }}
{{- if $gateway.grpc.tlsSecret }}
- name: TOLLKEEPER_GRPC_TLS_DIR
  value: /run/secrets/tollkeeper-tls
{{- end }}
{{- end }}
{{- if $gateway.modelCredentialsSecret }}
- name: TOLLKEEPER_MODEL_CREDENTIALS_DIR
  value: /run/secrets/models
{{- end }}
{{- include "tollkeeper.secretFiles" (include "tollkeeper.sidecarSecrets" . | fromYamlArray) }}
{{- with $gateway.extraEnv }}
{{ toYaml . }}
{{- end }}
ports:
- {name: metrics, containerPort: 9464}
{{- if $gateway.grpc.enabled }}
- {name: grpc, containerPort: {{ int $gateway.grpc.port }}}
{{- end }}
# Started is what answers; a store that is away must not keep Envoy from starting.
startupProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 120}
readinessProbe: {httpGet: {path: /readyz, port: metrics}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2}
livenessProbe: {httpGet: {path: /healthz, port: metrics}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
resources:
  {{- toYaml $gateway.sidecarResources | nindent 2 }}
volumeMounts:
- {name: sockets, mountPath: /run/tollkeeper}
- {name: data, mountPath: /var/lib/tollkeeper}
{{- if $gateway.envoy.enabled }}
- {name: logs, mountPath: /var/log/tollkeeper}
{{- end }}
- {name: tmp, mountPath: /tmp}
- {name: secrets, mountPath: /run/secrets/tollkeeper, readOnly: true}
{{- if and $gateway.grpc.enabled $gateway.grpc.tlsSecret }}
- {name: tls, mountPath: /run/secrets/tollkeeper-tls, readOnly: true}
{{- end }}
{{- if $gateway.modelCredentialsSecret }}
- {name: model-credentials, mountPath: /run/secrets/models, readOnly: true}
{{- end }}
{{- end }}
