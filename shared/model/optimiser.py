"""Muon for the matrices inside the layers, Adam for the embedding and the norms.

Muon replaces a matrix's momentum by the nearest orthogonal matrix (a Newton-Schulz iteration), so
that every direction learns at the same pace: on this model it needs far fewer tokens than Adam.
"""

import jax
import jax.numpy as jnp

MUON = ("q", "k", "v", "o", "gate", "up", "down")
MUON_RATE, MUON_MOMENTUM, MUON_DECAY = 0.02, 0.95, 0.02
ADAM_RATE, ADAM_MEAN, ADAM_SQUARE, ADAM_EPSILON = 0.004, 0.9, 0.98, 1e-8

# Share that the averaged weights keep per step: they cover about the last two hundred steps.
# They are what is evaluated and shipped, since they are better at any moment than the weights.
AVERAGE = 0.995


def begin(weights):
    """Optimiser state: two moments for every weight, and a running average of the weights."""
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return {"first": zeros, "second": zeros, "average": weights, "step": jnp.zeros((), jnp.int32)}


def orthogonal(matrix):
    """The nearest orthogonal matrix, nearly: five steps of a quintic Newton-Schulz iteration."""
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = jnp.swapaxes(matrix, -1, -2) if tall else matrix
    x = x / (jnp.linalg.norm(x, axis=(-2, -1), keepdims=True) + 1e-7)
    for _ in range(5):
        square = x @ jnp.swapaxes(x, -1, -2)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return jnp.swapaxes(x, -1, -2) if tall else x


def muon(weight, gradient, first, rate):
    first = MUON_MOMENTUM * first + gradient
    turned = orthogonal(gradient + MUON_MOMENTUM * first)
    scale = max(1.0, weight.shape[-1] / weight.shape[-2]) ** 0.5
    step = MUON_RATE * rate
    return weight * (1 - step * MUON_DECAY) - step * scale * turned, first


def adam(weight, gradient, first, second, step, rate):
    first = ADAM_MEAN * first + (1 - ADAM_MEAN) * gradient
    second = ADAM_SQUARE * second + (1 - ADAM_SQUARE) * gradient ** 2
    mean = first / (1 - ADAM_MEAN ** step)
    square = second / (1 - ADAM_SQUARE ** step)
    return weight - ADAM_RATE * rate * mean / (jnp.sqrt(square) + ADAM_EPSILON), first, second


def update(weights, state, gradients, rate):
    """One step; `rate` scales every learning rate (warm-up, decay). Returns weights and state."""
    step = state["step"] + 1
    new, first, second = {}, {}, dict(state["second"])
    for name, weight in weights.items():
        gradient, moment = gradients[name], state["first"][name]
        if name in MUON:
            new[name], first[name] = muon(weight, gradient, moment, rate)
        else:
            new[name], first[name], second[name] = adam(
                weight, gradient, moment, second[name], step, rate)
    keep = jnp.minimum(AVERAGE, step / (10.0 + step))
    average = jax.tree.map(lambda old, now: keep * old + (1 - keep) * now, state["average"], new)
    return new, {"first": first, "second": second, "average": average, "step": step}
