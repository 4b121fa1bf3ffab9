"""Self-attention across the candidates of a query."""

from typing import Any

import tensorflow as tf

from rankkit.core.arguments import ArgumentsLayer
from rankkit.core.list_context import current_lists
from rankkit.layers._norm import LayerNormalization
from rankkit.layers._transformer import TransformerBlock
from rankkit.utils.errors import check_integer, check_share, invalid
from rankkit.utils.graph_errors import assert_in_graph

_LONGEST = 8192  # rows of a list: the attention of one head then takes 256 MB


@tf.keras.utils.register_keras_serializable(package="rankkit")
class CandidateAttention(ArgumentsLayer):
    """Lets the vector of a candidate depend on the other candidates of the query.

    Blocks of a transformer without positions: each candidate attends to all candidates of its list,
    then passes through a dense layer. The order of the candidates makes no difference. Layers
    before it see one candidate at a time, and so do those after it, such as
    `rankkit.layers.DenseRatingHead`.

    The rows of one call are the candidates of one query: in a call of the network or the model, in
    `rankkit.rank`, and in a request to an exported model, also to its signature
    `serving_default`. `fit` and `evaluate` need batches of `rankkit.data.lists` and a listwise
    loss; `evaluate_ranking` scores one query at a time. `predict`, a `rankkit.CandidateIndex`,
    iterators of candidates and `rankkit.spark` score rows in parts, and raise an error. So does a
    function that calls the model in their place, unless it has the attribute `compares_rows`, true
    if it scores the rows of one query. Keras's own `network.predict` mixes queries without one.

    Time and memory grow with the square of the number of candidates: rank hundreds of them, and
    use a network without this layer to choose these.

    Args:
        num_blocks: Number of blocks. Defaults to `2`.
        num_heads: Number of attention heads, which divides the size of the vectors. Defaults to
            `2`.
        hidden_units: Units of the hidden layer of each block. Defaults to `None`, twice the size of
            the vectors.
        dropout_rate: Share of the outputs of each attention and each hidden layer dropped in
            training, in [0, 1). Defaults to `0.1`.
        activation: Activation of the hidden layers. Defaults to `"relu"`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(rows, dim)`.

    Output shape:
        `(rows, dim)`.

    Raises:
        ValueError: If a number is out of range, or `num_heads` does not divide the size of the
            vectors.

    References:
        Pobrotyn et al., Context-aware learning to rank with self-attention, SIGIR eCom 2020.
        Qin et al., Are neural rankers still outperformed by gradient boosted decision trees?,
        ICLR 2021.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.CandidateAttention(num_blocks=1)
        >>> candidates = tf.random.normal((3, 8))
        >>> scores = layer(candidates)
        >>> reversed_scores = layer(candidates[::-1])
        >>> bool(tf.reduce_all(tf.abs(scores - reversed_scores[::-1]) < 1e-5))
        True
    """

    compares_rows = True

    def __init__(
        self,
        num_blocks: int = 2,
        *,
        num_heads: int = 2,
        hidden_units: int | None = None,
        dropout_rate: float = 0.1,
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.num_blocks = check_integer("num_blocks", num_blocks)
        self.num_heads = check_integer("num_heads", num_heads)
        if hidden_units is not None:
            hidden_units = check_integer("hidden_units", hidden_units)
        self.hidden_units = hidden_units
        self.dropout_rate = check_share("dropout_rate", dropout_rate)
        self.activation = tf.keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        dim = tf.TensorShape(input_shape)[-1]
        if dim is None or dim % self.num_heads:
            expected = f"a divisor of {dim}, the size of the vectors"
            fix = "Put a Dense layer of another size before this layer."
            raise invalid("num_heads", self.num_heads, expected, fix)
        units = self.hidden_units or 2 * dim
        self._blocks = [
            TransformerBlock(
                self.num_heads, units, self.dropout_rate, self.activation, self.dtype_policy
            )
            for _ in range(self.num_blocks)
        ]
        for block in self._blocks:
            block.build((None, None, dim))
        self._norm = LayerNormalization(dtype=self.variable_dtype, name="norm")
        self._norm.build((None, None, dim))
        super().build(input_shape)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: tf.Tensor, training: Any = None) -> tf.Tensor:
        lists = current_lists()
        if lists is None:
            x, mask = inputs[tf.newaxis], None
        else:
            shape = tf.concat([tf.shape(lists.mask, tf.int64), tf.shape(inputs, tf.int64)[1:]], 0)
            x, mask = tf.scatter_nd(lists.positions, inputs, shape), lists.mask[:, tf.newaxis, :]
            x = tf.ensure_shape(x, [None, None, inputs.shape[1]])
        message = f"A list must have at most {_LONGEST:,} rows for layer {self.name!r}. Got: "
        fix = ". Choose candidates with a model without CandidateAttention first."
        length = tf.shape(x)[1]
        with tf.control_dependencies([assert_in_graph(length <= _LONGEST, message, length, fix)]):
            x = tf.identity(x)
        for block in self._blocks:
            x = block(x, mask, training=training)
        x = self._norm(x)
        x = tf.cast(x[0] if lists is None else tf.gather_nd(x, lists.positions), self.compute_dtype)
        return tf.ensure_shape(x, [None, inputs.shape[1]])
