#!/usr/bin/env python3
"""Answers of a made-up classifier, and scikit-learn's scores of them: fixtures/scores.safetensors, and the numbers that stand in
tests/insight/. Needs numpy, scipy, scikit-learn, safetensors.

200 images of 5 classes, one of which never occurs; logits are multiples of an eighth, so that some are equal.
"""

import pathlib

import numpy
import scipy.optimize
import scipy.stats
import sklearn.metrics as metrics
from safetensors.numpy import save_file

N, K = 200, 5


def show(name, *values):
    print(f"{name:20}", *(repr(float(v)) for v in numpy.atleast_1d(numpy.array(values).squeeze())))


def errors(p, right, bins=15):
    """Expected and largest calibration error."""
    gaps = []
    for i in range(bins):
        inside = (p > i / bins) & (p <= (i + 1) / bins)
        if inside.any():
            gaps.append((inside.mean(), abs(p[inside].mean() - right[inside].mean())))
    return sum(part * gap for part, gap in gaps), max(gap for _, gap in gaps)


def softmax(z, temperature=1.0):
    e = numpy.exp((z - z.max(1, keepdims=True)) / temperature)
    return e / e.sum(1, keepdims=True)


rng = numpy.random.default_rng(17)
labels = rng.choice(K - 1, size=N, p=[0.4, 0.3, 0.2, 0.1])
logits = (rng.normal(size=(N, K)) * 2).astype(numpy.float32)
logits[numpy.arange(N), labels] += 1.5
logits[:, 4] -= 1
logits = (numpy.round(logits * 8) / 8).astype(numpy.float32)
folder = pathlib.Path(__file__).parent / "fixtures"
save_file({"logits": logits, "labels": labels.astype(numpy.float32)}, folder / "scores.safetensors")

z = logits.astype(numpy.float64)
p, answers, classes = softmax(z), z.argmax(1), range(K)
show("accuracy", metrics.accuracy_score(labels, answers))
show("balanced", metrics.balanced_accuracy_score(labels, answers))
show("kappa", metrics.cohen_kappa_score(labels, answers))
show("matthews", metrics.matthews_corrcoef(labels, answers))
for average in "macro", "weighted":
    show(average, *metrics.precision_recall_fscore_support(labels, answers, average=average, zero_division=0)[:3])
for name, row in zip(
    ("precision", "recall", "f1", "support"),
    metrics.precision_recall_fscore_support(labels, answers, labels=classes, zero_division=0),
):
    show(name, *row)
for k in range(K - 1):
    show(f"roc area {k}", metrics.roc_auc_score(labels == k, p[:, k]))
    show(f"average precision {k}", metrics.average_precision_score(labels == k, p[:, k]))
false_alarms, recall, _ = metrics.roc_curve(labels == 0, p[:, 0], drop_intermediate=False)
show("false alarms", false_alarms[numpy.argmax(recall >= 0.95)])
order = numpy.argsort(-z, axis=1, kind="stable")
for k in 1, 2, 3:
    show(f"top {k}", numpy.mean([label in row[:k] for label, row in zip(labels, order)]))
show("nll", metrics.log_loss(labels, p, labels=classes))
show("brier", numpy.mean(((p - numpy.eye(K)[labels]) ** 2).sum(1)))
show("ece, mce", *errors(p.max(1), answers == labels))
show("classwise", numpy.mean([errors(p[:, k], labels == k)[0] for k in classes]))
best = scipy.optimize.minimize_scalar(
    lambda t: metrics.log_loss(labels, softmax(z, t), labels=classes), bounds=(0.1, 10), method="bounded",
    options={"xatol": 1e-12},
)
show("temperature, nll", best.x, best.fun)
show("McNemar 7, 18", scipy.stats.binomtest(7, 25).pvalue)
for right, images, alpha in (8, 10, 0.05), (0, 20, 0.05), (9072, 10000, 0.01):
    interval = scipy.stats.binomtest(right, images).proportion_ci(1 - alpha, method="wilson")
    show(f"Wilson {right}/{images}", interval.low, interval.high)
show("normal quantiles", scipy.stats.norm.ppf(0.975), scipy.stats.norm.ppf(1e-6))
