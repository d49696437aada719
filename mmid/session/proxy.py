"""Whether the environment names a proxy: the only question, for most boards have none.

What the variables mean is websockets' business, and urllib's, which it asks. Both
are loaded for a board that needs them, and cost 1.3 MiB of one that does not.
"""

import os


def environment_names_proxy() -> bool:
    """Whether a variable such as ``https_proxy`` is set; urllib takes any that ends so."""
    return any(
        value and name.lower().endswith("_proxy") and name.lower() != "no_proxy"
        for name, value in os.environ.items()
    )
