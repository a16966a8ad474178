"""Training the reference systems: data on the device, one flat loop, exact resume.

roster       which clips are trained on, in an order that makes drawing cheap
pairs        which two clips, which caption, how loud: a pure function of the step
store        the clips' samples, held once on the device
mixing       the benchmark's peak rule, batched
objective    the loss
validation   SI-SDR improvement on fixed mixtures
ranks        several processes (torchrun)
state        what going on exactly needs
log          console, CSV, TensorBoard, learning curve
loop         the loop
"""

from __future__ import annotations

from lassbench.training.loop import Result, train

__all__ = ["Result", "train"]
