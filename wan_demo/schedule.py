"""The noise levels of a clip's steps, and which expert takes which."""

from dataclasses import dataclass

from wan_demo import flow


@dataclass(frozen=True)
class Schedule:
    """Noise levels, each list from the first sigma to the last that its steps lead to.

    high: the high-noise expert's, 1 down to the boundary. low: the low-noise expert's, from the level that the
    upsampled clip is noised to, down to 0. direct: both experts' in turn, 1 down to 0, without upsampling.
    """

    high: tuple[float, ...]
    low: tuple[float, ...]
    direct: tuple[float, ...]
    shift: float = 1.0  # of an undistilled model's levels, as diffusers' scheduler wants it

    @property
    def steps(self) -> int:
        return len(self.high) + len(self.low) - 2

    def cut(self, steps: int) -> "Schedule":
        """About as many steps, at least one an expert, spread over the same levels: for timing, not for pictures."""
        share = min(1.0, steps / self.steps)

        def some(levels: tuple[float, ...]) -> tuple[float, ...]:
            count = max(1, round(share * (len(levels) - 1)))
            return tuple(levels[round(i * (len(levels) - 1) / count)] for i in range(count + 1))

        return Schedule(some(self.high), some(self.low), some(self.direct), self.shift)


def guided(steps: int, shift: float, boundary: float, restart: float) -> Schedule:
    """The schedule of an undistilled model: diffusers' Euler levels, cut at the boundary.

    restart: a factor for `flow.shift` of the low-noise expert's levels. As noisy as the layout was at the boundary is
    the ratio of their sides; less keeps more of the layout's shapes, and leaves less to paint anew.
    """
    direct = flow.schedule(steps, shift)
    low = [boundary] + [s for s in direct if s < boundary]
    return Schedule(
        (*[s for s in direct if s > boundary], boundary),
        tuple(flow.shift(s, restart) for s in low),
        tuple(direct),
        shift,
    )
