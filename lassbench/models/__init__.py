"""The reference systems: LASS-Net (asked in words) and the tag UNet.

Modules here import torch when they are loaded; nothing outside ``models/``,
``training`` and the model separators may do that at module level.
"""
