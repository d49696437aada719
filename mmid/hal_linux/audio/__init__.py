"""Sound: recorder and player over ALSA, codecs, the mixer."""
