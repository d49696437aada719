"""The doctor: looks at everything that mmid stands on, in the order in which it is needed.

Each check answers with one ``Finding``: what is so, and what to do if it is
wrong. It changes nothing, and it works with and without the daemon.
"""
