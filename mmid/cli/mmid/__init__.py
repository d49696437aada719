"""``mmid``: the daemon and the tools of whoever makes and mends boards."""
