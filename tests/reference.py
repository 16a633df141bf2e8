"""The textbook formulas and their gradients in mpmath, computed on exactly the numbers that a tensor holds.

Every function takes and returns plain (nested) lists of mpf. A gradient follows its value as ``<name>_gradient``. Where
a true slope is infinite or undefined (p = 0 in p log p) the gradient is an infinity or NaN here too.
"""

import functools

import mpmath
import torch
from mpmath import mpf

# Sixty digits for the result. The rest is for 1 - p: at a logit of 700 its first digit stands at place 305.
mpmath.mp.dps = 380

INF, NAN = mpf("inf"), mpf("nan")


def exact(tensor):
    """A tensor as (nested lists of) the very numbers it holds."""
    values = tensor.detach().cpu().double().tolist()
    return _map(mpf, values)


def _map(fn, values):
    return [_map(fn, v) for v in values] if isinstance(values, list) else fn(values)


def log(x, base=None):
    value = -INF if x == 0 else mpmath.log(x)
    return value if base is None else value / mpmath.log(mpf(base))


def times_log(p, ratio, base=None):
    """p log(ratio), with 0 log(anything) = 0."""
    return mpf(0) if p == 0 else p * log(ratio, base)


def per_log(value, base):
    return value if base is None else value / mpmath.log(mpf(base))


def over(p, q):
    return p / q if q else (INF if p else NAN)


def information_content(p, base=None):
    return -log(p, base)


def information_content_gradient(p, base=None):
    return per_log(-over(mpf(1), p), base)


def entropy(p, base=None):
    return -mpmath.fsum(times_log(a, a, base) for a in p)


def entropy_gradient(p, base=None):
    return [per_log(-log(a) - 1, base) for a in p]


def cross_entropy_between(p, q, base=None):
    return -mpmath.fsum(times_log(a, b, base) for a, b in zip(p, q))


def cross_entropy_between_gradient(p, q, base=None):
    return [-log(b, base) for b in q], [per_log(-over(a, b), base) for a, b in zip(p, q)]


def kl_divergence(p, q, base=None):
    return mpmath.fsum(times_log(a, over(a, b), base) for a, b in zip(p, q))


def kl_divergence_gradient(p, q, base=None):
    return (
        [per_log(log(over(a, b)) + 1, base) for a, b in zip(p, q)],
        [per_log(-over(a, b), base) for a, b in zip(p, q)],
    )


def jensen_shannon_divergence(p, q, base=None):
    m = [(a + b) / 2 for a, b in zip(p, q)]
    return (kl_divergence(p, m, base) + kl_divergence(q, m, base)) / 2


def jensen_shannon_divergence_gradient(p, q, base=None):
    m = [(a + b) / 2 for a, b in zip(p, q)]
    return [log(over(a, c), base) / 2 for a, c in zip(p, m)], [log(over(b, c), base) / 2 for b, c in zip(q, m)]


def conditional_entropy(joint, base=None):
    return -mpmath.fsum(times_log(p, over(p, mpmath.fsum(row)), base) for row in joint for p in row)


def conditional_entropy_gradient(joint, base=None):
    return [[-log(over(p, mpmath.fsum(row)), base) for p in row] for row in joint]


def mutual_information(joint, base=None):
    columns = [mpmath.fsum(column) for column in zip(*joint)]
    return mpmath.fsum(times_log(p, over(p, mpmath.fsum(row) * y), base) for row in joint for p, y in zip(row, columns))


def mutual_information_gradient(joint, base=None):
    columns = [mpmath.fsum(column) for column in zip(*joint)]
    return [[per_log(log(over(p, mpmath.fsum(row) * y)) - 1, base) for p, y in zip(row, columns)] for row in joint]


def softmax(z, temperature=1):
    scores = [mpmath.exp(a / mpf(temperature)) for a in z]
    total = mpmath.fsum(scores)
    return [a / total for a in scores]


def softmax_gradient(z, temperature=1):
    """The Jacobian: row i holds the slopes of output i."""
    p = softmax(z, temperature)
    return [[a * ((i == j) - b) / mpf(temperature) for j, b in enumerate(p)] for i, a in enumerate(p)]


def log_softmax(z, temperature=1):
    total = mpmath.fsum(mpmath.exp(a / mpf(temperature)) for a in z)
    return [a / mpf(temperature) - mpmath.log(total) for a in z]


def log_softmax_gradient(z, temperature=1):
    p = softmax(z, temperature)
    return [[((i == j) - b) / mpf(temperature) for j, b in enumerate(p)] for i in range(len(p))]


# --- losses: of one row of scores and its target, or of one score; the slopes are those of the scores


def sigmoid(z):
    return 1 / (1 + mpmath.exp(-z))


@functools.cache
def _of_classes(z):
    """Probabilities, their logarithms, and 1 - p without the subtraction."""
    scores = [mpmath.exp(a) for a in z]
    total = mpmath.fsum(scores)
    others = [mpmath.fsum(scores[:i] + scores[i + 1 :]) for i in range(len(z))]
    return [a / total for a in scores], [a - mpmath.log(total) for a in z], [a / total for a in others]


def weights(weight, z):
    return [mpf(1)] * len(z) if weight is None else weight


def nll_loss(log_p, target, weight=None, ignore_index=-100):
    return mpf(0) if target == ignore_index else -weights(weight, log_p)[target] * log_p[target]


def nll_loss_gradient(log_p, target, weight=None, ignore_index=-100):
    return [-w * (i == target and target != ignore_index) for i, w in enumerate(weights(weight, log_p))]


def _shares(z, target, weight, label_smoothing):
    """What each class counts for."""
    y = target if isinstance(target, list) else [mpf(i == target) for i in range(len(z))]
    e = mpf(label_smoothing)
    return [w * ((1 - e) * a + e / len(z)) for w, a in zip(weights(weight, z), y)]


def cross_entropy(z, target, weight=None, ignore_index=-100, label_smoothing=0):
    if target == ignore_index:
        return mpf(0)
    _, log_p, _ = _of_classes(tuple(z))
    return -mpmath.fsum(y * a for y, a in zip(_shares(z, target, weight, label_smoothing), log_p))


def cross_entropy_gradient(z, target, weight=None, ignore_index=-100, label_smoothing=0):
    if target == ignore_index:
        return [mpf(0)] * len(z)
    p, _, _ = _of_classes(tuple(z))
    shares = _shares(z, target, weight, label_smoothing)
    return [mpmath.fsum(shares) * a - y for a, y in zip(p, shares)]


def binary_cross_entropy_with_logits(z, y, weight=1, pos_weight=1):
    return weight * (pos_weight * y * mpmath.log(1 + mpmath.exp(-z)) + (1 - y) * mpmath.log(1 + mpmath.exp(z)))


def binary_cross_entropy_with_logits_gradient(z, y, weight=1, pos_weight=1):
    return weight * (-pos_weight * y * sigmoid(-z) + (1 - y) * sigmoid(z))


def mse_loss(x, y):
    return (x - y) ** 2


def mse_loss_gradient(x, y):
    return 2 * (x - y)


def hinge_loss(z, y, margin=1):
    return max(mpf(0), margin - y * z)


def hinge_loss_gradient(z, y, margin=1):
    return NAN if margin == y * z else -y * (margin > y * z)


def multiclass_hinge_loss(z, target, margin=1):
    return max([mpf(0)] + [margin + a - z[target] for i, a in enumerate(z) if i != target])


def multiclass_hinge_loss_gradient(z, target, margin=1):
    losses = [margin + a - z[target] if i != target else mpf(0) for i, a in enumerate(z)]
    best = max(losses)
    if losses.count(best) > 1:  # two classes lead, or one by just the margin
        return [NAN] * len(z)
    return [mpf(0) if best == 0 else mpf(-1) if i == target else mpf(a == best) for i, a in enumerate(losses)]


def sigmoid_focal_loss(z, y, alpha=None, gamma=2):
    factor = 1 if alpha is None else alpha * y + (1 - mpf(alpha)) * (1 - y)
    wrong = y * sigmoid(-z) + (1 - y) * sigmoid(z)
    return factor * wrong ** mpf(gamma) * binary_cross_entropy_with_logits(z, y)


def sigmoid_focal_loss_gradient(z, y, alpha=None, gamma=2):
    factor = 1 if alpha is None else alpha * y + (1 - mpf(alpha)) * (1 - y)
    wrong, slope = y * sigmoid(-z) + (1 - y) * sigmoid(z), (1 - 2 * y) * sigmoid(z) * sigmoid(-z)
    loss, loss_slope = binary_cross_entropy_with_logits(z, y), binary_cross_entropy_with_logits_gradient(z, y)
    return factor * (gamma * wrong ** (mpf(gamma) - 1) * slope * loss + wrong ** mpf(gamma) * loss_slope)


def softmax_focal_loss(z, target, weight=None, gamma=2, ignore_index=-100):
    if target == ignore_index:
        return mpf(0)
    _, log_p, wrong = _of_classes(tuple(z))
    return -weights(weight, z)[target] * wrong[target] ** mpf(gamma) * log_p[target]


def softmax_focal_loss_gradient(z, target, weight=None, gamma=2, ignore_index=-100):
    if target == ignore_index or len(z) == 1:
        return [mpf(0)] * len(z)
    p, log_p, wrong = _of_classes(tuple(z))
    w, q = weights(weight, z)[target], wrong[target]
    slope = -w * (q ** mpf(gamma) - gamma * q ** (mpf(gamma) - 1) * p[target] * log_p[target])
    return [slope * (q if i == target else -a) for i, a in enumerate(p)]


# How far a result may lie from the reference, relative to it.
RELATIVE = {torch.float64: 1e-12, torch.float32: 1e-5}


def assert_close(actual, expected, size=0):
    """Within the relative error of the dtype; infinite or NaN exactly where the reference is.

    `size` is that of the terms, where the formula is a sum whose terms may cancel.
    """
    for a, e in _pairs(actual, expected):
        if mpmath.isfinite(e):
            # Below the smallest normal number a float runs out of digits.
            allowed = RELATIVE[actual.dtype] * max(abs(e), size) + torch.finfo(actual.dtype).tiny
            assert mpmath.isfinite(a) and abs(a - e) <= allowed, f"{float(a)!r}, but the reference is {float(e)!r}"
        else:
            assert a == e or (mpmath.isnan(a) and mpmath.isnan(e)), f"{float(a)!r}, but the reference is {e}"


def assert_slopes_close(actual, expected, size=0):
    """As `assert_close`, but where the true slope is infinite or undefined, any finite number will do."""
    pairs = _pairs(actual, expected)
    assert all(mpmath.isfinite(a) for a, _ in pairs), f"{actual} has a slope that is not finite"
    finite = [i for i, (_, e) in enumerate(pairs) if mpmath.isfinite(e)]
    assert_close(actual.flatten()[finite], [pairs[i][1] for i in finite], size)


def _pairs(actual, expected):
    actual, expected = _flat(exact(actual)), _flat(expected)
    assert len(actual) == len(expected)
    return list(zip(actual, expected))


def _flat(values):
    return [x for v in values for x in _flat(v)] if isinstance(values, list) else [values]
