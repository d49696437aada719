"""``mmictl``: what an operator asks the running daemon."""
