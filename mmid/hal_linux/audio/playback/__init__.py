"""The loudspeaker: what opens, feeds, decodes for and mutes it."""
