"""The device's license: registered once and kept, with a fresh token before each connection."""
