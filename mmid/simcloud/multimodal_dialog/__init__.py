"""Alibaba's ``multimodal-dialog`` service, simulated."""
