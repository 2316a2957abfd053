"""Write the losses of TensorFlow 1's optimizers on a small net, computed by TensorFlow itself.

    python -m venv /tmp/tensorflow && /tmp/tensorflow/bin/pip install tensorflow==2.21.0
    /tmp/tensorflow/bin/python -m tests.golden.tensorflow_optimizers

TensorFlow is no dependency of the project: only this script needs it, in an environment of its own.
It writes `tensorflow_optimizers.json` beside itself: for every optimizer and learning rate the loss
of each batch before its step, 50 numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

import tensorflow as tf

from tests.golden import small_net

v1 = tf.compat.v1
OPTIMIZERS = {
    "sgd": v1.train.GradientDescentOptimizer,
    "momentum": lambda lr: v1.train.MomentumOptimizer(lr, momentum=0.9),
    "nesterov": lambda lr: v1.train.MomentumOptimizer(lr, momentum=0.9, use_nesterov=True),
    "tf1-adagrad": v1.train.AdagradOptimizer,
    "tf1-adadelta": v1.train.AdadeltaOptimizer,
    "tf1-adam": v1.train.AdamOptimizer,
    "tf1-rmsprop": v1.train.RMSPropOptimizer,
    "ftrl": v1.train.FtrlOptimizer,
    "proximal-adagrad": v1.train.ProximalAdagradOptimizer,
    "proximal-gd": v1.train.ProximalGradientDescentOptimizer,
}


def losses(name: str, lr: float) -> list[float]:
    """Train the net with TensorFlow's optimizer; return the loss of each batch."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, 784))
        y = v1.placeholder(tf.int64, (None,))
        w1, b1, w2, b2 = (v1.Variable(values) for values in small_net.initial_weights())
        logits = tf.tanh(x @ w1 + b1) @ w2 + b2
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        )
        step = OPTIMIZERS[name](lr).minimize(loss)
        session.run(v1.global_variables_initializer())
        return [
            float(session.run((loss, step), {x: inputs, y: labels})[0])
            for inputs, labels in small_net.data()
        ]


def main() -> None:
    """Write the file."""
    found = {f"{name} {lr}": losses(name, lr) for name in OPTIMIZERS for lr in small_net.RATES}
    path = Path(__file__).with_suffix(".json")
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(found[key])}" for key in found)
    path.write_text(f'{{\n  "tensorflow": "{tf.__version__}",\n{lines}\n}}\n', encoding="utf-8")
    print(f"{path}: {len(found)} runs of {small_net.STEPS} steps by TensorFlow {tf.__version__}")


if __name__ == "__main__":
    main()
