#!/usr/bin/env bash
# Frames over tcp between two network namespaces, with the link cut and healed in between (fault 20).
# Usage: netns_transport.sh PROGRAM (transport_peer). Exit code 77: skipped, with the reason.
set -euo pipefail
peer=$1
skip() { echo "skipped: $1"; exit 77; }
[ "$(id -u)" = 0 ] || skip "network namespaces need root"
command -v ip > /dev/null || skip "the command ip is missing (package iproute2)"
a=rlt-a-$$ b=rlt-b-$$ va=rlta$$ vb=rltb$$
work=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2> /dev/null || true; done
    ip netns del "$a" 2> /dev/null || true
    ip netns del "$b" 2> /dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
ip netns add "$a" 2> "$work/why" || skip "no network namespace: $(cat "$work/why")"
ip netns add "$b" 2> "$work/why" || skip "no network namespace: $(cat "$work/why")"
ip netns exec "$a" true 2> "$work/why" || skip "no process in a namespace: $(cat "$work/why")"
ip link add "$va" netns "$a" type veth peer name "$vb" netns "$b" 2> "$work/why" ||
    skip "no veth pair: $(cat "$work/why")"
ip -n "$a" addr add 10.213.77.1/30 dev "$va"
ip -n "$b" addr add 10.213.77.2/30 dev "$vb"
ip -n "$a" link set "$va" up
ip -n "$b" link set "$vb" up

await() { # file
    for _ in $(seq 200); do
        if [ -e "$1" ]; then return; fi
        sleep 0.05
    done
    echo "$1 did not appear"; exit 1
}
ip netns exec "$a" "$peer" serve tcp://10.213.77.1:* "$work/server" > "$work/served" &
server=$!
pids+=("$server")
await "$work/server"
ip netns exec "$b" "$peer" feed "$work/server" "$work/stop" > "$work/fed" &
feeder=$!
pids+=("$feeder")
sleep 0.5
for end in b a; do # the link goes down on one side, then on the other, for longer than heartbeats
    if [ $end = b ]; then ns=$b dev=$vb; else ns=$a dev=$va; fi
    ip -n "$ns" link set "$dev" down
    sleep 2
    ip -n "$ns" link set "$dev" up
    sleep 1.5
done
touch "$work/stop"
wait "$feeder"
wait "$server"
pids=()
cat "$work/fed" "$work/served"
fed=$(sed -n 's/^fed \([0-9]*\),.*/\1/p' "$work/fed")
vain=$(sed -n 's/.*in vain \([0-9]*\)$/\1/p' "$work/fed")
served=$(sed -n 's/^served \([0-9]*\),.*/\1/p' "$work/served")
[ "$fed" -ge 20 ] && [ "$fed" = "$served" ] || { echo "fed $fed, but served $served"; exit 1; }
[ "$vain" -ge 1 ] || { echo "the cut of the link was not noticed"; exit 1; }
