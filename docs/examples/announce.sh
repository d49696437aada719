#!/bin/sh
# Have mmid say something, loud enough to be heard, and leave the volume as it was.
#
#     ./announce.sh "The washing machine has finished."
#
# busctl comes with systemd. A call is over in no time, and so is busctl's
# connection to the bus: to speak, which needs a connection that stays, there is
# mmictl talk.
set -eu

LOUD=60

get() { busctl --system get-property org.mmid1 /org/mmid1 "$@"; }
set_volume() { busctl --system set-property org.mmid1 /org/mmid1 org.mmid1.Audio Volume u "$1"; }

if [ $# -ne 1 ]; then
    echo "usage: $0 TEXT" >&2
    exit 64
fi

# What busctl prints begins with the type: u 35
volume=$(get org.mmid1.Audio Volume | cut -d ' ' -f 2)
if [ "$volume" -lt "$LOUD" ]; then
    set_volume "$LOUD"
    trap 'set_volume "$volume"' EXIT
fi

# If mmid is not connected or somebody talks, busctl says so and ends with 1.
busctl --system call org.mmid1 /org/mmid1 org.mmid1.Dialog Say s "$1"

# It has been heard when State is no longer thinking or responding. Say returned
# when the text was on its way, so wait for the reply to begin first.
state() { get org.mmid1.Dialog State | tr -d '"' | cut -d ' ' -f 2; }
tries=0
until [ "$(state)" = responding ] || [ "$tries" -ge 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
while [ "$(state)" = responding ]; do
    sleep 0.2
done
