"""Compute what a short Python listing prints, to compare it with the output that a solution claims.

Models that write programs also invent their output. The listing is never executed: its syntax tree is walked, with an
allowlist of operations and a limit of steps. Numbers, strings, lists, loops, conditions and plain functions are
supported; anything else ends the walk without a verdict.
"""

from __future__ import annotations

import ast
import math
import re
import statistics
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from mathstrap.patterns import regex

# Limits on hostile code: a loop, a power or a list of a model must take milliseconds and little memory.
MAX_CODE = 6_000
MAX_BLOCKS = 6
MAX_STEPS = 20_000
MAX_ITEMS = 5_000
MAX_BITS = 2_000
MAX_TEXT = 2_000
MAX_DEPTH = 40
BLOCK = regex(
    r"```(?:python|py)[ \t]*\n(?P<code>[^`]{1,6000})```\s*"
    r"(?:```(?:output|text|plaintext)?[ \t]*\n(?P<output>[^`]{1,2000})```)?",
    re.DOTALL,
)
NUMBER = regex(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


class UnknownError(Exception):
    """The listing does something unsupported, or takes too many steps."""


class _ReturnError(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class _BreakError(Exception):
    pass


class _ContinueError(Exception):
    pass


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One program of a solution: its computed output, the output that the solution claims, and its calculations.

    `fault` says why it cannot run at all; its output is then unknown.
    """

    printed: str
    claimed: str
    num_calculations: int
    fault: str = ""


def listings(text: str) -> list[Listing]:
    """Return the programs of a solution that can be walked to their end, in order; names are kept for the next one."""
    if "```py" not in text:
        return []
    programs = []
    walk = _Walk()
    for number, match in enumerate(BLOCK.finditer(text)):
        if number >= MAX_BLOCKS:
            break
        walk.printed.clear()
        before = walk.num_calculations
        try:
            walk.run(match["code"])
        except IndentationError as error:
            if error.msg == "unexpected indent":  # Python itself prints this error and nothing else
                output = (match["output"] or "").strip()
                programs.append(Listing(printed="", claimed=output, num_calculations=0, fault=error.msg))
            continue
        except (UnknownError, _ReturnError, _BreakError, _ContinueError):
            continue
        except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError, MemoryError):
            continue
        printed = "\n".join(walk.printed)
        programs.append(
            Listing(
                printed=printed,
                claimed=(match["output"] or "").strip(),
                num_calculations=walk.num_calculations - before,
            )
        )
    return programs


def claims_wrong_output(listing: Listing) -> bool:
    """Say whether a claimed output differs from the computed one in a number; differing words have no verdict."""
    if not listing.claimed or re.search(r"error|traceback|exception", listing.claimed, re.I):
        return False
    if listing.fault:
        return True
    if not listing.printed:
        return False
    mine, theirs = NUMBER.findall(listing.printed), NUMBER.findall(listing.claimed)
    if not mine or len(mine) != len(theirs):
        return False
    if NUMBER.sub("", listing.printed).split() != NUMBER.sub("", listing.claimed).split():
        return False
    return any(not _same(first, second) for first, second in zip(mine, theirs, strict=True))


def _same(mine: str, theirs: str) -> bool:
    first, second = float(mine), float(theirs)
    decimals = len(theirs.partition(".")[2]) if "e" not in theirs.lower() else 15
    return abs(first - second) <= max(1e-6 * abs(first), 0.51 * 10.0**-decimals if decimals else 1e-9)


@dataclass
class _Function:
    parameters: list[str]
    body: list[ast.stmt]


@dataclass
class _Walk:
    """The state of a walk: the names, the printed lines, the steps left."""

    names: dict[str, Any] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    steps: int = MAX_STEPS
    depth: int = 0
    num_calculations: int = 0

    def run(self, code: str) -> None:
        """Walk a program; raises UnknownError for anything unsupported."""
        if len(code) > MAX_CODE or _nesting(code) > MAX_DEPTH:
            raise UnknownError("too long")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tree = ast.parse(code)
            except IndentationError:
                raise
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                raise UnknownError("not Python") from None
        self.block(tree.body)

    def spend(self, amount: int = 1) -> None:
        self.steps -= amount
        if self.steps < 0:
            raise UnknownError("too many steps")

    def block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            self.spend()
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=value):
                self.value(value)
            case ast.Assign(targets=targets, value=value):
                result = self.value(value)
                for target in targets:
                    self.assign(target, result)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.assign(target, self.value(value))
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                self.names[name] = self.operate(op, self.names[name], self.value(value))
            case ast.If(test=test, body=body, orelse=orelse):
                self.block(body if self.value(test) else orelse)
            case ast.For(target=target, iter=source, body=body, orelse=[]):
                self.loop(target, source, body)
            case ast.While(test=test, body=body, orelse=[]):
                while self.value(test) and self.goes_on(body):
                    pass
            case ast.FunctionDef(name=name, args=args, body=body, decorator_list=[]):
                if args.vararg or args.kwarg or args.kwonlyargs or args.defaults or args.posonlyargs:
                    raise UnknownError("parameters")
                self.names[name] = _Function([argument.arg for argument in args.args], body)
            case ast.Return(value=value):
                raise _ReturnError(self.value(value) if value is not None else None)
            case ast.Break():
                raise _BreakError
            case ast.Continue():
                raise _ContinueError
            case ast.Pass():
                pass
            case ast.Import(names=names):
                for alias in names:
                    if alias.name not in MODULES:
                        raise UnknownError("a module")
                    self.names[alias.asname or alias.name] = _Module(alias.name)
            case ast.ImportFrom(module=module, names=names) if module in MODULES:
                for alias in names:
                    if alias.name not in MODULES[module]:
                        raise UnknownError("a function")
                    self.names[alias.asname or alias.name] = MODULES[module][alias.name]
            case _:
                raise UnknownError("a statement")

    def loop(self, target: ast.expr, source: ast.expr, body: list[ast.stmt]) -> None:
        for item in self.items(self.value(source)):
            self.assign(target, item)
            if not self.goes_on(body):
                break

    def goes_on(self, body: list[ast.stmt]) -> bool:
        """Walk the body of a loop once; say whether the loop goes on."""
        self.spend()
        with suppress(_ContinueError):
            try:
                self.block(body)
            except _BreakError:
                return False
        return True

    def assign(self, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Name(id=name):
                self.names[name] = value
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                values = list(self.items(value))
                if len(values) != len(targets):
                    raise UnknownError("unpacking")
                for part, item in zip(targets, values, strict=True):
                    self.assign(part, item)
            case ast.Subscript(value=container, slice=place):
                items = self.value(container)
                if not isinstance(items, list | dict) or len(items) > MAX_ITEMS:
                    raise UnknownError("a container")
                items[self.value(place)] = value
            case _:
                raise UnknownError("a target")

    def items(self, value: Any) -> Iterator[Any]:
        """Yield the items of a range, list, tuple, set, dict or text."""
        if not isinstance(value, range | list | tuple | set | dict | str):
            raise UnknownError("not iterable")
        if len(value) > MAX_ITEMS:
            raise UnknownError("too many items")
        return iter(value)

    def value(self, node: ast.expr) -> Any:
        self.spend()
        self.depth += 1
        if self.depth > 3 * MAX_DEPTH:
            raise UnknownError("nested too deeply")
        try:
            return self.checked(self.expression(node))
        finally:
            self.depth -= 1

    def checked(self, value: Any) -> Any:
        """Return a value that is not too large."""
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise UnknownError("a large number")
        if isinstance(value, str | list | tuple | set | dict):
            if len(value) > MAX_ITEMS:
                raise UnknownError("a large value")
            self.spend(len(value) // 50)
        return value

    def expression(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value) if isinstance(value, int | float | str | bool) or value is None:
                return value
            case ast.Name(id=name):
                if name in self.names:
                    return self.names[name]
                if name in FUNCTIONS:
                    return FUNCTIONS[name]
                raise UnknownError("a name")
            case ast.BinOp(left=left, op=op, right=right):
                self.num_calculations += 1
                return self.operate(op, self.value(left), self.value(right))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
                return -self.number(operand) if isinstance(op, ast.USub) else self.number(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand)
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self.compare(left, ops, others)
            case ast.BoolOp(op=op, values=values):
                result: Any = None
                for part in values:
                    result = self.value(part)
                    if bool(result) is isinstance(op, ast.Or):
                        break
                return result
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.value(test) else orelse)
            case ast.List(elts=parts):
                return [self.value(part) for part in parts]
            case ast.Tuple(elts=parts):
                return tuple(self.value(part) for part in parts)
            case ast.Set(elts=parts):
                return {self.value(part) for part in parts}
            case ast.Dict(keys=keys, values=values):
                return {
                    self.value(key): self.value(part) for key, part in zip(keys, values, strict=True) if key is not None
                }
            case ast.ListComp(elt=element, generators=[part]) | ast.GeneratorExp(elt=element, generators=[part]):
                return self.comprehension(element, part)
            case ast.Subscript(value=container, slice=place):
                items = self.value(container)
                if not isinstance(items, list | tuple | dict | str | range):
                    raise UnknownError("a container")
                if isinstance(place, ast.Slice):
                    ends = (place.lower, place.upper, place.step)
                    bounds: list[Any] = [None if end is None else self.value(end) for end in ends]
                    return items[slice(*bounds)]
                return items[self.value(place)]
            case ast.JoinedStr(values=values):
                return "".join(self.formatted(part) for part in values)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                module = self.names.get(name)
                if isinstance(module, _Module) and attribute in MODULES[module.name]:
                    return MODULES[module.name][attribute]
                raise UnknownError("an attribute")
            case ast.Call():
                return self.call(node)
        raise UnknownError("an expression")

    def number(self, node: ast.expr) -> Any:
        value = self.value(node)
        if not isinstance(value, int | float | Fraction):
            raise UnknownError("not a number")
        return value

    def formatted(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=str() as text):
                return text
            case ast.FormattedValue(value=value, conversion=-1, format_spec=spec):
                form = self.formatted_spec(spec)
                content = self.value(value)
                if not isinstance(content, int | float | str | Fraction):
                    raise UnknownError("a format")
                return format(content, form) if form else str(content)
        raise UnknownError("a format")

    def formatted_spec(self, spec: ast.expr | None) -> str:
        if spec is None:
            return ""
        if isinstance(spec, ast.JoinedStr) and all(isinstance(part, ast.Constant) for part in spec.values):
            form = "".join(str(part.value) for part in spec.values if isinstance(part, ast.Constant))
            if re.fullmatch(r",?(?:\.\d)?[fdg%]?", form):
                return form
        raise UnknownError("a format")

    def comprehension(self, element: ast.expr, generator: ast.comprehension) -> list[Any]:
        values = []
        shadowed = dict(self.names)
        for item in self.items(self.value(generator.iter)):
            self.assign(generator.target, item)
            if all(self.value(test) for test in generator.ifs):
                values.append(self.value(element))
        self.names = shadowed
        return values

    def compare(self, left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr]) -> bool:
        first = self.value(left)
        for op, other in zip(ops, others, strict=True):
            second = self.value(other)
            comparison = COMPARISONS.get(type(op))
            if comparison is None:
                raise UnknownError("a comparison")
            if not comparison(first, second):
                return False
            first = second
        return True

    def operate(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(left, _Formula) or isinstance(right, _Formula):
            return _combine(op, left, right)
        if type(left) is type(right) and type(left) in (list, str) and isinstance(op, ast.Add):
            return left + right
        if not (isinstance(left, int | float | Fraction) and isinstance(right, int | float | Fraction)):
            raise UnknownError("an operation")
        operation = OPERATIONS.get(type(op))
        if operation is None:
            raise UnknownError("an operation")
        return operation(left, right)

    def call(self, node: ast.Call) -> Any:
        arguments = [self.value(argument) for argument in node.args]
        match node.func:
            case ast.Name(id="print") if not node.keywords:
                if not all(isinstance(item, int | float | str | list | tuple | Fraction | None) for item in arguments):
                    raise UnknownError("a print")
                self.printed.append(" ".join(map(str, arguments))[:MAX_TEXT])
                self.spend(5)
                if len(self.printed) > 100:
                    raise UnknownError("a long output")
                return None
            case ast.Attribute(value=holder, attr="append") if not node.keywords and len(arguments) == 1:
                items = self.value(holder)
                if not isinstance(items, list) or len(items) > MAX_ITEMS:
                    raise UnknownError("a method")
                items.append(arguments[0])
                return None
            case ast.Attribute(value=holder, attr="subs") if not node.keywords:
                return _substitute(self.value(holder), arguments)
        function = self.value(node.func)
        if isinstance(function, _Function):
            return self.enter(function, arguments, node)
        if not callable(function) or node.keywords:
            raise UnknownError("a call")
        for argument in arguments:
            if isinstance(argument, list | tuple | set | dict | str | range):
                self.spend(sum(1 for _ in self.items(argument)))
        return function(*arguments)

    def enter(self, function: _Function, arguments: list[Any], node: ast.Call) -> Any:
        if node.keywords or len(arguments) != len(function.parameters):
            raise UnknownError("arguments")
        outer, self.names = self.names, {**self.names, **dict(zip(function.parameters, arguments, strict=True))}
        self.spend(10)
        self.depth += 1
        if self.depth > 3 * MAX_DEPTH:
            raise UnknownError("nested too deeply")
        try:
            self.block(function.body)
        except _ReturnError as result:
            return result.value
        finally:
            self.names = outer
            self.depth -= 1
        return None


@dataclass(frozen=True, eq=False)
class _Formula:
    """A formula of sympy, as a function from the values of its symbols to its value."""

    names: frozenset[str]
    at: Callable[[dict[str, Any]], Any]


def _symbols(names: Any) -> Any:
    if not isinstance(names, str) or len(names) > 100:
        raise UnknownError("symbols")
    symbols = [_symbol(name) for name in re.split(r"[\s,]+", names.strip()) if name.isidentifier()]
    return symbols[0] if len(symbols) == 1 else tuple(symbols)


def _symbol(name: str) -> _Formula:
    return _Formula(frozenset([name]), lambda values: values[name])


def _at(part: Any, values: dict[str, Any]) -> Any:
    return part.at(values) if isinstance(part, _Formula) else Fraction(part) if isinstance(part, int) else part


def _combine(op: ast.operator, left: Any, right: Any) -> _Formula:
    operation = OPERATIONS.get(type(op))
    parts = (left, right)
    if operation is None or not all(isinstance(part, _Formula | int | float | Fraction) for part in parts):
        raise UnknownError("an operation")
    names = frozenset(name for part in parts if isinstance(part, _Formula) for name in part.names)
    return _Formula(names, lambda values: operation(_at(left, values), _at(right, values)))


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value


def _substitute(formula: Any, arguments: list[Any]) -> Any:
    """Return the value of a formula after a substitution that gives every symbol a number."""
    given = dict(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], dict) else {}
    if len(arguments) == 2:
        given = {arguments[0]: arguments[1]}
    values = {}
    for symbol, value in given.items():
        if not isinstance(symbol, _Formula) or len(symbol.names) != 1 or not isinstance(value, int | float | Fraction):
            raise UnknownError("a substitution")
        values[next(iter(symbol.names))] = Fraction(value) if isinstance(value, int) else value
    if not isinstance(formula, _Formula) or not formula.names <= values.keys():
        raise UnknownError("a substitution")
    return _plain(formula.at(values))


def _solve(equation: Any, symbol: Any = None) -> list[Any]:
    """Return the root of a linear equation in one symbol."""
    if not isinstance(equation, _Formula) or len(equation.names) != 1:
        raise UnknownError("an equation")
    if symbol is not None and not (isinstance(symbol, _Formula) and symbol.names == equation.names):
        raise UnknownError("an equation")
    name = next(iter(equation.names))
    at = [equation.at({name: Fraction(place)}) for place in (0, 1, 2, 5, 11)]
    slope = at[1] - at[0]
    # Agreement at five points excludes every other equation of low degree.
    others = zip((2, 5, 11), at[2:], strict=True)
    if not slope or any(abs(at[0] + slope * place - value) > 1e-9 for place, value in others):
        raise UnknownError("not linear")
    return [_plain(-at[0] / slope)]


def _rational(*parts: Any) -> Any:
    if not 1 <= len(parts) <= 2 or not all(isinstance(part, int | Fraction) for part in parts):
        raise UnknownError("a number")
    return _plain(Fraction(*parts))


@dataclass(frozen=True)
class _Module:
    name: str


def _nesting(code: str) -> int:
    deepest = depth = 0
    for sign in re.findall(r"[()\[\]{}]", code):
        depth += 1 if sign in "([{" else -1
        deepest = max(deepest, depth)
    return deepest


def _power(base: Any, exponent: Any) -> Any:
    is_exact = not (isinstance(base, float) or isinstance(exponent, float))
    if is_exact and abs(exponent) * max(_bits(base), 1) > MAX_BITS:
        raise UnknownError("a large power")
    result = base**exponent
    if isinstance(result, complex):
        raise UnknownError("a complex number")
    return result


def _bits(value: int | Fraction) -> int:
    return max(abs(value.numerator).bit_length(), value.denominator.bit_length())


def _small(function: Callable[..., Any], limit: int) -> Callable[..., Any]:
    def bounded(*arguments: Any) -> Any:
        if any(not isinstance(argument, int) or abs(argument) > limit for argument in arguments):
            raise UnknownError("a large argument")
        return function(*arguments)

    return bounded


def _range(*bounds: Any) -> range:
    values = range(*bounds)
    if len(values) > MAX_ITEMS:
        raise UnknownError("a long range")
    return values


def _prime_factors(number: int) -> list[int]:
    factors, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            number //= divisor
            if divisor not in factors:
                factors.append(divisor)
        divisor += 1
    return factors + ([number] if number > 1 else [])


def _is_prime(number: int) -> bool:
    return number > 1 and _prime_factors(number) == [number]


def _next_prime(number: int) -> int:
    number += 1
    while not _is_prime(number):
        number += 1
    return number


OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b, ast.FloorDiv: lambda a, b: a // b, ast.Mod: lambda a, b: a % b, ast.Pow: _power,
}  # fmt: skip
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b, ast.NotEq: lambda a, b: a != b, ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b, ast.GtE: lambda a, b: a >= b, ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "float": float, "int": int, "len": len, "max": max, "min": min, "range": _range, "round": round,
    "sorted": sorted, "sum": sum, "str": str, "list": list, "tuple": tuple, "set": set,
}  # fmt: skip
_PRIMES = {
    "nextprime": _small(_next_prime, 10**6), "primefactors": _small(_prime_factors, 10**7),
    "isprime": _small(_is_prime, 10**7), "gcd": _small(math.gcd, 10**30), "lcm": _small(math.lcm, 10**30),
    "factorial": _small(math.factorial, 200), "binomial": _small(math.comb, 500),
}  # fmt: skip
MODULES: dict[str, dict[str, Any]] = {
    "math": {
        "pi": math.pi, "e": math.e, "sqrt": math.sqrt, "floor": math.floor, "ceil": math.ceil, "gcd": _PRIMES["gcd"],
        "lcm": _PRIMES["lcm"], "factorial": _PRIMES["factorial"], "comb": _small(math.comb, 500),
        "perm": _small(math.perm, 500), "log": math.log, "log10": math.log10, "log2": math.log2, "exp": math.exp,
        "sin": math.sin, "cos": math.cos, "tan": math.tan, "radians": math.radians, "degrees": math.degrees,
        "isqrt": _small(math.isqrt, 10**40), "fabs": math.fabs,
    },
    "sympy": {
        **_PRIMES, "Rational": _rational, "Integer": _rational, "symbols": _symbols, "Symbol": _symbols,
        "solve": _solve, "Eq": lambda left, right=0: _combine(ast.Sub(), left, right),
    },
    "fractions": {"Fraction": Fraction},
    "statistics": {"mean": statistics.mean, "median": statistics.median},
}  # fmt: skip
