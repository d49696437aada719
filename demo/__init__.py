"""One whole push-to-talk dialog on this machine: ``make demo``."""
