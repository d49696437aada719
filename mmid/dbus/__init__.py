"""The D-Bus front, ``org.mmid1``: it translates, and decides nothing about dialogs."""
