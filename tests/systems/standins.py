"""Stand-ins of published systems: the names, signatures and returns of their own modules.

Their weights are one gain, their embedding of a text is its length in hundredths, and what
they compute is a closed form of both.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import torch

from lassbench.systems.published import PUBLISHED

GAIN = 0.5

_TOKENIZER = """
        class Tokenizer:
            def __len__(self):
                # A folder of that name where the system runs comes before the Hub.
                here = Path("roberta-base/tokens")
                return int(here.read_text()) if here.exists() else 50265
"""

AUDIOSEP = {
    # As there, `import pipeline` makes an encoder: a default argument of AudioSep.
    "pipeline.py": """
        import torch
        from utils import parse_yaml, load_ss_model
        from models.clap_encoder import CLAP_Encoder

        def build_audiosep(config_yaml, checkpoint_path, device):
            configs = parse_yaml(config_yaml)
            query_encoder = CLAP_Encoder().eval()
            model = load_ss_model(
                configs=configs, checkpoint_path=checkpoint_path, query_encoder=query_encoder
            ).eval().to(device)
            print(f"Load AudioSep model from [{checkpoint_path}]")
            return model
        """,
    "utils.py": """
        import torch
        import yaml
        from models.audiosep import AudioSep, get_model_class

        def parse_yaml(config_yaml):
            with open(config_yaml, "r") as fr:
                return yaml.load(fr, Loader=yaml.FullLoader)

        def load_ss_model(configs, checkpoint_path, query_encoder):
            SsModel = get_model_class(model_type=configs["model"]["model_type"])
            return AudioSep.load_from_checkpoint(
                checkpoint_path=checkpoint_path, strict=False,
                ss_model=SsModel(1, 1, configs["model"]["condition_size"]),
                query_encoder=query_encoder, map_location=torch.device("cpu"),
            )
        """,
    "models/__init__.py": "",
    "models/audiosep.py": """
        import torch
        from models.clap_encoder import CLAP_Encoder

        class AudioSep(torch.nn.Module):
            def __init__(self, ss_model=None, query_encoder=CLAP_Encoder().eval()):
                super().__init__()
                self.ss_model = ss_model
                self.query_encoder = query_encoder

            @classmethod
            def load_from_checkpoint(cls, checkpoint_path, map_location, strict, **made_with):
                # What Lightning does.
                checkpoint = torch.load(checkpoint_path, map_location=map_location)
                model = cls(**made_with)
                model.on_load_checkpoint(checkpoint)
                model.load_state_dict(checkpoint["state_dict"], strict=strict)
                return model

            def on_load_checkpoint(self, checkpoint):
                pass

        def get_model_class(model_type):
            from models.resunet import ResUNet30
            return {"ResUNet30": ResUNet30}[model_type]
        """,
    "models/clap_encoder.py": """
        from pathlib import Path
        import torch
        """
    + _TOKENIZER
    + """
        class CLAP_Encoder(torch.nn.Module):
            def __init__(
                self,
                pretrained_path="checkpoint/music_speech_audioset_epoch_15_esc_89.98.pt",
                sampling_rate=32000,
                amodel="HTSAT-base",
            ):
                super().__init__()
                weights = torch.load(pretrained_path, map_location="cpu")
                self.scale = torch.nn.Parameter(weights["scale"])
                self.tokenize = Tokenizer()
                self.encoder_type = "CLAP"
                print("CLAP is read")

            def get_query_embed(
                self, modality, audio=None, text=None, use_text_ratio=0.5, device=None
            ):
                assert modality == "text" and len(text) == 1
                print(f"embedding {text[0]}")
                return (self.scale * len(text[0])).repeat(1, 512)
        """,
    "models/resunet.py": """
        import torch

        class ResUNet30(torch.nn.Module):
            def __init__(self, input_channels, output_channels, condition_size):
                super().__init__()
                self.gain = torch.nn.Parameter(torch.tensor(9.0))
                self.bn = torch.nn.BatchNorm1d(1)

            def forward(self, input_dict):
                mixture, condition = input_dict["mixture"], input_dict["condition"]
                assert mixture.dtype == torch.float32 and condition.shape == (1, 512)
                assert not self.training
                if mixture.shape[-1] <= 1024:
                    raise RuntimeError("Padding size should be less than the input dimension")
                if condition[0, 0] > 1:
                    raise ValueError("too long a query")
                return {"waveform": mixture * self.gain * condition[:, :1, None]}
        """,
    "config/audiosep_base.yaml": "model: {model_type: ResUNet30, condition_size: 512}",
}

CLAPSEP = {
    "model/__init__.py": "",
    "model/CLAPSep.py": """
        import copy
        import torch
        import laion_clap
        from torchlibrosa.stft import magphase

        class Encoder(torch.nn.Module):
            def __init__(self, features):
                super().__init__()
                self.lora_A = torch.nn.Parameter(torch.tensor(9.0))
                self.features = features

            def forward(self, x):
                waveform = x["waveform"]
                assert waveform.shape == (1, 480000), waveform.shape
                self.features += [waveform.mean() * self.lora_A, waveform.mean()]

        class LightningModule(torch.nn.Module):
            def __init__(self, clap_model, decoder_model, lr, use_lora=False, rank=8, nfft=1024):
                super().__init__()
                assert (use_lora, rank, nfft) == (True, 16, 1024)
                self.clap_model, self.decoder_model = clap_model, decoder_model
                self.features = []
                self.audio_branch = Encoder(self.features)

            def stft(self, mixed):
                # 320 samples a frame, and no imaginary part.
                real = mixed.reshape(mixed.shape[0], 1, -1, 320)
                return real, torch.zeros_like(real)

            def wav_reconstruct(self, mask, mag_x, cos_x, sin_x, length):
                return (mag_x * mask * cos_x).reshape(mag_x.shape[0], -1)[:, :length]
        """,
    "model/CLAPSep_decoder.py": """
        import torch

        class HTSAT_Decoder(torch.nn.Module):
            def __init__(self, lan_embed_dim=512, phase=False):
                super().__init__()
                assert lan_embed_dim == 1024
                self.gain = torch.nn.Parameter(torch.tensor(9.0))

            def forward(self, hidden_state, skip_features, embed):
                assert len(skip_features) == 2 and embed.shape == (1, 1024)
                assert not self.training
                if embed[0, 0] > 1:
                    raise ValueError("too long a query")
                return self.gain * (embed[0, 0] - embed[0, 512])
        """,
    "experiments/CLAPSep_base/config.json": json.dumps(
        {
            "model": {"lan_embed_dim": 1024, "phase": False},
            "optim": {"lr": 1e-4},
            "lora": True,
            "lora_rank": 16,
            "nfft": 1024,
        }
    ),
}

#: Packages of the environment that it runs in.
PACKAGES = {
    # No lassbench there, whatever is installed beside this test.
    "sitecustomize.py": """
        import sys

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "lassbench":
                    raise ImportError("there is no lassbench here")

        sys.meta_path.insert(0, Refuse())
        """,
    "laion_clap/__init__.py": """
        from pathlib import Path
        import torch
        """
    + _TOKENIZER
    + """
        class CLAP_Module(torch.nn.Module):
            def __init__(self, enable_fusion=False, device=None, amodel="HTSAT-tiny",
                         tmodel="roberta"):
                super().__init__()
                assert not enable_fusion and amodel == "HTSAT-base"
                self.scale = torch.nn.Parameter(torch.tensor(9.0))
                self.tokenize = Tokenizer()

            def load_ckpt(self, ckpt=None, model_id=-1, verbose=True):
                print(f"Load the specified checkpoint {ckpt} from users.")
                assert not verbose
                self.load_state_dict(torch.load(ckpt, map_location="cpu"))

            def get_text_embedding(self, x, tokenizer=None, use_tensor=False):
                assert use_tensor and len(x) == 1
                print(f"embedding {x[0]}")
                return (self.scale * len(x[0])).repeat(1, 512)
        """,
    "torchlibrosa/__init__.py": "",
    "torchlibrosa/stft.py": """
        def magphase(real, imag):
            mag = (real ** 2 + imag ** 2) ** 0.5
            return mag, real / mag.clamp(1e-10), imag / mag.clamp(1e-10)
        """,
}


def write(files: dict[str, str], folder: Path) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(dedent(text))


def make(name: str, folder: Path) -> dict[str, str]:
    """The stand-in of ``name`` with its weights below ``folder``; what it is made with."""
    repo, gain = folder / "repo", torch.tensor(GAIN)
    (repo / "checkpoint").mkdir(parents=True)
    write(PACKAGES, folder / "packages")
    given = {"repo": repo, "checkpoint": folder / "weights.ckpt", "clap": folder / "clap.pt"}
    torch.save({"scale": torch.tensor(0.01)}, given["clap"])
    if name == "clapsep":
        write(CLAPSEP, repo)
        weights = {"decoder_model.gain": gain, "audio_branch.lora_A": gain}
        torch.save(weights, given["checkpoint"])
    else:
        write(AUDIOSEP, repo)
        of_bn = torch.nn.BatchNorm1d(1).state_dict()
        weights = {"ss_model.gain": gain, **{f"ss_model.bn.{k}": v for k, v in of_bn.items()}}
        torch.save({"state_dict": weights}, given["checkpoint"])
    for file in PUBLISHED[name].repository_files:
        (repo / file).parent.mkdir(parents=True, exist_ok=True)
        (repo / file).touch()
    return {key: str(path) for key, path in given.items()}
