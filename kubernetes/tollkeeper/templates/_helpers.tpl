{{- define "tollkeeper.name" -}}
{{- $name := default "tollkeeper" .Values.nameOverride -}}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "tollkeeper.selector" -}}
app.kubernetes.io/name: tollkeeper
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "tollkeeper.labels" -}}
{{ include "tollkeeper.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tollkeeper.metadata" -}}
name: {{ include "tollkeeper.name" .root }}-{{ .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "tollkeeper.labels" . | nindent 2 }}
{{- end }}

{{- define "tollkeeper.imageOf" -}}
{{ printf "%s%s%s" .repository (empty .digest | ternary ":" "@") (default .tag .digest) | quote }}
{{- end }}

{{- define "tollkeeper.container" -}}
image: {{ include "tollkeeper.imageOf" (dict "repository" .Values.image.repository "digest" .Values.image.digest "tag" (default .Chart.AppVersion .Values.image.tag)) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{ include "tollkeeper.containerSecurity" . }}
{{- end }}

{{- define "tollkeeper.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The uid of both images: what the two containers share is theirs alone. */}}
{{- define "tollkeeper.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 101
  runAsGroup: 101
  fsGroup: 101
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "tollkeeper.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- with index $ $field }}
{{ $field }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tollkeeper.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "tollkeeper.name" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "tollkeeper.settings" -}}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Secrets are files: those of an environment are in every child process and in many a dump. */}}
{{- define "tollkeeper.secretFiles" -}}
{{- range . }}
- name: TOLLKEEPER_{{ .setting }}_FILE
  value: /run/secrets/tollkeeper/{{ .setting | lower | replace "_" "-" }}
{{- end }}
{{- end }}

{{- define "tollkeeper.secretVolume" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
    {{- range . }}
    - secret:
        name: {{ .existingSecret | quote }}
        items: [{key: {{ .key | quote }}, path: {{ .setting | lower | replace "_" "-" }}}]
    {{- end }}
{{- end }}

{{- define "tollkeeper.stores" -}}
- {setting: DATABASE_URL, existingSecret: {{ .Values.database.existingSecret | quote }}, key: {{ .Values.database.key | quote }}}
{{- with .Values.ledger }}{{ if .existingSecret }}
- {setting: LEDGER_URL, existingSecret: {{ .existingSecret | quote }}, key: {{ .key | quote }}}
{{- end }}{{ end }}
{{- end }}

{{- define "tollkeeper.redis" -}}
- {setting: REDIS_URL, existingSecret: {{ .Values.redis.existingSecret | quote }}, key: {{ .Values.redis.key | quote }}}
{{- end }}
