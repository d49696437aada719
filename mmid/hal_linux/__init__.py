"""The HAL on Linux: ALSA, storage on files, kernel time. Imported by ``daemon`` and tests only."""
