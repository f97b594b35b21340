{{/* The server's configuration. Whole numbers are written as such: Helm would show large ones with an exponent. */}}
{{- define "lockstep-server.config" -}}
database:
  urlFile: /etc/lockstep/database/url
  connections: {{ .Values.database.connections | int64 }}
trustDomain: {{ .Values.trustDomain | quote }}
listen:
  rest: {{ printf "%s:8443" .Values.listenAddress | quote }}
  agents: {{ printf "%s:8444" .Values.listenAddress | quote }}
  join: {{ printf "%s:8445" .Values.listenAddress | quote }}
  metrics: {{ printf "%s:9090" .Values.listenAddress | quote }}
advertise:
  names: {{ toJson .Values.advertise.names }}
  agents: {{ toJson .Values.advertise.agents }}
  join: {{ toJson .Values.advertise.join }}
{{- with .Values.homeVault }}
homeVault:
  addresses: {{ toJson .addresses }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  {{- if .ca.existingSecret }}
  caFile: /etc/lockstep/vault-ca/ca.crt
  {{- end }}
  credentials: {{ .credentials | quote }}
  kvMount: {{ .kvMount | quote }}
  pkiMount: {{ .pkiMount | quote }}
  agentRole: {{ .agentRole | quote }}
  serverRole: {{ .serverRole | quote }}
  issuersIntervalMs: {{ .issuersIntervalMs | int64 }}
{{- end }}
credentials:
{{- range $set := .Values.credentials }}
  - name: {{ .name | quote }}
    addresses: {{ toJson .addresses }}
    {{- if .token }}
    tokenFile: /etc/lockstep/credentials/{{ .name }}/token
    {{- end }}
    {{- with .appRole }}
    appRole:
      mount: {{ .mount | default "approle" | quote }}
      roleIdFile: /etc/lockstep/credentials/{{ $set.name }}/role-id
      secretIdFile: /etc/lockstep/credentials/{{ $set.name }}/secret-id
    {{- end }}
    {{- range $method := list "kubernetes" "jwt" }}
    {{- with get $set $method }}
    {{ $method }}:
      mount: {{ .mount | default $method | quote }}
      role: {{ .role | quote }}
      tokenFile: /etc/lockstep/credentials/{{ $set.name }}/token
    {{- end }}
    {{- end }}
    {{- with .certificate }}
    certificate:
      mount: {{ .mount | default "cert" | quote }}
      {{- with .role }}
      role: {{ . | quote }}
      {{- end }}
      certificateFile: /etc/lockstep/credentials/{{ $set.name }}/tls.crt
      keyFile: /etc/lockstep/credentials/{{ $set.name }}/tls.key
    {{- end }}
{{- end }}
{{- with .Values.oidc }}
oidc:
{{- range . }}
  - name: {{ .name | quote }}
    issuer: {{ .issuer | quote }}
    audience: {{ .audience | quote }}
    {{- if .ca }}
    caFile: /etc/lockstep/oidc/{{ .name }}/ca.crt
    {{- end }}
    usernameClaim: {{ .usernameClaim | default "sub" | quote }}
    groupsClaim: {{ .groupsClaim | default "groups" | quote }}
    algorithms: {{ .algorithms | default (list "RS256" "ES256") | toJson }}
    {{- with .clientId }}
    clientId: {{ . | quote }}
    {{- end }}
    scopes: {{ .scopes | default (list "openid") | toJson }}
{{- end }}
{{- end }}
watch:
  {{- range $name, $value := .Values.watch }}
  {{ $name }}: {{ $value | int64 }}
  {{- end }}
agents:
  {{- range $name, $value := .Values.agents }}
  {{ $name }}: {{ $value | int64 }}
  {{- end }}
rest:
  {{- range $name, $value := .Values.rest }}
  {{ $name }}: {{ $value | int64 }}
  {{- end }}
rotation:
  {{- range $name, $value := .Values.rotation }}
  {{ $name }}: {{ $value | int64 }}
  {{- end }}
{{- with .Values.tracing }}
{{- if .otlpEndpoint }}
tracing:
  otlpEndpoint: {{ .otlpEndpoint | quote }}
  {{- if .ca.existingSecret }}
  caFile: /etc/lockstep/otlp-ca/ca.crt
  {{- end }}
{{- end }}
{{- end }}
leaseMs: {{ .Values.leaseMs | int64 }}
{{- end -}}

{{/* What the schema cannot say in a sentence. */}}
{{- define "lockstep-server.check" -}}
{{- $names := list -}}
{{- range .Values.credentials -}}
{{- $given := list .token .appRole .kubernetes .jwt .certificate | compact -}}
{{- if ne (len $given) 1 -}}{{- fail (printf "credentials %s: exactly one of token, appRole, kubernetes, jwt and certificate is needed" .name) -}}{{- end -}}
{{- if has .name $names -}}{{- fail (printf "credentials: %s is listed twice" .name) -}}{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $issuers := list -}}
{{- range .Values.oidc -}}
{{- if has .name $issuers -}}{{- fail (printf "oidc: %s is listed twice" .name) -}}{{- end -}}
{{- $issuers = append $issuers .name -}}
{{- end -}}
{{- if not (has .Values.homeVault.credentials $names) -}}
{{- fail (printf "homeVault.credentials: there is no credential set %s in credentials" .Values.homeVault.credentials) -}}
{{- end -}}
{{- end -}}
