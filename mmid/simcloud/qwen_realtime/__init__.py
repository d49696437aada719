"""Alibaba's Qwen-Omni Realtime service, simulated."""

from mmid.simcloud.qwen_realtime.server import CLOUD

__all__ = ["CLOUD"]
