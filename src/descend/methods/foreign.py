"""Any optax transformation, as a rule of this library."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, NamedTuple, Never, Self

import jax
import jax.numpy as jnp
import numpy as np

from descend.fields import part
from descend.methods.method import Method, method_named
from descend.methods.rule import Rule
from descend.methods.written import written
from descend.words import like, precision

__all__ = ["NO_VALUES", "AsksForValuesError", "Optax", "as_rule", "read_optax"]

_DECAY = "decay of the parameters in a step"
_PLACES = 12  # on the way through a schedule
_WAITED = 40  # steps without a gradient
_PROBED = 3  # updates: in the first one a rate that warms up is zero


class _State(NamedTuple):
    t: Any
    lr: Any  # unknown: optax does not say
    evaluations: Any
    theirs: Any


def _is_optax(value: Any) -> bool:
    has_both = callable(getattr(value, "init", None)) and callable(getattr(value, "update", None))
    return has_both and not isinstance(value, Rule | type)


def read_optax(value: Any) -> Any:
    """An optax transformation as a rule; all else as it is."""
    return Optax(value) if _is_optax(value) else value


def _of_shape(change: Any, grad: Any) -> Any:
    """The change in the dtype of the gradient; refused where it is of another shape, which would be broadcast."""
    if np.shape(change) != np.shape(grad):
        raise ValueError(
            f"the optax transformation makes an update of shape {np.shape(change)} of a gradient of shape "
            f"{np.shape(grad)}: an update has the shape of x"
        )
    return change.astype(grad.dtype)


class Optax(Rule):
    """A transformation of optax where a method is asked for: `minimize(f, x0, optax.adam(0.1))`.

    Its numbers are part of the compiled program: another rate compiles anew. It is handed the cost, the
    gradient and the cost as a function, so that `optax.lbfgs()` and `optax.polyak_sgd()` work, too.
    """

    name = "optax"

    transformation: Any = part(
        _is_optax,
        "an optax transformation such as optax.adam(0.1)",
        "the transformation",
    )

    def __repr__(self) -> str:
        """With a checksum of its code and numbers: the same in every process."""
        return f"Optax({_checksum(self.transformation)})"

    def scaled(self, factor: float) -> Optax:
        """The same with its changes times a factor: of a rule with a rate, that rate times it."""
        import optax

        return Optax(optax.chain(self.transformation, optax.scale(factor)))

    def own_pulls(self, params: Any) -> dict[str, float]:
        """See `Rule.own_pulls`: the share of a parameter that goes in an update without a gradient."""
        ones, zeros = (jax.tree.map(made, params) for made in (np.ones_like, np.zeros_like))
        state, most = self.init(ones), 0.0
        for _ in range(_PROBED):
            try:
                at_zero, _ = self.update(zeros, state, zeros, **NO_VALUES)
                change, state = self.update(zeros, state, ones, **NO_VALUES)
            except AsksForValuesError:
                return {}
            shrinks = [float(np.max(b - a)) for a, b in zip(*map(jax.tree.leaves, (change, at_zero)), strict=True)]
            most = max(most, *shrinks) if np.isfinite(shrinks).all() else most
        return {_DECAY: most} if most > 0 else {}

    def bends(self) -> bool:
        """Whether its first move points elsewhere than straight down, as where each coordinate has its own rate."""
        x, slope = np.zeros(3), np.array([1.0, -2.0, 0.5])
        try:
            state = self.init(x)
            for _ in range(_PROBED):
                change, state = self.update(slope, state, x, **NO_VALUES)
                if np.any(change):
                    return not np.allclose(change / np.linalg.norm(change), -slope / np.linalg.norm(slope), rtol=1e-4)
        except AsksForValuesError:
            pass  # it looks along the gradient, if anywhere
        except (TypeError, ValueError, KeyError, AttributeError):
            pass  # it is for parameters of another form: that can only be told where they are known
        return False

    def rate_left(self, params: Any, steps: int) -> float:
        """The share of its longest moves that is left after so many steps without a gradient: its schedule's doing."""
        dtype = jax.tree.leaves(params)[0].dtype
        moves = []
        with precision(dtype):
            zeros, slope = (jax.tree.map(made, params) for made in (jnp.zeros_like, jnp.ones_like))

            def waited(state: Any, n: Any) -> Any:
                return jax.lax.fori_loop(0, n, lambda _, s: self.update(zeros, s, zeros, **NO_VALUES)[1], state)

            wait, state = jax.jit(waited), jax.tree.map(jnp.asarray, self.init(zeros))
            try:
                for n in np.diff(np.geomspace(1, max(steps, 2), _PLACES).round().astype(int), prepend=1):
                    state = wait(state, n)
                    change = jax.tree.leaves(self.update(slope, state, zeros, **NO_VALUES)[0])
                    moves.append(max(float(jnp.abs(part).max()) for part in change))
            except AsksForValuesError:
                return 1.0
        return moves[-1] / max(moves) if np.isfinite(moves).all() and max(moves) > 0 else 1.0

    def carries_on(self, params: Any) -> tuple[float, float]:
        """How long the move for a gradient of 1 is, and the share of a move that is left a step later without one."""
        x, slope = (jax.tree.map(made, params) for made in (np.zeros_like, np.ones_like))
        state, moves = self.init(x), []
        try:
            for g in (slope, *[x] * _WAITED):
                change, state = self.update(g, state, x, **NO_VALUES)
                moves.append(max(float(np.abs(part).max()) for part in jax.tree.leaves(change)))
        except AsksForValuesError:
            return 0.0, 0.0
        early, late = moves[_WAITED // 2], moves[-1]
        share = (late / early) ** (2 / _WAITED) if early > 0 and np.isfinite(moves).all() else 0.0
        return moves[0], share

    def without_pull(self) -> Optax:
        """The same, told in each update that the parameters are zero: no decay has anything to take from."""
        import optax

        full = optax.with_extra_args_support(self.transformation)

        def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> Any:
            return full.update(grads, state, None if params is None else jax.tree.map(lambda p: 0 * p, params), **extra)

        return Optax(optax.GradientTransformationExtraArgs(full.init, update))

    def _flatten_with_keys(self) -> Any:
        return (), self.transformation  # no numbers: functions only

    @classmethod
    def _unflatten(cls, aux: Any, leaves: Any) -> Self:
        new = object.__new__(cls)
        object.__setattr__(new, "transformation", aux)
        return new

    def init(self, params: Any) -> _State:
        """See `Rule.init`."""
        leaf = jax.tree.leaves(params)[0]
        with precision(leaf.dtype):
            return _State(np.int32(0), like(np.nan, leaf), np.int32(0), self.transformation.init(params))

    def update(self, grads: Any, state: _State, params: Any = None, **extra: Any) -> tuple[Any, _State]:
        """See `Rule.update`.

        Raises
        ------
        TypeError
            The transformation needs arguments that a descent does not have.
        """
        import optax

        transformation = optax.with_extra_args_support(self.transformation)
        given = {"value": extra.get("value"), "grad": grads, "value_fn": extra.get("value_fn")}
        leaf = jax.tree.leaves(grads)[0]
        try:
            with precision(leaf.dtype):
                before = jax.tree.map(jnp.asarray, state.theirs)  # those of NumPy lack what optax may ask of an array
                change, theirs = transformation.update(grads, before, params, **given)
                change = jax.tree.map(_of_shape, change, grads)
        except jax.errors.JAXTypeError as error:
            raise TypeError(
                "the optax transformation calls the objective inside a compiled program, which this objective "
                "cannot be traced into; use a method of this library, or write the objective in NumPy or JAX"
            ) from error
        except TypeError as error:
            if "argument" not in str(error):
                raise
            raise TypeError(
                f"the optax transformation needs arguments that a descent does not give ({error}); it gives "
                f"{', '.join(given)}"
            ) from error
        if not isinstance(leaf, jax.Array):  # a run in plain NumPy stays one
            change, theirs = jax.tree.map(_in_numpy, (change, theirs))
        return change, state._replace(t=state.t + 1, theirs=theirs)


def as_rule(method: Any) -> Rule:
    """A rule; also from the name of a method, or its class, with the numbers it has by itself; or from optax.

    Raises
    ------
    TypeError, ValueError
        It is none of these; no method has that name.
    """
    if isinstance(method, str):
        method = method_named(method)
    if isinstance(method, type) and issubclass(method, Method):
        method = method()
    if isinstance(method, Rule):
        return method
    if _is_optax(method):
        return Optax(method)
    raise TypeError(
        f'method must be a Method such as Adam(lr=0.1), its name, "adam", or an optax transformation, got {method!r}'
    )


def _in_numpy(leaf: Any) -> Any:
    """An array as NumPy's, but for a key of random numbers, which NumPy does not know."""
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf)


class AsksForValuesError(Exception):
    """A transformation evaluates the cost, of which it was given none."""


def _no_values(_: Any) -> Never:
    raise AsksForValuesError


NO_VALUES: dict[str, Any] = {"value": 0.0, "value_fn": _no_values}  # for an update that only looks at the gradient


@cache
def _checksum(transformation: Any) -> str:
    return hashlib.sha256(written(transformation).encode()).hexdigest()[:12]
