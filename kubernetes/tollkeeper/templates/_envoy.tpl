{{- define "tollkeeper.render" -}}
{{- $envoy := .Values.gateway.envoy -}}
name: envoy-config
{{ include "tollkeeper.container" . }}
args:
- envoy
- render
- {{ printf "--upstream=%s" $envoy.upstream | quote }}
- --listen=0.0.0.0:10000
- --workers={{ .Values.gateway.workers }}
- --max-heap-mb={{ int $envoy.maxHeapMb }}
- --out=/etc/tollkeeper/envoy
{{- range $envoy.corsOrigins }}
- {{ printf "--cors-origin=%s" . | quote }}
{{- end }}
{{- range $envoy.renderArguments }}
- {{ . | quote }}
{{- end }}
env:
{{ include "tollkeeper.envoySettings" . }}
resources:
  requests: {cpu: 50m, memory: 128Mi}
  limits: {memory: 256Mi}
volumeMounts:
- {name: envoy-config, mountPath: /etc/tollkeeper/envoy}
- {name: sockets, mountPath: /run/tollkeeper}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "tollkeeper.envoy" -}}
{{- $envoy := .Values.gateway.envoy -}}
name: envoy
image: {{ include "tollkeeper.imageOf" $envoy.image }}
imagePullPolicy: {{ $envoy.image.pullPolicy }}
{{ include "tollkeeper.containerSecurity" . }}
command: [envoy]
args:
- -c
- /etc/tollkeeper/envoy/envoy.yaml
- --log-level
- warning
- --file-flush-interval-msec
- "10"
- --concurrency
- {{ $envoy.concurrency | quote }}
- --disable-hot-restart
ports:
- {name: http, containerPort: 10000}
startupProbe: {tcpSocket: {port: http}, periodSeconds: 1, failureThreshold: 60}
readinessProbe: {tcpSocket: {port: http}, periodSeconds: 5, failureThreshold: 2}
livenessProbe: {tcpSocket: {port: http}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
# Envoy ends at once when it is told to. Meanwhile the Service forgets the pod, and requests finish.
lifecycle: {preStop: {sleep: {seconds: {{ $envoy.drainSeconds }}}}}
resources:
  {{- toYaml $envoy.resources | nindent 2 }}
volumeMounts:
- {name: envoy-config, mountPath: /etc/tollkeeper/envoy, readOnly: true}
- {name: sockets, mountPath: /run/tollkeeper}
- {name: logs, mountPath: /var/log/tollkeeper}
{{- end }}
