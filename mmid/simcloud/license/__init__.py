"""Alibaba's license service, fully and semi managed, simulated: HTTPS, and no dialog."""

from mmid.simcloud.license.server import CLOUD

__all__ = ["CLOUD"]
