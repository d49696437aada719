"""Alibaba's license service, fully and semi managed, as a part of the simulated clouds."""
