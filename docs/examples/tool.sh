#!/bin/sh
# A tool of the cloud's model in a few lines of shell: "how long has this thing been running?"
#
#     mmictl tool register uptime --exec ./tool.sh --description "How long the device runs."
#
# mmictl stays on the bus and runs this for each call, with the tool's name as its argument and
# the call's arguments, a JSON object, on its standard input. What it prints is the result: JSON, or
# else a text. An exit status that is not 0 is an error, and the last line on standard error is
# what the model is told.
set -eu

arguments=$(cat) # this tool has none; jq reads them: jq -r .room

read -r seconds _ < /proc/uptime || {
    echo "the kernel does not say how long it runs" >&2
    exit 1
}
printf '{"minutes": %d}\n' "$((${seconds%.*} / 60))"
: "$arguments"
