"""The seed's own quick start, and rows that it can learn."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class SimpleNN(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(input_dim, hidden_dim), nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden_dim, output_dim)
        )

    def forward(self, x):
        return self.layers(x)


def rows(count=400, seed=0):
    """Two classes that a plane parts, 10 numbers a row."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 10, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long()


def loader(count=400, seed=0, batch_size=32):
    return DataLoader(TensorDataset(*rows(count, seed)), batch_size=batch_size, shuffle=True)


def simple(output_dim=2, seed=0):
    torch.manual_seed(seed)
    return SimpleNN(10, 64, output_dim)
