"""The commands: ``mmid`` (the daemon and the OEM's tools) and ``mmictl`` (a D-Bus client)."""
