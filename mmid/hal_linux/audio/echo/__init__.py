"""Echo cancellation: what the loudspeaker plays is taken out of what the microphone hears.

    cancellation         what recorder and player see of it, and what is told of it
    continuous_playback  the loudspeaker's stream, which runs as long as the microphone's
    playback_stream      the loudspeaker's device, and how far it is
    loopback             the other way to a reference: a channel of the microphone's device
    alignment            which sample of the one stream belongs to which of the other
    canceller            the two together: from samples to samples
    bypass               the canceller rests while nothing is played
    convergence          how much echo is taken out, and whether that is enough
    reference, delay, clock_drift, libspeexdsp   what those stand on

Nothing here is imported unless ``audio.echo_canceller`` is set. docs/duplex.md says which
boards need what.
"""
