"""What the backward pass refuses."""

from __future__ import annotations

import re

from trainwell.diagnosis.crashes import Crash

CRASHES = (
    Crash(
        "graph_is_cut",
        re.compile(r"element \d+ of tensors does not require grad and does not have a grad_fn"),
        "The loss does not depend on any weight that learns.",
        "The graph is cut on the way (no_grad, detach, .item(), .numpy(), argmax), or all layers are frozen.",
        (
            (
                "Follow loss.grad_fn backwards: the tensor before the first None is where it is cut.",
                "loss.requires_grad is True.",
            ),
            ("See that something learns: sum(p.requires_grad for p in model.parameters()) > 0.", "More than none."),
        ),
    ),
    Crash(
        "changed_in_place",
        re.compile(
            r"modified by an inplace operation(?:: \[(?P<tensor>[^\n]{1,60}?)\], which is output \d+ of "
            r"(?P<by>\w{1,60}))?"
        ),
        "A value that backward needs was changed in place ({by}).",
        "x += y, x[...] = y, or a layer with inplace=True on it; or an optimizer step between forward and backward.",
        (
            ("Write x = x + y and inplace=False; clone() before an assignment by index.", "backward goes through."),
            ("torch.autograd.set_detect_anomaly(True) shows the forward line.", "Its place; switch it off afterwards."),
        ),
    ),
    Crash(
        "backward_twice",
        re.compile(r"Trying to backward through the graph a second time"),
        "backward went through one graph twice.",
        "A state or a sum of losses is carried from step to step with its graph (a hidden state, a running loss).",
        (
            (
                "Cut it between steps: hidden = hidden.detach(); add losses as loss.item().",
                "Each step has its own graph.",
            ),
            ("Two losses of one forward pass: (a + b).backward() once.", "One pass for both."),
        ),
    ),
    Crash(
        "leaf_changed_in_place",
        re.compile(r"a leaf Variable that requires grad is being used in an in-place operation"),
        "A weight was changed in place where its gradient is recorded.",
        "Weights are initialised or averaged outside of no_grad.",
        (("Wrap it: with torch.no_grad(): weight.copy_(...).", "The change is no part of the graph."),),
    ),
    Crash(
        "numpy_of_graph",
        re.compile(r"Can't call numpy\(\) on Tensor that requires grad"),
        "NumPy was given a tensor that is part of the graph.",
        "A metric or a plot uses the loss or outputs as they are.",
        (("x.detach().cpu().numpy()", "The values, without the graph."),),
    ),
    Crash(
        "loss_is_no_number",
        re.compile(r"grad can be implicitly created only for scalar outputs"),
        "backward was called on a loss of several values.",
        "reduction='none', or a loss that is an output.",
        (("loss.mean().backward()", "One number to descend."),),
    ),
    Crash(
        "gradient_not_finite",
        re.compile(r"Function '(?P<by>\w{1,60})' returned nan values in its (?P<place>\d+)th output"),
        "The gradient of {by} is NaN.",
        "A derivative that does not exist where it is taken: sqrt or norm of 0, log of 0, division by 0, or "
        "infinity minus "
        "infinity after an overflow.",
        (
            (
                "Keep away from the edge: sqrt(x + 1e-8), log(x.clamp_min(1e-8)); where() does not help, "
                "both sides are derived.",
                "Finite gradients.",
            ),
            ("If the loss grew before: a tenth of the learning rate.", "The loss falls."),
        ),
    ),
    Crash(
        "unused_parameters",
        re.compile(r"Expected to have finished reduction in the prior iteration"),
        "Distributed training waits for gradients that never come.",
        "Some weights have no part in the loss of this step.",
        (
            (
                "Take them out of the network, or freeze them; else DistributedDataParallel(..., "
                "find_unused_parameters=True).",
                "Every weight that learns has a gradient in each step.",
            ),
        ),
    ),
    Crash(
        "nothing_to_train",
        re.compile(r"optimizer got an empty parameter list"),
        "The optimizer got no weights.",
        "Layers stand in a plain list or dict, where the module does not see them, or parameters() was used "
        "up already.",
        (
            (
                "Hold them in nn.ModuleList or nn.ModuleDict; pass model.parameters() anew.",
                "len(list(model.parameters())) > 0.",
            ),
        ),
    ),
)
