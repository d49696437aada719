"""The microphone: what opens, reads and encodes it."""
