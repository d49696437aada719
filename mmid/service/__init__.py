"""The process: how the daemon is put together, started, told to reload, and stopped."""
