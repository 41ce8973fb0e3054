"""The recipes: every number of a training run, once for a CPU and once, larger, for a GPU."""

from dataclasses import dataclass

Often = tuple[tuple[str, int], ...]  # (motion, colour or scene, how many times as often as the others)


@dataclass(frozen=True)
class AutoencoderRecipe:
    device: str = "cpu"
    seed: int = 1
    batch: int = 4  # clips a process; four times as many single frames
    renderers: int = 0  # processes that draw, 0 for those that train
    crop: int = 64  # pixels
    frames: int = 9
    frame_steps: int = 450
    clip_steps: int = 3360
    decoder_steps: int = 1500  # of the decoder alone, its latents as they are
    often: Often = (("bounces", 5), ("spins", 2))  # in those steps
    lr: float = 1e-3
    kl: float = 1e-4
    thing_weight: float = 5.0
    shrink_share: float = 0.15


@dataclass(frozen=True)
class TextRecipe:
    seed: int = 2
    batch: int = 64  # a process
    steps: int = 2000
    lr: float = 2e-3
    owner_weight: float = 10.0  # of the loss at each word
    asked: int = 1000  # captions of each kind in each language, to tell how well they are read


@dataclass(frozen=True)
class UpsamplerRecipe:
    device: str = "cpu"
    seed: int = 4
    batch: int = 8  # a process
    steps: int = 700
    lr: float = 2e-3
    noise: float = 0.3  # the most that is added to what is upsampled


@dataclass(frozen=True)
class RefinerRecipe:
    device: str = "cpu"
    seed: int = 6
    clips: int = 300  # a process, of which three moments each are drawn
    size: int = 80  # pixels
    batch: int = 8  # a process
    steps: int = 3000
    lr: float = 2e-3


@dataclass(frozen=True)
class TeacherRecipe:
    device: str = "cpu"
    seed: int = 3
    renderers: int = 0  # processes that draw, 0 for those that train
    encoded: int = 8  # clips at once
    layouts: int = 4000  # clips a process to encode at layout size
    stills: int = 12000  # single frames a process to encode at layout size
    finishes: int = 800  # clips a process at finish size
    others: int = 1400  # clips a process to encode of each of the other shapes, at layout size
    other_finishes: int = 160  # the same, at finish size
    other_share: float = 0.15  # of the steps, on each of the other shapes
    batch: int = 16  # a process
    lr: float = 2e-3
    ema: float = 0.998
    high_steps: int = 6500
    low_steps: int = 5090
    still_share: float = 0.25  # of the high-noise expert's steps on single frames, five times as many at once
    often: Often = (("spins", 8), ("bounces", 2), ("white", 2), ("night", 2))
    low_layouts: float = 0.2  # share of its steps on whole clips at layout size, for direct mode
    # What follows can be switched off, or on; what each does is in LOG.md.
    temporal: bool = True  # attention across latent frames
    boxes: bool = True  # the low-noise expert learns from boxes cut from clips at finish size, not from whole ones
    motion: float = 0.0  # weight of the motion loss
    checkpointing: bool = False  # less memory: what a block computed is computed again on the way back


@dataclass(frozen=True)
class EndToEndRecipe:
    seed: int = 9
    batch: int = 2  # whole clips a process
    steps: int = 600
    lr: float = 4e-4
    ema: float = 0.99


@dataclass(frozen=True)
class StudentRecipe:
    device: str = "cpu"
    seed: int = 5
    batch: int = 16  # a process
    points: int = 24  # small teacher steps over an expert's whole range
    at_starts: float = 0.35  # share of the samples at the levels that the student will be asked at
    ema: float = 0.98
    lr: float = 4e-4
    high_steps: int = 140
    low_steps: int = 60


@dataclass(frozen=True)
class MatchingRecipe:
    seed: int = 8
    batch: int = 8  # a process
    steps: int = 1900  # of both: of the fake, and of the student
    fakes: int = 3  # of its steps for one of the student's
    fakes_first: int = 50  # of its steps before the student's first
    lr: float = 1e-4
    fake_lr: float = 3e-4
    ema: float = 0.997


@dataclass(frozen=True)
class FeaturesRecipe:
    seed: int = 7
    clips: int = 4000  # a process
    batch: int = 16
    steps: int = 2400
    lr: float = 3e-3


@dataclass(frozen=True)
class Recipe:
    workers: int = 2  # processes of one thread each
    text: TextRecipe = TextRecipe()
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    upsampler: UpsamplerRecipe = UpsamplerRecipe()
    refiner: RefinerRecipe = RefinerRecipe()
    teacher: TeacherRecipe = TeacherRecipe()
    end_to_end: EndToEndRecipe = EndToEndRecipe()
    student: StudentRecipe = StudentRecipe()
    matching: MatchingRecipe = MatchingRecipe()
    features: FeaturesRecipe = FeaturesRecipe()


# The GPU recipe is the same with larger numbers, for one GPU and 16 cores. It has not been run yet.
RECIPES = {
    "cpu": Recipe(),
    "gpu": Recipe(
        workers=1,
        text=TextRecipe(batch=256, steps=2000),
        autoencoder=AutoencoderRecipe(
            device="cuda", renderers=14, batch=48, frame_steps=3000, clip_steps=20000, decoder_steps=8000, lr=7e-4
        ),
        upsampler=UpsamplerRecipe(device="cuda", batch=64, steps=6000),
        refiner=RefinerRecipe(device="cuda", clips=1200, batch=64, steps=20000),  # one process draws them
        teacher=TeacherRecipe(
            device="cuda",
            renderers=14,
            encoded=64,
            layouts=48000,
            stills=60000,
            finishes=6000,
            others=16000,
            other_finishes=1500,
            batch=256,
            high_steps=30000,
            low_steps=15000,
        ),
        end_to_end=EndToEndRecipe(batch=32, steps=3000),
        student=StudentRecipe(device="cuda", batch=256, high_steps=6000, low_steps=4000),
        matching=MatchingRecipe(batch=128, steps=6000),
        features=FeaturesRecipe(clips=8000, batch=32),
    ),
}
