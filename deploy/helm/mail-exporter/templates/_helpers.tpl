{{- define "mail-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Of everything. 52 characters, so that a pod of a StatefulSet, whose name has to be a label's value, can add its own. */}}
{{- define "mail-exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "mail-exporter.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "mail-exporter.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "mail-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mail-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mail-exporter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "mail-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "mail-exporter.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "mail-exporter.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "mail-exporter.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* What every route begins with: the path of the URL that people use. */}}
{{- define "mail-exporter.prefix" -}}
{{- (urlParse .Values.web.externalUrl).path | trimSuffix "/" }}
{{- end }}

{{- define "mail-exporter.configMapName" -}}
{{- .Values.existingConfigMap | default (include "mail-exporter.fullname" .) }}
{{- end }}

{{/* The volume that a pod's history is on. */}}
{{- define "mail-exporter.claim" -}}
accessModes:
  {{- toYaml .Values.history.persistence.accessModes | nindent 2 }}
{{- with .Values.history.persistence.storageClass }}
storageClassName: {{ ternary "" . (eq . "-") | quote }}
{{- end }}
resources:
  requests:
    storage: {{ .Values.history.persistence.size }}
{{- end }}

{{/* How Kubernetes asks whether the daemon is well. Where strangers are kept out of HTTP, only from inside. */}}
{{- define "mail-exporter.probe" -}}
{{- if .root.Values.web.restricted -}}
exec:
  command:
    - mail-exporter
    - healthcheck
    {{- with include "mail-exporter.prefix" .root }}
    - --web.route-prefix={{ . }}
    {{- end }}
{{- else -}}
httpGet:
  path: {{ .path }}
  port: http
  scheme: {{ ternary "HTTPS" "HTTP" .root.Values.web.tls }}
{{- end }}
{{- end }}

{{/* What PodMonitor and ServiceMonitor say alike of how to scrape. */}}
{{- define "mail-exporter.scrape" -}}
port: http
path: {{ include "mail-exporter.prefix" .root }}/metrics
scheme: {{ ternary "https" "http" .root.Values.web.tls }}
{{- with .monitor.interval }}
interval: {{ . }}
{{- end }}
{{- with .monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .monitor.authentication }}
{{ toYaml . }}
{{- end }}
relabelings:
  # The operator makes a label `endpoint` of the port's name, and Prometheus would rename ours.
  - action: labeldrop
    regex: endpoint
  {{- with .monitor.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A configuration that is text has no schema: its keys are compared with those that mail-exporter knows. */}}
{{- define "mail-exporter.checkText" -}}
{{- $config := fromYaml .Values.config }}
{{- with $config.Error }}{{ fail (printf "config is not YAML: %s" .) }}{{ end }}
{{- $sections := fromJson (.Files.Get "files/config-keys.json") }}
{{- include "mail-exporter.checkSection" (dict "where" "" "value" $config "section" "" "sections" $sections) }}
{{- end }}

{{- define "mail-exporter.checkSection" -}}
{{- $known := get .sections .section }}
{{- $root := . }}
{{- if and $known (kindIs "map" .value) }}
{{- range $key, $value := .value }}
{{- $place := ternary $key (printf "%s.%s" $root.where $key) (eq $root.where "") }}
{{- if hasKey $known $key }}
{{- $inner := get $known $key }}
{{- if not (hasPrefix "*" $inner) }}
{{- include "mail-exporter.checkSection" (dict "where" $place "value" $value "section" ($inner | default "-") "sections" $root.sections) }}
{{- else if or (kindIs "map" $value) (kindIs "slice" $value) }}
{{- range $number, $each := $value }}
{{- include "mail-exporter.checkSection" (dict "where" (printf "%s.%v" $place $number) "value" $each "section" (trimPrefix "*" $inner) "sections" $root.sections) }}
{{- end }}
{{- end }}
{{- else if not (and (eq $root.where "") (hasPrefix "x-" $key)) }}
{{- fail (printf "config has the unknown key %q%s; there are %s" $key (ternary "" (printf " in %s" $root.where) (eq $root.where "")) (keys $known | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
