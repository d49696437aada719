"""One pure state machine a cloud: inputs and the time in, effects and a deadline out.

Nothing here does I/O, starts a task or reads a clock, so every rule of every
protocol is tested in microseconds and reads like the protocol's document.
"""
