{{- define "nigh.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "nigh.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nigh.labels" -}}
{{ include "nigh.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "nigh.account" -}}
{{ .Values.serviceAccount.name | default (ternary (include "nigh.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "nigh.keys" -}}
{{ .Values.auth.existingSecret | default (printf "%s-keys" (include "nigh.name" .)) }}
{{- end }}
