"""Alibaba's ``multimodal-dialog`` service, simulated."""

from mmid.simcloud.multimodal_dialog.server import CLOUD

__all__ = ["CLOUD"]
