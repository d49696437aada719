"""The application: what programs on D-Bus ask for, put to the dialog and the board."""
