"""Several adapters, trained from one start, averaged into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch


def averaged(runs: Sequence[Mapping[str, torch.Tensor]], rank: int) -> dict[str, torch.Tensor]:
    """The adapter of rank `rank` that comes nearest to the mean change of the weights over `runs`.

    Averaging weights keeps most of what an ensemble gains at the price of one model (model soups: Wortsman
    et al., ICML 2022, arXiv:2203.05482). What is averaged is the product B A that is added to a weight: the
    mean of the As times the mean of the Bs is something else, and measured worse. The mean of n products of
    rank r has rank n r, and is cut to `rank` by its singular values (Eckart and Young, 1936).

    Each run maps names to tensors as `peft.get_peft_model_state_dict` gives them. Everything that is not half
    of such a product (the head) is averaged as it is.
    """
    result = {}
    for name in runs[0]:
        if ".lora_B." in name:
            continue
        if ".lora_A." not in name:
            result[name] = torch.stack([run[name].float() for run in runs]).mean(dim=0)
            continue
        name_b = name.replace(".lora_A.", ".lora_B.")
        down = torch.cat([run[name].float() for run in runs], dim=0)  # (n r, inputs)
        up = torch.cat([run[name_b].float() for run in runs], dim=1) / len(runs)  # (outputs, n r)
        left, core_left = torch.linalg.qr(up)
        right, core_right = torch.linalg.qr(down.T)
        u, sizes, vh = torch.linalg.svd(core_left @ core_right.T)
        root = sizes[:rank].sqrt()
        result[name] = root[:, None] * (vh[:rank] @ right.T)
        result[name_b] = (left @ u[:, :rank]) * root
    return result
