"""Qwen-Omni Realtime: one connection's protocol, and the cloud that speaks it.

Facts: qwen-realtime, by section. The dialect is ``realtime``; start reading at ``stages``.
"""
