"""Vectors of eight numbers for Numba: eight particles side by side in the lanes of one register, or of two.

Numba has no vector type of its own, and its compiler does not find the vectors in loops as irregular as those over neighbours.
Each function here becomes one or two machine instructions where the processor has AVX2 and FMA, and a few more elsewhere; all of
them round as IEEE 754 demands, so that they give the same bits on every processor. What an operation returns follows from what
it is given: single precision, double precision or whole numbers.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.extending import intrinsic, register_model

LANES = 8

_INDEX = ir.IntType(32)


class _Vector(types.Type):
    """A vector as Numba's type inference sees it."""

    def __init__(self, name: str, element: ir.Type) -> None:
        super().__init__(name=name)
        self.lowered = ir.VectorType(element, LANES)


class _VectorModel(models.PrimitiveModel):
    """A vector is passed and kept as LLVM's vector."""

    def __init__(self, manager: Any, kind: _Vector) -> None:
        super().__init__(manager, kind, kind.lowered)


register_model(_Vector)(_VectorModel)
_SINGLES = _Vector("singles8", ir.FloatType())
_DOUBLES = _Vector("doubles8", ir.DoubleType())
_INTEGERS = _Vector("integers8", ir.IntType(32))
_MASK = _Vector("mask8", ir.IntType(1))
_OF = {types.float32: _SINGLES, types.float64: _DOUBLES, types.int32: _INTEGERS}
"""Type of an element to the vector of it."""
_ELEMENT: dict[_Vector, Any] = {vector: element for element, vector in _OF.items()}
_SUFFIX = {_SINGLES: f"v{LANES}f32", _DOUBLES: f"v{LANES}f64"}


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any, vector: _Vector) -> Any:
    data = context.make_array(kind)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), vector.lowered.as_pointer())


@intrinsic
def load(_typing: Any, array: Any, index: Any) -> Any:
    """Eight neighbouring elements of an array, from an index on."""
    vector = _OF[array.dtype]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _address(context, builder, signature.args[0], arguments[0], arguments[1], vector)
        return builder.load(place, align=4)

    return vector(array, types.intp), generate


@intrinsic
def store(_typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """Put a vector into an array, from an index on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _address(context, builder, signature.args[0], arguments[0], arguments[1], vector)
        builder.store(arguments[2], place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def splat(_typing: Any, value: Any) -> Any:
    """One number in all lanes."""
    vector = _OF[value]

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        first = builder.insert_element(ir.Constant(vector.lowered, ir.Undefined), arguments[0], _INDEX(0))
        zeros = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
        return builder.shuffle_vector(first, first, zeros)

    return vector(value), generate


def _operation(operands: int, emit: Callable[..., Any], result: _Vector | None = None) -> Any:
    """An intrinsic of vectors.

    Args:
        operands: how many vectors it takes.
        emit: writes its instructions, told the type of the last operand.
        result: what it returns; None is the type of the last operand.
    """

    def typed(*arguments: Any) -> Any:
        kind = arguments[-1]

        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            return emit(builder, kind, *values)

        return (result or kind)(*arguments), generate

    # Numba reads the number of arguments from the signature.
    takes = {
        1: lambda typing, a: typed(a),
        2: lambda typing, a, b: typed(a, b),
        3: lambda typing, a, b, c: typed(a, b, c),
    }
    return intrinsic(takes[operands])


def _llvm(name: str) -> Callable[..., Any]:
    """Emit a call of one of LLVM's own functions on vectors of floats."""

    def emit(builder: Any, kind: Any, *values: Any) -> Any:
        signature = ir.FunctionType(kind.lowered, [kind.lowered] * len(values))
        function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.{_SUFFIX[kind]}")
        return builder.call(function, values)

    return emit


def _whole(builder: Any, kind: Any, value: Any) -> Any:
    return builder.fptosi(_llvm("rint")(builder, kind, value), _INTEGERS.lowered)


add = _operation(2, lambda builder, _, a, b: builder.fadd(a, b))
subtract = _operation(2, lambda builder, _, a, b: builder.fsub(a, b))
multiply = _operation(2, lambda builder, _, a, b: builder.fmul(a, b))
divide = _operation(2, lambda builder, _, a, b: builder.fdiv(a, b))
larger = _operation(2, lambda builder, _, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))
magnitude = _operation(1, _llvm("fabs"))
rounded = _operation(1, _llvm("rint"))
multiply_add = _operation(3, _llvm("fma"))
"""a * b + c, rounded once."""
is_greater = _operation(2, lambda builder, _, a, b: builder.fcmp_ordered(">", a, b), _MASK)
both = _operation(2, lambda builder, _, a, b: builder.and_(a, b))
where = _operation(3, lambda builder, _, mask, a, b: builder.select(mask, a, b))
subtract_whole = _operation(2, lambda builder, _, a, b: builder.sub(a, b))
"""Of whole numbers; wraps round, which is the minimum image convention for positions in 2^-32 of the box."""
add_whole = _operation(2, lambda builder, _, a, b: builder.add(a, b))
to_singles = _operation(1, lambda builder, _, a: builder.sitofp(a, _SINGLES.lowered), _SINGLES)
to_whole = _operation(1, _whole, _INTEGERS)
"""Rounded to the nearest whole number."""


@intrinsic
def lanes_set(_typing: Any, mask: Any) -> Any:
    """The lanes of a mask as the bits of a number, lane 0 lowest."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.bitcast(arguments[0], ir.IntType(LANES)), ir.IntType(64))

    return types.int64(mask), generate


@intrinsic
def lane(_typing: Any, vector: Any, index: Any) -> Any:
    """One lane of a vector."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.extract_element(arguments[0], builder.trunc(arguments[1], _INDEX))

    return _ELEMENT[vector](vector, types.int64), generate


@intrinsic
def lowest_bit(_typing: Any, _number: Any) -> Any:
    """The place of the lowest bit of a number that is not zero."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        kind = ir.IntType(64)
        count = builder.module.declare_intrinsic("llvm.cttz", [kind], ir.FunctionType(kind, [kind, ir.IntType(1)]))
        return builder.call(count, [arguments[0], ir.Constant(ir.IntType(1), 1)])

    return types.int64(types.int64), generate
