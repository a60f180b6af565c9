"""How a tensor of a net lies over the picture: channels first, channels last, or tokens after a prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log
from typing import Literal

from torch import Tensor

from ...core.errors import TargetError

Grid = tuple[int, int]

MOST_PREFIX_TOKENS = 8
_HALVINGS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Layout:
    """Where the positions of a tensor lie in the picture.

    Attributes:
        kind: ``channels first`` (n, c, h, w), ``channels last`` (n, h, w, c) or ``tokens`` (n, prefix + h w, c).
        grid: rows and columns of positions.
        prefix: tokens in front that have no place in the picture: class, distillation, registers.
    """

    kind: Literal["channels first", "channels last", "tokens"]
    grid: Grid
    prefix: int = 0

    @property
    def text(self) -> str:
        """Say it in words, e.g. ``14 x 14 tokens after 1 class token``."""
        size = f"{self.grid[0]} x {self.grid[1]}"
        if self.kind != "tokens":
            return f"{size} positions, {self.kind}"
        if self.prefix == 0:
            return f"{size} tokens, no class token"
        if self.prefix == 1:
            return f"{size} tokens after 1 class token"
        return f"{size} tokens after {self.prefix} tokens without a place (class, distillation or registers)"

    def as_map(self, values: Tensor) -> Tensor:
        """Return values of this layout as ``(n, c, h, w)``; prefix tokens are left out.

        Raises:
            TargetError: if there are more or fewer tokens than in the example the layout was found on.
        """
        if self.kind == "channels first":
            return values
        if self.kind == "channels last":
            return values.permute(0, 3, 1, 2)
        expected = self.prefix + self.grid[0] * self.grid[1]
        if values.shape[1] != expected:
            raise TargetError(f"expected {expected} tokens ({self.text}), but the layer returned {values.shape[1]}")
        places = values[:, self.prefix :].transpose(1, 2)
        return places.reshape(len(values), values.shape[2], *self.grid)

    def channels(self, shape: Sequence[int]) -> int:
        """Return the number of channels of a tensor of this layout."""
        return shape[1] if self.kind == "channels first" else shape[-1]


def layout_of(shape: Sequence[int], input_size: Grid, grids: Sequence[Grid] = ()) -> Layout | None:
    """Tell how a tensor of this shape lies over the picture, None if it does not.

    A map keeps the proportions of the net's input. Tokens are counted against the grids of maps that came before
    them, as a patch embedding leaves one, also halved up to three times; up to eight may be left over, the prefix.

    Args:
        shape: of the tensor, batch included.
        input_size: height and width of the net's input.
        grids: rows and columns of earlier maps, the latest last. Without any, the proportions have to do.
    """
    if len(shape) == 4:
        return _of_map(shape[1], shape[2], shape[3], input_size)
    if len(shape) == 3 and shape[1] > 1 and shape[2] > 1:
        return _of_tokens(shape[1], input_size, grids)
    return None


def is_feature_map(shape: Sequence[int], outputs: int, input_size: Grid) -> bool:
    """Tell whether a tensor can serve as a feature map: channels first, several positions, no class map.

    Args:
        shape: of the tensor.
        outputs: number of outputs k; a map with k channels holds the classes themselves.
        input_size: height and width of the net's input.
    """
    layout = layout_of(shape, input_size) if len(shape) == 4 else None
    return layout is not None and layout.kind == "channels first" and shape[1] != outputs


def is_token_map(shape: Sequence[int]) -> bool:
    """Tell whether a tensor looks like tokens: (n, tokens, width), or (n, h, w, channels) as Swin has it."""
    if len(shape) == 3:
        return shape[1] > 1 and shape[2] > 1
    if len(shape) != 4:
        return False
    _, height, width, channels = shape
    return height == width > 1 and channels > 4 * width


def probe_cell(grid: Grid) -> Grid:
    """Choose the cell whose pixels are changed to see which token follows: off the diagonal and off the middle."""
    return grid[0] // 4, (3 * grid[1]) // 4


def change_pixels(net_input: Tensor, grid: Grid, cell: Grid) -> Tensor:
    """Return the input with the pixels under one cell of a grid turned over about their mean and moved by one.

    Args:
        net_input: ``(n, c, h, w)``.
        grid: rows and columns of cells.
        cell: row and column of the one.
    """
    height, width = net_input.shape[-2:]
    rows = slice(cell[0] * height // grid[0], (cell[0] + 1) * height // grid[0])
    columns = slice(cell[1] * width // grid[1], (cell[1] + 1) * width // grid[1])
    changed = net_input.clone()
    patch = changed[:, :, rows, columns]
    changed[:, :, rows, columns] = 2 * patch.mean() - patch + 1
    return changed


def follows_cell(before: Tensor, after: Tensor, cell: Grid) -> bool:
    """Tell whether maps ``(n, c, h, w)`` changed about one cell: their squared change is centred on it.

    A patch embedding changes exactly that token; overlapping patches or a convolutional stem change its
    neighbours a little too, which moves the centre by less than a cell.
    """
    change = (after - before).double().square().sum(dim=(0, 1))
    total = change.sum()
    if not bool(total > 0):
        return False
    rows, columns = (change.new_tensor(range(side)) for side in change.shape)
    centre = float((change.sum(1) * rows).sum() / total), float((change.sum(0) * columns).sum() / total)
    return abs(centre[0] - cell[0]) < 0.75 and abs(centre[1] - cell[1]) < 0.75


def _of_map(first: int, second: int, third: int, input_size: Grid) -> Layout | None:
    channels_first = _mismatch(second, third, input_size)
    channels_last = _mismatch(first, second, input_size)
    fits_first = channels_first <= log(2) + 1e-9
    fits_last = third > 1 and _in_proportion(first, second, input_size)
    if fits_last and (not fits_first or channels_last < channels_first):
        return Layout("channels last", (first, second))
    return Layout("channels first", (second, third)) if fits_first else None


def _of_tokens(count: int, input_size: Grid, grids: Sequence[Grid]) -> Layout | None:
    for factor in _HALVINGS:
        for rows, columns in reversed(grids):
            grid = ceil(rows / factor), ceil(columns / factor)
            prefix = count - grid[0] * grid[1]
            if 0 <= prefix <= MOST_PREFIX_TOKENS and grid[0] * grid[1] > 1:
                return Layout("tokens", grid, prefix)
    if grids:
        return None
    for prefix in range(MOST_PREFIX_TOKENS + 1):
        places = count - prefix
        for rows in range(1, places + 1):
            if places > 1 and places % rows == 0 and _in_proportion(rows, places // rows, input_size):
                return Layout("tokens", (rows, places // rows), prefix)
    return None


def _mismatch(rows: int, columns: int, input_size: Grid) -> float:
    """Return how far the proportions of a grid are from those of the input, on a log scale."""
    if rows < 1 or columns < 1 or rows * columns < 2:
        return float("inf")
    return abs(log(rows / columns) - log(input_size[0] / input_size[1]))


def _in_proportion(rows: int, columns: int, input_size: Grid) -> bool:
    """Tell whether a grid has the input's proportions but for rounding up."""
    if rows * columns < 2:
        return False
    height, width = input_size
    return abs(rows * width / height - columns) < 1 and abs(columns * height / width - rows) < 1
