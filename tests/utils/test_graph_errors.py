"""Errors of checks inside graphs reach the caller as plain errors."""

import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.utils.graph_errors import assert_in_graph, check_numerics, plain_errors

WAYS = {"in a graph": tf.function, "eagerly": lambda function: function}


@pytest.fixture(params=WAYS)
def run(request):
    """Runs a function of one number in a graph or eagerly, within `plain_errors`."""

    def run(function, number):
        with plain_errors():
            return WAYS[request.param](function)(tf.constant(number))

    return run


@pytest.mark.parametrize(
    "message", ["Labels must be finite.", "label 'a' is NaN.", "It's\nof two lines: [1], (2)."]
)
def test_marked_check_raises_its_message_and_nothing_else(run, message):
    def check(x):
        with tf.control_dependencies([check_numerics(x, message)]):
            return tf.identity(x)

    assert run(check, 1.0) == 1.0
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        run(check, float("nan"))
    assert str(raised.value) == message
    assert raised.value.__suppress_context__


def test_message_of_an_assertion_shows_a_value_of_the_graph(run):
    def check(x):
        fits = assert_in_graph(x < 5.0, "Labels of 'click' must be below 5. Got: ", x, ". Scale.")
        with tf.control_dependencies([fits] if fits is not None else []):
            return tf.identity(x)

    assert run(check, 4.0) == 4.0
    text = r"^Labels of 'click' must be below 5\. Got: 7\.5\. Scale\.$"
    with pytest.raises(ValueError, match=text):
        run(check, 7.5)


def test_unmarked_errors_of_graphs_pass_through(run):
    with pytest.raises(tf.errors.InvalidArgumentError, match="of the user"):
        run(lambda x: tf.debugging.check_numerics(x, "of the user"), float("nan"))


@pytest.mark.parametrize("error", [ValueError("own"), TypeError("own"), KeyError("own")])
def test_errors_outside_graphs_pass_through(error):
    with pytest.raises(type(error), match="own") as raised, plain_errors():
        raise error
    assert raised.value is error


def test_error_of_rankkit_during_tracing_has_no_autograph_text():
    @tf.function
    def traced(x):
        if tf.reduce_sum(x) > 0.0:
            x = x + 1.0
        return rk.losses.SoftmaxLoss()(x, x)

    text = r"^y_true\.shape must be a tensor"
    with pytest.raises(TypeError, match=text) as raised, plain_errors():
        traced(tf.zeros(3))
    assert "\n" not in str(raised.value)


def test_error_of_user_code_during_tracing_passes_through():
    @tf.function
    def traced(x):
        if tf.reduce_sum(x) > 0.0:
            x = x + 1.0
        raise ValueError("of the user")

    with pytest.raises(ValueError, match="in user code:(.|\n)*of the user"), plain_errors():
        traced(tf.zeros(3))
