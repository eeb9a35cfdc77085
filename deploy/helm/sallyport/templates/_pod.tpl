{{/*
The pod of all three workloads. Called with a dict: root, the chart's scope; component, node, edge or worker; resources.
*/}}
{{- define "sallyport.pod" -}}
{{- $v := .root.Values -}}
{{- $definitions := include "sallyport.definitions" .root -}}
{{- $embedded := not $v.nats.url -}}
{{- $clients := ne .component "worker" -}}
metadata:
  labels:
    {{- include "sallyport.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    {{- with $v.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/definitions: {{ toJson $v.definitions | sha256sum }}
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "sallyport.serviceAccount" .root }}
  automountServiceAccountToken: false
  {{- with $v.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  # preStop, then the drain, then what a stop may take beyond it (5 s), and a little for the kubelet.
  terminationGracePeriodSeconds: {{ add $v.preStopSeconds $v.drainTimeoutSeconds 10 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "sallyport.selector" .root | nindent 10 }}
          app.kubernetes.io/component: {{ .component }}
  {{- with $v.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: sallyport
      image: "{{ $v.image.repository }}:{{ $v.image.tag | default .root.Chart.AppVersion }}"
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args:
        - serve
        - --node=$(POD_NAME)
        - --health=:8082
        - {{ printf "--domain=%s" $v.domain | quote }}
        - {{ printf "--prefix=%s" $v.prefix | quote }}
        - {{ printf "--log-format=%s" $v.logFormat | quote }}
        - {{ printf "--log-level=%s" $v.logLevel | quote }}
        - --drain-timeout={{ $v.drainTimeoutSeconds }}s
        {{- if $clients }}
        - --listen=:8080
        {{- if $v.tlsSecret }}
        - --tls-cert=/etc/sallyport/tls/tls.crt
        - --tls-key=/etc/sallyport/tls/tls.key
        {{- end }}
        {{- end }}
        {{- if $embedded }}
        - --data=/var/lib/sallyport
        {{- else }}
        - --roles={{ if $clients }}edge,control{{ else }}worker{{ end }}
        {{- include "sallyport.natsArgs" .root | nindent 8 }}
        {{- end }}
        {{- with $v.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- if $definitions }}
        - "/etc/sallyport/apis/[^.]*"  # without what the kubelet keeps there
        {{- end }}
      env:
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- with $v.rootKeySecret }}
        - name: SALLYPORT_ROOT_ACCESS_KEY_ID
          valueFrom:
            secretKeyRef:
              name: {{ . }}
              key: accessKeyId
        - name: SALLYPORT_ROOT_SECRET_ACCESS_KEY
          valueFrom:
            secretKeyRef:
              name: {{ . }}
              key: secretAccessKey
        {{- end }}
        {{- with $v.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        {{- if $clients }}
        - name: clients
          containerPort: 8080
        {{- end }}
        - name: health
          containerPort: 8082
      # It answers from the first moment on, also while a start waits for the other servers of a cluster.
      livenessProbe:
        httpGet:
          path: /healthz
          port: health
        initialDelaySeconds: 2
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet:
          path: /readyz
          port: health
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 1
      {{- if $v.preStopSeconds }}
      # SIGTERM drains by itself. This only waits until load balancers have heard that the pod goes.
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $v.preStopSeconds }}
      {{- end }}
      {{- with .resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: data
          mountPath: /var/lib/sallyport
        {{- if $definitions }}
        - name: definitions
          mountPath: /etc/sallyport/apis
          readOnly: true
        {{- end }}
        {{- if and $clients $v.tlsSecret }}
        - name: tls
          mountPath: /etc/sallyport/tls
          readOnly: true
        {{- end }}
        {{- include "sallyport.natsMounts" .root | nindent 8 }}
  volumes:
    {{- if not $embedded }}
    - name: data
      emptyDir: {}
    {{- end }}
    {{- if $definitions }}
    - name: definitions
      configMap:
        name: {{ $definitions }}
    {{- end }}
    {{- if and $clients $v.tlsSecret }}
    - name: tls
      secret:
        secretName: {{ $v.tlsSecret }}
    {{- end }}
    {{- include "sallyport.natsVolumes" .root | nindent 4 }}
{{- end -}}
