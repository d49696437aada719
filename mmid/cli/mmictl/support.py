"""``mmictl support-bundle``: one file for whoever helps from afar."""

import json
from argparse import Namespace

from mmid.cli.doctor.host import Host
from mmid.cli.doctor.support_bundle import write_bundle
from mmid.cli.mmictl.show import printable

__all__ = ["support_bundle"]


async def support_bundle(options: Namespace) -> int:
    """Write the file and say what is in it; return the exit status."""
    names = await write_bundle(options.file, options.config, options.bus, Host())
    if options.json:
        print(json.dumps({"file": str(options.file), "contents": names}))
        return 0
    print(f"{printable(str(options.file))} holds {', '.join(names)}.")
    print("Secrets are masked, but it names this device and its network; only you can read it.")
    return 0
