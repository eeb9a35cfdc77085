#!/usr/bin/env bash
# What more worker processes bring: an edge with NATS inside, and 1, 2 and 4 processes that take its messages.
#
#   bench/workers.sh            three kinds of work, each with 1, 2 and 4 processes; about two minutes
#   bench/workers.sh waits      only this kind
#
# waits    the work is a backend's that waits 4 ms and takes 8 messages at a time, as in front of a database
# spins    the work is a backend's that computes for 400 µs, one message at a time
# gateway  the work is that of the gateway's own worker, an answer from a template
#
# Everything shares the cores of one machine, the generator too. docs/scale.md has figures and what follows from them.
set -euo pipefail
cd "$(dirname "$0")/.."

clients=${CLIENTS:-200}
seconds=${SECONDS_EACH:-4}
data=127.0.0.1:18700 nats=127.0.0.1:18701
bin=.sallyport/bench
definition=bench/testdata/bench.yaml
dir=$(mktemp -d)
pids=()

finish() {
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
  pids=()
}
trap 'finish; rm -rf "$dir"' EXIT

# begin starts a process of ours and remembers it.
begin() {
  "$@" >>"$dir/log" 2>&1 &
  pids+=($!)
}

# awaited polls until a command succeeds.
awaited() {
  local tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { cat "$dir/log" >&2; exit 1; }
    sleep 0.1
  done
}

worker() { # kind number
  local subject=sallyport.bench.dev.ws.work
  case $1 in
  waits) begin "$bin/nats" --nats "nats://$nats" --subject $subject --wait 4ms --at-once 8 ;;
  spins) begin "$bin/nats" --nats "nats://$nats" --subject $subject --spin 400us ;;
  gateway)
    local admin=127.0.0.1:$((18710 + $2))
    begin "$bin/sallyport" serve $definition --roles worker --nats "nats://$nats" --node "worker-$2" --admin $admin
    awaited "$bin/sallyport" healthcheck --admin $admin
    ;;
  esac
}

measure() { # kind processes
  local action=work
  [ "$1" != gateway ] || action=echo
  begin "$bin/sallyport" serve $definition --roles edge --node edge --listen $data --admin 127.0.0.1:18702 --nats-listen $nats --data "$dir/$1-$2"
  awaited "$bin/sallyport" healthcheck --admin 127.0.0.1:18702
  local n list
  for n in $(seq "$2"); do worker "$1" "$n"; done
  list=$(IFS=,; echo "${pids[*]}")
  sleep 0.5 # a backend has no health to ask for; it subscribes within milliseconds
  printf '\n== %s, %d processes\n' "$1" "$2"
  "$bin/sallyport" bench echo ws://$data/bench/dev --connections "$clients" --message "{\"action\":\"$action\",\"n\":%d}" \
    --duration "${seconds}s" --pid "$list"
  finish
}

go build -o $bin/ ./cmd/sallyport ./bench/peers/nats
kinds=("$@")
[ $# -gt 0 ] || kinds=(waits spins gateway)
for kind in "${kinds[@]}"; do
  for processes in 1 2 4; do measure "$kind" "$processes"; done
done
