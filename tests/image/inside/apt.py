"""The packages are installed as an operator installs them."""

import importlib
import re
from pathlib import Path

from tests.image.inside.shell import run
from tests.image.inside.true_time import set_clock

# Manuals and the like are kept out of the image, as on many boards.
_LEFT_OUT = re.compile("/usr/share/(doc|man)/")


def installs_the_packages(place: Path) -> str:
    """``apt-get install ./*.deb`` on a running board: everything they depend on is Debian's."""
    set_clock()
    packages = [f"./{path.name}" for path in Path.cwd().glob("*.deb")]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "install", "-y", "-q", *packages, cwd=str(Path.cwd()), more=quiet)
    query = ("dpkg-query", "--show", "--showformat=${Package} ${Version} ${db:Status-Status}\\n")
    installed = run(*query, "mmid", "mmid-simcloud").splitlines()
    assert all(line.endswith(" installed") for line in installed), installed
    assert run("mmid", "--version").split()[1] == installed[0].split()[1], installed
    changed = run("dpkg", "--verify", "mmid", "mmid-simcloud").splitlines()
    assert not [line for line in changed if not _LEFT_OUT.search(line)], changed
    importlib.invalidate_caches()  # so that the other checks find it
    return ", ".join(line.removesuffix(" installed") for line in installed)
