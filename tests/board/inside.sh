#!/bin/sh
# What the board does. Started by systemd with all that the run needs in this directory:
#
#     sh inside.sh prepare              before mmid is started
#     sh inside.sh                      each phase of the plan; then the board goes off
#     sh inside.sh FUNCTION ARGUMENT    one phase, run by the program phase
#
# What it reports goes out by the network: each port of a virtio console would take 4 MiB.
set -eu
. ./facts

SITE=/etc/mmid/mmid.toml.d/site.toml
MICROPHONE=hw:Loopback,1,0
LOUDSPEAKER=plughw:Loopback,1,1

# Send what comes in to the host, where it goes to a file.
send() { bash -c 'exec cat >/dev/tcp/10.0.2.100/1'; }

# The devices are the kernel's, and nothing else looks for them.
prepare() {
    ip link set lo up
    ip link set eth0 up
    ip address add 10.0.2.15/24 dev eth0
    ip route add default via 10.0.2.2
    chgrp audio /dev/snd/*
    chmod 660 /dev/snd/*
    cp ca.pem /etc/mmid/
    give "$FIRST"
}

# Have these settings at the next start.
give() {
    cp "$1.toml" "$SITE"
    chown root:mmid "$SITE"
    chmod 640 "$SITE"
}

property() { # of org.mmid1: INTERFACE NAME
    busctl get-property org.mmid1 /org/mmid1 "org.mmid1.$1" "$2"
}

dialog() { busctl call org.mmid1 /org/mmid1 org.mmid1.Dialog "$@"; }

listening() { ./dialogs 0 0; }

# Somebody speaks, as loud as can be: what is said does not matter.
SPEAK="aplay -q -t raw -f S16_LE -r 16000 -c 1 -D $MICROPHONE /dev/urandom"

# --- the phases ---

first_start() {
    systemctl start mmid
    listening
    [ "$(property Device LicenseState)" = 's "authorized"' ]
}

changed_settings() {
    give "$1"
    systemctl restart mmid
    listening
}

same_settings() {
    systemctl restart mmid
    listening
}

dialogs() { # COUNT
    status=0
    $SPEAK &
    ./dialogs "$1" 1000 || status=$?
    kill $!
    return "$status"
}

reload() {
    printf '\n[dialog]\nvoice = "longanhuan"\n' >>"$SITE"
    systemctl reload mmid
    until [ "$(property Dialog Voice)" = 's "longanhuan"' ]; do sleep 2; done
    listening
}

# simcloud's tokens are good for a minute.
token_renewal() {
    before=$(property Device TokenExpiry)
    dialog Disconnect
    until [ "$(date +%s)" -gt "$(($(echo "$before" | cut -c 3-) / 1000))" ]; do sleep 1; done
    dialog Connect
    listening
    [ "$(property Device TokenExpiry)" != "$before" ]
}

tool_call() {
    echo 0 >lamp
    ./lamp_tool lamp &
    tool=$!
    until property Tools Names | grep -q lamp; do sleep 0.5; done
    dialogs 1
    kill "$tool"
    [ "$(cat lamp)" = 1 ]
}

# What the loudspeaker plays comes back into the microphone, once the speech is over.
echo_cancelled() {
    changed_settings "$1"
    ./dialogs 1 0 &
    dialog=$!
    $SPEAK -d 2
    alsaloop -C "$LOUDSPEAKER" -P "$MICROPHONE" -f S16_LE -c 1 -r 16000 -t 100000 &
    echo=$!
    wait "$dialog"
    property Audio EchoCancellation
    kill "$echo"
}

# Beside the daemon, which lives on. The bundle is whole, whatever was ended for want of memory.
support_bundle() {
    daemon=$(systemctl show --property=MainPID --value mmid)
    rm -f bundle.tar.gz
    mmictl support-bundle bundle.tar.gz
    [ "$(systemctl show --property=MainPID --value mmid)" = "$daemon" ]
    tar -xzf bundle.tar.gz
    grep -ro "[^\"]*no memory left" mmid-support || echo "nothing was ended for want of memory"
    grep -q '"check": "workspace"' mmid-support/doctor.jsonl
    [ -e mmid-support/system/partitions ]
}

# Then they are judged beside the daemon, too.
support_bundle_after_change() {
    printf '\n[log]\nlevel = "debug"\n' >>"$SITE"
    support_bundle
}

if [ $# -gt 0 ]; then
    "$@"
    exit
fi
while IFS="|" read -r name command; do
    # shellcheck disable=SC2086
    ./phase "$name" timeout 1800 sh inside.sh $command </dev/null >report || true
    send <report
done <plan
systemctl poweroff --force
