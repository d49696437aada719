"""The board of the image test: what its Debian has beside the packages under test.

mmid is not in it: apt installs it in the running machine. All that the packages
depend on is there, for the machine has no network.
"""

import json

from tests.vm.packages import GUEST

PACKAGES = (
    *GUEST,
    "ca-certificates",
    "dbus-broker",
    "default-dbus-system-bus",
    "gdisk",
    "iproute2",
)

# It writes to its disk, and starts all that an ordinary Debian starts.
KERNEL = "rw systemd.unit=multi-user.target"

_HOME = "/var/lib/image-test"

_STANDBY = json.dumps({"kind": "standby"})

# The first start ends before anything is there that changes from run to run.
_START = f"""\
#!/bin/sh
set -eu
systemctl is-system-running --wait >/run/image-test.state || true
if [ ! -d tests ]; then
    echo '{_STANDBY}' >/dev/virtio-ports/reports
    tar --read-full-records -xf /dev/virtio-ports/source
fi
exec python3 -m tests.image.inside
"""

_UNIT = f"""\
[Unit]
Description=Checks of the packages
FailureAction=poweroff-force

[Service]
Type=exec
WorkingDirectory={_HOME}
ExecStart={_HOME}/start
RuntimeDirectory=image-test
StandardError=journal+console

[Install]
WantedBy=multi-user.target
"""

HOOKS = (
    f'mkdir "$1{_HOME}"',
    f"cat >\"$1{_HOME}/start\" <<'END'\n{_START}END",
    f'chmod 755 "$1{_HOME}/start"',
    f"cat >\"$1/etc/systemd/system/image-test.service\" <<'END'\n{_UNIT}END",
    'systemctl --root="$1" enable image-test.service',
    # dbus-daemon is Debian's choice; the last boot is dbus-broker's.
    'systemctl --root="$1" disable dbus-broker.service',
)
