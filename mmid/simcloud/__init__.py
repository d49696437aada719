"""A local cloud that speaks the real wire protocols, for the demo, tests and bring-up."""
