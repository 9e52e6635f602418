"""The network: a llama (RMSNorm, rotary attention, SwiGLU) with its output tied to its embedding.

Rotary pairs are adjacent dimensions, exactly as llama.cpp rotates them for this architecture:
exported weights need no permutation.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Shape:
    """Sizes; every row length is a multiple of 32, the block of Q8_0."""

    vocab: int
    width: int = 160
    layers: int = 4
    heads: int = 5
    hidden: int = 448
    context: int = 512
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head(self):
        return self.width // self.heads


def fresh(shape, seed):
    """Initial weights: what writes into the residual stream starts at zero."""
    rng = np.random.default_rng(seed)

    def drawn(*size):
        return jnp.asarray(rng.normal(0, size[-2] ** -0.5, size), jnp.float32)

    layers, width, hidden = shape.layers, shape.width, shape.hidden
    return {
        "embed": jnp.asarray(rng.normal(0, 0.05, (shape.vocab, width)), jnp.float32),
        "norm": jnp.ones(width),
        "norm_attention": jnp.ones((layers, width)), "norm_ffn": jnp.ones((layers, width)),
        "q": drawn(layers, width, width), "k": drawn(layers, width, width),
        "v": drawn(layers, width, width), "o": jnp.zeros((layers, width, width)),
        "gate": drawn(layers, width, hidden), "up": drawn(layers, width, hidden),
        "down": jnp.zeros((layers, hidden, width)),
    }


def normed(x, weight, epsilon):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + epsilon) * weight


def rotated(x, cos, sin):
    """Turns each adjacent pair of dimensions; x is (row, position, head, dimension)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = jnp.stack((even * cos - odd * sin, even * sin + odd * cos), -1)
    return pairs.reshape(x.shape)


def attention(shape, x, layer, cos, sin):
    rows, length, _ = x.shape
    heads = (rows, length, shape.heads, shape.head)
    q = rotated((x @ layer["q"]).reshape(heads), cos, sin)
    k = rotated((x @ layer["k"]).reshape(heads), cos, sin)
    v = (x @ layer["v"]).reshape(heads)
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * shape.head ** -0.5
    causal = jnp.tril(jnp.ones((length, length), bool))
    mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(jnp.where(causal, scores, -1e9)), v)
    return mixed.reshape(rows, length, shape.width) @ layer["o"]


def logits(shape, weights, ids):
    """Logits at every position of (row, position) ids."""
    angle = shape.rope_base ** (-jnp.arange(0, shape.head, 2) / shape.head)
    angle = jnp.arange(ids.shape[1])[:, None, None] * angle
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    x = weights["embed"][ids]
    for index in range(shape.layers):
        layer = {name: weights[name][index] for name in
                 ("q", "k", "v", "o", "gate", "up", "down", "norm_attention", "norm_ffn")}
        inner = normed(x, layer["norm_attention"], shape.epsilon)
        x = x + attention(shape, inner, layer, cos, sin)
        inner = normed(x, layer["norm_ffn"], shape.epsilon)
        x = x + (jax.nn.silu(inner @ layer["gate"]) * (inner @ layer["up"])) @ layer["down"]
    return normed(x, weights["norm"], shape.epsilon) @ weights["embed"].T


def loss(shape, weights, ids, counts):
    """Mean cross entropy of the next token, weighted by how much each token counts."""
    predicted = jax.nn.log_softmax(logits(shape, weights, ids[:, :-1]))
    picked = jnp.take_along_axis(predicted, ids[:, 1:, None], -1)[..., 0]
    return -jnp.sum(picked * counts[:, 1:]) / jnp.sum(counts[:, 1:])
