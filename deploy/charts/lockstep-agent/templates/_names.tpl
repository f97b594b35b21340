{{- define "lockstep-agent.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* In other namespaces, and where there are none: two installations must not meet. */}}
{{- define "lockstep-agent.farName" -}}
{{- printf "%s-%s" .Release.Namespace (include "lockstep-agent.fullname" .) -}}
{{- end -}}

{{- define "lockstep-agent.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "lockstep-agent.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name: say which ServiceAccount exists, as serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "lockstep-agent.selector" -}}
app.kubernetes.io/name: lockstep-agent
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "lockstep-agent.labels" -}}
{{ include "lockstep-agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: lockstep
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Of the pods on each node: the agent's selector must not find them. */}}
{{- define "lockstep-agent.nodeSelector" -}}
app.kubernetes.io/name: lockstep-node
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "lockstep-agent.nodeLabels" -}}
{{ include "lockstep-agent.nodeSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: lockstep
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "lockstep-agent.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The ports in the addresses of the control plane, as JSON. */}}
{{- define "lockstep-agent.serverPorts" -}}
{{- $ports := list -}}
{{- range concat .Values.server.addresses .Values.server.join -}}
{{- $ports = append $ports (regexFind "[0-9]+$" . | int) -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
