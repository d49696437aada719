"""The kernel's time: the clock, its steps, and a loop that counts suspended time."""
