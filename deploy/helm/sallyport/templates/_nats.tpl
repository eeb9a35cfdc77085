{{- define "sallyport.natsArgs" -}}
- {{ printf "--nats=%s" .Values.nats.url | quote }}
{{- if .Values.nats.credentialsSecret }}
- --nats-creds=/etc/sallyport/nats-credentials/sallyport.creds
{{- end }}
{{- if .Values.nats.caSecret }}
- --nats-ca=/etc/sallyport/nats-ca/ca.crt
{{- end }}
{{- if .Values.nats.clientCertificateSecret }}
- --nats-cert=/etc/sallyport/nats-certificate/tls.crt
- --nats-key=/etc/sallyport/nats-certificate/tls.key
{{- end }}
{{- with .Values.nats.jsDomain }}
- {{ printf "--js-domain=%s" . | quote }}
{{- end }}
{{- end -}}

{{/* What the flags above name: volume → Secret. */}}
{{- define "sallyport.natsSecrets" -}}
{{- if .Values.nats.url }}
{{- with .Values.nats.credentialsSecret }}
nats-credentials: {{ . }}
{{- end }}
{{- with .Values.nats.caSecret }}
nats-ca: {{ . }}
{{- end }}
{{- with .Values.nats.clientCertificateSecret }}
nats-certificate: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sallyport.natsMounts" -}}
{{- range $volume, $secret := include "sallyport.natsSecrets" . | fromYaml }}
- name: {{ $volume }}
  mountPath: /etc/sallyport/{{ $volume }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "sallyport.natsVolumes" -}}
{{- range $volume, $secret := include "sallyport.natsSecrets" . | fromYaml }}
- name: {{ $volume }}
  secret:
    secretName: {{ $secret }}
{{- end }}
{{- end -}}
