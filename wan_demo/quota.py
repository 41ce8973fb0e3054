"""What ZeroGPU lends a visitor a day, and what a clip asks for. No model code is needed to read it."""

from dataclasses import dataclass

# Seconds a day by kind of visitor: huggingface.co/docs/hub/spaces-zerogpu, August 2026.
QUOTAS_S = {"anonymous": 120, "free": 300, "pro": 2400}


@dataclass(frozen=True)
class Price:
    """Seconds that a clip asks for of the visitor's quota. measured: it follows from clips that were made here; if not,
    it is ZeroGPU's default.
    """

    seconds: int
    measured: bool

    def within(self, kind: str) -> bool:
        """Whether a day's quota of this kind of visitor is enough, if nothing of it was used yet."""
        return self.seconds <= QUOTAS_S[kind]
