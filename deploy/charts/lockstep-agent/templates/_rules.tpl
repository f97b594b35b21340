{{/* Beside Secrets: Events about them; who refers to them; restarts. */}}
{{- define "lockstep-agent.rulesBeside" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if or .Values.restarts.enabled (eq .Values.rbac.mode "namespace") }}
# Who refers to a Secret: whom to restart, and whether an older immutable one is still used.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, list{{ if .Values.restarts.enabled }}, patch{{ end }}]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [list]
{{- end }}
{{- if eq .Values.rbac.mode "namespace" }}
# Who else refers to an older immutable Secret, which strict has none of.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [list]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [list]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [list]
{{- end }}
{{- end -}}

{{- define "lockstep-agent.rulesOfNamespace" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
{{ include "lockstep-agent.rulesBeside" . }}
{{- end -}}

{{- define "lockstep-agent.subjects" -}}
- kind: ServiceAccount
  namespace: {{ .Release.Namespace }}
  name: {{ include "lockstep-agent.serviceAccount" . }}
{{- end -}}

{{/* What the schema cannot say in a sentence. */}}
{{- define "lockstep-agent.checkJoin" -}}
{{- if and .Values.join.serviceAccountToken.enabled (not .Values.join.cluster) -}}
{{- fail "join.cluster: a service account token says of no cluster that it is Lockstep's: set the name that it is registered by" -}}
{{- end -}}
{{- end -}}

{{- define "lockstep-agent.checkRbac" -}}
{{- with .Values.rbac -}}
{{- if eq .mode "strict" -}}
{{- if .allNamespaces -}}{{- fail "rbac.allNamespaces: does not go with rbac.mode strict, which lists each Secret" -}}{{- end -}}
{{- if .namespaces -}}{{- fail "rbac.namespaces: does not go with rbac.mode strict; use rbac.strict.secrets" -}}{{- end -}}
{{- if not .strict.secrets -}}{{- fail "rbac.strict.secrets: list the Secrets that the agent may touch, or use rbac.mode namespace" -}}{{- end -}}
{{- $seen := list -}}
{{- range .strict.secrets -}}
{{- if has .namespace $seen -}}{{- fail (printf "rbac.strict.secrets: namespace %s is listed twice; put its names in one entry" .namespace) -}}{{- end -}}
{{- if not .names -}}{{- fail (printf "rbac.strict.secrets: namespace %s has no names; a Role without names would allow them all" .namespace) -}}{{- end -}}
{{- $seen = append $seen .namespace -}}
{{- end -}}
{{- else -}}
{{- if .strict.secrets -}}{{- fail "rbac.strict.secrets: goes with rbac.mode strict only" -}}{{- end -}}
{{- if and .allNamespaces .namespaces -}}{{- fail "rbac.namespaces: leave it empty with rbac.allNamespaces, which covers them" -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
